"""FER2013 as a table: a row for each face, with the emotion, 2,304 grey levels and the part of the benchmark."""

import csv
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm.std import tqdm

from emotion_utils.data.fer2013_rows import FETCH, MOST_ROWS, SIZE, USAGES, Rows, SourceError, make_rows
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import brief, listed, printable, show

LONGEST_LINE = 100_000  # characters; a row has 10,000, and 20,000 where pixels are written as 12.0


def read_table(path: Path, file: BinaryIO, size: int | None, verbose: bool = True) -> Rows:
    """Read the table in `file`, of `size` bytes; messages call it `path`.

    Raises:
        SourceError: columns, or a row, that are not FER2013's; the message says which and what to do.
        UnicodeDecodeError, csv.Error: no text, or no table.
    """
    wide = file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")  # as Excel saves "Unicode text"
    text = io.TextIOWrapper(file, encoding="utf-16" if wide else "utf-8-sig", newline="")
    try:
        lines = _lines(path, text)
        above, first = next(((above, line) for above, line in enumerate(lines, 1) if line.strip()), (0, ""))
        columns, delimiter = _find_columns(path, first)
        reader = csv.reader(lines, delimiter=delimiter)
        with tqdm(
            total=size, unit="B", unit_scale=True, desc=f"Reading {printable(path.name)} (once)", disable=not verbose
        ) as bar:
            return _read_rows(path, reader, above, columns, bar)
    finally:
        text.detach()  # else the file would be closed with it


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    """Give the lines one by one; one that never ends is not kept in memory."""
    number = 0
    while line := text.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise SourceError(
                f"{show(path)}, line {number} has more than {LONGEST_LINE:,} characters, which no row of FER2013 has. "
                f"Get the table with `{FETCH}`."
            )
        yield line


@dataclass(frozen=True)
class _Columns:
    """Where in a row what stands."""

    count: int
    emotion: int
    pixels: tuple[int, ...]  # one column with all pixels, or a column for each
    usage: int | None


def _find_columns(path: Path, header: str) -> tuple[_Columns, str]:
    """Find the columns by their names, and the character between them."""
    if not header.strip("\0 \r\n"):
        raise SourceError(f"{show(path)} is empty, or begins with zeros. Get the whole file with `{FETCH}`.")
    splits = {
        mark: [name.strip().lower() for name in next(csv.reader([header], delimiter=mark), [])] for mark in ",;\t"
    }
    mark = next((mark for mark, names in splits.items() if "emotion" in names), ",")
    names = splits[mark]
    for name in ("emotion", "pixels", "usage"):
        if names.count(name) > 1:
            raise SourceError(
                f"{show(path)} has {names.count(name)} columns called {name!r}. Keep the right one alone."
            )
    pixels = [names.index("pixels")] if "pixels" in names else _one_for_each_pixel(names)
    if "emotion" not in names or not pixels:
        if any(len(field) > 1000 for field in names) or (len(names) > SIZE * SIZE and names[1].isdigit()):
            raise SourceError(
                f"{show(path)} begins with a row of data. Put the names of the columns in front, such as "
                f"emotion,pixels,Usage, or get the table with `{FETCH}`."
            )
        raise SourceError(
            f"{show(path)} has the columns [{listed([brief(name, 20) for name in names], 6)}]; expected emotion, "
            f"pixels and (optional) Usage. Check that it is the FER2013 table, or get it with `{FETCH}`."
        )
    usage = names.index("usage") if "usage" in names else None
    return _Columns(len(names), names.index("emotion"), tuple(pixels), usage), mark


def _one_for_each_pixel(names: list[str]) -> list[int]:
    """Find columns called pixel0, pixel1, … in the order of their numbers; [] unless they are 48 × 48."""
    numbered = {
        int(match[1]): i for i, name in enumerate(names) if (match := re.fullmatch(r"pixel[ _]?(\d{1,4})", name))
    }
    order = sorted(numbered)
    whole = len(order) == SIZE * SIZE and order[-1] - order[0] == len(order) - 1
    return [numbered[number] for number in order] if whole else []


def _read_rows(path: Path, reader: Iterator[list[str]], above: int, columns: _Columns, bar: tqdm) -> Rows:
    """Read all rows; `above` them are so many lines."""
    images, labels, usages = [], [], []
    for number, row in enumerate(reader, 1):
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        try:
            if len(row) != columns.count:
                raise ValueError(f"it has {len(row)} fields for {columns.count} columns")
            if len(images) == MOST_ROWS:
                raise ValueError(f"there are more than {MOST_ROWS:,} rows; FER2013 has 35,887")
            images.append(parse_pixels(" ".join(row[i] for i in columns.pixels)))
            labels.append(_parse_label(row[columns.emotion]))
            usages.append(0 if columns.usage is None else _parse_usage(row[columns.usage]))
        except ValueError as error:
            raise SourceError(
                f"{show(path)}, row {number} (line {reader.line_num + above}): {error}. The file may be cut or "
                f"changed; get it again with `{FETCH}`, or correct this row."
            ) from error
        bar.update(sum(map(len, row)) + len(row))
    if not images:
        raise SourceError(f"{show(path)} has a header and no rows. Get the whole file with `{FETCH}`.")
    names = [f"fer{row:07d}" for row in range(len(images))]
    notes = (
        []
        if columns.usage is not None
        else [f"{printable(path.name)} has no Usage column: all rows are taken as Training"]
    )
    return make_rows(images, labels, usages, names, notes)


def parse_pixels(text: str) -> np.ndarray:
    """Read 48 × 48 whole numbers from 0 to 255, uint8 `(2304,)`; they may be written as 12.0, but not as +12 or 0x0c.

    Raises:
        ValueError: another number of them, or one that is none; the message names it.
    """
    try:
        if "+" in text or "-" in text:
            raise ValueError("a sign")
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy's sign that a text holds more than numbers
            values = np.fromstring(text, dtype=np.int64, sep=" ")  # beyond 64 bits, the largest of them
    except (DeprecationWarning, ValueError):
        values = np.array([_parse_pixel(i, pixel) for i, pixel in enumerate(text.split())], dtype=np.int64)
    if len(values) != SIZE * SIZE:
        raise ValueError(f"it has {len(values):,} pixels; expected {SIZE} × {SIZE} = {SIZE * SIZE:,}")
    if values.max() > 255:
        place = int((values > 255).argmax())
        raise ValueError(_no_pixel(place, text.split()[place]))
    return values.astype(np.uint8)


def _parse_pixel(place: int, text: str) -> int:
    match = re.fullmatch(r"0*([0-9]{1,3})(\.0*)?", text)
    if match is None or int(match[1]) > 255:
        raise ValueError(_no_pixel(place, text))
    return int(match[1])


def _no_pixel(place: int, text: str) -> str:
    return f"pixel {place + 1:,} is {brief(text, 30)}; expected a whole number from 0 to 255"


def _parse_label(text: str) -> int:
    if match := re.fullmatch(r"([0-6])(\.0*)?", text.strip()):
        return int(match[1])
    label = label_of(text)
    if label is None:
        raise ValueError(
            f"the emotion is {brief(text, 30)}; expected a whole number from 0 ({EMOTIONS[0]}) to 6 ({EMOTIONS[-1]})"
        )
    return label


def _parse_usage(text: str) -> int:
    known = {name.lower(): usage for usage, name in enumerate(USAGES)}
    if text.strip().lower() not in known:
        raise ValueError(f"the usage is {brief(text, 30)}; expected one of {', '.join(USAGES)}")
    return known[text.strip().lower()]
