"""The rows of FER2013: what every form of the benchmark holds, however people have it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emotion_utils.data.splits import group_identical

SIZE = 48  # height and width of the faces in pixels
USAGES = ("Training", "PublicTest", "PrivateTest")  # the parts of the benchmark, as the table names them
FETCH = "python -m emotion_utils fetch fer2013"
MOST_ROWS = 200_000  # the benchmark has 35,887


class SourceError(ValueError):
    """A source of FER2013 cannot be used; the message says where, why and what to do."""


@dataclass(frozen=True)
class Rows:
    """All that a source of FER2013 holds, in its order."""

    images: Tensor  # uint8 (N, 1, 48, 48)
    labels: Tensor  # int64 (N,), in the order of EMOTIONS
    usage: Tensor  # int64 (N,), position in USAGES
    groups: Tensor  # int64 (N,), equal for identical images
    names: tuple[str, ...]  # file name or number of each row
    notes: tuple[str, ...]  # what a reader should know: skipped files, missing columns


def make_rows(
    images: Sequence[np.ndarray], labels: list[int], usages: list[int], names: list[str], notes: list[str]
) -> Rows:
    """Put rows together: `images` are uint8 with `SIZE` × `SIZE` pixels each."""
    pixels = torch.from_numpy(np.stack(images)).view(-1, 1, SIZE, SIZE)
    return Rows(
        images=pixels,
        labels=torch.tensor(labels),
        usage=torch.tensor(usages),
        groups=group_identical(pixels),
        names=tuple(names),
        notes=tuple(notes),
    )
