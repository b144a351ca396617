"""The parts of stochastic gradient descent: settings, schedule, weight decay on weights only, averaged weights."""

import copy
import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SCHEDULES = ("onecycle", "cosine", "constant")


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run.

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
        device: "auto" takes a GPU if there is one; else "cpu", "cuda", "cuda:1", "mps".
        precision: "fp32", or "bf16" for matrix products in bfloat16 (faster on CPUs and GPUs that have it).
        average: decay of an exponential moving average of the weights, such as 0.999; 0 for none. The averaged weights
            are the ones that are validated and kept.
        patience: stop after this many epochs without a better validation accuracy; None never stops early.
        augment: an `Augment`; None leaves that of the training set as it is.
        sizes: progressive resizing: sides in pixels that the training images are scaled to, each for an equal share of
            the epochs, such as (32, 40, 48); () never scales. Early epochs then cost a fraction. It needs a network
            that takes smaller images in training, such as `FaceNet`. (Howard 2018, in fast.ai's entry to DAWNBench.)
        channels_last: store images with the channel as the innermost dimension, which is faster for convolutions.
        progress: print a line per epoch and show a bar while an epoch runs.

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
    device: str = "auto"
    precision: str = "fp32"
    average: float = 0.0
    patience: int | None = None
    augment: Callable[[Tensor, Tensor, int, int], Tensor] | None = None
    sizes: tuple[int, ...] = ()
    channels_last: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():  # NumPy's numbers would not read back from a checkpoint
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        object.__setattr__(self, "device", str(self.device))
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
            (self.precision in ("fp32", "bf16"), "precision", '"fp32" or "bf16"'),
            (0 <= self.average < 1, "average", "0 or more and less than 1, often 0.999"),
            (all(size >= 1 and size == int(size) for size in self.sizes), "sizes", "whole numbers of pixels, or ()"),
            (self.patience is None or self.patience >= 1, "patience", "None or at least 1"),
        )
        for fine, name, wanted in rules:
            if not fine:
                raise ValueError(f"{name}={getattr(self, name)!r} cannot work; choose {wanted}.")
        for name in ("epochs", "batch_size"):  # 64.0 is a whole number, and yet no tensor can be split by it
            object.__setattr__(self, name, int(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Give all settings as numbers, strings and dictionaries, for a checkpoint."""
        settings = {name: getattr(self, name) for name in self.__dataclass_fields__}
        settings["augment"] = asdict(self.augment) if is_dataclass(self.augment) else name_augment(self.augment)
        return settings


def name_augment(augment: Callable | None) -> str | None:
    """Name an augmentation, the same in each process; a function's `repr` holds its address in memory, which is not."""
    return None if augment is None else getattr(augment, "__qualname__", repr(augment))


def learning_rate_at(step: int, steps: int, config: TrainConfig) -> float:
    """Compute the learning rate of one step, counted from 0, of a run of `steps`: a pure function, nothing to save."""
    if config.schedule == "constant":
        return config.learning_rate
    done = (step + 0.5) / steps
    if done < config.warmup:
        return config.learning_rate * done / config.warmup
    falling = (done - config.warmup) / (1 - config.warmup)
    share = 1 - falling if config.schedule == "onecycle" else (1 + math.cos(math.pi * falling)) / 2
    return config.learning_rate * share


def size_in(epoch: int, config: TrainConfig) -> int | None:
    """Give the side in pixels that images are scaled to in an epoch, counted from 1; None leaves them as they are.

    Shares are counted from the end, so that odd epochs, or the only one, go to the last and largest size.
    """
    if not config.sizes:
        return None
    to_come = config.epochs - epoch
    return config.sizes[-1 - to_come * len(config.sizes) // config.epochs]


def sgd_parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Sort parameters for `torch.optim.SGD`: weight decay for weights, none for biases and batch norm.

    Weights have two or more dimensions. A bias or a batch norm's scale has one, and pulling it to zero would not make
    the function that the network computes any simpler.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    """Build SGD from the settings; Nesterov's look-ahead needs momentum, so without momentum it is left out."""
    groups = sgd_parameter_groups(model, config.weight_decay)
    if not groups:
        raise ValueError(
            "The model has no parameter to train: all are frozen (requires_grad=False), or there are none."
        )
    nesterov = config.nesterov and config.momentum > 0
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov)


class AveragedWeights:
    """An exponential moving average of a model's weights and buffers (Polyak & Juditsky 1992; batch norm included).

    `model` is a copy that holds the average. Early on the decay is smaller, so that the average forgets the start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average a little towards the present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mean, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" to a device.

    Raises:
        ValueError: no such device in this machine, or an unknown name.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'device={device!r} is unknown; choose "auto", "cpu", "cuda" or "mps".') from error
    there = {"cuda": cuda and (chosen.index or 0) < torch.cuda.device_count(), "mps": mps}.get(chosen.type, True)
    if not there:
        raise ValueError(f'device="{chosen}" was asked for, and this machine has none. Use "auto", or "cpu".')
    return chosen


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, for instance before building a model."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
