"""Paint and light: skin, eyes, brows, lips, hair and glasses, and how a lamp shows them."""

from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces import noise
from emotion_utils.faces.relief import bump, ramp, spot


def blend(under: Tensor, over: Tensor | float, mask: Tensor) -> Tensor:
    """Lay one colour over another where the mask is 1."""
    return under + (over - under) * mask


def slopes(z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of a height field (N, H, W) along x and y, replicated at the borders; `step` is a pixel."""
    zx = torch.cat([z[:, :, :1], z, z[:, :, -1:]], 2)
    zy = torch.cat([z[:, :1], z, z[:, -1:]], 1)
    half = 0.5 / step
    return (zx[:, :, 2:] - zx[:, :, :-2]) * half, (zy[:, 2:] - zy[:, :-2]) * half


def skin(f: SimpleNamespace, s: SimpleNamespace, size: int) -> Tensor:
    """Reflectance of the bare skin: tone, blotches, freckles, pores, stubble and beard."""
    i = s.i
    across, down = f.u * 0.21 + i.texture * 7.3, f.v * 0.21 + i.texture * 3.1
    blotches = noise.sample("smooth", across, down)
    grain = noise.sample("fine", across * 1.9, down * 1.9)
    f.grain = grain * min(1.0, size / 140)  # below that size the eye, and a camera, averages pores
    grain = f.grain
    tone = i.skin_tone * (1 + 0.035 * blotches + (0.02 + 0.025 * s.old) * grain)
    tone = tone * (1 - 0.35 * i.freckles * (grain - 0.5).clamp(0, 1) * bump((f.v * 2.2) ** 2))
    tone = tone * (1 - 0.16 * spot(f.a, f.v, 0.0, -0.70, 0.45, 0.25))
    tone = tone * (1 - 0.10 * spot(f.a, f.v, 0.42, 0.12, 0.16, 0.14) * (0.6 + i.skin_tone * 0.5))
    # Beard: cheeks below the ear line, chin and upper lip; patchy at its edge.
    line = f.v - 0.36 - 0.45 * (0.55 - f.a).clamp(min=0) + 0.05 * blotches
    free = ramp(f.outer_up - 0.02 - f.v, 0.05) + ramp(f.v - f.outer_low - 0.01, 0.04)
    outside = torch.maximum(free.clamp(max=1), (f.m > 1.02).float())
    beard = ramp(line, 0.14) * outside * i.beard
    lip = (
        spot(f.a, f.v, 0.0, (f.outer_up + s.nose_v) * 0.5 + 0.015, 0.17, 0.05) * outside * ramp(f.outer_up - f.v, 0.03)
    )
    hair = torch.maximum(beard, 1.3 * lip * i.moustache).clamp(max=1) * (0.82 + 0.18 * grain).clamp(0, 1)
    f.beard = hair
    return blend(tone, (0.05 + 0.55 * i.hair_tone) * (1 + 0.35 * grain), hair * 0.88)


def mouth(albedo: Tensor, f: SimpleNamespace, s: SimpleNamespace, soft: Tensor) -> Tensor:
    """Paint lips, the dark of the mouth, tongue and teeth."""
    i, a, v = s.i, s.a, f.v
    past = (f.m - 0.98).clamp(min=0)
    lips = ramp(torch.minimum(v - f.outer_up, f.outer_low - v) - past, soft) * ramp(1.03 - f.m, 0.12)
    upper = ramp(f.middle - v, 0.05)
    tone = albedo * (1 - 0.38 * i.lip_tone - 0.12 * upper - 0.24)
    tone = tone * (1 + 0.05 * torch.cos(f.u * 120 + 5 * i.texture))
    albedo = blend(albedo, tone, lips)
    gap = f.inner_low - f.inner_up
    inside = ramp(torch.minimum(v - f.inner_up, f.inner_low - v) - past - 0.25 * soft, soft)
    # A closed mouth is a dark line, darkest in the corners.
    thin = 0.011 + 0.006 * s.press + 0.25 * soft
    line = ramp(thin - (v - (f.inner_up + f.inner_low) * 0.5).abs(), soft) * ramp(1.07 - f.m, 0.14)
    line = line * (1 - (gap - 0.01).clamp(0, 0.06) * 16.6)
    albedo = albedo * (1 - (0.55 + 0.12 * s.press) * line)
    cavity = torch.full_like(v, 0.035)
    tongue = ramp(v - f.inner_low + 0.10, 0.08) * bump((f.m * 1.5) ** 2) * ((gap - 0.12) * 5).clamp(0, 1)
    cavity = blend(cavity, 0.34 * i.skin_tone + 0.08, tongue * 0.8)
    comb = 1 - 0.13 * (torch.cos(f.u * 92).abs() * -1 + 1) ** 3
    show = 0.03 + 0.09 * torch.maximum(torch.maximum(a.AU12, a.AU10), 0.8 * a.AU20)
    high = ramp(f.inner_up + show * (1 - 0.3 * f.m) - v, soft) * ramp(0.92 - f.m, 0.25)
    low = ramp(v - f.inner_low + 0.05 * a.AU16, soft) * ramp(0.85 - f.m, 0.25) * (a.AU16 * 2).clamp(max=1)
    teeth = torch.maximum(high, low)
    white = (0.80 - 0.22 * f.m * f.m - 0.08 * s.old) * comb
    cavity = blend(cavity, white, teeth)
    return blend(albedo, cavity, inside)


def eyes(
    albedo: Tensor, f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace, soft: Tensor
) -> tuple[Tensor, Tensor]:
    """Paint lids, lashes, whites, iris, pupil and brows; return the albedo and the mask of the open eye."""
    i, v, a = s.i, f.v, f.a
    past = (f.x.abs() - 0.97).clamp(min=0) * 0.5
    open_eye = ramp(torch.minimum(v - f.upper, f.lower - v) - past, soft)
    side = torch.where(f.right, -p.gaze_x, p.gaze_x) * 0.16
    dx, dy = a - s.eye_u - side, v - s.eye_v + 0.012 - 0.10 * p.gaze_y - 0.05 * s.a.AU43
    r2 = dx * dx + dy * dy
    r = torch.sqrt(r2 + 1e-8)
    # The ball is shaded: darker under the upper lid and towards the corners.
    white = 0.68 - 0.18 * bump(((v - f.upper) * (1 / 0.028)) ** 2) - 0.22 * f.x * f.x
    tone = 0.10 + 0.42 * i.iris_tone
    iris = tone * (0.75 + 0.5 * (dy * (1 / s.iris)).clamp(-1, 1)) - 0.12 * bump(((r - s.iris) * (1 / 0.012)) ** 2)
    ball = blend(white, iris.clamp(min=0.03), ramp(s.iris - r, soft))
    ball = blend(ball, 0.02, ramp(0.42 * s.iris - r, soft))
    gx = torch.where(f.right, -p.light_x, p.light_x) * 0.025
    glint = ramp(0.016 - torch.sqrt((dx - gx) ** 2 + (dy + 0.022) ** 2 + 1e-8), soft)
    ball = blend(ball, 0.95, glint * 0.9)
    # Lid crease, lashes, rims.
    crease = spot(v - f.upper + 0.032 + 0.006 * i.lid_fold, f.x * 0, 0, 0, 0.012, 1.0) * ramp(1.15 - f.x.abs(), 0.4)
    albedo = albedo * (1 - (0.28 + 0.06 * i.lid_fold).clamp(0, 0.5) * crease * (1 - 0.6 * f.pick(s.unit["AU5"])))
    inside = ramp(1.08 - f.x.abs(), 0.2)
    feminine = 1 - s.i.sex * 0.45
    lash = ramp(0.019 * feminine + 0.2 * soft - (v - f.upper + 0.004).abs(), soft) * inside
    rim = ramp(0.006 + 0.1 * soft - (v - f.lower - 0.002).abs(), soft) * inside
    albedo = blend(albedo, ball, open_eye)
    albedo = albedo * (1 - 0.92 * lash) * (1 - 0.35 * rim)
    # Brows: hairs lie along the brow, thinner outwards.
    t = f.t
    hairs = noise.sample("strand", f.u * 0.9 + f.brow * 0.9 + i.texture, (v + a * 0.6) * 0.35 + i.texture)
    thick = s.brow_thick * (1.05 - 0.55 * t.clamp(0, 1)) * (1 + 0.12 * hairs)
    mask = ramp(thick - (v - f.brow).abs(), soft + 0.02) * ramp(t + 0.02, 0.16) * ramp(1.0 - t, 0.22)
    mask = mask * (0.63 + 0.31 * i.brow_tone) * (0.9 + 0.15 * hairs).clamp(0, 1.1)
    albedo = blend(albedo, (0.04 + 0.35 * (1 - i.brow_tone)) * (0.4 + 0.6 * i.skin_tone), mask.clamp(0, 1))
    return albedo, open_eye


def light(p: SimpleNamespace) -> None:
    """Add the direction of the lamp to `p`: light_x to the right, light_y down, light_z towards the camera."""
    azimuth, elevation = torch.deg2rad(p.light_azimuth), torch.deg2rad(p.light_elevation)
    p.light_x = torch.sin(azimuth) * torch.cos(elevation)
    p.light_y = -torch.sin(elevation)
    p.light_z = torch.cos(azimuth) * torch.cos(elevation)


def shade(
    z: Tensor, reach: Tensor, f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace
) -> tuple[Tensor, Tensor]:
    """Light on a height field: key lamp, fill from the camera, sky; returns diffuse light and gloss, (N, H, W) each."""
    gx, gy = slopes(z, f.px)
    gx, gy = gx.clamp(-2.5, 2.5), gy.clamp(-2.5, 2.5)
    inv = torch.rsqrt(gx * gx + gy * gy + 1)
    key = (p.light_z - gx * p.light_x - gy * p.light_y) * inv
    hard = p.light_hardness
    wrap = 0.35 - 0.25 * hard
    lamp = ((key + wrap) * (1 / (1 + wrap))).clamp(min=0)
    # The nose throws a shadow away from the lamp.
    throw = spot(f.nose_u + p.light_x * 0.13, f.v + p.light_y * 0.10, 0.0, s.nose_v - 0.05, 0.06, 0.16)
    cast = throw * (p.light_x * (f.nose_u * -8)).clamp(0, 1) * hard
    lamp = lamp * (1 - 0.55 * cast)
    sky = 0.5 - 0.35 * gy * inv
    diffuse = (0.30 + 0.85 * hard) * lamp + (0.60 - 0.40 * hard) * inv + (0.30 - 0.18 * hard) * sky
    # Gloss: half-way vector between lamp and camera.
    hx, hy, hz = p.light_x, p.light_y, p.light_z + 1
    norm = torch.rsqrt(hx * hx + hy * hy + hz * hz)
    half = ((hz - gx * hx - gy * hy) * norm * inv).clamp(min=0)
    h4 = half * half
    h4 = h4 * h4
    h16 = h4 * h4
    gloss = h16 * h16 * (0.5 + 0.5 * hard)
    return diffuse * reach, gloss * reach


def hair_layers(
    f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace, look: SimpleNamespace, soft: Tensor, size: int
) -> SimpleNamespace:
    """Masks and tones of the hair behind the head and of the hair on it."""
    i = s.i
    x, y = look.x0, f.v
    bald = (i.hairline > -2).float()
    volume = 0.05 + 0.13 * i.hair_volume * (0.5 + 0.5 * i.hair_length) + 0.10 * i.hair_curl * i.hair_volume
    # Strands run from the parting outwards and down.
    du, dv = look.x - 0.25 * i.hair_part - 0.3 * p.sin_yaw, y + s.top * 1.02
    around = torch.atan2(du, dv.clamp(min=0.02) + 0.12 * du.abs())
    far = torch.sqrt(du * du + dv * dv)
    wavy = 0.05 * i.hair_curl * torch.sin(far * 22 + 6 * around)
    locks = noise.sample("strand", around * 0.07 + wavy * 0.4 + i.texture * 5, far * 0.18 + i.texture)
    fine = noise.sample("strand", around * 0.28 + wavy + i.texture * 5, far * 0.25 + i.texture)
    strands = 0.75 * locks + (0.75 * min(1.0, size / 130)) * fine
    curls = noise.sample("fine", x * 0.13 + i.texture, y * 0.13)
    strands = strands + (curls - strands) * i.hair_curl
    gap = look.f + volume + 0.02 * strands
    length = -0.45 + 1.9 * i.hair_length
    hang = ramp(length + 0.05 * strands - look.y, 0.10)
    # Below the cheekbones long hair hangs straight down.
    curtain = (s.width * p.cos_yaw + volume) - look.x.abs() + 0.02 * strands
    behind = torch.where(look.y > -0.2, ramp(curtain, soft * 2), ramp(gap, soft * 2)) * hang * bald
    # On the face: above the hairline, and at the sides in front of the ears.
    line = -0.93 + 0.10 * i.hairline + 0.42 * i.fringe - 0.10 * (f.u - 0.3 * i.hair_part).abs() * (1 - i.fringe)
    temple = (f.a * (1 / s.width)).clamp(max=1.05)
    t4 = temple * temple
    t4 = t4 * t4
    rim = line + t4 * t4 * (0.75 + 0.5 * i.hair_length - 0.25 * i.hairline.clamp(-1, 1))
    front = ramp(rim + (0.03 + 0.05 * i.fringe) * strands - f.v, soft * 2 + 0.09) * ramp(gap, soft * 2) * bald
    cap = -0.35 * look.x * p.light_x - 0.30 * (y + 0.6) * p.light_y * -1
    sheen = bump(((far - 0.55) * 4) ** 2) * (0.25 + 0.6 * (1 - i.hair_curl))
    shine = (0.85 + 0.17 * strands + cap + 0.5 * sheen * (strands + 0.6).clamp(min=0)).clamp(min=0.25)
    tone = (0.035 + 0.62 * i.hair_tone) * shine
    return SimpleNamespace(behind=behind, front=front, tone=tone, strands=strands)


def glasses(image: Tensor, f: SimpleNamespace, s: SimpleNamespace, head: Tensor, soft: Tensor) -> Tensor:
    """Put on glasses: two rounded lenses, a bridge and temples that end with the head (a mask)."""
    i = s.i
    dx, dy = (f.a - s.eye_u) * (1 / 0.235), (f.v - s.eye_v - 0.025) * (1 / 0.165)
    dx2, dy2 = dx * dx, dy * dy
    r = torch.sqrt(torch.sqrt(dx2 * dx2 + dy2 * dy2 + 1e-8))
    d = (r - 1) * 0.18
    rim = ramp(0.012 + 0.25 * soft - d.abs(), soft)
    bar = ramp(0.010 + 0.2 * soft - (f.v - s.eye_v + 0.05).abs(), soft)
    bar = bar * ramp(torch.maximum(0.11 - f.a, f.a - s.eye_u - 0.23), 0.03) * head
    frame = torch.maximum(rim, bar * 0.8) * i.glasses
    lens = ramp(-d, soft) * i.glasses
    glare = bump(((f.u - f.v * 0.5 - 0.2) * (1 / 0.05)) ** 2) * lens
    image = image * (1 - lens * i.lens_tint * 0.93) + 0.10 * glare
    return blend(image, 0.05 + 0.25 * i.iris_tone, frame * 0.85)


def ears(
    image: Tensor, f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace, look: SimpleNamespace, soft: Tensor
) -> Tensor:
    """Add the ears, at the ends of the widest slice; the farther one hides behind the head."""
    v0 = -0.13
    for sign in (-1.0, 1.0):
        centre = sign * (s.width + 0.015) * p.cos_yaw - 0.12 * s.depth * p.sin_yaw
        du = (look.x0 - centre) * (1 / 0.085)
        dv = (look.y - v0 + (0.12 + 0.8) * s.depth * p.sin_pitch) * (1 / 0.20)
        r2 = du * du + dv * dv
        tone = s.i.skin_tone * (0.62 + 0.25 * p.light_x * sign - 0.22 * bump(r2 * 6))
        image = blend(image, tone, ramp((1 - r2) * 0.05, soft))
    return image


def body(
    image: Tensor, f: SimpleNamespace, s: SimpleNamespace, p: SimpleNamespace, look: SimpleNamespace, soft: Tensor
) -> Tensor:
    """Add neck and shoulders, in the shadow of the chin."""
    x, y = look.x + 0.25 * p.sin_yaw * s.depth, look.y
    width = s.width * (0.60 + 0.08 * s.i.sex)
    neck = ramp(width - x.abs() + 0.15 * (y - 1.1).clamp(min=0), soft) * ramp(y - 0.3, 0.1)
    round_neck = 1 - 0.45 * (x * (1 / width)).clamp(-1, 1) ** 2
    tone = s.i.skin_tone * (0.42 + 0.25 * (y - s.chin_v).clamp(0, 0.6)) * round_neck * (1 + 0.4 * p.light_x * x)
    image = blend(image, tone, neck)
    shoulder = ramp(y - 1.12 + 0.28 * (0.55 - x.abs()).clamp(min=0) - 0.22 * (x * x * 0.4), soft * 2)
    cloth = 0.06 + 0.75 * ((s.i.texture * 37) % 1) ** 2 + 0.05 * f.grain
    return blend(image, cloth * (0.8 + 0.3 * p.light_x * x), shoulder)
