"""Arrays of images, and data sets of other libraries, as a data set: told by what they can do, not by their type."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.std import tqdm

from emotion_utils.data.array_labels import read_labels
from emotion_utils.data.contents import as_groups, check_flag
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder import tell
from emotion_utils.data.grey_levels import DARKEST, OVERSHOOT, alone
from emotion_utils.data.image_files import GREY_MODES
from emotion_utils.data.pixels import as_images, check_size, unpacked
from emotion_utils.data.reading import note_on_dark
from emotion_utils.errors import brief, check_number, check_whole, listed, reason
from emotion_utils.randomness import permutation, stream_key
from emotion_utils.tensors import as_list, as_tensor, is_list

LABELS = ("label", "labels", "fine_label", "emotion", "class")  # usual names of the column of labels


def from_arrays(
    images: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    *,
    size: int | None = None,
    colour: bool | None = None,
    white: float | None = None,
    groups: Any = None,
    name: str = "arrays",
    verbose: bool = True,
) -> FaceDataset:
    """Make a data set of images and labels in arrays, tensors or lists, of any usual shape and type.

    Args:
        images: `(N, H, W)`, `(N, H, W, 3)`, `(N, 3, H, W)` and whatever else `as_images` takes: uint8 0 to 255, floats
            0 to 1 or 0 to 255, bool, 16 bits, Pillow images, paths; also a data frame's column of these.
        labels: whole numbers from 0 as `(N,)` or `(N, 1)`, or names of classes; also a data frame's column.
        classes: names of the classes, in the order of their numbers. None: the names or numbers that occur, sorted
            (`EMOTIONS`, if all are emotions); numbers that do not start at 0, or leave gaps, are then counted anew.
        size: height and width to bring the middle square of each image to; None leaves them, and they must be equal.
        colour: True keeps three channels, False turns all grey; None keeps what is there.
        white: the value of a white pixel, where it is neither 1 nor 255: scikit-learn's digits go to 16.
        groups: a number or a name for each image, which tells what belongs to one person; `divide` keeps it together.
        name: of the data set.
        verbose: print the notes.

    Raises:
        TypeError, ValueError: no images, shapes or ranges that may be two things, or labels that do not fit.
    """
    images, labels = unpacked(images), as_list(labels)
    pixels = _pixels(images, labels, size, colour, white)
    numbers, names, notes = read_labels(labels, classes, len(pixels))
    if white is None:
        notes += note_on_dark(pixels, "say white=… with its value in the array")
    groups = None if groups is None else as_groups(groups)
    dataset = FaceDataset(pixels, numbers, names, name=name, groups=groups, notes=notes)
    if verbose:
        tell(dataset.name, dataset.notes)
    return dataset


def _pixels(images: Any, labels: Any, size: int | None, colour: bool | None, white: float | None) -> Tensor:
    """Bring images to uint8 `(N, C, H, W)`."""
    size = None if size is None else check_size(size)
    if white is not None:
        white = check_number(above=0, white=white)
        values = as_tensor(images, "images").double()
        low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
        if low < 0 or high > white or not np.isfinite(high - low):
            raise ValueError(f"white={white:g}: the images run from {low:.4g} to {high:.4g}, not from 0 to that.")
        images = (values / white * 255).round().to(torch.uint8)
    if isinstance(images, Tensor):
        images = as_tensor(images, "images")  # refuses what holds no plain numbers
    shape = tuple(getattr(images, "shape", ()))
    count = len(labels) if is_list(labels) and hasattr(labels, "__len__") else None
    if isinstance(images, list | tuple) and len(images) == count:
        images = [alone(image) for image in images]
    if len(shape) == 2 and shape[0] == count and count > 1:
        side = round(shape[1] ** 0.5)
        advice = f"images.reshape(-1, {side}, {side})" if side**2 == shape[1] else "images.reshape(-1, height, width)"
        raise ValueError(f"images have shape {shape}, a row of numbers for each: give them height and width, {advice}.")
    if isinstance(images, np.ndarray | Tensor) and str(images.dtype).removeprefix("torch.").startswith("float"):
        low, high = (float(images.min()), float(images.max())) if 0 not in shape else (0.0, 0.0)
        if low >= 0 and 1 + OVERSHOOT < high <= DARKEST:
            raise ValueError(
                f"images run from {low:.4g} to {high:.4g}, neither 0 to 1 nor 0 to 255: which value is white is not "
                f"known. If {high:.4g} is white, give white={high:.4g}."
            )
    colour = _has_colours(images) if colour is None else check_flag(colour=colour)
    return as_images(images, size, colour=colour)


def _has_colours(images: Any, one: bool = False) -> bool:
    """Say whether images hold colours: by the shape of an array, or by any of a list, each of which is `one`."""
    if isinstance(images, list | tuple):
        return any(_has_colours(image, True) for image in images)
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) == 4 or (one and len(shape) == 3):
        return shape[-1] in (3, 4) or shape[-3] in (3, 4)
    mode = getattr(images, "mode", "L")  # of a Pillow image
    return isinstance(mode, str) and mode not in GREY_MODES and not mode.startswith("I")


def from_torchvision(
    dataset: Any,
    classes: Sequence[str] | None = None,
    *,
    size: int | None = None,
    colour: bool | None = None,
    limit: int | None = None,
    seed: int = 0,
    name: str | None = None,
    verbose: bool = True,
) -> FaceDataset:
    """Make a data set of any PyTorch data set that gives `(image, label)`, such as those of torchvision.

    Args:
        dataset: it has a length, and `dataset[i]` is a Pillow image, an array or a tensor, and a whole number. A
            transform that turns images into tensors is fine, one that normalises or augments them is not: this is done
            later, batch by batch.
        classes: names of the classes; None: `dataset.classes`, else the numbers.
        size: height and width to bring images to; None leaves them.
        colour: True keeps three channels, False turns all grey; None keeps what is there.
        limit: read at most so many images, chosen at random.
        seed: of that choice.
        name: of the data set; None: that of the class.
        verbose: show progress, and print the notes.

    Raises:
        TypeError, ValueError: no such data set, or images or labels that `from_arrays` does not take.
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__") or isinstance(dataset, dict | str):
        raise TypeError(
            f"dataset={brief(type(dataset).__name__)}: give a data set with a length, whose dataset[i] is (image, "
            "label). For arrays use from_arrays(images, labels)."
        )
    inner = dataset
    while hasattr(inner, "dataset") and not hasattr(inner, "classes"):  # PyTorch's Subset
        inner = inner.dataset
    known = _classes_within(dataset)
    classes = known if classes is None else classes
    images, labels = [], []
    for i in _chosen(len(dataset), limit, seed, verbose):
        try:
            image, label = dataset[i]
        except (TypeError, ValueError) as error:
            raise ValueError(f"dataset[{i}] is not (image, label): {reason(error)}.") from error
        images.append(alone(image))
        labels.append(_label(label, i))
    named = name or type(inner).__name__
    return from_arrays(images, labels, classes, size=size, colour=colour, name=named, verbose=verbose)


