"""FER2013, the benchmark of real photographs: its splits, its cache, and the crowd's votes on it.

The benchmark (Goodfellow et al., "Challenges in representation learning", 2013, arXiv:1307.0414) is a table with one
row for each face: the emotion 0 to 6, 48 × 48 = 2,304 grey levels, and the part of the benchmark it belongs to
(Training, PublicTest or PrivateTest). Reading 270 MB of text takes seconds, so the result is cached as tensors.
"""

import csv
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotion_utils.dataset import EMOTIONS, FaceDataset, pixel_statistics, split
from emotion_utils.fer2013_files import USAGES, Rows, find_source, read_source
from emotion_utils.storage import atomic_write, data_dir, user_cache_dir, writable_dir

OFFICIAL_ROWS = (28_709, 3_589, 3_589)
CACHE_VERSION = "1"  # a change of the cache's layout takes another number; older files are then made anew

# The columns of fer2013new.csv, and the place of each among them of the project's seven classes.
FERPLUS_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
_FERPLUS_ORDER = [FERPLUS_COLUMNS.index(name) for name in
                  ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")]  # fmt: skip


def read_splits(folder: Path | None = None, seed: int = 0, verbose: bool = True) -> dict[str, FaceDataset]:
    """Return the splits "training", "validation" and "test".

    A complete source gives Training, PublicTest and PrivateTest. Where one of the test parts is missing, the other is
    the test split and a tenth of Training is carved off for validation; where both are missing, a tenth for each.
    Carving keeps the class balance and keeps identical images on one side; `notes` says what was done.

    `twins` marks the validation and test images that have an identical image to learn from: in the training split,
    and for the test split also among the carved validation images, which serve to choose a model.

    Raises:
        FileNotFoundError, ValueError: no source, or one that cannot be used.
    """
    source = find_source(folder)
    rows = load_rows(source, verbose)
    index = {usage: (rows.usage == number).nonzero()[:, 0] for number, usage in enumerate(USAGES)}
    notes = list(rows.notes)
    training = index["Training"]
    if len(training) == 0:
        raise ValueError(
            f"{source} lacks the Training rows (it has {len(rows.usage):,} others): there is nothing to learn from. "
            "Get the whole file with `python -m emotion_utils fetch fer2013`."
        )
    for usage, official in zip(USAGES, OFFICIAL_ROWS, strict=True):
        if len(index[usage]) not in (0, official):
            notes.append(f"{usage} has {len(index[usage]):,} images; the original has {official:,}")
    tests = [usage for usage in USAGES[1:] if len(index[usage])]
    carved = 2 - len(tests)
    parts = [training]
    if carved:
        groups = rows.groups[training]
        cut = split(rows.labels[training], [1 - 0.1 * carved] + [0.1] * carved, groups, seed)
        parts = [training[part] for part in cut]
        if min(map(len, parts)) == 0:
            raise ValueError(
                f"{source} has only {len(training)} Training rows; carving off validation images takes 20. Get the "
                f"whole file with `python -m emotion_utils fetch fer2013`."
            )
        what = "validation" if carved == 1 else "validation and test"
        missing = " and ".join(usage for usage in USAGES[1:] if usage not in tests)
        notes.append(
            f"{missing} is missing, so {what} is carved from Training (10 % each, stratified, identical images on one "
            f"side; seed {seed})" + (f"; test = {tests[0]}" if tests else "")
        )
    parts += [index[usage] for usage in tests]
    mean, std = pixel_statistics(rows.images[parts[0]])
    made, learnt = {}, torch.zeros(len(rows.groups), dtype=torch.bool)
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        made[name] = FaceDataset(
            rows.images[part],
            rows.labels[part],
            EMOTIONS,
            name="fer2013",
            split=name,
            names=[rows.names[i] for i in part.tolist()],
            twins=None if name == "training" else learnt[rows.groups[part]],
            notes=notes,
            mean=mean,
            std=std,
        )
        if name == "training" or carved:
            learnt[rows.groups[part]] = True
    return made


def load_rows(source: Path, verbose: bool = True) -> Rows:
    """Return all rows of a source, from the cache if it was made from this very source, else by reading (seconds)."""
    stamp = _stamp(source)
    name = f".{source.name}.cache.safetensors"
    private = f"{source.name}.{hashlib.blake2b(str(source.resolve()).encode(), digest_size=6).hexdigest()}.safetensors"
    candidates = [(source if source.is_dir() else source.parent) / name, user_cache_dir() / private]
    for candidate in candidates:
        rows = _read_cache(candidate, stamp)
        if rows is not None:
            return rows
    rows = read_source(source, verbose)
    try:
        folder = writable_dir(*(candidate.parent for candidate in candidates))
        _write_cache(folder / (name if folder == candidates[0].parent else private), rows, stamp)
    except (OSError, SafetensorError) as error:
        rows.notes.append(f"The cache could not be written, so the next start reads the source again ({error})")
    return rows


def _stamp(source: Path) -> str:
    """Describe the state of a source by the names, sizes and times of its files: another state, another stamp."""
    digest = hashlib.blake2b(CACHE_VERSION.encode(), digest_size=16)
    files = [source]
    if source.is_dir():
        files = sorted(file for part in ("train", "test") for file in (source / part).glob("*/*"))
    for file in files:
        state = os.stat(file)
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read_cache(path: Path, stamp: str) -> Rows | None:
    try:
        with safe_open(path, framework="pt") as file:
            known = file.metadata() or {}
            if known.get("stamp") != stamp:
                return None
            tensors = {key: file.get_tensor(key) for key in ("images", "labels", "usage", "groups", "names")}
    except (OSError, SafetensorError):
        return None
    names = tensors.pop("names").numpy().tobytes().decode().split("\n")
    return Rows(**tensors, names=names, notes=json.loads(known["notes"]))


def _write_cache(path: Path, rows: Rows, stamp: str) -> None:
    tensors = {key: getattr(rows, key) for key in ("images", "labels", "usage", "groups")}
    tensors["names"] = torch.frombuffer(bytearray("\n".join(rows.names).encode()), dtype=torch.uint8)
    with atomic_write(path) as part:
        save_file(tensors, part, metadata={"stamp": stamp, "notes": json.dumps(rows.notes)})


def load_ferplus_votes(dataset: FaceDataset, path: Path | None = None) -> Tensor:
    """Return the votes of ten people on each image of a FER2013 split, int64 `(N, 10)`, columns `FERPLUS_COLUMNS`.

    The votes are from Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced
    label distribution" (2016, arXiv:1608.01041; the file fer2013new.csv is under the MIT licence). Its rows are in
    the order of fer2013.csv, and so are a table's names (fer0000000, fer0000001, …), which tie votes to images.

    Args:
        dataset: a split that `load("fer2013", …)` made from a table (the Kaggle folders don't tell the row).
        path: fer2013new.csv, or the folder that holds it; None for the data folder.

    Raises:
        FileNotFoundError: no fer2013new.csv.
        ValueError: the file is another one, or its rows are not those of the data set.
    """
    path = Path(path) if path is not None else data_dir()
    found = [file for file in (path, path / "fer2013new.csv", path / "fer2013" / "fer2013new.csv") if file.is_file()]
    if not found:
        raise FileNotFoundError(
            f"No fer2013new.csv in {path}. It is in the repository microsoft/FERPlus on GitHub; put it there."
        )
    with found[0].open(newline="", encoding="utf-8-sig") as file:
        header, *table = csv.reader(file)
    if [name.strip() for name in header[2:]] != list(FERPLUS_COLUMNS):
        raise ValueError(
            f"{found[0]} has the columns {header}; expected Usage, Image name, {', '.join(FERPLUS_COLUMNS)}."
        )
    try:
        votes = torch.tensor([[int(vote) for vote in row[2:]] for row in table])
    except ValueError as error:
        raise ValueError(
            f"{found[0]} holds a vote that is not a whole number ({error}). Get the file again."
        ) from error
    if dataset.names is None or not all(name.startswith("fer") and name[3:].isdigit() for name in dataset.names):
        raise ValueError(
            f"The images of {dataset} don't tell their row in fer2013.csv, so the votes can't be tied to them. Load "
            'FER2013 from fer2013.csv with load("fer2013", …).'
        )
    index = torch.tensor([int(name[3:]) for name in dataset.names])
    if int(index.max()) >= len(votes):
        raise ValueError(f"{found[0]} has {len(votes):,} rows, and the data set has row {int(index.max()):,}.")
    return votes[index]


def soft_labels(votes: Tensor) -> tuple[Tensor, Tensor]:
    """Turn FER+ votes into probabilities of the seven classes.

    Votes for contempt (which FER2013 has no class for), unknown and NF (not a face) are left out, and the others are
    divided by their sum. Where those three hold half of the votes or more, the image is better left out.

    Args:
        votes: int64 `(N, 10)`, columns `FERPLUS_COLUMNS`.

    Returns:
        Probabilities, float32 `(N, 7)` in the order of `EMOTIONS` (uniform where nobody voted for one of them), and
        bool `(N,)`, True for the images to keep.
    """
    kept = votes[:, _FERPLUS_ORDER].to(torch.float32)
    total = kept.sum(1, keepdim=True)
    probabilities = torch.where(total > 0, kept / total.clamp(min=1), 1 / len(EMOTIONS))
    return probabilities, total[:, 0] * 2 > votes.sum(1)
