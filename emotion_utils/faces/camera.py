"""The photograph: background, things in front of the face, exposure, blur, grain and 8 bits."""

from types import SimpleNamespace

import torch
from torch import Tensor

from emotion_utils.faces import noise
from emotion_utils.faces.geometry import pixel_grid
from emotion_utils.faces.relief import ramp


def background(p: SimpleNamespace, size: int) -> Tensor:
    """A wall, brighter on one side, with out-of-focus shapes; (N, size, size)."""
    x, y = pixel_grid(size, p.yaw.device)
    zero = torch.zeros(len(p.yaw), size, size, device=p.yaw.device)
    across, down = zero + x * 0.035 + p.texture * 13.7, zero + y * 0.035 + p.texture * 5.3
    clouds = noise.sample("smooth", across, down)
    side = 0.12 * (x * p.light_x - y * 0.4)
    return (
        0.04
        + 0.85 * p.background * (0.4 + 0.6 * p.background)
        + side * (0.4 + p.background)
        + 0.24 * p.clutter * clouds
    ).clamp(0.01, 1)


def occlude(image: Tensor, p: SimpleNamespace, skin_tone: Tensor, size: int) -> Tensor:
    """Put a hand, some object or lettering in front of those faces that have one."""
    rows = (p.occluder[:, 0, 0] > 0.5).nonzero()[:, 0]
    if not len(rows):
        return image
    q = SimpleNamespace(**{k: getattr(p, k)[rows] for k in (
        "occluder", "occluder_x", "occluder_y", "occluder_angle", "occluder_tone", "texture", "light_x")})  # fmt: skip
    x, y = pixel_grid(size, image.device)
    soft = 2.5 / size
    part = image[rows]
    zero = torch.zeros_like(part)
    # A hand rises from below or from a side: four fingers and a palm in coordinates along and across the hand.
    lean = 0.6 * torch.sin(torch.deg2rad(q.occluder_angle))
    hx, hy = x - 0.75 * q.occluder_x, y - 0.45 - 0.4 * q.occluder_y
    across = (hx * torch.cos(lean) + hy * torch.sin(lean)) * (1 / 0.17)
    along = hy * torch.cos(lean) - hx * torch.sin(lean) + zero
    finger = (across + 2).floor().clamp(0, 3)
    middle = across + 2 - finger - 0.5
    tip = -0.06 * (1.6 - (finger - 1.4).abs()) * 2
    round_tip = (0.25 - (middle * middle).clamp(max=0.25)).sqrt() * 0.17
    depth = torch.minimum(along - tip - 0.08 + round_tip * 1.2, (2.1 - across.abs()) * 0.17)
    hand = ramp(depth, soft)
    curve = (1 - 1.5 * (middle * middle)).clamp(0, 1)
    crease = ramp(0.07 - (middle.abs() - 0.5).abs(), 0.12) * ramp(0.55 - along, 0.2)
    flesh = skin_tone[rows] * (0.66 + 0.13 * curve + 0.2 * middle * q.light_x + 0.2 * along) * (1 - 0.14 * crease)
    # Something out of focus at the edge: a shoulder, a cup, a microphone.
    radius = torch.sqrt((x - 1.0 * q.occluder_x) ** 2 * 1.6 + (y - 0.75 - 0.25 * q.occluder_y) ** 2)
    thing = ramp(0.32 + 0.12 * q.occluder_tone - radius + zero, 0.06)
    grey = (0.1 + 0.75 * q.occluder_tone) * (1.1 - 0.8 * radius) + zero
    # Lettering across the picture, as photo agencies print it.
    letters = noise.cut("white", q.texture[:, 0, 0], 64)[:, :2, :]
    glyph = letters[:, :, ((x[0, 0] + 1) * 15).long() % 64][:, [0]].expand_as(part) > 0
    band = ramp(0.06 - (y - 0.5 * q.occluder_y).abs() + zero, soft) * glyph * 0.45
    painted = part + (flesh - part) * hand * (q.occluder == 1)
    painted = painted + (grey - painted) * thing * (q.occluder == 2)
    painted = painted + (0.85 - painted) * band * (q.occluder == 3)
    image = image.clone()
    image[rows] = painted
    return image


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with its own spread in pixels per face, (N, 1, 1); rows first, then columns."""
    reach = max(1, int(2.2 * float(sigma.max()) + 0.5)) if len(sigma) else 1
    reach = min(reach, image.shape[-1] - 1)
    offsets = torch.arange(reach + 1, device=image.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma.clamp(min=0.25)).clamp(max=8) ** 2)
    weights = weights * (offsets <= (2.2 * sigma + 0.5).floor().clamp(min=1))
    weights = weights / (2 * weights.sum(-1, keepdim=True) - weights[..., :1])
    for axis in (2, 1):
        n = image.shape[axis]
        first, last = image.narrow(axis, 0, 1), image.narrow(axis, n - 1, 1)
        shape = [-1, -1, -1]
        shape[axis] = reach
        wide = torch.cat([first.expand(shape), image, last.expand(shape)], axis)
        total = image * weights[..., :1]
        for k in range(1, reach + 1):
            total = (
                total + (wide.narrow(axis, reach - k, n) + wide.narrow(axis, reach + k, n)) * weights[..., k : k + 1]
            )
        image = total
    return image


def develop(image: Tensor, meter: Tensor, p: SimpleNamespace, size: int) -> Tensor:
    """Expose for the asked brightness and contrast, blur, add grain, round to uint8 (N, 1, size, size).

    `meter` is what the light meter sees: the picture with plain skin for a face. Metering the face itself would let
    an open mouth brighten the background, and so whisper the emotion to whoever looks at the background alone.
    """
    wide = meter.double()  # sums in double precision: the same to the last grey level in any order of adding
    mean = wide.mean((1, 2), keepdim=True)
    spread = (wide * wide).mean((1, 2), keepdim=True) - mean * mean
    mean, spread = mean.float(), spread.clamp(min=1e-8).sqrt().float()
    gain = p.contrast / spread.clamp(min=0.09)
    image = (image - mean) * gain + p.exposure
    # Film does not cut off hard: bend the ends.
    image = torch.where(image > 0.85, 0.85 + 0.13 * torch.tanh((image - 0.85) * (1 / 0.18)), image)
    image = torch.where(image < 0.12, 0.12 + 0.11 * torch.tanh((image - 0.12) * (1 / 0.14)), image)
    image = blur(image, p.blur * size)
    image = image + p.noise * noise.cut("white", p.texture[:, 0, 0], size)
    return (image * 255 + 0.5).clamp_(0, 255).to(torch.uint8)[:, None]