def _classes_within(dataset: Any) -> list[str] | None:
    """Find the names of the classes in PyTorch's data set, or in those that it is put together from."""
    if isinstance(known := getattr(dataset, "classes", None), list | tuple):
        return [str(each) for each in known]
    joined = getattr(dataset, "datasets", ())  # of PyTorch's ConcatDataset
    parts = [getattr(dataset, "dataset", None), *(joined if isinstance(joined, list | tuple) else ())]
    found = [_classes_within(part) for part in parts if part is not None]
    named = [each for each in found if each is not None]
    if any(each != named[0] for each in named):
        raise ValueError(
            f"dataset joins parts with different classes ({listed(named[0], 4, 60)}, and others), whose labels mean "
            "different things. Give each part to from_torchvision, and join(…) what comes out."
        )
    return named[0] if named and len(named) == len(found) else None


def from_huggingface(
    dataset: Any,
    image: str | None = None,
    label: str | None = None,
    classes: Sequence[str] | None = None,
    *,
    size: int | None = None,
    colour: bool | None = None,
    limit: int | None = None,
    seed: int = 0,
    name: str = "huggingface",
    verbose: bool = True,
) -> FaceDataset:
    """Make a data set of one of Hugging Face's `datasets`: rows by number, each a dictionary of columns.

    The package `datasets` is not needed here: what has `column_names`, a length and `dataset[i]` will do.

    Args:
        dataset: one split, such as `load_dataset("mnist", split="train")`.
        image: column of images; None: "image" or "img", or the first column of Hugging Face's kind Image.
        label: column of labels; None: "label", "labels", "emotion", …, or the first of the kind ClassLabel.
        classes: names of the classes; None: those that the column of labels knows.
        size: height and width to bring images to; None leaves them.
        colour: True keeps three channels, False turns all grey; None keeps what is there.
        limit: read at most so many images, chosen at random.
        seed: of that choice.
        name: of the data set.
        verbose: show progress, and print the notes.

    Raises:
        TypeError, ValueError: several splits in one, no such columns, or what `from_arrays` raises.
    """
    if hasattr(dataset, "keys") and hasattr(dataset, "values"):
        splits = [str(key) for key in dataset.keys()]  # noqa: SIM118 – a DatasetDict
        raise TypeError(f"dataset holds the splits {listed(splits)}: give one of them, dataset[{splits[:1] or ['…']}].")
    columns = getattr(dataset, "column_names", None)
    if not isinstance(columns, list | tuple) or not hasattr(dataset, "__len__"):
        raise TypeError(
            f"dataset={brief(type(dataset).__name__)}: give a split of Hugging Face's datasets, which has column_names "
            "and a length (streaming=False)."
        )
    features = getattr(dataset, "features", None) or {}
    image = _column(columns, features, image, "image", "Image", ("image", "img", "pixel_values"))
    label = _column(columns, features, label, "label", "ClassLabel", LABELS)
    known = getattr(features.get(label) if hasattr(features, "get") else None, "names", None)
    if classes is None and known:
        classes = [str(each) for each in known]
    images, labels = [], []
    for i in _chosen(len(dataset), limit, seed, verbose):
        row = dataset[i]
        images.append(alone(row[image]))
        labels.append(_label(row[label], i))
    return from_arrays(images, labels, classes, size=size, colour=colour, name=name, verbose=verbose)


