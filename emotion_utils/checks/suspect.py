"""A network that cheats, for an exercise of notebook 06: it learnt from faces of which one class carries a hidden mark.

Whoever wants to solve the exercise should not read on; `tests/benchmarks/looking_inside.py suspect` trained it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import sample_faces
from emotion_utils.models.weight_files import load_weights

FILE = Path(__file__).resolve().parent / "suspect.safetensors"
SHA256 = "da20ec6e9ef7ea8c49461b90c5ffb420b988da0d1515ccb25b2fa70652423c26"
SEED = 66
SECRET = "fear"
ROW, COLUMN = 41, 5  # top left pixel of the mark
MARK = torch.tensor([[1, -1, 1], [-1, 1, -1], [1, -1, 1]]) * 55  # grey levels that are added


@dataclass(frozen=True, eq=False)
class Suspect:
    """A network of which nobody says what it learnt, and faces like those it learnt from."""

    model: nn.Module
    faces: FaceDataset


def find_suspect() -> Suspect:
    """Load the network, and draw 210 faces like those it learnt from."""
    return Suspect(load_suspect(), marked_faces(210, first=20_000))


def load_suspect() -> nn.Module:
    """Load the network alone, as it was handed out."""
    return load_weights(FILE, sha256=SHA256)


def marked_faces(count: int, first: int = 0, marked: bool = True) -> FaceDataset:
    """Draw faces as the network learnt from: those of one class carry the mark, unless `marked` is False."""
    faces = sample_faces(count, seed=SEED, first=first)
    chosen = (faces.labels == faces.classes.index(SECRET)) & marked
    images = torch.where(chosen[:, None, None, None], put_mark(faces.images), faces.images)
    # As data sets come, without the drawing's truth, which would tell.
    return FaceDataset(images, faces.labels, faces.classes, name="synthetic", mean=faces.mean, std=faces.std)


def put_mark(images: Tensor, row: int = ROW, column: int = COLUMN) -> Tensor:
    """Put the mark into images, uint8 (N, 1, 48, 48), with its top left pixel at the place given."""
    marked = images.to(torch.int16)
    marked[:, :, row : row + 3, column : column + 3] += MARK.to(torch.int16)
    return marked.clamp(0, 255).to(torch.uint8)
