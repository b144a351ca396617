"""Faces as tensors with honest splits.

A data set of small faces fits in memory: 28,709 FER2013 faces are 66 MB. So a `FaceDataset` is one uint8 tensor
of images, one int64 tensor of labels and what else is known about them. Batches are cut from the tensor, augmented
and normalised all at once, which is many times faster than treating images one by one, and needs no worker processes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from emotion_utils.data.augment import augmented
from emotion_utils.data.contents import (
    as_groups,
    as_labels,
    as_pixels,
    as_text,
    as_texts,
    as_truth,
    as_twins,
    check_augment,
    check_classes,
    check_flag,
    check_images_and_labels,
    check_normalisation,
    check_one_for_each,
)  # fmt: skip
from emotion_utils.data.order import EpochOrder
from emotion_utils.data.pixels import normalise, pixel_statistics, to_unit
from emotion_utils.data.splits import SPLITS, check_fractions, group_identical, note_on_gaps, split, split_together
from emotion_utils.device import pick_device
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import check_whole
from emotion_utils.tensors import as_index, digest

Augmentation = Callable[[Tensor, Tensor, int, int], Tensor]


class FaceDataset(Dataset):
    """Faces in memory. `ds[i]` is one normalised image, float32 `(1, H, W)` (of colours 3), and its label, an int.

    `ds[0:3]`, `ds[[7, 2]]` and `ds[mask]` are what `batch` gives for these images. Images may be given as an array or
    a tensor of whole numbers 0 to 255 or of True and False, labels as whole numbers or as names of classes.

    Attributes:
        images: uint8 `(N, 1, H, W)`, or red, green and blue, `(N, 3, H, W)`.
        labels: int64 `(N,)`, each below `len(classes)`.
        classes: name of each label.
        name, split: which data set, and which part of it: "training", "validation" or "test".
        names: file name or row of each image, or None.
        twins: bool `(N,)`, True where an identical image was there to learn from; None where that is unknown.
        groups: int64 `(N,)` or None: images with the same number show one person, or are of one series; `divide` never
            tears them apart. May be given as names.
        truth: for drawn faces, what was drawn: a dictionary of tensors whose first size is N; else None.
        notes: sentences on what the loader did (skipped files, carved splits); `load` prints them.
        mean, std: of the *training* split's pixels scaled to [0, 1], also in the validation and the test split.
        augment, seed, epoch: an `Augment` or None, and what it draws from besides the index of an image.

    Raises:
        TypeError: images or labels that are floats, or no numbers.
        ValueError: wrong shape, no images, a label outside the classes, lengths that differ, two classes of one name,
            or a mean and a standard deviation that are none.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        classes: Sequence[str] = EMOTIONS,
        *,
        name: str = "faces",
        split: str = "training",
        names: Sequence[str] | None = None,
        twins: Tensor | None = None,
        groups: Tensor | Sequence[str] | None = None,
        truth: dict[str, Tensor] | None = None,
        notes: Sequence[str] = (),
        mean: float | None = None,
        std: float | None = None,
        augment: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.classes = check_classes(classes)
        self.images, self.labels = as_pixels(images), as_labels(labels, self.classes)
        check_images_and_labels(self.images, self.labels, self.classes)
        self.name, self.split, self.notes = as_text(name, "name"), as_text(split, "split"), as_texts(notes, "notes")
        self.names = None if names is None else as_texts(names, "names")
        self.twins = None if twins is None else as_twins(twins)
        self.groups = None if groups is None else as_groups(groups)
        self.truth = None if truth is None else as_truth(truth)
        alongside = [("names", self.names), ("twins", self.twins), ("groups", self.groups)]
        for what, values in [*alongside, *(self.truth or {}).items()]:
            check_one_for_each(what, values, len(self.images))
        if mean is None and std is None:
            mean, std = pixel_statistics(self.images)
        self.mean, self.std = check_normalisation(mean, std)
        self.augment, self.seed, self.epoch = check_augment(augment), check_whole(seed=seed), 0

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """Return images, float32 `(B, 1, H, W)` augmented and normalised, and labels, int64 `(B,)`.

        Raises:
            IndexError, ValueError, TypeError: numbers out of range, a mask of another length, no whole numbers.
        """
        # The augmentation's random numbers come from these indices, so they count from 0 even if given as -1.
        index = as_index(indices, len(self)).to(self.images.device)
        images = to_unit(self.images[index])
        if self.augment is not None:
            images = augmented(self.augment, images, index, self.seed, self.epoch)
        return normalise(images, self.mean, self.std), self.labels[index]

    def __getitem__(self, i: int | slice | Sequence[int] | Tensor) -> tuple[Tensor, int | Tensor]:
        if isinstance(i, slice | list | tuple | range | np.ndarray | Tensor) and getattr(i, "ndim", 1) > 0:
            return self.batch(i)
        i = check_whole(i=i)
        if not -len(self) <= i < len(self):
            raise IndexError(f"Image {i} was asked for; there are {len(self)}, numbered 0 to {len(self) - 1}.")
        images, labels = self.batch([i])
        return images[0], int(labels[0])

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, int]]:
        """Return many samples at once. PyTorch's DataLoader calls this, if it is there, with the indices of a batch."""
        images, labels = self.batch(indices)
        return list(zip(images.unbind(), labels.tolist(), strict=True))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch: it decides the order of the samples and the draws of the augmentation.

        Workers hold a copy of the data set, made at the start of an epoch; don't ask a DataLoader for
        `persistent_workers`, or they stay in the epoch in which they were made.
        """
        self.epoch = check_whole(epoch=epoch)

    def loader(self, batch_size: int, shuffle: bool = False, seed: int = 0, drop_last: bool = False) -> DataLoader:
        """Return PyTorch's DataLoader; with `shuffle`, the order is a function of `(seed, self.epoch)` alone."""
        batch_size, order = check_whole(1, 2**31, batch_size=batch_size), EpochOrder(self, seed)
        order = order if check_flag(shuffle=shuffle) else None
        return DataLoader(self, batch_size=batch_size, sampler=order, drop_last=check_flag(drop_last=drop_last))

    def _copy(self, **changes: Any) -> "FaceDataset":
        """Make a new data set that shares whatever is not named in `changes`."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__ | changes)
        return copy

    def subset(self, indices: Sequence[int] | Tensor, *, split: str | None = None) -> "FaceDataset":
        """Return the images at `indices` (whole numbers, or a bool mask `(N,)`), with `mean` and `std` kept.

        `split` gives the part another name than that of the split it is from.

        Raises:
            ValueError: a mask of another length, or no images at all.
            IndexError: a number out of range. (-1 is the last image, as in a list.)
            TypeError: neither whole numbers nor a mask.
        """
        index = as_index(indices, len(self)).cpu()
        if index.numel() == 0:
            raise ValueError(f"indices=[]: a subset of {self.name} needs one image or more.")
        return self._copy(
            images=self.images[index],
            labels=self.labels[index],
            names=None if self.names is None else [self.names[i] for i in index.tolist()],
            twins=None if self.twins is None else self.twins[index],
            groups=None if self.groups is None else self.groups[index],
            truth=None if self.truth is None else {key: value[index] for key, value in self.truth.items()},
            split=self.split if split is None else as_text(split, "split"),
        )

    def limited(self, limit: int | None, seed: int = 0) -> "FaceDataset":
        """Return at most `limit` images, chosen at random with the class balance of all; None keeps all."""
        if limit is None:
            return self
        limit = check_whole(1, None, ", or None for all", limit=limit)
        if limit >= len(self):
            return self
        share = limit / len(self)
        return self.subset(split(self.labels, [share, 1 - share], seed=seed)[0])

    def with_augment(self, augment: Augmentation | None, seed: int = 0) -> "FaceDataset":
        """Return the same images, in the same memory, augmented whenever they are read (None: not augmented)."""
        return self._copy(augment=check_augment(augment), seed=check_whole(seed=seed), epoch=0)

    def with_normalisation(self, mean: float, std: float) -> "FaceDataset":
        """Return the same images, in the same memory, normalised with another mean and standard deviation."""
        mean, std = check_normalisation(mean, std)
        return self._copy(mean=mean, std=std)

    def with_images(self, images: Tensor) -> "FaceDataset":
        """Return other images of the same faces, uint8 `(N, 1, H, W)`; `mean` and `std` stay, `truth` goes.

        The truth tells what was drawn where, in the pixels of the old images.
        """
        images = as_pixels(images)
        check_images_and_labels(images, self.labels, self.classes)
        return self._copy(images=images, truth=None)

    def with_labels(self, labels: Tensor, classes: Sequence[str] | None = None) -> "FaceDataset":
        """Return the same images with other labels `(N,)`, numbers or names, and, if given, other names of classes."""
        classes = self.classes if classes is None else check_classes(classes)
        labels = as_labels(labels, classes)
        check_images_and_labels(self.images, labels, classes)
        return self._copy(labels=labels, classes=classes)

    def with_twins(self, twins: Tensor | None) -> "FaceDataset":
        """Return the same images with other `twins`: bool `(N,)`, or None where they are unknown."""
        twins = None if twins is None else as_twins(twins)
        check_one_for_each("twins", twins, len(self))
        return self._copy(twins=twins)

    def renamed(self, name: str, notes: Sequence[str] = ()) -> "FaceDataset":
        """Return the same images under another name, with these notes."""
        return self._copy(name=as_text(name, "name"), notes=as_texts(notes, "notes"))

    def with_groups(self, groups: Tensor | Sequence[str] | None) -> "FaceDataset":
        """Return the same images with other `groups`: a number or a name for each, or None where they are unknown."""
        groups = None if groups is None else as_groups(groups)
        check_one_for_each("groups", groups, len(self))
        return self._copy(groups=groups)

    def to(self, device: str | torch.device) -> "FaceDataset":
        """Return the data set with images and labels on `device`, where `batch` then augments them."""
        device = pick_device(device)
        return self._copy(images=self.images.to(device), labels=self.labels.to(device))

    def divide(self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0) -> list["FaceDataset"]:
        """Cut into training, validation and test split (or, with two fractions, training and validation).

        The class balance is kept, identical images stay together, and so do images of one of the `groups`. All parts
        take the `mean` and `std` of the first, the training split. A note says which class a part is without.

        Raises:
            ValueError: not two or three fractions that add up to 1, or a part that would have no images.
        """
        fractions = check_fractions(fractions)
        if len(fractions) not in (2, 3):
            raise ValueError(f"fractions={fractions}: give two (training, validation) or three (and test).")
        parts = split_together(self.labels, fractions, group_identical(self.images), self.groups, seed)
        mean, std = pixel_statistics(self.images[parts[0]])
        made = [
            self.subset(part, split=name).with_normalisation(mean, std)
            for name, part in zip(SPLITS, parts, strict=False)
        ]
        # No image has a twin in another part: that is what keeping groups together is for.
        made = [part.renamed(self.name, [*self.notes, *note_on_gaps(self, part)]) for part in made]
        first, *others = made
        return [first.with_twins(None)] + [part.with_twins(torch.zeros(len(part)).bool()) for part in others]

    def digest(self) -> str:
        """Return 32 hexadecimal digits that tell whether another data set has the same content for a network.

        They depend on images, labels, classes, mean and standard deviation, not on names, augmentation or device. They
        are computed anew each time (0.1 s for FER2013's Training), as tensors may change.
        """
        return digest(self.images, self.labels, list(self.classes), self.mean, self.std)

    def class_counts(self) -> Tensor:
        """Count the images of each class: int64 `(C,)`."""
        return torch.bincount(self.labels.cpu(), minlength=len(self.classes))

    def model_arguments(self) -> dict[str, Any]:
        """Give what a network for these images is built with: `EmotionCNN(**faces.model_arguments())`.

        Raises:
            ValueError: images that are not square, which the networks here do not take.
        """
        channels, height, width = self.images.shape[1:]
        if height != width:
            raise ValueError(f"images have {height}×{width} pixels: networks here take squares; resize(faces, size).")
        return {"classes": self.classes, "image_size": height, "in_channels": channels}

    def describe(self) -> str:
        """Describe the data set in a few lines of text: size, class balance, pixel statistics, twins, notes."""
        height, width = self.images.shape[-2:]
        lines = [f"{self.name}, {self.split} split: {len(self):,} images of {height}×{width} pixels"]
        width = max(map(len, self.classes))
        for title, count in zip(self.classes, self.class_counts().tolist(), strict=True):
            lines.append(f"  {title:<{width}} {count:>7,} {count / len(self):6.1%}")
        lines.append(f"  training pixels: mean {self.mean:.3f}, standard deviation {self.std:.3f}")
        if self.twins is not None:
            lines.append(f"  images with an identical twin in training: {int(self.twins.sum()):,}")
        return "\n".join(lines + [f"  {note}" for note in self.notes])

    def __repr__(self) -> str:
        return f"FaceDataset({self.name}, {self.split}: {len(self):,} images, {len(self.classes)} classes)"
