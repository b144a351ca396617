"""How far luck moves the difference of two accuracies: the luck of the faces, and the luck of the seed."""

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit
from torch import Tensor

from emotion_utils.errors import brief


def paired_margin(mine: Tensor, baseline: Tensor) -> float:
    """Give half of the 95 % interval of the difference of two accuracies on the same faces, bool `(N,)` each.

    Faces that both recognise, or neither, add nothing to it: what counts is how often the two disagree (the test of
    McNemar, 1947, as an interval).
    """
    paired = mine.float() - baseline.float()
    return 1.96 * float(paired.std(correction=0)) / len(paired) ** 0.5


def seed_margin(mine: Sequence[float], baseline: Sequence[float]) -> float:
    """Give half of the 95 % interval of the difference of two mean accuracies, from how they scatter over seeds.

    Student's t for two samples of one scatter, pooled over both. With a single run on one side it is a prediction
    interval: where another run of the other side would land. It asks nothing about the faces, which are the same.

    Raises:
        ValueError: fewer than two accuracies on both sides.
    """
    sides = [list(side) for side in (mine, baseline)]
    freedom = sum(len(side) for side in sides) - 2
    if freedom < 1 or not all(sides):
        raise ValueError(f"mine={brief(sides[0])}, baseline={brief(sides[1])}: give two runs or more of one of them.")
    squares = sum(len(side) * statistics.pvariance(side) for side in sides)
    scatter = math.sqrt(squares / freedom * sum(1 / len(side) for side in sides))
    return float(stdtrit(freedom, 0.975)) * scatter


def mean_margin(accuracies: Sequence[float]) -> float:
    """Give half of Student's 95 % interval of a mean over two seeds or more."""
    count = len(accuracies)
    return float(stdtrit(count - 1, 0.975)) * statistics.stdev(accuracies) / math.sqrt(count)
