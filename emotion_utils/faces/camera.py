"""The photograph: background, things in front of the face, exposure, blur, grain and 8 bits."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces import noise
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.light import Light
from emotion_utils.faces.soft import blend, ramp
from emotion_utils.faces.view import pixel_grid


@dataclass(frozen=True)
class Frame:
    """The picture's own coordinates, -1 to 1, and the width of a soft edge in them."""

    x: Tensor  # (1, 1, W)
    y: Tensor  # (1, H, 1)
    edge: float


def background(photo: Capture, light: Light, size: int) -> Tensor:
    """A wall, brighter on one side, with out-of-focus shapes; (N, size, size)."""
    x, y = pixel_grid(size, photo.background.device)
    shape = (len(photo), size, size)
    across, down = (x * 0.035 + photo.texture * 13.7).expand(shape), (y * 0.035 + photo.texture * 5.3).expand(shape)
    clouds = noise.sample("smooth", across, down)
    wall = 0.04 + 0.85 * photo.background * (0.4 + 0.6 * photo.background)
    side = 0.12 * (x * light.x - y * 0.4)
    return (wall + side * (0.4 + photo.background) + 0.24 * photo.clutter * clouds).clamp(0.01, 1)


def occlude(image: Tensor, photo: Capture, light: Light, skin_tone: Tensor) -> Tensor:
    """Put a hand, some object or lettering in front of those faces that have one.

    Args:
        image: (N, H, W).
        photo: fields (N, 1, 1).
        light: where the lamp is.
        skin_tone: of the person, (N, 1, 1): the hand is the person's own.
    """
    kind = photo.occluder[:, 0, 0]
    rows = ((kind > 0.5) & (kind < 3.5)).nonzero()[:, 0]
    if not len(rows):
        return image
    size, some = image.shape[-1], photo[rows]
    frame = Frame(*pixel_grid(size, image.device), edge=2.5 / size)
    part = _hand(image[rows], some, frame, light.x[rows], skin_tone[rows])
    part = _object_at_the_edge(part, some, frame)
    part = _lettering(part, some, frame)
    image = image.clone()
    image[rows] = part
    return image


def _hand(image: Tensor, photo: Capture, frame: Frame, light_x: Tensor, skin_tone: Tensor) -> Tensor:
    """A hand rises from below or from a side: four fingers and a palm."""
    # Coordinates along the hand and across it, in finger widths.
    lean = 0.6 * torch.sin(torch.deg2rad(photo.occluder_angle))
    x, y = frame.x - 0.75 * photo.occluder_x, frame.y - 0.45 - 0.4 * photo.occluder_y
    across = (x * torch.cos(lean) + y * torch.sin(lean)) * (1 / 0.17)
    along = y * torch.cos(lean) - x * torch.sin(lean)
    finger = (across + 2).floor().clamp(0, 3)
    middle = across + 2 - finger - 0.5  # distance from the middle of the finger
    tip = -0.06 * (1.6 - (finger - 1.4).abs()) * 2  # the middle finger is the longest
    round_tip = (0.25 - (middle * middle).clamp(max=0.25)).sqrt() * 0.17
    inside = torch.minimum(along - tip - 0.08 + round_tip * 1.2, (2.1 - across.abs()) * 0.17)
    curve = (1 - 1.5 * (middle * middle)).clamp(0, 1)
    between = ramp(0.07 - (middle.abs() - 0.5).abs(), 0.12) * ramp(0.55 - along, 0.2)
    flesh = skin_tone * (0.66 + 0.13 * curve + 0.2 * middle * light_x + 0.2 * along) * (1 - 0.14 * between)
    return blend(image, flesh, ramp(inside, frame.edge) * (photo.occluder == 1))


def _object_at_the_edge(image: Tensor, photo: Capture, frame: Frame) -> Tensor:
    """Something out of focus at the edge: a shoulder, a cup, a microphone."""
    x, y = frame.x - 1.0 * photo.occluder_x, frame.y - 0.75 - 0.25 * photo.occluder_y
    radius = torch.sqrt(x**2 * 1.6 + y**2)
    mask = ramp(0.32 + 0.12 * photo.occluder_tone - radius, 0.06)
    grey = (0.1 + 0.75 * photo.occluder_tone) * (1.1 - 0.8 * radius)
    return blend(image, grey, mask * (photo.occluder == 2))


def _lettering(image: Tensor, photo: Capture, frame: Frame) -> Tensor:
    """Lettering across the picture, as photo agencies print it: a band of noise, one column a stroke."""
    strokes = noise.cut("white", photo.texture[:, 0, 0], 64)[:, :1]  # (N, 1, 64)
    strokes = strokes[:, :, ((frame.x[0, 0] + 1) * 15).long() % 64] > 0  # (N, 1, W)
    band = ramp(0.06 - (frame.y - 0.5 * photo.occluder_y).abs(), frame.edge) * strokes * 0.45
    return blend(image, 0.85, band * (photo.occluder == 3))


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with its own spread in pixels per face, (N, 1, 1); rows first, then columns."""
    reach = max(1, int(2.2 * float(sigma.max()) + 0.5))  # pixels on either side that count
    reach = min(reach, image.shape[-1] - 1)
    offsets = torch.arange(reach + 1, device=image.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma.clamp(min=0.25)).clamp(max=8) ** 2)  # (N, 1, reach + 1)
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
            both = wide.narrow(axis, reach - k, n) + wide.narrow(axis, reach + k, n)
            total = total + both * weights[..., k : k + 1]
        image = total
    return image


def develop(image: Tensor, meter: Tensor, photo: Capture) -> Tensor:
    """Expose for the asked brightness and contrast, blur, add grain, round to uint8 (N, 1, H, W).

    Args:
        image: (N, H, W).
        meter: what the light meter sees, (N, H, W): the picture with plain skin for a face. Metering the face itself
            would let an open mouth brighten the background, and so whisper the emotion to whoever looks at that alone.
        photo: fields (N, 1, 1).
    """
    size = image.shape[-1]
    wide = meter.double()  # sums in double precision: the same to the last grey level in any order of adding
    mean = wide.mean((1, 2), keepdim=True)
    spread = (wide * wide).mean((1, 2), keepdim=True) - mean * mean
    mean, spread = mean.float(), spread.clamp(min=1e-8).sqrt().float()
    gain = photo.contrast / spread.clamp(min=0.09)
    image = (image - mean) * gain + photo.exposure
    # Film does not cut off hard: bend the ends.
    image = torch.where(image > 0.85, 0.85 + 0.13 * torch.tanh((image - 0.85) * (1 / 0.18)), image)
    image = torch.where(image < 0.12, 0.12 + 0.11 * torch.tanh((image - 0.12) * (1 / 0.14)), image)
    image = blur(image, photo.blur * size)
    image = image + photo.noise * noise.cut("white", photo.texture[:, 0, 0], size)
    return (image * 255 + 0.5).clamp_(0, 255).to(torch.uint8)[:, None]
