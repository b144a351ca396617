"""How far does a head lean? A small network says, where nobody marked the eyes.

It learnt that from faces which were turned by known angles, without any label (`tests/benchmarks/upright.py`). A
network for emotions learnt heads that lean by ten degrees or so, as FER2013's do; only heads that lean further than
that are turned upright, since an estimate is off by some degrees itself.
"""

import functools
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.contents import as_pixels
from emotion_utils.errors import one_line
from emotion_utils.models.base import FaceModel
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.weight_files import load_weights
from emotion_utils.tensors import as_tensor

FILE = Path(__file__).resolve().parent / "upright.safetensors"
SHA256 = "928a61df6f79f0349cc879c36bd31b6fdd47729846b9b10f99d049f27b997ca2"
ANGLES = torch.arange(-60.0, 61.0, 10.0)  # degrees clockwise, one for each class of the network
SIZE = 48  # pixels of a crop's side


def estimate_tilt(crops: Tensor) -> Tensor:
    """Estimate by how many degrees heads lean clockwise: float32 `(N,)`, about -60 to 60.

    The mean of what the network says of a crop and, with the sign turned, of its mirror image.

    Args:
        crops: uint8 `(N, 1, 48, 48)`, framed as `crop_face(…, upright=False)` does.

    Raises:
        ValueError: another shape.
        TypeError: no whole numbers.
    """
    crops = check_crops(crops)
    if not len(crops):
        return torch.zeros(0)
    shown = in_disc(crops.float()).round().to(torch.uint8)
    rows = predict_proba(_network(), torch.cat([shown, shown.flip(3)])).cpu() @ ANGLES  # (2N,)
    straight, mirrored = rows.chunk(2)
    return (straight - mirrored) / 2


def check_crops(crops: Tensor) -> Tensor:
    """Return crops as uint8 `(N, 1, 48, 48)`; raise a ValueError for another shape, a TypeError for floats."""
    crops = as_tensor(crops, "crops")
    if crops.ndim != 4 or crops.shape[1:] != (1, SIZE, SIZE):
        raise ValueError(f"crops: {one_line(str(tuple(crops.shape)), 60)}; give uint8 (N, 1, {SIZE}, {SIZE}).")
    return as_pixels(crops)


def in_disc(images: Tensor) -> Tensor:
    """Show only a disc, float `(N, 1, H, W)` of 0 … 255; around it is grey."""
    size = images.shape[-1]
    steps = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    disc = steps[:, None] ** 2 + steps**2 <= (size / 2) ** 2
    return torch.where(disc, images, 128.0)


@functools.lru_cache(maxsize=1)
def _network() -> FaceModel:
    return load_weights(FILE, sha256=SHA256).eval()
