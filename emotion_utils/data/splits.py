"""Dividing images into parts that keep the balance of classes and never tear identical images apart."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emotion_utils.errors import brief, check_number, check_whole, listed
from emotion_utils.randomness import permutation, stream_key
from emotion_utils.tensors import as_whole

SPLITS = ("training", "validation", "test")

# What folders are called that hold a split; FER2013 has names of its own.
_NAMES = {
    "train": "training", "training": "training", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "publictest": "validation", "test": "test", "testing": "test",
    "privatetest": "test",
}  # fmt: skip


def split_of(name: str) -> str | None:
    """Say which split a folder of this name holds, as in `Train`, `val` or `test_set`; None if its name is no such."""
    word = re.sub(r"[^a-z]", "", name.lower())
    return _NAMES.get(re.sub(r"(set|data|images|dataset)$", "", word))


def check_split(split: Any) -> str:
    """Return the name of a split; raise a ValueError for any other."""
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"split={brief(split)}: choose one of {', '.join(SPLITS)}.")
    return split


def group_identical(images: Tensor) -> Tensor:
    """Number each image by the first image that is identical to it: int64 `(N,)`; alone, that is its own index."""
    first: dict[bytes, int] = {}
    rows = images.cpu().contiguous().flatten(1).numpy()
    return torch.tensor([first.setdefault(row.tobytes(), i) for i, row in enumerate(rows)], dtype=torch.int64)


def merge_groups(*groups: Tensor) -> Tensor:
    """Join items that any of several groupings, int64 `(N,)`, joins, directly or by way of others: int64 `(N,)`."""
    # Imported here: SciPy's graphs take as long to import as PyTorch, and only a division by groups needs them.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, rows, columns = len(groups[0]), [], []
    for grouping in groups:
        first = members_of(grouping)
        rows += [items[0] for items in first for _ in items]
        columns += [item for items in first for item in items]
    edges = coo_array(([1] * len(rows), (rows, columns)), shape=(count, count))
    return torch.from_numpy(connected_components(edges, directed=False)[1]).to(torch.int64)


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
        labels: whole numbers `(N,)`. A group whose labels differ counts for the class of its first item.
        fractions: share of each part; they add up to 1.
        groups: int64 `(N,)`, items with the same number stay together; None lets all go where they may.
        seed: another seed gives another division.

    Returns:
        For each fraction, the sorted int64 indices of its items.

    Raises:
        ValueError: fractions that are not shares or do not add up to 1; groups of another length than labels.
        TypeError: labels that are no whole numbers.
    """
    fractions, seed = check_fractions(fractions), check_whole(seed=seed)
    classes = as_whole(labels, "labels").tolist()
    if groups is not None and len(groups := as_whole(groups, "groups")) != len(classes):
        raise ValueError(f"groups has {len(groups)} entries for {len(classes)} labels; give one for each.")
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


def note_on_gaps(whole: Any, part: Any) -> list[str]:
    """Say which classes have images in a whole data set, and none in a part of it: one note, or none."""
    gaps = ((whole.class_counts() > 0) & (part.class_counts() == 0)).nonzero()[:, 0].tolist()
    return [f"the {part.split} split has no image of {listed([whole.classes[i] for i in gaps])}"] if gaps else []


def split_together(
    labels: Tensor, fractions: Sequence[float], identical: Tensor, groups: Tensor | None, seed: int
) -> list[Tensor]:
    """Divide as `split`, keeping identical images together, and those of one group where groups are known.

    Raises:
        ValueError: a part would stay empty.
    """
    together = identical if groups is None else merge_groups(identical, groups)
    parts = split(labels, fractions, groups=together, seed=seed)
    if min(map(len, parts)) > 0:
        return parts
    count, people = len(together), 0 if groups is None else len(groups.unique())
    if 0 < people < len(fractions):
        raise ValueError(
            f"fractions={fractions}: all {count:,} images show {people} {'person' if people == 1 else 'people'}, and "
            f"nobody goes into two of {len(fractions)} parts. If there are more, the groups are wrong: load with "
            "another person_of; if nobody is shown twice, use with_groups(None)."
        )
    raise ValueError(
        f"fractions={fractions}: {count:,} images, {len(together.unique()):,} that may be torn apart, are too few, a "
        "part stays empty. Choose larger shares or get more images."
    )


def check_fractions(fractions: Any) -> tuple[float, ...]:
    """Return the shares as plain numbers; raise a ValueError unless they are from 0 to 1 and add up to 1."""
    try:
        shares = tuple(check_number(0, 1, share=share) for share in fractions)
        total = sum(shares)
    except (TypeError, ValueError):
        shares, total = (), None
    if total is None or abs(total - 1) > 1e-6:
        shown = brief(tuple(fractions) if isinstance(fractions, list | tuple) else fractions)
        found = f"; these add up to {total:g}" if shares else ", such as (0.8, 0.2)"
        raise ValueError(f"fractions={shown}: choose shares from 0 to 1 that add up to 1{found}.")
    return shares
