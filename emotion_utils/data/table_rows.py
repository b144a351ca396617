"""The rows of a table of images: what its columns are called, and the texts of its cells."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion_utils.errors import brief, check_whole, listed, reason, show
from emotion_utils.files import read_file

MOST_BYTES = 200_000_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm")
NOTHING = ("nan", "<na>")  # as pandas writes a cell that is empty

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


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes:
        rows: one for each image.
        has_splits: whether a column says to which split a row belongs.
        notes: how its columns were taken, where that is not plain.
    """

    rows: tuple[Row, ...]
    has_splits: bool
    notes: tuple[str, ...]


def read_rows(table: Path, columns: Mapping[str, str | int] | None) -> Table:
    """Read a table; the arguments are those of `load_table`.

    Raises:
        OSError, ValueError: no table of text, no rows, or columns that are not found.
    """
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
    place, has_names = _places(table, [row for _, row in numbered], columns)
    body = numbered[has_names:]
    if not body:
        raise ValueError(f"{show(table, 100)} has names of columns, and no rows.")

    def cell(row: list[str], what: str) -> str:
        at = place.get(what)
        text = row[at] if at is not None and at < len(row) else ""
        return "" if text.lower() in NOTHING else text

    rows = tuple(Row(number, *(cell(row, what) for what in NAMES)) for number, row in body)
    notes, width = [], max(len(row) for _, row in body)
    if not has_names and columns is None and width > 2:
        notes.append(
            "its columns have no names, so the first was taken for the path, the second for the label, such as "
            f"{brief(rows[0].label, 20)}, and {width - 2} more for nothing; columns={{'path': 0, 'label': "
            f"{width - 1}}} takes others, counted from 0"
        )
    return Table(rows, "split" in place, tuple(notes))


def _delimiter(line: str) -> str:
    """Say what parts the cells of a line: the first of these that occurs."""
    return next((sign for sign in (",", ";", "\t", " ") if sign in line), ",")


def _places(table: Path, rows: list[list[str]], columns: Mapping[str, str | int] | None) -> tuple[dict[str, int], bool]:
    """Find the columns by the cells of the first row; say whether these are names."""
    first = rows[0]
    if columns is not None:
        place = _chosen(table, first, columns)
        return place, any(isinstance(name, str) for name in columns.values()) or not _is_image(rows, place)
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


def _is_image(rows: list[list[str]], place: dict[str, int]) -> bool:
    """Say whether the first row is one of an image: a path's ending may be left out, yet most labels come again."""
    first, at = rows[0], place["label"]
    return first[place["path"]].lower().endswith(SUFFIXES) or any(row[at : at + 1] == [first[at]] for row in rows[1:])


def _chosen(table: Path, first: list[str], columns: Any) -> dict[str, int]:
    if not isinstance(columns, Mapping) or not set(_NEEDED) <= set(columns) <= set(NAMES):
        raise ValueError(
            f"columns={brief(columns)}: give the names of columns by what they hold, path and label at the least: "
            "columns={'path': …, 'label': …}, and if you like 'person' and 'split'."
        )
    numbers = {what: name for what, name in columns.items() if isinstance(name, int)}
    numbers = {what: check_whole(0, len(first) - 1, **{f"columns[{what!r}]": at}) for what, at in numbers.items()}
    if missing := [name for what, name in columns.items() if what not in numbers and name not in first]:
        raise ValueError(
            f"columns={brief(dict(columns))}: {show(table, 80)} has no column {brief(missing[0], 30)}, only "
            f"{listed(first, 8, 100)}."
        )
    return {what: numbers[what] if what in numbers else first.index(name) for what, name in columns.items()}
