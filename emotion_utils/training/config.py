"""All settings of a training run, checked where they are made: those that decide the numbers, and the machine's."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from emotion_utils.errors import brief, check_number, check_share, check_whole
from emotion_utils.files import as_path
from emotion_utils.models.arguments import MOST_PIXELS, check_yes, plain
from emotion_utils.randomness import MOST_SEED
from emotion_utils.training.distributed import ProcessGroup
from emotion_utils.training.identity import as_plain, name_of
from emotion_utils.training.watching import Moment

SCHEDULES = ("onecycle", "cosine", "constant")
PRECISIONS = ("fp32", "bf16")
LARGEST = 1e38  # float32 holds little more
MOST = 10**9  # epochs, or images in a batch


@dataclass(frozen=True)
class Machine:
    """Where a run is computed and what it shows. A run may go on with others: beyond rounding, no result depends on it.

    Attributes:
        device: "auto" takes a GPU if there is one; else "cpu", "cuda", "cuda:1", "mps".
        progress: print a line per epoch and show a bar while an epoch runs.
        tensorboard: folder for TensorBoard's event files; None writes none.
        group: the processes that share the work; by default this one works alone.
        watch: a function that is handed a `Moment` after each epoch, at the end and, now and then, after a step:
            `LiveCurves()` from `emotion_utils.widgets` draws them. If it fails, the run goes on without it.
    """

    device: str = "auto"
    progress: bool = True
    tensorboard: str | Path | None = None
    group: ProcessGroup = field(default_factory=ProcessGroup, repr=False, compare=False)
    watch: Callable[[Moment], Any] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(self.device))  # a torch.device may be given, too
        object.__setattr__(self, "progress", check_yes(progress=self.progress))
        if self.tensorboard is not None:
            object.__setattr__(self, "tensorboard", as_path(self.tensorboard, "tensorboard"))
        if not isinstance(self.group, ProcessGroup):
            raise ValueError(f"group={brief(self.group)}: give what init_process_group() returns.")
        if self.watch is not None and not callable(self.watch):
            raise ValueError(f"watch={brief(self.watch)}: give LiveCurves(), a function of one argument, or None.")


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
        layer_rates: factors of the learning rate for parts of the network, by the names in `named_modules`:
            `{"features": 0.1}` lets the features learn ten times as slowly. The longest name that fits counts; all else
            has 1. (Howard and Ruder, ACL 2018, call it discriminative fine-tuning.)
        schedule: "onecycle" rises and falls in straight lines, "cosine" rises likewise and falls along a cosine,
            "constant" stays.
        warmup: share of all steps in which the rate rises from zero; "constant" has none.
        label_smoothing: share of the target that is spread over all classes.
        seed: decides order, augmentation and dropout. (The starting weights are drawn when the model is built.)
        precision: "fp32", or "bf16" for matrix products in bfloat16 (faster on CPUs and GPUs that have it).
        average: decay of an exponential moving average of the weights, such as 0.999; 0 for none. The averaged weights
            are the ones that are validated and kept.
        patience: stop after this many epochs without a better validation accuracy; None never stops early, nor does a
            run without a validation set.
        augment: an `Augment`; None leaves that of the training set as it is.
        sizes: progressive resizing: sides in pixels that the training images are scaled to, each for an equal share of
            the epochs, such as (32, 40, 48); () never scales. Early epochs then cost a fraction. It needs a network
            that takes smaller images in training, such as `FaceNet`. (Howard 2018, in fast.ai's entry to DAWNBench.)
        channels_last: store images with the channel as the innermost dimension, which is faster for convolutions. A
            network that cannot work so, as one with `x.view(len(x), -1)` behind a convolution, keeps the usual order.
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
    layer_rates: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
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
        checked = {  # and made plain: NumPy's numbers would not read back from a checkpoint
            "epochs": check_whole(1, MOST, epochs=self.epochs),
            "batch_size": check_whole(1, MOST, batch_size=self.batch_size),
            "learning_rate": check_number(0, LARGEST, ", often 0.001 to 0.5", learning_rate=self.learning_rate),
            "momentum": check_number(0, 1, ", often 0.9", momentum=self.momentum),
            "nesterov": check_yes(nesterov=self.nesterov),
            "weight_decay": check_number(0, LARGEST, ", often 0.0005", weight_decay=self.weight_decay),
            "layer_rates": _check_layer_rates(self.layer_rates),
            "schedule": _check_name(SCHEDULES, schedule=self.schedule),
            "warmup": _check_below_1(warmup=self.warmup),
            "label_smoothing": _check_below_1(label_smoothing=self.label_smoothing),
            "seed": check_whole(0, MOST_SEED, seed=self.seed),
            "precision": _check_name(PRECISIONS, precision=self.precision),
            "average": _check_below_1(average=self.average),
            "sizes": _check_sizes(self.sizes),
            "channels_last": check_yes(channels_last=self.channels_last),
            "origin": str(self.origin),
        }
        if self.patience is not None:
            checked["patience"] = check_whole(1, None, ", or None to learn for all epochs", patience=self.patience)
        if self.augment is not None and not callable(self.augment):
            raise ValueError(f"augment={brief(self.augment)}: give an Augment, a function like it, or None.")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Give the hyperparameters as numbers, strings and dictionaries, for a checkpoint."""
        settings = {each.name: getattr(self, each.name) for each in fields(Hyperparameters)}
        augment = asdict(self.augment) if is_dataclass(self.augment) else name_of(self.augment)
        if not self.layer_rates:  # a run goes on from checkpoints that were written before there were any
            del settings["layer_rates"]
        return as_plain(settings | {"augment": augment})


@dataclass(frozen=True)
class TrainConfig(Machine, Hyperparameters):
    """All settings of a training run: the `Hyperparameters`, which decide the numbers, and those of the `Machine`."""

    def __post_init__(self) -> None:
        Machine.__post_init__(self)
        Hyperparameters.__post_init__(self)


def check_config(config: TrainConfig | None) -> TrainConfig:
    """Return the settings, the defaults for None; a TypeError for anything else."""
    if config is not None and not isinstance(config, TrainConfig):
        raise TypeError(f"config={brief(config)}: give a TrainConfig, such as TrainConfig(epochs=3).")
    return config or TrainConfig()


def _check_below_1(**named: Any) -> float:
    """Return the one value that is named as a plain number, 0 or more and less than 1."""
    share = check_share(**named)
    if share == 1:
        raise ValueError(f"{next(iter(named))}={share}: choose less than 1.")
    return share


def _check_layer_rates(rates: Any) -> tuple[tuple[str, float], ...]:
    """Return factors by name as pairs; raise a ValueError for what is no dictionary of numbers."""
    pairs = tuple(rates.items()) if isinstance(rates, Mapping) else rates
    wrong = not isinstance(pairs, tuple) or any(
        not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str) for pair in pairs
    )
    if wrong:
        raise ValueError(f"layer_rates={brief(rates)}: give factors by the names of layers, as in {{'features': 0.1}}.")
    return tuple((str(name), float(check_number(0, 1000, layer_rates=factor))) for name, factor in pairs)


def _check_name(known: tuple[str, ...], **named: Any) -> str:
    ((name, value),) = named.items()
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}={brief(value)}: choose {' or '.join(known)}.")
    return str(value)


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    sizes = plain(sizes)
    if not isinstance(sizes, tuple):
        raise ValueError(f"sizes={brief(sizes)}: choose sides in pixels, such as (32, 40, 48), or () for none.")
    return tuple(check_whole(1, MOST_PIXELS, sizes=size) for size in sizes)
