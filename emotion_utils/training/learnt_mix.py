"""How common each class is in what a run learns: what a network must know of itself before that can be taken out."""

from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.training.distillation import SoftLabelCrossEntropy
from emotion_utils.training.losses import Loss
from emotion_utils.training.weighting import WeightedLoss


def learnt_mix(dataset: FaceDataset, loss: Loss | None, label_smoothing: float = 0.0) -> Tensor | None:
    """Give the share of each class in what a run learns, `(C,)`; None for a loss that does not say what it makes of it.

    It is the mean of the targets: of the labels, smoothed or not, counted by their weights if they have some, or of
    soft labels. A network that has learnt to say how probable each class is says so much of each, on average. Where
    soft labels are shares of votes, its answers are such shares, too, and not probabilities of a class. Divided by this
    mix, they then name rare classes too often; `set_facts` without `frequencies` keeps `predict_photo` from that.

    Args:
        dataset: the training set.
        loss: what `train` was given. `SoftLabelCrossEntropy`, `WeightedLoss` and PyTorch's own cross-entropies are
            known.
        label_smoothing: that of cross-entropy without a loss of one's own.

    Raises:
        ValueError: weights or soft labels that are not one for each image, as those of the whole are for a part.
    """
    labels, count = dataset.labels.cpu(), len(dataset.classes)
    if isinstance(loss, SoftLabelCrossEntropy):
        _check_one_for_each("targets", "(N, C)", loss.targets, (len(labels), count))
        return loss.targets.double().mean(0).cpu()
    weights: Any = None
    if isinstance(loss, WeightedLoss):
        _check_one_for_each("weights", "(N,)", loss.weights, (len(labels),))
        weights, label_smoothing = loss.weights.double().cpu(), 0.0
    elif isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        label_smoothing = getattr(loss, "label_smoothing", 0.0)
        if loss.weight is not None and len(loss.weight) != count:
            return None  # the first step will say so
        weights = None if loss.weight is None else loss.weight.detach().double().cpu()[labels]
    elif loss is not None:
        return None
    shares = torch.bincount(labels, weights, minlength=count).double()
    if not (shares.isfinite().all() and shares.sum() > 0):
        return None  # here as well: weights are 1 / 0, or all 0
    return (1 - label_smoothing) * shares / shares.sum() + label_smoothing / count


def _check_one_for_each(name: str, form: str, given: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(given.shape) != wanted:
        raise ValueError(
            f"loss: its {name} have shape {tuple(given.shape)}, and the training set wants {form} = {wanted}. Give one "
            f"for each image, in their order; if the training set is a part of another, {name}[indices]."
        )
