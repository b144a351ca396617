"""What networks are built with, checked and made plain at their door: numbers that a file can hold and read back."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.errors import brief, check_number, check_whole, listed

# Far beyond what is of use here, and small enough that a slip does not fill the memory before anything is said.
MOST_CLASSES = 10_000
MOST_PIXELS = 4096  # along a side
MOST_UNITS = 65_536  # channels of a layer, or units
MOST_LAYERS = 1000


def plain(value: Any) -> Any:
    """Turn NumPy's and PyTorch's numbers and arrays to Python's, and lists to tuples; leave anything else as it is."""
    if isinstance(value, Tensor) and (value.is_meta or value.layout != torch.strided):
        return value
    if isinstance(value, np.ndarray | Tensor):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    return value


def check_classes(classes: int | Sequence[str]) -> tuple[int, tuple[str, ...] | None]:
    """Return the number of classes, and their names if names were given.

    Raises:
        ValueError: fewer than two, a name that is none, or two alike.
    """
    classes = plain(classes)
    if isinstance(classes, tuple):
        for name in classes:
            if not isinstance(name, str) or not name.strip():
                raise ValueError(
                    f"classes={brief(classes)}: {brief(name)} is no name; give texts, or how many there are."
                )
        if twice := [name for name in dict.fromkeys(classes) if classes.count(name) > 1]:
            raise ValueError(f"classes: {listed(twice, 3, 60)} is there twice; give each class a name of its own.")
        names, classes = classes, len(classes)
    else:
        names = None
    if isinstance(classes, int | float) and classes == 1 and not isinstance(classes, bool):
        raise ValueError("classes=1: a classifier chooses between at least two classes.")
    return check_whole(2, MOST_CLASSES, ", or a list of names", classes=classes), names


def check_image_size(image_size: int) -> int:
    """Return height and width of images as an int."""
    return check_whole(1, MOST_PIXELS, image_size=image_size)


def check_sizes(what: str, sizes: int | Sequence[int], least: int = 1) -> tuple[int, ...]:
    """Return channels or units of layers as a tuple of ints; one number stands for one layer.

    Raises:
        ValueError: fewer than `least` layers, or a number that is no size; the message calls the argument `what`.
    """
    sizes = plain(sizes)
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    if not least <= len(sizes) <= MOST_LAYERS:
        raise ValueError(f"{what}={brief(sizes)}: give a number for each layer, for at least {least} of them.")
    try:
        return tuple(check_whole(1, MOST_UNITS, size=size) for size in sizes)
    except ValueError as error:
        raise ValueError(f"{what}={brief(sizes)}: {str(error).partition(': ')[2]}") from None


def check_dropout(dropout: float) -> float:
    """Return the share of features that dropout sets to zero as a plain number, 0 or more and less than 1."""
    dropout = check_number(0, 1, dropout=dropout)
    if dropout == 1:
        raise ValueError(f"dropout={dropout}: the share of features set to zero; choose 0 or more, less than 1.")
    return dropout


def check_yes(**named: Any) -> bool:
    """Return the one value that is named, which says yes or no, as True or False."""
    ((name, value),) = named.items()
    one = isinstance(value, np.generic | np.ndarray | Tensor) and value.ndim == 0
    one = one and not getattr(value, "is_meta", False)
    value = value.item() if one else value
    if not isinstance(value, int) or value not in (True, False):
        raise ValueError(f"{name}={brief(value)}: choose True or False.")
    return bool(value)


def check_frequencies(count: int | None = None, **named: Any) -> tuple[float, ...]:
    """Return how common each class is as shares that add up to 1; counts are divided by their sum.

    Args:
        count: how many classes there are; None takes any number from two on.
        named: the one value.

    Raises:
        ValueError: no list of numbers of that length, one that is negative or not finite, or nothing but zeros.
    """
    ((name, value),) = named.items()
    shares = plain(value)
    wanted = "a share for each class" if count is None else f"{count} shares, one for each class"
    if not isinstance(shares, tuple) or len(shares) < 2 or (count is not None and len(shares) != count):
        held = f"{len(shares)} of them" if isinstance(shares, tuple) else brief(value)
        raise ValueError(f"{name}={held}: give {wanted}, in their order.")
    shares = tuple(float(check_number(0, **{f"{name}[{i}]": share})) for i, share in enumerate(shares))
    total = math.fsum(shares)
    if not 0 < total < math.inf:
        raise ValueError(f"{name}={brief(shares)}: they add up to {total:g}; give {wanted}.")
    # Shares stay as they are to the last bit, however often they are written and read.
    return shares if math.isclose(total, 1, rel_tol=1e-9) else tuple(share / total for share in shares)
