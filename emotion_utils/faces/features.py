"""Coordinates measured from the features: how far a pixel is along an eye, over a brow, under a lip.

Both halves of the face are drawn in one pass: features are placed by the distance from the midline, |u|, and where the
halves differ each pixel picks the number of its own half. All coordinates are tensors (N, H, W).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces.geometry import Brows, Eyes, Face, Mouth, Nose
from emotion_utils.faces.soft import bell, ramp, ridge, spot
from emotion_utils.faces.view import Pose, View


@dataclass(frozen=True)
class Place:
    """A pixel's place on the smooth head."""

    u: Tensor
    v: Tensor
    lateral: Tensor  # |u|, distance from the midline
    right: Tensor  # bool: on the person's right half, u < 0

    def pick(self, halves: Tensor) -> Tensor:
        """Give each pixel the number of its half of the face: (2, N, 1, 1) to (N, H, W)."""
        return torch.where(self.right, halves[1], halves[0])


@dataclass(frozen=True)
class OnEye:
    """Heights are those of the lids at the pixel's own distance from the midline."""

    along: Tensor  # -1 at the inner corner, 1 at the outer one
    arch: Tensor  # 1 in the middle, 0 from the corners on
    upper_v: Tensor
    lower_v: Tensor


@dataclass(frozen=True)
class OnBrow:
    """The height is that of the brow at the pixel's own distance from the midline."""

    along: Tensor  # 0 at the inner end, 1 at the outer one
    v: Tensor


@dataclass(frozen=True)
class OnMouth:
    """Heights, from the top down, are those at the pixel's own distance from the midline."""

    along: Tensor  # 0 in the middle, 1 in the corner
    upper_lip_v: Tensor  # outer edge of the upper lip
    gap_top_v: Tensor  # its inner edge
    middle_v: Tensor  # the line from corner to corner
    gap_bottom_v: Tensor  # inner edge of the lower lip
    lower_lip_v: Tensor  # its outer edge


@dataclass(frozen=True)
class Features(Place):
    """A pixel's place on the smooth head, and measured from each feature."""

    nose_u: Tensor  # u for what stands out as far as the nose
    eye: OnEye
    brow: OnBrow
    mouth: OnMouth


def measure(face: Face, pose: Pose, view: View) -> Features:
    """Measure all coordinates of the points that the pixels see."""
    place = Place(u=view.u, v=view.v, lateral=view.u.abs(), right=view.u < 0)
    return Features(
        u=place.u,
        v=place.v,
        lateral=place.lateral,
        right=place.right,
        nose_u=_along_nose(place, face.nose, pose),
        eye=_on_eye(place, face.eyes),
        brow=_on_brow(place, face.brows),
        mouth=_on_mouth(place, face.mouth),
    )


def nose_height(u: Tensor, v: Tensor, nose: Nose, lift: Tensor | float = 0.0) -> Tensor:
    """Height of bridge, tip and wings of the nose over the smooth head; `lift` draws the wings up."""
    tip_v = nose.base_v - 0.075
    down = ((v + 0.33) / (tip_v + 0.33)).clamp(0, 1)  # 0 between the eyes, 1 at the tip
    profile = nose.bridge + (nose.height - nose.bridge) * down * down
    ends = ((v + 0.50) * 6).clamp(0, 1) * ramp(nose.base_v - v, 0.15)
    across = (u * (1 / (0.068 + 0.035 * down))) ** 2
    wings = spot(u.abs(), v, 0.72 * nose.half_width, nose.base_v - 0.055 - lift, 0.045, 0.05)
    return profile * ends * bell(across) + 0.06 * wings


def _along_nose(place: Place, nose: Nose, pose: Pose) -> Tensor:
    """The nose sticks out, so a turned head shows it displaced: solve u = u0 - height(u) sin(yaw) in two steps."""
    guess = place.u - 0.6 * nose.height * pose.sin_yaw * ((place.v + 0.35) * 1.8).clamp(0, 1)
    return place.u - nose_height(guess, place.v, nose) * pose.sin_yaw


def _on_eye(place: Place, eyes: Eyes) -> OnEye:
    along = (place.lateral - eyes.u) * (1 / eyes.half_width)
    arch = (1 - along * along).clamp_(min=0)
    middle_v = eyes.v + eyes.tilt * along
    return OnEye(
        along=along,
        arch=arch,
        upper_v=middle_v - place.pick(eyes.upper) * arch * (1 - place.pick(eyes.skew) * along),
        lower_v=middle_v + place.pick(eyes.lower) * arch,
    )


def _on_brow(place: Place, brows: Brows) -> OnBrow:
    inner_u = place.pick(brows.inner_u)
    along = (place.lateral - inner_u) / (brows.outer_u - inner_u)
    inner, middle, outer = (place.pick(v) for v in (brows.inner_v, brows.middle_v, brows.outer_v))
    # The parabola through the three points, at 0, 0.5 and 1; beyond the ends it goes on level.
    t = along.clamp(-0.1, 1.1)
    v = inner + t * (4 * middle - 3 * inner - outer) + t * t * (2 * inner + 2 * outer - 4 * middle)
    return OnBrow(along=along, v=v)


def _on_mouth(place: Place, mouth: Mouth) -> OnMouth:
    along = place.lateral / place.pick(mouth.half_width)
    lens = (1 - along * along).clamp_(min=0)
    circle = torch.sqrt(lens)
    middle_v = mouth.v + place.pick(mouth.corner) * (along * along).clamp_(max=1.6)
    # The gap is a lens; a dropping jaw rounds it, lips drawn off the teeth square it.
    square = 0.7 * mouth.squareness * (1 - mouth.roundness)
    gap = circle * mouth.roundness + lens * (1 - mouth.roundness + square - square * lens)
    gap_top_v = middle_v - place.pick(mouth.open_up) * gap
    gap_bottom_v = middle_v + mouth.open_down * gap
    bow = 1 - 0.22 * ridge(place.lateral, 0.045)  # Cupid's bow: in the middle the upper lip is thinner
    return OnMouth(
        along=along,
        upper_lip_v=gap_top_v - mouth.upper_lip * circle * bow,
        gap_top_v=gap_top_v,
        middle_v=middle_v,
        gap_bottom_v=gap_bottom_v,
        lower_lip_v=gap_bottom_v + mouth.lower_lip * lens * (1.25 - 0.25 * lens),
    )
