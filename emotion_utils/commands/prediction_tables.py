"""Predictions as tables for machines: CSV with a row for each face, JSON with an entry for each picture.

Both are written while the pictures are read, so that ten thousand of them take no memory, and get their names at the
end, so that nobody reads half of a table.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from emotion_utils.files import atomic_write, begins_with
from emotion_utils.photos import Photo, Prediction

COLUMNS = (
    "file", "face", "faces", "left", "top", "width", "height", "score", "finder", "tilt", "yaw", "label", "confidence",
    "abstains", "reasons", "error", "frequencies",
)  # fmt: skip


class Table:
    """A file that pictures are added to. Each begins with one of `heads`, which tells it from files of others."""

    heads: tuple[bytes, ...]

    def __init__(self, file: TextIO, classes: Sequence[str]) -> None:
        self.file, self.classes = file, classes

    def add(self, name: str, photo: Photo | None, predictions: Sequence[Prediction], error: str | None) -> None:
        """Add one picture: what was predicted for its faces, or why it could not be read."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what belongs at the end."""

    @classmethod
    def is_in(cls, path: Path) -> bool:
        """Say whether a file holds such a table; raises as `open_file` does."""
        return begins_with(path, *cls.heads)


class CsvTable(Table):
    """A row for each face; one without numbers for a picture without faces, and for one that could not be read."""

    heads = (",".join(COLUMNS).encode() + b",",)

    def __init__(self, file: TextIO, classes: Sequence[str]) -> None:
        super().__init__(file, classes)
        self.writer = csv.writer(file, lineterminator="\n")
        self.writer.writerow([*COLUMNS, *classes])

    def add(self, name: str, photo: Photo | None, predictions: Sequence[Prediction], error: str | None) -> None:
        """Write the rows."""
        faces = [each for each in predictions if each.face is not None]
        blank = [""] * len(self.classes)
        for number, each in enumerate(faces, 1):
            about = describe(each)
            box = [about["box"][side] for side in ("left", "top", "width", "height")]
            self.writer.writerow([
                name, number, len(faces), *box, about["score"], about["finder"], about["tilt"], about["yaw"],
                about["label"], about["confidence"], int(each.abstains), "; ".join(each.reasons), "",
                about["frequencies"],
                *about["probabilities"].values(),
            ])  # fmt: skip
        if not faces:
            reasons = "" if error else "no face"
            self.writer.writerow([name, "", 0, *[""] * 10, "" if error else 1, reasons, error or "", "", *blank])


class JsonTable(Table):
    """A list with an entry for each picture, which holds a list of its faces."""

    heads = (b'[\n{"file": ', b"[]\n")

    def __init__(self, file: TextIO, classes: Sequence[str]) -> None:
        super().__init__(file, classes)
        self.between = "[\n"

    def add(self, name: str, photo: Photo | None, predictions: Sequence[Prediction], error: str | None) -> None:
        """Write the entry."""
        # A picture that could not be read has all the keys, too: a program that goes through the faces finds none.
        entry: dict[str, Any] = {"file": name, "error": error}
        entry |= {"width": None, "height": None, "remark": None, "faces": []}
        if photo is not None:
            faces = [describe(each) for each in predictions if each.face is not None]
            entry |= {"width": photo.width, "height": photo.height, "remark": photo.remark, "faces": faces}
        self.file.write(self.between + json.dumps(entry))
        self.between = ",\n"

    def end(self) -> None:
        """Close the list."""
        self.file.write("[]\n" if self.between == "[\n" else "\n]\n")


def describe(prediction: Prediction) -> dict[str, Any]:
    """Put a prediction for a face into plain numbers and texts."""
    face, shares = prediction.face, prediction.probabilities.tolist()
    return {
        "box": {name: round(getattr(face.box, name), 1) for name in ("left", "top", "width", "height")},
        "score": round(face.score, 3),
        "finder": face.finder,
        "tilt": round(prediction.tilt, 1),
        "yaw": round(prediction.yaw, 1),
        "label": prediction.label,
        "confidence": round(prediction.confidence, 4),
        "abstains": prediction.abstains,
        "reasons": list(prediction.reasons),
        "frequencies": prediction.frequencies,
        "probabilities": {name: round(p, 4) for name, p in zip(prediction.classes, shares, strict=True)},
    }


@contextmanager
def open_table(kind: type[Table], path: Path | None, classes: Sequence[str]) -> Iterator[Table | None]:
    """Open a table that gets its name when all is written; "-" writes to the standard output, None nowhere.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield None
    elif str(path) == "-":
        table = kind(sys.stdout, classes)
        yield table
        table.end()
    else:
        with (
            atomic_write(path) as part,
            # Names of files may hold bytes that are no text.
            open(part, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            table = kind(file, classes)
            yield table
            table.end()
