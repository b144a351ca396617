"""A table of one's own designs that stays: what each costs, how well it does, and whether the change could be luck.

    board = Scoreboard("03", train_set, val_set)
    board.add("baseline", measured)         # what measure() returned, once or for several seeds
    board.add("wider", model, history)      # or a network and what train() returned
    board                                   # as the last line of a cell: the table

The rows lie in `runs/scoreboard_03.json`, so they are still there after the kernel was restarted.
"""

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, one_line, reason, show
from emotion_utils.evaluation.comparison import as_runs
from emotion_utils.evaluation.measuring import Measured
from emotion_utils.evaluation.packing import pack
from emotion_utils.evaluation.report import Report
from emotion_utils.files import as_path, atomic_write, held
from emotion_utils.models.classes import match_classes
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import check_model, warn
from emotion_utils.models.inference import check_finite, compute_logits
from emotion_utils.models.pictures import input_shape_of
from emotion_utils.models.shapes import Trace, trace_shapes
from emotion_utils.training.history import History
from emotion_utils.widgets.score_rows import Score, digest, now, read_scores, thin, write_scores
from emotion_utils.widgets.score_table import as_html, as_text
from emotion_utils.widgets.standings import BASELINE, Standing, stand

LONGEST_LABEL = 60
COLUMNS = ("label", "design", "parameters", "multiply_adds", "seconds", "accuracy", "low", "high", "change", "margin")


