"""One row per epoch: read as columns, saved exactly, drawn from by name."""

import math

import pytest
import torch

from emotion_utils.training.history import COLUMNS, History


def rows(*accuracies: float) -> list[dict[str, float]]:
    return [
        dict(zip(COLUMNS, (epoch, 0.1 / 3, 1 / epoch, 0.3, accuracy - 0.1, accuracy, 0.7), strict=True))
        for epoch, accuracy in enumerate(accuracies, 1)
    ]


def test_csv_keeps_every_bit(tmp_path):
    history = History(rows(0.1, 1 / 3, 2 / 7))
    history.to_csv(tmp_path / "history.csv")
    assert History.from_csv(tmp_path / "history.csv").rows == history.rows
    assert history["val_accuracy"] == [0.1, 1 / 3, 2 / 7]


def test_without_validation_the_columns_are_empty_and_the_last_epoch_is_the_best(tmp_path):
    history = History(rows(math.nan, math.nan))
    history.to_csv(tmp_path / "history.csv")
    assert all(map(math.isnan, History.from_csv(tmp_path / "history.csv")["val_accuracy"]))
    assert history.best_epoch == 2
    assert "validation" not in str(history)


def test_the_best_epoch_is_the_earliest_of_equals():
    assert History(rows(0.3, 0.5, 0.5)).best_epoch == 2
    assert History().best_epoch == 0


def test_it_reads_as_a_line_per_epoch():
    assert [line.split("  ")[0] for line in str(History(rows(0.3, 0.5))).splitlines()] == ["epoch 1", "epoch 2"]
    assert "no epoch" in str(History())


def test_wrong_files_and_columns_are_explained(tmp_path):
    History(rows(0.1)).to_csv(tmp_path / "history.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other\.csv .*'a', 'b'"):
        History.from_csv(tmp_path / "other.csv")
    text = (tmp_path / "history.csv").read_text()
    (tmp_path / "broken.csv").write_text(text.replace("\n1,", "\none,"))
    with pytest.raises(ValueError, match=r"broken\.csv, line 2"):
        History.from_csv(tmp_path / "broken.csv")
    with pytest.raises(KeyError, match=r"'accuracy'.*val_accuracy"):
        History()["accuracy"]
    with pytest.raises(KeyError, match="3"):
        History()[3]


@pytest.mark.parametrize("wrong", [5, "x", b"x", rows(0.1)[0], True, torch.tensor(3)])
def test_what_is_no_list_of_rows(wrong):
    with pytest.raises(TypeError, match="rows="):
        History(wrong)


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        (3, TypeError, "rows: 3"),
        ({"epoch": 1}, ValueError, "row="),
        (rows(0.1)[0] | {"accuracy": 1}, ValueError, "row="),
        (rows(0.1)[0] | {"train_loss": "1"}, ValueError, "train_loss='1'"),
        (rows(0.1)[0] | {"seconds": None}, ValueError, "seconds=None"),
        (rows(0.1)[0] | {"val_loss": True}, ValueError, "val_loss=True"),
        (rows(0.1)[0] | {"epoch": math.nan}, ValueError, "epoch=nan"),
        (rows(0.1)[0] | {"epoch": 1.5}, ValueError, "epoch=1.5"),
        (rows(0.1)[0] | {"seconds": torch.zeros((), device="meta")}, ValueError, "seconds="),
        (rows(0.1)[0] | {"epoch": 0}, ValueError, "epoch=0"),
    ],
)
def test_a_row_that_is_none_is_named(row, kind, words):
    with pytest.raises(kind, match=words):
        History([row])


def test_rows_of_any_kind_are_copied():
    given = rows(0.1, 0.2)
    history = History(iter(given))
    given[0]["train_loss"] = 99.0
    assert history.rows == rows(0.1, 0.2)
