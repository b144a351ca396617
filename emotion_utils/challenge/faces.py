"""The faces of the race: drawn, and the same for everybody."""

from functools import cache

from emotion_utils.challenge.rulebook import Rules
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import cache_name
from emotion_utils.data.loading import load
from emotion_utils.randomness import stream_key


def load_faces(rules: Rules | None = None) -> tuple[FaceDataset, FaceDataset]:
    """Give the training faces of the race, and 1,000 validation faces to choose designs on.

    The test faces are the race's own: `enter` measures on them. They are drawn whatever EMOTION_DATA says.
    """
    rules = rules or Rules()
    return training_faces(rules.faces), validation_faces()


@cache
def training_faces(count: int) -> FaceDataset:
    """Give the first faces of the default set, in its balance of classes."""
    return load("synthetic", "training", limit=count, seed=0, verbose=False)


@cache
def validation_faces(count: int = 1000) -> FaceDataset:
    """Give faces that choose."""
    return load("synthetic", "validation", limit=count, seed=0, verbose=False)


@cache
def test_faces(count: int) -> FaceDataset:
    """Give the faces that decide."""
    return load("synthetic", "test", limit=count, seed=0, verbose=False)


def faces_key(rules: Rules) -> str:
    """Name the faces of a race, the same on each machine: by how they are drawn and their labels, not by their pixels.

    Processors round differently, so a grey level may differ by one where a face is drawn elsewhere.
    """
    parts = [faces.labels.tolist() for faces in (training_faces(rules.faces), test_faces(rules.test_faces))]
    return f"{stream_key(cache_name('training'), cache_name('test'), repr(parts)):016x}"
