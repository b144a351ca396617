"""A table (CSV) with paths of images and their labels, as a data set."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder import Asked, Listing, asked, made_of, tell
from emotion_utils.data.folder_plan import make_plan
from emotion_utils.data.folder_splits import MOST_SHARE, finish
from emotion_utils.data.layouts import Meaning, PersonOf, doubt
from emotion_utils.data.reading import Entry, read_entries
from emotion_utils.data.splits import SPLITS, split_of
from emotion_utils.errors import brief, check_number, check_whole, listed, printable, reason, show
from emotion_utils.files import as_path, is_file, read_file

MOST_BYTES = 200_000_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm")

# What columns are called, in small letters without spaces, lines and dots. The first that is there is taken.
NAMES = {
    "path": ("path", "filepath", "imagepath", "filename", "file", "imagename", "image", "img", "imgpath", "imageid",
             "subdirectoryfilepath", "pth", "name", "picture", "photo"),
    "label": ("label", "labels", "class", "classname", "emotion", "expression", "category", "target", "emotionlabel"),
    "split": ("split", "usage", "set", "subset", "partition", "fold"),
    "person": ("person", "personid", "subject", "subjectid", "identity", "userid", "user", "participant", "group"),
}  # fmt: skip

_NEEDED = ("path", "label")


@dataclass(frozen=True)
class Row:
    """One row of a table: the texts of its cells, "" where there is none."""

    line: int  # in the file, from 1
    path: str
    label: str
    split: str
    person: str


def load_table(
    path: str | Path,
    folder: str | Path | None = None,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
    columns: Mapping[str, str] | None = None,
    verbose: bool = True,
) -> FaceDataset:
    """Read the images that a table lists, with their labels, into a data set.

    The table is text with a row for each image, cells apart by commas, semicolons, tabs or spaces. Columns are found by
    their names (path, file, image; label, class, emotion; person, subject; split, usage); a table without names has the
    path first and the label second. Rows without a path or a label, paths that leave the folder and files that are not
    there are skipped and noted.

    Args:
        path: the table.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; None: `EMOTIONS` where all are emotions, else sorted names.
        colour: keep red, green and blue; False turns all grey.
        folder: that the paths start from; None: the folder of the table.
        person_of: a function from a file's path to the person it shows; None: as the table tells.
        meaning: what labels stand for, as `{"1": "surprise", …}`, or "raf-db", "affectnet", …: see `load_folder`.
        columns: names of the table's columns where they are not found: `{"path": "foto", "label": "was"}`; also
            "person" and "split".
        verbose: print the notes.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: there is no table or folder, or it may not be read.
        ValueError: no table, columns that are not found, only one class, or not one readable image.
    """
    how = asked(size, classes, colour, None, meaning, person_of)
    rows, root = _read_rows(path, folder, columns)
    splits = {split_of(row.split) for row in rows} - {None}
    notes = (
        [f"its column of splits says {listed(sorted(splits))}; load_table_splits keeps them apart"] if splits else []
    )
    table = as_path(path)
    listing = _list_rows(table, root, rows, how, notes)
    return _read(table, root, listing, how, verbose)


def load_table_splits(
    path: str | Path,
    folder: str | Path | None = None,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
    columns: Mapping[str, str] | None = None,
    share: float = 0.1,
    seed: int = 0,
    verbose: bool = True,
) -> tuple[FaceDataset, FaceDataset, FaceDataset]:
    """Read a table with a column that says training, validation or test: three data sets that fit together.

    Arguments are those of `load_table`; `share`, `seed`, and what is done about missing splits and images that two of
    them share, are those of `load_folder_splits`.

    Raises:
        ValueError: no such column, no training rows, a word in it that names no split, and as `load_table`.
    """
    how = asked(size, classes, colour, None, meaning, person_of)
    share, seed = check_number(0, MOST_SHARE, above=0, share=share), check_whole(seed=seed)
    rows, root = _read_rows(path, folder, columns)
    table = as_path(path)
    if unknown := sorted({row.split for row in rows if split_of(row.split) is None}):
        raise ValueError(
            f"{show(table, 100)}: the column of splits holds {listed([brief(word, 30) for word in unknown])}; words "
            "such as train, val and test are known. columns={'path': …, 'label': …, 'split': …} names the column."
        )
    plan = make_plan(list(dict.fromkeys(row.label for row in rows if row.label)), how.classes, how.meaning)
    how = replace(how, classes=plan.classes)
    made = {}
    for split in SPLITS:
        mine = [row for row in rows if split_of(row.split) == split]
        if mine:
            dataset = _read(table, root, _list_rows(table, root, mine, how, []), how, verbose=False)
            made[split] = dataset.subset(slice(None), split=split)
    if "training" not in made:
        raise ValueError(f"{show(table, 100)}: no row is for training, only for {listed(list(made))}.")
    return finish(table.stem, made, share, seed, verbose)


def _read(table: Path, root: Path, listing: Listing, how: Asked, verbose: bool) -> FaceDataset:
    reading = read_entries(root, listing.entries, how.size, how.colour)
    dataset = made_of(table, listing, reading, how, verbose=False)
    if verbose:
        tell(table.stem, dataset.notes)
    return dataset.renamed(printable(table.stem), dataset.notes)


def _list_rows(table: Path, root: Path, rows: Sequence[Row], how: Asked, notes: Sequence[str]) -> Listing:
    """Say which files are to be read, and what is wrong with rows."""
    plan = make_plan(list(dict.fromkeys(row.label for row in rows if row.label)), how.classes, how.meaning)
    if how.classes is None and len(set(plan.class_of.values())) < 2:
        raise ValueError(
            f"{show(table, 100)} has only one class, {listed(list(plan.class_of)) or 'and that has no name'}; a "
            "classifier needs two. columns={'path': …, 'label': …} names the column of labels."
        )
    entries: list[Entry] = []
    wrong: dict[str, list[str]] = {}
    titles: dict[str, set[str]] = {}
    for row in rows:
        if why := _what_is_wrong(row, root):
            wrong.setdefault(why, []).append(f"line {row.line}" + (f" ({row.path})" if row.path else ""))
        elif row.label in plan.class_of:
            name = _found(row.path, root)
            title = plan.class_of[row.label]
            if title in titles.setdefault(name, set()):
                wrong.setdefault("listed once more", []).append(f"line {row.line} ({row.path})")
                continue
            titles[name].add(title)
            entries.append(Entry(name, title, row.person or None))
    if in_two := [name for name, found in titles.items() if len(found) > 1]:
        notes = [*notes, f"listed with two labels, one of which is wrong: {listed(in_two)}"]
    persons = [entry.person for entry in entries]
    if how.person_of is None and any(persons) and (found := doubt(persons)):
        notes = [
            *notes,
            f"its column of persons tells {found}, and divide goes by that; unless it is so, "
            "columns={'path': …, 'label': …} leaves the column out",
        ]
    told = tuple(f"skipped, {why}: {listed(lines, between='; ')}" for why, lines in wrong.items())
    return Listing(plan.classes, tuple(entries), (*notes, *told, *plan.notes), ())


def _what_is_wrong(row: Row, root: Path) -> str | None:
    if not row.path or not row.label:
        return f"without a {'path' if not row.path else 'label'}"
    path = PurePosixPath(row.path.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        return "the path leaves the folder"
    return None if path.name and _found(row.path, root) else "there is no such file"


def _found(path: str, root: Path) -> str | None:
    """Find the file that a row means; RAF-DB's list says train_00001.jpg, and the file is train_00001_aligned.jpg."""
    plain = PurePosixPath(path.replace("\\", "/"))
    for name in (plain, plain.with_name(f"{plain.stem}_aligned{plain.suffix}")):
        file = root / name
        if is_file(file) and file.resolve().is_relative_to(root.resolve()):
            return str(name)
    return None


