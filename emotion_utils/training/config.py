"""All settings of a training run, checked where they are made: those that decide the numbers, and the machine's."""

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from emotion_utils.training.distributed import ProcessGroup

SCHEDULES = ("onecycle", "cosine", "constant")
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Machine:
    """Where a run is computed and what it shows. A run may go on with others: beyond rounding, no result depends on it.

    Attributes:
        device: "auto" takes a GPU if there is one; else "cpu", "cuda", "cuda:1", "mps".
        progress: print a line per epoch and show a bar while an epoch runs.
        tensorboard: folder for TensorBoard's event files; None writes none.
        group: the processes that share the work; by default this one works alone.
    """

    device: str = "auto"
    progress: bool = True
    tensorboard: str | Path | None = None
    group: ProcessGroup = field(default_factory=ProcessGroup, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(self.device))  # a torch.device may be given, too


@dataclass(frozen=True)
class Hyperparameters:
    """What decides the numbers of a run. A checkpoint holds them, and a run goes on only with the same.

    Attributes:
        epochs: passes over the training set.
        batch_size: images per step. A last batch of a single image joins the batch before it.
        learning_rate: the largest rate of the schedule.
        momentum: share of the velocity that stays from step to step, 0 to 1.
        nesterov: look ahead along the velocity (has no effect without momentum).
        weight_decay: pull on weights, not on biases or batch norm.
        schedule: "onecycle" rises and falls in straight lines, "cosine" rises likewise and falls along a cosine,
            "constant" stays.
        warmup: share of all steps in which the rate rises from zero; "constant" has none.
        label_smoothing: share of the target that is spread over all classes.
        seed: decides order, augmentation and dropout. (The starting weights are drawn when the model is built.)
        precision: "fp32", or "bf16" for matrix products in bfloat16 (faster on CPUs and GPUs that have it).
        average: decay of an exponential moving average of the weights, such as 0.999; 0 for none. The averaged weights
            are the ones that are validated and kept.
        patience: stop after this many epochs without a better validation accuracy; None never stops early.
        augment: an `Augment`; None leaves that of the training set as it is.
        sizes: progressive resizing: sides in pixels that the training images are scaled to, each for an equal share of
            the epochs, such as (32, 40, 48); () never scales. Early epochs then cost a fraction. It needs a network
            that takes smaller images in training, such as `FaceNet`. (Howard 2018, in fast.ai's entry to DAWNBench.)
        channels_last: store images with the channel as the innermost dimension, which is faster for convolutions.
        origin: what else the run learns from, such as its starting weights or a teacher, as a name or a digest of your
            choice. A run goes on only from a checkpoint with the same.

    Raises:
        ValueError: a setting that cannot work, in words that say which.
    """

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 0.05
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: str = "onecycle"
    warmup: float = 0.2
    label_smoothing: float = 0.0
    seed: int = 0
    precision: str = "fp32"
    average: float = 0.0
    patience: int | None = None
    augment: Callable[[Tensor, Tensor, int, int], Tensor] | None = None
    sizes: tuple[int, ...] = ()
    channels_last: bool = True
    origin: str = ""

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():  # NumPy's numbers would not read back from a checkpoint
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        object.__setattr__(self, "sizes", tuple(self.sizes))
        rules = (
            (self.epochs >= 1 and self.epochs == int(self.epochs), "epochs", "a whole number from 1"),
            (self.batch_size >= 1 and self.batch_size == int(self.batch_size), "batch_size", "a whole number from 1"),
            (0 <= self.learning_rate < math.inf, "learning_rate", "0 or more, often between 0.001 and 0.5"),
            (0 <= self.momentum <= 1, "momentum", "0 to 1, often 0.9"),
            (0 <= self.weight_decay < math.inf, "weight_decay", "0 or more, often 0.0005"),
            (self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}"),
            (0 <= self.warmup < 1, "warmup", "a share of the steps, 0 or more and less than 1"),
            (0 <= self.label_smoothing < 1, "label_smoothing", "0 or more and less than 1"),
            (self.precision in PRECISIONS, "precision", " or ".join(PRECISIONS)),
            (0 <= self.average < 1, "average", "0 or more and less than 1, often 0.999"),
            (all(size >= 1 and size == int(size) for size in self.sizes), "sizes", "whole numbers of pixels, or ()"),
            (self.patience is None or self.patience >= 1, "patience", "None or at least 1"),
        )
        for fine, name, wanted in rules:
            if not fine:
                raise ValueError(f"{name}={getattr(self, name)!r}: choose {wanted}.")
        for name in ("epochs", "batch_size"):  # 64.0 is a whole number, and yet no tensor can be split by it
            object.__setattr__(self, name, int(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Give the hyperparameters as numbers, strings and dictionaries, for a checkpoint."""
        settings = {each.name: getattr(self, each.name) for each in fields(Hyperparameters)}
        return settings | {"augment": asdict(self.augment) if is_dataclass(self.augment) else name_of(self.augment)}


@dataclass(frozen=True)
class TrainConfig(Machine, Hyperparameters):
    """All settings of a training run: the `Hyperparameters`, which decide the numbers, and those of the `Machine`."""

    def __post_init__(self) -> None:
        Machine.__post_init__(self)
        Hyperparameters.__post_init__(self)


def name_of(function: Callable | None) -> str | None:
    """Name an augmentation or a loss, the same in each process: without its address in memory, which is not."""
    return None if function is None else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(function))
