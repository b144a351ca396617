"""One door to all data sets: drawn faces and FER2013 by name (`load_folder` takes a folder of your own images).

Behind it stands one function for each data set, `load_<name>(splits, data_dir=…, seed=…, verbose=…)`, which returns
the named splits whole, in the order in which they are named.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import load_split
from emotion_utils.data.fer2013 import load_fer2013
from emotion_utils.data.splits import SPLITS, check_split
from emotion_utils.errors import brief, check_whole, say
from emotion_utils.files import as_path


def load_synthetic(
    splits: Sequence[str] = SPLITS, *, data_dir: str | Path | None = None, seed: int = 0, verbose: bool = True
) -> tuple[FaceDataset, ...]:
    """Return the named splits of the drawn faces; they are always the same ones, whatever the seed."""
    folder = None if data_dir is None else as_path(data_dir, "data_dir")
    return tuple(load_split(name, data_dir=folder, progress=verbose) for name in splits)


LOADERS = {"synthetic": load_synthetic, "fer2013": load_fer2013}


def load(
    name: str | None = None,
    split: str = "training",
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> FaceDataset:
    """Load one split of a data set.

    Args:
        name: "synthetic" (drawn faces) or "fer2013" (photographs); None takes `EMOTION_DATA`, else "synthetic".
        split: "training", "validation" or "test".
        data_dir: where data lies; None takes `EMOTION_DATA_DIR`, else the repository's `data/`.
        limit: at most so many images, with the class balance of the whole split.
        seed: decides which images `limit` and the carving of FER2013 choose.
        verbose: show progress, and print the loader's notes.

    Raises:
        ValueError: an unknown name or split, or data that cannot be used.
        FileNotFoundError: FER2013 is not there; the message says how to get it.
    """
    return _load(name, (check_split(split),), data_dir, limit, seed, verbose)[0]


def load_splits(
    name: str | None = None,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Load training, validation and test split; everything else is as in `load`."""
    return _load(name, SPLITS, data_dir, limit, seed, verbose)


def _load(
    name: str | None, splits: Sequence[str], data_dir: str | Path | None, limit: int | None, seed: int, verbose: bool
) -> tuple[FaceDataset, ...]:
    if name is None or (isinstance(name, str) and not name):
        name = os.environ.get("EMOTION_DATA") or "synthetic"
    if not isinstance(name, str) or name not in LOADERS:
        raise ValueError(
            f"name={brief(name)}: choose one of {', '.join(LOADERS)} (here, or in the environment variable "
            "EMOTION_DATA). For a folder of your own images use load_folder(path)."
        )
    seed = check_whole(seed=seed)  # before anything is drawn or read
    if limit is not None:
        limit = check_whole(1, None, ", or None for all", limit=limit)
    if data_dir is not None:
        data_dir = as_path(data_dir, "data_dir")
    datasets = LOADERS[name](splits, data_dir=data_dir, seed=seed, verbose=verbose)
    if verbose:
        for note in dict.fromkeys(note for dataset in datasets for note in dataset.notes):  # each once
            say(f"{name}: {note}.")
    return tuple(dataset.limited(limit, seed) for dataset in datasets)
