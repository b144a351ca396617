"""Where everything is: the head in front of the camera, and the features on the head.

Face coordinates: u to the right and v down the picture, z towards the camera; a face seen from the front fills
u, v = -1..1 as in FER2013 (eyes near v = -0.28, mouth near 0.58). The head is a stack of elliptical slices: the slice
at height v is W(v) wide and D(v) deep. A slice turned by the yaw angle is still an ellipse, so the point that a pixel
sees follows without any search; pitch takes one correction.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces.action_units import ACTION_UNITS, ActionUnits
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.people import Identity

LANDMARKS: tuple[str, ...] = (
    "brow_inner_left", "brow_inner_right", "brow_mid_left", "brow_mid_right", "brow_outer_left", "brow_outer_right",
    "eye_inner_left", "eye_inner_right", "eye_outer_left", "eye_outer_right", "pupil_left", "pupil_right",
    "lid_upper_left", "lid_upper_right", "lid_lower_left", "lid_lower_right", "nose_tip", "nose_base", "nose_left",
    "nose_right", "mouth_left", "mouth_right", "lip_upper", "lip_lower", "mouth_center", "chin",
)  # fmt: skip


REGIONS: tuple[str, ...] = ("brows", "eyes", "nose", "mouth")


CENTER_V = -0.2  # the height at which the head is widest


@dataclass
class Sided:
    """A number per face for the person's left half (u > 0) and right half (u < 0)."""

    left: Tensor
    right: Tensor


