"""The rows of a scoreboard: what is kept of a design, where it is kept, and how two of them compare."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from emotion_utils.errors import brief, reason, show
from emotion_utils.evaluation.packing import unpack
from emotion_utils.files import atomic_write, read_file, set_aside
from emotion_utils.models.handling import warn

SCORES_FORMAT = 1
MOST_BYTES = 50_000_000
MOST_CURVE = 2000  # epochs of a curve that are kept


@dataclass(frozen=True)
class Score:
    """One design on a scoreboard.

    Attributes:
        label: what the learner calls it.
        design: its layers in a line.
        parameters: how many numbers it learns.
        multiply_adds: of one face.
        seconds: of training; nan where unknown.
        accuracy: share of the validation faces that were recognised, 0 to 1.
        count: how many faces that were; 0 where unknown.
        right: which ones, a bit for each, in hexadecimal digits; "" where unknown.
        task: digest of the faces, their labels and classes, and of the faces that were learnt from, if known.
        curve: accuracy after each epoch on the validation faces; on those of training without any.
        added: when, as text.
        runs: accuracies of several seeds, of which `accuracy` is the mean; () for a single run.
    """

    label: str
    design: str
    parameters: int
    multiply_adds: int
    seconds: float
    accuracy: float
    count: int
    right: str
    task: str
    curve: tuple[float, ...]
    added: str
    runs: tuple[float, ...] = ()

    @property
    def correct(self) -> Tensor | None:
        """Which faces were recognised, bool `(count,)`; None where unknown."""
        if not self.right:
            return None
        return unpack(self.right, self.count)

    def same_result(self, other: "Score") -> bool:
        """Say whether two rows tell of the same, seconds and time apart."""
        left, right = asdict(self), asdict(other)
        return all(left[name] == right[name] for name in left if name not in ("label", "seconds", "added"))


def digest(*parts: Any) -> str:
    """Name what parts hold in 16 digits, the same in each session."""
    sha = hashlib.sha256()
    for part in parts:
        part = part.cpu().numpy().tobytes() if isinstance(part, Tensor) else repr(part).encode()
        sha.update(len(part).to_bytes(8, "little") + part)
    return sha.hexdigest()[:16]


def now() -> str:
    """Say what time it is, as it stands in a row."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def read_scores(path: Path) -> list[Score]:
    """Read the rows of a file; of one that is damaged, none: it is set aside under another name, and that is said.

    Raises:
        OSError: the file is there and may not be read.
    """
    try:
        content = json.loads(read_file(path, MOST_BYTES).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, RecursionError) as error:
        return _begin_anew(path, reason(error))
    try:
        if content["format"] != SCORES_FORMAT:
            return _begin_anew(
                path, f"it has format={brief(content['format'])}, and this version reads {SCORES_FORMAT}"
            )
        return [_score_of(row) for row in content["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        return _begin_anew(path, reason(error))


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write all rows, whole or not at all; raises an OSError that says what to do."""
    content = {"format": SCORES_FORMAT, "rows": [asdict(score) for score in scores]}
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _score_of(row: dict[str, Any]) -> Score:
    """Make a row of what a file holds; a ValueError where it cannot be one."""
    kinds = {"parameters": int, "multiply_adds": int, "count": int, "seconds": float, "accuracy": float}
    names = {field.name for field in fields(Score)}
    if not isinstance(row, dict) or row.keys() | {"runs"} != names:  # rows of an earlier version have no runs
        raise ValueError(f"a row is {brief(row)}")
    lists = {name: tuple(map(float, row.get(name, ()))) for name in ("curve", "runs")}
    score = Score(**{name: kinds.get(name, str)(value) for name, value in row.items() if name not in lists}, **lists)
    if (
        not all(0 <= share <= 1 for share in (score.accuracy, *score.runs))
        or score.count < 0
        or (score.right and len(score.correct) != score.count)
    ):
        raise ValueError(f"the row {brief(score.label)} does not add up")
    return score


def _begin_anew(path: Path, why: str) -> list[Score]:
    aside = set_aside(path, why)
    warn(f"{show(path)} cannot be read as a scoreboard ({why}). It was set aside as {aside.name}; a new one begins.")
    return []


def thin(curve: Sequence[float]) -> tuple[float, ...]:
    """Keep at most `MOST_CURVE` values of a curve, the last one among them, and none that are not finite."""
    kept = [value for value in curve if math.isfinite(value)]
    step = -(-len(kept) // MOST_CURVE) or 1
    return tuple(kept[::-1][::step][::-1])
