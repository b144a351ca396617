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
    """
    labels, count = dataset.labels.cpu(), len(dataset.classes)
    if isinstance(loss, SoftLabelCrossEntropy):
        return loss.targets.double().mean(0).cpu()
    weights: Any = None
    if isinstance(loss, WeightedLoss):
        weights = loss.weights.double().cpu()
    elif isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        label_smoothing = getattr(loss, "label_smoothing", 0.0)
        if loss.weight is not None and len(loss.weight) != count:
            return None  # the first step will say so
        weights = None if loss.weight is None else loss.weight.detach().double().cpu()[labels]
    elif loss is not None:
        return None
    if weights is not None and len(weights) != len(labels):
        return None  # here as well
    shares = torch.bincount(labels, weights, minlength=count).double()
    return (1 - label_smoothing) * shares / shares.sum() + label_smoothing / count
