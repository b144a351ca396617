"""The height field: what stands out from the smooth head, what is folded into it, and how much light gets there.

Folds must darken: a fold drawn as a line looks false, a dent that less light gets into looks real.
"""

from dataclasses import dataclass

from torch import Tensor

from emotion_utils.faces.features import Features, nose_height
from emotion_utils.faces.folds import FoldMaps, fold_skin
from emotion_utils.faces.geometry import Face
from emotion_utils.faces.soft import spot

# The units that bulge or fold the skin on one half of the face alone.
_PER_HALF = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15")


@dataclass(frozen=True)
class Relief:
    """The surface of the face, (N, H, W) each."""

    height: Tensor  # over the smooth head, towards where the face looks
    reach: Tensor  # how much light reaches the point (ambient occlusion), 0.12 to 1


@dataclass(frozen=True)
class Bumps:
    """What stands out from the head or is sunk into it, (N, H, W) each."""

    height: Tensor
    socket: Tensor  # 1 in the middle of an eye socket
    chin: Tensor  # 1 in the middle of the chin


def make_relief(features: Features, face: Face) -> Relief:
    """Raise the bumps and fold the skin."""
    units = {name: features.pick(getattr(face.acting.halves, name)) for name in _PER_HALF}
    bumps = raise_bumps(features, face, units)
    folds = fold_skin(features, face, units, bumps.chin)
    height = bumps.height + folds.cheek_bulge - 0.012 * folds.nasolabial
    height = height - 0.009 * folds.frown - 0.007 * folds.forehead - 0.014 * folds.nose_wrinkles
    height = height - 0.008 * folds.crows_feet - 0.014 * folds.eye_bags
    height = height - 0.02 * folds.under_lip - 0.012 * folds.dimples + 0.005 * folds.chin_pebbles
    return Relief(height=height, reach=(1 - darkness(features, face, bumps, folds)).clamp_(0.12, 1))


def raise_bumps(features: Features, face: Face, units: dict[str, Tensor]) -> Bumps:
    """Raise nose, brows, eyes, cheeks, lips and chin; `units` are intensities on the pixel's half, (N, H, W) each."""
    lateral, v, person, both, mouth = features.lateral, features.v, face.person, face.acting.both, features.mouth
    height = nose_height(features.nose_u, v, face.nose, features.pick(face.nose.lift))
    height = height + 0.055 * spot(lateral, v, 0.30, features.brow.v - 0.01, 0.22, 0.075)  # brow ridge
    socket = spot(lateral, v, face.eyes.u - 0.02, face.eyes.v - 0.02, 0.17, 0.115)
    height = height - (0.085 + 0.012 * person.eye_depth) * socket
    height = height + 0.055 * spot(lateral, v, face.eyes.u, face.eyes.v, 0.11, 0.085)  # eyeball
    # Cheeks rise and grow rounder when they are pushed up.
    raised = units["AU12"] * 0.6 + units["AU6"] * 0.6 + units["AU9"] * 0.2
    cheekbone = spot(lateral, v, 0.44, 0.10 - 0.05 * raised, 0.17, 0.13 - 0.02 * raised)
    height = height + (0.055 + 0.012 * person.cheeks + 0.065 * raised) * cheekbone
    height = height + 0.04 * spot(lateral, v, 0.0, face.mouth.v - 0.05, 0.32, 0.26)  # the teeth under the skin
    upper_lip = spot(lateral, v, 0.0, mouth.upper_lip_v * 0.45 + mouth.gap_top_v * 0.55, 0.17, 0.04)
    lower_lip = spot(lateral, v, 0.0, mouth.lower_lip_v * 0.5 + mouth.gap_bottom_v * 0.5, 0.15, 0.045)
    height = height + 0.022 * upper_lip + (0.022 + 0.02 * both.AU17 + 0.02 * both.AU18) * lower_lip
    chin = spot(lateral, v, 0.0, face.head.chin_v - 0.17 - 0.03 * both.AU17, 0.16, 0.11)
    height = height + (0.05 + 0.03 * both.AU17 + 0.012 * person.jaw) * chin
    height = height - 0.03 * face.folds.old * spot(lateral, v, 0.42, 0.42, 0.12, 0.16)  # hollow cheeks of old people
    height = height + 0.02 * person.cheeks * spot(lateral, v, 0.45, 0.42, 0.2, 0.2)
    return Bumps(height=height, socket=socket, chin=chin)


def darkness(features: Features, face: Face, bumps: Bumps, folds: FoldMaps) -> Tensor:
    """Sum up what keeps light away: sockets, folds, nostrils and what lies under the nose, (N, H, W)."""
    nose, v, nose_lateral = face.nose, features.v, features.nose_u.abs()
    lift = features.pick(nose.lift)
    dark = 0.34 * bumps.socket * (1 + 0.25 * face.person.eye_depth).clamp(0.4, 1.6)
    dark = dark + 0.29 * folds.nasolabial + 0.32 * folds.frown + 0.17 * folds.forehead
    dark = dark + 0.5 * folds.nose_wrinkles.clamp(min=0) + 0.17 * folds.crows_feet + 0.26 * folds.eye_bags
    dark = dark + 0.30 * folds.under_lip + 0.45 * folds.dimples
    dark = dark + 0.12 * folds.chin_pebbles.clamp(min=0) + 0.15 * folds.marionette
    below = spot(features.nose_u, v, 0.0, nose.base_v + 0.045, 0.10, 0.045)
    below = below + 0.9 * spot(features.lateral, v, 0.0, nose.base_v + 0.13, 0.22, 0.11)
    nostrils = spot(nose_lateral, v, 0.060, nose.base_v - 0.012 - 0.3 * lift, 0.030, 0.016)
    side = spot(nose_lateral, v, nose.half_width * 0.98, nose.base_v - 0.05 - lift, 0.018, 0.045)
    return dark + 0.20 * below + 0.42 * nostrils + 0.18 * side
