"""What people and photographs share: a batch of faces is a handful of short tensors, each a number per face."""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from emotion_utils.errors import check_number


@dataclass(frozen=True)
class Parameters:
    """Float32 tensors of equal length. A subclass names them, each of shape (N,) unless it says otherwise.

    Raises:
        ValueError: lengths that differ, or a number that is not finite.
    """

    def __post_init__(self) -> None:
        n = None
        for field in fields(self):
            value = torch.as_tensor(getattr(self, field.name), dtype=torch.float32)
            value = value[None] if value.ndim == 0 else value
            n = len(value) if n is None else n
            if len(value) != n:
                raise ValueError(f"{field.name} has {len(value)} faces where others have {n}: give one value per face.")
            if not torch.isfinite(value).all():
                raise ValueError(f"{field.name} holds a number that is not finite: check what it was computed from.")
            object.__setattr__(self, field.name, value)

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> Self:
        index = slice(index, index + 1 or None) if isinstance(index, int) else index
        return type(self)(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> Self:
        """Move all fields to a device."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def for_pixels(self) -> Self:
        """Return a copy whose fields have two more dimensions, (N, 1, 1): they combine with pixels, (N, H, W)."""
        return type(self)(**{field.name: getattr(self, field.name)[..., None, None] for field in fields(self)})

    def replace(self, **changes: float | Tensor) -> Self:
        """Return a copy with some fields changed; a plain number is given to every face.

        Raises:
            ValueError: an unknown field, a wrong length, or a number that is not finite.
        """
        known = [field.name for field in fields(self)]
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(known)}.")
            value = torch.as_tensor(value, dtype=torch.float32)
            value = value.expand(len(self)).clone() if value.ndim == 0 else value
            changes[name] = value.to(getattr(self, name).device)
        return replace(self, **changes)


def check_range(name: str, value: float, high: float = 1.0) -> None:
    """Refuse a number outside 0 to `high`.

    Raises:
        ValueError: it is outside, or not a number.
    """
    check_number(0, high, **{name: value})
