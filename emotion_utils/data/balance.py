"""Cures for a lopsided training set: weights, balanced sampling, and more faces of the rare kind.

A network learns what its training set holds. If nearly all angry faces in it are old men, "old man" is evidence for
"angry". Each function here changes what is learnt from, none changes the network.
"""

import math
from typing import Any

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, check_number, check_whole, listed
from emotion_utils.randomness import stream_key, uniform
from emotion_utils.tensors import as_tensor, as_whole

MOST_GROUPS = 1000


def reweigh(labels: Tensor, groups: Tensor, largest: float | None = None) -> Tensor:
    """Weigh faces so that group and label are independent: P(group) P(label) / P(group, label).

    Angry old men, of whom there are too many, count less, angry young women more; each label and each group keeps its
    share (Kamiran and Calders, Knowledge and Information Systems 2012). A combination that does not occur cannot be
    weighed; the others of its label then share its weight. Give the weights to `WeightedLoss`.

    Args:
        labels: int64 `(N,)`.
        groups: whole numbers `(N,)`, or a mask.
        largest: cut weights off there, before each label is brought back to its share: a handful of very heavy faces
            makes training unsteady. None leaves them.

    Returns:
        float32 `(N,)`, mean 1.

    Raises:
        TypeError, ValueError: no whole numbers, lengths that differ, no faces, or a bound of 0 or less.
    """
    labels, groups, cells = _cells(labels, groups)
    largest = math.inf if largest is None else check_number(above=0, largest=largest)
    total = cells.sum()
    weights = cells.sum(1, keepdim=True) * cells.sum(0) / (total * cells.clamp(min=1))  # (C, G)
    weights = weights.clamp(max=largest)
    weights = weights * (cells.sum(1) / (weights * cells).sum(1).clamp(min=1e-9))[:, None]  # each label keeps its share
    return weights[labels, groups].float()


def balanced_indices(labels: Tensor, groups: Tensor, count: int | None = None, seed: int = 0) -> Tensor:
    """Draw faces with repetition, each label equally often, and in it each group: int64 `(count,)`.

    `dataset.subset(balanced_indices(…))` is a balanced training set of the same size. Rare faces come many times; the
    network may learn them by heart.

    Args:
        labels: int64 `(N,)`.
        groups: whole numbers `(N,)`, or a mask.
        count: how many to draw; None draws as many as there are.
        seed: of the draws.

    Raises:
        TypeError, ValueError: as `reweigh`.
    """
    labels, groups, _ = _cells(labels, groups)
    count = len(labels) if count is None else check_whole(1, 10**8, ", or None for as many as there are", count=count)
    draw = uniform(stream_key(seed, "balanced"), torch.arange(count), 1)[:, 0]
    picks, kinds = [], labels.unique().tolist()
    for i, label in enumerate(kinds):
        own = draw[i :: len(kinds)]  # this label's part of the draws, then each group's part of that
        here = groups[labels == label].unique().tolist()
        for j, group in enumerate(here):
            member = ((labels == label) & (groups == group)).nonzero()[:, 0]
            picks.append(member[(own[j :: len(here)] * len(member)).long()])
    return torch.cat(picks)


def missing_faces(labels: Tensor, groups: Tensor) -> Tensor:
    """Count what is to be collected or drawn so that each label is as common in every group: int64 `(C, G)`.

    Row = label, column = group; the largest group of a label lacks nothing.

    Raises:
        TypeError, ValueError: as `reweigh`.
    """
    *_, cells = _cells(labels, groups)
    return cells.amax(1, keepdim=True).long() - cells.long()


def join(*datasets: FaceDataset) -> FaceDataset:
    """Put data sets together, one after another; `mean` and `std` are those of the first.

    What only some of them know (file names, twins, groups, parts of the truth) is left out. The same number of a group
    stands for the same person in all of them.

    Raises:
        TypeError, ValueError: no data sets, other classes, or images of another size.
    """
    sets = [as_face_dataset(dataset, f"datasets[{i}]") for i, dataset in enumerate(datasets)]
    if not sets:
        raise ValueError("datasets=(): give one or more.")
    first = sets[0]
    for i, other in enumerate(sets):
        if tuple(other.classes) != tuple(first.classes):
            raise ValueError(
                f"datasets[{i}] has the classes {listed(other.classes)}, the first {listed(first.classes)}."
            )
        if other.images.shape[1:] != first.images.shape[1:]:
            if other.images.shape[1] != first.images.shape[1]:
                shapes = tuple(other.images.shape[1:]), tuple(first.images.shape[1:])  # (C, H, W)
                raise ValueError(
                    f"datasets[{i}] has images of shape {shapes[0]}, the first of {shapes[1]}: load both with the same "
                    "colour=…"
                )
            sizes = tuple(other.images.shape[-2:]), tuple(first.images.shape[-2:])
            raise ValueError(f"datasets[{i}] has images of {sizes[0]} pixels, the first of {sizes[1]}: resize(…) one.")
    truths = [each.truth for each in sets]
    known = None not in truths
    keys = [key for key in truths[0] if all(key in truth for truth in truths)] if known else []
    return FaceDataset(
        torch.cat([each.images.cpu() for each in sets]),
        torch.cat([each.labels.cpu() for each in sets]),
        first.classes,
        name=first.name,
        split=first.split,
        names=None if any(each.names is None for each in sets) else [name for each in sets for name in each.names],
        twins=None if any(each.twins is None for each in sets) else torch.cat([each.twins for each in sets]),
        groups=None if any(each.groups is None for each in sets) else torch.cat([each.groups for each in sets]),
        truth={key: torch.cat([truth[key] for truth in truths]) for key in keys} if known else None,
        mean=first.mean,
        std=first.std,
    )


def _cells(labels: Any, groups: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Check both, and count each combination: labels, groups, int64 (N,), and float64 (C, G)."""
    labels, groups = as_whole(labels, "labels").cpu(), as_tensor(groups, "groups").cpu()
    groups = as_whole(groups.long() if groups.dtype == torch.bool else groups, "groups")
    if len(labels) != len(groups) or not len(labels):
        raise ValueError(
            f"labels and groups hold {len(labels):,} and {len(groups):,} numbers: give both for each face."
        )
    for name, values in (("labels", labels), ("groups", groups)):
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= MOST_GROUPS:
            raise ValueError(
                f"{name}={brief(low if low < 0 else high)}: number them from 0 to at most {MOST_GROUPS - 1}."
            )
    rows, columns = int(labels.max()) + 1, int(groups.max()) + 1
    counts = torch.bincount(labels * columns + groups, minlength=rows * columns).view(rows, columns)
    return labels, groups, counts.double()