class Scoreboard:
    """Designs, each with its cost, accuracy and curve, best first; sorted by a click in the notebook.

    The row with the label "baseline" is what others are compared with, else the first one. A row of other faces, or of
    a network that learnt from others, is shown and not compared. The same label once more makes "label (2)", unless
    nothing but the time has changed; a new "baseline" takes the place of the old one.

    Args:
        name: of the notebook or the experiment, such as "03"; or the path of a file, ending in ".json".
        train_set, val_set: what the networks learn from and are measured on. With `val_set`, `add` measures networks
            itself, and rows of other faces are told apart by content, not by their labels alone.

    Attributes:
        path: the file that keeps the rows.
        scores: the rows, in the order in which they came.

    Raises:
        TypeError: no data set of faces.
        ValueError: a name that is none.
        OSError: the file of the rows is there and may not be read.
    """

    def __init__(
        self, name: str | Path, train_set: FaceDataset | None = None, val_set: FaceDataset | None = None
    ) -> None:
        text = str(name)
        if not text.strip():
            raise ValueError(f"name={brief(text)}: name the notebook, such as '03', or a file that ends in '.json'.")
        is_path = isinstance(name, Path) or text.endswith(".json")
        if not is_path and not all(letter.isalnum() or letter in "-_ ." for letter in text):
            raise ValueError(f"name={brief(text)}: choose letters and digits, or a path that ends in '.json'.")
        self.path = as_path(name if is_path else Path("runs") / f"scoreboard_{text.strip()}.json", "name")
        self.train_set = None if train_set is None else as_face_dataset(train_set, "train_set")
        self.val_set = None if val_set is None else as_face_dataset(val_set, "val_set")
        self._kept = True  # whether the file holds what is here
        with held(self.path):
            self.scores = read_scores(self.path)

    def add(
        self,
        label: str,
        result: Measured | Sequence[Measured] | nn.Module,
        history: History | None = None,
        report: Report | None = None,
    ) -> "Scoreboard":
        """Add a design, keep it, and return the board, which shows itself as the last line of a cell.

        Args:
            label: a name for it.
            result: what `measure` returned; a sequence of that for several seeds of one network, whose mean counts
                and whose scatter says what luck is; or a trained network, together with `history` or `report`.
            history: what `train` returned: the curve and the seconds. Without `report` and `val_set` its last accuracy
                counts, and there is no interval.
            report: what `evaluate` returned for this network.

        Raises:
            TypeError: no network, History or Report.
            ValueError: no label, an empty history, nothing that says how well it does.
            ShapeError: the network and `val_set` do not fit together.
        """
        label = one_line(str(label), LONGEST_LABEL)
        if not label:
            raise ValueError("label='': give the design a name.")
        _check_kind("history", history, History)
        _check_kind("report", report, Report)
        score = self._score(label, result, history, report)
        with held(self.path):
            if self._kept and self.path.exists():  # another kernel may have added rows meanwhile
                self.scores = read_scores(self.path)
            self._place(score)
            self._keep()
        return self

    def _score(
        self,
        label: str,
        result: Measured | Sequence[Measured] | nn.Module,
        history: History | None,
        report: Report | None,
    ) -> Score:
        runs: tuple[float, ...] = ()
        if isinstance(result, Sequence) and not isinstance(result, str):
            measured = as_runs("result", result)
            runs = tuple(one.accuracy for one in measured) if len(measured) > 1 else ()
            result = measured[0]
        if isinstance(result, Measured):
            trace, history, seconds = result.trace, result.history, result.seconds
            correct, labels, classes = result.correct, result.labels, result.classes
        else:
            check_model(result)
            seconds = math.nan if history is None else math.fsum(history["seconds"])
            correct, labels, classes = self._measure(result, report)
            trace = self._trace(result)
        if history is not None and not len(history):
            raise ValueError("history is empty: train for an epoch or more first.")
        if correct is None and history is None:
            raise ValueError(
                f"label={brief(label)}: nothing says how well it does. Give history, report, or the board a val_set."
            )
        curve = () if history is None else _curve(history)
        accuracy = float(correct.double().mean()) if correct is not None else _curve(history)[-1]
        accuracy = statistics.fmean(runs) if runs else accuracy
        return Score(
            label=label,
            design=describe(trace),
            parameters=trace.total_parameters,
            multiply_adds=trace.total_multiply_adds,
            seconds=float(seconds),
            accuracy=accuracy,
            count=0 if correct is None else len(correct),
            right="" if correct is None or runs else pack(correct),
            task=self._task(labels, classes),
            curve=thin(curve),
            added=now(),
            runs=runs,
        )

    def _measure(self, model: nn.Module, report: Report | None) -> tuple[Tensor | None, Tensor | None, tuple[str, ...]]:
        """Find which faces a network recognises, their labels and classes."""
        if report is not None:
            return report.correct, report.labels, tuple(report.classes)
        if self.val_set is None:
            return None, None, ()
        check_fit(model, self.val_set)
        logits = compute_logits(model, self.val_set).cpu()
        check_finite(logits, model)
        labels = self.val_set.labels.cpu()
        found = match_classes(model, self.val_set).columns(logits).argmax(1)
        return found == labels, labels, self.val_set.classes

    def _trace(self, model: nn.Module) -> Trace:
        known = self.val_set or self.train_set
        return trace_shapes(model, input_shape_of(model) if known is None else (1, *known.images.shape[1:]))

    def _task(self, labels: Tensor | None, classes: Sequence[str]) -> str:
        """Name the question that was asked: which faces, which classes, learnt from what."""
        known = self.val_set
        if labels is None:
            return digest("unknown faces", None if known is None else known.digest())
        if known is not None:
            known = known if tuple(classes) == known.classes else None
            same = known is not None and len(known) == len(labels) and bool((known.labels.cpu() == labels).all())
            known = known if same else None
        return digest(
            labels,
            tuple(classes),
            None if known is None else known.digest(),
            None if self.train_set is None else self.train_set.digest(),
        )

    def _place(self, score: Score) -> None:
        rows = self.scores
        alike = [row for row in rows if row.label.split(" (")[0] == score.label and row.task == score.task]
        for row in alike:
            if row.same_result(score) or score.label == BASELINE:
                rows[rows.index(row)] = replace(score, label=row.label)
                return
        labels = {row.label for row in rows}
        number = 2
        label = score.label
        while label in labels and not (label == BASELINE and not alike):
            label, number = f"{score.label} ({number})", number + 1
        rows.append(replace(score, label=label))

    def _keep(self) -> None:
        try:
            write_scores(self.path, self.scores)
            self._kept = True
        except OSError as error:
            self._kept = False
            warn(f"The scoreboard is shown and not kept: {reason(error, 240)}.")

    def clear(self) -> "Scoreboard":
        """Remove all rows, from the file too."""
        with held(self.path):
            self.scores = []
            if self.path.exists():
                self._keep()
        return self

    def export(self, path: str | Path) -> Path:
        """Write the table as CSV, for a spreadsheet; return its path. Raises an OSError that says what to do."""
        path = as_path(path)
        with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, "note", "faces", "added"])
            for one in self.standings():
                score, interval = one.score, one.interval or ("", "")
                numbers = [score.parameters, score.multiply_adds, score.seconds, score.accuracy, *interval]
                change = ["" if value is None else value for value in (one.change, one.margin)]
                texts = [_harmless(text) for text in (score.label, score.design)]
                writer.writerow([*texts, *numbers, *change, one.note, score.count or "", score.added])
        return path

    def standings(self) -> list[Standing]:
        """Return the rows as the table shows them, those of the present task first, the best on top."""
        first = self._baseline()
        made = [stand(score, first) for score in self.scores]
        return sorted(made, key=lambda one: (one.note == "other faces", -one.score.accuracy))

    def _baseline(self) -> Score | None:
        """Choose what others are compared with: of the latest row's task the baseline, else the first row."""
        if not self.scores:
            return None
        task = self.scores[-1].task
        same = [score for score in self.scores if score.task == task]
        return next((score for score in same if score.label == BASELINE), same[0])

    def __str__(self) -> str:
        return as_text(self.standings())

    __repr__ = __str__

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        rows = self.standings()
        return {"text/html": as_html(rows, show(self.path, 80)), "text/plain": as_text(rows)}


def _curve(history: History) -> list[float]:
    val = [value for value in history["val_accuracy"] if math.isfinite(value)]
    return val or history["train_accuracy"]


def describe(trace: Trace) -> str:
    """Put the layers of a network that learn into a line, and the kinds of the others behind it."""
    learn = [(row.kind, row.output_shape) for row in trace.rows if row.kind.startswith(("Conv", "Linear"))]
    words = [f"{'conv' if kind.startswith('Conv') else 'linear'} {shape[1]}" for kind, shape in learn if len(shape) > 1]
    others = {"BatchNorm2d": "batch norm", "Dropout": "dropout", "Dropout2d": "dropout"}
    kinds = [name for kind, name in others.items() if any(row.kind == kind for row in trace.rows)]
    extra = f" + {', '.join(dict.fromkeys(kinds))}" if kinds else ""
    return one_line(" → ".join(words) + extra, 160) or "no layer that learns"


def _check_kind(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}={brief(type(value).__name__)}: give a {kind.__name__}.")


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text
