"""Read FER2013 in every form in which people have it: one table, packed or not, or folders of images."""

import csv
import io
import reprlib
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.std import tqdm

from emotion_utils.data.pixels import UNREADABLE
from emotion_utils.data.splits import group_identical
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.files import data_dir, user_cache_dir

SIZE = 48  # height and width of the faces in pixels
USAGES = ("Training", "PublicTest", "PrivateTest")  # the parts of the benchmark, as the table names them
FETCH = "python -m emotion_utils fetch fer2013"

# Best first: the whole benchmark, the same with columns in another order, then its training part alone. Kaggle calls
# a download archive.zip, or by the long name of the competition.
_STEMS = ("fer2013", "icml_face_data", "train")
_ENDINGS = (".csv", ".csv.zip", ".zip", ".csv.tar.gz", ".tar.gz", ".csv.tgz", ".tgz")
_BUNDLES = ("challenges-in-representation-learning-facial-expression-recognition-challenge.zip", "archive.zip")
_FORMS = [stem + ending for stem in _STEMS for ending in _ENDINGS] + list(_BUNDLES)
_TABLES = [stem + ".csv" for stem in _STEMS]


@dataclass(frozen=True)
class Rows:
    """All that a source of FER2013 holds, in its order."""

    images: Tensor  # uint8 (N, 1, 48, 48)
    labels: Tensor  # int64 (N,), in the order of EMOTIONS
    usage: Tensor  # int64 (N,), position in USAGES
    groups: Tensor  # int64 (N,), equal for identical images
    names: tuple[str, ...]  # file name or number of each row
    notes: tuple[str, ...]  # what a reader should know: skipped files, missing columns


def find_source(folder: str | Path | None = None) -> Path:
    """Return the file or folder that holds FER2013: in `folder`, or in the data folder and the user's cache.

    Raises:
        FileNotFoundError: it is nowhere.
        IsADirectoryError: a folder has the name of the table.
    """
    roots = [data_dir(), user_cache_dir()] if folder is None else [Path(folder).expanduser()]
    if roots[0].is_file() and folder is not None:
        return roots[0]
    for place in [place for root in roots for place in (root, root / "fer2013")]:
        for form in _FORMS:
            if (place / form).is_file():
                return place / form
            if (place / form / form).is_file():
                return place / form / form
            if form in _TABLES and (place / form).is_dir():
                raise IsADirectoryError(
                    f"{place / form} is a folder; a file was expected. Move the table out of it, to {place}."
                )
        if _is_export(place):
            return place
    raise FileNotFoundError(
        f"FER2013 was not found in {' or '.join(map(str, roots))}. `{FETCH}` downloads it (90 MB). Or put it there: "
        f"{', '.join(_TABLES)}, bare, .zip or .tar.gz, or Kaggle's folders train/ and test/. EMOTION_DATA_DIR names "
        "another folder."
    )


def fer2013_is_there() -> bool:
    """Say whether FER2013 lies where `load` looks for it, in one of its usual forms."""
    try:
        return bool(find_source())
    except OSError:  # not there, or a folder in place of the file
        return False


def _is_export(folder: Path) -> bool:
    train = folder / "train"
    return train.is_dir() and any(label_of(child.name) is not None for child in train.iterdir() if child.is_dir())


def read_source(path: Path, verbose: bool = True) -> Rows:
    """Read a table, an archive that holds one, or the Kaggle export (a folder, or a .zip of it).

    Raises:
        ValueError: the file is damaged or is not FER2013; the message says where and what to do.
    """
    if path.is_dir():
        return _read_export(path, verbose)
    try:
        with ExitStack() as stack:
            found = _open_table(stack, stack.enter_context(path.open("rb")), path.name, path.stat().st_size)
            if found is not None:
                return _read_table(path, *found, verbose)
        if zipfile.is_zipfile(path):
            return _read_export(path, verbose)
    except (
        zipfile.BadZipFile,
        zlib.error,
        tarfile.TarError,
        EOFError,
        UnicodeDecodeError,
        csv.Error,
        OSError,
    ) as error:
        # gzip reports damage as a bare OSError; a real one (no permission, disk failure) carries a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, f"Could not read {path} ({error.strerror}). Check its permissions") from error
        raise ValueError(
            f"{path} is damaged or incomplete ({error}). Delete it and get it again: `{FETCH}`."
        ) from error
    raise ValueError(f"{path} holds none of fer2013.csv, icml_face_data.csv, train.csv. Get FER2013 with `{FETCH}`.")


def _rows(images: list[np.ndarray], labels: list[int], usages: list[int], names: list[str], notes: list[str]) -> Rows:
    pixels = torch.from_numpy(np.stack(images)).view(-1, 1, SIZE, SIZE)
    return Rows(
        images=pixels,
        labels=torch.tensor(labels),
        usage=torch.tensor(usages),
        groups=group_identical(pixels),
        names=tuple(names),
        notes=tuple(notes),
    )


def _open_table(stack: ExitStack, file: IO[bytes], name: str, size: int) -> tuple[IO[bytes], int] | None:
    """Return the table inside `file` as a stream and its size in bytes, looking into archives in archives."""
    if name.lower().endswith(".zip"):
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = [info for info in archive.infolist() if Path(info.filename).name.lower() in _FORMS]
        for info in sorted(members, key=lambda info: _FORMS.index(Path(info.filename).name.lower())):
            found = _open_table(stack, stack.enter_context(archive.open(info)), info.filename, info.file_size)
            if found is not None:
                return found
        return None
    if name.lower().endswith((".tar.gz", ".tgz")):
        # The members are looked at one by one, so what lies behind the table is never unpacked.
        archive = stack.enter_context(tarfile.open(fileobj=file, mode="r:gz"))  # noqa: SIM115
        for info in archive:
            if info.isfile() and Path(info.name).name.lower() in _TABLES:
                return archive.extractfile(info), info.size
        return None
    return file, size


