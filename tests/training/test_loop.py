"""Training: what it computes, that edits work or are explained, and that stopping anywhere changes nothing."""

import math
import signal
from dataclasses import replace

import pytest
import torch
from launching import forks, on_unix
from small_faces import small_faces
from small_runs import QUIET, STEPS, full_run, killed_run, small_cnn, weights_equal, without_seconds
from torch import nn

from emotion_utils.data.augment import Augment
from emotion_utils.data.pixels import normalise
from emotion_utils.errors import ShapeError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import MLP, LinearModel
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train


def test_training_learns_and_reports_sums_over_samples():
    """Accuracy goes up; the last row of the history is what a measurement of the final model gives."""
    data, held_out = small_faces(203), small_faces(71, seed=2)
    model = small_cnn()
    history = train(model, data, held_out, TrainConfig(epochs=6, batch_size=16, learning_rate=0.1, **QUIET))
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert history["val_accuracy"][-1] > 0.6
    assert not model.training
    assert model.classes == data.classes
    assert float(model.mean) == pytest.approx(data.mean)
    # The validation images are normalised like the training images, although this set carries its own statistics.
    logits = model(normalise(held_out.images, data.mean, data.std))
    assert history["val_accuracy"][-1] == (logits.argmax(1) == held_out.labels).double().mean().item()
    loss = nn.functional.cross_entropy(logits, held_out.labels).item()
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)


def test_training_losses_are_sums_over_samples_not_means_over_batches():
    """At rate 0, without batch norm and dropout, the training columns equal a plain measurement, uneven batches too."""
    data = small_faces(50)
    model = small_cnn(batch_norm=False, dropout=0.0)
    history = train(model, data, data, TrainConfig(epochs=1, batch_size=16, learning_rate=0.0, **QUIET))
    assert history["train_loss"][0] == pytest.approx(history["val_loss"][0], rel=1e-6)
    assert history["train_accuracy"] == history["val_accuracy"]


def test_steps_equal_plain_pytorch():
    """The same network trained by a loop in plain PyTorch ends with the same weights."""
    data = small_faces(60)
    model, twin = LinearModel(image_size=16), LinearModel(image_size=16)
    twin.load_state_dict(model.state_dict())
    config = TrainConfig(epochs=2, batch_size=20, learning_rate=0.1, schedule="constant", weight_decay=0.01, **QUIET)
    train(model, data, data, config)

    groups = [
        {"params": [twin.classifier[1].weight], "weight_decay": 0.01},
        {"params": [twin.classifier[1].bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    for epoch in (1, 2):
        data.set_epoch(epoch)
        for images, labels in data.loader(20, shuffle=True, seed=0):
            optimizer.zero_grad()
            nn.functional.cross_entropy(twin(images), labels).backward()
            optimizer.step()
    torch.testing.assert_close(model.classifier[1].weight, twin.classifier[1].weight)
    torch.testing.assert_close(model.classifier[1].bias, twin.classifier[1].bias)


def test_same_seed_same_bits_and_the_world_outside_is_left_alone():
    """Runs repeat, whatever the global random state, and do not change it."""
    data = small_faces(40)
    config = TrainConfig(epochs=2, batch_size=8, augment=Augment(), average=0.9, **QUIET)
    one, two = small_cnn(), small_cnn()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = train(one, data, data, config)
    assert torch.equal(torch.get_rng_state(), state)
    assert (data.augment, data.epoch) == (None, 0)
    torch.manual_seed(2)
    second = train(two, data, data, config)
    assert weights_equal(one, two)
    assert without_seconds(first) == without_seconds(second)
    three = small_cnn()
    train(three, data, data, replace(config, seed=1))
    assert not weights_equal(one, three)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 1},
        {"batch_size": 7},  # 50 = 7 * 7 + 1: a last batch of one image
        {"batch_size": 512},
        {"batch_size": 16.0},
        {"learning_rate": 0.0},
        {"learning_rate": 1e-8},
        {"momentum": 0.0},
        {"momentum": 1.0, "learning_rate": 0.001},
        {"precision": "bf16"},
        {"schedule": "cosine"},
        {"schedule": "constant"},
        {"warmup": 0.0},
        {"label_smoothing": 0.1},
        {"channels_last": False},
        {"average": 0.99},
        {"weight_decay": 0.0, "nesterov": False},
    ],
)
def test_legal_settings_train(settings):
    """What a learner may well try runs through and gives finite numbers."""
    history = train(small_cnn(), small_faces(50), small_faces(20), TrainConfig(epochs=1, **settings, **QUIET))
    assert all(math.isfinite(value) for value in history.rows[0].values())


@pytest.mark.parametrize("model", [LinearModel, MLP])
def test_other_networks_and_three_classes_train(model):
    """Three classes in model and data is a legal edit."""
    data = small_faces(30, classes=3)
    assert len(train(model(classes=3, image_size=16), data, data, TrainConfig(epochs=1, **QUIET))) == 1


def test_misfits_are_explained_before_training():
    """Three classes in the model alone, a forgotten flatten, data sets that differ."""
    data, config = small_faces(20), TrainConfig(**QUIET)
    with pytest.raises(ShapeError, match=r"7 classes.*classes=7"):
        train(small_cnn(classes=3), data, data, config)
    with pytest.raises(ShapeError, match=r"nn\.Flatten"):
        train(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(14, 7)), data, data, config)
    with pytest.raises(ValueError, match="classes"):
        train(small_cnn(), data, small_faces(20, classes=3), config)
    with pytest.raises(ValueError, match="no parameter to train"):
        train(small_cnn().requires_grad_(False), data, data, config)
    with pytest.raises(ValueError, match="batch_size of 2 or more"):
        train(small_cnn(widths=(4, 4, 4, 4)), small_faces(4), None, TrainConfig(batch_size=1, **QUIET))


