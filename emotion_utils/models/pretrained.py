"""Trained weights that come with the package; their model card is weights/README.md."""

from pathlib import Path

from emotion_utils.errors import WeightsError, brief
from emotion_utils.files import as_path
from emotion_utils.models.base import FaceModel
from emotion_utils.models.weight_files import load_weights

FOLDER = Path(__file__).resolve().parent / "weights"


# SHA-256 of the files that come with the package; `sha256sum emotion_utils/models/weights/*.safetensors` prints them.
CHECKSUMS: dict[str, str] = {
    "synthetic": "a49cade43a5ef84bf3de956592ac99727d18060e979af80ff2e1dd61f6e6403f",
    "fer2013": "e1d7f0946f30f9df1924e05a89189ab536888c26224f5e9730851d471f7f9d79",
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