def _read_rows(path: Any, folder: Any, columns: Mapping[str, str] | None) -> tuple[list[Row], Path]:
    """Read a table, and say where its paths start."""
    table = as_path(path)
    root = table.parent if folder is None else as_path(folder, "folder")
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {show(root)}. folder=… says where the table's paths start.")
    try:
        text = read_file(table, MOST_BYTES).decode("utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        apart = _delimiter(lines[0]) if lines else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=apart, skipinitialspace=True)
        cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{show(table, 100)} is no table of text ({reason(error)}). Save it as CSV, UTF-8.") from error
    numbered = [(number, row) for number, row in cells if any(row)]
    if not numbered:
        raise ValueError(f"{show(table, 100)} holds no rows.")
    place, has_names = _places(table, numbered[0][1], columns)
    body = numbered[has_names:]
    if not body:
        raise ValueError(f"{show(table, 100)} has names of columns, and no rows.")

    def cell(row: list[str], what: str) -> str:
        at = place.get(what)
        return row[at] if at is not None and at < len(row) else ""

    return [Row(number, *(cell(row, what) for what in NAMES)) for number, row in body], root


def _delimiter(line: str) -> str:
    """Say what parts the cells of a line: the first of these that occurs."""
    return next((sign for sign in (",", ";", "\t", " ") if sign in line), ",")


def _places(table: Path, first: list[str], columns: Mapping[str, str] | None) -> tuple[dict[str, int], bool]:
    """Find the columns by the cells of the first row; say whether these are names."""
    if columns is not None:
        return _chosen(table, first, columns), True
    if first[0].lower().endswith(SUFFIXES):
        if len(first) < 2:
            raise ValueError(f"{show(table, 100)}: a row has a path and no label; give both, apart by a comma.")
        return {"path": 0, "label": 1}, False
    plain = ["".join(c for c in name.lower() if c.isalnum()) for name in first]
    place = {}
    for what, known in NAMES.items():
        if found := next((name for name in known if name in plain), None):
            place[what] = plain.index(found)
    if missing := [what for what in _NEEDED if what not in place]:
        known = ", ".join(f"{what!r}: {brief(first[place[what]], 30) if what in place else '…'}" for what in _NEEDED)
        raise ValueError(
            f"{show(table, 100)} has the columns {listed(first, 8, 120)}; which holds the {missing[0]}? Say columns="
            f"{{{known}}}, and 'person': … if one tells who is shown."
        )
    return place, True


def _chosen(table: Path, first: list[str], columns: Any) -> dict[str, int]:
    if not isinstance(columns, Mapping) or not set(_NEEDED) <= set(columns) <= set(NAMES):
        raise ValueError(
            f"columns={brief(columns)}: give the names of columns by what they hold, path and label at the least: "
            "columns={'path': …, 'label': …}, and if you like 'person' and 'split'."
        )
    if missing := [name for name in columns.values() if name not in first]:
        raise ValueError(
            f"columns={brief(dict(columns))}: {show(table, 80)} has no column {brief(missing[0], 30)}, only "
            f"{listed(first, 8, 100)}."
        )
    return {what: first.index(name) for what, name in columns.items()}
