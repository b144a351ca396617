"""What figures are given, looked at before anything is drawn: kinds, titles, numbers that are not finite."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from emotion_utils.data.tensors import as_tensor
from emotion_utils.errors import brief


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
    if isinstance(titles, str) or not isinstance(titles, Iterable):
        raise TypeError(f"titles={brief(titles)}: give a list of {count} texts, one for each of the {what}.")
    titles = list(titles)
    if len(titles) != count:
        raise ValueError(f"{len(titles)} titles for {count} {what}: give one for each.")
    return titles


def finite_range(*arrays: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest finite number of all arrays; 0 and 0 if there is none."""
    finite = [array[np.isfinite(array)] for array in arrays]
    finite = [values for values in finite if values.size]
    if not finite:
        return 0.0, 0.0
    return float(min(values.min() for values in finite)), float(max(values.max() for values in finite))


def numbers_of(name: str, values: Any) -> np.ndarray:
    """Turn a map, an image or a kernel to float32 without dimensions of size 1; what is not finite becomes NaN.

    Raises:
        TypeError: no real numbers; the message calls the argument `name`.
    """
    tensor = as_tensor(values, name)
    if tensor.is_complex() or tensor.is_meta or tensor.layout != torch.strided:
        what = f"{tensor.layout}, {tensor.dtype}, on {tensor.device.type}"
        raise TypeError(f"{name}={brief(what)}: give real numbers in a tensor or an array of the usual kind.")
    array = tensor.cpu().float().squeeze().numpy()
    return np.where(np.isfinite(array), array, np.nan)
