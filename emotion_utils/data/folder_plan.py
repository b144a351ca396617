"""Which sub-folder, or which word in a table, stands for which class; and what there is to say about that."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emotion_utils.data.splits import split_of
from emotion_utils.data.tree import Tree, sub_folders
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, listed, printable, show

MOST_LOOKED_INTO = 50  # sub-folders


@dataclass(frozen=True)
class Plan:
    """Which name stands for which class."""

    classes: tuple[str, ...]
    class_of: dict[str, str]  # for each name that is read, its class
    notes: tuple[str, ...]


def make_plan(
    names: Sequence[str],
    classes: tuple[str, ...] | None = None,
    meaning: Mapping[str, str] | None = None,
    of: str = "sub-folders",
) -> Plan:
    """Find the class of each name; names that are no class are left out, and noted.

    Args:
        names: of sub-folders, or the words of a table's column of labels; each once. 3.0 is the number 3.
        classes: names and order of the classes. None: `EMOTIONS` if all are emotions, else the names, sorted.
        meaning: what names stand for, in any writing; a number that is not among them stands for nothing, as "no face"
            may.
        of: what the names are, for the notes.
    """
    known = {_key(word): title for word, title in (meaning or {}).items()} | (meaning or {})
    stands_for = {name: known.get(name, known.get(_key(name))) for name in names}
    words = {name: stands_for[name] or _whole(name) for name in names}
    called = {name: word for name, word in words.items() if stands_for[name] or not (meaning and word.isdecimal())}
    emotion = {name: EMOTIONS[label] for name, word in called.items() if (label := label_of(word)) is not None}
    if classes is None:
        class_of = {name: emotion.get(name, printable(word)) for name, word in called.items()}
        found = set(class_of.values())
        classes = EMOTIONS if found <= set(EMOTIONS) else in_order(found)
    else:
        of_word = _matched(list(called.values()), classes)
        class_of = {name: of_word[word] for name, word in called.items() if word in of_word}
    notes = _notes(names, class_of, classes, emotion, of)
    if meaning and (others := [name for name in class_of if not stands_for[name] and name not in emotion]):
        notes.append(f"meaning says nothing of {listed(others, 10)}: the name stays")
    return Plan(classes, class_of, tuple(notes))


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
    refuse_other_floors(path, tree, classes or ())
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


def refuse_other_floors(path: Path, tree: Tree, classes: Sequence[str] = ()) -> None:
    """Raise a ValueError if the folders of classes lie further down: sub-folders are splits, or persons."""
    _refuse_splits(path, tree, classes)
    if not classes and len(tree.found) > 1:
        _refuse_emotions_below(path, tree.found)


def _refuse_splits(path: Path, tree: Tree, classes: Sequence[str]) -> None:
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


def _refuse_emotions_below(path: Path, names: Sequence[str]) -> None:
    """Raise a ValueError where the folders of emotions lie one floor further down, as in `S005/happy/…`."""
    inside: dict[str, tuple[str, ...]] = {}
    for name in names[:MOST_LOOKED_INTO]:
        with suppress(OSError):  # one that may not be read is noted by who reads it
            inside[name] = sub_folders(path / name).found
    holders = [name for name, found in inside.items() if len({label_of(each) for each in found} - {None}) > 1]
    if holders and not any(label_of(name) is not None for name in names):
        emotions = [each for each in inside[holders[0]] if label_of(each) is not None]
        raise ValueError(
            f"{show(path, 80)}: the folders of emotions ({listed(emotions, 2, 40)}) lie in {listed(holders, 2, 50)}. "
            "If these are persons, put the emotions above them, or list paths, emotions and persons in a table for "
            "load_table. If only one holds faces, give that. If they are the classes, name them: classes=[…]."
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
    """Give a name without its writing: capitals, spaces around it, and how computers store an accent."""
    return unicodedata.normalize("NFKC", printable(name)).strip().casefold()


def _key(name: str) -> str:
    """Give what `meaning` is looked up by: a name without its writing, a number without zeros before and behind it."""
    word = _whole(name)
    return str(int(word)) if word.isdecimal() else _folded(word)


def _whole(name: str) -> str:
    """Write a whole number without its fraction: a column with gaps is saved as 3.0, 4.0, …"""
    match = re.fullmatch(r"(\d+)\.0+", name.strip())
    return match[1] if match else name


def _notes(
    names: Sequence[str], class_of: dict[str, str], classes: tuple[str, ...], emotion: dict[str, str], of: str
) -> list[str]:
    notes = []
    if renamed := {title for name, title in class_of.items() if title not in (name, printable(name), _whole(name))}:
        groups = {title: [name for name, other in class_of.items() if other == title] for title in classes}
        taken = [f"{', '.join(groups[title])} → {title}" for title in classes if title in renamed]
        what = "emotions" if renamed <= set(emotion.values()) else "classes"
        notes.append(f"{of.removeprefix('sub-')} taken for {what}: {listed(taken, limit=7)}")
    if emotion and not set(classes) <= set(EMOTIONS):
        others = [title for title in classes if title not in EMOTIONS]
        notes.append(
            f"labels are in the order {listed(classes, 8)}; trained models have that of EMOTIONS, without "
            f"{listed(others)}"
        )
    folded = [_folded(title) for title in classes]
    if alike := [title for title, key in zip(classes, folded, strict=True) if folded.count(key) > 1]:
        notes.append(f"these classes differ in the writing alone, in capitals, accents or spaces: {listed(alike)}")
    if all(title.isdecimal() for title in classes):
        notes.append(
            "the classes are numbers. Where these stand for emotions, say which, as in meaning={'1': 'surprise', …}: "
            f"collections number them in different ways, FER2013 from 0 ({EMOTIONS[0]}) to 6 ({EMOTIONS[-1]})"
        )
    if ignored := [name for name in names if name not in class_of]:
        notes.append(f"{of} that are no class were skipped: {listed(ignored, 10)}")
    return notes
