"""What the numbers mean: accuracy with its interval, errors class by class, and whether confidence can be believed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import pick_device
from emotion_utils.evaluation.confidence import bootstrap_interval, calibration
from emotion_utils.models.inference import compute_logits, normalised_for
from emotion_utils.models.shapes import check_fit


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """What `evaluate` measured; `print(report)` shows it as a table. Fractions lie in [0, 1], tensors on the CPU."""

    probabilities: Tensor  # (N, C) float32, each row adds up to 1
    logits: Tensor  # (N, C) float32
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]
    name: str  # of the data set and its split
    interval: tuple[float, float]  # lower and upper end of the accuracy's 95 % bootstrap interval
    twins: Tensor | None = None  # (N,) bool: has an identical twin in training; None where that is unknown

    # Each of these is computed when it is first asked for, and kept.

    @cached_property
    def predictions(self) -> Tensor:
        """The most probable class of each image, int64 `(N,)`."""
        return self.probabilities.argmax(1)

    @cached_property
    def correct(self) -> Tensor:
        """Whether each prediction is right, bool `(N,)`."""
        return self.predictions == self.labels

    @cached_property
    def accuracy(self) -> float:
        """Share of the images that are classified correctly."""
        return _mean(self.correct)

    @cached_property
    def confusion(self) -> Tensor:
        """Counts, int64 `(C, C)`: row = true class, column = predicted class."""
        count = len(self.classes)
        return torch.bincount(self.labels * count + self.predictions, minlength=count**2).view(count, count)

    @cached_property
    def precision(self) -> Tensor:
        """Of the images predicted as a class, the share that belongs to it: float64 `(C,)`, 0 where there are none."""
        return self._scores[0]

    @cached_property
    def recall(self) -> Tensor:
        """Of the images of a class, the share that is predicted as such: float64 `(C,)`, 0 where there are none."""
        return self._scores[1]

    @cached_property
    def f1(self) -> Tensor:
        """Harmonic mean of precision and recall: float64 `(C,)`, 0 where both are 0."""
        return self._scores[2]

    @cached_property
    def _scores(self) -> Tensor:
        """Precision, recall and F1 of each class: float64 `(3, C)`."""
        # Imported here, because it takes as long as importing PyTorch and only who asks for a report needs it.
        from sklearn.metrics import precision_recall_fscore_support

        scores = precision_recall_fscore_support(
            self.labels, self.predictions, labels=range(len(self.classes)), zero_division=0
        )
        return torch.tensor(np.stack(scores[:3]))

    @cached_property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur among labels or predictions."""
        return float(self.f1[self.confusion.sum(0) + self.confusion.sum(1) > 0].mean())

    @cached_property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that occur: accuracy as if all classes were equally frequent."""
        return float(self.recall[self.confusion.sum(1) > 0].mean())

    @cached_property
    def ece(self) -> float:
        """Expected calibration error over 15 bins."""
        return calibration(self.probabilities, self.labels).ece

    @cached_property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(F.cross_entropy(self.logits.double(), self.labels))

    @cached_property
    def accuracy_with_twins(self) -> float | None:
        """Accuracy on images that have an identical twin in training; None if there are none or it is unknown."""
        return _mean(self.correct[self.twins]) if self.twins is not None and self.twins.any() else None

    @cached_property
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
            without = "none" if self.accuracy_without_twins is None else f"{self.accuracy_without_twins:.1%}"
            lines.append(
                f"{int(self.twins.sum()):,} images have an identical twin in training: accuracy "
                f"{self.accuracy_with_twins:.1%} with, {without} without"
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
    logits = compute_logits(model, normalised_for(model, dataset), batch_size).cpu()  # (N, C)
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


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
