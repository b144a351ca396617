"""What is given for a tensor: NumPy arrays, lists, masks; and a digest that tells whether two of them hold the same."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.errors import brief, reason


def as_tensor(values: Any, name: str) -> Tensor:
    """Make a tensor of an array or a list; one that is a tensor, or a usual array, keeps its memory.

    Raises:
        TypeError: neither of them; the message calls the argument `name`.
    """
    if isinstance(values, Tensor):
        if values.is_complex() or values.is_meta or values.layout != torch.strided or values.is_quantized:
            what = f"{values.dtype}, {values.layout}, on {values.device.type}"
            raise TypeError(f"{name} are {what}: give real numbers, in a tensor of the usual kind.")
        return values.detach() if values.requires_grad else values
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "buif":
            raise TypeError(f"of the type {array.dtype}")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        # PyTorch knows no negative strides, and warns where an array may not be written to.
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    except Exception as error:
        raise TypeError(
            f"{name}={brief(values)}: give a tensor, an array or a list of numbers ({reason(error)})."
        ) from error


def as_list(values: Any) -> Any:
    """Give an array or a data frame's column of texts, of paths, of anything but numbers as a list; all else as it is.

    One column, `(N, 1)`, is a list as well. Bytes become texts.
    """
    if isinstance(values, Tensor | str | bytes | list | tuple) or not hasattr(values, "__array__"):
        return values
    try:
        array = np.asarray(values)
    except Exception:  # on a GPU, or an object that promises more than it holds
        return values
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "OSTU":
        return values
    return (array.astype(str) if array.dtype.kind == "S" else array).tolist()


def is_list(values: Any) -> bool:
    """Say whether there is something to go through: a list, a tuple, an array with dimensions, …"""
    return hasattr(values, "__iter__") and getattr(values, "ndim", 1) > 0


def as_whole(values: Any, name: str) -> Tensor:
    """Make an int64 tensor of one dimension of whole numbers, such as labels.

    Raises:
        TypeError: floats, True and False, texts, …
        ValueError: another number of dimensions.
    """
    tensor = as_tensor(values, name)
    no_whole_numbers = tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool
    if no_whole_numbers and tensor.numel():  # an empty list has the type of floats
        raise TypeError(
            f"{name} are {tensor.dtype}; whole numbers are wanted. If they are whole numbers stored as floats, convert "
            f"them with {name}.long()."
        )
    if tensor.ndim != 1:
        raise ValueError(f"{name} have shape {tuple(tensor.shape)}; expected (N,), one after another.")
    return tensor.to(torch.int64)


def as_index(indices: Any, count: int) -> Tensor:
    """Make positions, int64 `(M,)` from 0 to `count` - 1, of whole numbers, a slice or a mask with `count` entries.

    As everywhere in Python, -1 is the last one, -2 the one before.

    Raises:
        TypeError: neither whole numbers nor a mask.
        ValueError: a mask of another length.
        IndexError: a number that is out of range.
    """
    if isinstance(indices, slice):
        return torch.arange(count)[indices] if (indices.step or 1) > 0 else torch.tensor(range(count)[indices])
    if isinstance(indices, str | bytes | Mapping | Set):  # their order, or what they hold, means something else
        raise TypeError(f"indices={brief(indices)}: give a list of whole numbers, a slice or a mask.")
    plain = isinstance(indices, Tensor | np.ndarray) or not is_list(indices)
    index = as_tensor(indices if plain else list(indices), "indices")
    if index.dtype == torch.bool:
        if index.shape != (count,):
            raise ValueError(
                f"indices have shape {tuple(index.shape)}, a mask for {count:,} images; a mask says True or False once "
                f"for each. Make it from this data set, as in faces.labels == 3."
            )
        return index.nonzero()[:, 0]
    index = as_whole(index, "indices")
    if index.numel():
        low, high = int(index.min()), int(index.max())
        if low < -count or high >= count:
            wrong = low if low < -count else high
            raise IndexError(
                f"indices={wrong}: there are {count:,} images, numbered 0 to {count - 1} (or from the end, -1 to "
                f"{-count})."
            )
        if low < 0:
            index = torch.where(index < 0, index + count, index)
    return index


def digest(*parts: Tensor | str | float | Sequence | None) -> str:
    """Give 32 hexadecimal digits that are the same for the same contents, on every machine, and for no others."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            array = np.ascontiguousarray(part.detach().cpu().numpy())
            sha.update(f"{array.dtype.str} {array.shape};".encode())
            sha.update(array.data if array.size else b"")
        else:
            sha.update(f"{part!r};".encode("utf-8", "surrogateescape"))
    return sha.hexdigest()[:32]
