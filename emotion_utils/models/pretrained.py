"""Trained weights that come with the package; their model card is weights/README.md."""

from pathlib import Path

from emotion_utils.errors import WeightsError, brief
from emotion_utils.files import as_path
from emotion_utils.models.base import FaceModel
from emotion_utils.models.weight_files import load_weights

FOLDER = Path(__file__).resolve().parent / "weights"


# SHA-256 of the files that come with the package; `sha256sum emotion_utils/models/weights/*.safetensors` prints them.
CHECKSUMS: dict[str, str] = {
    "synthetic": "887a3e48676c0ec7865c178b3cf20e5862746b99ab2a4a84d5b4a15753aba8ea",
    "fer2013": "590b973d7e8af2caab46fff994b5cd11e4f1be293e107e97f1408703bd91f390",
    "ferplus": "757621f3ad8fdc5a4b0085168f5fc1e92aafc564ff5aea8909dbb576bd99da28",
}


def load_pretrained(name: str, folder: str | Path = FOLDER) -> FaceModel:
    """Load a network that comes with the package: "synthetic", "fer2013" or "ferplus"; see weights/README.md.

    Args:
        name: which.
        folder: where the files lie.

    Raises:
        ValueError: no such name.
        WeightsError: the file is missing or damaged.
    """
    if not isinstance(name, str) or name not in CHECKSUMS:
        near = name.strip().lower() if isinstance(name, str) else ""
        meant = f" Did you mean {near!r}?" if near in CHECKSUMS else ""
        raise ValueError(f"name={brief(name)}: choose one of {', '.join(CHECKSUMS)}.{meant}")
    try:
        return load_weights(as_path(folder, "folder") / f"{name}.safetensors", sha256=CHECKSUMS[name])
    except WeightsError as error:
        raise WeightsError(
            f"{error} Get the package again (git pull, or download it anew), or train: python -m emotion_utils train."
        ) from error
