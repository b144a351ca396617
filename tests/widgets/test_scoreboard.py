"""The scoreboard: what a row says, that rows stay, and that nothing is compared which does not compare."""

import csv
import json
import re
from dataclasses import replace

import pytest
import torch
from every_figure import history, report
from small_faces import small_faces
from small_runs import QUIET, small_cnn

from emotion_utils.evaluation.comparison import compare_with_baseline
from emotion_utils.evaluation.measuring import measure
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.widgets.score_rows import digest
from emotion_utils.widgets.scoreboard import Scoreboard

TRAIN, VAL = small_faces(90), small_faces(211, seed=2)
CONFIG = TrainConfig(epochs=2, batch_size=15, learning_rate=0.1, **QUIET)


@pytest.fixture(scope="module")
def measured():
    return {name: measure(model, TRAIN, VAL, CONFIG) for name, model in designs().items()}


def designs():
    return {"baseline": small_cnn(), "wider": small_cnn(widths=(8, 16)), "linear": LinearModel(image_size=16)}


@pytest.fixture
def board(tmp_path, measured):
    board = Scoreboard(tmp_path / "board.json", TRAIN, VAL)
    for name, result in measured.items():
        board.add(name, result)
    return board


def by_label(board):
    return {one.score.label: one for one in board.standings()}


def test_numbers_are_those_of_measure_and_of_the_comparison(board, measured):
    rows = by_label(board)
    for name, result in measured.items():
        score = rows[name].score
        assert score.accuracy == pytest.approx(result.accuracy)
        assert score.parameters == result.trace.total_parameters
        assert score.multiply_adds == result.trace.total_multiply_adds
        assert score.seconds == result.seconds
        assert list(score.curve) == result.history["val_accuracy"]
        assert torch.equal(score.correct, result.correct)
        assert rows[name].interval == evaluate(result.model, VAL).interval
    comparison = compare_with_baseline(measured["linear"], measured["baseline"])
    assert rows["linear"].change == pytest.approx(comparison.difference)
    assert rows["linear"].margin == pytest.approx(comparison.margin)
    assert rows["baseline"].note == "baseline"


def test_a_network_with_its_history_gives_the_row_that_measure_gives(tmp_path, measured):
    board, result = Scoreboard(tmp_path / "a.json", TRAIN, VAL), measured["wider"]
    board.add("wider", result).add("by hand", result.model, result.history)
    board.add("by report", result.model, result.history, evaluate(result.model, VAL))
    assert len(board.scores) == 3
    assert all(score.same_result(board.scores[0]) for score in board.scores)


def test_best_first_and_the_same_after_a_restart(board):
    accuracies = [one.score.accuracy for one in board.standings()]
    assert accuracies == sorted(accuracies, reverse=True)
    again = Scoreboard(board.path, TRAIN, VAL)
    assert again.scores == board.scores
    assert str(again) == str(board)


def test_a_cell_that_runs_again_adds_nothing_and_an_edit_stays(board, measured):
    board.add("wider", measured["wider"])
    assert len(board.scores) == 3
    board.add("wider", measured["linear"])
    assert [score.label for score in board.scores] == ["baseline", "wider", "linear", "wider (2)"]
    board.add("wider", measured["linear"])
    assert len(board.scores) == 4
    board.add("baseline", measured["linear"])
    assert len(board.scores) == 4
    assert by_label(board)["linear"].change == 0


def test_two_kernels_keep_the_rows_of_both(tmp_path, measured):
    one, two = (Scoreboard(tmp_path / "b.json", TRAIN, VAL) for _ in range(2))
    one.add("one", measured["wider"])
    two.add("two", measured["linear"])
    assert [score.label for score in Scoreboard(tmp_path / "b.json").scores] == ["one", "two"]


@pytest.mark.parametrize(
    ("train_set", "val_set"),
    [
        (TRAIN, small_faces(210, seed=2)),
        (TRAIN, small_faces(211, seed=3)),  # the same labels, other faces
        (small_faces(50), VAL),
        (TRAIN, small_faces(211, seed=2, classes=3)),
    ],
)
def test_rows_of_other_faces_are_not_compared(board, train_set, val_set):
    classes = len(val_set.classes)
    other = Scoreboard(board.path, train_set, val_set).add(
        "new", LinearModel(classes=classes, image_size=16), history()
    )
    notes = {one.score.label: one.note for one in other.standings()}
    assert notes == {"new": "baseline", "baseline": "other faces", "wider": "other faces", "linear": "other faces"}
    assert all(one.change is None for one in other.standings())
    assert "other faces" in other._repr_mimebundle_()["text/html"]


def test_a_history_alone_has_no_interval(tmp_path):
    board = Scoreboard(tmp_path / "c.json").add("a", small_cnn(image_size=48), history(3))
    board.add("b", small_cnn(image_size=48, batch_norm=False), history(4))
    row = by_label(board)["b"]
    assert row.interval is None
    assert row.margin is None
    assert row.change == pytest.approx(0.9 - 0.2 - (0.9 - 0.8 / 3))
    assert row.note == "no interval"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": 1}',
        b'{"format": 9, "rows": []}',
        b'{"format": 1, "rows": [{}]}',
        None,
    ],
)
def test_a_damaged_file_is_set_aside(board, content):
    if content is None:
        held = json.loads(board.path.read_text(encoding="utf-8"))
        held["rows"][0]["accuracy"] = 7
        content = json.dumps(held).encode()
    board.path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"board\.json.*board\.json\.damaged-1"):
        again = Scoreboard(board.path)
    assert again.scores == []
    assert board.path.with_name("board.json.damaged-1").read_bytes() == content


