"""Small stand-ins for FER2013, in every form in which people have it: noise for faces, but the benchmark's layout."""

import bz2
import csv
import gzip
import io
import lzma
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from emotion_utils.emotions import EMOTIONS

ROWS = (("Training", 140), ("PublicTest", 21), ("PrivateTest", 14))


def make_rows(parts=ROWS) -> tuple[np.ndarray, list[int], list[str]]:
    """Make images, uint8 `(N, 48, 48)`, their labels (that of row i is i modulo 7) and their parts of the benchmark."""
    usage = [name for name, count in parts for _ in range(count)]
    images = np.random.default_rng(0).integers(0, 256, (len(usage), 48, 48), dtype=np.uint8)
    return images, [i % 7 for i in range(len(usage))], usage


def table(images, labels, usage, columns=("emotion", "pixels", "Usage")) -> str:
    """Write rows as the text of a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for image, label, part in zip(images, labels, usage, strict=True):
        cells = {"emotion": label, "pixels": in_words(image.tobytes()), "usage": part}
        writer.writerow([cells[column.strip().lower()] for column in columns])
    return text.getvalue()


@cache
def in_words(pixels: bytes) -> str:
    """Write the pixels of an image; most tables hold the same ones."""
    return " ".join(map(str, pixels))


def pack(form: str, folder: Path, name: str, text: str | bytes) -> Path:
    """Put a table into a folder: bare, packed in one of many ways, or in an archive in an archive."""
    folder.mkdir(parents=True, exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    stem = name.removesuffix(".csv")
    if form == "bare":
        path = folder / name
        path.write_bytes(content)
    elif form == "zip":
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(f"__MACOSX/._{name}", b"not a table")
            archive.writestr(f"some folder/{name}", content)
    elif form in ("tar", "tar.gz", "tar.bz2", "tar.xz"):
        path = folder / f"{stem}.{form}"
        level = {"tar.gz": {"compresslevel": 1}, "tar.bz2": {"compresslevel": 1}, "tar.xz": {"preset": 0}}.get(form, {})
        with tarfile.open(path, f"w:{form[4:]}", **level) as archive:
            for member, data in (
                (f"{stem}/README", b"hello"),
                (f"{stem}/{name}", content),
                (f"{stem}/LICENSE", b"MIT"),
            ):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    elif form in ("gz", "bz2", "xz"):
        path = folder / f"{name}.{form}"
        compress = {"gz": lambda data: gzip.compress(data, 1), "bz2": lambda data: bz2.compress(data, 1)}
        path.write_bytes(compress.get(form, lambda data: lzma.compress(data, preset=0))(content))
    elif form == "tar without ending":
        path = pack("tar", folder, name, content).rename(folder / stem)
    elif form == "no ending":
        path = pack("bare", folder, name, content).rename(folder / stem)
    else:
        inner = pack("tar.gz", folder / "inner", name, content)
        path = folder / "challenges-in-representation-learning-facial-expression-recognition-challenge.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, inner.name)
            archive.writestr("test.csv", "pixels\n1 2 3\n")
        inner.unlink()
        inner.parent.rmdir()
    return path


def write_table(folder: Path, parts=ROWS) -> Path:
    """Put a bare fer2013.csv with these parts into a folder."""
    return pack("bare", folder, "fer2013.csv", table(*make_rows(parts)))


def write_export(
    folder: Path,
    name: str = "{part}_{number}.jpg",
    fear: str = "fear",
    folders: tuple[str, ...] = ("train", "test", "test"),
) -> None:
    """Write the folders of Kaggle's export: train/<class>/… and test/<class>/…; `folders` for each part."""
    for number, (image, label, part) in enumerate(zip(*make_rows(), strict=True)):
        title = fear if EMOTIONS[label] == "fear" else EMOTIONS[label]
        place = folder / dict(zip(("Training", "PublicTest", "PrivateTest"), folders, strict=True))[part] / title
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / name.format(part=part, number=number), quality=100)
