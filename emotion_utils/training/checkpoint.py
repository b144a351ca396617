"""Checkpoints: written whole or not at all, and read without running code.

A checkpoint is a dictionary of tensors, numbers and strings, so `torch.load(…, weights_only=True)` reads it. A SHA-256
of its content travels with it, because neither torch nor safetensors would notice a flipped bit in a weight.
"""

import copy
import hashlib
import io
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion_utils.errors import CheckpointError, brief, listed, one_line, reason, show
from emotion_utils.files import as_path, atomic_write, open_file
from emotion_utils.models.file_kinds import read_content
from emotion_utils.training.folder import check_held
from emotion_utils.training.history import COLUMNS

FORMAT = 3  # in 2, the content of data and loss was not noted; in 1, device and progress were settings of a run
# What files of earlier versions do not hold, which go on all the same.
NOT_NOTED_BEFORE = {"arguments": "layers", "data": "digest of augmentation"}


@dataclass(frozen=True)
class RunDescription:
    """What a run is. A run goes on only from a checkpoint that agrees on all of it.

    Attributes:
        network: name of the model's class; it says so if layers of one of this package were changed.
        arguments: what it was built with, by name, if it is of this package; of all others, and of one whose layers
            were changed, its layers: their kinds, and the settings of PyTorch's.
        classes: names of the classes.
        settings: `TrainConfig.to_dict()`.
        data: name, numbers of images, normalisation, augmentation, and digests of images and labels.
        loss: name and digest of the loss that replaces cross-entropy, or None.
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
            new = NOT_NOTED_BEFORE.get(part)
            if new and new not in there:
                here = {name: value for name, value in here.items() if name != new}
            if there != here:
                differences = listed(_differences(there, here), limit=3, length=180, between="; ")
                old = "the old one, made anew if it remembers what it saw" if part == "loss" else "the old ones"
                raise CheckpointError(
                    f"{show(path, 100)} belongs to a run with other {part}: {differences}. Go on with {old}, or start "
                    "a new run in another folder."
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
        loss: what a loss that changes while it learns has come to, see `CheckedLoss.state`; None for any other.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor] | None
    rows: list[dict[str, float]]
    best_weights: dict[str, Tensor] | None
    batch: int
    seconds: float
    sums: list[float]
    loss: dict[str, Any] | None = None  # which earlier versions did not keep

    def first_impossible(self) -> str | None:
        """Name the first part that cannot be that of a run; None if all can."""
        rows = isinstance(self.rows, list) and all(_is_row(row) for row in self.rows)
        possible = {
            "model": _is_weights(self.model),
            "optimizer": isinstance(self.optimizer, dict),
            "average": self.average is None or _is_weights(self.average),
            "rows": rows,
            "best_weights": _is_weights(self.best_weights) if rows and self.rows else self.best_weights is None,
            "batch": type(self.batch) is int and self.batch >= 0,
            "seconds": isinstance(self.seconds, int | float),
            "sums": isinstance(self.sums, list)
            and len(self.sums) == 3
            and all(isinstance(each, int | float) for each in self.sums),
            "loss": self.loss is None
            or (
                isinstance(self.loss, dict)
                and self.loss.keys() == {"identity", "buffers"}
                and _is_weights(self.loss["buffers"])
            ),
        }
        return next((name for name, can_be in possible.items() if not can_be), None)


def _is_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, Tensor) or str(name).endswith("_extra_state") for name, each in value.items()
    )


def _is_row(value: Any) -> bool:
    numbers = isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values())
    return numbers and value.keys() == set(COLUMNS)


def save_run(run: RunDescription, state: RunState, path: str | Path, holder: str | None = None) -> None:
    """Write a checkpoint from which `load_run` goes on; raises what `save_checkpoint` raises."""
    save_checkpoint({"run": vars(run), "state": vars(state), "holder": holder}, path)


def load_run(path: str | Path) -> tuple[RunDescription, RunState]:
    """Read what `save_run` wrote.

    Raises:
        OSError: there is no such file, or it may not be read.
        CheckpointError: the file is damaged, or holds no run that can go on.
    """
    content = load_checkpoint(path)
    if "state" not in content and "weights" in content:
        raise CheckpointError(
            f"{show(path)} holds the weights of a best.pt, not a run that can go on; a run's last.pt does. "
            'load_checkpoint(path)["weights"] gives the weights.'
        )
    for part, kind in (("run", RunDescription), ("state", RunState)):
        names = {field.name for field in fields(kind)}
        needed = {field.name for field in fields(kind) if field.default is MISSING}
        if not isinstance(content.get(part), dict) or not needed <= content[part].keys() <= names:
            raise CheckpointError(f"{show(path)} holds no run: {part} is {brief(content.get(part))}.")
    state = RunState(**content["state"])
    if (wrong := state.first_impossible()) is not None:
        raise CheckpointError(f"{show(path)} holds no run: {wrong} is {brief(getattr(state, wrong))}.")
    return RunDescription(**content["run"]), state


def save_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a dictionary of tensors, numbers, strings, lists and dictionaries atomically.

    A content that names its "holder" is written only while that run holds the folder, see `check_held`.

    Raises:
        OSError: disk full, no permission, or the folder is another run's by now; an older checkpoint at `path` is
            untouched.
    """
    path, holder = as_path(path), content.get("holder")
    check_held(path.parent, holder)
    content = {"format": FORMAT, "sha256": _digest(content), "content": content}
    with atomic_write(path) as part:
        try:
            with open(part, "wb") as file:  # names that are no UTF-8 are nothing to torch
                torch.save(content, file)
        except RuntimeError as error:  # torch's zip writer turns a full disk into this, and Ctrl-C
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            raise OSError(None, reason(error)) from error
        check_held(path.parent, holder)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, tensors on the CPU.

    Raises:
        OSError: there is no such file, or it may not be read.
        CheckpointError: the file is damaged, or no checkpoint of this version of the package.
    """
    path = as_path(path)
    with open_file(path) as file:
        data = io.BytesIO(file.read())
    try:
        held = torch.load(data, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file, KeyError and UnpicklingError among them
        raise CheckpointError(_explained(path)) from error
    if not (isinstance(held, dict) and held.keys() == {"format", "sha256", "content"}):
        raise CheckpointError(_explained(path))
    if held["format"] != FORMAT:
        raise CheckpointError(
            f"{show(path)} has format={brief(held['format'])}, and this version of the package reads {FORMAT}: finish "
            "that run with the version that began it, or start anew in another folder."
        )
    content = held["content"]
    if not isinstance(content, dict) or held["sha256"] != _digest(content):
        raise CheckpointError(f"{show(path)} is damaged (its checksum does not match). {ADVICE}")
    return content


ADVICE = "Put a copy in its place, or start anew in another folder."


def _explained(path: Path) -> str:
    """Say what a file is that is no checkpoint, and what reads it."""
    story = read_content(path).story
    advice = (
        ", or start anew in another folder" if story.startswith(("is damaged", "is incomplete", "is empty")) else ""
    )
    return one_line(f"{show(path, 100)} cannot be read as a checkpoint: it {story.rstrip('.')}{advice}.", 400)


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


def copy_weights(weights: dict[str, Any]) -> dict[str, Any]:
    """Copy a state_dict to the CPU, in the usual order in memory, so that further training does not change it."""
    return {name: _copied(value) for name, value in weights.items()}


def _copied(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    made = value.detach().cpu().clone()
    return made.contiguous() if made.layout == torch.strided else made
