"""Live curves without a browser: what they take in, the frames, and that only the finished figure is left."""

import os
import re

import nbformat
import pytest
from every_figure import history
from nbclient import NotebookClient
from places import REPOSITORY
from small_faces import small_faces
from small_runs import QUIET, small_cnn

from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.watching import Moment
from emotion_utils.widgets.live_curves import LiveCurves, draw, tell

NAN = float("nan")


def moment(kind="step", done=1.5, loss=1.2, accuracy=0.4, rows=(), epochs=4):
    return Moment(kind, epochs, done, loss, accuracy, tuple(rows), 3.0)


def numbers(frame: str) -> list[float]:
    return [float(text) for each in re.findall(r"points='([^']*)'", frame) for text in re.split("[ ,]", each)]


def test_in_a_terminal_the_last_line_says_how_it_ended(capsys):
    live = LiveCurves(history())
    data = small_faces(40)
    trained = train(small_cnn(), data, data, TrainConfig(epochs=2, watch=live, **QUIET))
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert f"Validation accuracy ends at {trained['val_accuracy'][-1]:.1%} after 2 epochs" in told
    assert not live.shows_progress
    assert live.frames == 0
    assert live.history.rows == trained.rows


def test_one_may_be_used_twice(capsys):
    live = LiveCurves(title="Two runs")
    for count in (2, 1):
        for row in history(count).rows:
            live(moment("epoch", done=row["epoch"], rows=[row]))
        live(moment("end", NAN, NAN, NAN, history(count).rows))
        assert live.history.rows == history(count).rows
    assert "ends at 90%" not in capsys.readouterr().out


@pytest.mark.parametrize("rows", [0, 1])
def test_a_run_that_stops_early_leaves_what_was_there(rows, capsys):
    live = LiveCurves()
    live(moment(rows=history(rows).rows if rows else ()))
    live(moment("end", 1.5, NAN, NAN, history(rows).rows if rows else ()))
    assert ("before its first epoch" if not rows else "after 1 epoch") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "baseline"),
    [
        ([], None),
        (history(1).rows, history(9)),
        (history(3, validation=False).rows, History()),
        (
            [row | {"val_loss": NAN, "train_loss": float("inf")} for row in history(2).rows],
            history(1, validation=False),
        ),
    ],
)
def test_a_frame_holds_finite_numbers_inside_the_drawing(rows, baseline):
    now = moment(rows=rows, done=len(rows) + 0.5)
    frame = draw(now, [(0.3, 1.9, 0.1), (0.6, NAN, NAN), (0.9, 1e30, 0.2)], baseline, tell(now))
    places = numbers(frame)
    assert places
    assert all(0 <= place <= 760 for place in places)
    assert "nan" not in frame
    assert "inf" not in frame.replace("info", "")
    assert ("baseline" in frame) == bool(baseline and len(baseline))
    assert f"aria-label='Learning curves: {tell(now)}'" in frame


def test_several_runs_of_the_baseline_lie_behind_as_thin_lines(capsys):
    several = [history(3), history(5), History()]
    frame = draw(moment(rows=history(1).rows), [], several, "x")
    assert frame.count("stroke-opacity='0.4'") == 2 * 2 * 2  # two panels, training and validation, two that have epochs
    live = LiveCurves(several)
    live(moment("epoch", 1, rows=history(1).rows))
    live(moment("end", 1, NAN, NAN, history(1).rows))
    ends = [one["val_accuracy"][-1] for one in several[:2]]
    printed = capsys.readouterr().out
    assert f"baseline {min(ends):.1%} to {max(ends):.1%}" in printed
    assert "2 runs of the baseline" in printed


def test_a_run_that_fails_at_once_leaves_no_empty_figure(capsys):
    live = LiveCurves()
    live(moment("end", 0.0, NAN, NAN))
    assert capsys.readouterr().out == ""


def test_many_steps_keep_their_ends():
    live = LiveCurves()
    for number in range(5000):
        live(moment(done=number / 1000))
    assert len(draw(moment(), live._points, None, "x")) < 40_000


@pytest.mark.parametrize("baseline", [3, "history.csv", [1.0, 2.0], [history(2), None]])
def test_what_is_no_history_is_no_baseline(baseline):
    with pytest.raises(TypeError, match="baseline="):
        LiveCurves(baseline)


@pytest.mark.parametrize("title", [3, b"x", ["a"]])
def test_a_title_is_a_text(title):
    with pytest.raises(TypeError, match="title="):
        LiveCurves(title=title)


CELLS = """
import sys
sys.path.insert(0, "tests")
from small_faces import small_faces
from small_runs import small_cnn
from emotion_utils.training import TrainConfig, train
from emotion_utils.widgets import LiveCurves
data, live = small_faces(700), LiveCurves()
---
history = train(small_cnn(), data, data, TrainConfig(epochs=30, batch_size=4, watch=live, device="cpu"))
---
print(live.frames, live.shows_progress)
---
class Stop:
    shows_progress = True
    def __call__(self, moment):
        live(moment)
        if moment.done > 1:
            raise KeyboardInterrupt
train(small_cnn(), data, data, TrainConfig(epochs=30, batch_size=4, watch=Stop(), device="cpu"))
"""


@pytest.mark.slow
def test_in_a_notebook_the_finished_figure_alone_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "tests")))}
    NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute(env=env)
    _, trained, counted, stopped = (cell.outputs for cell in notebook.cells)
    picture, sentence = trained
    assert "image/png" in picture.data
    assert "text/html" not in picture.data
    assert picture.metadata["image/png"]["alt"] == sentence.data["text/plain"]
    frames, shows = counted[0].text.split()
    assert int(frames) >= 1
    assert shows == "True"
    assert [output.output_type for output in stopped] == ["display_data", "display_data", "error"]
    assert stopped[-1].ename == "KeyboardInterrupt"
