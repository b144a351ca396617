"""Checkpoints: written whole or not at all, read without running code, and one run to a folder.

A checkpoint is a dictionary of tensors, numbers and strings, so `torch.load(…, weights_only=True)` reads it. A SHA-256
of its content travels with it, because neither torch nor safetensors would notice a flipped bit in a weight.
"""

import errno
import hashlib
import io
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import Tensor

from emotion_utils.errors import CheckpointError, FolderInUseError, brief, listed, reason, show
from emotion_utils.files import atomic_write

FORMAT = 2  # in 1, device and progress were settings that a run had to keep
# What `flock` says on drives that know no locks, some network drives among them.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class RunDescription:
    """What a run is. A run goes on only from a checkpoint that agrees on all of it.

    Attributes:
        network: name of the model's class.
        arguments: what it was built with, by name; empty for a network of another package.
        classes: names of the classes.
        settings: `TrainConfig.to_dict()`.
        data: name, numbers of images, normalisation and augmentation.
        loss: name of the loss that replaces cross-entropy, or None.
    """

    network: str
    arguments: dict[str, Any]
    classes: list[str]
    settings: dict[str, Any]
    data: dict[str, Any]
    loss: str | None

    def check_same(self, other: "RunDescription", path: str | Path) -> None:
        """Raise CheckpointError, naming what differs, unless `other`, read from `path`, describes the same run."""
        for part, here in vars(self).items():
            there = vars(other)[part]
            if there != here:
                differences = listed(_differences(there, here), limit=3, length=180)
                raise CheckpointError(
                    f"{show(path, 100)} belongs to a run with other {part}: {differences}. Go on with the old ones, or "
                    "start a new run in another folder."
                )


def _differences(there: Any, here: Any, name: str = "") -> list[str]:
    """Say in which values two things differ; of dictionaries, by name."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return [f"{name or 'it'} was {brief(there)} and is {brief(here)} now"]
    found = []
    for key in [key for key in {**there, **here} if there.get(key) != here.get(key)]:
        found += _differences(there.get(key), here.get(key), f"{name}.{key}" if name else key)
    return found


@dataclass(frozen=True)
class RunState:
    """How far a run has come: all that it needs to go on.

    Attributes:
        model, optimizer: their state_dicts.
        average: state_dict of the averaged weights; None without.
        rows: of the history, one for each finished epoch.
        best_weights: state_dict of the best epoch so far; None before the first.
        batch: how many batches of the present epoch are done.
        seconds: wall time of the present epoch so far.
        sums: of the present epoch so far: cross-entropies, correct predictions, images.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor] | None
    rows: list[dict[str, float]]
    best_weights: dict[str, Tensor] | None
    batch: int
    seconds: float
    sums: list[float]


def save_run(run: RunDescription, state: RunState, path: str | Path) -> None:
    """Write a checkpoint from which `load_run` goes on; raises what `save_checkpoint` raises."""
    save_checkpoint({"run": vars(run), "state": vars(state)}, path)


def load_run(path: str | Path) -> tuple[RunDescription, RunState]:
    """Read what `save_run` wrote.

    Raises:
        OSError: there is no such file, or it may not be read.
        CheckpointError: the file is damaged, or holds no run that can go on.
    """
    content = load_checkpoint(path)
    if "state" not in content:
        raise CheckpointError(
            f"{show(path)} holds weights, not a run that can go on. Put a run's last.pt in its place."
        )
    return RunDescription(**content["run"]), RunState(**content["state"])


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
            raise OSError(None, reason(error)) from error
        with open(part, "rb+") as file:
            os.fsync(file.fileno())  # on the disk before the rename, so that not even a power cut leaves half a file


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, tensors on the CPU.

    Raises:
        OSError: there is no such file, or it may not be read.
        CheckpointError: the file is damaged, or no checkpoint of this version of the package.
    """
    data = io.BytesIO(Path(path).read_bytes())
    try:
        content = torch.load(data, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file, KeyError and UnpicklingError among them
        raise CheckpointError(_damaged(path, reason(error))) from error
    if not isinstance(content, dict) or "sha256" not in content:
        raise CheckpointError(
            f"{show(path)} is no checkpoint of this package. Choose a last.pt or best.pt that train() wrote."
        )
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{show(path)} has format={content['format']}, and this version of the package reads {FORMAT}: finish that "
            "run with the version that began it, or start anew in another folder."
        )
    if content["sha256"] != _digest(content["content"]):
        raise CheckpointError(_damaged(path, "its checksum does not match"))
    return content["content"]


def _damaged(path: str | Path, why: str) -> str:
    return f"{show(path)} is damaged ({why}). Put a copy in its place, or delete it and train again."


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
    a lock is never stale. The file `.lock-holder` says who holds it.

    Raises:
        FolderInUseError: another run holds it.
        OSError: the folder cannot be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = filelock.FileLock(folder / ".lock", timeout=0), folder / ".lock-holder"
    try:
        lock.acquire()
    except filelock.Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise FolderInUseError(
            f"Another run is writing into {show(folder)} ({who}). Wait for it, end it, or choose another folder."
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        # That is no reason not to train.
        warnings.warn(
            f"{show(folder)} cannot be locked ({reason(error)}). See that no other run writes there.", stacklevel=3
        )
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