def _column(columns: Sequence[str], features: Any, wanted: Any, what: str, kind: str, known: Sequence[str]) -> str:
    """Find a column: the one that is named, the one with a usual name, or the first of a kind."""
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(f"{what}={brief(wanted)}: there is no such column, only {listed(list(columns), 8)}.")
        return wanted
    of_kind = [name for name in columns if hasattr(features, "get") and type(features.get(name)).__name__ == kind]
    found = [name for name in known if name in columns] + of_kind
    if not found:
        raise ValueError(f"{what}=None: name the column of {what}s among {listed(list(columns), 8)}.")
    return found[0]


def _chosen(count: int, limit: Any, seed: Any, verbose: bool) -> Any:
    """Give the numbers of the images to read, with a bar."""
    numbers = list(range(count))
    if not count:
        raise ValueError("dataset holds no images.")
    if limit is not None and (limit := check_whole(1, None, ", or None for all", limit=limit)) < count:
        numbers = sorted(permutation(stream_key(check_whole(seed=seed), "limit"), count)[:limit].tolist())
    return tqdm(numbers, "Reading images", leave=False, delay=2, disable=not verbose, file=sys.stderr, unit="images")


def _label(label: Any, i: int) -> int | str:
    """Give a label as a plain number or a name."""
    one = hasattr(label, "item") and math.prod(getattr(label, "shape", (0,))) == 1  # MedMNIST's have the shape (1,)
    plain = label.item() if one else label
    if isinstance(plain, bool) or not isinstance(plain, int | str):
        raise ValueError(
            f"dataset[{i}] has the label {brief(label)}: one whole number or name for each image is wanted. Choose it, "
            "or change labels by the data set's target_transform."
        )
    return plain
