"""What people and photographs share: a batch of faces is a handful of short tensors, each a number per face."""

import statistics
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from emotion_utils.device import pick_device
from emotion_utils.errors import brief, check_number, check_whole

MOST_FACES = 10**6  # drawn or chosen at once; their parameters alone take 300 MB
FARTHEST = 10_000  # no parameter of a face lies farther from 0: beyond, pictures are of nothing


@dataclass(frozen=True)
class Parameters:
    """Float32 tensors of equal length. A subclass names them, each of shape (N,), or (N, k) if it stands in `_columns`.

    Raises:
        TypeError: something that is no number.
        ValueError: shapes that do not fit, or a number that is not finite or absurd.
    """

    _columns: ClassVar[dict[str, int]] = {}

    def __post_init__(self) -> None:
        values = {field.name: as_floats(getattr(self, field.name), field.name) for field in fields(self)}
        values = {name: value[None] if value.ndim == 0 else value for name, value in values.items()}
        n = statistics.mode(map(len, values.values()))
        for name, value in values.items():
            if len(value) != n:
                raise ValueError(f"{name} has {len(value)} faces where others have {n}: give one value per face.")
            wanted = (n, self._columns[name]) if name in self._columns else (n,)
            if value.shape != wanted:
                raise ValueError(f"{name} has shape {tuple(value.shape)}; expected {wanted}.")
            if not torch.isfinite(value).all():
                raise ValueError(f"{name} holds a number that is not finite: check what it was computed from.")
            if (value.abs() > FARTHEST).any():
                farthest = value.flatten()[value.abs().argmax()].item()
                raise ValueError(f"{name}={farthest:g}: choose {-FARTHEST} to {FARTHEST}.")
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> Self:
        index = as_rows(index, len(self))
        return self._with({field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> Self:
        """Move all fields to a device."""
        device = pick_device(device)
        return self._with({field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def for_pixels(self) -> Self:
        """Return a copy whose fields have two more dimensions, (N, 1, 1): they combine with pixels, (N, H, W)."""
        return self._with({field.name: getattr(self, field.name)[..., None, None] for field in fields(self)})

    def replace(self, **changes: float | Tensor) -> Self:
        """Return a copy with some fields changed; a plain number is given to every face.

        Raises:
            TypeError: something that is no number.
            ValueError: an unknown field, a wrong length, or a number that is not finite.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in changes.items():
            if name not in values:
                raise ValueError(f"{type(self).__name__} has no field {brief(name)}; it has {', '.join(values)}.")
            value = as_floats(value, name)
            value = value.expand_as(values[name]).clone() if value.ndim == 0 else value
            values[name] = value.to(values[name].device)
        return type(self)(**values)

    def _with(self, values: dict[str, Tensor]) -> Self:
        """Make a copy of fields that were checked before, and may have been given more dimensions."""
        copy = object.__new__(type(self))
        for name, value in values.items():
            object.__setattr__(copy, name, value)
        return copy


def as_floats(value: Any, name: str) -> Tensor:
    """Make a float32 tensor of a number, a list, an array or a tensor.

    Raises:
        TypeError: something else; the message calls it `name`.
    """
    made = _tensor(value)
    if made is None:
        raise TypeError(f"{name}={brief(value)}: give a number, or a tensor with one for each face.")
    return made.to(torch.float32)


def as_numbers(values: Any, name: str, n: int | None = None, most: int | None = None) -> Tensor:
    """Make an int64 tensor (n,) of whole numbers from 0: labels, or which faces.

    Args:
        values: a list, an array or a tensor.
        name: what messages call it.
        n: how many there have to be; None for any number from 1.
        most: the largest allowed.

    Raises:
        TypeError: no whole numbers.
        ValueError: another shape, or a number out of bounds.
    """
    made = _tensor(values)
    if made is None or made.dtype == torch.bool or (made.is_floating_point() and made.numel()):
        raise TypeError(f"{name}={brief(values)}: give whole numbers, one for each face.")
    if made.ndim != 1 or len(made) not in (len(made) or 1 if n is None else n,):
        wanted = "(N,), one or more" if n is None else f"({n},)"
        raise ValueError(f"{name} has shape {tuple(made.shape)}; expected {wanted}.")
    made = made.to(torch.int64)
    outside = (made < 0) | (made > (torch.iinfo(torch.int64).max if most is None else most))
    if outside.any():
        bounds = "0 or more" if most is None else f"0 to {most}"
        raise ValueError(f"{name}={made[outside][0].item()}: choose whole numbers, {bounds}.")
    return made


def as_rows(index: Any, n: int) -> slice | Tensor:
    """Turn the number of a face, a slice, a list of numbers or a mask into something that picks rows of n.

    As everywhere in Python, -1 is the last one.

    Raises:
        TypeError: something else.
        IndexError: there is no such face.
        ValueError: a mask of another length.
    """
    if isinstance(index, slice):
        return index
    if getattr(index, "ndim", 0) == 0 and not isinstance(index, list | tuple | range):
        number = check_whole(index=index)
        if not -n <= number < n:
            raise IndexError(f"index={brief(number)}: there are {n} faces, numbered 0 to {n - 1}.")
        return slice(number, number + 1 or None)
    rows = _tensor(index)
    if rows is None:
        raise TypeError(f"index={brief(index)}: give the number of a face, a slice, a list of numbers or a mask.")
    if rows.dtype == torch.bool:
        if rows.shape != (n,):
            raise ValueError(f"index has shape {tuple(rows.shape)}, a mask for {n} faces; give one for each.")
        return rows.nonzero()[:, 0]
    rows = as_numbers(torch.where(rows < 0, rows + n, rows), "index", len(rows))
    if len(rows) and int(rows.max()) >= n:
        raise IndexError(f"index={int(rows.max())}: there are {n} faces, numbered 0 to {n - 1}.")
    return rows


def _tensor(values: Any) -> Tensor | None:
    """Make a tensor of what holds numbers; None of anything else."""
    try:
        made = torch.as_tensor(list(values) if isinstance(values, range) else values)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    return None if made.layout != torch.strided or made.is_meta or made.is_complex() else made


def check_range(name: str, value: float, high: float = 1.0) -> float:
    """Return a plain number; refuse one outside 0 to `high`.

    Raises:
        ValueError: it is outside, or not a number.
    """
    return check_number(0, high, **{name: value})
