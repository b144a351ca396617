"""Where does it fail? Conditions under which a network is right too seldom, found without being told which.

Searching through hundreds of conditions finds some that look bad in any data. So one half of the faces proposes, and
the other half, which proposed nothing, decides.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.splits import group_identical, split
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import check_share, check_whole, one_line
from emotion_utils.evaluation.grouping import ASPECTS, as_groups, groups_of
from emotion_utils.evaluation.groups import report_on
from emotion_utils.evaluation.rates import Rate, rate
from emotion_utils.evaluation.report import Report

FEWEST_IN_HALF = 15  # faces of a condition in one half


@dataclass(frozen=True, eq=False)
class WeakGroup:
    """A condition under which the network fails.

    Attributes:
        name: the condition, or two of them joined by " and ".
        mask: bool `(N,)`, the faces that meet it (in both halves).
        accuracy: on these faces of the second half.
        others: what the network reaches on all other faces of that half, with the same mixture of classes.
        shortfall: how much lower the accuracy is.
        p_value: of the second half, adjusted for all that were proposed (Holm 1979).
    """

    name: str
    mask: Tensor
    accuracy: Rate
    others: float
    shortfall: float
    p_value: float

    def __str__(self) -> str:
        low, high = 100 * self.accuracy.low, 100 * self.accuracy.high
        return (
            f"{self.name}: {100 * self.accuracy.value:.1f} % right ({low:.1f} to {high:.1f}) of "
            f"{self.accuracy.count:,} faces, others {100 * self.others:.1f} %, p = {self.p_value:.2g}"
        )


@dataclass(frozen=True, repr=False, eq=False)
class WeakGroups:
    """What `find_weak_groups` found: `found` was confirmed on the second half, `proposed` was looked at there."""

    found: tuple[WeakGroup, ...]
    proposed: tuple[WeakGroup, ...]
    searched: int  # conditions and pairs of them

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self):
        return iter(self.found)

    def __str__(self) -> str:
        head = f"{self.searched:,} conditions searched, {len(self.proposed)} proposed by one half of the faces, "
        return "\n".join([f"{head}{len(self.found)} confirmed by the other", *(f"  {group}" for group in self.found)])

    __repr__ = __str__


def find_weak_groups(
    model: nn.Module | Report,
    dataset: FaceDataset,
    conditions: Mapping[str, Tensor] | None = None,
    *,
    at_most: int = 5,
    smallest: float = 0.03,
    alpha: float = 0.05,
    seed: int = 0,
) -> WeakGroups:
    """Look for conditions, and pairs of them, under which a network fails more often than classes alone explain.

    Some classes are harder than others, which is no weakness of a group. So the faces of a condition are compared with
    all others class by class (Mantel and Haenszel, 1959). On the first half of the faces the clearest shortfall of
    all conditions and pairs is proposed, its faces are set aside, and the search goes on with the rest, so that a
    condition that merely contains a weak group isn't named as well. The second half tests each proposal by the same
    comparison; Holm's correction holds the chance of any false finding at `alpha`. Identical images, and faces of
    one person where the truth tells, stay in one half.

    It finds what can be said in the words it is given. A weakness of two in a hundred faces, or of a few points, needs
    more faces than a few thousand: see `tests/benchmarks/weak_groups.py` for what was found at which size.

    Args:
        model: a network; or what `evaluate(model, dataset)` returned.
        dataset: the faces.
        conditions: bool masks `(N,)` by name; None takes `groups_of(dataset)`. The classes are added, for pairs.
        at_most: how many to propose.
        smallest: the smallest shortfall worth proposing, a share.
        alpha: the chance of any false finding.
        seed: of the halves.

    Raises:
        ValueError: no truth is known and no conditions were given, a mask of another length, fewer than 60 faces.
        TypeError: no network or data set, or masks that are none.
    """
    at_most, seed = check_whole(1, 1000, at_most=at_most), check_whole(seed=seed)
    alpha, smallest = check_share(alpha=alpha), check_share(smallest=smallest)
    dataset = as_face_dataset(dataset)
    if conditions is None and not set(dataset.truth or {}) >= {name for needs, _ in ASPECTS.values() for name in needs}:
        raise ValueError(
            f"conditions=None: {one_line(dataset.name, 40)} has no truth to search. Give masks by name, bool (N,), "
            "such as groups you know of, or bright and dark pictures."
        )
    if len(dataset) < 4 * FEWEST_IN_HALF:
        raise ValueError(f"dataset holds {len(dataset)} faces: {4 * FEWEST_IN_HALF} or more can be searched in halves.")
    groups = as_groups(dataset, groups_of(dataset) if conditions is None else conditions)
    report = report_on(model, dataset)
    names, masks = _candidates(groups.names, groups.masks, report)
    right, labels = report.correct.double(), report.labels
    first, second = split(labels, [0.5, 0.5], groups=_together(dataset), seed=seed)
    picked = _propose(right[first], labels[first], masks[:, first], at_most, smallest)
    proposed, aside = [], torch.zeros(len(second), dtype=torch.bool)
    for number in picked:
        mask = masks[number]
        left = second[~aside]
        _, expected, z = _shortfalls(right[left], labels[left], mask[None, left])
        inside = report.correct[left][mask[left]]
        p_value = math.erfc(float(z[0]) / math.sqrt(2)) / 2 if len(inside) >= FEWEST_IN_HALF else 1.0  # one-sided
        share = rate(inside)
        others = float(expected[0]) if len(inside) else math.nan
        proposed.append(WeakGroup(names[number], mask, share, others, others - share.value, p_value))
        aside |= mask[second]
    proposed = _holm(proposed)
    return WeakGroups(tuple(g for g in proposed if g.p_value <= alpha), tuple(proposed), len(names))


def _together(dataset: FaceDataset) -> Tensor:
    """Number faces so that those of one person, or of one image, have the same number."""
    person = (dataset.truth or {}).get("identity")
    return group_identical(dataset.images) if person is None else person.long()


def _candidates(names: tuple[str, ...], masks: Tensor, report: Report) -> tuple[list[str], Tensor]:
    """List all conditions and all pairs that hold enough faces, once each: names, and bool (K, N)."""
    singles = list(zip(names, masks, strict=True))
    classes = [(f"label {one_line(name, 30)}", report.labels == c) for c, name in enumerate(report.classes)]
    pairs = [(f"{a} and {b}", first & second) for (a, first), (b, second) in combinations(singles + classes, 2)]
    kept, seen = [], set()
    for name, mask in singles + pairs:
        key = mask.numpy().tobytes()
        if key not in seen and 2 * FEWEST_IN_HALF <= int(mask.sum()) < len(mask):
            seen.add(key)
            kept.append((name, mask))
    if not kept:
        return [], torch.zeros(0, masks.shape[1], dtype=torch.bool)
    return [name for name, _ in kept], torch.stack([mask for _, mask in kept])


def _shortfalls(right: Tensor, labels: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compare the faces of each mask with all others, class by class.

    Given how many of a class are right, how many of these lie in the group is hypergeometric, if it does not matter.

    Returns:
        shortfall of the accuracy, accuracy of the others on the same mixture of classes, and z, float64 (K,) each.
    """
    inside = masks.double()  # (K, n)
    one_hot = torch.nn.functional.one_hot(labels).double()  # (n, C)
    total, hits = one_hot.sum(0), right @ one_hot  # (C,)
    count, got = inside @ one_hot, (inside * right) @ one_hot  # (K, C): faces of the class in the group; right ones
    share = hits / total.clamp(min=1)
    expected = count * share  # (K, C)
    variance = expected * (1 - share) * (total - count) / (total - 1).clamp(min=1)
    missing = (expected - got).sum(1)
    z = (missing - 0.5).clamp(min=0) / variance.sum(1).clamp(min=1e-9).sqrt()  # with Yates's half
    outside = torch.where(total > count, (hits - got) / (total - count).clamp(min=1), got / count.clamp(min=1))
    others = (outside * count).sum(1) / count.sum(1).clamp(min=1)
    return others - got.sum(1) / count.sum(1).clamp(min=1), others, torch.where(variance.sum(1) > 1e-9, z, 0.0)


