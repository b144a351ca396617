"""What figures are given, looked at before anything is drawn: kinds, titles, numbers that are not finite."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emotion_utils.errors import brief, check_number
from emotion_utils.tensors import as_tensor, is_list


def check_kind(name: str, value: Any, kind: type, wanted: str) -> None:
    """Raise a TypeError that names the argument unless `value` is of the kind that is wanted."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}={brief(type(value).__name__)}: give {wanted}, a {kind.__name__}.")


def check_titles(titles: Any, count: int, what: str) -> Sequence | None:
    """Return titles as a sequence with one for each thing that is drawn; None stays None.

    Raises:
        TypeError: one text instead of several.
        ValueError: another number of them.
    """
    if titles is None:
        return None
    if isinstance(titles, str) or not is_list(titles):
        raise TypeError(f"titles={brief(titles)}: give a list of {count} texts, one for each of the {what}.")
    titles = [each.item() if getattr(each, "ndim", None) == 0 else each for each in titles]  # of labels in a tensor
    if len(titles) != count:
        raise ValueError(f"{len(titles)} titles for {count} {what}: give one for each.")
    return titles


def check_bars(names: Any, values: Any, name: str = "values") -> tuple[list, list[float]]:
    """Return as many names as numbers, as lists.

    Raises:
        TypeError: no list of names, or something else than numbers.
        ValueError: not as many names as numbers, or none.
    """
    if not is_list(names) or isinstance(names, str | bytes | Mapping):
        raise TypeError(f"names={brief(names)}: give a list of texts.")
    numbers = as_tensor(list(values) if is_list(values) and not hasattr(values, "ndim") else values, name)
    names = list(names)
    if numbers.ndim != 1 or len(numbers) != len(names) or not names:
        count = len(numbers) if numbers.ndim == 1 else f"shape {tuple(numbers.shape)}"
        raise ValueError(f"{len(names)} names for {count} {name}: give one for each, at least one.")
    return names, [float(value) for value in numbers.tolist()]


def check_format(number: str) -> None:
    """Raise a ValueError unless `number` is the format of one number."""
    try:
        good = number.format(1234.5) != number.format(0.25)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        good = False
    if not good:
        raise ValueError(f"number={brief(number)}: give the format of a number, such as '{{:.1f}}'.")


def check_reference(reference: Any) -> tuple[Any, float]:
    """Return a name and a number; raise an error that says so for anything else."""
    if not isinstance(reference, tuple | list) or len(reference) != 2:
        raise TypeError(f"reference={brief(reference)}: give a name and a value, such as ('chance', 14.3).")
    return reference[0], check_number(reference=reference[1])


def finite_range(*arrays: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest finite number of all arrays; 0 and 0 if there is none."""
    finite = [array[np.isfinite(array)] for array in arrays]
    finite = [values for values in finite if values.size]
    if not finite:
        return 0.0, 0.0
    return float(min(values.min() for values in finite)), float(max(values.max() for values in finite))


def numbers_of(name: str, values: Any) -> np.ndarray:
    """Turn a map, an image or a kernel to float32 (h, w) if its other dimensions have size 1; not finite becomes NaN.

    Raises:
        TypeError: no real numbers; the message calls the argument `name`.
    """
    tensor = as_tensor(values, name).cpu().float()
    while tensor.ndim > 2 and 1 in tensor.shape:
        tensor = tensor.squeeze(tensor.shape.index(1))
    array = tensor.numpy()
    return np.where(np.isfinite(array), array, np.nan)
