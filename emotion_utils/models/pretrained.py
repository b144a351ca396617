"""Trained weights as small files that say what they are, and that are checked before they are used.

A file is in the safetensors format, which holds numbers only and cannot run code. Weights are stored in half precision,
which halves the file and changes no prediction worth mentioning, and turned back to float32 on loading. The file's
metadata holds what is needed to rebuild the network and to use it rightly.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotion_utils.errors import WeightsError
from emotion_utils.files import atomic_write
from emotion_utils.models.base import FaceModel, check_same_weights
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel

FOLDER = Path(__file__).resolve().parent / "weights"


KINDS = {kind.__name__: kind for kind in (EmotionCNN, FaceNet, LinearModel, MLP)}


FORMAT = "emotion_utils weights 1"


# SHA-256 of the files that come with the package; `sha256sum emotion_utils/models/weights/*.safetensors` prints them.
CHECKSUMS: dict[str, str] = {
    "synthetic": "887a3e48676c0ec7865c178b3cf20e5862746b99ab2a4a84d5b4a15753aba8ea",
    "fer2013": "a2372bdc44d4586e648303b24a24d0edbef444e7522da9561fcfbd2a564f7b71",
    "ferplus": "5e2b91791eac232dd93beada043e79649ce22dc9541aa0b503b462e7fe617185",
}


def save_weights(model: FaceModel, path: str | Path, facts: dict[str, Any] | None = None) -> Path:
    """Write a trained network to a safetensors file, atomically.

    Args:
        model: one of this package's networks.
        path: where to write.
        facts: more to note in the metadata: data, protocol, temperature, figures. Anything that JSON can hold.

    Returns:
        The path.

    Raises:
        TypeError: a network that `load_weights` could not rebuild.
        ValueError: weights that are not finite, or too large for half precision.
        OSError: the file cannot be written; an older one at `path` is untouched.
    """
    kind = type(model).__name__
    if KINDS.get(kind) is not type(model):
        raise TypeError(f"{kind} is none of {', '.join(KINDS)}, so it could not be rebuilt; use torch.save instead.")
    tensors = {}
    for name, value in model.state_dict().items():
        # Batch norm's running mean and variance are few and can be large, so they stay as they are.
        half = value.is_floating_point() and value.ndim >= 2
        tensors[name] = value.detach().cpu().to(torch.float16 if half else value.dtype).contiguous()
        if value.is_floating_point() and not tensors[name].isfinite().all():
            raise ValueError(f"{name} holds values that are not finite in half precision; the training went wrong.")
    arguments = {**model.config, "classes": model.num_classes}
    description = {
        "architecture": {"kind": kind, "arguments": arguments},
        "classes": list(model.classes or []),
        "mean": float(model.mean) if model.normalisation_known else None,
        "std": float(model.std) if model.normalisation_known else None,
        "facts": facts or {},
    }
    with atomic_write(path) as part:
        # One entry only: safetensors writes several in random order, and equal weights would make unequal files.
        try:
            save_file(tensors, part, {FORMAT: json.dumps(description)})
        except SafetensorError as error:  # a full disk, among others
            raise OSError(None, str(error)) from error
    return Path(path)


def load_weights(path: str | Path, classes: tuple[str, ...] | None = None, sha256: str | None = None) -> FaceModel:
    """Rebuild a network from a file that `save_weights` wrote: float32, on the CPU, in evaluation mode.

    It knows its classes and how its images are normalised; `model.facts` holds what was noted when it was saved.

    Args:
        path: the file.
        classes: the classes that you need, in order; None takes what the file has.
        sha256: what the file's SHA-256 must be; None checks none.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or made for other classes.
        CheckpointError: the weights do not fit the architecture that the file names.
    """
    path = Path(path)
    description, tensors = _read(path, sha256)
    kind, arguments = description["architecture"]["kind"], description["architecture"]["arguments"]
    if kind not in KINDS:
        raise WeightsError(f"{path} holds a {kind}, which this version of the package does not know.")
    names = tuple(description["classes"])
    if classes is not None and tuple(classes) != names:
        raise WeightsError(
            f"{path} tells {len(names)} classes apart ({', '.join(names)}), not the {len(classes)} that you need "
            f"({', '.join(classes)}). Train on your classes, or fine-tune: notebook 08 shows how."
        )
    model = KINDS[kind](**arguments)
    tensors = {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}
    check_same_weights(tensors, model, path)
    model.load_state_dict(tensors)
    if description["mean"] is not None:  # None: nobody had set it when the file was written
        model.set_normalisation(description["mean"], description["std"])
    model.classes, model.facts = names or None, description["facts"]
    return model.eval()


def _read(path: Path, sha256: str | None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a file's description and tensors.

    Raises:
        WeightsError: it is missing, damaged, or was not written by `save_weights`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}). {_ADVICE}") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"{path} is damaged or was changed: its SHA-256 is not the one expected. {_ADVICE}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged ({error}). {_ADVICE}") from error
    if FORMAT not in metadata:
        raise WeightsError(f"{path} was not written by save_weights. Load it with the program that wrote it.")
    return json.loads(metadata[FORMAT]), tensors


def load_pretrained(name: str, folder: str | Path = FOLDER) -> FaceModel:
    """Load a network that comes with the package: "synthetic", "fer2013" or "ferplus"; see weights/README.md.

    Args:
        name: which.
        folder: where the files lie.

    Raises:
        ValueError: no such name.
        WeightsError: the file is missing or damaged.
    """
    if name not in CHECKSUMS:
        raise ValueError(f"name={name!r}: choose one of {', '.join(CHECKSUMS)}.")
    return load_weights(Path(folder) / f"{name}.safetensors", sha256=CHECKSUMS[name])


_ADVICE = "Get the package again (git pull, or download it anew), or train: python -m emotion_utils train --help."
