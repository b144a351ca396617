"""What a face does: the action units, each the visible work of one muscle or a few, and how strong they are.

The names and descriptions are those of the Facial Action Coding System (FACS; Ekman & Friesen 1978; Ekman, Friesen &
Hager 2002).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.device import pick_device
from emotion_utils.errors import brief, check_whole
from emotion_utils.faces.parameters import MOST_FACES, as_floats, as_rows

# Name and the anatomical description of FACS, in the order of the columns of every action-unit tensor.
AU_DESCRIPTIONS: dict[str, str] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU16": "lower lip depressor",
    "AU17": "chin raiser",
    "AU18": "lip pucker",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU27": "mouth stretch",
    "AU43": "eyes closed",
}

ACTION_UNITS: tuple[str, ...] = tuple(AU_DESCRIPTIONS)

AU_INDEX: dict[str, int] = {name: column for column, name in enumerate(ACTION_UNITS)}

# The region (of `truth.REGIONS`) in which each unit shows most.
AU_REGION: dict[str, str] = {
    "AU1": "brows", "AU2": "brows", "AU4": "brows", "AU5": "eyes", "AU6": "eyes", "AU7": "eyes", "AU9": "nose",
    "AU10": "mouth", "AU12": "mouth", "AU14": "mouth", "AU15": "mouth", "AU16": "mouth", "AU17": "mouth",
    "AU18": "mouth", "AU20": "mouth", "AU23": "mouth", "AU24": "mouth", "AU25": "mouth", "AU26": "mouth",
    "AU27": "mouth", "AU43": "eyes",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ActionUnits:
    """Intensities of all action units on both halves of N faces.

    Attributes:
        left: float32 (N, K), 0 to 1, the person's left half (on the right of the image); columns as `ACTION_UNITS`.
        right: float32 (N, K), the person's right half; if not given, as `left`.

    Raises:
        ValueError: an intensity outside 0 to 1 or not finite, or shapes that do not fit.
        TypeError: something that is no number.
    """

    left: Tensor
    right: Tensor | None = None

    def __post_init__(self) -> None:
        left = as_floats(self.left, "left")
        right = left if self.right is None else as_floats(self.right, "right")
        if left.ndim != 2 or left.shape[1] != len(ACTION_UNITS) or right.shape != left.shape:
            raise ValueError(
                f"Action units need two tensors of shape (N, {len(ACTION_UNITS)}), a column per name in ACTION_UNITS; "
                f"got {tuple(left.shape)} and {tuple(right.shape)}."
            )
        for half in (left, right):
            outside = ~((half >= 0) & (half <= 1))  # catches NaN too
            if outside.any():
                row, column = outside.nonzero()[0].tolist()
                raise ValueError(
                    f"{ACTION_UNITS[column]}={half[row, column].item():g} in face {row}: intensities run from 0 "
                    "(absent) to 1 (maximal)."
                )
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)

    @classmethod
    def of(cls, n: int = 1, **intensities: float | tuple[float, float] | Tensor) -> "ActionUnits":
        """Name the units: `ActionUnits.of(AU12=0.8, AU6=(0.2, 0.6))`; a pair is (person's left, right).

        Raises:
            ValueError: an unknown unit, n < 1, or an intensity outside 0 to 1.
        """
        n = check_whole(1, MOST_FACES, n=n)
        left = torch.zeros(n, len(ACTION_UNITS))
        right = torch.zeros(n, len(ACTION_UNITS))
        for name, value in intensities.items():
            if name not in AU_INDEX:
                raise ValueError(f"Unknown action unit {brief(name)}; known are {', '.join(ACTION_UNITS)}.")
            pair = value if isinstance(value, tuple) else (value, value)
            if len(pair) != 2:
                raise ValueError(f"{name}={brief(pair)}: give one intensity, or a pair for left and right.")
            for half, one in zip((left, right), pair, strict=True):
                intensity = as_floats(one, name)
                if intensity.shape not in ((), (n,)):
                    raise ValueError(f"{name} has shape {tuple(intensity.shape)}: give one for each of {n}.")
                half[:, AU_INDEX[name]] = intensity
        return cls(left, right)

    @property
    def mean(self) -> Tensor:
        """The mean of both halves, float32 (N, K): what `truth["action_units"]` holds."""
        return (self.left + self.right) / 2

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> "ActionUnits":
        index = as_rows(index, len(self))
        return ActionUnits(self.left[index], self.right[index])

    def to(self, device: torch.device | str) -> "ActionUnits":
        """Move both halves to a device."""
        device = pick_device(device)
        return ActionUnits(self.left.to(device), self.right.to(device))
