"""Reading a list of image files whose classes are known; what could not be read, and what a reader should know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.image_files import ImageError, Picture, read_picture
from emotion_utils.data.layouts import PersonOf, persons_of
from emotion_utils.data.splits import group_identical, members_of
from emotion_utils.errors import listed, reason

DARK = 64  # where the brightest of all pixels is below this, 255 may not be what is white
LONG = 2.0  # times longer than wide, or wider than long: the middle square is then less than half of the picture


@dataclass(frozen=True)
class Entry:
    """A file that is to be read."""

    name: str  # its path in the folder, with / between the parts
    title: str  # name of its class
    person: str | None = None  # or of its series, where a table says so


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read, and what was not.

    Attributes:
        images: uint8 `(N, C, size, size)`; empty if nothing could be read.
        entries: the files they are from.
        skipped: path and reason of each file that could not be read.
        sizes: height and width of each file's image, before it was cut.
        turned: files whose EXIF data is damaged, so that they may lie on their side.
        coloured: how many files hold colours.
    """

    images: Tensor
    entries: tuple[Entry, ...]
    skipped: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[int, int], ...]
    turned: tuple[str, ...]
    coloured: int


def read_entries(root: Path, entries: Sequence[Entry], size: int, colour: bool) -> Reading:
    """Read the files below `root`; one that cannot be read is noted with the reason, and left out."""
    pictures: list[Picture] = []
    kept: list[Entry] = []
    skipped: list[tuple[str, str]] = []
    for entry in entries:
        try:
            pictures.append(read_picture(root / entry.name, size, colour))
            kept.append(entry)
        except (OSError, ValueError) as error:
            skipped.append((entry.name, error.why if isinstance(error, ImageError) else reason(error)))
    channels = 3 if colour else 1
    images = torch.empty(len(kept), channels, size, size, dtype=torch.uint8)
    for image, picture in zip(images, pictures, strict=True):
        image.copy_(torch.from_numpy(picture.pixels).view(channels, size, size))
    return Reading(
        images,
        tuple(kept),
        tuple(skipped),
        tuple(picture.size for picture in pictures),
        tuple(entry.name for entry, picture in zip(kept, pictures, strict=True) if picture.remark),
        sum(picture.has_colours for picture in pictures),
    )


def skipped_note(skipped: Sequence[tuple[str, str]]) -> list[str]:
    """Say which files were skipped, and why: one note, or none."""
    if not skipped:
        return []
    what = f"skipped {len(skipped):,} file{'s' * (len(skipped) > 1)} that could not be read"
    return [f"{what}: {listed([f'{name} ({why})' for name, why in skipped], between='; ')}"]


def notes_on(reading: Reading, size: int, colour: bool) -> list[str]:
    """Say what a reader should know about images that were read."""
    names, notes = [entry.name for entry in reading.entries], skipped_note(reading.skipped)
    if reading.turned:
        notes.append(f"damaged EXIF data, so these may lie on their side: {listed(reading.turned, between='; ')}")
    long = [name for name, pixels in zip(names, reading.sizes, strict=True) if max(pixels) > LONG * min(pixels)]
    if long:
        notes.append(
            f"much longer than wide, or the other way round, so the middle square shows less than half: {listed(long)}"
        )
    small = [name for name, pixels in zip(names, reading.sizes, strict=True) if 2 * min(pixels) < size]
    if small:
        notes.append(f"less than half of {size} pixels high or wide, so enlarged and blurred: {listed(small)}")
    if colour and not reading.coloured:
        notes.append("no file holds colours, so the three channels are equal: colour=False needs a third of the memory")
    notes += note_on_dark(reading.images, "scale the files' pixels: 12 bits saved as 16 look like that")
    return notes + _notes_on_twins(reading)


def note_on_dark(images: Tensor, cure: str) -> list[str]:
    """Say that all images are nearly black, and what to do if they should not be: one note, or none."""
    pixels = images.flatten(1)
    shows = len(pixels) > 0 and bool((pixels.amax(1) > pixels.amin(1)).any())  # blank ones have no white
    brightest = int(pixels.max()) if shows else 0
    if not 0 < brightest < DARK:
        return []
    return [
        f"the brightest of all pixels is {brightest} of 255: if that is white, {cure}, else nearly black images are "
        "learnt from"
    ]


def _notes_on_twins(reading: Reading) -> list[str]:
    """Say which images are the same pixel by pixel, first of all those that lie in two classes."""
    twins = [items for items in members_of(group_identical(reading.images)) if len(items) > 1]
    if not twins:
        return []
    in_two = [items for items in twins if len({reading.entries[i].title for i in items}) > 1]
    notes = []
    if in_two:
        shown = [" = ".join(reading.entries[i].name for i in items[:2]) for items in in_two]
        notes.append(
            f"the same image in two classes, so one of the labels is wrong ({len(in_two):,} times): "
            f"{listed(shown, 3, between='; ')}"
        )
    if len(in_two) < len(twins):
        shown = [" = ".join(reading.entries[i].name for i in items[:2]) for items in twins if items not in in_two]
        notes.append(f"the same image more than once ({len(shown):,} times): {listed(shown, 3, between='; ')}")
    return notes


def as_dataset(
    reading: Reading, classes: Sequence[str], name: str, notes: Sequence[str], person_of: PersonOf | None = None
) -> FaceDataset:
    """Make a data set of what was read; who is on it is told by the entries, a function, or the names of the files."""
    names, more = [entry.name for entry in reading.entries], []
    persons = [entry.person for entry in reading.entries]
    if person_of is not None or all(person is None for person in persons):
        persons, note = persons_of(names, person_of)
        more += [note] if note else []
    if persons is not None:  # a file that tells nobody shows somebody of its own
        persons = [f"alone {name}/{file}" if who is None else who for file, who in zip(names, persons, strict=True)]
    labels = torch.tensor([list(classes).index(entry.title) for entry in reading.entries])
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    if empty := [title for title, count in zip(classes, counts, strict=True) if count == 0]:
        more.append(f"classes without images: {listed(empty, 10)}")
    if single := [title for title, count in zip(classes, counts, strict=True) if count == 1]:
        more.append(f"classes with one image, which only one part can have after divide: {listed(single, 10)}")
    return FaceDataset(reading.images, labels, classes, name=name, names=names, groups=persons, notes=[*notes, *more])
