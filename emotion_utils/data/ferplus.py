"""FER+: the votes of ten people on each image of FER2013, as soft labels (Barsoum et al. 2016, arXiv:1608.01041)."""

import csv
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS
from emotion_utils.files import data_dir

# The columns of fer2013new.csv, and the place of each among them of the project's seven classes.
FERPLUS_COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip


_FERPLUS_ORDER = [FERPLUS_COLUMNS.index(name) for name in
                  ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")]  # fmt: skip


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


def with_votes(dataset: FaceDataset, data_dir: Path | None = None) -> tuple[FaceDataset, Tensor]:
    """Relabel FER2013 images by FER+'s votes: the data set with the class that got most, and the shares `(N, C)`.

    Images that half of the people or more took for something else (no face, contempt, can't tell) are left out.
    """
    shares, keep = soft_labels(load_ferplus_votes(dataset, data_dir))
    kept = dataset.subset(keep)
    kept.labels = shares[keep].argmax(1)
    return kept, shares[keep]
