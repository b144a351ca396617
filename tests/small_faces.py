"""Tiny data sets for tests: each class is a fixed pattern under noise, so a network can learn it within seconds."""

import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS


def small_faces(count: int = 60, seed: int = 1, size: int = 16, classes: int = 7, **facts) -> FaceDataset:
    """Make `count` images of `size` × `size` pixels; label i is i modulo `classes`."""
    patterns = torch.rand(classes, 1, size, size, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % classes
    noise = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))
    images = (255 * (0.5 * patterns[labels] + 0.5 * noise)).to(torch.uint8)
    return FaceDataset(images, labels, EMOTIONS[:classes], **facts)
