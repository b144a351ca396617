"""What the numbers mean: accuracy with its interval, errors class by class, and whether confidence can be believed."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.dataset import FaceDataset
from emotion_utils.inference import compute_logits
from emotion_utils.optimisation import pick_device
from emotion_utils.randomness import stream_key
from emotion_utils.steps import check_fit


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


@dataclass(frozen=True, repr=False)
class Report:
    """What `evaluate` measured; `print(report)` shows it as a table. Fractions lie in [0, 1].

    Attributes:
        probabilities: float32 `(N, C)`; logits: float32 `(N, C)`; labels, predictions: int64 `(N,)`. All on the CPU.
        classes: names of the classes.
        twins: bool `(N,)`, which images have an identical twin in training; None where that is unknown.
        interval: lower and upper end of the accuracy's 95 % bootstrap interval.
        confusion: int64 `(C, C)`; row = true class, column = predicted class.
        precision, recall, f1: float64 `(C,)`, 0 where the class was never predicted, or never occurs.
        loss: mean cross-entropy in nats. ece: expected calibration error over 15 bins.
    """

    probabilities: Tensor
    logits: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    interval: tuple[float, float]
    twins: Tensor | None = None

    @property
    def predictions(self) -> Tensor:
        """The most probable class of each image, int64 `(N,)`."""
        return self.probabilities.argmax(1)

    @property
    def correct(self) -> Tensor:
        """Whether each prediction is right, bool `(N,)`."""
        return self.predictions == self.labels

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified correctly."""
        return _mean(self.correct)

    @property
    def confusion(self) -> Tensor:
        """Counts, int64 `(C, C)`: row = true class, column = predicted class."""
        return confusion_matrix(self.labels, self.predictions, len(self.classes))

    @property
    def precision(self) -> Tensor:
        """Of the images predicted as a class, the share that belongs to it: float64 `(C,)`."""
        return _ratio(self.confusion.diag(), self.confusion.sum(0))

    @property
    def recall(self) -> Tensor:
        """Of the images of a class, the share that is predicted as such: float64 `(C,)`."""
        return _ratio(self.confusion.diag(), self.confusion.sum(1))

    @property
    def f1(self) -> Tensor:
        """Harmonic mean of precision and recall: float64 `(C,)`."""
        return _ratio(2 * self.confusion.diag(), self.confusion.sum(0) + self.confusion.sum(1))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur among labels or predictions."""
        seen = self.confusion.sum(0) + self.confusion.sum(1) > 0
        return float(self.f1[seen].mean())

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that occur: accuracy as if all classes were equally frequent."""
        return float(self.recall[self.confusion.sum(1) > 0].mean())

    @property
    def ece(self) -> float:
        """Expected calibration error over 15 bins."""
        return calibration(self.probabilities, self.labels).ece

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(F.cross_entropy(self.logits.double(), self.labels))

    @property
    def accuracy_with_twins(self) -> float | None:
        """Accuracy on images that have an identical twin in training; None if there are none or it is unknown."""
        return _mean(self.correct[self.twins]) if self.twins is not None and self.twins.any() else None

    @property
    def accuracy_without_twins(self) -> float | None:
        """Accuracy on images without a twin in training, the honest ones; None if there are none or it is unknown."""
        return _mean(self.correct[~self.twins]) if self.twins is not None and not self.twins.all() else None

    def confident_mistakes(self, k: int = 16) -> Tensor:
        """Find the `k` wrong predictions of highest probability, the surest first: indices, int64 `(≤ k,)`."""
        wrong = (~self.correct).nonzero()[:, 0]
        order = self.probabilities.amax(1)[wrong].argsort(descending=True, stable=True)
        return wrong[order[:k]]

    def __str__(self) -> str:
        low, high = self.interval
        lines = [
            f"{self.name}: {len(self.labels):,} images",
            f"accuracy {self.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), macro-F1 {self.macro_f1:.3f}, "
            f"balanced accuracy {self.balanced_accuracy:.1%}",
            f"cross-entropy {self.loss:.3f} nats, expected calibration error {self.ece:.3f}",
        ]
        if self.accuracy_with_twins is not None:
            lines.append(
                f"{int(self.twins.sum()):,} images have an identical twin in training: accuracy "
                f"{self.accuracy_with_twins:.1%} with, "
                + (
                    "none without"
                    if self.accuracy_without_twins is None
                    else f"{self.accuracy_without_twins:.1%} without"
                )
            )
        width = max(map(len, self.classes))
        lines.append(f"{'class':<{width}}  precision  recall     F1  images")
        for i, title in enumerate(self.classes):
            lines.append(
                f"{title:<{width}}  {self.precision[i]:>9.3f}  {self.recall[i]:>6.3f}  {self.f1[i]:>5.3f}  "
                f"{int(self.confusion[i].sum()):>6,}"
            )
        return "\n".join(lines)

    __repr__ = __str__


def evaluate(
    model: nn.Module,
    dataset: FaceDataset,
    *,
    batch_size: int = 512,
    bootstrap: int = 1000,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> Report:
    """Measure `model` on all images of `dataset`, unaugmented.

    The images are normalised as in training: with the model's own `mean` and `std` if it knows them, else with those of
    the data set.

    Args:
        model: a network that gives logits `(N, C)`.
        dataset: images, labels and what is known about twins.
        batch_size: images at once; changes memory, not results.
        bootstrap: how many times to draw for the interval.
        seed: of these draws.
        device: where to compute, for instance "cuda"; None stays where the model is. The model moves there.

    Raises:
        ShapeError: model and data do not fit together.
        ValueError: a device that is not there, or no draws.
    """
    check_fit(model, dataset)
    if device is not None:
        model.to(pick_device(device))
    known = model.normalisation() if hasattr(model, "normalisation") else None
    if known:
        dataset = dataset.with_augment(None)  # a copy that shares the images
        dataset.mean, dataset.std = known
    logits = compute_logits(model, dataset, batch_size).cpu()
    labels = dataset.labels.cpu()
    return Report(
        probabilities=logits.softmax(1),
        logits=logits,
        labels=labels,
        classes=tuple(dataset.classes),
        name=f"{dataset.name}, {dataset.split} split",
        interval=bootstrap_interval(logits.argmax(1) == labels, draws=bootstrap, seed=seed),
        twins=None if dataset.twins is None else dataset.twins.cpu(),
    )


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """Count each pair of true class (row) and predicted class (column): int64 `(classes, classes)`."""
    return torch.bincount(labels * classes + predictions, minlength=classes**2).view(classes, classes)


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


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part.double() / whole.clamp(min=1)
