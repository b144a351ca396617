"""All settings of a training run, checked where they are made: those that decide the numbers, and the machine's."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from emotion_utils.errors import brief, check_number, check_share, check_whole
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
        plain = {  # NumPy's numbers would not read back from a checkpoint
            "epochs": check_whole(1, epochs=self.epochs),
            "batch_size": check_whole(1, batch_size=self.batch_size),
            "learning_rate": check_number(0, None, ", often 0.001 to 0.5", learning_rate=self.learning_rate),
            "momentum": check_number(0, 1, ", often 0.9", momentum=self.momentum),
            "nesterov": bool(self.nesterov),
            "weight_decay": check_number(0, None, ", often 0.0005", weight_decay=self.weight_decay),
            "warmup": check_share(warmup=self.warmup),
            "label_smoothing": check_share(label_smoothing=self.label_smoothing),
            "seed": check_whole(seed=self.seed),
            "average": check_share(average=self.average),
            "sizes": tuple(check_whole(1, sizes=size) for size in self.sizes),
            "channels_last": bool(self.channels_last),
        }
        if self.patience is not None:
            plain["patience"] = check_whole(1, None, ", or None to learn for all epochs", patience=self.patience)
        for name in ("warmup", "label_smoothing", "average"):
            if plain[name] == 1:
                raise ValueError(f"{name}={plain[name]}: choose less than 1.")
        for name, known in (("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={brief(getattr(self, name))}: choose {' or '.join(known)}.")
        for name, value in plain.items():
            object.__setattr__(self, name, value)

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
