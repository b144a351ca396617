"""FER2013 as folders of images, as Kaggle exports it: train/<class>/… and test/<class>/…, bare or in a zip."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm.std import tqdm

from emotion_utils.data.archives import open_zip, read_member
from emotion_utils.data.fer2013_rows import FETCH, MOST_ROWS, SIZE, USAGES, Rows, SourceError, make_rows
from emotion_utils.data.image_files import MOST_BYTES, ImageError, Picture, decode
from emotion_utils.data.splits import SPLITS, split_of
from emotion_utils.data.tree import find_files, sub_folders
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import listed, printable, reason, show
from emotion_utils.files import open_file, read_file


@dataclass(frozen=True)
class _Entry:
    """An image of an export."""

    part: str  # folder of the split
    title: str  # folder of the class
    inside: str  # path in the folder of the class, most often a file's name alone
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return printable(f"{self.part}/{self.title}/{self.inside}")


def is_export(folder: Path) -> bool:
    """Say whether a folder holds splits (train, test, …) that hold folders of emotions."""
    try:
        return any(label_of(title) is not None for part in _parts(folder) for title in sub_folders(folder / part).found)
    except OSError:
        return False


def export_files(folder: Path) -> Iterator[tuple[str, str]]:
    """List all files in the splits of an export: path in the folder, and path."""
    for part in _parts(folder):
        for file in find_files(folder / part).found:
            yield f"{part}/{file}", os.path.join(folder, part, file)


def read_export_folder(path: Path, verbose: bool = True) -> Rows:
    """Read the folders of an export.

    Raises:
        SourceError: there is no image in it.
    """
    entries, left_out = [], []
    for part in _parts(path):
        tree = sub_folders(path / part)
        left_out += [f"{part}/{name}" for name in tree.left_out]
        for title in tree.found:
            files = find_files(path / part / title)
            left_out += [f"{part}/{title}/{name}" for name in files.left_out]
            entries += [
                _Entry(part, title, file, partial(read_file, path / part / title / file, MOST_BYTES))
                for file in files.found
            ]
    return _read(path, entries, left_out, verbose)


def read_export_zip(path: Path, verbose: bool = True) -> Rows:
    """Read an export in a zip, below whatever folders.

    Raises:
        SourceError: there is no image in it.
        Exception: damage, as the libraries raise it.
    """
    with open_file(path) as file, open_zip(file) as archive:
        entries, left_out = [], []
        for info in archive.infolist():
            parts = PurePosixPath(info.filename.replace("\\", "/")).parts
            places = [i for i, part in enumerate(parts[:-2]) if split_of(part)]
            place = next((i for i in places if label_of(parts[i + 1]) is not None), places[0] if places else None)
            if info.is_dir() or place is None or parts[0] == "__MACOSX":
                continue
            part, title, *inside = parts[place:]
            if any(name.startswith(".") for name in inside):
                left_out.append("/".join((part, title, *inside)))
                continue
            entries.append(_Entry(part, title, "/".join(inside), partial(read_member, archive, info, MOST_BYTES)))
        entries.sort(key=lambda entry: (entry.part, entry.title, *entry.inside.split("/")))
        return _read(path, entries, left_out, verbose)


def _parts(folder: Path) -> list[str]:
    return [name for name in sub_folders(folder).found if split_of(name)]


@dataclass
class _Seen:
    """What is worth a note: for each kind the names of the files."""

    skipped: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    renamed: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)  # folders that are no class, and how many files they hold
    unnamed: int = 0
    elsewhere: int = 0
    validation: int = 0

    def notes(self, left_out: list[str]) -> list[str]:
        notes = []
        if self.skipped:
            notes.append(f"{len(self.skipped):,} unreadable images were skipped: {listed(self.skipped, between='; ')}")
        if self.others:
            folders = [f"{folder} ({count:,} files)" for folder, count in self.others.items()]
            notes.append(f"FER2013 has no such classes, so these were left out: {listed(folders)}")
        if self.resized:
            notes.append(f"{len(self.resized):,} images were resized to {SIZE}×{SIZE} pixels: {listed(self.resized)}")
        if self.renamed:
            notes.append(f"folders taken for emotions: {listed(list(self.renamed), 7)}")
        if self.unnamed:
            notes.append(
                f"{self.unnamed} test images are named neither PublicTest_ nor PrivateTest_ and count as PublicTest"
            )
        if self.validation:
            notes.append(f"{self.validation:,} images of the validation folder count as PublicTest")
        if self.elsewhere:
            notes.append(
                f"{self.elsewhere:,} images in the training folder are named as test images, and count as such"
            )
        if left_out:
            notes.append(f"left out: {listed([printable(name) for name in left_out])}")
        return notes


def _read(path: Path, entries: list[_Entry], left_out: list[str], verbose: bool) -> Rows:
    images, labels, usages, names, seen = [], [], [], [], _Seen()
    with_validation = any(split_of(entry.part) == "validation" for entry in entries)
    for entry in tqdm(entries, unit=" images", desc="Reading (once)", disable=not verbose):
        label = label_of(entry.title)
        if label is None:
            folder = printable(f"{entry.part}/{entry.title}")
            seen.others[folder] = seen.others.get(folder, 0) + 1
            continue
        picture = _picture(entry, seen)
        if picture is None:
            continue
        if len(images) == MOST_ROWS:
            raise SourceError(f"{show(path)} holds more than {MOST_ROWS:,} images; FER2013 has 35,887.")
        if entry.title not in EMOTIONS:
            seen.renamed[f"{printable(entry.title)} → {EMOTIONS[label]}"] = label
        images.append(picture.pixels)
        labels.append(label)
        usages.append(_usage(entry, with_validation, seen))
        names.append(entry.inside)
    if not images:
        found = f" ({listed(seen.skipped[:1] or list(seen.others), length=120)})" if seen.skipped or seen.others else ""
        raise SourceError(
            f"{show(path)} holds no images in train/<emotion>/ and test/<emotion>/{found}. Get FER2013 with `{FETCH}`."
        )
    return make_rows(images, labels, usages, names, seen.notes(left_out))


def _picture(entry: _Entry, seen: _Seen) -> Picture | None:
    """Read an image; None for one that is skipped."""
    try:
        picture = decode(entry.read(), entry.name, SIZE)
    except (ImageError, OSError, ValueError) as error:
        seen.skipped.append(f"{entry.name} ({error.why if isinstance(error, ImageError) else reason(error)})")
        return None
    if picture.size != (SIZE, SIZE):
        seen.resized.append(f"{entry.name} ({picture.size[1]}×{picture.size[0]})")
    return picture


def _usage(entry: _Entry, with_validation: bool, seen: _Seen) -> int:
    """Say to which part of the benchmark an image belongs: by its name, or by its folder if all three are there."""
    split = SPLITS.index(split_of(entry.part))
    name = PurePosixPath(entry.inside).name
    named = next((usage for usage, known in enumerate(USAGES) if name.startswith(known)), None)
    if split == 0:
        seen.elsewhere += bool(named)
        return named or 0
    if with_validation:
        seen.validation += split == 1
        return split
    if named is None:
        seen.unnamed += 1
        return 1
    return named