def face_shape(identity: Identity, units: ActionUnits) -> SimpleNamespace:
    """Turn standard scores and action units into lengths in face coordinates, each (N, 1, 1) or `Sided`.

    The person's resting face is added to the expression here: a unit at rest r and intensity a acts with
    r + a - r * a.
    """
    i = SimpleNamespace(**{name: getattr(identity, name)[:, None, None] for name in identity.__dataclass_fields__})
    rest = identity.rest
    act = []
    for side in (units.left, units.right):
        acting = rest + side - rest * side
        act.append(SimpleNamespace(**{n: acting[:, k, None, None] for k, n in enumerate(ACTION_UNITS)}))
    both = rest + units.mean - rest * units.mean
    a = SimpleNamespace(**{n: both[:, k, None, None] for k, n in enumerate(ACTION_UNITS)})

    def sided(rule) -> Sided:
        return Sided(rule(act[0]), rule(act[1]))

    s = SimpleNamespace(i=i, a=a)
    s.unit = {name: Sided(getattr(act[0], name), getattr(act[1], name)) for name in ACTION_UNITS}
    child = ((18 - i.age) / 14).clamp(0, 1)
    s.old = ((i.age - 35) / 40).clamp(0, 1)
    s.young = child
    # Folds that a face has at rest, whatever it does: a deep one must not come to mean an emotion.
    s.fold, s.furrow, s.bag = ((i.texture * k) % 1 * (1 - child) for k in (13.7, 29.3, 17.9))
    # How deep this skin creases where an action unit folds it.
    s.crease = 0.25 + (i.texture * 43.1) % 1

    # Head: half-widths, heights above and below the widest slice, squareness.
    drop = 0.19 * a.AU26 + 0.32 * a.AU27
    s.width = 0.89 + 0.045 * i.face_width
    s.top = 1.12 + 0.05 * i.face_length + 0.06 * child
    s.bottom = 1.20 + 0.05 * i.face_length + 0.75 * drop
    s.jaw = (0.72 - 0.13 * i.jaw - 0.05 * i.cheeks).clamp(0.35, 1.05)
    s.depth = 0.84 * s.width

    # Eyes and brows.
    s.eye_u = 0.385 + 0.014 * i.eye_spacing
    s.eye_v = -0.255 + 0.06 * child
    s.eye_w = 0.178 + 0.011 * i.eye_size
    s.tilt = -0.012 * i.eye_tilt - 0.012
    size = 1 + 0.12 * i.eye_size
    s.lid_up = sided(
        lambda a: size * 0.072 * (1 + 0.80 * a.AU5 - 0.38 * a.AU7 - 0.15 * a.AU6 - 0.22 * a.AU4 - 0.20 * a.AU9)
    )
    s.lid_low = sided(lambda a: size * 0.046 * (1 + 0.22 * a.AU5 - 0.45 * a.AU7 - 0.45 * a.AU6 - 0.25 * a.AU9))
    s.lid_up = sided_map(lambda up, low, shut: up * (1 - shut) - 0.7 * low * shut, s.lid_up, s.lid_low, s.unit["AU43"])
    s.lid_skew = sided(lambda a: 0.35 * a.AU1 * (1 - a.AU2) - 0.25 * a.AU4 * (1 - a.AU1))
    s.iris = 0.066 * (1 + 0.04 * i.eye_size + 0.12 * child)

    lift = -0.022 * i.brow_height - 0.445 + 0.05 * child
    s.brow_in_u = sided(lambda a: 0.145 - 0.045 * a.AU4 + 0 * i.age)
    s.brow_in = sided(
        lambda a: lift + 0.02 - 0.112 * a.AU1 - 0.02 * a.AU2 + 0.130 * a.AU4 * (1 - 0.95 * a.AU1) + 0.02 * a.AU9
    )
    s.brow_mid = sided(
        lambda a: lift - 0.012 - 0.022 * i.brow_arch - 0.045 * a.AU1 - 0.095 * a.AU2 + 0.066 * a.AU4 + 0.015 * a.AU9
    )
    s.brow_out = sided(lambda a: lift + 0.05 + 0.01 * i.brow_arch - 0.075 * a.AU2 - 0.03 * a.AU4 + 0.025 * a.AU1)
    s.brow_out_u = 0.615 + 0.012 * i.eye_spacing + 0 * i.age
    s.brow_thick = (0.036 + 0.010 * i.brow_thickness).clamp(0.014, 0.07)

    # Nose.
    s.nose_v = 0.215 + 0.035 * i.nose_length
    s.nose_w = 0.156 + 0.016 * i.nose_width
    s.nose_lift = sided(lambda a: 0.045 * a.AU9 + 0.015 * a.AU10)
    s.nose_h = 0.205 + 0.025 * i.nose_length - 0.06 * child
    s.bridge = (0.065 + 0.03 * i.nose_bridge).clamp(0.0, 0.18)

    # Mouth: the line of its middle, corners, lips and how far each lip is from the middle line.
    part = a.AU25 * (1 - 0.7 * a.AU24)
    s.mouth_v = 0.550 + 0.02 * i.mouth_height - 0.025 * a.AU17 - 0.01 * a.AU10 + 0.10 * drop + 0.02 * a.AU12
    s.mouth_w = sided(
        lambda a: (
            0.285
            + 0.016 * i.mouth_width
            + 0.110 * a.AU12
            + 0.090 * a.AU20
            + 0.03 * a.AU14
            - 0.105 * a.AU18
            - 0.070 * a.AU23
            - 0.015 * a.AU24
            - 0.035 * a.AU26
            - 0.075 * a.AU27
            + 0.012 * a.AU15
        )
    )
    s.corner = sided(
        lambda a: -0.165 * a.AU12 + 0.120 * a.AU15 + 0.045 * a.AU20 - 0.015 * a.AU14 + 0.035 * a.AU17 + 0.12 * drop
    )
    lips = (1 + 0.17 * i.lip_fullness).clamp(0.5, 1.5)
    thin = (1 - 0.25 * a.AU12) * (1 - 0.25 * a.AU20) * (1 - 0.45 * a.AU23) * (1 - 0.62 * a.AU24) * (1 + 0.35 * a.AU18)
    s.lip_up = 0.057 * lips * thin * (1 - 0.15 * a.AU10)
    s.lip_low = 0.081 * lips * thin * (1 + 0.12 * a.AU17) * (1 - 0.15 * a.AU16)
    s.open_up = sided(
        lambda b: 0.35 * drop + part * (0.02 + 0.04 * b.AU12) + (0.2 + 0.8 * part) * (0.075 * b.AU10 + 0.03 * b.AU9)
    )
    s.open_low = (
        part * (0.04 + 0.07 * a.AU12 + 0.04 * a.AU20)
        + (0.4 + 0.6 * part) * 0.10 * a.AU16
        + 1.0 * drop * (0.5 + 0.5 * part)
    )
    s.round = (4 * drop).clamp(0, 0.9)
    s.square = (a.AU10 + a.AU16 + a.AU20).clamp(max=1) * (1 - 0.5 * a.AU12)
    s.press = a.AU24 + 0.5 * a.AU23
    s.chin_v = CENTER_V + s.bottom
    return s


def sided_map(rule, *values: Sided) -> Sided:
    """Apply a rule to both sides."""
    return Sided(rule(*(v.left for v in values)), rule(*(v.right for v in values)))


