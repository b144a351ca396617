"""Which learning rates work? Raise the rate from step to step and watch the loss (Smith, WACV 2017)."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.device import pick_device
from emotion_utils.errors import DivergedError, brief, check_number, check_share, check_whole, reason
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import copied, place_of, unwrap
from emotion_utils.randomness import random_state_kept, seed_everything, stream_key
from emotion_utils.tensors import as_tensor
from emotion_utils.training.config import LARGEST, TrainConfig, check_config
from emotion_utils.training.layout import take_channels_last
from emotion_utils.training.step import (
    as_in_training,
    epoch_batches,
    forward_losses,
    make_optimizer,
    set_learning_rate,
    set_training_mode,
)


@dataclass(frozen=True)
class LRRange:
    """Result of `lr_range_test`: a loss for each rate, smoothed, up to where it went out of bounds.

    `suggestion` is the rate at which the smoothed loss falls fastest per factor of the rate, before its lowest point,
    which is already the edge: a good `learning_rate` to start from. Notebook 04 teaches this rule and no other.

    Raises:
        ValueError: lists of unequal length, or of something else than numbers.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float

    def __post_init__(self) -> None:
        for name in ("rates", "losses"):
            values = as_tensor(getattr(self, name), name)
            if values.ndim != 1 or values.dtype == torch.bool:
                raise ValueError(f"{name}={brief(getattr(self, name))}: give a list of numbers.")
            object.__setattr__(self, name, values.tolist())
        if len(self.rates) != len(self.losses):
            raise ValueError(f"{len(self.losses)} losses for {len(self.rates)} rates: give one for each.")
        object.__setattr__(self, "suggestion", check_number(above=0, suggestion=self.suggestion))


def lr_range_test(
    model: nn.Module,
    train_set: FaceDataset,
    config: TrainConfig | None = None,
    start: float = 1e-5,
    stop: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
) -> LRRange:
    """Train a copy of `model` for a few steps while the rate grows from `start` to `stop` by equal factors.

    It ends early when the loss passes three times its first value. The model itself, its buffers and the random
    state are left as they are.

    Args:
        model: the network, usually untrained.
        train_set: images to train the copy on.
        config: batch size, momentum, weight decay, seed, device and precision; its rate and schedule are not used.
        start: first rate, above zero.
        stop: last rate.
        steps: how many rates to try.
        smoothing: share of the running mean of the loss that stays from step to step.

    Raises:
        ValueError: rates that do not grow, too few steps, or weights that are not finite.
        ShapeError: model and data do not fit together.
        DivergedError: the loss of the first batch is not finite.
    """
    config, train_set = check_config(config), as_face_dataset(train_set, "train_set")
    start, stop = check_number(None, LARGEST, above=0, start=start), check_number(None, LARGEST, above=0, stop=stop)
    steps, smoothing = check_whole(3, 10**6, steps=steps), check_share(smoothing=smoothing)
    if start >= stop:
        raise ValueError(f"start={start}, stop={stop}: choose rates that grow.")
    if smoothing == 1:
        raise ValueError(f"smoothing={smoothing}: choose less than 1.")
    factors = [(stop / start) ** (step / (steps - 1)) for step in range(steps)]
    with as_in_training(pick_device(config.device)):
        check_fit(model, train_set, training=True)
        rates, losses = _try_rates(model, train_set, config, [start * factor for factor in factors], smoothing)
    if not losses:
        raise DivergedError(
            "The loss of the first batch is not finite: look for images or a model with infinite values."
        )
    return LRRange(rates, losses, _steepest(rates, losses))


def _try_rates(
    model: nn.Module, train_set: FaceDataset, config: TrainConfig, rates: list[float], smoothing: float
) -> tuple[list[float], list[float]]:
    """Take a step with a copy of the model at each rate; give those before the loss ran away, and smoothed losses."""
    device = pick_device(config.device)
    try:
        trial = copied(unwrap(model)).to(device)
        set_training_mode(trial)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueError(f"model={type(model).__name__}: it cannot be copied to be tried ({reason(error)}).") from error
    dtype, optimizer = place_of(trial)[1], make_optimizer(trial, config)
    data = train_set.with_augment(config.augment or train_set.augment, config.seed)
    config = take_channels_last(trial, data, config)
    losses, running, epoch, batches = [], 0.0, 0, []
    with random_state_kept([device]):
        for step, rate in enumerate(rates):
            if not batches:
                epoch += 1
                data.set_epoch(epoch)
                batches = epoch_batches(len(data), config.batch_size, config.seed, epoch)
            index = batches.pop(0)
            seed_everything(stream_key(config.seed, "dropout", step))
            images, labels = data.batch(index)
            _, each = forward_losses(trial, images.to(device, dtype), labels.to(device), index, config)
            running = smoothing * running + (1 - smoothing) * float(each.detach().mean())
            smooth = running / (1 - smoothing ** (step + 1))
            if not math.isfinite(smooth) or (losses and smooth > 3 * losses[0]):
                break
            losses.append(smooth)
            set_learning_rate(optimizer, rate)
            optimizer.zero_grad()
            each.mean().backward()
            optimizer.step()
    return rates[: len(losses)], losses


def _steepest(rates: list[float], losses: list[float], width: int = 5) -> float:
    """Find the rate before the lowest loss where the loss falls fastest against the logarithm of the rate.

    The slope is taken across `width` steps to either side, because single steps are noisy.
    """
    lowest = losses.index(min(losses))
    inner = range(width, lowest - width + 1)
    if not inner:
        return rates[lowest // 2]
    return rates[max(inner, key=lambda i: losses[i - width] - losses[i + width])]
