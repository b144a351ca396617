"""Where FER2013 lies, and how it is read, in every form in which people have it: a table, packed or not, or folders."""

import errno
import os
import re
from pathlib import Path

from emotion_utils.data.archives import NoTableError, open_packed
from emotion_utils.data.fer2013_export import is_export, read_export_folder, read_export_zip
from emotion_utils.data.fer2013_rows import FETCH, Rows, SourceError
from emotion_utils.data.fer2013_table import read_table
from emotion_utils.errors import reason, show
from emotion_utils.files import as_path, data_dir, is_file, named_file, user_cache_dir

# Best first: the whole benchmark, the same with columns in another order, then its training part alone. Kaggle calls
# a download archive.zip, or by the long name of the competition; some programs take endings off.
_STEMS = ("fer2013", "icml_face_data", "train")
_PACKED = (
    ".zip", ".tar.gz", ".tgz", ".gz", ".tar", ".tar.bz2", ".tbz2", ".bz2", ".tar.xz", ".txz", ".xz",
)  # fmt: skip
_ENDINGS = (".csv", *(form + packed for packed in _PACKED for form in (".csv", "")), "")
_BUNDLES = ("challenges-in-representation-learning-facial-expression-recognition-challenge.zip", "archive.zip")
_FORMS = {name: rank for rank, name in enumerate([*(s + e for s in _STEMS for e in _ENDINGS), *_BUNDLES])}
_TABLES = [stem + ".csv" for stem in _STEMS]


def rank(name: str) -> int | None:
    """Say how well a file's name fits FER2013, 0 best; None for not at all. A browser's `archive (1).zip` fits, too."""
    return _FORMS.get(re.sub(r" ?\(\d+\)(?=\.|$)", "", name.lower()))


def find_source(folder: str | Path | None = None) -> Path:
    """Return the file or folder that holds FER2013: in `folder`, or in the data folder and the user's cache.

    Raises:
        FileNotFoundError: it is nowhere.
        IsADirectoryError: a folder has the name of the table.
    """
    file = named_file() if folder is None else as_path(folder, "data_dir")
    if file is not None and is_file(file):
        return file
    roots = [data_dir(), user_cache_dir()] if folder is None else [file]
    for place in [place for root in roots for place in (root, root / "fer2013")]:
        found = _best(place)
        if found is not None:
            return found
        if is_export(place):
            return place
    raise FileNotFoundError(
        f"FER2013 was not found in {' or '.join(show(root, 80) for root in roots)}. `{FETCH}` downloads it (90 MB). Or "
        f"put it there: {', '.join(_TABLES)}, bare or packed, or Kaggle's folders train/ and test/. EMOTION_DATA_DIR "
        "names another folder."
    )


def _best(place: Path) -> Path | None:
    """Return the best file in a folder, also from a folder of its own name, as some programs unpack it."""
    fitting = sorted((rank(name), name) for name in _names(place) if rank(name) is not None)
    for _, name in fitting:
        if is_file(place / name):
            return place / name
        inner = sorted((rank(each), each) for each in _names(place / name) if rank(each) is not None)
        inner = [each for _, each in inner if is_file(place / name / each)]
        if inner and name.lower() != "fer2013":  # that folder has its own turn
            return place / name / inner[0]
        if name.lower() in _TABLES and os.path.isdir(place / name):
            raise IsADirectoryError(
                f"{show(place / name)} is a folder; a file was expected. Move the table out of it, to "
                f"{show(place, 80)}."
            )
    return None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # no folder, or one that may not be read
        return []


def fer2013_is_there() -> bool:
    """Say whether FER2013 lies where `load` looks for it, in one of its usual forms."""
    try:
        return bool(find_source())
    except OSError:  # not there, or a folder in place of the file
        return False


def read_source(path: Path, verbose: bool = True) -> Rows:
    """Read a table, an archive that holds one, or the Kaggle export (a folder, or a .zip of it).

    Raises:
        OSError: the file may not be read, or the disk fails.
        ValueError: the file is damaged or is not FER2013; the message says where and what to do.
    """
    if path.is_dir():
        return read_export_folder(path, verbose)
    try:
        with open_packed(path, rank) as found:
            if found is not None:
                rows = read_table(path, *found, verbose)
        return rows if found is not None else _read_bundle(path, verbose)
    except (SourceError, FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (NoTableError, NotImplementedError) as error:  # zipfile's for what it cannot unpack
        raise ValueError(
            f"{show(path)} cannot be used: {reason(error)}. Unpack it by hand and put fer2013.csv in its place, or get "
            f"it with `{FETCH}`."
        ) from error
    except Exception as error:  # zipfile, zlib, lzma, tarfile, csv, codecs: each raises kinds of its own
        # gzip reports damage as a bare OSError, zipfile looks for places before the file's beginning (EINVAL); a real
        # one, such as a failure of the disk, carries another number.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise OSError(error.errno, f"Could not read {show(path)} ({error.strerror}). Check the disk") from error
        raise ValueError(
            f"{show(path)} is damaged or incomplete ({reason(error)}). Put it aside and get it again: `{FETCH}`."
        ) from error


def _read_bundle(path: Path, verbose: bool) -> Rows:
    with path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if packed:
        return read_export_zip(path, verbose)
    raise SourceError(f"{show(path)} holds none of {', '.join(_TABLES)}. Get FER2013 with `{FETCH}`.")
