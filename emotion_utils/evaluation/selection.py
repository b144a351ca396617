"""A network that may stay silent: it answers where it is sure enough, and is right more often where it does."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import check_share
from emotion_utils.evaluation.confidence import bootstrap_interval, check_probabilities
from emotion_utils.tensors import as_tensor


@dataclass(frozen=True)
class Selection:
    """What `answer_above` found.

    Attributes:
        threshold: the confidence from which on the network answers.
        kept: how many images it answers for.
        coverage: their share of all, 0 to 1.
        accuracy: share of right answers among them; nan if there are none.
        interval: 95 % bootstrap interval of that accuracy; two nan if there are none.
    """

    threshold: float
    kept: int
    coverage: float
    accuracy: float
    interval: tuple[float, float]


def answer_above(probabilities: Tensor, labels: Tensor, threshold: float) -> Selection:
    """Let a network answer only where its largest probability is `threshold` or more.

    Args:
        probabilities: float `(N, C)`; the threshold is compared at their precision.
        labels: int64 `(N,)`.
        threshold: 0 to 1.

    Raises:
        ValueError: rows that do not add up to 1, labels that do not fit, no images, or a threshold out of bounds.
    """
    threshold, given = check_share(threshold=threshold), as_tensor(probabilities, "probabilities")
    probabilities, labels = check_probabilities(given, labels)
    # In float64, which `probabilities` are now, 0.7 of float32 would not reach 0.7.
    sure = given.amax(1).cpu() >= threshold  # (N,)
    right = (probabilities.argmax(1) == labels)[sure]  # (K,)
    if not len(right):
        return Selection(threshold, 0, 0.0, torch.nan, (torch.nan, torch.nan))
    accuracy = float(right.double().mean())
    return Selection(threshold, len(right), len(right) / len(labels), accuracy, bootstrap_interval(right))


def accuracy_by_coverage(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the accuracy on the surest images against their share of all (El-Yaniv and Wiener, JMLR 2010).

    Args:
        probabilities: float `(N, C)`.
        labels: int64 `(N,)`.

    Returns:
        coverage and accuracy, float64 `(K,)` each, for each confidence that occurs as a threshold, the highest first.

    Raises:
        ValueError: rows that do not add up to 1, labels that do not fit, or no images.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    confidence, prediction = probabilities.max(1)  # (N,), (N,)
    confidence, order = confidence.sort(descending=True, stable=True)
    right = (prediction == labels)[order].double().cumsum(0)
    count = torch.arange(1, len(labels) + 1, dtype=torch.double)
    last = torch.cat([confidence[1:] < confidence[:-1], torch.tensor([True])])  # equal ones come together
    return (count / len(labels))[last], (right / count)[last]
