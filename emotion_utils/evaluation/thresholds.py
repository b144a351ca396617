"""A threshold for each group: the cure that needs no training, and that may be unlawful.

It makes one rate equal by treating people of different groups by different rules, and it must know the group of each
person when it decides. To treat people differently because of age, sex or origin is what laws against discrimination
forbid first. In the USA, Section 106 of the Civil Rights Act of 1991 forbids it for cut-off scores of employment
tests. In the EU, see Directives 2000/43/EC, 2000/78/EC and 2006/54/EC, and, for data such as health or origin,
Article 9 of the GDPR. To measure by groups is another matter than to decide by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import brief, check_share, listed
from emotion_utils.evaluation.gaps import FEWEST
from emotion_utils.tensors import as_tensor


@dataclass(frozen=True)
class GroupThresholds:
    """From which score on an alarm is given, for each group.

    Attributes:
        names: of the groups.
        thresholds: of each, 0 to 1; above 1 for a group that never gets an alarm.
        measure, target: what was made equal.
    """

    names: tuple[str, ...]
    thresholds: tuple[float, ...]
    measure: str
    target: float

    def alarms(self, scores: Tensor, groups: Mapping[str, Tensor]) -> Tensor:
        """Decide for each face by the threshold of its group: bool `(N,)`.

        Raises:
            ValueError: other groups, or a face in none or in several of them.
        """
        scores, number = _checked(scores, groups)
        if tuple(map(str, groups)) != self.names:
            raise ValueError(f"groups are {listed([*map(str, groups)])}; thresholds are for {listed(self.names)}.")
        return scores >= torch.tensor(self.thresholds, dtype=torch.double)[number]


def fit_group_thresholds(
    scores: Tensor, positive: Tensor, groups: Mapping[str, Tensor], target: float, measure: str = "recall"
) -> GroupThresholds:
    """Choose a threshold for each group so that a rate is the same in all (Hardt, Price and Srebro, NeurIPS 2016).

    Fit on validation faces. Before you use it, read what this module says about the law, and ask who pays: equal recall
    is usually bought with more false alarms in the group that the network knows least.

    Args:
        scores: `(N,)`, the probability of the class that raises the alarm.
        positive: bool `(N,)`, which faces belong to it.
        groups: bool masks `(N,)` by name; each face is in exactly one.
        target: the rate that every group gets, to within a face, and those of the same score.
        measure: "recall" of the positive faces, or "false positives" among the others.

    Raises:
        TypeError: no masks by name.
        ValueError: lengths that differ, scores outside 0 to 1, groups that overlap, or fewer than 10 faces to fit on.
    """
    target = check_share(target=target)
    if measure not in ("recall", "false positives"):
        raise ValueError(f"measure={brief(measure)}: choose recall or false positives.")
    scores, number = _checked(scores, groups)
    positive = as_tensor(positive, "positive").cpu()
    if positive.dtype != torch.bool or positive.shape != scores.shape:
        raise ValueError(f"positive is {positive.dtype} {tuple(positive.shape)}: give True or False for each score.")
    thresholds = []
    for i, name in enumerate(groups):
        own = scores[(number == i) & (positive if measure == "recall" else ~positive)].sort(descending=True).values
        if len(own) < FEWEST:
            raise ValueError(
                f"{brief(name)} holds {len(own)} faces to fit {measure} on; {FEWEST} or more are needed, and a hundred "
                "are better."
            )
        count = round(target * len(own))
        thresholds.append(float(own[count - 1]) if count else 1.0 + 1e-9)
    return GroupThresholds(tuple(map(str, groups)), tuple(thresholds), measure, target)


def _checked(scores: Tensor, groups: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return scores, float64 (N,), and the number of each face's group, int64 (N,)."""
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups={brief(groups)}: give bool masks (N,) by name, such as groups_of(dataset, 'age').")
    scores = as_tensor(scores, "scores").cpu().double()
    if scores.ndim != 1 or not len(scores) or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"scores have shape {tuple(scores.shape)}: give a probability, 0 to 1, for each face.")
    masks = [as_tensor(mask, str(name)).cpu() for name, mask in groups.items()]
    wrong = [
        str(name)
        for name, mask in zip(groups, masks, strict=True)
        if mask.shape != scores.shape or mask.dtype != torch.bool
    ]
    if wrong or not masks:
        raise ValueError(
            f"groups: {listed(wrong) or 'there are none'}; give bool masks of {len(scores):,} faces by name."
        )
    member = torch.stack(masks)  # (G, N)
    if not (member.sum(0) == 1).all():
        several, none = int((member.sum(0) > 1).sum()), int((member.sum(0) == 0).sum())
        raise ValueError(f"groups: {several:,} faces are in several and {none:,} in none; each belongs to exactly one.")
    return scores, member.long().argmax(0)
