"""The same people and emotions, photographed as others would be, or in another light: domain shift, one knob at a time.

A domain is where pictures come from. A network learns one and is used in another; here is what may change between.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import draw, sample_parameters
from emotion_utils.errors import brief, check_whole
from emotion_utils.faces.capture import Capture
from emotion_utils.randomness import stream_key, uniform

# What faces are drawn with unless a shift says otherwise: adults, a good camera, an even light, nothing in front.
HOME: dict[str, Any] = {"age": (20, 50), "difficulty": 0.2, "occluded": 0.0}


def _dark(capture: Capture, chance: Tensor) -> Capture:
    """Take away light: a fifth of the brightness that is usual, half of the contrast, and the grain that follows."""
    return capture.replace(
        exposure=0.10 + 0.08 * chance, contrast=0.4 * capture.contrast, noise=capture.noise + 0.02,
        background=0.3 * capture.background,
    )  # fmt: skip


def _turned(capture: Capture, chance: Tensor) -> Capture:
    """Turn each head by 30 to 45 degrees to the side to which it was turned a little."""
    return capture.replace(yaw=torch.where(capture.yaw < 0, -1.0, 1.0) * (30 + 15 * chance))


@dataclass(frozen=True)
class _Shift:
    knobs: dict[str, Any] = field(default_factory=dict)
    capture: Callable[[Capture, Tensor], Capture] | None = None


_SHIFTS = {
    "none": _Shift(),
    "children": _Shift({"age": (4, 10)}),
    "old": _Shift({"age": (65, 85)}),
    "dark": _Shift(capture=_dark),
    "covered": _Shift({"occluded": 1.0}),
    "turned": _Shift(capture=_turned),
}
SHIFTS = tuple(_SHIFTS)


def sample_shifted(
    n: int, shift: str = "none", seed: int = 0, *, first: int = 0, size: int = 48, truth: bool = False
) -> FaceDataset:
    """Draw adults in good light, or what is different from that in one respect.

    With the same `seed` and `first`, face i has the same emotion, features and movements whatever the shift, so that
    differences are those of the shift. (Age is drawn anew where age is the shift.)

    Args:
        n: how many faces.
        shift: "none", "children" (4 to 10 years), "old" (65 to 85), "dark", "covered" (a hand, lettering or something
            else in front) or "turned" (by 30 to 45 degrees).
        seed: names all random numbers.
        first: number of the first face; ranges that do not overlap share no person.
        size: side in pixels, 24 to 192.
        truth: also give landmarks and region masks.

    Raises:
        ValueError: an unknown shift, n < 1, a negative seed or number.
    """
    if not isinstance(shift, str) or shift not in _SHIFTS:
        raise ValueError(f"shift={brief(shift)}: choose one of {', '.join(SHIFTS)}.")
    chosen = _SHIFTS[shift]
    drawn = sample_parameters(n, seed, first=first, **(HOME | chosen.knobs))
    if chosen.capture is not None:
        number = torch.arange(first, first + n)
        chance = uniform(stream_key(check_whole(0, seed=seed), "shift"), number, 1)[:, 0]
        drawn = replace(drawn, capture=chosen.capture(drawn.capture, chance))
    return draw(drawn, size, split="test" if shift != "none" else "training", truth=truth)
