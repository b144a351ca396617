"""Folds of the skin: those that age and chance leave, deepened by the action units that fold the skin there."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.faces.features import Features
from emotion_utils.faces.geometry import Face, Folds
from emotion_utils.faces.soft import ridge, spot


@dataclass(frozen=True)
class FoldMaps:
    """How strong each fold is at each pixel, (N, H, W) each, from 0; waves also go below."""

    nasolabial: Tensor  # from the wings of the nose to the corners of the mouth
    cheek_bulge: Tensor  # height of the cheek's edge beside that fold
    frown: Tensor  # upright between the brows
    forehead: Tensor  # level lines over the brows
    nose_wrinkles: Tensor  # waves across the bridge
    crows_feet: Tensor  # beside the outer corners of the eyes
    eye_bags: Tensor
    under_lip: Tensor
    dimples: Tensor  # beside the corners of the mouth
    chin_pebbles: Tensor  # waves on a raised chin
    marionette: Tensor  # from the corners of the mouth down


def fold_skin(features: Features, face: Face, units: dict[str, Tensor], chin: Tensor) -> FoldMaps:
    """Fold the skin.

    Args:
        features: of the pixels.
        face: gives age, folds at rest and lengths.
        units: intensities of action units on the pixel's half of the face, (N, H, W) each.
        chin: 1 in the middle of the chin, (N, H, W).
    """
    nasolabial, cheek_bulge = _nasolabial(features, face, units)
    v, texture = features.v, face.person.texture
    bumpy = torch.cos(features.lateral * 75 + 3 * torch.sin(v * 41)) * torch.cos(v * 67 + 20 * texture)
    return FoldMaps(
        nasolabial=nasolabial,
        cheek_bulge=cheek_bulge,
        frown=_frown(features, face.folds, units),
        forehead=_forehead(features, face.folds, units, texture),
        nose_wrinkles=_nose_wrinkles(features, face.folds, units),
        crows_feet=_crows_feet(features, face, units),
        eye_bags=_eye_bags(features, face.folds, units),
        under_lip=_under_lip(features, face),
        dimples=_dimples(features, face, units),
        chin_pebbles=bumpy * face.acting.both.AU17 * chin,
        marionette=_marionette(features, face, units),
    )


def _nasolabial(features: Features, face: Face, units: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the fold from nose to mouth, and the height of the cheek beside it."""
    nose, mouth, folds = face.nose, face.mouth, face.folds
    top_v, bottom_v = nose.base_v - 0.10, mouth.v + 0.10
    down = (features.v - top_v) / (bottom_v - top_v)  # 0 at its upper end, 1 at its lower one
    corner_u = features.pick(mouth.half_width) + 0.09
    path_u = nose.half_width + 0.02 + (corner_u - nose.half_width - 0.02) * down.clamp(0, 1.2)
    path_u = path_u + 0.05 * (down * (1 - down)).clamp(min=0) * (units["AU12"] * 2.2 - 0.2)  # a smile bends it out
    away = features.lateral - path_u
    ends = (down * 6 + 0.6).clamp(0, 1) * ((1.12 - down) * 3).clamp(0, 1)
    depth = 0.05 + 0.40 * folds.old + 0.50 * folds.nasolabial
    depth = depth + 0.9 * units["AU12"] + 0.8 * units["AU10"] + 0.65 * units["AU9"] - 0.1 * folds.young
    depth = depth.clamp(0, 1.3)
    fold = (0.6 * ridge(away, 0.03) + 0.4 * ridge(away, 0.07)) * ends * depth
    return fold, 0.045 * depth * ends * ridge(away - 0.075, 0.075)


def _frown(features: Features, folds: Folds, units: dict[str, Tensor]) -> Tensor:
    """Brows drawn together (AU4) fold the skin between them."""
    depth = units["AU4"] * (1 - 0.15 * units["AU1"]) + 0.25 * folds.old + 0.35 * folds.frown * folds.frown
    return depth * folds.crease * spot(features.lateral, features.v, 0.055, features.brow.v + 0.02, 0.022, 0.10)


