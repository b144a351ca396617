"""Which faces belong together: groups from the truth about drawn faces, from a column, from file names, from masks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, distinct_lines, listed, one_line, reason
from emotion_utils.tensors import as_list, as_tensor, is_list

MOST_GROUPS = 200
Conditions = dict[str, Tensor]  # name of a group -> bool (N,)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of the faces of one data set. They may overlap, and a face may be in none.

    Attributes:
        names: of each group.
        masks: bool `(G, N)`, which faces belong to it.
        notes: what was left out, a sentence each.
    """

    names: tuple[str, ...]
    masks: Tensor
    notes: tuple[str, ...] = ()


def _bins(column: str, *named: tuple[str, float]) -> Callable[[FaceDataset], Conditions]:
    """Make groups of a column of the truth: each takes the values from the bound before its own up to its own."""

    def group(dataset: FaceDataset) -> Conditions:
        values, low, masks = dataset.truth[column], -math.inf, {}
        for name, high in named:
            masks[name] = (values >= low) & (values < high)
            low = high
        return masks

    return group


def _turned(dataset: FaceDataset) -> Conditions:
    angle = torch.maximum(dataset.truth["yaw"].abs(), dataset.truth["pitch"].abs())
    return {"seen from the front": angle < 12, "turned away": angle >= 12}


def _lit(dataset: FaceDataset) -> Conditions:
    hard = dataset.truth["light_azimuth"].abs() * dataset.truth["light_hardness"] >= 15
    return {"even light": ~hard, "hard light from one side": hard}


def _covered(dataset: FaceDataset) -> Conditions:
    kind = dataset.truth["occluder"]
    hides = (kind > 0.5) & (kind < 3.5)  # 4 is a clip in the hair, which hides nothing of the face
    return {"nothing in front": ~hides, "something in front": hides}


# What the truth about drawn faces can be asked: its columns, and how they are cut. Bounds of skin are reflectances.
ASPECTS: dict[str, tuple[tuple[str, ...], Callable[[FaceDataset], Conditions]]] = {
    "age": (("age",), _bins("age", ("under 18", 18), ("18 to 59", 60), ("60 and older", math.inf))),
    "sex": (("sex",), _bins("sex", ("feminine", 0.5), ("masculine", math.inf))),
    "skin": (("skin_tone",), _bins("skin_tone", ("dark skin", 0.4), ("medium skin", 0.65), ("light skin", math.inf))),
    "glasses": (("glasses",), _bins("glasses", ("no glasses", 0.5), ("glasses", math.inf))),
    "occlusion": (("occluder",), _covered),
    "light": (("light_azimuth", "light_hardness"), _lit),
    "pose": (("yaw", "pitch"), _turned),
}


def groups_of(dataset: FaceDataset, *aspects: str) -> Conditions:
    """Make groups of drawn faces from what was drawn.

    Args:
        dataset: with `truth`, as `sample_faces` and `load("synthetic")` give it.
        aspects: some of "age", "sex", "skin", "glasses", "occlusion", "light", "pose"; none takes all of them.

    Returns:
        a bool mask `(N,)` for each group, by name. Groups of one aspect share no face and leave none out.

    Raises:
        ValueError: no truth is known, or there is no such aspect.
    """
    dataset = as_face_dataset(dataset)
    unknown = [brief(name) for name in aspects if name not in ASPECTS]
    if unknown:
        raise ValueError(f"aspects: there is no {listed(unknown)}; choose from {', '.join(ASPECTS)}.")
    found: Conditions = {}
    for name in aspects or ASPECTS:
        columns, group = ASPECTS[name]
        missing = [column for column in columns if column not in (dataset.truth or {})]
        if missing:
            raise ValueError(
                f"aspects={brief(name)}: {one_line(dataset.name, 40)} has no truth about {listed(missing)}. Drawn "
                "faces have it; for others, give masks, a column with a value for each face, or a function of names."
            )
        found |= group(dataset)
    return found


