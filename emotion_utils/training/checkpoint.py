"""Checkpoints: written whole or not at all, read without running code, and one run to a folder.

A checkpoint is a dictionary of tensors, numbers and strings, so `torch.load(…, weights_only=True)` reads it. A SHA-256
of its tensors travels with it, because a flipped bit in a weight would otherwise go unnoticed.
"""

import errno
import hashlib
import io
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion_utils.errors import CheckpointError, FolderInUseError
from emotion_utils.files import atomic_write

FORMAT = 1


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a dictionary of tensors, numbers, strings, lists and dictionaries atomically.

    Raises:
        OSError: disk full, no permission; an older checkpoint at `path` is untouched.
    """
    content = {"format": FORMAT, "sha256": _digest(content), "content": content}
    with atomic_write(path) as part:
        try:
            torch.save(content, part)
        except RuntimeError as error:  # torch's zip writer turns a full disk into this
            raise OSError(None, str(error).splitlines()[0]) from error
        with open(part, "rb+") as file:
            os.fsync(file.fileno())  # on the disk before the rename, so that not even a power cut leaves half a file


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, tensors on the CPU.

    Raises:
        OSError: there is no such file, or it may not be read.
        CheckpointError: the file is damaged or no checkpoint of this package.
    """
    data = io.BytesIO(Path(path).read_bytes())
    try:
        content = torch.load(data, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file, KeyError and UnpicklingError among them
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(_damaged(path, reason)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint of this package. Choose a last.pt or best.pt that train() wrote."
        )
    if content["sha256"] != _digest(content["content"]):
        raise CheckpointError(_damaged(path, "its checksum does not match"))
    return content["content"]


def _damaged(path: str | Path, reason: str) -> str:
    return f"{path} is damaged ({reason}). Put a copy in its place, or delete it and train again."


def _digest(value: Any, sha=None) -> str:
    """Hash tensors, numbers and text, following dictionaries and lists."""
    top = sha is None
    sha = sha or hashlib.sha256()
    if isinstance(value, Tensor):
        sha.update(f"{value.dtype}{tuple(value.shape)}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    elif isinstance(value, dict):
        for key in value:
            sha.update(repr(key).encode())
            _digest(value[key], sha)
    elif isinstance(value, list | tuple):
        for item in value:
            _digest(item, sha)
    else:
        sha.update(repr(value).encode())
    return sha.hexdigest() if top else ""


def copy_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy a state_dict to the CPU, so that further training does not change it."""
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


@contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Keep other runs out of `folder` while the block runs.

    The operating system holds the lock on `folder/.lock` and releases it when the process ends, however it ends, so
    a lock is never stale. The file says who holds it.

    Raises:
        FolderInUseError: another run holds it.
        OSError: the folder cannot be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
                raise FolderInUseError(
                    f"Another run is writing into {folder} ({holder}). Wait for it, end it, or choose another folder."
                ) from error
            # Some network drives know no locks. That is no reason not to train.
            warnings.warn(f"{folder} cannot be locked ({error}). See that no other run writes there.", stacklevel=3)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        # Windows locks bytes; one far behind the text leaves the text readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
