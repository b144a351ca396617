"""The height field: what stands out from the smooth head and what is folded into it, and how action units move it."""

from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces.geometry import Sided


def ramp(distance: Tensor, width: Tensor | float) -> Tensor:
    """Soft edge: 0 outside, 1 inside, linear over `width` around distance 0."""
    return (distance * (1 / width) + 0.5).clamp_(0, 1)


def bump(q: Tensor) -> Tensor:
    """A bell close to exp(-q / 2) for q = (distance / spread)²: cheap, and exactly 0 far away (no denormals)."""
    b = (q * (-1 / 6) + 1).clamp_(min=0)
    return b * b * b


def spot(a: Tensor, v: Tensor, u0, v0, su, sv) -> Tensor:
    """A bell at (u0, v0) with spreads su and sv."""
    du, dv = (a - u0) * (1 / su), (v - v0) * (1 / sv)
    return bump(du * du + dv * dv)


def feature_coordinates(s: SimpleNamespace, look: SimpleNamespace, p: SimpleNamespace, px: Tensor) -> SimpleNamespace:
    """Everything measured from the features: which half, lids, brows, lips. Both halves are drawn in one pass, on |u|.

    Args:
        s: from `face_geometry.face_shape`.
        look: from `face_geometry.look`.
        p: from `face_geometry.pose`.
        px: the side of a pixel in face coordinates, (N, 1, 1).
    """
    u, v = look.u, look.v
    a, right = u.abs(), u < 0

    def pick(x: Sided) -> Tensor:
        return torch.where(right, x.right, x.left)

    # Eyes: `x` runs from -1 at the inner to 1 at the outer corner.
    x = (a - s.eye_u) * (1 / s.eye_w)
    arch = (1 - x * x).clamp_(min=0)
    base = s.eye_v + s.tilt * x
    upper = base - pick(s.lid_up) * arch * (1 - pick(s.lid_skew) * x)
    lower = base + pick(s.lid_low) * arch
    # Brows: a parabola through three points.
    u_in = pick(s.brow_in_u)
    t = (a - u_in) / (s.brow_out_u - u_in)
    tc = t.clamp(-0.1, 1.1)
    b0, bm, b1 = pick(s.brow_in), pick(s.brow_mid), pick(s.brow_out)
    brow = b0 + tc * (4 * bm - 3 * b0 - b1) + tc * tc * (2 * b0 + 2 * b1 - 4 * bm)
    # Mouth: `m` runs from 0 in the middle to 1 in the corner.
    m = a / pick(s.mouth_w)
    mq = (1 - m * m).clamp_(min=0)
    root = torch.sqrt(mq)
    middle = s.mouth_v + pick(s.corner) * (m * m).clamp_(max=1.6)
    # The gap is a lens; a dropping jaw rounds it, lips drawn off the teeth square it.
    square = 0.7 * s.square * (1 - s.round)
    gap = root * s.round + mq * (1 - s.round + square - square * mq)
    inner_up, inner_low = middle - pick(s.open_up) * gap, middle + s.open_low * gap
    bow = 1 - 0.22 * bump((a * (1 / 0.045)) ** 2)
    outer_up = inner_up - s.lip_up * root * bow
    outer_low = inner_low + s.lip_low * mq * (1.25 - 0.25 * mq)
    return SimpleNamespace(
        u=u, v=v, a=a, right=right, pick=pick, px=px, x=x, arch=arch, upper=upper, lower=lower, t=t, brow=brow, m=m,
        mq=mq, middle=middle, inner_up=inner_up, inner_low=inner_low, outer_up=outer_up, outer_low=outer_low,
    )  # fmt: skip


def nose_height(u: Tensor, v: Tensor, s: SimpleNamespace, lift: Tensor | float = 0.0) -> Tensor:
    """Height of bridge, tip and wings of the nose over the smooth head."""
    tip = s.nose_v - 0.075
    k = ((v + 0.33) / (tip + 0.33)).clamp(0, 1)
    ridge = s.bridge + (s.nose_h - s.bridge) * k * k
    ends = ((v + 0.50) * 6).clamp(0, 1) * ramp(s.nose_v - v, 0.15)
    across = (u * (1 / (0.068 + 0.035 * k))) ** 2
    wings = spot(u.abs(), v, 0.72 * s.nose_w, s.nose_v - 0.055 - lift, 0.045, 0.05)
    return ridge * ends * bump(across) + 0.06 * wings