def as_groups(dataset: FaceDataset, groups: Any) -> Groups:
    """Make `Groups` of masks by name, names of aspects, a column, or a function of file names; see `evaluate_groups`.

    Raises:
        TypeError: nothing of these.
        ValueError: a length that is not that of the data set, no group at all, or too many.
    """
    notes: tuple[str, ...] = ()
    if isinstance(groups, str):
        masks = groups_of(dataset, groups)
    elif isinstance(groups, Mapping):
        masks = {str(name): _as_mask(mask, str(name), len(dataset)) for name, mask in groups.items()}
    elif callable(groups):
        masks, notes = _by_value(_from_names(dataset, groups), dataset)
    elif isinstance(groups, Tensor) and groups.dtype == torch.bool:
        mask = _as_mask(groups, "groups", len(dataset))
        masks = {"in the group": mask, "all others": ~mask}
    elif is_list(groups):
        masks, notes = _by_value(_as_column(groups), dataset)
    else:
        raise TypeError(
            f"groups={brief(groups)}: give masks by name, the name of an aspect such as 'age', a column with a value "
            "for each face, or a function of file names."
        )
    if not masks:
        raise ValueError(f"groups={brief(groups)}: there is no group in it; give one or more.")
    if len(masks) > MOST_GROUPS:
        raise ValueError(
            f"groups: there are {len(masks):,} different ones, such as {listed(list(masks), 3, 90)}. Make at most "
            f"{MOST_GROUPS} of them, for instance ranges of numbers."
        )
    names = tuple(distinct_lines(masks, 60))
    return Groups(names, torch.stack([mask.cpu() for mask in masks.values()]), notes)


def _as_mask(mask: Any, name: str, count: int) -> Tensor:
    mask = as_tensor(mask, name)
    if mask.dtype != torch.bool:
        raise TypeError(f"{brief(name)} is {mask.dtype}: a group is a mask, True or False for each face.")
    if mask.shape != (count,):
        raise ValueError(
            f"{brief(name)} has shape {tuple(mask.shape)}: give one True or False for each of {count:,} faces."
        )
    return mask.cpu()


def _from_names(dataset: FaceDataset, function: Callable[[str], Any]) -> list[Any]:
    if dataset.names is None:
        raise ValueError("groups: a function was given, and this data set has no file names; give a column or masks.")
    values = []
    for name in dataset.names:
        try:
            values.append(function(name))
        except Exception as error:
            raise ValueError(f"groups: the function failed for the file name {brief(name)}: {reason(error)}") from error
    return values


def _by_value(values: Sequence[Any], dataset: FaceDataset) -> tuple[Conditions, tuple[str, ...]]:
    """Make a group of each value that occurs; faces without one (None, NaN, an empty text) are in none."""
    if len(values) != len(dataset):
        raise ValueError(f"groups: {len(values):,} values for {len(dataset):,} faces; give one for each, or None.")
    names = [None if _is_missing(value) else str(value) for value in values]
    missing = names.count(None)
    note = f"{missing:,} of {len(names):,} faces have no value and are in no group"
    kinds = sorted({name for name in names if name is not None}, key=_in_order)
    masks = {kind: torch.tensor([name == kind for name in names]) for kind in kinds[: MOST_GROUPS + 1]}
    return masks, (note,) if missing else ()


def _as_column(values: Any) -> list[Any]:
    """Give a list, an array, or a column of a data frame as a list."""
    if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1:  # a data frame of one column
        values = np.asarray(values.cpu() if isinstance(values, Tensor) else values)[:, 0]
    values = as_list(values)
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _is_missing(value: Any) -> bool:
    """Say whether there is no value: None, an empty text, NaN, or what pandas calls NaT and NA."""
    if value is None or isinstance(value, str):
        return not value
    try:
        return bool(value != value)  # as NaN does
    except TypeError:  # nobody knows whether NA is another than NA
        return True


def _in_order(name: str) -> tuple[bool, float, str]:
    """Sort numbers by size, then texts."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
