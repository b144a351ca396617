"""Images that occur more than once, within a data set or across splits, and images that show nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.splits import group_identical, members_of


@dataclass(frozen=True)
class Duplicates:
    """Groups of identical images. A group is int64 `(k, 2)`: number of the data set, index in it.

    `groups` holds all of them, `across` those that lie in more than one data set, `conflicting` those whose labels
    differ.
    """

    groups: list[Tensor]
    across: list[Tensor]
    conflicting: list[Tensor]

    def __str__(self) -> str:
        images = sum(len(group) for group in self.groups)
        return (
            f"{len(self.groups):,} groups of identical images ({images:,} images); {len(self.across):,} lie in more "
            f"than one split; {len(self.conflicting):,} have conflicting labels"
        )


def find_duplicates(*datasets: FaceDataset) -> Duplicates:
    """Find images that are equal pixel by pixel, within and across data sets."""
    images = torch.cat([dataset.images.cpu() for dataset in datasets])
    labels = torch.cat([dataset.labels.cpu() for dataset in datasets])
    place = [(number, i) for number, dataset in enumerate(datasets) for i in range(len(dataset))]
    found = [items for items in members_of(group_identical(images)) if len(items) > 1]
    groups = [torch.tensor([place[i] for i in items]) for items in found]
    across = [group for group in groups if len(group[:, 0].unique()) > 1]
    conflicting = [group for group, items in zip(groups, found, strict=True) if len(labels[items].unique()) > 1]
    return Duplicates(groups, across, conflicting)


def find_blank(images: Tensor, tolerance: int = 0) -> Tensor:
    """Return the indices (int64) of uint8 images whose grey levels differ by no more than `tolerance`."""
    pixels = images.flatten(1)
    spread = pixels.amax(1).to(torch.int16) - pixels.amin(1).to(torch.int16)
    return (spread <= tolerance).nonzero()[:, 0]


def identical(images: Tensor, others: Tensor) -> Tensor:
    """Say of each image whether it is among `others`, pixel by pixel: bool `(N,)`."""
    known = {image.numpy().tobytes() for image in others}
    return torch.tensor([image.numpy().tobytes() in known for image in images])