def _propose(right: Tensor, labels: Tensor, masks: Tensor, at_most: int, smallest: float) -> list[int]:
    """Choose the clearest shortfalls, each among the faces that the ones before leave over: numbers of masks."""
    chosen: list[int] = []
    aside = torch.zeros(len(labels), dtype=torch.bool)
    while len(masks) and len(chosen) < at_most:
        left = ~aside
        shortfall, _, z = _shortfalls(right[left], labels[left], masks[:, left])
        fit = (masks[:, left].sum(1) >= FEWEST_IN_HALF) & (shortfall >= smallest)
        z = torch.where(fit, z, 0.0)
        best = int(z.argmax())
        if z[best] < 2:  # not even by itself would it be remarkable
            break
        chosen.append(best)
        aside |= masks[best]
    return chosen


def _holm(groups: list[WeakGroup]) -> list[WeakGroup]:
    """Adjust the p-values for their number, the clearest first (Holm, Scandinavian Journal of Statistics 1979)."""
    adjusted, largest = [], 0.0
    for i, group in enumerate(sorted(groups, key=lambda group: group.p_value)):
        largest = max(largest, min(1.0, (len(groups) - i) * group.p_value))
        adjusted.append(WeakGroup(group.name, group.mask, group.accuracy, group.others, group.shortfall, largest))
    return adjusted