def _forehead(features: Features, folds: Folds, units: dict[str, Tensor], texture: Tensor) -> Tensor:
    """Raised brows (AU1, AU2) push the forehead into waves, on grown-ups."""
    lateral, v = features.lateral, features.v
    depth = (0.9 * units["AU1"] + 0.8 * units["AU2"]).clamp(max=1.4) * (0.35 + 0.65 * folds.old) * (1 - folds.young)
    depth = depth + 0.25 * folds.old + 0.12 * units["AU1"]
    where = ((features.brow.v - 0.05 - v) * 12).clamp(0, 1) * ((v + 0.93) * 8).clamp(0, 1) * ridge(lateral, 0.28)
    crooked_v = v + 0.10 * lateral * lateral + 0.02 * torch.sin(lateral * 9 + 40 * texture)
    waves = torch.cos(crooked_v * 58 + 6 * texture)
    return depth * folds.crease * where * (waves * 1.6 - 0.5).clamp(0, 1)


def _nose_wrinkles(features: Features, folds: Folds, units: dict[str, Tensor]) -> Tensor:
    """A wrinkled nose (AU9) shows slanting waves on its bridge."""
    waves = torch.cos((features.v - 0.35 * features.lateral) * 85)
    return waves * spot(features.nose_u.abs(), features.v, 0.03, -0.20, 0.10, 0.13) * units["AU9"] * folds.crease


def _crows_feet(features: Features, face: Face, units: dict[str, Tensor]) -> Tensor:
    """Raised cheeks (AU6) fold the skin beside the eyes into a fan."""
    lateral, v, eyes, folds = features.lateral, features.v, face.eyes, face.folds
    fan = torch.cos((v - eyes.v) * 70 * (1 - 0.5 * (lateral - 0.5)))
    fan = (fan * 1.3 - 0.3).clamp(0, 1) * spot(lateral, v, eyes.u + 0.245, eyes.v + 0.02, 0.05, 0.09)
    return folds.crease * fan * (0.75 * units["AU6"] * (1 - 0.7 * folds.young) + 0.4 * folds.old)


def _eye_bags(features: Features, folds: Folds, units: dict[str, Tensor]) -> Tensor:
    """A bow under the lower lid."""
    eye = features.eye
    bow = ridge(features.v - eye.lower_v - 0.055 - 0.02 * eye.arch, 0.022) * (eye.arch * 1.6).clamp(max=1)
    return bow * (0.05 + 0.45 * folds.old + 0.35 * folds.bag + 0.75 * units["AU6"] + 0.3 * units["AU7"])


def _under_lip(features: Features, face: Face) -> Tensor:
    """The dent between lower lip and chin."""
    dent = spot(features.lateral, features.v, 0.0, features.mouth.lower_lip_v + 0.05, 0.15, 0.032)
    return dent * (0.55 + 0.45 * face.acting.both.AU17)


def _dimples(features: Features, face: Face, units: dict[str, Tensor]) -> Tensor:
    """Whatever pulls at the corner of the mouth dents the cheek there."""
    corner_u, corner_v = features.pick(face.mouth.half_width), face.mouth.v + features.pick(face.mouth.corner)
    dent = spot(features.lateral, features.v, corner_u + 0.035, corner_v, 0.03, 0.045)
    return dent * (0.12 + 0.9 * units["AU14"] + 0.35 * units["AU12"] + 0.45 * units["AU15"])


def _marionette(features: Features, face: Face, units: dict[str, Tensor]) -> Tensor:
    """From the corners of the mouth downwards and outwards."""
    mouth = face.mouth
    slanted_u = features.lateral - 0.25 * (features.v - mouth.v)
    line = spot(slanted_u, features.v, features.pick(mouth.half_width) + 0.03, mouth.v + 0.14, 0.02, 0.10)
    return line * (0.3 * face.folds.old + 0.7 * units["AU15"])
