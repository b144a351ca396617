"""What happened in each epoch of a training run, kept as rows that can be read, saved and drawn."""

import csv
import math
from pathlib import Path

from torch import Tensor

from emotion_utils.errors import brief, reason, show
from emotion_utils.files import atomic_write

COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")


class History:
    """One row per epoch; `history["val_accuracy"]` is a column as a list.

    Columns: `epoch` counts from 1, `learning_rate` is the epoch's mean, losses are mean cross-entropies in nats,
    accuracies lie in [0, 1], `seconds` is wall time including validation. Without a validation set its two columns
    are nan.

    Attributes:
        rows: a list of dictionaries, one per epoch.
        best_weights: the state_dict of the epoch with the highest validation accuracy, on the CPU, or None.
    """

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows = [dict(row) for row in rows or []]
        self.best_weights: dict[str, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if column not in COLUMNS:
            raise KeyError(f"{column!r} is no column of a History; there are {', '.join(COLUMNS)}.")
        return [row[column] for row in self.rows]

    def append(self, **row: float) -> None:
        """Add an epoch; every column must be given."""
        self.rows.append({column: row[column] for column in COLUMNS})

    @property
    def best_epoch(self) -> int:
        """Epoch with the highest validation accuracy, the earliest of equals; without validation, the last."""
        if not self.rows:
            return 0
        best = max(self.rows, key=lambda row: -1 if math.isnan(row["val_accuracy"]) else row["val_accuracy"])
        return int((self.rows[-1] if math.isnan(best["val_accuracy"]) else best)["epoch"])

    def to_csv(self, path: str | Path) -> None:
        """Write all rows as CSV, exactly (each number reads back as the same float)."""
        with atomic_write(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({c: repr(v) for c, v in row.items()} for row in self.rows)

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read what `to_csv` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the columns are not those of a History, or a cell is not a number.
        """
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(
                    f"{show(path)} has the columns {brief(reader.fieldnames)}, not those of a History: "
                    f"{', '.join(COLUMNS)}. Choose a history.csv that train() wrote."
                )
            try:
                return cls([{c: (int if c == "epoch" else float)(row[c]) for c in COLUMNS} for row in reader])
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{show(path)}, line {reader.line_num}: a cell is no number ({reason(error)}). Correct it, or "
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
