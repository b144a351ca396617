"""What the numbers mean: accuracy with its interval, errors class by class, and whether confidence can be believed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.data.contents import check_classes
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.device import pick_device
from emotion_utils.errors import brief, check_number, check_whole, one_line
from emotion_utils.evaluation.confidence import MOST_DRAWS, bootstrap_interval, calibration, check_probabilities
from emotion_utils.models.classes import match_classes
from emotion_utils.models.facts import facts_of
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import moved_to, weights_digest
from emotion_utils.models.inference import check_finite, compute_logits, warn_if_probabilities
from emotion_utils.tensors import as_tensor, as_whole

LONGEST_NAME = 30  # of a class, in a table


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """What `evaluate` measured; `print(report)` shows it as a table. Fractions lie in [0, 1], tensors on the CPU.

    Raises:
        ValueError: parts that do not fit together, such as labels that are no classes; no probabilities; NaN.
    """

    probabilities: Tensor  # (N, C) float32, each row adds up to 1
    logits: Tensor  # (N, C) float32
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]
    name: str  # of the data set and its split
    interval: tuple[float, float]  # lower and upper end of the accuracy's 95 % bootstrap interval
    twins: Tensor | None = None  # (N,) bool: has an identical twin in training; None where that is unknown
    notes: tuple[str, ...] = ()  # what was decided on the way, a sentence each
    weights: str | None = None  # which network was asked, by the digest of its weights; None where nobody said

    def __post_init__(self) -> None:
        classes, labels = check_classes(self.classes), as_whole(self.labels, "labels")
        checked: dict[str, Any] = {"classes": classes, "labels": labels}
        for name in ("probabilities", "logits"):
            scores = as_tensor(getattr(self, name), name)
            if tuple(scores.shape) != (len(labels), len(classes)) or not scores.is_floating_point():
                raise ValueError(
                    f"{name} are {scores.dtype} {tuple(scores.shape)}: give floats, a row for each of {len(labels):,} "
                    f"labels and a column for each of {len(classes)} classes."
                )
            checked[name] = scores
        if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= len(classes):
            raise ValueError(f"labels={brief(labels.tolist())}: give numbers of classes, 0 to {len(classes) - 1}.")
        check_probabilities(checked["probabilities"], labels)
        if (bad := (checked["logits"].isnan() | checked["logits"].isposinf()).any(1)).any():
            raise ValueError(f"logits of {int(bad.sum()):,} of {len(labels):,} images are NaN or infinite.")
        try:
            low, high = self.interval
            checked["interval"] = check_number(interval=low), check_number(interval=high)
        except (TypeError, ValueError):
            raise ValueError(f"interval={brief(self.interval)}: give its lower and its upper end.") from None
        if self.twins is not None:
            twins = checked["twins"] = as_tensor(self.twins, "twins")
            if twins.dtype != torch.bool or twins.shape != labels.shape:
                raise ValueError(f"twins are {twins.dtype} {tuple(twins.shape)}: give True or False for each label.")
        if isinstance(self.notes, str) or not isinstance(self.notes, tuple | list):
            raise ValueError(f"notes={brief(self.notes)}: give a tuple of sentences.")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

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
        k = check_whole(1, k=k)
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
        lines += [f"{note}." for note in self.notes]
        names = [one_line(name, LONGEST_NAME) for name in self.classes]
        width = max(map(len, (*names, "class")))
        lines.append(f"{'class':<{width}}  precision  recall     F1  images")
        for i, title in enumerate(names):
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
    the data set, which the report then notes. Classes are compared by name: the columns of a model that knows the same
    ones in another order are brought to that of the data set, and the report notes it.

    Args:
        model: a network that gives logits `(N, C)`.
        dataset: images, labels and what is known about twins; or a `Subset` of one.
        batch_size: images at once; changes memory, not results.
        bootstrap: how many times to draw for the interval.
        seed: of these draws.
        device: where to compute, for instance "cuda"; None stays where the model is. The model moves there.

    Raises:
        TypeError: no network, or no data set of faces.
        ShapeError: model and data do not fit together.
        ValueError: the model knows other classes, its logits are not finite, a device that is not there, or no draws.
    """
    batch_size, seed = check_whole(1, batch_size=batch_size), check_whole(seed=seed)
    draws = check_whole(1, MOST_DRAWS, bootstrap=bootstrap)
    target, dataset = None if device is None else pick_device(device), as_face_dataset(dataset)
    check_fit(model, dataset)
    with moved_to(model, target):
        logits = compute_logits(model, dataset, batch_size).cpu()  # (N, C)
        check_finite(logits, model)
    warn_if_probabilities(logits)
    match, labels = match_classes(model, dataset), dataset.labels.cpu()
    moved = match.note and f"{match.note}; the model's columns were brought to the order of the data"
    logits = match.columns(logits)
    return Report(
        probabilities=logits.softmax(1),
        logits=logits,
        labels=labels,
        classes=tuple(dataset.classes),
        name=f"{dataset.name}, {dataset.split} split",
        interval=bootstrap_interval(logits.argmax(1) == labels, draws=draws, seed=seed),
        twins=None if dataset.twins is None else dataset.twins.cpu(),
        notes=tuple(note for note in (moved, _note_on_normalisation(model, dataset)) if note),
        weights=weights_digest(model),
    )


def _note_on_normalisation(model: nn.Module, dataset: FaceDataset) -> str | None:
    if facts_of(model).normalisation is not None:
        return None
    return (
        f"the model does not know how its images were normalised, so those of the data set were taken (mean "
        f"{dataset.mean:.3f}, standard deviation {dataset.std:.3f})"
    )


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
