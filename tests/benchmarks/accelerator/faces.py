"""FER2013's Training images, whole, and which of them are held out: the same tenth that the package's loader carves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.data.splits import group_identical, split

MOSAIC, LABELS = "training.webp", "training-labels.u8"
SIDE = 48


@dataclass(frozen=True)
class Faces:
    """Training whole, in the order of the benchmark's table. The two parts share no image, nor an identical one."""

    images: Tensor  # uint8 (N, 1, 48, 48)
    labels: Tensor  # int64 (N,)
    groups: Tensor  # int64 (N,), equal for identical images
    training: Tensor  # int64, the nine tenths to learn from
    held_out: Tensor  # int64, the tenth to be judged on


def read_faces(folder: Path, limit: int | None = None) -> Faces:
    """Read a mosaic and its labels if they are in `folder`, else FER2013 as the package's loader finds it there.

    `limit` keeps that many images, with the class balance of all.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: a mosaic with fewer faces than labels.
    """
    if (folder / MOSAIC).is_file():
        images, labels = read_mosaic(folder / MOSAIC, folder / LABELS)
    else:
        dataset = load_all_training(folder)
        images, labels = dataset.images, dataset.labels
    if limit is not None and limit < len(labels):
        some = split(labels, [limit / len(labels), 1 - limit / len(labels)])[0]
        images, labels = images[some], labels[some]
    groups = group_identical(images)
    # As `load("fer2013", "validation")` does where the source has no PrivateTest.
    training, held_out = split(labels, [0.9, 0.1], groups, seed=0)
    return Faces(images, labels, groups, training, held_out)


def read_mosaic(mosaic: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Cut a grey picture into faces, row by row: uint8 `(N, 1, 48, 48)`, and int64 `(N,)` from a file of bytes."""
    Image.MAX_IMAGE_PIXELS = None  # 8,160 × 8,160 pixels are meant
    known = torch.from_numpy(np.fromfile(labels, dtype=np.uint8)).to(torch.int64)
    with Image.open(mosaic) as picture:
        pixels = torch.from_numpy(np.asarray(picture.convert("L")).copy())
    rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    if rows * columns < len(known):
        raise ValueError(f"{mosaic} has {rows * columns} faces for {len(known)} labels; take both from one place.")
    tiles = pixels[: rows * SIDE, : columns * SIDE].view(rows, SIDE, columns, SIDE)  # row, y, column, x
    return tiles.transpose(1, 2).reshape(-1, 1, SIDE, SIDE)[: len(known)].contiguous(), known
