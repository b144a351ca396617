"""A folder of your own images, one sub-folder for each class, as a data set; or one that holds splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion_utils.data.contents import check_classes, check_flag
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder_plan import make_plan, plan_folder
from emotion_utils.data.layouts import Layout, Meaning, PersonOf, check_layout, check_meaning, recognise, told_by
from emotion_utils.data.pixels import check_size
from emotion_utils.data.reading import Entry, Reading, as_dataset, notes_on, read_entries
from emotion_utils.data.tree import find_files, sub_folders
from emotion_utils.errors import listed, printable, say, show
from emotion_utils.files import as_path

MOST_LINES = 5  # that are printed about a folder


@dataclass(frozen=True)
class Asked:
    """How a folder or a table is to be read; see `load_folder`."""

    size: int
    classes: tuple[str, ...] | None
    colour: bool
    layout: Layout | None = None
    meaning: Mapping[str, str] | None = None
    person_of: PersonOf | None = None


def asked(
    size: Any, classes: Any, colour: Any, layout: Any = None, meaning: Any = None, person_of: PersonOf | None = None
) -> Asked:
    """Check the arguments that all readers share; raises a ValueError or a TypeError for what is none."""
    size, colour = check_size(size), check_flag(colour=colour)
    if person_of is not None and not callable(person_of):
        raise TypeError(f"person_of={str(person_of)[:60]!r}: give a function of a file's path, or None.")
    classes = None if classes is None else check_classes(classes)
    return Asked(size, classes, colour, check_layout(layout), check_meaning(meaning), person_of)


def load_folder(
    path: str | Path,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    layout: str | None = None,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
    verbose: bool = True,
) -> FaceDataset:
    """Read a folder with one sub-folder for each class, named as the class, into a data set.

    Names of emotions may be written as others write them (`Angry`, `happiness`). If all sub-folders have such names,
    the classes are `EMOTIONS`, so that labels agree with those of trained models. Otherwise the classes are the
    sub-folders' names, sorted. Images in folders below a class's folder belong to that class. What was left out, taken
    for something else or could not be read stands in `notes`, which are printed; `inspect_folder` makes a page of it.
    `divide` cuts the result into splits.

    Args:
        path: the folder.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; a sub-folder with another name is skipped.
        colour: keep red, green and blue, images `(N, 3, size, size)`; False turns all grey.
        layout: "kdef", "jaffe" or "ck+": names of files say who shows what, as in that collection.
        meaning: what names of sub-folders stand for, as `{"1": "surprise", …}`, or the collection whose numbers they
            are: "fer2013", "ferplus", "raf-db", "affectnet", "ck+".
        person_of: a function from a file's path in the folder to the person it shows; `divide` then keeps each person
            in one part. None: as a known layout tells, else unknown.
        verbose: print the notes.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: no such folder, or it may not be read.
        ValueError: no sub-folders, only one class, splits in place of classes, or not one readable image.
    """
    path, how = as_path(path), asked(size, classes, colour, layout, meaning, person_of)
    listing = list_folder(path, how)
    reading = read_entries(path, listing.entries, how.size, how.colour)
    return made_of(path, listing, reading, how, verbose)


@dataclass(frozen=True)
class Listing:
    """The files of a folder, and the class of each."""

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]  # on classes
    left_out: tuple[str, ...]  # notes on what is no image of any class


def list_folder(path: Path, how: Asked) -> Listing:
    """Say which files are to be read, and of which class each is; raises what `load_folder` raises."""
    return _list_by_names(path, how) if how.layout and how.layout.emotions else _list_by_folders(path, how)


def _list_by_folders(path: Path, how: Asked) -> Listing:
    tree = sub_folders(path)
    if how.layout is None:
        _refuse_named_files(path, tree.found)
    plan = plan_folder(path, tree, how.classes, how.meaning)
    entries, left_out, below = [], [], []
    for title in plan.classes:
        for folder in [name for name, other in plan.class_of.items() if other == title]:
            inside = find_files(path / folder)
            left_out += [f"{folder}/{what}" for what in inside.left_out]
            names = [f"{folder}/{file}" for file in inside.found]
            entries += [Entry(name, title) for name in names]
            below += [name.rpartition("/")[0] for name in names if name.count("/") > 1]
    about = {
        "left out in the folders of classes": left_out,
        "read for the class above them": list(dict.fromkeys(below)),
        "left out beside the classes": tree.left_out,
    }
    notes = tuple(f"{what}: {listed(items, between='; ')}" for what, items in about.items() if items)
    return Listing(plan.classes, tuple(entries), plan.notes, notes)


def _refuse_named_files(path: Path, folders: Sequence[str]) -> None:
    """Raise a ValueError where names of files say the class, and the folders they lie in do not."""
    inside = {folder: find_files(path / folder).found[:20] for folder in folders[:20]}
    loose = [] if folders else [file for file in find_files(path).found if "/" not in file]
    layout = recognise([name for names in (loose, *inside.values()) for name in names])
    if layout is None:
        return
    if not layout.emotions:
        persons = {folder: {told.person for name in names if (told := told_by(layout, name))}
                   for folder, names in inside.items()}  # fmt: skip
        if persons and all(shown == {folder.upper()} for folder, shown in persons.items()):
            raise ValueError(
                f"{show(path)}: its sub-folders ({listed(folders, 3, 60)}) are the persons of {layout.title}, and not "
                "classes. A table for load_table says which emotion each file shows, and columns= names its persons."
            )
        return
    emotions = [{told.emotion for name in names if (told := told_by(layout, name))} for names in inside.values()]
    if len(folders) < 2 or max(map(len, emotions)) > 1 or len(set().union(*emotions)) < 2:
        raise ValueError(
            f"{show(path)}: files are called as those of {layout.title}, whose names say the class: "
            f"load_folder(path, layout={layout.title.lower()!r}). (Sub-folders: {listed(folders, 4, 60) or 'none'}.)"
        )


def _list_by_names(path: Path, how: Asked) -> Listing:
    """List files whose names say the class and the person."""
    sub_folders(path)  # raises an error for what is no folder
    tree = find_files(path)
    told = {name: told_by(how.layout, name) for name in tree.found}
    known = {name: each for name, each in told.items() if each is not None}
    if not known:
        raise ValueError(
            f"{show(path)}: none of its {len(told):,} files is called as in {how.layout.title}, the first "
            f"{listed(tree.found[:1]) or '(there is none)'}. layout=None takes sub-folders for classes."
        )
    plan = make_plan(list(dict.fromkeys(each.emotion for each in known.values())), how.classes)
    entries = tuple(
        Entry(name, plan.class_of[each.emotion], each.person)
        for name, each in known.items()
        if each.emotion in plan.class_of
    )
    others = [printable(name) for name in told if name not in known] + list(tree.left_out)
    persons = len({each.person for each in known.values()})
    notes = [f"{persons:,} persons, told by the names of files as in {how.layout.title}: divide keeps each in one part"]
    left_out = (f"not called as in {how.layout.title}, so left out: {listed(others, between='; ')}",) if others else ()
    return Listing(plan.classes, entries, (*plan.notes, *notes), left_out)


def made_of(path: Path, listing: Listing, reading: Reading, how: Asked, verbose: bool) -> FaceDataset:
    """Make the data set, with all that is to be said about it; raises a ValueError where nothing was read."""
    if not reading.entries:
        raise ValueError(nothing_read(path, listing, reading))
    notes = (*listing.notes, *notes_on(reading, how.size, how.colour), *listing.left_out)
    dataset = as_dataset(reading, listing.classes, name_of_folder(path), notes, how.person_of)
    if verbose:
        tell(dataset.name, dataset.notes)
    return dataset


def name_of_folder(path: Path) -> str:
    """Give the name of a folder, also of "."."""
    return printable(path.name or path.resolve().name)


def tell(name: str, notes: Sequence[str]) -> None:
    """Print the notes; of many the first alone, so that a folder in disorder does not fill the screen."""
    shown = notes if len(notes) <= MOST_LINES else notes[: MOST_LINES - 1]
    for note in shown:
        say(f"{name}: {note}.")
    if len(shown) < len(notes):
        say(f"{name}: {len(notes) - len(shown)} notes more are in the data set's `notes`.")


def nothing_read(path: Path, listing: Listing, reading: Reading) -> str:
    """Say that nothing could be read, and why not."""
    folders = list(dict.fromkeys(entry.name.partition("/")[0] for entry in listing.entries)) or list(listing.classes)
    files = [f"{name} ({why})" for name, why in reading.skipped[:1]]
    found = f"; {len(reading.skipped):,} files were skipped, the first: {listed(files, length=100)}." if files else "."
    return f"{show(path)} holds no readable image for its classes ({listed(folders, length=100)}){found}"