def _read_table(path: Path, file: IO[bytes], size: int, verbose: bool) -> Rows:
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    header = [name.strip().lower() for name in next(reader, [])]
    if "emotion" not in header or "pixels" not in header:
        raise ValueError(
            f"{path} has the columns {reprlib.repr(header)}; expected emotion, pixels and (optional) Usage. Check that "
            f"it is the FER2013 table, or get it with `{FETCH}`."
        )
    emotion, pixels = header.index("emotion"), header.index("pixels")
    usage = header.index("usage") if "usage" in header else None
    images, labels, usages = [], [], []
    with (
        tqdm(total=size, unit="B", unit_scale=True, desc=f"Reading {path.name} (once)", disable=not verbose) as bar,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error", DeprecationWarning)  # NumPy's sign that a text holds more than numbers
        for number, row in enumerate(reader, 1):
            if not row:
                continue
            try:
                if len(row) != len(header):
                    raise ValueError(f"it has {len(row)} fields for {len(header)} columns")
                images.append(_parse_pixels(row[pixels]))
                labels.append(_parse_label(row[emotion]))
                usages.append(0 if usage is None else _parse_usage(row[usage]))
            except ValueError as error:
                raise ValueError(
                    f"{path}, row {number} (line {reader.line_num}): {error}. The file may be cut or changed; get it "
                    f"again with `{FETCH}`, or correct this row."
                ) from error
            bar.update(sum(map(len, row)) + len(row))
    if not images:
        raise ValueError(f"{path} has a header and no rows. Get the whole file with `{FETCH}`.")
    names = [f"fer{row:07d}" for row in range(len(images))]
    notes = [] if usage is not None else [f"{path.name} has no Usage column: all rows are taken as Training"]
    return _rows(images, labels, usages, names, notes)


def _parse_pixels(text: str) -> np.ndarray:
    try:
        values = np.fromstring(text, dtype=np.int32, sep=" ")
    except (DeprecationWarning, ValueError):
        raise ValueError("the pixels hold something that is not a number") from None
    if len(values) != SIZE * SIZE:
        raise ValueError(f"it has {len(values):,} pixels; expected {SIZE} × {SIZE} = {SIZE * SIZE:,}")
    if values.min() < 0 or values.max() > 255:
        wrong = values[(values < 0) | (values > 255)][0]
        raise ValueError(f"a pixel is {wrong}; expected 0 to 255")
    return values.astype(np.uint8)


def _parse_label(text: str) -> int:
    if text.strip() not in {str(label) for label in range(len(EMOTIONS))}:
        raise ValueError(
            f"the emotion is {reprlib.repr(text)}; expected a whole number from 0 ({EMOTIONS[0]}) to 6 ({EMOTIONS[-1]})"
        )
    return int(text)


def _parse_usage(text: str) -> int:
    if text.strip() not in USAGES:
        raise ValueError(f"the usage is {reprlib.repr(text)}; expected one of {', '.join(USAGES)}")
    return USAGES.index(text.strip())


def _export_files(stack: ExitStack, path: Path) -> list[tuple[tuple[str, str, str], Callable[[], IO[bytes]]]]:
    """List the end of each image's path, such as (train, happy, Training_1.jpg), and a function that opens it."""
    if path.is_dir():
        found = [(file.parts[-3:], partial(file.open, "rb")) for file in sorted(path.glob("t*/*/*")) if file.is_file()]
    else:
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        found = [(Path(name).parts[-3:], partial(archive.open, name)) for name in names]
    return [
        (parts, opener)
        for parts, opener in found
        if len(parts) == 3 and parts[0] in ("train", "test") and label_of(parts[1]) is not None
        if not parts[2].startswith(".")
    ]


def _read_export(path: Path, verbose: bool) -> Rows:
    """Read train/<class>/Training_*.jpg and test/<class>/{PublicTest,PrivateTest}_*.jpg, told apart by file name."""
    images, labels, usages, names, skipped, unnamed = [], [], [], [], [], 0
    with ExitStack() as stack:
        files = _export_files(stack, path)
        for (part, title, name), opener in tqdm(files, unit=" images", desc="Reading (once)", disable=not verbose):
            usage = next((i for i, known in enumerate(USAGES) if name.startswith(known)), None)
            try:
                with opener() as file, Image.open(file) as image:
                    pixels = np.asarray(image.convert("L"))
                if pixels.shape != (SIZE, SIZE):
                    raise ValueError(f"{pixels.shape[1]}×{pixels.shape[0]} pixels, not {SIZE}×{SIZE}")
            except UNREADABLE as error:
                skipped.append(f"{part}/{title}/{name} ({error})")
                continue
            unnamed += usage is None and part == "test"
            images.append(pixels)
            labels.append(label_of(title))
            usages.append((0 if part == "train" else 1) if usage is None else usage)
            names.append(name)
    if not images:
        raise ValueError(f"{path} holds no images in train/<emotion>/ and test/<emotion>/. Get FER2013 with `{FETCH}`.")
    notes = [f"{len(skipped)} unreadable images were skipped: {'; '.join(skipped[:5])}"] if skipped else []
    if unnamed:
        notes.append(f"{unnamed} test images are named neither PublicTest_ nor PrivateTest_ and count as PublicTest")
    return _rows(images, labels, usages, names, notes)
