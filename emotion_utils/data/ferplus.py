"""FER+: the votes of ten people on each image of FER2013, as soft labels (Barsoum et al. 2016, arXiv:1608.01041)."""

import csv
import io
import re
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, listed, one_line, reason, show
from emotion_utils.files import as_path, data_dir, is_file, read_file
from emotion_utils.tensors import as_tensor

MOST_BYTES = 50_000_000  # the file has 1.4 million
FAR_OFF = 1000  # rows; three images of the original bear the numbers of others, 1,689 to 7,389 rows away

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
    dataset = as_face_dataset(dataset)
    file = _find_votes(data_dir() if path is None else as_path(path))
    votes = _read_votes(file)
    # The rows of votes are in the order of fer2013.csv, and so are a table's names: fer0000000, fer0000001, …
    if dataset.names is None or not all(re.fullmatch(r"fer[0-9]{7}", name) for name in dataset.names):
        raise ValueError(
            f"The images of {one_line(str(dataset), 100)} don't tell their row in fer2013.csv, so the votes can't be "
            'tied to them. Load FER2013 from fer2013.csv with load("fer2013", …).'
        )
    row = torch.tensor([int(name[3:]) for name in dataset.names])
    if int(row.max()) >= len(votes):
        raise ValueError(f"{show(file)} has {len(votes):,} rows, and the data set has row {int(row.max()):,}.")
    return votes[row]


def _find_votes(path: Path) -> Path:
    for file in (path, path / "fer2013new.csv", path / "fer2013" / "fer2013new.csv"):
        if is_file(file):
            return file
    raise FileNotFoundError(
        f"No fer2013new.csv in {show(path)}. It is in the repository microsoft/FERPlus on GitHub; put it there."
    )


def _read_votes(file: Path) -> Tensor:
    """Read all rows of fer2013new.csv: int64 `(rows, 10)`."""
    content = read_file(file, MOST_BYTES)
    try:
        header, *table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) or [[]]
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise ValueError(f"{show(file)} is no table ({reason(error)}). Get the file again.") from error
    if [name.strip() for name in header[2:]] != list(FERPLUS_COLUMNS):
        raise ValueError(
            f"{show(file)} has the columns [{listed([brief(name, 20) for name in header])}]; expected Usage, Image "
            f"name, {', '.join(FERPLUS_COLUMNS)}. Get the file again."
        )
    votes = [_parse_votes(file, number, row) for number, row in enumerate(table, 1) if row]
    if not votes:
        raise ValueError(f"{show(file)} has a header and no rows. Get the file again.")
    _check_order(file, [row[1] for row in table if row])
    return torch.tensor(votes)


def _check_order(file: Path, names: list[str]) -> None:
    """Raise a ValueError unless the names of the images say that row i belongs to row i of fer2013.csv.

    The names are numbered in the order of the rows. Some have none (there is no face), and at about half of these the
    numbers stop for one row; so what a number lags behind its row grows, by no more than rows without a name. In the
    original, three names break the rule; a row too few or too many, or another order, breaks it in all that follow.
    """
    lag, unnamed, broken, run = 0, 0, 0, None
    previous = None
    for row, name in enumerate(names):
        match = re.fullmatch(r"\s*(?:fer)?(\d{1,9})(?:\.\w+)?\s*", name, re.IGNORECASE | re.ASCII)
        if not name.strip():
            unnamed += 1
        elif match is not None and name != previous and 0 <= row - int(match[1]) - lag <= unnamed:
            lag, unnamed, run = row - int(match[1]), 0, None
        else:
            run = run or (row, name)
            broken += len(names) if name == previous else 1
            unnamed += match is not None and abs(row - int(match[1]) - lag) > FAR_OFF  # a name from elsewhere
            if broken > len(names) // 1000:
                raise ValueError(
                    f"{show(file)}, row {run[0] + 1:,} is called {brief(run[1], 30)}, and so on: the rows are not "
                    "those of fer2013.csv in its order, so votes would go to other images. Get the file again."
                )
        previous = name or previous
    if unnamed == len(names):
        raise ValueError(f"{show(file)} names no image, so its order cannot be checked. Get the file again.")


def _parse_votes(file: Path, number: int, row: list[str]) -> list[int]:
    cells = row[2:]
    wrong = next((cell for cell in cells if not re.fullmatch(r" *[0-9]{1,6} *", cell)), None)
    if wrong is not None or len(cells) != len(FERPLUS_COLUMNS):
        found = f"{len(cells)} votes" if wrong is None else f"the vote {brief(wrong, 30)}"
        raise ValueError(
            f"{show(file)}, row {number} has {found}; expected {len(FERPLUS_COLUMNS)} whole numbers. Get the file "
            "again."
        )
    return [int(cell) for cell in cells]


def soft_labels(votes: Tensor) -> tuple[Tensor, Tensor]:
    """Turn FER+ votes into probabilities of the seven classes.

    Votes for contempt (which FER2013 has no class for), unknown and NF (not a face) are left out, and the others are
    divided by their sum. Where those three hold half of the votes or more, the image is better left out.

    Args:
        votes: int64 `(N, 10)`, columns `FERPLUS_COLUMNS`.

    Raises:
        ValueError, TypeError: no such votes.

    Returns:
        Probabilities, float32 `(N, 7)` in the order of `EMOTIONS` (uniform where nobody voted for one of them), and
        bool `(N,)`, True for the images to keep.
    """
    votes = as_tensor(votes, "votes")
    if votes.ndim != 2 or votes.shape[1] != len(FERPLUS_COLUMNS) or (votes < 0).any() or not votes.isfinite().all():
        raise ValueError(
            f"votes have shape {tuple(votes.shape)}; expected (N, {len(FERPLUS_COLUMNS)}), none negative, in the order "
            "of FERPLUS_COLUMNS."
        )
    kept = votes[:, _COLUMN_OF_CLASS].to(torch.float32)  # (N, 7)
    total = kept.sum(1, keepdim=True)  # (N, 1)
    probabilities = torch.where(total > 0, kept / total.clamp(min=1), 1 / len(EMOTIONS))
    return probabilities, total[:, 0] * 2 > votes.sum(1)


def with_votes(dataset: FaceDataset, path: str | Path | None = None) -> tuple[FaceDataset, Tensor]:
    """Relabel FER2013 images by FER+'s votes: the data set with the class that got most, and the shares `(N, C)`.

    Images that half of the people or more took for something else (no face, contempt, can't tell) are left out.
    `path` is that of `load_ferplus_votes`.
    """
    dataset = as_face_dataset(dataset)
    shares, keep = soft_labels(load_ferplus_votes(dataset, path))
    return dataset.subset(keep).with_labels(shares[keep].argmax(1)), shares[keep]
