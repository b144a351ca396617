"""Averages of weights: along one run, and of several networks that started from the same weights."""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.base import FaceModel


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


def average_weights(models: Sequence[FaceModel]) -> FaceModel:
    """Give a new network whose weights are the mean of others'. Batch norm's statistics then need `refresh_batch_norm`.

    Args:
        models: two networks or more, of one architecture, for the same classes.

    Raises:
        ValueError: fewer than two, or networks that differ in more than their weights.
    """
    if len(models) < 2:
        raise ValueError(f"{len(models)} network was given; an average takes two or more.")
    first = models[0]
    for number, other in enumerate(models[1:], 2):
        theirs = _kind(other)
        for what, here in _kind(first).items():
            if theirs[what] != here:
                raise ValueError(
                    f"Network {number} is of another kind than the first ({what}: {theirs[what]} against {here}). "
                    "Average networks of one architecture, with one list of classes, that learnt one data set."
                )
    mean = AveragedModel(first)
    for model in models:
        mean.update_parameters(model)
    return mean.module


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

    Averaged weights make other sums in each layer than any sibling made, so the siblings' statistics do not fit them.
    """
    device = next(model.parameters()).device
    images = dataset.to(device)
    update_bn((images.batch(index) for index in torch.arange(len(images)).split(batch_size)), model)
