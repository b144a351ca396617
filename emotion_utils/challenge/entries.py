"""One entry of the race, as it is kept in a file: what it costs, how well it does, how it was made."""

import platform
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from emotion_utils.errors import LARGEST_WHOLE, brief, one_line
from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.evaluation.packing import unpack

LONGEST_NAME = 40  # letters that somebody may choose
LONGEST_MERGED = 240  # letters, with where a name comes from, which tells those of the same name apart
LONGEST_CODE = 20_000  # letters
_KINDS = {
    "name": str, "correct": str, "count": int, "parameters": int, "multiply_adds": int, "seconds": float,
    "faces_seen": int, "look": int, "training": str, "code": str, "rules": str, "faces": str, "when": str,
    "versions": str,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A network that kept to the rules, measured on the test faces.

    Attributes:
        name: what its maker calls it.
        correct: which test faces it recognised, a bit for each, in hexadecimal digits.
        count: how many test faces there were.
        parameters: how many numbers it learnt.
        multiply_adds: of one face.
        seconds: of processor time, for training.
        faces_seen: in training, counted with repetition; says more than seconds where computers differ.
        look: how many times the test faces had been looked at under this name, this time included.
        curve: accuracy on the training faces after each epoch; () where somebody's own function trained.
        training: the settings, or the name of the function.
        code: the source of network and training, where it can be had.
        rules: key of the `Rules`; faces: digest of training and test faces.
        when: as text; versions: of Python and PyTorch, and the system.
    """

    name: str
    correct: str
    count: int
    parameters: int
    multiply_adds: int
    seconds: float
    faces_seen: int
    look: int
    curve: tuple[float, ...]
    training: str
    code: str
    rules: str
    faces: str
    when: str
    versions: str

    @property
    def right(self) -> Tensor:
        """Which test faces were recognised, bool `(count,)`."""
        return unpack(self.correct, self.count)

    @property
    def accuracy(self) -> float:
        """Share of the test faces that were recognised: counted, not noted."""
        return float(self.right.double().mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy: how far it would vary from one set of test faces to another."""
        return bootstrap_interval(self.right)

    def same_result(self, other: "Entry") -> bool:
        """Say whether two entries recognise the same faces with the same network, whatever they are called."""
        mine, theirs = ((one.correct, one.parameters, one.multiply_adds, one.rules, one.faces) for one in (self, other))
        return mine == theirs

    def to_row(self) -> dict[str, Any]:
        """Give what a file keeps."""
        return asdict(self) | {"curve": list(self.curve)}

    @classmethod
    def of_row(cls, row: Any) -> "Entry":
        """Make an entry of what a file holds; a ValueError where that does not add up."""
        if not isinstance(row, dict) or row.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"an entry is {brief(row)}")
        for name, kind in _KINDS.items():
            allowed = (int, float) if kind is float else kind
            if not isinstance(row[name], allowed) or isinstance(row[name], bool):
                raise ValueError(f"{name}={brief(row[name])}")
        curve = row["curve"]
        if not isinstance(curve, list) or not all(isinstance(one, int | float) and 0 <= one <= 1 for one in curve):
            raise ValueError(f"curve={brief(curve)}")
        _check_numbers(row)
        texts = {"name": one_line(row["name"], LONGEST_MERGED), "code": row["code"][:LONGEST_CODE]}
        return cls(**row | texts | {"curve": tuple(map(float, curve)), "seconds": float(row["seconds"])})


def _check_numbers(row: dict[str, Any]) -> None:
    """Raise a ValueError for numbers that no race gives."""
    least = {"count": 1, "parameters": 0, "multiply_adds": 0, "seconds": 0, "faces_seen": 0, "look": 1}
    for name, number in least.items():
        if not number <= row[name] <= LARGEST_WHOLE:  # nor is NaN
            raise ValueError(f"{name}={brief(row[name])}")
    if not row["name"].strip():
        raise ValueError("name=''")
    if not re.fullmatch("[0-9a-f]*", row["correct"]):  # `bytes.fromhex` takes spaces, which stand for no face
        raise ValueError(f"correct={brief(row['correct'])}: these are no hexadecimal digits, 0 to 9 and a to f")
    if len(row["correct"]) != 2 * -(-row["count"] // 8):
        raise ValueError(f"correct has {len(row['correct'])} digits for {row['count']} faces")
    bits = unpack(row["correct"], 8 * -(-row["count"] // 8))
    if bool(bits[row["count"] :].any()):
        raise ValueError("correct tells of more faces than there are")


def versions() -> str:
    """Say what an entry was computed with."""
    return f"Python {platform.python_version()}, PyTorch {torch.__version__}, {platform.system()} {platform.machine()}"
