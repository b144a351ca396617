"""FER2013, the benchmark of real photographs: which of its rows are for training, for validation and for the test.

The benchmark (Goodfellow et al., "Challenges in representation learning", 2013, arXiv:1307.0414) is a table with one
row for each face: the emotion 0 to 6, 48 × 48 = 2,304 grey levels, and the part of the benchmark it belongs to
(Training, PublicTest or PrivateTest).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.fer2013_cache import load_rows
from emotion_utils.data.fer2013_files import find_source
from emotion_utils.data.fer2013_rows import FETCH, USAGES, Rows
from emotion_utils.data.pixels import pixel_statistics
from emotion_utils.data.splits import SPLITS, check_split, split
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import check_whole, show

OFFICIAL_ROWS = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}


def load_fer2013(
    splits: Sequence[str] = SPLITS, *, data_dir: str | Path | None = None, seed: int = 0, verbose: bool = True
) -> tuple[FaceDataset, ...]:
    """Return the named splits of FER2013, from one reading of its source.

    A complete source gives Training, PublicTest and PrivateTest. Where one of the test parts is missing, the other is
    the test split and a tenth of Training is carved off for validation; where both are missing, a tenth for each.
    Carving keeps the class balance and keeps identical images on one side; `notes` says what was done.

    `twins` marks the validation and test images that have an identical image to learn from: in the training split,
    and for the test split also among the carved validation images, which serve to choose a model.

    Args:
        splits: any of "training", "validation" and "test".
        data_dir: where FER2013 lies; None takes `EMOTION_DATA_DIR`, else the repository's `data/`.
        seed: decides what is carved.
        verbose: show progress when the source is read.

    Raises:
        FileNotFoundError, ValueError: no source, or one that cannot be used.
    """
    several = isinstance(splits, Sequence) and not isinstance(splits, str)
    splits = [check_split(name) for name in (splits if several else [splits])]
    seed, source = check_whole(seed=seed), find_source(data_dir)
    rows = load_rows(source, verbose)
    division = _divide(rows, source, seed)
    mean, std = pixel_statistics(rows.images[division.index["training"]])
    return tuple(
        _dataset(
            rows,
            division.index[name],
            split=name,
            notes=division.notes,
            twins=_twins(rows, division, name),
            mean=mean,
            std=std,
        )
        for name in splits
    )


def load_all_training(
    data_dir: str | Path | None = None, limit: int | None = None, verbose: bool = True
) -> FaceDataset:
    """Return Training whole, 28,709 images, for a final model: also what `load` would carve off for validation.

    Where a source has no test part, `load` carves one from Training; those images stay out.
    """
    source = find_source(data_dir)
    rows = load_rows(source, verbose)
    index = _rows_of(rows, source, "Training")
    if len(index) == len(rows.labels):
        parts = _divide(rows, source, seed=0).index
        index = torch.cat([parts["training"], parts["validation"]])
    return _dataset(rows, index, notes=rows.notes).limited(limit)


@dataclass(frozen=True)
class _Division:
    """Which rows of a source go into which split."""

    index: dict[str, Tensor]  # for each split int64 (n,)
    carved: tuple[str, ...]  # the splits that the source lacks, carved from Training
    notes: tuple[str, ...]  # those of the rows, and what was done


def _divide(rows: Rows, source: Path, seed: int) -> _Division:
    """Turn the parts of the benchmark, as far as they are there, into three splits."""
    training = _rows_of(rows, source, "Training")
    tests = {usage: (rows.usage == USAGES.index(usage)).nonzero()[:, 0] for usage in USAGES[1:]}
    notes = list(rows.notes)
    for usage, index in {"Training": training, **tests}.items():
        if len(index) not in (0, OFFICIAL_ROWS[usage]):
            notes.append(f"{usage} has {len(index):,} images; the original has {OFFICIAL_ROWS[usage]:,}")
    present = [usage for usage in tests if len(tests[usage])]
    carved = SPLITS[1 : 3 - len(present)]  # none, validation, or validation and test
    parts = [training]
    if carved:
        parts = _carve(rows, training, len(carved), source, seed)
        missing, verb = " and ".join(usage for usage in tests if usage not in present), "is" if present else "are"
        notes.append(
            f"{missing} {verb} missing, so {' and '.join(carved)} {verb} carved from Training (10 % each, stratified, "
            f"identical images on one side; seed {seed})" + (f"; test = {present[0]}" if present else "")
        )
    parts += [tests[usage] for usage in present]
    return _Division(dict(zip(SPLITS, parts, strict=True)), carved, tuple(notes))


def _rows_of(rows: Rows, source: Path, usage: str) -> Tensor:
    """Return the numbers of the rows of one part of the benchmark, int64 `(n,)`; there must be some."""
    index = (rows.usage == USAGES.index(usage)).nonzero()[:, 0]
    if len(index) == 0:
        raise ValueError(
            f"{show(source)} lacks the {usage} rows (it has {len(rows.usage):,} others): there is nothing to learn "
            f"from. Get the whole file with `{FETCH}`."
        )
    return index


def _carve(rows: Rows, training: Tensor, count: int, source: Path, seed: int) -> list[Tensor]:
    """Cut `count` parts of a tenth each off the Training rows; what is left comes first."""
    fractions = [1 - 0.1 * count] + [0.1] * count
    parts = split(rows.labels[training], fractions, rows.groups[training], seed)
    if min(map(len, parts)) == 0:
        raise ValueError(
            f"{show(source)} has only {len(training)} Training rows; carving off validation images takes 20. Get the "
            f"whole file with `{FETCH}`."
        )
    return [training[part] for part in parts]


def _twins(rows: Rows, division: _Division, name: str) -> Tensor | None:
    """Mark the images of a split that are identical to one that was there to learn from: bool `(n,)`."""
    if name == "training":
        return None
    # Carved validation images serve to choose a model, so a test image may have a twin among them as well.
    seen = ["training", "validation"] if name == "test" and division.carved else ["training"]
    learnt = torch.cat([rows.groups[division.index[part]] for part in seen])
    return torch.isin(rows.groups[division.index[name]], learnt)


def _dataset(rows: Rows, index: Tensor, **known: Any) -> FaceDataset:
    """Make a data set of the rows at `index`; `known` goes to `FaceDataset`."""
    names = [rows.names[i] for i in index.tolist()]
    return FaceDataset(rows.images[index], rows.labels[index], EMOTIONS, name="fer2013", names=names, **known)
