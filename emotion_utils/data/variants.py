"""Data sets made from others: some of the classes, another size."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import check_at_least


def keep_classes(dataset: FaceDataset, classes: Sequence[str]) -> FaceDataset:
    """Return the faces of the named `classes` alone, with labels 0, 1, … in the order of those names.

    Raises:
        ValueError: a name that the data set does not have, a name given twice, or fewer than two.
    """
    classes = tuple(classes)
    unknown = [name for name in classes if name not in dataset.classes]
    if unknown or len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(
            f"classes={classes}: name at least two different ones of {', '.join(dataset.classes)}"
            + (f"; unknown: {', '.join(unknown)}." if unknown else ".")
        )
    if classes == tuple(dataset.classes):
        return dataset
    new = torch.full((len(dataset.classes),), -1)
    for label, name in enumerate(classes):
        new[dataset.classes.index(name)] = label
    labels = new.to(dataset.labels.device)[dataset.labels]
    kept = (labels >= 0).nonzero()[:, 0]
    return dataset.subset(kept).with_labels(labels[kept], classes)


def resize(dataset: FaceDataset, size: int) -> FaceDataset:
    """Return the faces at `size`×`size` pixels, averaged where they shrink; mean and spread of the pixels are kept.

    Raises:
        ValueError: `size` is less than 1.
    """
    check_at_least(1, size=size)
    if tuple(dataset.images.shape[-2:]) == (size, size):
        return dataset
    shrinks = size <= min(dataset.images.shape[-2:])
    how = {"mode": "area"} if shrinks else {"mode": "bilinear", "align_corners": False}
    images = functional.interpolate(dataset.images.float(), size=(size, size), **how)
    return dataset.with_images(images.round().clamp(0, 255).to(torch.uint8))