def relief(f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """Return the height above the smooth head and how much light reaches each point of it (ambient occlusion), 0 to 1.

    Args:
        f: from `feature_coordinates`.
        s: from `face_geometry.face_shape`.
        p: from `face_geometry.pose`.
    """
    a, v, i, act = f.a, f.v, s.i, s.a
    unit = {name: f.pick(s.unit[name]) for name in ("AU6", "AU9", "AU10", "AU12", "AU14", "AU15")}
    # The nose sticks out, so a turned head shows it displaced; solve u = u0 - height(u) sin(yaw) in two steps.
    first = nose_height(f.u - 0.6 * s.nose_h * p.sin_yaw * ((v + 0.35) * 1.8).clamp(0, 1), v, s)
    f.nose_u = f.u - first * p.sin_yaw
    nose = nose_height(f.nose_u, v, s, f.pick(s.nose_lift))

    cheek = unit["AU12"] * 0.6 + unit["AU6"] * 0.6 + unit["AU9"] * 0.2
    h = nose
    h = h + 0.055 * spot(a, v, 0.30, f.brow - 0.01, 0.22, 0.075)
    socket = spot(a, v, s.eye_u - 0.02, s.eye_v - 0.02, 0.17, 0.115)
    h = h - (0.085 + 0.012 * i.eye_depth) * socket
    h = h + 0.055 * spot(a, v, s.eye_u, s.eye_v, 0.11, 0.085)
    cheekbone = spot(a, v, 0.44, 0.10 - 0.05 * cheek, 0.17, 0.13 - 0.02 * cheek)
    h = h + (0.055 + 0.012 * i.cheeks + 0.065 * cheek) * cheekbone
    h = h + 0.04 * spot(a, v, 0.0, s.mouth_v - 0.05, 0.32, 0.26)
    lip_up = spot(a, v, 0.0, f.outer_up * 0.45 + f.inner_up * 0.55, 0.17, 0.04)
    lip_low = spot(a, v, 0.0, f.outer_low * 0.5 + f.inner_low * 0.5, 0.15, 0.045)
    h = h + 0.022 * lip_up + (0.022 + 0.02 * act.AU17 + 0.02 * act.AU18) * lip_low
    chin = spot(a, v, 0.0, s.chin_v - 0.17 - 0.03 * act.AU17, 0.16, 0.11)
    h = h + (0.05 + 0.03 * act.AU17 + 0.012 * i.jaw) * chin
    h = h - 0.03 * s.old * spot(a, v, 0.42, 0.42, 0.12, 0.16) + 0.02 * i.cheeks * spot(a, v, 0.45, 0.42, 0.2, 0.2)

    # Folds: each darkens (less light gets in) and dents.
    top, low = s.nose_v - 0.10, s.mouth_v + 0.10
    k = (v - top) / (low - top)
    corner_u = f.pick(s.mouth_w) + 0.09
    path = s.nose_w + 0.02 + (corner_u - s.nose_w - 0.02) * k.clamp(0, 1.2)
    path = path + 0.05 * (k * (1 - k)).clamp(min=0) * (unit["AU12"] * 2.2 - 0.2)
    d = a - path
    along = (k * 6 + 0.6).clamp(0, 1) * ((1.12 - k) * 3).clamp(0, 1)
    depth = (
        0.05
        + 0.40 * s.old
        + 0.50 * s.fold
        + 0.9 * unit["AU12"]
        + 0.8 * unit["AU10"]
        + 0.65 * unit["AU9"]
        - 0.1 * s.young
    ).clamp(0, 1.3)
    fold = (0.6 * bump((d * (1 / 0.03)) ** 2) + 0.4 * bump((d * (1 / 0.07)) ** 2)) * along * depth
    h = h + 0.045 * depth * along * bump(((d - 0.075) * (1 / 0.075)) ** 2) - 0.012 * fold

    frown = f.pick(s.unit["AU4"]) * (1 - 0.15 * f.pick(s.unit["AU1"])) + 0.25 * s.old + 0.35 * s.furrow * s.furrow
    frown = frown * s.crease * spot(a, v, 0.055, f.brow + 0.02, 0.022, 0.10)
    raised = (
        (0.9 * f.pick(s.unit["AU1"]) + 0.8 * f.pick(s.unit["AU2"])).clamp(max=1.4)
        * (0.35 + 0.65 * s.old)
        * (1 - s.young)
    )
    raised = raised + 0.25 * s.old + 0.12 * f.pick(s.unit["AU1"])
    forehead = ((f.brow - 0.05 - v) * 12).clamp(0, 1) * ((v + 0.93) * 8).clamp(0, 1) * bump((a * (1 / 0.28)) ** 2)
    waves = torch.cos((v + 0.10 * a * a + 0.02 * torch.sin(a * 9 + 40 * i.texture)) * 58 + 6 * i.texture)
    lines = raised * s.crease * forehead * (waves * 1.6 - 0.5).clamp(0, 1)
    scrunch = torch.cos((v - 0.35 * a) * 85) * spot(f.nose_u.abs(), v, 0.03, -0.20, 0.10, 0.13) * unit["AU9"] * s.crease
    crow = torch.cos((v - s.eye_v) * 70 * (1 - 0.5 * (a - 0.5)))
    crow = (crow * 1.3 - 0.3).clamp(0, 1) * spot(a, v, s.eye_u + 0.245, s.eye_v + 0.02, 0.05, 0.09)
    crow = s.crease * crow * (0.75 * unit["AU6"] * (1 - 0.7 * s.young) + 0.4 * s.old)
    bag = v - f.lower - 0.055 - 0.02 * f.arch
    bag = bump((bag * (1 / 0.022)) ** 2) * (f.arch * 1.6).clamp(max=1)
    bag = bag * (0.05 + 0.45 * s.old + 0.35 * s.bag + 0.75 * unit["AU6"] + 0.3 * f.pick(s.unit["AU7"]))
    under_lip = spot(a, v, 0.0, f.outer_low + 0.05, 0.15, 0.032) * (0.55 + 0.45 * act.AU17)
    dimple = spot(a, v, f.pick(s.mouth_w) + 0.035, s.mouth_v + f.pick(s.corner), 0.03, 0.045)
    dimple = dimple * (0.12 + 0.9 * unit["AU14"] + 0.35 * unit["AU12"] + 0.45 * unit["AU15"])
    pebbles = torch.cos(a * 75 + 3 * torch.sin(v * 41)) * torch.cos(v * 67 + 20 * i.texture) * act.AU17 * chin
    marionette = spot(a - 0.25 * (v - s.mouth_v), v, f.pick(s.mouth_w) + 0.03, s.mouth_v + 0.14, 0.02, 0.10)
    marionette = marionette * (0.3 * s.old + 0.7 * unit["AU15"])
    h = (
        h
        - 0.009 * frown
        - 0.007 * lines
        - 0.014 * scrunch
        - 0.008 * crow
        - 0.014 * bag
        - 0.02 * under_lip
        - 0.012 * dimple
    )
    h = h + 0.005 * pebbles

    dark = 0.34 * socket * (1 + 0.25 * i.eye_depth).clamp(0.4, 1.6)
    dark = dark + 0.29 * fold + 0.32 * frown + 0.17 * lines + 0.5 * scrunch.clamp(min=0) + 0.17 * crow + 0.26 * bag
    dark = dark + 0.30 * under_lip + 0.45 * dimple + 0.12 * pebbles.clamp(min=0) + 0.15 * marionette
    below = spot(f.nose_u, v, 0.0, s.nose_v + 0.045, 0.10, 0.045) + 0.9 * spot(a, v, 0.0, s.nose_v + 0.13, 0.22, 0.11)
    nostrils = spot(f.nose_u.abs(), v, 0.060, s.nose_v - 0.012 - 0.3 * f.pick(s.nose_lift), 0.030, 0.016)
    side = spot(f.nose_u.abs(), v, s.nose_w * 0.98, s.nose_v - 0.05 - f.pick(s.nose_lift), 0.018, 0.045)
    dark = dark + 0.20 * below + 0.42 * nostrils + 0.18 * side
    f.cheek, f.fold = cheekbone, fold
    return h, (1 - dark).clamp_(0.12, 1)
