"""A page on a folder of images before anything is learnt from it: what is there, what was skipped, and why."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder import asked, list_folder, made_of
from emotion_utils.data.layouts import Meaning, PersonOf
from emotion_utils.data.reading import Reading, read_entries
from emotion_utils.data.splits import group_identical, members_of
from emotion_utils.errors import printable
from emotion_utils.files import as_path, atomic_write

MOST_SHOWN = 12  # rows of a list on the screen; the saved page has them all


@dataclass(frozen=True, eq=False, repr=False)
class FolderReport:
    """What `inspect_folder` found. `print` shows it, a notebook shows it as a page, `save` writes that page.

    Attributes:
        dataset: the images, as `load_folder` gives them.
        skipped: path and reason of each file that was not read.
        twins: names of identical images, a group each, that have one label.
        conflicts: names of identical images that have several labels.
        smallest, largest: height and width of the smallest and the largest image, before they were cut to size.
        coloured: how many files hold colours.
        persons: how many people the images show; None where that is unknown.
        notes: the loader's sentences.
    """

    dataset: FaceDataset
    skipped: tuple[tuple[str, str], ...]
    twins: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    coloured: int
    persons: int | None
    notes: tuple[str, ...]

    def facts(self) -> list[tuple[str, str]]:
        """Give what was found in a few pairs of words."""
        (low, narrow), (high, wide) = self.smallest, self.largest
        count = len(self.dataset)
        return [
            ("images read", f"{count:,}"),
            ("files skipped", f"{len(self.skipped):,}"),
            ("sizes", f"{low}×{narrow} to {high}×{wide} pixels (height × width)"),
            ("files with colours", f"{self.coloured:,}"),
            ("persons", "unknown" if self.persons is None else f"{self.persons:,}"),
            ("identical images", _groups(len(self.twins))),
            ("identical images with different labels", _groups(len(self.conflicts))),
        ]

    def __str__(self) -> str:
        lines = [f"{self.dataset.name}"]
        lines += [f"  {what}: {value}" for what, value in self.facts()]
        lines += ["images of each class"]
        counts = self.dataset.class_counts().tolist()
        lines += [f"  {title}: {count:,}" for title, count in zip(self.dataset.classes, counts, strict=True)]
        for title, items in self._lists():
            if items:
                lines += [title, *(f"  {printable(item)}" for item in items[:MOST_SHOWN])]
                lines += [f"  … and {len(items) - MOST_SHOWN:,} more"] * (len(items) > MOST_SHOWN)
        return "\n".join(lines)

    __repr__ = __str__

    def _lists(self) -> list[tuple[str, list[str]]]:
        return [
            ("skipped, and why", [f"{name}: {why}" for name, why in self.skipped]),
            ("the same image with different labels", [" = ".join(names) for names in self.conflicts]),
            ("the same image more than once", [" = ".join(names) for names in self.twins]),
            ("what the loader says", list(self.notes)),
        ]

    def _repr_html_(self) -> str:
        return self._page(MOST_SHOWN)

    def _page(self, most: int | None) -> str:
        counts = zip(self.dataset.classes, self.dataset.class_counts().tolist(), strict=True)
        parts = [
            f"<h4>{_safe(self.dataset.name)}</h4>",
            _table([(what, value) for what, value in self.facts()]),
            "<h5>images of each class</h5>",
            _table([(title, f"{count:,}") for title, count in counts]),
        ]
        for title, items in self._lists():
            if items:
                shown = items if most is None else items[:most]
                more = [f"… and {len(items) - len(shown):,} more"] * (len(items) > len(shown))
                parts.append(f"<h5>{title}</h5><ul>{''.join(f'<li>{_safe(item)}</li>' for item in shown + more)}</ul>")
        return "\n".join(parts)

    def save(self, path: str | Path) -> Path:
        """Write the whole page, lists and all, as HTML; returns the path.

        Raises:
            OSError: the file cannot be written.
        """
        path = as_path(path)
        page = f"<!DOCTYPE html>\n<html lang='en'><meta charset='utf-8'><title>{_safe(self.dataset.name)}</title>\n"
        with atomic_write(path) as part:
            part.write_text(
                f"{page}<body style='font-family: sans-serif'>\n{self._page(None)}\n</body></html>\n", "utf-8"
            )
        return path


def inspect_folder(
    path: str | Path,
    size: int = 48,
    classes: Sequence[str] | None = None,
    *,
    colour: bool = False,
    layout: str | None = None,
    meaning: Meaning | None = None,
    person_of: PersonOf | None = None,
) -> FolderReport:
    """Read a folder as `load_folder` does, and report what is in it, what was skipped, and why.

    Args:
        path: the folder.
        size: height and width of the images made, in pixels.
        classes: names and order of the classes; see `load_folder`, as for the arguments that follow.
        colour: keep red, green and blue.
        layout: names of files say who shows what.
        meaning: what names of sub-folders stand for.
        person_of: a function from a file's path to the person it shows.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError, ValueError: as `load_folder`.
    """
    path, how = as_path(path), asked(size, classes, colour, layout, meaning, person_of)
    listing = list_folder(path, how)
    reading = read_entries(path, listing.entries, how.size, how.colour)
    dataset = made_of(path, listing, reading, how, verbose=False)
    twins, conflicts = _identical(reading)
    area = [height * width for height, width in reading.sizes]
    persons = None if dataset.groups is None else len(dataset.groups.unique())
    return FolderReport(
        dataset, reading.skipped, twins, conflicts,
        reading.sizes[area.index(min(area))], reading.sizes[area.index(max(area))], reading.coloured,
        persons, tuple(dataset.notes),
    )  # fmt: skip


def _groups(count: int) -> str:
    return f"{count:,} group" if count == 1 else f"{count:,} groups"


def _identical(reading: Reading) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Group the names of identical images: those with one label, and those with several."""
    same, different = [], []
    for items in members_of(group_identical(reading.images)):
        if len(items) > 1:
            titles = {reading.entries[i].title for i in items}
            (different if len(titles) > 1 else same).append(tuple(reading.entries[i].name for i in items))
    return tuple(same), tuple(different)


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th style='text-align: left'>{_safe(a)}</th><td>{_safe(b)}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"


def _safe(text: str) -> str:
    return html.escape(printable(text))