def test_checkpoints_need_a_folder_and_a_number_of_steps(tmp_path):
    data, config = small_faces(20), TrainConfig(**QUIET)
    for options, words in (
        ({"resume": True}, "run_dir=None.*resume=True"),
        ({"checkpoint_every": 2}, "run_dir=None.*checkpoint_every=2"),
        ({"checkpoint_every": 0, "run_dir": tmp_path}, "checkpoint_every=0"),
    ):
        with pytest.raises(ValueError, match=words):
            train(small_cnn(), data, data, config, **options)


def test_printed_progress_is_a_line_per_epoch(capsys):
    """Stored notebooks stay readable: one line per epoch, no bar left behind; and nothing at all on request."""
    data = small_faces(20)
    train(small_cnn(), data, data, TrainConfig(epochs=2, device="cpu"))
    printed = capsys.readouterr()
    assert [line.split("  ")[0] for line in printed.out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert printed.err == ""
    train(small_cnn(), data, data, TrainConfig(epochs=1, **QUIET))
    assert capsys.readouterr() == ("", "")


def test_the_history_is_written_as_it_is_returned(tmp_path):
    data = small_faces(30)
    history = train(small_cnn(), data, data, TrainConfig(epochs=2, **QUIET), run_dir=tmp_path)
    assert History.from_csv(tmp_path / "history.csv").rows == history.rows


def test_tensorboard_gets_each_epoch(tmp_path):
    """One setting writes event files."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = small_faces(30)
    history = train(small_cnn(), data, data, TrainConfig(epochs=2, tensorboard=tmp_path, **QUIET))
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("val_accuracy")] == [1, 2]
    assert events.Scalars("train_loss")[1].value == pytest.approx(history["train_loss"][1])


def test_progressive_resizing_shows_each_size_for_its_share_of_the_epochs():
    model, seen = FaceNet(4, (8,), image_size=16), []

    def note(module, inputs):
        if module.training and len(inputs[0]) > 2:  # before training, two images are tried
            seen.append(inputs[0].shape[-1])

    model.register_forward_pre_hook(note)
    train(model, small_faces(40), None, TrainConfig(epochs=5, batch_size=40, sizes=(8, 12, 16), **QUIET))
    assert seen == [8, 12, 12, 16, 16]


def test_a_network_of_one_size_says_so_when_asked_to_resize():
    with pytest.raises(ShapeError, match=r"\(40, 1, 8, 8\)"):
        train(small_cnn(), small_faces(40), None, TrainConfig(epochs=2, batch_size=40, sizes=(8, 16), **QUIET))


# --- stopping and going on -------------------------------------------------------------------------------------------


FILES = {"best.pt", "history.csv", "last.pt"}


@pytest.fixture(scope="module")
def unbroken():
    """A run that nobody stops: the model, and its history."""
    return full_run()


def check_equal(run, other) -> None:
    """Compare weights, best weights and histories bit by bit."""
    (model, history), (resumed, again) = run, other
    assert weights_equal(model, resumed)
    assert without_seconds(again) == without_seconds(history)
    assert again.best_weights.keys() == history.best_weights.keys()
    assert all(torch.equal(again.best_weights[name], value) for name, value in history.best_weights.items())


@pytest.mark.parametrize("stop_at", range(3 * STEPS))
def test_stopped_at_any_step_and_resumed_to_the_same_bits(unbroken, tmp_path, stop_at):
    """An exception in any of the steps; the resumed run ends with equal weights, best weights, history."""

    def interrupt(step):
        if step == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full_run(tmp_path, interrupt, checkpoint_every=1 + stop_at % 3)
    check_equal(unbroken, full_run(tmp_path, resume=True))


@on_unix
def test_killed_and_resumed_to_the_same_bits(unbroken, tmp_path):
    """SIGKILL within an epoch, then a kill in the midst of writing a checkpoint, then to the end: the same bits."""
    # The first dies before its fifth step, with four saved. The second starts there, and dies writing after the sixth.
    for step, while_writing, number in ((4, False, signal.SIGKILL), (1, True, signal.SIGXFSZ)):
        arguments = (tmp_path, step, while_writing, torch.get_num_threads())
        process = forks().Process(target=killed_run, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == -number
        assert f"process {process.pid} on" in (tmp_path / ".lock-holder").read_text(), "it held the folder to its end"
    assert list(tmp_path.glob(".*.part")), "the second one left half a file, beside the good one"
    run = full_run(tmp_path, resume=True)
    check_equal(unbroken, run)
    assert History.from_csv(tmp_path / "history.csv").rows == run[1].rows
    assert {path.name for path in tmp_path.iterdir()} == {".lock", *FILES}, "half a file would pile up"


def test_resuming_a_finished_run_changes_nothing(unbroken, tmp_path):
    """It returns the same history at once."""
    _, history = full_run(tmp_path)
    resumed, again = full_run(tmp_path, resume=True)
    assert weights_equal(unbroken[0], resumed)
    assert again.rows == history.rows


def test_half_written_files_of_a_killed_run_are_swept_away(tmp_path):
    """They do no harm, and would pile up."""
    (tmp_path / ".last.pt.abc.part").write_bytes(b"half")
    train(LinearModel(image_size=16), small_faces(20), None, TrainConfig(epochs=1, **QUIET), run_dir=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} - {".lock"} == FILES
