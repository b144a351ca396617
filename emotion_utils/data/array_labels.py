"""Labels as they come with arrays, lists and columns: numbers or names, brought to what a data set takes."""

from typing import Any

import torch
from torch import Tensor

from emotion_utils.data.contents import check_classes
from emotion_utils.data.folder_plan import make_plan
from emotion_utils.errors import brief, listed
from emotion_utils.tensors import as_list, as_tensor

MOST_CLASSES = 1000


def read_labels(labels: Any, classes: Any, count: int) -> tuple[Any, tuple[str, ...], list[str]]:
    """Bring labels to numbers or names that a FaceDataset takes.

    Args:
        labels: one for each image; numbers, also `(N, 1)`, or names, also those of a data frame's column.
        classes: names of the classes, or None to find out.
        count: of the images.

    Returns:
        int64 `(N,)` or a list of names, the names of the classes, and a sentence for each thing that was decided.

    Raises:
        TypeError, ValueError: neither numbers nor names, both of them, fractions, or a row for each image.
    """
    labels = as_list(labels)
    if isinstance(labels, list | tuple) and labels and isinstance(labels[0], str):
        return _named(list(labels), classes, count)
    given = as_tensor(labels, "labels")
    if given.ndim == 0:
        raise ValueError(f"labels={brief(labels)}: give one for each image.")
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim == 2:
        raise ValueError(
            f"labels have shape {tuple(given.shape)}, a row for each image: if each row holds a single 1, "
            "labels.argmax(1) gives the numbers; soft labels are for the loss."
        )
    numbers = given.to(torch.int64)
    if given.is_floating_point() and not (numbers == given).all():  # 0.5, nan, or more than an int64 holds
        raise ValueError(f"labels={brief(given.tolist())}: give the number of a class for each image, 0, 1, 2, …")
    return (numbers, check_classes(classes), []) if classes is not None else _counted(numbers, count)


def _counted(numbers: Tensor, count: int) -> tuple[Tensor, tuple[str, ...], list[str]]:
    """Name classes by their numbers, and count those anew that do not begin at 0 or leave gaps."""
    found = numbers.unique().tolist()
    if len(found) > MOST_CLASSES:
        raise ValueError(f"labels hold {len(found):,} different numbers for {count:,} images: those are no classes.")
    names = tuple(str(number) for number in found)
    if found == list(range(len(found))):
        return numbers, names, []
    note = (
        f"labels are the numbers {listed(names, 10)}; they were counted anew from 0, and the old numbers are the names "
    )
    return torch.searchsorted(torch.tensor(found), numbers), names, [note + "of the classes"]


def _named(labels: list[Any], classes: Any, count: int) -> tuple[list[str], tuple[str, ...], list[str]]:
    if others := [label for label in labels if not isinstance(label, str)]:
        raise ValueError(
            f"labels hold {brief(labels[0])} and {brief(others[0])}: give names for all images, or numbers."
        )
    labels = [name.strip() for name in labels]
    if all(map(str.isdecimal, labels)) and (classes is None or not set(labels) & set(check_classes(classes))):
        return read_labels(list(map(int, labels)), classes, count)  # a column that was read as text
    plan = make_plan(list(dict.fromkeys(labels)), None if classes is None else check_classes(classes), of="labels")
    if unknown := [brief(name) for name in dict.fromkeys(labels) if name not in plan.class_of]:
        raise ValueError(
            f"labels hold {listed(unknown)}; the classes are {listed(plan.classes, 10)}. Correct either of them."
        )
    notes = [] if all(map(str.isdecimal, plan.classes)) else list(plan.notes)  # somebody chose these numbers as names
    return [plan.class_of[name] for name in labels], plan.classes, notes
