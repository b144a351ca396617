"""What a data set holds, as it is given by hand: checked, and made the plain types that are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, check_number, listed
from emotion_utils.randomness import stream_key
from emotion_utils.tensors import as_list, as_tensor, as_whole, is_list

CHANNELS = (1, 3)  # grey, or red, green and blue


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes as plain strings; of a dictionary of names and numbers in the order of these.

    Raises:
        ValueError: no names, something else than names, a set, which has no order, or two that are equal.
    """
    if isinstance(classes, set | frozenset):
        raise ValueError(f"classes={brief(classes)}: a set has no order, and labels would be anybody's; give a list.")
    found = _in_order_of_numbers(classes) if isinstance(classes, Mapping) else classes
    names = () if isinstance(found, str) or not is_list(found) else tuple(found)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"classes={brief(classes)}: give the names of the classes, such as ['happy', 'sad'].")
    names = tuple(str(name) for name in names)  # NumPy's strings are of another type
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(
            f"classes={brief(names)}: {brief(twice[0])} is there twice; give each class a name of its own."
        )
    return names


def _in_order_of_numbers(classes: Mapping) -> list[str]:
    """Sort the names in torchvision's `class_to_idx`, {name: number}, or in an `id2label`, {number: name}; else []."""
    pairs = [(name, number) if isinstance(number, int) else (number, name) for name, number in classes.items()]
    numbers = {int(number): name for name, number in pairs if isinstance(number, int) or str(number).isdecimal()}
    return [numbers[i] for i in range(len(numbers))] if sorted(numbers) == list(range(len(classes))) else []


def check_normalisation(mean: float | None, std: float | None) -> tuple[float, float]:
    """Return mean and standard deviation of pixels from 0 to 1 as plain floats; a ValueError names what is none."""
    return float(check_number(0, 1, mean=mean)), float(check_number(None, 1, above=0, std=std))


def as_pixels(images: Any) -> Tensor:
    """Make a uint8 tensor of pixels that are whole numbers from 0 to 255, or True and False; its shape is kept."""
    images = as_tensor(images, "images")
    if images.dtype == torch.uint8:
        return images
    if images.dtype == torch.bool:
        return images.to(torch.uint8) * 255
    if images.is_floating_point() or images.is_complex():
        raise TypeError(
            f"images are {images.dtype}; they are kept as torch.uint8, 0 to 255. Floats in [0, 1] convert with "
            "(images * 255).round().to(torch.uint8), arrays of any kind with as_images(images)."
        )
    images = images.to(torch.int64)
    if images.numel() and (int(images.min()) < 0 or int(images.max()) > 255):
        raise ValueError(
            f"images hold {int(images.min())} to {int(images.max())}; pixels are 0 to 255. as_images(images) scales 16 "
            "bits."
        )
    return images.to(torch.uint8)


def as_labels(labels: Any, classes: tuple[str, ...]) -> Tensor:
    """Make int64 labels of whole numbers, or of names of classes; emotions may have other names, as in `label_of`."""
    names = as_list(labels)
    if not isinstance(names, list | tuple) or not names or not isinstance(names[0], str):
        return as_whole(names, "labels")
    number = {name: label for label, name in enumerate(classes)}
    if classes == EMOTIONS:
        number |= {name: label_of(name) for name in dict.fromkeys(names) if isinstance(name, str)}
    if unknown := [brief(name) for name in dict.fromkeys(names) if number.get(name) is None]:
        raise ValueError(
            f"labels hold {listed(unknown)}; the classes are {listed(classes, 10)}. Correct either of them."
        )
    return torch.tensor([number[name] for name in names])


def as_twins(twins: Any) -> Tensor:
    """Make a bool tensor of True and False, or of 1 and 0."""
    twins = as_tensor(twins, "twins")
    if twins.ndim != 1:
        raise ValueError(f"twins have shape {tuple(twins.shape)}; give True or False for each image.")
    if twins.dtype != torch.bool and len(twins) and not ((twins == 0) | (twins == 1)).all():
        raise TypeError(f"twins are {twins.dtype}; give True or False for each image.")
    return twins.to(torch.bool)


def as_groups(groups: Any) -> Tensor:
    """Make int64 numbers of groups, given as whole numbers or as names.

    A name's number is a hash of it, so that a person has the same one in every data set.
    """
    names = as_list(groups)
    if isinstance(names, list | tuple) and names and isinstance(names[0], str):
        return torch.tensor([stream_key(0, "group", str(name)) for name in names], dtype=torch.int64)
    return as_whole(names, "groups")


def check_images_and_labels(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> None:
    """Raise a ValueError unless shapes are those of images with a label each, and all labels are of a class."""
    if images.ndim != 4 or images.shape[1] not in CHANNELS or 0 in images.shape[2:]:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (N, 1, height, width), grey images one after another, "
            "or (N, 3, height, width), colours. images[:, None] adds a missing channel; as_images(images) and "
            "from_arrays(images, labels) take other shapes."
        )
    if len(images) == 0:
        raise ValueError("There are no images. Check the folder or file that they came from.")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels have shape {tuple(labels.shape)} for {len(images)} images; give one label per image.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        from_one = "They seem to count from 1: subtract 1" if (low, high) == (1, len(classes)) else "Correct the labels"
        raise ValueError(
            f"labels run from {low} to {high}, but {len(classes)} classes have labels 0 to {len(classes) - 1}. "
            f"{from_one}, or name all classes."
        )


def check_one_for_each(what: str, values: Sequence | Tensor | None, count: int) -> None:
    """Raise a ValueError unless there is one value for each of `count` images, or none at all."""
    entries = None if values is None else 0 if getattr(values, "ndim", 1) == 0 else len(values)
    if entries not in (None, count):
        raise ValueError(f"{what} has {entries} entries for {count} images; give one for each.")


def as_texts(values: Any, name: str) -> list[str]:
    """Make a list of strings; a TypeError for what is no list, a single string among it."""
    if isinstance(values, str | bytes | Mapping) or not is_list(values):
        raise TypeError(f"{name}={brief(values)}: give a list of strings.")
    return [str(value) for value in values]


def as_text(value: Any, name: str) -> str:
    """Return a plain string; a TypeError for what is none."""
    if not isinstance(value, str):
        raise TypeError(f"{name}={brief(value)}: give a string.")
    return str(value)


def check_flag(**named: Any) -> bool:
    """Return the one value that is named as True or False; a TypeError for what is neither.

    Anything in Python counts as true or false, and `bgr="no"` as true.
    """
    ((name, value),) = named.items()
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={brief(value)}: choose True or False.")
    return bool(value)


def check_augment(augment: Any) -> Any:
    """Return an augmentation; a TypeError for what cannot be called."""
    if augment is not None and not callable(augment):
        raise TypeError(f"augment={brief(augment)}: give Augment(…), a function of your own, or None.")
    return augment


def as_truth(truth: Any) -> dict[str, Tensor]:
    """Make a dictionary of tensors; a TypeError for what is no dictionary."""
    if not isinstance(truth, Mapping):
        raise TypeError(f"truth={brief(type(truth).__name__)}: give a dictionary of tensors.")
    return {str(key): as_tensor(value, str(key)) for key, value in truth.items()}
