"""Small stand-ins for FER2013, in every form in which people have it: noise for faces, but the benchmark's layout."""

import csv
import io
import tarfile
import zipfile
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
        cells = {"emotion": label, "pixels": " ".join(map(str, image.ravel().tolist())), "usage": part}
        writer.writerow([cells[column.strip().lower()] for column in columns])
    return text.getvalue()


def pack(form: str, folder: Path, name: str, text: str) -> Path:
    """Put a table into a folder: bare, in a .zip, in a sub-folder of a .tar.gz, or in an archive in an archive."""
    folder.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    stem = name.removesuffix(".csv")
    if form == "bare":
        path = folder / name
        path.write_bytes(content)
    elif form == "zip":
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(f"__MACOSX/._{name}", b"not a table")
            archive.writestr(f"some folder/{name}", content)
    elif form == "tar.gz":
        path = folder / f"{stem}.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for member, data in ((f"{stem}/README", b"hello"), (f"{stem}/{name}", content)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        inner = pack("tar.gz", folder / "inner", name, text)
        path = folder / "challenges-in-representation-learning-facial-expression-recognition-challenge.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, inner.name)
            archive.writestr("test.csv", "pixels\n1 2 3\n")
        inner.unlink()
    return path


def write_table(folder: Path, parts=ROWS) -> Path:
    """Put a bare fer2013.csv with these parts into a folder."""
    return pack("bare", folder, "fer2013.csv", table(*make_rows(parts)))


def write_export(folder: Path, name: str = "{part}_{number}.jpg", fear: str = "fear") -> None:
    """Write the folders of Kaggle's export: train/<class>/… and test/<class>/…"""
    for number, (image, label, part) in enumerate(zip(*make_rows(), strict=True)):
        title = fear if EMOTIONS[label] == "fear" else EMOTIONS[label]
        place = folder / ("train" if part == "Training" else "test") / title
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / name.format(part=part, number=number), quality=100)
