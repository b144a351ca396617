"""Data sets made from others: a part cut by PyTorch, some of the classes, another size."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import Subset

from emotion_utils.data.contents import check_classes
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.pixels import check_size
from emotion_utils.errors import brief, listed
from emotion_utils.tensors import is_list


def as_face_dataset(dataset: Any, name: str = "dataset") -> FaceDataset:
    """Return a FaceDataset as it is, and a part of one that PyTorch cut (`random_split`, `Subset`) as a FaceDataset.

    The part keeps the mean, the standard deviation and the name of the split of the whole. `divide` does better: it
    keeps the balance of classes and identical images together.

    Raises:
        TypeError: something else; the message calls it `name`.
        ValueError, IndexError: a part without images, or with images that the whole does not have.
    """
    if isinstance(dataset, FaceDataset):
        return dataset
    if isinstance(dataset, Subset):
        return as_face_dataset(dataset.dataset, name).subset(dataset.indices)
    raise TypeError(
        f"{name}={brief(type(dataset).__name__)}: a FaceDataset is wanted: images, uint8 (N, 1, H, W), with a label "
        "each. Make it by FaceDataset(images, labels, classes), load(…) or load_folder(…), and cut it by "
        "faces.divide((0.8, 0.2))."
    )


def keep_classes(dataset: FaceDataset, classes: Sequence[str]) -> FaceDataset:
    """Return the faces of the named `classes` alone, with labels 0, 1, … in the order of those names.

    Of a dictionary of names and numbers, such as `class_to_idx`, the order is that of the numbers.

    Raises:
        ValueError: a name that the data set does not have, a name given twice, fewer than two, no images of them, or a
            set, which has no order.
    """
    dataset = as_face_dataset(dataset)
    if isinstance(classes, set | frozenset | Mapping):
        classes = check_classes(classes)
    classes = tuple(classes) if is_list(classes) and not isinstance(classes, str) else (classes,)
    unknown = [brief(name) for name in classes if name not in dataset.classes]
    if unknown or len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(
            f"classes={brief(classes)}: name at least two different ones of {listed(dataset.classes, 10)}"
            + (f"; unknown: {listed(unknown)}." if unknown else ".")
        )
    if classes == tuple(dataset.classes):
        return dataset
    new = torch.full((len(dataset.classes),), -1)
    for label, name in enumerate(classes):
        new[dataset.classes.index(name)] = label
    labels = new.to(dataset.labels.device)[dataset.labels]
    kept = (labels >= 0).nonzero()[:, 0]
    if len(kept) == 0:
        raise ValueError(f"classes={brief(classes)}: {dataset.name} has no image of any of them.")
    return dataset.subset(kept).with_labels(labels[kept], classes)


def resize(dataset: FaceDataset, size: int) -> FaceDataset:
    """Return the faces at `size`×`size` pixels, averaged where they shrink; mean and spread of the pixels are kept.

    Raises:
        ValueError: `size` is no whole number from 1.
    """
    dataset, size = as_face_dataset(dataset), check_size(size)
    if tuple(dataset.images.shape[-2:]) == (size, size):
        return dataset
    shrinks = size <= min(dataset.images.shape[-2:])
    how = {"mode": "area"} if shrinks else {"mode": "bilinear", "align_corners": False}
    images = functional.interpolate(dataset.images.float(), size=(size, size), **how)
    return dataset.with_images(images.round().clamp(0, 255).to(torch.uint8))
