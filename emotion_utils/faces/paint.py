"""Paint on the face: how much light skin, mouth, eyes and brows reflect (albedo, 0 black to 1 white)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces import noise
from emotion_utils.faces.features import Features
from emotion_utils.faces.geometry import Face
from emotion_utils.faces.light import Light
from emotion_utils.faces.soft import bell, blend, ramp, ridge, spot
from emotion_utils.faces.view import Pose


@dataclass(frozen=True)
class Skin:
    """The bare skin with its hairs, (N, H, W) each."""

    albedo: Tensor
    grain: Tensor  # pores, mean 0; fainter in small pictures
    beard: Tensor  # 0 bare to 1 covered by beard or moustache


@dataclass(frozen=True)
class PaintedEyes:
    """The face with eyes in it, (N, H, W) each."""

    albedo: Tensor
    open: Tensor  # 1 where the eye is open


def paint_skin(features: Features, face: Face, size: int) -> Skin:
    """Paint tone, blotches, freckles, pores, stubble and beard; `size` is the side of the picture in pixels."""
    person, lateral, v = face.person, features.lateral, features.v
    across, down = features.u * 0.21 + person.texture * 7.3, v * 0.21 + person.texture * 3.1
    blotches = noise.sample("smooth", across, down)
    # Under 140 pixels the eye, and a camera, averages pores.
    grain = noise.sample("fine", across * 1.9, down * 1.9) * min(1.0, size / 140)
    tone = person.skin_tone * (1 + 0.035 * blotches + (0.02 + 0.025 * face.folds.old) * grain)
    tone = tone * (1 - 0.35 * person.freckles * (grain - 0.5).clamp(0, 1) * bell((v * 2.2) ** 2))
    tone = tone * (1 - 0.16 * spot(lateral, v, 0.0, -0.70, 0.45, 0.25))  # forehead
    tone = tone * (1 - 0.10 * spot(lateral, v, 0.42, 0.12, 0.16, 0.14) * (0.6 + person.skin_tone * 0.5))  # red cheeks
    beard = beard_mask(features, face, blotches, grain)
    hairs = (0.05 + 0.55 * person.hair_tone) * (1 + 0.35 * grain)
    return Skin(albedo=blend(tone, hairs, beard * 0.88), grain=grain, beard=beard)


def beard_mask(features: Features, face: Face, blotches: Tensor, grain: Tensor) -> Tensor:
    """Beard and moustache, 0 to 1, (N, H, W); noise makes the edge patchy and the hairs uneven."""
    person, lateral, v, mouth = face.person, features.lateral, features.v, features.mouth
    off_lips = ramp(mouth.upper_lip_v - 0.02 - v, 0.05) + ramp(v - mouth.lower_lip_v - 0.01, 0.04)
    off_lips = torch.maximum(off_lips.clamp(max=1), (mouth.along > 1.02).float())
    # It covers the cheeks below a line that rises to the ears, the chin and the upper lip.
    under_line = v - 0.36 - 0.45 * (0.55 - lateral).clamp(min=0) + 0.05 * blotches
    beard = ramp(under_line, 0.14) * off_lips * person.beard
    moustache = spot(lateral, v, 0.0, (mouth.upper_lip_v + face.nose.base_v) * 0.5 + 0.015, 0.17, 0.05)
    moustache = moustache * off_lips * ramp(mouth.upper_lip_v - v, 0.03)
    mask = torch.maximum(beard, 1.3 * moustache * person.moustache).clamp(max=1)
    return mask * (0.82 + 0.18 * grain).clamp(0, 1)


def paint_mouth(albedo: Tensor, features: Features, face: Face, edge: Tensor) -> Tensor:
    """Paint the lips, the line between them, and what an open mouth shows; `edge` is the width of a soft edge."""
    person, v, mouth, press = face.person, features.v, features.mouth, face.mouth.press
    past = (mouth.along - 0.98).clamp(min=0)  # distance beyond the corner
    lips = ramp(torch.minimum(v - mouth.upper_lip_v, mouth.lower_lip_v - v) - past, edge)
    lips = lips * ramp(1.03 - mouth.along, 0.12)
    upper = ramp(mouth.middle_v - v, 0.05)  # the upper lip faces down and is darker
    tone = albedo * (1 - 0.38 * person.lip_tone - 0.12 * upper - 0.24)
    tone = tone * (1 + 0.05 * torch.cos(features.u * 120 + 5 * person.texture))
    albedo = blend(albedo, tone, lips)
    # A closed mouth is a dark line, darkest in the corners; it fades as the gap opens.
    gap = mouth.gap_bottom_v - mouth.gap_top_v
    thickness = 0.011 + 0.006 * press + 0.25 * edge
    line = ramp(thickness - (v - (mouth.gap_top_v + mouth.gap_bottom_v) * 0.5).abs(), edge)
    line = line * ramp(1.07 - mouth.along, 0.14) * (1 - (gap - 0.01).clamp(0, 0.06) * 16.6)
    albedo = albedo * (1 - (0.55 + 0.12 * press) * line)
    inside = torch.minimum(v - mouth.gap_top_v, mouth.gap_bottom_v - v) - past - 0.25 * edge
    return blend(albedo, mouth_cavity(features, face, gap, edge), ramp(inside, edge))


def mouth_cavity(features: Features, face: Face, gap: Tensor, edge: Tensor) -> Tensor:
    """Paint the dark of the mouth, tongue and teeth, (N, H, W); `gap` is the height of the opening there."""
    v, mouth, au = features.v, features.mouth, face.acting.both
    tongue = ramp(v - mouth.gap_bottom_v + 0.10, 0.08) * bell((mouth.along * 1.5) ** 2)
    tongue = tongue * ((gap - 0.12) * 5).clamp(0, 1)
    cavity = blend(0.035, 0.34 * face.person.skin_tone + 0.08, tongue * 0.8)
    # A smile or a raised lip bares the upper teeth, a lowered lip the lower ones.
    bared = 0.03 + 0.09 * torch.maximum(torch.maximum(au.AU12, au.AU10), 0.8 * au.AU20)
    upper = ramp(mouth.gap_top_v + bared * (1 - 0.3 * mouth.along) - v, edge) * ramp(0.92 - mouth.along, 0.25)
    lower = ramp(v - mouth.gap_bottom_v + 0.05 * au.AU16, edge) * ramp(0.85 - mouth.along, 0.25)
    lower = lower * (au.AU16 * 2).clamp(max=1)
    between = 1 - 0.13 * (1 - torch.cos(features.u * 92).abs()) ** 3  # dark between the teeth
    white = (0.80 - 0.22 * mouth.along * mouth.along - 0.08 * face.folds.old) * between
    return blend(cavity, white, torch.maximum(upper, lower))


def paint_eyes(albedo: Tensor, features: Features, face: Face, pose: Pose, light: Light, edge: Tensor) -> PaintedEyes:
    """Paint the lids with their crease and lashes, and the eyeballs between them."""
    person, v, eye = face.person, features.v, features.eye
    past = (eye.along.abs() - 0.97).clamp(min=0) * 0.5  # distance beyond the corners
    open_eye = ramp(torch.minimum(v - eye.upper_v, eye.lower_v - v) - past, edge)
    # The crease of the upper lid vanishes when the lid is pulled up (AU5).
    crease = ridge(v - eye.upper_v + 0.032 + 0.006 * person.lid_fold, 0.012) * ramp(1.15 - eye.along.abs(), 0.4)
    depth = (0.28 + 0.06 * person.lid_fold).clamp(0, 0.5)
    albedo = albedo * (1 - depth * crease * (1 - 0.6 * features.pick(face.acting.halves.AU5)))
    albedo = blend(albedo, eyeball(features, face, pose, light, edge), open_eye)
    # Lashes, thicker on feminine faces, and the moist rim of the lower lid.
    between_corners = ramp(1.08 - eye.along.abs(), 0.2)
    thickness = 0.019 * (1 - person.sex * 0.45) + 0.2 * edge
    lashes = ramp(thickness - (v - eye.upper_v + 0.004).abs(), edge) * between_corners
    rim = ramp(0.006 + 0.1 * edge - (v - eye.lower_v - 0.002).abs(), edge) * between_corners
    return PaintedEyes(albedo=albedo * (1 - 0.92 * lashes) * (1 - 0.35 * rim), open=open_eye)


def eyeball(features: Features, face: Face, pose: Pose, light: Light, edge: Tensor) -> Tensor:
    """Paint white, iris, pupil and the lamp's reflection, (N, H, W)."""
    v, eyes, iris = features.v, face.eyes, face.eyes.iris

    def outwards(to_the_right: Tensor) -> Tensor:
        """Both eyes look the same way, which is inwards for one of them."""
        return torch.where(features.right, -to_the_right, to_the_right)

    # The ball is shaded: darker under the upper lid and towards the corners.
    white = 0.68 - 0.18 * ridge(v - features.eye.upper_v, 0.028) - 0.22 * features.eye.along * features.eye.along
    dx = features.lateral - eyes.u - outwards(pose.gaze_x) * 0.16
    dy = v - eyes.v + 0.012 - 0.10 * pose.gaze_y - 0.05 * face.acting.both.AU43
    r = torch.sqrt(dx * dx + dy * dy + 1e-8)
    tone = (0.10 + 0.42 * face.person.iris_tone) * (0.75 + 0.5 * (dy * (1 / iris)).clamp(-1, 1))
    tone = tone - 0.12 * ridge(r - iris, 0.012)  # the dark ring around it
    ball = blend(white, tone.clamp(min=0.03), ramp(iris - r, edge))
    ball = blend(ball, 0.02, ramp(0.42 * iris - r, edge))
    glint = torch.sqrt((dx - outwards(light.x) * 0.025) ** 2 + (dy + 0.022) ** 2 + 1e-8)
    return blend(ball, 0.95, ramp(0.016 - glint, edge) * 0.9)


def paint_brows(albedo: Tensor, features: Features, face: Face, edge: Tensor) -> Tensor:
    """Paint the brows: their hairs lie along them, and they are thinner outwards."""
    person, v, brow = face.person, features.v, features.brow
    across = features.u * 0.9 + brow.v * 0.9 + person.texture
    hairs = noise.sample("strand", across, (v + features.lateral * 0.6) * 0.35 + person.texture)
    thickness = face.brows.thickness * (1.05 - 0.55 * brow.along.clamp(0, 1)) * (1 + 0.12 * hairs)
    mask = ramp(thickness - (v - brow.v).abs(), edge + 0.02)
    mask = mask * ramp(brow.along + 0.02, 0.16) * ramp(1.0 - brow.along, 0.22)
    mask = mask * (0.63 + 0.31 * person.brow_tone) * (0.9 + 0.15 * hairs).clamp(0, 1.1)
    tone = (0.04 + 0.35 * (1 - person.brow_tone)) * (0.4 + 0.6 * person.skin_tone)
    return blend(albedo, tone, mask.clamp(0, 1))
