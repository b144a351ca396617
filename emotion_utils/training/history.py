"""What happened in each epoch of a training run, kept as rows that can be read, saved and drawn."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from emotion_utils.errors import brief, check_whole, reason, show
from emotion_utils.files import as_path, atomic_write, read_file
from emotion_utils.tensors import is_list
from emotion_utils.training.identity import as_plain

COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
MOST_BYTES = 100_000_000  # of a file; a row has some 150


class History:
    """One row per epoch; `history["val_accuracy"]` is a column as a list.

    Columns: `epoch` counts from 1, `learning_rate` is the epoch's mean, losses are mean cross-entropies in nats,
    accuracies lie in [0, 1], `seconds` is wall time including validation. Without a validation set its two columns
    are nan.

    Args:
        rows: to begin with, a list of dictionaries, one per epoch; None for no epoch yet.

    Attributes:
        rows: a list of dictionaries, one per epoch.
        best_weights: the state_dict of the epoch with the highest validation accuracy, on the CPU, or None.

    Raises:
        TypeError: something else than a list of dictionaries.
        ValueError: a row with other columns, or a cell that is no number.
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self.best_weights: dict[str, Tensor] | None = None
        if rows is not None and (not is_list(rows) or isinstance(rows, str | bytes | Mapping)):
            raise TypeError(f"rows={brief(rows)}: give a list of dictionaries, or History.from_csv(path).")
        for row in () if rows is None else rows:
            if not isinstance(row, Mapping):
                raise TypeError(f"rows: {brief(row)} is no row; give dictionaries, one per epoch.")
            self.append(**{str(column): value for column, value in row.items()})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if not isinstance(column, str) or column not in COLUMNS:
            raise KeyError(f"{brief(column)} is no column of a History; there are {', '.join(COLUMNS)}.")
        return [row[column] for row in self.rows]

    def append(self, **row: float) -> None:
        """Add an epoch; every column must be given, as a number.

        Raises:
            ValueError: other columns, or a cell that is no number.
        """
        if row.keys() != set(COLUMNS):
            raise ValueError(f"row={brief(list(row))}: give a number for each of {', '.join(COLUMNS)}.")
        plain = as_plain({column: row[column] for column in COLUMNS})
        for column, cell in plain.items():
            if isinstance(cell, bool) or not isinstance(cell, int | float):
                raise ValueError(f"{column}={brief(row[column])}: give a number.")
        plain["epoch"] = check_whole(1, epoch=plain["epoch"])
        self.rows.append(plain)

    @property
    def best_epoch(self) -> int:
        """Epoch with the highest validation accuracy, the earliest of equals; without validation, the last."""
        if not self.rows:
            return 0
        best = max(self.rows, key=lambda row: -1 if math.isnan(row["val_accuracy"]) else row["val_accuracy"])
        return int((self.rows[-1] if math.isnan(best["val_accuracy"]) else best)["epoch"])

    def to_csv(self, path: str | Path) -> None:
        """Write all rows as CSV, exactly (each number reads back as the same float)."""
        with atomic_write(as_path(path)) as part, open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({c: repr(v) for c, v in row.items()} for row in self.rows)

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read what `to_csv` wrote.

        Raises:
            OSError: there is no such file, or it may not be read.
            ValueError: the columns are not those of a History, or a cell is no number that could stand there.
        """
        path = as_path(path)
        try:
            reader = csv.DictReader(io.StringIO(read_file(path, MOST_BYTES).decode("utf-8-sig"), newline=""))
            columns = tuple(reader.fieldnames or ())
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{show(path)} is no table of text. Choose a history.csv that train() wrote.") from error
        if columns != COLUMNS:
            raise ValueError(
                f"{show(path, 100)} has the columns {brief(columns)}, not those of a History: {', '.join(COLUMNS)}. "
                "Choose a history.csv that train() wrote."
            )
        try:
            return cls([{column: _number(column, row[column]) for column in COLUMNS} for row in reader])
        except (TypeError, ValueError, csv.Error) as error:
            raise ValueError(
                f"{show(path, 100)}, line {reader.line_num}: a cell is no number ({reason(error)}). Correct it, or "
                "train again."
            ) from error

    def __str__(self) -> str:
        return "\n".join(describe_row(row) for row in self.rows) or "(no epoch yet)"

    def __repr__(self) -> str:
        return f"History({len(self)} epochs, best epoch {self.best_epoch})"


def describe_row(row: dict[str, float], epochs: int | None = None) -> str:
    """Put one row into a line of text."""
    number = f"{int(row['epoch']):>{len(str(epochs or row['epoch']))}}" + (f"/{epochs}" if epochs else "")
    text = (
        f"epoch {number}  rate {row['learning_rate']:.2g}  training {row['train_loss']:.3f} {row['train_accuracy']:.1%}"
    )
    if not math.isnan(row["val_loss"]):
        text += f"  validation {row['val_loss']:.3f} {row['val_accuracy']:.1%}"
    return f"{text}  {row['seconds']:.1f} s"


def _number(column: str, cell: Any) -> float:
    """Read a cell; without validation images, its columns are nan."""
    number = (int if column == "epoch" else float)(cell)
    if column == "epoch" and number < 1:
        raise ValueError(f"{column}={cell}")
    if not math.isfinite(number) and not (math.isnan(number) and column.startswith("val_")):
        raise ValueError(f"{column}={cell}")
    if column.endswith("accuracy") and not (0 <= number <= 1 or math.isnan(number)):
        raise ValueError(f"{column}={cell}")
    return number
