"""What five teachers said of FER2013's Training images: probabilities that come with the package, found by content."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import WeightsError, reason, show
from emotion_utils.files import as_path, read_file

FILE = Path(__file__).resolve().parent / "teachers.safetensors"
CHECKSUM = "5290bfd93eafc8ab52989f4d4660e834218ec1c27b251c4f03528750ee111591"
_MOST_BYTES = 16 << 20


def fingerprints(images: Tensor) -> Tensor:
    """Give a number for what each image shows: int64 `(N,)`, equal for identical images and for no others."""
    rows = images.cpu().contiguous().flatten(1).numpy()
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests], dtype=torch.int64)


def load_judgements(dataset: FaceDataset, file: str | Path = FILE) -> Tensor:
    """Give the probabilities that teachers gave to each image of FER2013's Training part.

    Five networks, three times as wide as `FaceVGG`, each learnt without a fifth of the images and judged that fifth
    (cross-fitting, as in `judge_by_folds`), in 32 views of each image. None of them learnt the tenth that the loader
    holds out for validation; that tenth was judged by all five. See weights/README.md.

    Args:
        dataset: the images, in any order, as FER2013 stores them; its classes say the order of the columns.
        file: where the probabilities lie.

    Returns:
        float32 `(N, C)` on the CPU; each row adds up to 1.

    Raises:
        ValueError: an image that no teacher judged, or other classes.
        WeightsError: the file is missing or damaged.
    """
    path = as_path(file, "file")
    known, said, classes = _read(path)
    if set(classes) != set(dataset.classes):
        raise ValueError(f"The teachers know {', '.join(classes)}; the data set has {', '.join(dataset.classes)}.")
    wanted = fingerprints(dataset.images)
    order = known.argsort()
    place = torch.searchsorted(known[order], wanted).clamp_max(len(known) - 1)
    row = order[place]
    if strangers := int((known[row] != wanted).sum()):
        raise ValueError(
            f"{strangers:,} of {len(wanted):,} images are none that the teachers judged: those of FER2013's Training "
            "part, pixel by pixel. Learn without the teachers (--preset first) or from another network (--teacher)."
        )
    columns = [classes.index(name) for name in dataset.classes]
    found = said[row][:, columns].float()
    return found / found.sum(1, keepdim=True)


def _read(path: Path) -> tuple[Tensor, Tensor, list[str]]:
    """Read fingerprints, probabilities and the classes of their columns."""
    try:
        content = read_file(path, _MOST_BYTES)
        if path == FILE and hashlib.sha256(content).hexdigest() != CHECKSUM:
            raise WeightsError(f"{show(path)} has another content than it came with. Get the package again (git pull).")
        held = load(content)
        names = bytes(held["classes"].to(torch.uint8).tolist()).decode().split("\n")
        return held["fingerprints"], held["probabilities"], names
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{show(path)} holds no teachers' probabilities ({reason(error, 150)}).") from error
