"""Images that occur more than once, within a data set or across splits, and images that show nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.data.contents import as_pixels
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.splits import group_identical, members_of
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import check_number, listed


@dataclass(frozen=True)
class Duplicates:
    """Groups of identical images; each image is a pair: the number of its data set, and its index in that."""

    groups: tuple[Tensor, ...]  # all of them; each int64 (k, 2), k ≥ 2
    across: tuple[Tensor, ...]  # those that lie in more than one data set
    conflicting: tuple[Tensor, ...]  # those whose labels differ, by name

    def __str__(self) -> str:
        images = sum(len(group) for group in self.groups)
        return (
            f"{len(self.groups):,} groups of identical images ({images:,} images); {len(self.across):,} lie in more "
            f"than one split; {len(self.conflicting):,} have conflicting labels"
        )


def find_duplicates(*datasets: FaceDataset) -> Duplicates:
    """Find images that are equal pixel by pixel, within and across data sets.

    Raises:
        ValueError: no data sets, or images of different sizes.
        TypeError: no FaceDatasets.
    """
    datasets = tuple(as_face_dataset(dataset) for dataset in datasets)
    if len({dataset.images.shape[1:] for dataset in datasets}) != 1:
        alike = len({dataset.images.shape[1] for dataset in datasets}) < 2  # in their channels
        shapes = listed([f"{dataset.name} {tuple(dataset.images.shape[1 + alike :])}" for dataset in datasets])
        cure = "with images of one size; resize(dataset, size) makes them" if alike else "with as many channels"
        raise ValueError(f"datasets={shapes}: give data sets {cure}.")
    images = torch.cat([dataset.images.cpu() for dataset in datasets])
    labels = _comparable_labels(datasets)
    place = torch.tensor([(number, i) for number, dataset in enumerate(datasets) for i in range(len(dataset))])
    found = [torch.tensor(items) for items in members_of(group_identical(images)) if len(items) > 1]
    return Duplicates(
        groups=tuple(place[items] for items in found),
        across=tuple(place[items] for items in found if len(place[items, 0].unique()) > 1),
        conflicting=tuple(place[items] for items in found if len(labels[items].unique()) > 1),
    )


def _comparable_labels(datasets: Sequence[FaceDataset]) -> Tensor:
    """Number the labels of all data sets alike, by the names of classes: int64, one data set after another."""
    numbers: dict[str, int] = {}
    parts = []
    for dataset in datasets:
        keys = [name if (label := label_of(name)) is None else EMOTIONS[label] for name in dataset.classes]
        alike = keys if len(set(keys)) == len(keys) else dataset.classes
        table = torch.tensor([numbers.setdefault(key, len(numbers)) for key in alike])
        parts.append(table[dataset.labels.cpu()])
    return torch.cat(parts)


def find_blank(images: Tensor, tolerance: int = 0) -> Tensor:
    """Return the indices (int64) of uint8 images `(N, …)` whose grey levels differ by no more than `tolerance`."""
    tolerance, images = check_number(0, 255, tolerance=tolerance), as_pixels(images)
    if images.ndim < 2 or 0 in images.shape[1:]:
        raise ValueError(f"images have shape {tuple(images.shape)}; expected (N, 1, height, width).")
    pixels = images.flatten(1)
    spread = pixels.amax(1).to(torch.int16) - pixels.amin(1).to(torch.int16)
    return (spread <= tolerance).nonzero()[:, 0]


def identical(images: Tensor, others: Tensor) -> Tensor:
    """Say of each image whether it is among `others`, pixel by pixel: bool `(N,)`, on the CPU."""
    known = {image.tobytes() for image in others.cpu().numpy()}
    return torch.tensor([image.tobytes() in known for image in images.cpu().numpy()])