def pixel_grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x (1, 1, size) and y (1, size, 1) of the pixel centres, -1 to 1."""
    line = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return line[None, None, :], line[None, :, None]


def pose(capture: Capture) -> SimpleNamespace:
    """Sines, cosines and framing of each photograph, each (N, 1, 1)."""
    c = {name: getattr(capture, name)[:, None, None] for name in capture.__dataclass_fields__}
    p = SimpleNamespace(**c)
    for name in ("yaw", "pitch", "roll"):
        angle = torch.deg2rad(c[name].clamp(-60, 60))
        setattr(p, "sin_" + name, torch.sin(angle))
        setattr(p, "cos_" + name, torch.cos(angle))
    return p


def half_width(v: Tensor, s: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """Return the squared profile q(v) = (W(v) / width)² (1 at the widest slice, 0 at crown and chin) and dq/dv."""
    w = v - CENTER_V
    lower = w > 0
    inverse = torch.where(lower, 1 / s.bottom, -1 / s.top)
    k = torch.where(lower, s.jaw, torch.full_like(s.jaw, 0.6))
    r = w * inverse
    r2 = r * r
    q = 1 - r2 * (k + (1 - k) * r2)
    return q, -2 * r * inverse * (k + 2 * (1 - k) * r2)


def slice_depth(r2: Tensor) -> Tensor:
    """Squared profile of the depth D(v): forehead and chin stay further forward than the outline."""
    return 1 - 0.55 * r2 * r2


def look(s: SimpleNamespace, p: SimpleNamespace, size: int) -> SimpleNamespace:
    """Find, for every pixel, the point of the head that it sees.

    Returns:
        `x, y` (N, size, size) in the rolled picture, `u, v, z` on the head, `f` the signed distance to the outline
        (positive inside), `x0` the pixel relative to the axis of the head, `r` the half-width of the turned slice.
    """
    gx, gy = pixel_grid(size, p.yaw.device)
    px, py = gx - p.shift_x, gy - p.shift_y - 0.05
    inverse = 1 / p.scale
    x = (p.cos_roll * px + p.sin_roll * py) * inverse
    y = (p.cos_roll * py - p.sin_roll * px) * inverse
    axis = 0.62 * s.depth
    x0 = x + axis * p.sin_yaw
    v = y / p.cos_pitch
    front = 0.8 * s.depth
    w2, d2 = (s.width * p.cos_yaw) ** 2, (s.depth * p.sin_yaw) ** 2
    for step in range(2):
        q, dq = half_width(v, s)
        r2 = ((v - CENTER_V) * torch.where(v > CENTER_V, 1 / s.bottom, 1 / s.top)) ** 2
        depth = slice_depth(r2.clamp(max=1.2))
        radius2 = w2 * q.clamp(min=1e-3) + d2 * depth
        inv = torch.rsqrt(radius2)
        t = (x0 * inv).clamp(-0.995, 0.995)
        c = torch.sqrt(1 - t * t)
        if step == 0:
            width, deep = s.width * torch.sqrt(q.clamp(min=1e-3)), s.depth * torch.sqrt(depth)
            cos_d, sin_d = width * p.cos_yaw * inv, deep * p.sin_yaw * inv
            z = deep * (c * cos_d + t * sin_d) * p.cos_yaw - width * (t * cos_d - c * sin_d) * p.sin_yaw
            v = (y + (z - front) * p.sin_pitch) / p.cos_pitch
    width = s.width * torch.sqrt(q.clamp(min=1e-3))
    deep = s.depth * torch.sqrt(depth)
    cos_d, sin_d = width * p.cos_yaw * inv, deep * p.sin_yaw * inv
    u = width * (t * cos_d - c * sin_d)
    z = deep * (c * cos_d + t * sin_d)
    f = w2 * q + d2 * depth * (q > 0) - x0 * x0
    slope = torch.sqrt(4 * x0 * x0 + (w2 * dq) ** 2 + 0.02)
    return SimpleNamespace(x=x, y=y, x0=x0, u=u, v=v, z=z, f=f / slope, radius=radius2 * inv, t=t, c=c)


def project(u: Tensor, v: Tensor, height: Tensor, s: SimpleNamespace, p: SimpleNamespace, size: int) -> Tensor:
    """Where a point of the head, raised by `height`, appears: (N, 2) x and y in pixels (the centre of pixel 0 is 0).

    Args:
        u: (N, 1, 1), as are v and height.
        v: in face coordinates.
        height: above the smooth head.
        s: from `face_shape`.
        p: from `pose`.
        size: of the picture in pixels.
    """
    q, _ = half_width(v, s)
    r2 = ((v - CENTER_V) * torch.where(v > CENTER_V, 1 / s.bottom, 1 / s.top)) ** 2
    width = s.width * torch.sqrt(q.clamp(min=1e-3))
    deep = s.depth * torch.sqrt(slice_depth(r2.clamp(max=1.2)))
    t = (u / width).clamp(-0.995, 0.995)
    z = deep * torch.sqrt(1 - t * t)
    x = u * p.cos_yaw + z * p.sin_yaw - 0.62 * s.depth * p.sin_yaw + height * p.sin_yaw
    zc = z * p.cos_yaw - u * p.sin_yaw
    y = v * p.cos_pitch - (zc - 0.8 * s.depth) * p.sin_pitch - height * p.sin_pitch * 0.5
    px = (p.cos_roll * x - p.sin_roll * y) * p.scale + p.shift_x
    py = (p.sin_roll * x + p.cos_roll * y) * p.scale + p.shift_y + 0.05
    return torch.cat([px[:, 0], py[:, 0]], 1) * (size / 2) + (size / 2 - 0.5)
