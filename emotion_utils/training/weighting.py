"""A loss in which some faces count more than others."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.tensors import as_tensor


class WeightedLoss(nn.Module):
    """Cross-entropy of each face times its weight, for `train(…, loss=WeightedLoss(weights))`.

    Args:
        weights: `(N,)`, one for each face of the training set, in order, such as `reweigh(labels, groups)`. They are
            scaled so that their mean is 1: a learning rate that fits without weights still does.

    Raises:
        TypeError, ValueError: no numbers, another shape, negative or not finite, or all 0.
    """

    def __init__(self, weights: Any) -> None:
        super().__init__()
        weights = as_tensor(weights, "weights").float()
        if weights.ndim != 1 or not len(weights):
            raise ValueError(f"weights have shape {tuple(weights.shape)}: give one for each face of the training set.")
        if not weights.isfinite().all() or (weights < 0).any() or not weights.sum() > 0:
            raise ValueError("weights: each is 0 or more and finite, and not all are 0.")
        self.register_buffer("weights", weights / weights.mean())

    def forward(self, logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Give the weighted loss of each image, `(B,)`; `index` says which images of the training set they are.

        Raises:
            ValueError: the training set holds more faces than there are weights.
        """
        if int(index.max()) >= len(self.weights):
            raise ValueError(
                f"weights hold {len(self.weights):,} numbers, and the training set has an image {int(index.max()):,}: "
                "give one for each."
            )
        return F.cross_entropy(logits, labels, reduction="none") * self.weights[index]

    def extra_repr(self) -> str:
        return f"{len(self.weights):,} faces, {self.weights.min():.2g} to {self.weights.max():.2g}"
