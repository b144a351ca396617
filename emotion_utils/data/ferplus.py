"""FER+: the votes of ten people on each image of FER2013, as soft labels (Barsoum et al. 2016, arXiv:1608.01041)."""

import csv
import reprlib
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.files import data_dir

# The columns of fer2013new.csv.
FERPLUS_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip

# The column of each of the project's seven classes, in their order.
_COLUMN_OF_CLASS = [[label_of(name) for name in FERPLUS_COLUMNS].index(label) for label in range(len(EMOTIONS))]


def load_ferplus_votes(dataset: FaceDataset, path: str | Path | None = None) -> Tensor:
    """Return the votes of ten people on each image of a FER2013 split, int64 `(N, 10)`, columns `FERPLUS_COLUMNS`.

    The votes are from Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced
    label distribution" (2016, arXiv:1608.01041; the file fer2013new.csv is under the MIT licence).

    Args:
        dataset: a split that `load("fer2013", …)` made from a table (the Kaggle folders don't tell the row).
        path: fer2013new.csv, or the folder that holds it; None for the data folder.

    Raises:
        FileNotFoundError: no fer2013new.csv.
        ValueError: the file is another one, or its rows are not those of the data set.
    """
    file = _find_votes(data_dir() if path is None else Path(path).expanduser())
    votes = _read_votes(file)
    # The rows of votes are in the order of fer2013.csv, and so are a table's names: fer0000000, fer0000001, …
    if dataset.names is None or not all(name.startswith("fer") and name[3:].isdigit() for name in dataset.names):
        raise ValueError(
            f"The images of {dataset} don't tell their row in fer2013.csv, so the votes can't be tied to them. Load "
            'FER2013 from fer2013.csv with load("fer2013", …).'
        )
    row = torch.tensor([int(name[3:]) for name in dataset.names])
    if int(row.max()) >= len(votes):
        raise ValueError(f"{file} has {len(votes):,} rows, and the data set has row {int(row.max()):,}.")
    return votes[row]


def _find_votes(path: Path) -> Path:
    for file in (path, path / "fer2013new.csv", path / "fer2013" / "fer2013new.csv"):
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"No fer2013new.csv in {path}. It is in the repository microsoft/FERPlus on GitHub; put it there."
    )


def _read_votes(file: Path) -> Tensor:
    """Read all rows of fer2013new.csv: int64 `(rows, 10)`."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        header, *table = csv.reader(lines)
    if [name.strip() for name in header[2:]] != list(FERPLUS_COLUMNS):
        raise ValueError(
            f"{file} has the columns {reprlib.repr(header)}; expected Usage, Image name, {', '.join(FERPLUS_COLUMNS)}."
        )
    try:
        return torch.tensor([[int(vote) for vote in row[2:]] for row in table])
    except ValueError as error:
        raise ValueError(f"{file} holds a vote that is not a whole number ({error}). Get the file again.") from error


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
    kept = votes[:, _COLUMN_OF_CLASS].to(torch.float32)  # (N, 7)
    total = kept.sum(1, keepdim=True)  # (N, 1)
    probabilities = torch.where(total > 0, kept / total.clamp(min=1), 1 / len(EMOTIONS))
    return probabilities, total[:, 0] * 2 > votes.sum(1)


def with_votes(dataset: FaceDataset, path: str | Path | None = None) -> tuple[FaceDataset, Tensor]:
    """Relabel FER2013 images by FER+'s votes: the data set with the class that got most, and the shares `(N, C)`.

    Images that half of the people or more took for something else (no face, contempt, can't tell) are left out.
    `path` is that of `load_ferplus_votes`.
    """
    shares, keep = soft_labels(load_ferplus_votes(dataset, path))
    return dataset.subset(keep).with_labels(shares[keep].argmax(1)), shares[keep]
