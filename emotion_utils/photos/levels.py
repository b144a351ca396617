"""Light: a face in the dark or in fog has the same shape, written in fewer grey levels.

A network normalises all images by the same two numbers, so it takes a dark face for a dark thing. Bringing such a crop
to the usual mean and spread gives it back most of what it lost, as long as grey levels are left
(`tests/benchmarks/framing.py` measures it, without noise). Where a dark picture is noisy, noise is brightened with it,
and nearly nothing is gained. Crops of usual light stay as they are.
"""

import torch
from torch import Tensor

MEAN, SPREAD = 128.0, 60.0  # of grey levels 0 … 255; those of most faces
FEW = 20.0  # spread below which a crop is brought to the usual one
NONE = 1.0  # spread below which there is nothing to bring out


def levelled(images: Tensor) -> Tensor:
    """Bring each picture, `(N, 1, H, W)` of 0 … 255, to the same mean and spread of grey levels; float32."""
    images = images.float()
    mean = images.mean((1, 2, 3), keepdim=True)
    spread = images.std((1, 2, 3), keepdim=True).clamp(min=1)
    return (MEAN + SPREAD * (images - mean) / spread).clamp(0, 255)


def lit(crops: Tensor) -> Tensor:
    """Do so for those crops, uint8 `(N, 1, H, W)`, that have little spread, and some; uint8."""
    spread = crops.float().std((1, 2, 3), keepdim=True)
    return torch.where((spread < FEW) & (spread >= NONE), levelled(crops).round().to(torch.uint8), crops)
