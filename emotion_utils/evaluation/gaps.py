"""The largest of many differences, with an interval that knows that it was picked because it is the largest.

Whoever looks at ten groups and reports the two farthest apart finds a gap in any data, by chance alone. The interval
here is one of a family: all differences lie in theirs at once, with the chosen probability, so the largest does, too.
"""

from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from emotion_utils.errors import check_number, check_whole
from emotion_utils.randomness import stream_key

FEWEST = 10  # faces; of fewer, a share is hardly more than an anecdote, and takes no part in gaps
MOST_DRAWS = 100_000


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups.

    Attributes:
        measure: what differs, such as "accuracy" or "recall of angry".
        high: the group with the higher share.
        low: the one with the lower.
        value: how much higher, 0 to 1.
        interval: of that difference; it holds for all the differences that were looked at, at once.
        single: the interval that it would have, had these two groups been chosen beforehand.
        p_value: how often chance alone gives a largest difference as clear as this one.
        compared: how many differences were looked at.
    """

    measure: str
    high: str
    low: str
    value: float
    interval: tuple[float, float]
    single: tuple[float, float]
    p_value: float
    compared: int

    @property
    def clear(self) -> bool:
        """Whether chance alone would hardly give it: the interval lies above 0."""
        return self.interval[0] > 0

    def __str__(self) -> str:
        low, high = (100 * end for end in self.interval)
        verdict = "more than chance gives" if self.clear else "may be chance"
        return (
            f"largest gap in {self.measure}: {100 * self.value:.1f} points between {self.high} and {self.low}, "
            f"95 % interval {low:.1f} to {high:.1f}, the largest of {self.compared:,}: {verdict}"
        )


@dataclass(frozen=True, eq=False)
class Differences:
    """All differences at once, P of them.

    Attributes:
        value: float64 `(P,)`.
        error: float64 `(P,)`, the standard error of each.
        reach: so many standard errors to each side hold all differences at once, with the chosen probability.
        single: the same for one difference that was chosen beforehand.
        p_value: float64 `(P,)`: how often the largest of P such differences is as many errors from 0, by chance alone.
    """

    value: Tensor
    error: Tensor
    reach: float
    single: float
    p_value: Tensor


def compare_all(
    values: Tensor, cells: Tensor, pairs: Tensor, draws: int = 5000, level: float = 0.95, seed: int = 0
) -> Differences:
    """Compare the means of many cells, pair by pair, with one quantile for all.

    Each mean varies from one set of faces to another; cells that share faces vary together. So the differences are
    normal, to a good approximation, with a covariance that the faces themselves tell. The largest of their absolute
    standardised errors is simulated `draws` times, and its quantile replaces the 1.96 of a single interval (the maximum
    of Westfall and Young, 1993; from such a covariance, Chernozhukov, Chetverikov and Kato, Annals of Statistics 2013).
    Each share gets the variance of one with a success and a failure more (Agresti and Caffo, 2000), or a group of three
    faces that are all right would count as certain.

    Args:
        values: `(M, N)`, 0 or 1 for each face: what the mean is taken of.
        cells: bool `(M, N)`, whose mean it is; none of them empty.
        pairs: int64 `(P, 2)`, numbers of two cells.
        draws: how many maxima to simulate.
        level: of the interval.
        seed: of the simulation.

    Raises:
        ValueError: no draws, or a level outside 0.5 to 0.9999.
    """
    draws = check_whole(1, MOST_DRAWS, draws=draws)
    level = check_number(0.5, 0.9999, level=level)
    weights = cells.double()  # (M, N)
    counts = weights.sum(1)  # (M,)
    means = (weights * values).sum(1) / counts
    smooth = (means * counts + 1) / (counts + 2)
    influence = weights * (values - means[:, None]) / counts[:, None]  # (M, N): what each face does to a mean
    covariance = influence @ influence.T  # (M, M)
    wanted = smooth * (1 - smooth) / (counts + 2)
    scale = torch.where(covariance.diag() > 1e-15, (wanted / covariance.diag().clamp(min=1e-15)).sqrt(), 1.0)
    covariance = covariance * scale[:, None] * scale
    covariance.diagonal().copy_(wanted)  # also where all are right, or all wrong
    first, second = pairs.unbind(1)
    variance = wanted[first] + wanted[second] - 2 * covariance[first, second]
    error = variance.clamp(min=1e-15).sqrt()  # (P,)
    spread, directions = torch.linalg.eigh(covariance)
    factor = directions * spread.clamp(min=0).sqrt()  # (M, M): factor @ factor.T is the covariance
    generator = torch.Generator().manual_seed(stream_key(seed, "largest gap"))
    largest = []
    for part in torch.arange(draws).split(500):  # so that memory stays small with many pairs
        noise = torch.randn(len(part), len(factor), generator=generator, dtype=torch.double) @ factor.T
        largest.append(((noise[:, first] - noise[:, second]).abs() / error).amax(1))
    maxima = torch.cat(largest).sort().values  # (draws,)
    value = means[first] - means[second]
    as_far = draws - torch.searchsorted(maxima, value.abs() / error)
    return Differences(
        value, error, float(maxima.quantile(level)), NormalDist().inv_cdf((1 + level) / 2), (1 + as_far) / (1 + draws)
    )
