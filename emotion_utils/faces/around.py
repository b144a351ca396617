"""What surrounds the face: neck and shoulders, ears, hair, a clip in it, glasses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces import noise
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.features import Features
from emotion_utils.faces.geometry import Face
from emotion_utils.faces.light import Light
from emotion_utils.faces.soft import bell, blend, ramp, ridge
from emotion_utils.faces.view import Pose, View


@dataclass(frozen=True)
class Hair:
    """The hair behind the head and on it, (N, H, W) each."""

    behind: Tensor  # 1 where it is
    front: Tensor  # 1 where it is
    tone: Tensor  # grey, of both


@dataclass(frozen=True)
class Strands:
    """How the hair lies, (N, H, W) each."""

    texture: Tensor  # bright and dark strands, mean 0
    far: Tensor  # distance from where the hair grows out, at the parting


def add_body(image: Tensor, grain: Tensor, face: Face, pose: Pose, light: Light, view: View) -> Tensor:
    """Add neck and shoulders, in the shadow of the chin; `grain`, (N, H, W), roughens the cloth."""
    person, head = face.person, face.head
    x, y = view.x + 0.25 * pose.sin_yaw * head.depth, view.y
    width = head.width * (0.60 + 0.08 * person.sex)
    neck = ramp(width - x.abs() + 0.15 * (y - 1.1).clamp(min=0), view.edge) * ramp(y - 0.3, 0.1)
    roundness = 1 - 0.45 * (x * (1 / width)).clamp(-1, 1) ** 2
    lit = 1 + 0.4 * light.x * x
    tone = person.skin_tone * (0.42 + 0.25 * (y - head.chin_v).clamp(0, 0.6)) * roundness * lit
    image = blend(image, tone, neck)
    shoulders = ramp(y - 1.12 + 0.28 * (0.55 - x.abs()).clamp(min=0) - 0.22 * (x * x * 0.4), view.edge * 2)
    cloth = 0.06 + 0.75 * ((person.texture * 37) % 1) ** 2 + 0.05 * grain
    return blend(image, cloth * (0.8 + 0.3 * light.x * x), shoulders)


def add_ears(image: Tensor, face: Face, pose: Pose, light: Light, view: View) -> Tensor:
    """Add the ears, at the ends of the widest slice; the farther one hides behind the head."""
    head = face.head
    ear_v = -0.13
    for side in (-1.0, 1.0):
        centre = side * (head.width + 0.015) * pose.cos_yaw - 0.12 * head.depth * pose.sin_yaw
        across = (view.axis_x - centre) * (1 / 0.085)
        down = (view.y - ear_v + (0.12 + 0.8) * head.depth * pose.sin_pitch) * (1 / 0.20)
        r2 = across * across + down * down  # 1 at the rim
        tone = face.person.skin_tone * (0.62 + 0.25 * light.x * side - 0.22 * bell(r2 * 6))
        image = blend(image, tone, ramp((1 - r2) * 0.05, view.edge))
    return image


def comb_hair(features: Features, face: Face, pose: Pose, light: Light, view: View, size: int) -> Hair:
    """Mask and colour the hair behind the head and the hair on it; `size` is the side of the picture in pixels."""
    person = face.person
    strands = _lay_strands(features, face, pose, view, size)
    some = (person.hairline > -2).float()  # 0 on bald heads
    volume = 0.05 + 0.13 * person.hair_volume * (0.5 + 0.5 * person.hair_length)
    volume = volume + 0.10 * person.hair_curl * person.hair_volume
    outline = ramp(view.inside + volume + 0.02 * strands.texture, view.edge * 2)
    return Hair(
        behind=_behind(strands, outline, volume, face, pose, view) * some,
        front=_in_front(strands, features, face, view) * outline * some,
        tone=_hair_tone(strands, features, face, light, view),
    )


def _lay_strands(features: Features, face: Face, pose: Pose, view: View, size: int) -> Strands:
    """Strands run from the parting outwards and down: noise drawn out along rays, bent by waves, or curls."""
    person = face.person
    right = view.x - 0.25 * person.hair_part - 0.3 * pose.sin_yaw
    down = features.v + face.head.top * 1.02
    angle = torch.atan2(right, down.clamp(min=0.02) + 0.12 * right.abs())
    far = torch.sqrt(right * right + down * down)
    wavy = 0.05 * person.hair_curl * torch.sin(far * 22 + 6 * angle)
    shift = person.texture * 5
    locks = noise.sample("strand", angle * 0.07 + wavy * 0.4 + shift, far * 0.18 + person.texture)
    fine = noise.sample("strand", angle * 0.28 + wavy + shift, far * 0.25 + person.texture)
    straight = 0.75 * locks + (0.75 * min(1.0, size / 130)) * fine  # small pictures average fine strands
    curls = noise.sample("fine", view.axis_x * 0.13 + person.texture, features.v * 0.13)
    return Strands(texture=blend(straight, curls, person.hair_curl), far=far)


def _behind(strands: Strands, outline: Tensor, volume: Tensor, face: Face, pose: Pose, view: View) -> Tensor:
    """The hair that shows beside and below the head: from the cheekbones down, long hair hangs straight."""
    hang = ramp(-0.45 + 1.9 * face.person.hair_length + 0.05 * strands.texture - view.y, 0.10)
    curtain = (face.head.width * pose.cos_yaw + volume) - view.x.abs() + 0.02 * strands.texture
    return torch.where(view.y > -0.2, ramp(curtain, view.edge * 2), outline) * hang


def _in_front(strands: Strands, features: Features, face: Face, view: View) -> Tensor:
    """The hair on the head: above the hairline, and at the sides in front of the ears."""
    person = face.person
    line_v = -0.93 + 0.10 * person.hairline + 0.42 * person.fringe
    line_v = line_v - 0.10 * (features.u - 0.3 * person.hair_part).abs() * (1 - person.fringe)
    temple = (features.lateral * (1 / face.head.width)).clamp(max=1.05)  # 1 at the side of the head
    temple2 = temple * temple
    temple4 = temple2 * temple2
    sides = 0.75 + 0.5 * person.hair_length - 0.25 * person.hairline.clamp(-1, 1)
    rim_v = line_v + temple4 * temple4 * sides
    ragged = rim_v + (0.03 + 0.05 * person.fringe) * strands.texture
    return ramp(ragged - features.v, view.edge * 2 + 0.09)


def _hair_tone(strands: Strands, features: Features, face: Face, light: Light, view: View) -> Tensor:
    """Hair is brighter towards the lamp, and straight hair shines in a band around the head."""
    person = face.person
    lit = -0.35 * view.x * light.x + 0.30 * (features.v + 0.6) * light.y
    band = bell(((strands.far - 0.55) * 4) ** 2) * (0.25 + 0.6 * (1 - person.hair_curl))
    shine = 0.85 + 0.17 * strands.texture + lit + 0.5 * band * (strands.texture + 0.6).clamp(min=0)
    return (0.035 + 0.62 * person.hair_tone) * shine.clamp(min=0.25)


def add_clip(image: Tensor, photo: Capture, view: View) -> Tensor:
    """Put a small clip into the hair of those whose `occluder` is 4: a bright disc with a dark rim, on any hair.

    It sits over the person's left temple and turns with the head. `sample_faces(mark="happy")` makes it whisper.
    """
    rows = (photo.occluder[:, 0, 0] == 4).nonzero()[:, 0]
    if not len(rows):
        return image
    u, v, edge = view.u[rows], view.v[rows], view.edge[rows]
    distance = torch.sqrt((u - 0.42) ** 2 + (v + 0.86) ** 2 + 1e-8)
    on_head = (view.inside[rows] > 0).float()
    image = image.clone()
    clip = blend(image[rows], 0.05, ramp(0.135 - distance, edge) * on_head)
    image[rows] = blend(clip, 0.95, ramp(0.075 - distance, edge) * on_head)
    return image


def add_glasses(image: Tensor, features: Features, face: Face, head: Tensor, edge: Tensor) -> Tensor:
    """Put on glasses: two rounded lenses, a bridge, and temples that end with the head.

    Args:
        image: (N, H, W).
        features: of its pixels.
        face: tells who wears glasses.
        head: 1 where the head is, (N, H, W).
        edge: width of a soft edge, (N, 1, 1).
    """
    person, eyes, lateral, v = face.person, face.eyes, features.lateral, features.v
    dx, dy = (lateral - eyes.u) * (1 / 0.235), (v - eyes.v - 0.025) * (1 / 0.165)
    dx2, dy2 = dx * dx, dy * dy
    r = torch.sqrt(torch.sqrt(dx2 * dx2 + dy2 * dy2 + 1e-8))  # a superellipse: 1 on the rim
    distance = (r - 1) * 0.18
    rim = ramp(0.012 + 0.25 * edge - distance.abs(), edge)
    bar = ramp(0.010 + 0.2 * edge - (v - eyes.v + 0.05).abs(), edge)
    bar = bar * ramp(torch.maximum(0.11 - lateral, lateral - eyes.u - 0.23), 0.03) * head
    frame = torch.maximum(rim, bar * 0.8) * person.glasses
    lens = ramp(-distance, edge) * person.glasses
    glare = ridge(features.u - v * 0.5 - 0.2, 0.05) * lens
    image = image * (1 - lens * person.lens_tint * 0.93) + 0.10 * glare
    return blend(image, 0.05 + 0.25 * person.iris_tone, frame * 0.85)
