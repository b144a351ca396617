"""FER2013, the benchmark of real photographs: its splits, its cache, and the crowd's votes on it.

The benchmark (Goodfellow et al., "Challenges in representation learning", 2013, arXiv:1307.0414) is a table with one
row for each face: the emotion 0 to 6, 48 × 48 = 2,304 grey levels, and the part of the benchmark it belongs to
(Training, PublicTest or PrivateTest). Reading 270 MB of text takes seconds, so the result is cached as tensors.
"""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.fer2013_files import USAGES, Rows, find_source, read_source
from emotion_utils.data.pixels import pixel_statistics
from emotion_utils.data.splits import split
from emotion_utils.emotions import EMOTIONS
from emotion_utils.files import atomic_write, user_cache_dir, writable_dir

OFFICIAL_ROWS = (28_709, 3_589, 3_589)


CACHE_VERSION = "1"  # a change of the cache's layout takes another number; older files are then made anew


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
