"""How far is a head turned to the side? A small network that learnt drawn heads says so, roughly.

A network for emotions learnt faces that look at the camera, more or less. Of a profile it sees one half, and what it
says then is worth little. Drawn heads come with their yaw, photographs don't, so the network learnt from the former
(`tests/benchmarks/sideways.py`), and on the latter it is good for telling those who look far aside from the others.
"""

import functools
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.models.base import FaceModel
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.weight_files import load_weights
from emotion_utils.photos.levels import levelled
from emotion_utils.photos.upright import check_crops

FILE = Path(__file__).resolve().parent / "sideways.safetensors"
SHA256 = "6ea743c4b989a3dcb2da86040e7baac4438b2bda53e9bab4ce3c54efafb94d0c"
YAWS = torch.arange(-60.0, 61.0, 15.0)  # degrees to the right of the picture, one for each class of the network


def estimate_yaw(crops: Tensor) -> Tensor:
    """Estimate by how many degrees heads are turned to the right of the picture: float32 `(N,)`, about -60 to 60.

    The mean of what the network says of a crop and, with the sign turned, of its mirror image.

    Args:
        crops: uint8 `(N, 1, 48, 48)`, as `crop_face` gives them, upright.

    Raises:
        ValueError: another shape.
        TypeError: no whole numbers.
    """
    crops = check_crops(crops)
    if not len(crops):
        return torch.zeros(0)
    shown = levelled(crops).round().to(torch.uint8)
    rows = predict_proba(_network(), torch.cat([shown, shown.flip(3)])).cpu() @ YAWS  # (2N,)
    straight, mirrored = rows.chunk(2)
    return (straight - mirrored) / 2


@functools.lru_cache(maxsize=1)
def _network() -> FaceModel:
    return load_weights(FILE, sha256=SHA256).eval()
