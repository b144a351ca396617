"""The lamp, and what it makes of a height field."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces.capture import Capture
from emotion_utils.faces.features import Features
from emotion_utils.faces.geometry import Face
from emotion_utils.faces.soft import spot


@dataclass(frozen=True)
class Light:
    """The direction towards the lamp, a unit vector, and its share of the light; (N, 1, 1) each."""

    x: Tensor  # to the right of the picture
    y: Tensor  # down
    z: Tensor  # towards the camera
    hardness: Tensor  # 0 even light to 1 a single lamp


@dataclass(frozen=True)
class Shading:
    """What light does to a surface, (N, H, W) each."""

    diffuse: Tensor  # factor on the reflectance
    gloss: Tensor  # how much of the lamp is mirrored


def lamp(photo: Capture) -> Light:
    """Point at the lamp, for photographs whose fields are (N, 1, 1)."""
    azimuth, elevation = torch.deg2rad(photo.light_azimuth), torch.deg2rad(photo.light_elevation)
    return Light(
        x=torch.sin(azimuth) * torch.cos(elevation),
        y=-torch.sin(elevation),
        z=torch.cos(azimuth) * torch.cos(elevation),
        hardness=photo.light_hardness,
    )


def shade(z: Tensor, reach: Tensor, features: Features, face: Face, light: Light, pixel: Tensor) -> Shading:
    """Light a height field by a key lamp, fill light from the camera, and the sky.

    Args:
        z: height towards the camera, (N, H, W).
        reach: how much light gets there, (N, H, W).
        features: of the pixels, for the shadow of the nose.
        face: gives the length of the nose.
        light: where the lamp is.
        pixel: side of a pixel in the units of z, (N, 1, 1).
    """
    slope_x, slope_y = (slope.clamp(-2.5, 2.5) for slope in slopes(z, pixel))
    inverse = torch.rsqrt(slope_x * slope_x + slope_y * slope_y + 1)  # the normal is (-slope_x, -slope_y, 1) * inverse
    hard = light.hardness
    # Lambert's cosine law, softened: a large lamp lights a little beyond the terminator.
    key = (light.z - slope_x * light.x - slope_y * light.y) * inverse
    wrap = 0.35 - 0.25 * hard
    key = ((key + wrap) * (1 / (1 + wrap))).clamp(min=0) * (1 - 0.55 * nose_shadow(features, face, light))
    sky = 0.5 - 0.35 * slope_y * inverse  # from above
    diffuse = (0.30 + 0.85 * hard) * key + (0.60 - 0.40 * hard) * inverse + (0.30 - 0.18 * hard) * sky
    # Gloss after Blinn: the cosine between the normal and the half-way vector of lamp and camera, to the 16th power.
    half_x, half_y, half_z = light.x, light.y, light.z + 1
    norm = torch.rsqrt(half_x * half_x + half_y * half_y + half_z * half_z)
    cosine = ((half_z - slope_x * half_x - slope_y * half_y) * norm * inverse).clamp(min=0)
    power2 = cosine * cosine
    power4 = power2 * power2
    power8 = power4 * power4
    gloss = power8 * power8 * (0.5 + 0.5 * hard)
    return Shading(diffuse=diffuse * reach, gloss=gloss * reach)


def slopes(z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of a height field (N, H, W) along x and y, replicated at the borders; `step` is a pixel."""
    wide = torch.cat([z[:, :, :1], z, z[:, :, -1:]], 2)
    tall = torch.cat([z[:, :1], z, z[:, -1:]], 1)
    half = 0.5 / step
    return (wide[:, :, 2:] - wide[:, :, :-2]) * half, (tall[:, 2:] - tall[:, :-2]) * half


def nose_shadow(features: Features, face: Face, light: Light) -> Tensor:
    """The nose throws a shadow away from the lamp: 0 to 1, (N, H, W)."""
    thrown_u, thrown_v = features.nose_u + light.x * 0.13, features.v + light.y * 0.10
    shape = spot(thrown_u, thrown_v, 0.0, face.nose.base_v - 0.05, 0.06, 0.16)
    return shape * (light.x * (features.nose_u * -8)).clamp(0, 1) * light.hardness
