"""How sure one can be: the interval around an accuracy, and whether a network's own confidence can be believed."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.errors import check_number, check_whole
from emotion_utils.models.inference import warn_if_probabilities
from emotion_utils.randomness import stream_key
from emotion_utils.tensors import as_tensor

MOST_DRAWS = 10_000_000
MOST_BINS = 10_000
COLDEST, HOTTEST = 0.01, 100.0  # temperatures between which `fit_temperature` looks


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against accuracy in bins of equal width."""

    edges: Tensor  # (bins + 1,) float32, from 0 to 1
    count: Tensor  # (bins,) int64: how many images fall into each bin
    confidence: Tensor  # (bins,) float32: mean of the largest probability, 0 in an empty bin
    accuracy: Tensor  # (bins,) float32: share of correct predictions, 0 in an empty bin
    ece: float  # expected calibration error: mean distance of confidence and accuracy, weighted by count


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
        ValueError: no values, values that are not finite, no draws, or a level outside (0, 1).
    """
    values = as_tensor(values, "values").cpu()
    if values.ndim != 1 or len(values) == 0:
        what = "is empty" if values.numel() == 0 else f"have shape {tuple(values.shape)}"
        raise ValueError(f"values {what}: give one number for each image.")
    values = values.double()
    if not values.isfinite().all():
        raise ValueError(f"values hold {int((~values.isfinite()).sum()):,} that are not finite: leave them out.")
    draws, seed = check_whole(1, MOST_DRAWS, ", often 1000", draws=draws), check_whole(seed=seed)
    level = check_number(0, 1, ", often 0.95", level=level)
    if not 0 < level < 1:
        raise ValueError(f"level={level}: choose a share between 0 and 1, often 0.95.")
    key = stream_key(seed, "bootstrap")
    distinct, counts = values.unique(return_counts=True)
    if len(distinct) <= 2:
        return _interval_of_two_values(distinct, counts, draws, level, key)
    # Imported here, as in `fit_temperature`: SciPy's and scikit-learn's modules take as long to import as PyTorch.
    from scipy.stats import bootstrap

    result = bootstrap(
        (values.numpy(),), np.mean, n_resamples=draws, batch=max(1, 1_000_000 // len(values)), confidence_level=level,
        method="percentile", random_state=np.random.default_rng(key),  # SciPy before 1.15 does not know `rng`
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _interval_of_two_values(
    distinct: Tensor, counts: Tensor, draws: int, level: float, key: int
) -> tuple[float, float]:
    """Do the same for right and wrong, where how often one of the two is drawn is a binomial number.

    For 3,589 images this takes 0.3 milliseconds, and `scipy.stats.bootstrap` 50.
    """
    generator, number = torch.Generator().manual_seed(key), int(counts.sum())
    share = torch.full((draws,), float(counts[-1]) / number, dtype=torch.double)
    means = torch.binomial(torch.full_like(share, number), share, generator=generator) / number
    means = distinct[0] + (distinct[-1] - distinct[0]) * means
    low, high = means.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.double)).tolist()
    return low, high


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Calibration:
    """Compare confidence with accuracy in `bins` bins of equal width (Guo et al., ICML 2017).

    Args:
        probabilities: float `(N, C)`, rows adding up to 1. The confidence is the largest of a row.
        labels: int64 `(N,)`.
        bins: how many; a confidence on an edge belongs to the bin below.

    Raises:
        ValueError: rows that do not add up to 1, numbers that are not finite, labels that do not fit, or no images.
    """
    bins = check_whole(1, MOST_BINS, bins=bins)
    probabilities, labels = check_probabilities(probabilities, labels)
    confidence, prediction = probabilities.max(1)  # (N,), (N,)
    correct = (prediction == labels).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.double)
    place = (torch.bucketize(confidence, edges) - 1).clamp(0, bins - 1)  # (N,): the bin of each image
    count = torch.bincount(place, minlength=bins)
    some = count.clamp(min=1)
    mean_confidence = torch.bincount(place, confidence, minlength=bins) / some
    mean_accuracy = torch.bincount(place, correct, minlength=bins) / some
    ece = float(((mean_confidence - mean_accuracy).abs() * count).sum() / max(len(confidence), 1))
    return Calibration(edges.float(), count, mean_confidence.float(), mean_accuracy.float(), ece)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature T that minimises the cross-entropy of `logits / T` (Guo et al., ICML 2017).

    Fit it on validation data. Dividing all logits by T changes confidence and leaves every prediction as it is. The
    loss is convex in 1/T, so along log T, where the search goes on, it has one valley. A model without any error wants
    to be ever surer: for it, the answer is one of the small T at which the loss is zero to machine precision.

    Args:
        logits: float `(N, C)`.
        labels: int64 `(N,)`.

    Returns:
        T between 0.01 and 100: above 1 if the model was over-confident.

    Raises:
        ValueError: logits that are not finite, labels that do not fit, or no images.
    """
    from scipy.optimize import minimize_scalar

    logits, labels = check_scores("logits", logits, labels)
    warn_if_probabilities(logits)

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_t), labels))

    bounds = math.log(COLDEST), math.log(HOTTEST)
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x)


def check_probabilities(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Do as `check_scores`, and refuse what is no probability.

    Raises:
        ValueError: numbers below 0, rows that do not add up to 1, and as `check_scores`.
    """
    probabilities, labels = check_scores("probabilities", probabilities, labels)
    sums, least = probabilities.sum(1), probabilities.amin(1)
    wrong = (least < 0) | ((sums - 1).abs() > 0.01)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        what = f"adds up to {float(sums[row]):.3g}, not to 1" if least[row] >= 0 else f"holds {float(least[row]):.3g}"
        raise ValueError(f"probabilities: row {row} {what}. Of logits, softmax(1) makes probabilities.")
    return probabilities, labels


def check_scores(name: str, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits or probabilities as float64 `(N, C)` and labels as int64 `(N,)`, on the CPU.

    Raises:
        ValueError: other shapes, lengths that differ, numbers that are not finite, labels that are no classes.
    """
    scores, labels = as_tensor(scores, name).cpu(), as_tensor(labels, "labels").cpu()
    if scores.ndim != 2 or scores.numel() == 0 or not scores.is_floating_point():
        raise ValueError(f"{name} are {scores.dtype} {tuple(scores.shape)}: give floats (N, C), a row for each image.")
    if labels.shape != scores.shape[:1]:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} for {len(scores):,} rows of {name}: give one for each."
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels are {labels.dtype}: give whole numbers, labels.long().")
    labels = labels.long()
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= scores.shape[1]:
        raise ValueError(
            f"labels run from {low} to {high}, and {name} have {scores.shape[1]} columns, 0 to {scores.shape[1] - 1}."
        )
    bad = (~scores.isfinite()).any(1).nonzero()[:, 0]
    if len(bad):
        raise ValueError(
            f"{name} of {len(bad):,} of {len(scores):,} images are not finite, first of image {int(bad[0])}."
        )
    return scores.double(), labels
