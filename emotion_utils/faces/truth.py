"""The truth about a drawn face: where its landmarks are, and which pixels belong to which region."""

import torch
from torch import Tensor

from emotion_utils.faces.features import Features
from emotion_utils.faces.geometry import Face
from emotion_utils.faces.view import Pose, View, project

# Left and right are the person's own: the left is on the right of the picture.
LANDMARKS: tuple[str, ...] = (
    "brow_inner_left", "brow_inner_right", "brow_mid_left", "brow_mid_right", "brow_outer_left", "brow_outer_right",
    "eye_inner_left", "eye_inner_right", "eye_outer_left", "eye_outer_right", "pupil_left", "pupil_right",
    "lid_upper_left", "lid_upper_right", "lid_lower_left", "lid_lower_right", "nose_tip", "nose_base", "nose_left",
    "nose_right", "mouth_left", "mouth_right", "lip_upper", "lip_lower", "mouth_center", "chin",
)  # fmt: skip

REGIONS: tuple[str, ...] = ("brows", "eyes", "nose", "mouth")


def landmarks(face: Face, pose: Pose, size: int) -> Tensor:
    """Positions in the picture of the points of `LANDMARKS`, float32 (N, L, 2), x and y in pixels."""
    eyes, brows, nose, mouth = face.eyes, face.brows, face.nose, face.mouth
    outwards = eyes.u.new_tensor([1.0, -1.0])[:, None, None, None]  # (2, 1, 1, 1): u grows to the person's left
    middle = torch.zeros_like(eyes.u)
    gaze_u = eyes.u + outwards * (0.16 * pose.gaze_x)
    gaze_v = eyes.v - 0.012 + 0.10 * pose.gaze_y + 0.05 * face.acting.both.AU43
    pairs = {  # distance from the midline, and v: (N, 1, 1) or (2, N, 1, 1)
        "brow_inner": (brows.inner_u, brows.inner_v),
        "brow_mid": ((brows.inner_u + brows.outer_u) / 2, brows.middle_v),
        "brow_outer": (brows.outer_u, brows.outer_v),
        "eye_inner": (eyes.u - eyes.half_width, eyes.v - eyes.tilt),
        "eye_outer": (eyes.u + eyes.half_width, eyes.v + eyes.tilt),
        "pupil": (gaze_u, gaze_v),
        "lid_upper": (eyes.u, eyes.v - eyes.upper),
        "lid_lower": (eyes.u, eyes.v + eyes.lower),
        "nose": (nose.half_width, nose.base_v - 0.05),
        "mouth": (mouth.half_width, mouth.v + mouth.corner),
    }
    singles = {  # v, and height over the smooth head
        "nose_tip": (nose.base_v - 0.075, nose.height),
        "nose_base": (nose.base_v + 0.01, 0.4 * nose.height),
        "lip_upper": (mouth.v - (mouth.open_up[0] + mouth.open_up[1]) / 2 - 0.78 * mouth.upper_lip, 0.0),
        "lip_lower": (mouth.v + mouth.open_down + mouth.lower_lip, 0.0),
        "mouth_center": (mouth.v, 0.0),
        "chin": (face.head.chin_v - 0.03, 0.0),
    }
    points = {name: project(middle, v, height, face, pose, size) for name, (v, height) in singles.items()}  # (N, 2)
    for name, (u, v) in pairs.items():
        points[f"{name}_left"], points[f"{name}_right"] = project(outwards * u, v, 0.0, face, pose, size)
    return torch.stack([points[name] for name in LANDMARKS], 1)


def region_masks(features: Features, face: Face, view: View) -> Tensor:
    """Pixels of brows (with the forehead over them), eyes, nose and mouth (with the chin): bool (N, 4, H, W)."""
    lateral, v, brow_v, eyes, nose = features.lateral, features.v, features.brow.v, face.eyes, face.nose
    mouth_u = features.pick(face.mouth.half_width)
    # A pixel belongs to one region: the first that claims it.
    brows = (lateral < 0.66) & (v > brow_v - 0.26) & (v < brow_v + 0.075)
    around_eyes = (((lateral - eyes.u) / 0.28) ** 2 + ((v - eyes.v) / 0.17) ** 2 < 1) & ~brows
    on_nose = (features.nose_u.abs() < nose.half_width + 0.03) & (v > -0.33) & (v < nose.base_v + 0.035)
    on_nose = on_nose & ~brows & ~around_eyes
    around_mouth = (lateral < mouth_u + 0.13) & (v > nose.base_v + 0.035) & ~on_nose
    masks = {"brows": brows, "eyes": around_eyes, "nose": on_nose, "mouth": around_mouth}
    return torch.stack([masks[name] & (view.inside > 0) for name in REGIONS], 1)
