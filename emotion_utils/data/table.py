"""A table (CSV) with paths of images and their labels, as a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder import Asked, Listing, asked, made_of, tell
from emotion_utils.data.folder_plan import Plan, make_plan
from emotion_utils.data.folder_splits import MOST_SHARE, finish
from emotion_utils.data.layouts import Meaning, PersonOf, doubt
from emotion_utils.data.reading import Entry, read_entries
from emotion_utils.data.splits import SPLITS, split_of
from emotion_utils.data.table_rows import SUFFIXES, Row, read_rows
from emotion_utils.errors import brief, check_number, check_whole, listed, one_line, printable, show
from emotion_utils.files import as_path, is_file

SKIPPED = "skipped, "  # begins a note on rows


def load_table(
    path: str | Path,
    folder: str | Path | None = None,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
    columns: Mapping[str, str | int] | None = None,
    verbose: bool = True,
) -> FaceDataset:
    """Read the images that a table lists, with their labels, into a data set.

    The table is text with a row for each image, cells apart by commas, semicolons, tabs or spaces. Columns are found by
    their names (path, file, image; label, class, emotion; person, subject; split, usage); a table without names has the
    path first and the label second. Rows without a path or a label, paths that leave the folder and files that are not
    there are skipped and noted. A file's ending may be left out.

    Args:
        path: the table.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; None: `EMOTIONS` where all are emotions, else sorted names.
        colour: keep red, green and blue; False turns all grey.
        folder: that the paths start from; None: the folder of the table.
        person_of: a function from a file's path to the person it shows; None: as the table tells.
        meaning: what labels stand for, as `{"1": "surprise", …}`, or "raf-db", "affectnet", …: see `load_folder`.
        columns: names of the table's columns where they are not found: `{"path": "foto", "label": "was"}`; also
            "person" and "split". Or their numbers, counted from 0: `{"path": 0, "label": 7}`.
        verbose: print the notes.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: there is no table or folder, or it may not be read.
        ValueError: no table, columns that are not found, only one class, or not one readable image.
    """
    how = asked(size, classes, colour, None, meaning, person_of)
    table, root = _places(path, folder)
    found = read_rows(table, columns)
    splits = {split_of(row.split) for row in found.rows} - {None}
    notes = list(found.notes)
    if splits:
        notes.append(f"its column of splits says {listed(sorted(splits))}; load_table_splits keeps them apart")
    listing = _list_rows(table, root, found.rows, how, notes)
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
    columns: Mapping[str, str | int] | None = None,
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
    table, root = _places(path, folder)
    found = read_rows(table, columns)
    rows = found.rows
    if not found.has_splits:
        raise ValueError(
            f"{show(table, 100)} has no column of splits: columns={{'path': …, 'label': …, 'split': …}} names it. "
            "load_table(path) reads a table without one, and divide() cuts what it gives."
        )
    if unknown := sorted({row.split for row in rows if split_of(row.split) is None}):
        raise ValueError(
            f"{show(table, 100)}: the column of splits holds {listed([brief(word, 30) for word in unknown])}; words "
            "such as train, val and test are known. columns={'path': …, 'label': …, 'split': …} names the column."
        )
    plan = _plan(rows, how)
    how = replace(how, classes=plan.classes)
    made = {}
    for split in SPLITS:
        mine = [row for row in rows if split_of(row.split) == split]
        if mine:
            notes = found.notes if split == SPLITS[0] else ()
            dataset = _read(table, root, _list_rows(table, root, mine, how, notes), how, verbose=False)
            made[split] = dataset.subset(slice(None), split=split)
    if "training" not in made:
        raise ValueError(f"{show(table, 100)}: no row is for training, only for {listed(list(made))}.")
    return finish(table.stem, made, share, seed, verbose)


def _places(path: Any, folder: Any) -> tuple[Path, Path]:
    """Say where the table lies, and where its paths start."""
    table = as_path(path)
    root = table.parent if folder is None else as_path(folder, "folder")
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {show(root)}. folder=… says where the table's paths start.")
    return table, root


def _plan(rows: Sequence[Row], how: Asked) -> Plan:
    return make_plan(list(dict.fromkeys(row.label for row in rows if row.label)), how.classes, how.meaning, "labels")


def _read(table: Path, root: Path, listing: Listing, how: Asked, verbose: bool) -> FaceDataset:
    if not listing.entries:
        skipped = [note.removeprefix(SKIPPED) for note in listing.notes if note.startswith(SKIPPED)]
        why = one_line("; ".join(skipped) or "no row has a class", 140)
        raise ValueError(
            f"{show(table, 80)} lists no readable image: {why}. Its paths start at {show(root, 80)}; "
            "folder=… says another place."
        )
    reading = read_entries(root, listing.entries, how.size, how.colour)
    dataset = made_of(table, listing, reading, how, verbose=False)
    if verbose:
        tell(table.stem, dataset.notes)
    return dataset.renamed(printable(table.stem), dataset.notes)


def _list_rows(table: Path, root: Path, rows: Sequence[Row], how: Asked, notes: Sequence[str]) -> Listing:
    """Say which files are to be read, and what is wrong with rows."""
    plan = _plan(rows, how)
    if how.classes is None and len(set(plan.class_of.values())) < 2:
        raise ValueError(
            f"{show(table, 100)} has only one class, {listed(list(plan.class_of)) or 'and that has no name'}; a "
            "classifier needs two. columns={'path': …, 'label': …} names the column of labels."
        )
    entries: list[Entry] = []
    wrong: dict[str, list[str]] = {}
    titles: dict[str, set[str]] = {}
    for row in rows:
        name = _found(row.path, root)
        if why := _what_is_wrong(row, name, root):
            wrong.setdefault(why, []).append(f"line {row.line}" + (f" ({row.path})" if row.path else ""))
        elif row.label in plan.class_of:
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
    told = tuple(f"{SKIPPED}{why}: {listed(lines, between='; ')}" for why, lines in wrong.items())
    return Listing(plan.classes, tuple(entries), (*notes, *told, *plan.notes), ())


def _what_is_wrong(row: Row, name: str | None, root: Path) -> str | None:
    if not row.path or not row.label:
        return f"without a {'path' if not row.path else 'label'}"
    if _inside(row.path, root) is None:
        return "the path leaves the folder"
    return None if name else "there is no such file"


def _inside(path: str, root: Path) -> PurePosixPath | None:
    """Give a row's path in the folder, also of one that begins at the disk's root; None for one that leaves it."""
    plain = PurePosixPath(path.replace("\\", "/"))
    if Path(path).is_absolute():
        try:
            plain = PurePosixPath(Path(path).resolve().relative_to(root.resolve()).as_posix())
        except (ValueError, OSError):
            return None
    return None if plain.is_absolute() or ".." in plain.parts or ":" in "".join(plain.parts[:1]) else plain


def _found(path: str, root: Path) -> str | None:
    """Find the file that a row means, which may be called by another name than the row says.

    RAF-DB's list says train_00001.jpg, and the file is train_00001_aligned.jpg; others leave out a file's ending.
    """
    plain = _inside(path, root)
    if plain is None or not plain.name:
        return None
    names = [plain, plain.with_name(f"{plain.stem}_aligned{plain.suffix}")]
    if plain.suffix.lower() not in SUFFIXES:
        names += [plain.with_name(plain.name + suffix) for suffix in SUFFIXES]
    for name in names:
        file = root / name
        if is_file(file) and file.resolve().is_relative_to(root.resolve()):
            return str(name)
    return None
