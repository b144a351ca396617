"""Dividing images into parts that keep the balance of classes and never tear identical images apart."""

from collections.abc import Sequence

import torch
from torch import Tensor

from emotion_utils.randomness import permutation, stream_key

SPLITS = ("training", "validation", "test")


def group_identical(images: Tensor) -> Tensor:
    """Number each image by the first image that is identical to it: int64 `(N,)`; alone, that is its own index."""
    first: dict[bytes, int] = {}
    rows = images.cpu().contiguous().flatten(1).numpy()
    return torch.tensor([first.setdefault(row.tobytes(), i) for i, row in enumerate(rows)], dtype=torch.int64)


def members_of(groups: Tensor) -> list[list[int]]:
    """List the items of each group."""
    members: dict[int, list[int]] = {}
    for item, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(item)
    return list(members.values())


def split(labels: Tensor, fractions: Sequence[float], groups: Tensor | None = None, seed: int = 0) -> list[Tensor]:
    """Divide indices at random into parts with the same class balance, keeping each group on one side.

    The items are shuffled, then dealt out class by class; each group goes to the part that is furthest behind its
    share. So every class is divided in the wanted proportions, to within an item or two (or a group).

    Args:
        labels: int64 `(N,)`. A group whose labels differ counts for the class of its first item.
        fractions: share of each part; they add up to 1.
        groups: int64 `(N,)`, items with the same number stay together; None lets all go where they may.
        seed: another seed gives another division.

    Returns:
        For each fraction, the sorted int64 indices of its items.

    Raises:
        ValueError: fractions that are negative or do not add up to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions={tuple(fractions)}: choose shares from 0 to 1 that add up to 1; these add up to "
            f"{sum(fractions):g}."
        )
    classes = torch.as_tensor(labels).tolist()
    dealt = [[item] for item in range(len(classes))] if groups is None else members_of(groups)
    dealt = [dealt[i] for i in permutation(stream_key(seed, "split"), len(dealt)).tolist()]
    dealt.sort(key=lambda items: classes[items[0]])  # sort is stable: shuffled within each class
    parts: list[list[int]] = [[] for _ in fractions]
    seen = 0
    for items in dealt:
        seen += len(items)
        behind = [fraction * seen - len(part) for fraction, part in zip(fractions, parts, strict=True)]
        parts[behind.index(max(behind))].extend(items)
    return [torch.tensor(sorted(part), dtype=torch.int64) for part in parts]
