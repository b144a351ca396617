"""Files and folders below a folder: each once, in a fixed order, and what was left out by name."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from emotion_utils.errors import printable, show

# What operating systems leave in every folder; not worth a word.
_SYSTEM = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
# The folders that disks and network drives have of their own: never classes.
_SYSTEM_FOLDERS = {"$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle"}
DEEPEST = 50  # folders in folders


@dataclass(frozen=True)
class Tree:
    """What lies in a folder."""

    found: tuple[str, ...]  # paths in the folder, with / between their parts
    left_out: tuple[str, ...]  # likewise, made fit to be printed, and why where that is not plain


def resolve_pattern(path: Path) -> list[Path]:
    """Give what a pattern such as `photos/*.jpg` means, which the shell of Windows leaves alone; all else as it is."""
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    return sorted(map(Path, glob.glob(str(path), recursive=True)))


def sub_folders(path: Path) -> Tree:
    """List the folders in a folder; left out are hidden ones, links that go in a circle, and files.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: no such folder, or it may not be read.
    """
    if not os.path.lexists(path):
        raise FileNotFoundError(f"There is no folder {show(path.absolute())}. Check the name.")
    if not os.path.isdir(path):
        raise NotADirectoryError(
            f"{show(path)} is a file; a folder with one sub-folder for each class was expected. Unpack an archive "
            "first; load_table reads a table."
        )
    try:
        names = os.listdir(path)
    except PermissionError as error:
        raise PermissionError(f"{show(path)} may not be read. Change its permissions.") from error
    found, left_out, seen, root = [], [], set(), os.path.realpath(path)
    for name in sorted(names, key=lambda name: os.path.islink(path / name)):  # a folder goes before links to it
        real = os.path.realpath(path / name)
        if not os.path.isdir(real) or name[0] in "._" or name.lower() in _SYSTEM_FOLDERS:
            left_out += [] if _is_systems(name) else [name]
        elif real in seen or f"{root}{os.sep}".startswith(f"{real}{os.sep}"):
            left_out.append(f"{name} (a link to a folder that is read already)")
        else:
            seen.add(real)
            found.append(name)
    return Tree(tuple(sorted(found)), tuple(map(printable, sorted(left_out))))


def find_files(folder: Path) -> Tree:
    """List the files in a folder and in those below it; left out are hidden files and folders, and links to folders."""
    found, left_out = [], []

    def cannot_be_read(error: OSError) -> None:
        left_out.append(f"{os.path.relpath(error.filename, folder)}/ ({error.strerror})")

    for here, folders, files in os.walk(folder, onerror=cannot_be_read):
        inside = "" if here == str(folder) else f"{os.path.relpath(here, folder).replace(os.sep, '/')}/"
        for name in sorted(folders):
            link = os.path.islink(os.path.join(here, name))
            if name[0] in "._" or link or _is_systems(name) or inside.count("/") == DEEPEST:
                folders.remove(name)
                left_out += [] if _is_systems(name) else [f"{inside}{name}/"]
        for name in files:
            if not _is_systems(name):
                (left_out if name.startswith(".") else found).append(f"{inside}{name}")
    return Tree(tuple(sorted(found, key=lambda name: name.split("/"))), tuple(map(printable, sorted(left_out))))


def _is_systems(name: str) -> bool:
    return name.lower() in _SYSTEM | _SYSTEM_FOLDERS or name.startswith("._")
