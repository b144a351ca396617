"""Which sub-folder, or which word in a table, stands for which class; and what there is to say about that."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion_utils.data.splits import split_of
from emotion_utils.data.tree import Tree, sub_folders
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, listed, printable, show


@dataclass(frozen=True)
class Plan:
    """Which name stands for which class."""

    classes: tuple[str, ...]
    class_of: dict[str, str]  # for each name that is read, its class
    notes: tuple[str, ...]


def make_plan(
    names: Sequence[str], classes: tuple[str, ...] | None = None, meaning: Mapping[str, str] | None = None
) -> Plan:
    """Find the class of each name; names that are no class are left out, and noted.

    Args:
        names: of sub-folders, or the words of a table's column of labels; each once.
        classes: names and order of the classes. None: `EMOTIONS` if all are emotions, else the names, sorted.
        meaning: what names stand for; a number that is not among them stands for nothing, as "no face" may.
    """
    meaning = meaning or {}
    called = {name: meaning.get(name, name) for name in names if name in meaning or not (meaning and name.isdecimal())}
    emotion = {name: EMOTIONS[label] for name, word in called.items() if (label := label_of(word)) is not None}
    if classes is None:
        class_of = {name: emotion.get(name, printable(word)) for name, word in called.items()}
        found = set(class_of.values())
        classes = EMOTIONS if found <= set(EMOTIONS) else in_order(found)
    else:
        of_word = _matched(list(called.values()), classes)
        class_of = {name: of_word[word] for name, word in called.items() if word in of_word}
    return Plan(classes, class_of, tuple(_notes(names, class_of, classes, emotion)))


def in_order(titles: set[str]) -> tuple[str, ...]:
    """Sort names of classes: numbers by size, so that 10 comes after 9, others by letters."""
    if all(title.isdecimal() for title in titles):
        return tuple(sorted(titles, key=lambda title: (int(title), title)))
    return tuple(sorted(titles))


def plan_folder(
    path: Path, tree: Tree, classes: tuple[str, ...] | None, meaning: Mapping[str, str] | None = None
) -> Plan:
    """Find the class of each sub-folder.

    Raises:
        ValueError: no sub-folders, splits in place of classes, only one class, or none of those asked for.
    """
    names = tree.found
    if not names:
        raise ValueError(
            f"{show(path)} has no sub-folders. Make one for each class, such as {show(path / 'happy')}, and put its "
            "images there; layout=… says that names of files tell the class."
        )
    refuse_splits(path, tree, classes or ())
    plan = make_plan(names, classes, meaning)
    found = set(plan.class_of.values())
    if classes is None and len(found) == 1:
        raise ValueError(_only_one(path, names[0], next(iter(found))))
    if not found:
        wanted = f"none is called as one of the classes {listed(classes, 8, 100)}" if classes else "none has a meaning"
        raise ValueError(
            f"{show(path)} has the sub-folders {listed(names, length=100)}; {wanted}. Rename the folders, or name the "
            "classes as they are called."
        )
    return plan


def refuse_splits(path: Path, tree: Tree, classes: Sequence[str]) -> None:
    """Raise a ValueError if sub-folders are splits (train, test, …); one alone may be a class of that name."""
    splits = {name: split for name in tree.found if name not in classes and (split := split_of(name))}
    holders = [name for name in splits if sub_folders(path / name).found]
    if len(set(splits.values())) > 1 or holders:
        first = next(iter(holders or splits))
        raise ValueError(
            f"{show(path, 80)} holds splits ({listed(list(splits), length=60)}), not classes. load_folder_splits(path) "
            f"reads them all, load_folder({show(path / first, 100)!r}) one; load_splits('fer2013', data_dir=…) reads "
            "FER2013's."
        )


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
            "the classes are numbers. Where these stand for emotions, say which, as in meaning={'1': 'surprise', …}: "
            f"collections number them in different ways, FER2013 from 0 ({EMOTIONS[0]}) to 6 ({EMOTIONS[-1]})"
        )
    if ignored := [name for name in names if name not in class_of]:
        notes.append(f"sub-folders that are no class were skipped: {listed(ignored, 10)}")
    return notes
