"""Which labels are wrong? What networks that have not learnt a face say of it, against its label.

Confident learning (Northcutt, Jiang and Chuang, Journal of Artificial Intelligence Research 2021, arXiv:1911.00068): a
label is doubted where another class is more probable for the face than it is, on average, for faces that bear that
class. So a class that the network is never sure of needs less to be suggested than one that it is always sure of.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import brief
from emotion_utils.evaluation.confidence import check_probabilities
from emotion_utils.tensors import as_index, as_tensor


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Labels that `find_label_errors` doubts.

    Attributes:
        doubted: indices of the faces whose label is doubted, the most suspect first, int64 `(M,)`.
        suggested: the class that each face is taken for, int64 `(N,)`; its label where that is not doubted.
        order: all faces, the most suspect first, int64 `(N,)`: to look through as many as there is time for.
        thresholds: from which probability on a class is suggested, float64 `(C,)`.
        counts: row = label, column = class that is suggested, int64 `(C, C)`.
    """

    doubted: Tensor
    suggested: Tensor
    order: Tensor
    thresholds: Tensor
    counts: Tensor

    @property
    def share(self) -> float:
        """Share of the labels that are doubted: an estimate of the noise."""
        return len(self.doubted) / len(self.suggested)


def find_label_errors(probabilities: Tensor, labels: Tensor) -> LabelErrors:
    """Find labels that are probably wrong, by confident learning.

    Args:
        probabilities: float `(N, C)`, of networks that have not learnt the face itself, as `judge_by_folds` gives them.
            A network that has learnt a face by heart repeats its label, right or wrong.
        labels: int64 `(N,)`.

    Raises:
        ValueError: rows that do not add up to 1, numbers that are not finite, labels that do not fit, or no faces.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    count, classes = probabilities.shape
    of_label = probabilities[torch.arange(count), labels]  # (N,)
    faces = torch.bincount(labels, minlength=classes)
    thresholds = torch.bincount(labels, of_label, minlength=classes) / faces.clamp(min=1)
    thresholds[faces == 0] = float("inf")  # nobody knows how sure one can be of a class without faces
    confident = torch.where(probabilities >= thresholds, probabilities, -1.0)  # (N, C)
    highest, suggested = confident.max(1)
    suggested = torch.where(highest >= 0, suggested, labels)  # nothing reaches its threshold: the label stays
    others = probabilities.scatter(1, labels[:, None], -1.0).amax(1)
    order = (of_label - others).argsort(stable=True)  # the label's lead over the best other class, least first
    doubted = order[(suggested != labels)[order]]
    counts = torch.bincount(labels * classes + suggested, minlength=classes**2).view(classes, classes)
    return LabelErrors(doubted, suggested, order, thresholds, counts)


@dataclass(frozen=True)
class FindingScore:
    """How well wrong labels were found, where the truth is known.

    Attributes:
        found: how many labels were doubted.
        wrong: how many are wrong.
        right: how many of the doubted ones are wrong.
        of: how many labels there are.
    """

    found: int
    wrong: int
    right: int
    of: int

    @property
    def precision(self) -> float:
        """Of the labels that were doubted, the share that is wrong; nan if none was."""
        return self.right / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Of the wrong labels, the share that was doubted; nan if none is wrong."""
        return self.right / self.wrong if self.wrong else float("nan")

    @property
    def chance(self) -> float:
        """Precision of doubting labels at random: the share of wrong ones."""
        return self.wrong / self.of

    def __str__(self) -> str:
        return (
            f"{self.found:,} of {self.of:,} labels doubted, {self.right:,} of them rightly (precision "
            f"{_percent(self.precision)}, at random {self.chance:.0%}); {self.wrong:,} are wrong (recall "
            f"{_percent(self.recall)})"
        )


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:.0%}"


def score_finding(doubted: Tensor, wrong: Tensor) -> FindingScore:
    """Compare the labels that were doubted with those that are wrong, as drawn faces know them.

    Args:
        doubted: indices of the doubted ones, or a mask `(N,)`.
        wrong: bool `(N,)`: `faces.labels != faces.truth["clean_labels"]`.

    Raises:
        TypeError, ValueError, IndexError: no mask, no labels, or indices that are none.
    """
    wrong = as_tensor(wrong, "wrong").cpu()
    if wrong.dtype != torch.bool or wrong.ndim != 1 or not len(wrong):
        raise ValueError(f"wrong are {wrong.dtype} {tuple(wrong.shape)}: give True or False for each label.")
    index = as_index(doubted, len(wrong)).cpu()
    if len(index.unique()) < len(index):
        raise ValueError(f"doubted={brief(index.tolist())}: some come twice; name each label once.")
    return FindingScore(len(index), int(wrong.sum()), int(wrong[index].sum()), len(wrong))