def test_where_nothing_can_be_kept_the_board_is_shown(tmp_path, measured):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="not kept"):
        board = Scoreboard(tmp_path / "file" / "x.json").add("one", measured["wider"]).add("two", measured["linear"])
    assert [score.label for score in board.scores] == ["one", "two"]


def test_cleared_is_cleared_in_the_file_too(board):
    assert "empty" in str(board.clear())
    assert "empty" in board._repr_mimebundle_()["text/html"]
    assert Scoreboard(board.path).scores == []


def test_export_is_a_table_for_a_spreadsheet(board, measured, tmp_path):
    board.add("=1+1", measured["linear"])
    path = board.export(tmp_path / "mine.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert {row["label"] for row in rows} == {"baseline", "wider", "linear", "'=1+1"}
    assert float(rows[0]["accuracy"]) == max(score.accuracy for score in board.scores)


def test_what_a_learner_writes_is_text(tmp_path, measured):
    label = "<script>alert(1)</script> 'a' \"b\" & $x$ \n \x1b[31m" + "y" * 500
    board = Scoreboard(tmp_path / "d.json").add(label, measured["wider"])
    shown = board._repr_mimebundle_()["text/html"]
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert shown.count("<script>") == 1
    assert "\x1b" not in shown + str(board)
    assert len(board.scores[0].label) <= 60
    assert len(re.findall("<tr>", shown)) == 2


def test_digests_tell_parts_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(torch.arange(3)) == digest(torch.arange(3))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("", None), ValueError, "label"),
        (("a", 3), TypeError, "model=3"),
        (("a", None, 3), TypeError, "history="),
        (("a", None, None, 3), TypeError, "report="),
        (("a", None, History()), ValueError, "history is empty"),
        (("a", None), ValueError, "label='a'"),
    ],
)
def test_what_says_nothing_is_refused(tmp_path, arguments, error, message):
    board = Scoreboard(tmp_path / "e.json")
    label, model, *rest = arguments
    with pytest.raises(error, match=message):
        board.add(label, small_cnn(image_size=48) if model is None else model, *rest)
    assert board.scores == []
    assert not board.path.exists()


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\0", "<b>"])
def test_a_name_is_one(name):
    with pytest.raises(ValueError, match="name="):
        Scoreboard(name)


def test_a_report_of_another_network_size_is_taken_as_it_is(tmp_path):
    one = report()
    board = Scoreboard(tmp_path / "f.json").add("r", LinearModel(image_size=48), report=one)
    assert board.scores[0].accuracy == pytest.approx(one.accuracy)
    assert board.scores[0].parameters == trace_shapes(LinearModel(image_size=48)).total_parameters


def of_seeds(seeds, make=small_cnn):
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        found.append(measure(make(), TRAIN, VAL, replace(CONFIG, seed=seed)))
    return found


def test_a_baseline_of_several_seeds_says_what_luck_is(tmp_path):
    *runs, unchanged = of_seeds(range(5))
    board = Scoreboard(tmp_path / "board.json", TRAIN, VAL).add("baseline", runs).add("unchanged", unchanged)
    rows = by_label(Scoreboard(board.path, TRAIN, VAL))  # read back from its file
    comparison = compare_with_baseline(unchanged, runs)
    assert rows["baseline"].score.runs == tuple(run.accuracy for run in runs)
    assert rows["baseline"].score.accuracy == pytest.approx(sum(run.accuracy for run in runs) / 4)
    low, high = rows["baseline"].interval
    assert low <= rows["baseline"].score.accuracy <= high
    assert rows["unchanged"].change == pytest.approx(comparison.difference)
    assert rows["unchanged"].margin == pytest.approx(comparison.margin)
    assert rows["unchanged"].note == "too close to call"
    assert "4 seeds of the baseline" in board._repr_mimebundle_()["text/html"]
    assert len(board.add("baseline", runs).scores) == 2


def test_a_row_of_an_earlier_version_is_read(board):
    content = json.loads(board.path.read_text())
    for row in content["rows"]:
        del row["runs"]
    board.path.write_text(json.dumps(content))
    assert Scoreboard(board.path, TRAIN, VAL).scores == board.scores


def test_runs_that_do_not_belong_together_make_no_row(board, measured):
    with pytest.raises(ValueError, match="seeds"):
        board.add("mixed", [measured["baseline"], measured["wider"]])
    with pytest.raises(ValueError, match="result is empty"):
        board.add("none", [])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("known", ["both", "training", "nothing"])
def test_networks_of_other_images_than_grey_ones_of_48_pixels(tmp_path, channels, known):
    faces = TRAIN.with_images(TRAIN.images.expand(-1, channels, -1, -1).clone())
    model = small_cnn(in_channels=channels)
    learnt = train(model, faces, None, replace(CONFIG, epochs=1))
    sets = {"both": (faces, faces), "training": (faces, None), "nothing": (None, None)}[known]
    board = Scoreboard(tmp_path / "board.json", *sets).add("mine", model, learnt)
    assert board.scores[0].multiply_adds == trace_shapes(model, (1, channels, 16, 16)).total_multiply_adds
