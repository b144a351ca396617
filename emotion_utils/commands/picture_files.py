"""Picture files under files and folders, one by one: however many there are, and without going round in circles."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from emotion_utils.data.image_files import FORMATS, PLUGIN_FORMATS
from emotion_utils.data.tree import resolve_pattern
from emotion_utils.errors import show


def check_places(places: Sequence[Path]) -> None:
    """Raise FileNotFoundError for the first place that is neither a file nor a folder."""
    for place in places:
        if not os.path.lexists(place):
            raise FileNotFoundError(f"There is no file or folder {show(os.path.abspath(place))}. Check the name.")


def resolve_patterns(places: Sequence[Path]) -> list[Path]:
    """Give the places, and for a pattern such as `photos/*.jpg` its files; one without files stays, to be named."""
    return [found for place in places for found in resolve_pattern(place) or [place]]


def find_pictures(places: Iterable[Path], leave_out: Path | None = None) -> Iterator[Path]:
    """Give the files that are named, and of folders all files that are called like pictures, in order of their names.

    Hidden files are left out, and so is the folder `leave_out`. A folder that is met again, as through a link to one
    above it, is not entered again. Folders that may not be read are given as they are: who opens them is told why.
    """
    seen: set[tuple[int, int]] = set()
    if leave_out is not None:
        _is_new(leave_out, seen)
    for place in places:
        if place.is_dir():
            yield from _in_folder(place, seen)
        else:
            yield place


def _in_folder(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    if not _is_new(folder, seen):
        return
    try:
        with os.scandir(folder) as entries:
            # Names alone are kept, of one folder on each level: ten thousand take a megabyte.
            names = sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError:
        yield folder
        return
    endings = picture_endings()
    for name, is_folder in names:
        if is_folder:
            yield from _in_folder(folder / name, seen)
        elif os.path.splitext(name)[1].lower() in endings:
            yield folder / name


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Say whether a folder was not met before, and remember it."""
    with suppress(OSError):
        found = os.stat(folder)
        key = (found.st_dev, found.st_ino)
        if key in seen:
            return False
        seen.add(key)
    return True


def picture_endings() -> set[str]:
    """Return the endings of picture files that can be read, and HEIC's, which need a plug-in; `.jpg` and the like."""
    Image.init()
    known = {*FORMATS, *PLUGIN_FORMATS}
    return {ending for ending, kind in Image.registered_extensions().items() if kind in known} | {".heic", ".heif"}
