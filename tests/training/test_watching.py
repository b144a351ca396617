"""Somebody may watch a run: what is told, and that a run ends with the same bits whatever a watcher does."""

import itertools
import math
import time
import warnings

import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal, without_seconds

from emotion_utils.errors import DivergedError
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.watching import Moment, Watching


def run(watch, epochs=3, loss=None, **settings):
    model = small_cnn()
    config = TrainConfig(epochs=epochs, batch_size=13, watch=watch, **settings, **QUIET)
    return model, train(model, small_faces(39), small_faces(21, seed=2), config, loss=loss)


def test_each_epoch_and_the_end_are_told():
    told = []
    _, history = run(told.append)
    assert [moment.kind for moment in told if moment.kind != "step"] == ["epoch"] * 3 + ["end"]
    ends = [moment for moment in told if moment.kind == "epoch"]
    assert [moment.done for moment in ends] == [1, 2, 3]
    assert [list(moment.rows) for moment in ends] == [history.rows[:n] for n in (1, 2, 3)]
    assert told[-1].rows == tuple(history.rows)


def test_steps_are_told_now_and_then_and_their_means_add_up_to_that_of_the_epoch():
    """A moment has the mean of what came since the one before; weighted by steps they give the epoch's."""
    sums, told = torch.zeros(3, dtype=torch.float64), []
    watching = Watching(told.append, epochs=2)
    steps_taken = 0
    while len(told) < 2:
        sums += torch.tensor([2.0 + steps_taken % 3, 1.0, 4.0])
        steps_taken += 1
        time.sleep(0.02)
        watching.step(sums, steps_taken / 1e9, [])
    watching.epoch(sums, [{"epoch": 1}])
    assert steps_taken > 2, "every step was told"
    assert [moment.kind for moment in told] == ["step", "step", "epoch"]
    at = [0, *(round(moment.done * 1e9) for moment in told[:2]), steps_taken]
    between = [b - a for a, b in itertools.pairwise(at)]
    told_losses = [
        4 * n * (0 if math.isnan(m.train_loss) else m.train_loss) for n, m in zip(between, told, strict=True)
    ]
    assert sum(told_losses) == pytest.approx(float(sums[0]))
    assert told[0].train_accuracy == 0.25


def spoil(moment: Moment) -> None:
    """Do what a careless watcher might do."""
    torch.manual_seed(1)
    torch.rand(3)
    torch.set_grad_enabled(False)
    for row in moment.rows:
        row.clear()


@pytest.mark.parametrize("watch", [lambda moment: None, spoil])
def test_a_run_ends_with_the_same_bits_with_and_without(watch, tmp_path):
    plain, history = run(None)
    watched, same = run(watch)
    assert weights_equal(watched, plain)
    assert without_seconds(same) == without_seconds(history)
    assert torch.is_grad_enabled()


def test_a_watcher_that_fails_is_left_out_and_named_once():
    calls = []

    def broken(moment):
        calls.append(moment)
        raise RuntimeError("no paint left")

    plain, _ = run(None)
    with pytest.warns(UserWarning, match=r"broken.*no paint left") as caught:
        watched, history = run(broken)
    assert len(caught) == len(calls) == 1
    assert len(history) == 3
    assert weights_equal(watched, plain)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, DivergedError])
def test_the_end_is_told_when_a_run_stops_early(error):
    told = []

    def augment(images, index, seed, epoch):
        if epoch == 2:
            raise error("stop")
        return images

    with pytest.raises(error):
        run(told.append, augment=augment)
    assert [moment.kind for moment in told if moment.kind != "step"] == ["epoch", "end"]
    assert len(told[-1].rows) == 1


def test_an_interruption_by_the_watcher_is_one():
    def press(moment):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(press)


def test_a_run_goes_on_with_another_watcher(tmp_path):
    """Who watches is no setting of a run: it is in no checkpoint and is not compared."""
    told = []
    config = TrainConfig(epochs=2, batch_size=20, watch=told.append, **QUIET)
    data = small_faces(40)
    train(small_cnn(), data, data, config, run_dir=tmp_path / "b")
    seen = len(told)
    train(small_cnn(), data, data, TrainConfig(epochs=2, batch_size=20, **QUIET), run_dir=tmp_path / "b", resume=True)
    assert len(told) == seen
    assert "watch" not in config.to_dict()
    assert config == TrainConfig(epochs=2, batch_size=20, **QUIET)


@pytest.mark.parametrize("watch", [3, "print", [print]])
def test_what_cannot_be_called_does_not_watch(watch):
    with pytest.raises(ValueError, match=r"watch="):
        TrainConfig(watch=watch)


def test_a_picture_that_shows_how_far_it_is_takes_the_place_of_lines(capsys):
    class Picture:
        shows_progress = True

        def __call__(self, moment):
            pass

    data = small_faces(40)
    for watch, lines in ((Picture(), 0), (lambda moment: None, 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(small_cnn(), data, None, TrainConfig(epochs=1, device="cpu", watch=watch))
        assert capsys.readouterr().out.count("epoch 1/1") == lines
