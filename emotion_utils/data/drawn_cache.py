"""Drawn faces are drawn once and kept in a file; reading them back takes a hundredth of the time."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import reason
from emotion_utils.files import atomic_write, read_file, remove_leftovers, user_cache_dir, writable_dir

MOST_BYTES = 2**30  # the default set's training split has 90 MB


def draw_once(file_name: str, draw: Callable[..., FaceDataset], folder: Path, **facts: Any) -> FaceDataset:
    """Return the faces of a file or, where there is none, draw and keep them.

    Args:
        file_name: tells everything that the faces depend on. A damaged file counts as none.
        draw: makes the faces, with their truth.
        folder: where the file lies; where that takes no files, the user's cache folder stands in.
        facts: what the file does not hold of a `FaceDataset`: name, split, mean, std.
    """
    for place in (folder, user_cache_dir()):
        faces = read_faces(place / file_name, **facts)
        if faces is not None:
            remove_leftovers(place, file_name)
            return faces
    faces = draw()
    notes = []
    try:
        write_faces(writable_dir(folder, user_cache_dir()) / file_name, faces)
    except OSError as error:
        notes = [f"the cache could not be written, so the next start draws the faces again ({reason(error, 200)})"]
    return FaceDataset(faces.images, faces.labels, faces.classes, truth=faces.truth, notes=notes, **facts)


def write_faces(path: Path, faces: FaceDataset) -> None:
    """Write images, labels and truth; masks are packed to bits.

    Raises:
        OSError: the disk is full, or the folder takes no files.
    """
    arrays = {key: value.numpy() for key, value in faces.truth.items()}
    arrays["packed_masks"] = np.packbits(arrays.pop("masks"), axis=-1)
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, images=faces.images.numpy(), labels=faces.labels.numpy(), **arrays)


def read_faces(path: Path, **facts: Any) -> FaceDataset | None:
    """Read faces back, with `facts` that the file does not hold; None where there is no whole file."""
    try:
        content = read_file(path, MOST_BYTES)
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if file.testzip() is not None:  # compares each array with its checksum; np.load may stop before that
                return None
        with np.load(io.BytesIO(content)) as file:
            arrays = dict(file)
        masks = np.unpackbits(arrays.pop("packed_masks"), axis=-1, count=arrays["images"].shape[-1])
        tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
        images, labels = tensors.pop("images"), tensors.pop("labels")
        return FaceDataset(images, labels, truth=tensors | {"masks": torch.from_numpy(masks).view(torch.bool)}, **facts)
    except Exception:  # whatever is wrong with the file, the faces are drawn anew
        return None
