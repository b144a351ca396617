"""Somebody may watch a run: what a watcher is told, how often, and how a watcher that fails is kept from the run.

A watcher is any function of one argument, a `Moment`: `TrainConfig(watch=print)` prints each. It is handed numbers
alone, and the random state and gradient mode are put back after each call, so no result depends on it.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from emotion_utils.errors import brief, reason
from emotion_utils.models.handling import warn

BETWEEN = 0.2  # seconds between two moments within an epoch, at least
SHARE = 0.008  # of the time may go to calls within an epoch; slow watchers are called less often


@dataclass(frozen=True)
class Moment:
    """How far a run has come.

    Attributes:
        kind: "step" within an epoch, "epoch" at the end of one, "end" when the run ends, in whatever way.
        epochs: how many epochs the run was asked for.
        done: how many passes over the training set are done, such as 2.25.
        train_loss: mean cross-entropy in nats over the steps since the last moment; nan if there were none.
        train_accuracy: share of the images of these steps that were recognised, 0 to 1; nan if there were none.
        rows: of the history, one for each finished epoch, as in `History.rows`; copies.
        seconds: wall time since the first moment could have come.
    """

    kind: str
    epochs: int
    done: float
    train_loss: float
    train_accuracy: float
    rows: tuple[dict[str, float], ...]
    seconds: float


class Watching:
    """Calls a watcher during a run: after each epoch, at the end, and between, now and then, after a step.

    Attributes:
        watch: the function; None once it has failed, or if nobody watches.
    """

    def __init__(self, watch: Callable[[Moment], Any] | None, epochs: int) -> None:
        self.watch, self.epochs = watch, epochs
        self.begun = time.perf_counter()
        self._due = self.begun + BETWEEN
        self._sums = [0.0, 0.0, 0.0]  # of the present epoch, at the last moment
        self._done = 0.0

    def step(self, sums: torch.Tensor, done: float, rows: Sequence[dict[str, float]]) -> None:
        """Tell of a step, if it is time. `sums` are those of `EpochProgress`; reading them makes a GPU wait."""
        if self.watch is None or time.perf_counter() < self._due:
            return
        begun = time.perf_counter()
        self._tell("step", sums, done, rows)
        now = time.perf_counter()
        self._due = now + max(BETWEEN, (now - begun) / SHARE)

    def epoch(self, sums: torch.Tensor, rows: Sequence[dict[str, float]]) -> None:
        """Tell of the end of an epoch; the sums begin anew after it."""
        if self.watch is not None:
            self._tell("epoch", sums, float(len(rows)), rows)
            self._sums = [0.0, 0.0, 0.0]

    def end(self, rows: Sequence[dict[str, float]]) -> None:
        """Tell that the run is over; nobody is called after it."""
        if self.watch is not None:
            self._tell("end", None, max(self._done, float(len(rows))), rows)
            self.watch = None

    def go_on(self, sums: torch.Tensor) -> None:
        """Take up a run that was stopped within an epoch: its earlier steps are not told of again."""
        self._sums = sums.tolist()

    def _tell(self, kind: str, sums: torch.Tensor | None, done: float, rows: Sequence[dict[str, float]]) -> None:
        new = self._sums if sums is None else sums.tolist()
        loss, right, images = (now - before for now, before in zip(new, self._sums, strict=True))
        self._sums, self._done = new, done
        loss, right = (loss / images, right / images) if images > 0 else (math.nan, math.nan)
        seconds = time.perf_counter() - self.begun
        moment = Moment(kind, self.epochs, done, loss, right, tuple(dict(row) for row in rows), seconds)
        devices = [sums.device] if sums is not None and sums.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices=devices), torch.no_grad():
                self.watch(moment)
        except Exception as error:  # a picture that fails must not take the training along
            name = brief(getattr(self.watch, "__name__", type(self.watch).__name__))
            self.watch = None
            warn(f"watch={name} failed ({type(error).__name__}: {reason(error)}). The training goes on without it.")


def shows_progress(watch: Callable | None) -> bool:
    """Say whether a watcher itself shows how far a run is, so that lines and bars would only repeat it."""
    try:
        return bool(getattr(watch, "shows_progress", False))
    except Exception:  # a property of somebody else's
        return False
