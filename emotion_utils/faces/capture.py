"""How the picture is taken: pose, framing, light and flaws of a photograph, and how to draw photographs at random.

Nothing in here knows the emotion.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import check_whole
from emotion_utils.faces.parameters import MOST_FACES, Parameters, as_numbers, check_range
from emotion_utils.randomness import normal, stream_key, uniform


@dataclass(frozen=True)
class Capture(Parameters):
    """A photograph. Angles in degrees, lengths as fractions of half the picture unless said otherwise."""

    yaw: Tensor  # head turned to the right of the image
    pitch: Tensor  # chin up
    roll: Tensor  # clockwise
    scale: Tensor  # 1 fills the picture
    shift_x: Tensor
    shift_y: Tensor
    gaze_x: Tensor
    gaze_y: Tensor
    light_azimuth: Tensor  # 0 from the camera, 90 from the right of the image
    light_elevation: Tensor
    light_hardness: Tensor  # 0 even to 1 a single lamp
    exposure: Tensor  # brightness asked of the picture, 0 to 1
    contrast: Tensor  # spread of grey levels asked of it (standard deviation, 0 to 0.5)
    background: Tensor  # grey, 0 to 1
    clutter: Tensor  # structure of the background, 0 to 1
    blur: Tensor  # standard deviation, fraction of the picture's width
    noise: Tensor  # standard deviation, grey levels of 0 to 1
    occluder: Tensor  # 0 none, 1 hand, 2 something in front, 3 lettering, 4 a clip in the hair (see `add_clip`)
    occluder_x: Tensor
    occluder_y: Tensor
    occluder_angle: Tensor
    occluder_tone: Tensor
    texture: Tensor  # 0 to 1, names the noise

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.scale > 0).all():
            raise ValueError(f"scale={self.scale.min().item():g}: choose more than 0; 1 fills the picture.")


def sample_capture(
    n: int, seed: int = 0, *, index: Tensor | None = None, difficulty: float = 0.5, occluded: float | None = None
) -> Capture:
    """Draw n photographs; number i is a pure function of `seed` and `index[i]` (0 to n-1 by default).

    Args:
        n: how many.
        seed: names the random numbers.
        index: int64 (n,), which photographs.
        difficulty: 0 (passport) to 1 (snapshots found on the web): spread of pose, light, framing and flaws.
        occluded: share of faces with something in front; `0.12 * difficulty` if not given.

    Raises:
        ValueError: n < 1, a negative seed, a difficulty or share outside 0 to 1.
    """
    n, seed = check_whole(1, MOST_FACES, n=n), check_whole(0, seed=seed)
    difficulty = check_range("difficulty", difficulty)
    occluded = 0.12 * difficulty if occluded is None else check_range("occluded", occluded)
    index = torch.arange(n) if index is None else as_numbers(index, "index", n)
    d = difficulty
    u = uniform(stream_key(seed, "capture"), index, 24).unbind(1)
    z = normal(stream_key(seed, "pose"), index, 12).clamp(-2.2, 2.2).unbind(1)
    hardness = (0.15 + 0.75 * u[0] * (0.4 + 0.6 * d)).clamp(0, 1)
    kind = torch.where(u[1] < 0.45, 1.0, torch.where(u[1] < 0.75, 2.0, 3.0))
    return Capture(
        yaw=(6 + 14 * d) * z[0],
        pitch=(4 + 8 * d) * z[1],
        roll=(6 + 7 * d) * z[2],
        scale=(1.0 + (0.05 + 0.05 * d) * z[3]).clamp(0.7, 1.3),
        shift_x=(0.06 + 0.03 * d) * z[4],
        shift_y=(0.06 + 0.03 * d) * z[5],
        gaze_x=0.25 * z[6] * (0.4 + 0.6 * d),
        gaze_y=0.2 * z[7] * (0.4 + 0.6 * d),
        light_azimuth=(30 + 30 * d) * z[8].clamp(-2, 2) * 0.7,
        light_elevation=(20 + (8 + 17 * d) * z[9]).clamp(-40, 75),
        light_hardness=hardness,
        exposure=(0.492 + 0.135 * (0.3 + 0.7 * d) * z[10]).clamp(0.15, 0.85),
        contrast=(0.200 + 0.053 * (0.4 + 0.6 * d) * z[11]).clamp(0.09, 0.36),
        background=u[2],
        clutter=u[3] ** 2 * (0.3 + 0.7 * d),
        blur=0.004 + 0.012 * d * u[4] ** 2,
        noise=0.003 + 0.02 * d * u[5] ** 3,
        occluder=torch.where(u[6] < occluded, kind, torch.zeros(())),
        occluder_x=2 * u[7] - 1,
        occluder_y=2 * u[8] - 1,
        occluder_angle=180 * (2 * u[9] - 1),
        occluder_tone=u[10],
        texture=u[11],
    )
