"""A share of some faces and a calibration error, each with its interval: what a row of a table of groups holds."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.evaluation.confidence import calibration
from emotion_utils.randomness import stream_key


@dataclass(frozen=True)
class Rate:
    """A share of some faces.

    Attributes:
        value: 0 to 1; nan where there are no faces.
        low, high: its 95 % interval, by Wilson (1927), which is not 0 or 1 for sure where all of a few faces are right.
        count: of how many faces it is the share.
    """

    value: float
    low: float
    high: float
    count: int


def _interval(hits: int, count: int) -> tuple[float, float]:
    # Imported here, as in `bootstrap_interval`: it takes as long as importing PyTorch.
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def rate(values: Tensor) -> Rate:
    """Give the share of True among bool `(K,)`, with its interval; nan if there are none, between 0 and 1."""
    count, hits = len(values), int(values.sum())
    return Rate(hits / count, *_interval(hits, count), count) if count else Rate(math.nan, 0.0, 1.0, 0)


def calibration_error(
    probabilities: Tensor, labels: Tensor, draws: int, seed: int
) -> tuple[float, tuple[float, float], float]:
    """Give the calibration error, its interval, and the error of perfectly calibrated answers."""
    count = len(labels)
    if not count:
        return math.nan, (0.0, 1.0), math.nan
    found = calibration(probabilities, labels)
    confidence, prediction = probabilities.max(1)
    right = (prediction == labels).double()
    bins = len(found.count)
    place = (torch.bucketize(confidence, found.edges.double()) - 1).clamp(0, bins - 1)
    member = torch.nn.functional.one_hot(place, bins).double()  # (n, bins)
    generator = torch.Generator().manual_seed(stream_key(seed, "calibration"))
    picks = torch.randint(0, count, (draws, count), generator=generator)
    times = torch.zeros(draws, count, dtype=torch.double).scatter_add_(1, picks, torch.ones(picks.shape).double())
    again = (times @ ((confidence - right)[:, None] * member)).abs().sum(1) / count  # (draws,)
    lucky = (torch.rand(draws, count, generator=generator, dtype=torch.double) < confidence).double()
    chance = ((confidence - lucky) @ member).abs().sum(1) / count
    half = 1.96 * float(again.std(correction=0))
    return found.ece, (max(0.0, found.ece - half), min(1.0, found.ece + half)), float(chance.mean())
