"""TODO."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.randomness import stream_key


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in bins of equal width; each tensor has shape `(bins,)`.

    `count` is how many images fall into a bin (int64), `confidence` and `accuracy` are their means (float32, 0 in an
    empty bin). `ece` is the expected calibration error: the mean distance of the two, weighted by `count`.
    """

    edges: Tensor
    count: Tensor
    confidence: Tensor
    accuracy: Tensor
    ece: float


def bootstrap_interval(values: Tensor, draws: int = 1000, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Estimate how far the mean of `values` would vary from one test set of this size to another.

    Draw N values with replacement, take their mean, repeat; the interval holds the middle `level` of these means
    (the percentile bootstrap of Efron, 1979). For accuracy, `values` are 1 where a prediction is right, 0 elsewhere.

    Args:
        values: `(N,)`, bool or numbers, one per image.
        draws: how many means to draw.
        level: share of the means inside the interval.
        seed: of the draws.

    Raises:
        ValueError: no values, no draws, or a level outside (0, 1).
    """
    values = torch.as_tensor(values).cpu().double()
    if len(values) == 0 or draws < 1 or not 0 < level < 1:
        raise ValueError(
            f"{len(values)} values, {draws} draws, level {level}: need some of each, and a level in (0, 1)."
        )
    generator = torch.Generator().manual_seed(stream_key(seed, "bootstrap"))
    distinct, counts = values.unique(return_counts=True)
    if len(distinct) <= 2:
        # Counting how often one of two values is drawn is a binomial number: the same thing, a thousand times faster.
        share = torch.full((draws,), float(counts[-1]) / len(values), dtype=torch.double)
        means = torch.binomial(torch.full_like(share, len(values)), share, generator=generator) / len(values)
        means = distinct[0] + (distinct[-1] - distinct[0]) * means
    else:
        rows = max(1, 10_000_000 // len(values))  # at most 80 MB of indices at once
        parts = [
            values[torch.randint(len(values), (min(rows, draws - start), len(values)), generator=generator)].mean(1)
            for start in range(0, draws, rows)
        ]
        means = torch.cat(parts)
    low, high = means.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.double)).tolist()
    return low, high


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Calibration:
    """Compare confidence with accuracy in `bins` bins of equal width (Guo et al., ICML 2017).

    Args:
        probabilities: float `(N, C)`, rows adding up to 1. The confidence is the largest of a row.
        labels: int64 `(N,)`.
        bins: how many; a confidence on an edge belongs to the bin below.
    """
    confidence, prediction = probabilities.detach().cpu().double().max(1)
    correct = (prediction == labels.cpu()).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.double)
    place = (torch.bucketize(confidence, edges) - 1).clamp(0, bins - 1)
    count = torch.bincount(place, minlength=bins)
    some = count.clamp(min=1)
    mean_confidence = torch.bincount(place, confidence, minlength=bins) / some
    mean_accuracy = torch.bincount(place, correct, minlength=bins) / some
    ece = float(((mean_confidence - mean_accuracy).abs() * count).sum() / max(len(confidence), 1))
    return Calibration(edges.float(), count, mean_confidence.float(), mean_accuracy.float(), ece)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature T that minimises the cross-entropy of `logits / T` (Guo et al., ICML 2017).

    Fit it on validation data. Dividing all logits by T changes confidence and leaves every prediction as it is. The
    loss is convex in 1/T, so the search halves an interval until it is narrower than a millionth.

    Args:
        logits: float `(N, C)`.
        labels: int64 `(N,)`.

    Returns:
        T between 0.01 and 100: above 1 if the model was over-confident.
    """
    logits, labels = logits.detach().cpu().double(), labels.cpu()
    right = logits.gather(1, labels[:, None])[:, 0].mean()
    low, high = 0.01, 100.0  # of 1/T
    while high / low > 1 + 1e-6:
        scale = (low * high) ** 0.5
        # The slope of the mean cross-entropy against 1/T: mean logit under the softmax minus mean logit of the label.
        slope = ((scale * logits).softmax(1) * logits).sum(1).mean() - right
        low, high = (low, scale) if slope > 0 else (scale, high)
    return 1 / (low * high) ** 0.5
