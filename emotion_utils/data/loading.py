"""One door to all data sets: drawn faces, FER2013, and your own folder of images."""

import os
from pathlib import Path
from typing import Any

import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import load_split
from emotion_utils.data.fer2013 import load_rows, read_splits
from emotion_utils.data.fer2013_files import find_source
from emotion_utils.data.splits import split
from emotion_utils.emotions import EMOTIONS

NAMES = ("synthetic", "fer2013")


SPLITS = ("training", "validation", "test")


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
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
    name = _name(name)
    if name == "fer2013":
        dataset = read_splits(_folder(data_dir), seed, verbose)[split]
    else:
        dataset = _load_synthetic(split, data_dir, verbose)
    return _finish(dataset, limit, seed, verbose)


def load_splits(name: str | None = None, **options: Any) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Load training, validation and test split; `options` are those of `load` (but for `split`)."""
    name = _name(name)
    if name != "fer2013":
        return tuple(load(name, split, **options) for split in SPLITS)
    unknown = set(options) - {"data_dir", "limit", "seed", "verbose"}
    if unknown:
        raise TypeError(f"load_splits does not know the option {', '.join(sorted(unknown))}; see load.")
    limit, seed, verbose = options.get("limit"), options.get("seed", 0), options.get("verbose", True)
    made = read_splits(_folder(options.get("data_dir")), seed, verbose)  # one reading for all three
    return tuple(_finish(made[split], limit, seed, verbose and split == "training") for split in SPLITS)


def _name(name: str | None) -> str:
    name = name or os.environ.get("EMOTION_DATA") or "synthetic"
    if name not in NAMES:
        raise ValueError(
            f"There is no data set {name!r}; choose one of {', '.join(NAMES)} (as `name`, or in the environment "
            "variable EMOTION_DATA). For a folder of your own images use load_folder(path)."
        )
    return name


def _folder(data_dir: str | Path | None) -> Path | None:
    return None if data_dir is None else Path(data_dir).expanduser()


def _load_synthetic(split: str, data_dir: str | Path | None, verbose: bool) -> FaceDataset:
    return load_split(split, data_dir=_folder(data_dir), progress=verbose)


def _finish(dataset: FaceDataset, limit: int | None, seed: int, verbose: bool) -> FaceDataset:
    if limit is not None:
        if limit < 1:
            raise ValueError(f"limit={limit} leaves no images; choose 1 or more, or None for all.")
        if limit < len(dataset):
            share = limit / len(dataset)
            dataset = dataset.subset(split(dataset.labels, [share, 1 - share], seed=seed)[0])
    if verbose:
        for note in dataset.notes:
            print(f"{dataset.name}: {note}.")
    return dataset


def load_all_training(data_dir: Path | None = None, limit: int | None = None) -> FaceDataset:
    """Load FER2013's Training part whole, 28,709 images, also where `load` would carve validation images from it.

    Where a source has no test part of its own, `load` carves one from Training; those images stay out.
    """
    rows = load_rows(find_source(data_dir))
    if (rows.usage == 0).all():
        parts = [load("fer2013", part, data_dir=data_dir, verbose=False) for part in ("training", "validation")]
        images, labels = torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts])
        names = [name for part in parts for name in part.names]
    else:
        index = (rows.usage == 0).nonzero()[:, 0]
        images, labels = rows.images[index], rows.labels[index]
        names = [rows.names[i] for i in index.tolist()]
    dataset = FaceDataset(images, labels, EMOTIONS, name="fer2013", names=names)
    if limit is None or limit >= len(dataset):
        return dataset
    return dataset.subset(split(dataset.labels, [limit / len(dataset), 1 - limit / len(dataset)])[0])
