"""Averages of weights: along one run, and of several networks that started from the same weights."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.device import device_of
from emotion_utils.errors import brief, check_share, check_whole, reason
from emotion_utils.models.base import FaceModel
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import as_input, copied, eval_mode
from emotion_utils.models.inference import normalised_for, spoilt_weights
from emotion_utils.models.rebuilding import layers_of
from emotion_utils.randomness import random_state_kept, seed_everything, stream_key
from emotion_utils.training.step import as_in_training
from emotion_utils.training.undo import Before


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Make an exponential moving average of a model's weights and buffers, which begins with the present ones.

    `average.update_parameters(model)` moves it a little towards the weights of then; `average.module` is a network
    that holds it. Early on the decay is smaller, so that the average forgets the start. (Polyak & Juditsky 1992.)
    Whole numbers are copied, and so is a buffer that begins empty or not finite, of which there is no mean: a mask of
    minus infinity, or the range that an observer of quantisation has seen.

    Raises:
        ValueError: a decay below 0, or of 1 and more, with which the average would never move.
    """
    decay = check_share(decay=decay)
    if decay == 1:
        raise ValueError(f"decay={decay}: choose less than 1.")

    def update(averages: list[Tensor], values: list[Tensor], _: Tensor) -> None:
        count = int(average.n_averaged)  # always on the CPU; reading the argument would make a GPU wait
        now = min(decay, (1 + count) / (10 + count))
        if averages[0].is_floating_point():  # each call brings tensors of one type
            get_ema_multi_avg_fn(now)(averages, values, None)
        else:  # batch norm's counts of batches
            for mean, value in zip(averages, values, strict=True):
                mean.copy_(value)

    try:
        average = _MovingAverage(copied(model), multi_avg_fn=update, use_buffers=True)
    except (RuntimeError, TypeError) as error:  # open files, …
        raise ValueError(f"{type(model).__name__} cannot be copied, so choose average=0 ({reason(error)}).") from error
    average.update_parameters(model)  # the first call copies the weights
    return average


class _MovingAverage(AveragedModel):
    """An average in which some buffers are not averaged but copied."""

    def __init__(self, model: nn.Module, **options: Any) -> None:
        super().__init__(model, **options)
        buffers = self.module.named_buffers()
        self.to_copy = {name for name, value in buffers if not value.numel() or not value.isfinite().all()}

    def update_parameters(self, model: nn.Module) -> None:
        values = dict(model.named_buffers())
        for name, mean in list(self.module.named_buffers()):
            if name in values and mean.shape != values[name].shape:
                self._copy(name, values[name])  # it has grown, as observers do at the first batch
        super().update_parameters(model)
        for name in self.to_copy & values.keys():
            self._copy(name, values[name])

    def state_dict(self) -> dict[str, Any]:
        """Give what the module gives, which may have a way of its own, such as without the name of what it wraps."""
        own = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        return {"n_averaged": self.n_averaged} | own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict({name[7:]: value for name, value in state.items() if name.startswith("module.")})
        self.n_averaged.copy_(state["n_averaged"])

    def _copy(self, name: str, value: Tensor) -> None:
        owner, _, own = name.rpartition(".")
        setattr(self.module.get_submodule(owner), own, value.detach().clone())


def average_weights(models: Sequence[FaceModel]) -> FaceModel:
    """Give a new network whose weights are the mean of others'. Batch norm's statistics then need `refresh_batch_norm`.

    Args:
        models: two networks or more, of one architecture, for the same classes.

    Raises:
        TypeError: something else than networks of this package.
        ValueError: fewer than two, networks that differ in more than their weights, or weights that are not finite.
    """
    if not isinstance(models, Iterable):
        models = [models]
    models = [models] if isinstance(models, nn.Module) else list(models)
    for model in models:
        if not isinstance(model, FaceModel):
            raise TypeError(f"models: {brief(model)} is no network of this package; give a list of them.")
    if len(models) < 2:
        raise ValueError(f"models={len(models)}: give two networks or more to average.")
    first = models[0]
    for number, other in enumerate(models[1:], 2):
        theirs = _kind(other)
        for what, here in _kind(first).items():
            if theirs[what] != here:
                raise ValueError(_another_kind(number, f"{what}: {theirs[what]} against {here}"))
        if layers_of(first) != layers_of(other):
            raise ValueError(_another_kind(number, f"{_first_difference(first, other)} is not the same in both"))
    for number, model in enumerate(models, 1):
        if (name := spoilt_weights(model)) is not None:
            raise ValueError(f"Network {number} of {len(models)}: {name}. Leave it out, or train it anew.")
    mean = AveragedModel(copied(first))
    for model in models:
        mean.update_parameters(model)
    if len({model.frequencies for model in models}) > 1:
        mean.module.frequencies = None  # nobody knows what the mean of networks from different mixes takes for granted
    return mean.module


def _first_difference(one: nn.Module, other: nn.Module) -> str:
    """Name the first layer or weight in which two networks differ."""
    here, there = ({row[0]: row for row in layers_of(model)} for model in (one, other))
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return brief(names[0] or "forward") if names else "the order of the layers"


def _another_kind(number: int, why: str) -> str:
    return (
        f"Network {number} is of another kind than the first ({why}). Average networks of one architecture, with one "
        "list of classes, that learnt one data set."
    )


def _kind(model: FaceModel) -> dict[str, object]:
    """Collect what networks must have in common to be averaged, by name."""
    return {
        "network": type(model).__name__,
        "config": model.config,
        "classes": model.classes,
        "mean and standard deviation": model.normalisation(),
    }


def refresh_batch_norm(model: FaceModel, dataset: FaceDataset, batch_size: int = 128) -> None:
    """Measure batch norm's means and variances anew, over images as `dataset` gives them (augmented, if it augments).

    Averaged weights make other sums in each layer than any one of the networks made, so their statistics do not fit.
    Nor do they fit pictures of another source. Images are normalised as the model is used to seeing them. Mode and
    random state are kept; after an error the statistics are as they were.

    Raises:
        TypeError, ValueError, ShapeError: model and data do not fit together, see `check_fit`.
    """
    batch_size, dataset = check_whole(1, batch_size=batch_size), as_face_dataset(dataset)
    check_fit(model, dataset)  # before anything is changed
    device = device_of(model)
    images, before = normalised_for(model, dataset).to(device), Before(model)
    momenta = [(norm, norm.momentum) for norm in model.modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)]
    try:
        # A precision of the caller's would round what is measured; dropout is on while batch norm measures.
        with as_in_training(device), random_state_kept([device]), eval_mode(model):
            seed_everything(stream_key(dataset.seed, "batch norm"))
            batches = torch.arange(len(images)).split(batch_size)
            update_bn((as_input(images.batch(index)[0], model) for index in batches), model)
    except BaseException:
        before.restore(weights=True)
        raise
    finally:
        for norm, momentum in momenta:  # which `update_bn` brings back only when all goes well
            norm.momentum = momentum
