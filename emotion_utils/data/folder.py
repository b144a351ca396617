"""A folder of your own images, one sub-folder for each class, as a data set."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.contents import check_classes
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.image_files import ImageError, read_picture
from emotion_utils.data.pixels import check_size
from emotion_utils.data.splits import split_of
from emotion_utils.data.tree import Tree, find_files, sub_folders
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, listed, printable, reason, say, show
from emotion_utils.files import as_path

MOST_LINES = 5  # that are printed about a folder


def load_folder(
    path: str | Path, size: int = 48, classes: Sequence[str] | None = None, *, verbose: bool = True
) -> FaceDataset:
    """Read a folder with one sub-folder for each class, named as the class, into a data set.

    Names of emotions may be written as others write them (`Angry`, `happiness`). If all sub-folders have such names,
    the classes are `EMOTIONS`, so that labels agree with those of trained models. Otherwise the classes are the
    sub-folders' names, sorted. Images in folders below a class's folder belong to that class. What was left out, taken
    for something else or could not be read stands in `notes`, which are printed. `divide` cuts the result into splits.

    Args:
        path: the folder.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; a sub-folder with another name is skipped.
        verbose: print the notes.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: no such folder, or it may not be read.
        ValueError: no sub-folders, only one class, splits in place of classes, or not one readable image.
    """
    path, size = as_path(path), check_size(size)
    tree = sub_folders(path)
    plan = _plan(path, tree, None if classes is None else check_classes(classes))
    images, labels, names, notes = _read(path, plan, size)
    if tree.left_out:
        notes.append(f"left out beside the classes: {listed(tree.left_out)}")
    if empty := [title for label, title in enumerate(plan.classes) if label not in set(labels)]:
        notes.append(f"classes without images: {listed(empty, 10)}")
    name = printable(path.name or path.resolve().name)
    notes = [*plan.notes, *notes]
    if verbose:
        _tell(name, notes)
    return FaceDataset(torch.cat(images), torch.tensor(labels), plan.classes, name=name, names=names, notes=notes)


def _tell(name: str, notes: Sequence[str]) -> None:
    """Print the notes; of many the first alone, so that a folder in disorder does not fill the screen."""
    shown = notes if len(notes) <= MOST_LINES else notes[: MOST_LINES - 1]
    for note in shown:
        say(f"{name}: {note}.")
    if len(shown) < len(notes):
        say(f"{name}: {len(notes) - len(shown)} notes more are in the data set's `notes`.")


@dataclass(frozen=True)
class _Plan:
    """Which sub-folder holds which class."""

    classes: tuple[str, ...]
    class_of: dict[str, str]  # for each sub-folder that is read, the name of its class
    notes: tuple[str, ...]


def _plan(path: Path, tree: Tree, classes: tuple[str, ...] | None) -> _Plan:
    names = tree.found
    if not names:
        raise ValueError(
            f"{show(path)} has no sub-folders. Make one for each class, such as {show(path / 'happy')}, and put its "
            "images there."
        )
    _refuse_splits(path, tree, classes or ())
    emotion = {name: EMOTIONS[label] for name in names if (label := label_of(name)) is not None}
    if classes is None:
        class_of = {name: emotion.get(name, printable(name)) for name in names}
        found = set(class_of.values())
        classes = EMOTIONS if found <= set(EMOTIONS) else tuple(sorted(found))
        if len(found) < 2:
            raise ValueError(_only_one(path, names[0], next(iter(found))))
    else:
        class_of = _matched(names, classes)
        if not class_of:
            raise ValueError(
                f"{show(path)} has the sub-folders {listed(names, length=100)}; none is called as one of the classes "
                f"{listed(classes, 8, 100)}. Rename the folders, or name the classes as they are called."
            )
    return _Plan(classes, class_of, tuple(_notes(names, class_of, classes, emotion)))


def _only_one(path: Path, folder: str, title: str) -> str:
    if inside := sub_folders(path / folder).found:  # an archive that was unpacked into a folder of its own
        return (
            f"{show(path)} has one sub-folder, {show(folder, 60)}, with the folders {listed(inside, length=80)} in it. "
            f"If those are the classes or the splits, give {show(path / folder, 100)} instead."
        )
    return (
        f"{show(path)} has only one class, {brief(title)}; a classifier needs two. Add a sub-folder, or name all "
        "classes, as in load_folder(path, classes=EMOTIONS)."
    )


def _matched(names: Sequence[str], classes: tuple[str, ...]) -> dict[str, str]:
    """Find the class of each sub-folder: the same name, else the same emotion, else the same but for its writing."""
    titles: dict[str | int, str] = {}
    for key in (_folded, label_of):
        for title in reversed(classes):
            if key(title) is not None:
                titles[key(title)] = title
    matches = {
        name: name if name in classes else titles.get(label_of(name)) or titles.get(_folded(name)) for name in names
    }
    return {name: title for name, title in matches.items() if title is not None}


def _folded(name: str) -> str:
    """Give a name without its writing: capitals, and the ways in which computers store an accent."""
    return unicodedata.normalize("NFKC", printable(name)).casefold()


def _notes(
    names: Sequence[str], class_of: dict[str, str], classes: tuple[str, ...], emotion: dict[str, str]
) -> list[str]:
    notes = []
    if renamed := {title for name, title in class_of.items() if name != title and title != printable(name)}:
        groups = {title: [name for name, other in class_of.items() if other == title] for title in classes}
        taken = [f"{', '.join(groups[title])} → {title}" for title in classes if title in renamed]
        what = "emotions" if renamed <= set(emotion.values()) else "classes"
        notes.append(f"folders taken for {what}: {listed(taken, limit=7)}")
    if emotion and not set(classes) <= set(EMOTIONS):
        others = [title for title in classes if title not in EMOTIONS]
        notes.append(
            f"labels are in the order {listed(classes, 8)}; trained models have that of EMOTIONS, without "
            f"{listed(others)}"
        )
    folded = [_folded(title) for title in classes]
    if alike := [title for title, key in zip(classes, folded, strict=True) if folded.count(key) > 1]:
        notes.append(f"these classes differ in the writing alone, in capitals or accents: {listed(alike)}")
    if all(title.isdecimal() for title in classes):
        notes.append(
            "the classes are numbers. Where these stand for emotions, name the folders after them: collections number "
            f"them in different ways, FER2013 from 0 ({EMOTIONS[0]}) to 6 ({EMOTIONS[-1]})"
        )
    if ignored := [name for name in names if name not in class_of]:
        notes.append(f"sub-folders that are no class were skipped: {listed(ignored)}")
    return notes


def _refuse_splits(path: Path, tree: Tree, classes: tuple[str, ...]) -> None:
    """Raise a ValueError if sub-folders are splits (train, test, …); one alone may be a class of that name."""
    splits = {name: split_of(name) for name in tree.found if name not in classes}
    splits = {name: split for name, split in splits.items() if split}
    holders = [name for name in splits if sub_folders(path / name).found]
    if len(set(splits.values())) > 1 or holders:
        first = next(iter(holders or splits))
        raise ValueError(
            f"{show(path)} holds splits ({listed(list(splits))}), not classes. Load each by itself, as in "
            f"load_folder({show(path / first)!r}); FER2013's folders are for load_splits('fer2013', data_dir=…)."
        )


def _read(path: Path, plan: _Plan, size: int) -> tuple[list[Tensor], list[int], list[str], list[str]]:
    """Read all images: each uint8 `(1, 1, size, size)`, its label, its path in the folder; and what to say."""
    images, labels, names = [], [], []
    below, left_out, skipped, remarks = [], [], [], []
    for label, title in enumerate(plan.classes):
        for folder in [name for name, other in plan.class_of.items() if other == title]:
            tree = find_files(path / folder)
            left_out += [f"{folder}/{what}" for what in tree.left_out]
            for name in [f"{folder}/{file}" for file in tree.found]:
                try:
                    picture = read_picture(path / name, size)
                except (OSError, ValueError) as error:
                    why = error.why if isinstance(error, ImageError) else reason(error)
                    skipped.append(f"{name} ({why})")
                    continue
                images.append(torch.from_numpy(picture.pixels)[None, None])
                labels.append(label)
                names.append(name)
                below += [name.rpartition("/")[0]] if name.count("/") > 1 else []
                remarks += [name] if picture.remark else []
    if not images:
        raise ValueError(_nothing(path, plan, skipped))
    about = {
        f"skipped {len(skipped):,} file{'s' * (len(skipped) > 1)} that could not be read": skipped,
        "left out in the folders of classes": left_out,
        "read for the class above them": list(dict.fromkeys(below)),
        "damaged EXIF data, so these may lie on their side": remarks,
    }
    return images, labels, names, [f"{what}: {listed(items, between='; ')}" for what, items in about.items() if items]


def _nothing(path: Path, plan: _Plan, skipped: list[str]) -> str:
    found = f"; {len(skipped):,} files were skipped, the first: {listed(skipped[:1], length=100)}." if skipped else "."
    return f"{show(path)} holds no readable image in its sub-folders {listed(list(plan.class_of), length=100)}{found}"
