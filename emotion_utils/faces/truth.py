"""The truth about a drawn face: where its landmarks are, and which pixels belong to which region."""

from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces.geometry import project


def landmarks(s: SimpleNamespace, p: SimpleNamespace, size: int) -> Tensor:
    """Positions in the picture of the points of `face_geometry.LANDMARKS`, float32 (N, L, 2), x and y in pixels."""
    zero = torch.zeros_like(s.width)

    def points(u, v, height=0.0) -> Tensor:
        u, v = u + zero, v + zero
        return project(u, v, zero + height, s, p, size)

    def pair(u, v, height=0.0) -> list[Tensor]:
        """The same point on the left half (u > 0) and on the right half."""

        def of(x, side):
            return getattr(x, side) if hasattr(x, "left") else x

        return [points(sign * of(u, side), of(v, side), height) for sign, side in ((1, "left"), (-1, "right"))]

    def both(rule, *values):
        return type(values[0])(rule(*(v.left for v in values)), rule(*(v.right for v in values)))

    brow_mid_u = both(lambda inner: (inner + s.brow_out_u) / 2, s.brow_in_u)
    gaze = type(s.lid_up)(s.eye_u + 0.16 * p.gaze_x, s.eye_u - 0.16 * p.gaze_x)
    upper = both(lambda up: s.eye_v - up, s.lid_up)
    lower = both(lambda low: s.eye_v + low, s.lid_low)
    corner = both(lambda c: s.mouth_v + c, s.corner)
    open_up = (s.open_up.left + s.open_up.right) / 2
    marks = [
        *pair(s.brow_in_u, s.brow_in),
        *pair(brow_mid_u, s.brow_mid),
        *pair(s.brow_out_u, s.brow_out),
        *pair(s.eye_u - s.eye_w, s.eye_v - s.tilt),
        *pair(s.eye_u + s.eye_w, s.eye_v + s.tilt),
        *pair(gaze, s.eye_v - 0.012 + 0.10 * p.gaze_y + 0.05 * s.a.AU43),
        *pair(s.eye_u, upper),
        *pair(s.eye_u, lower),
        points(zero, s.nose_v - 0.075, s.nose_h),
        points(zero, s.nose_v + 0.01, 0.4 * s.nose_h),
        *pair(s.nose_w, s.nose_v - 0.05),
        *pair(s.mouth_w, corner),
        points(zero, s.mouth_v - open_up - 0.78 * s.lip_up),
        points(zero, s.mouth_v + s.open_low + s.lip_low),
        points(zero, s.mouth_v),
        points(zero, s.chin_v - 0.03),
    ]
    return torch.stack(marks, 1)


def region_masks(f: SimpleNamespace, s: SimpleNamespace, seen: SimpleNamespace) -> Tensor:
    """Pixels of brows (with the forehead over them), eyes, nose and mouth (with the chin): bool (N, 4, H, W)."""
    a, v, face = f.a, f.v, seen.f > 0
    brows = (a < 0.66) & (v > f.brow - 0.26) & (v < f.brow + 0.075)
    eyes = (((a - s.eye_u) / 0.28) ** 2 + ((v - s.eye_v) / 0.17) ** 2 < 1) & ~brows
    nose = (f.nose_u.abs() < s.nose_w + 0.03) & (v > -0.33) & (v < s.nose_v + 0.035) & ~brows & ~eyes
    mouth = (a < f.pick(s.mouth_w) + 0.13) & (v > s.nose_v + 0.035) & ~nose
    return torch.stack([brows & face, eyes & face, nose & face, mouth & face], 1)
