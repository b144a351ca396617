"""Training: what it computes, that edits work or are explained, and that stopping anywhere changes nothing."""

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from places import REPOSITORY
from small_faces import small_faces
from torch import nn

import emotion_utils.training.run
from emotion_utils.data.augment import Augment
from emotion_utils.data.pixels import normalise
from emotion_utils.device import pick_device
from emotion_utils.errors import DivergedError, ShapeError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.randomness import seed_everything
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test
from emotion_utils.training.schedule import learning_rate_at, size_in
from emotion_utils.training.step import sgd_parameter_groups

QUIET = {"progress": False, "device": "cpu"}


def small_cnn(**changes) -> EmotionCNN:
    """Build a tiny network, always with the same weights."""
    seed_everything(0)
    return EmotionCNN(**{"widths": (4, 8), "hidden": 16, "image_size": 16} | changes)


def weights_equal(one: nn.Module, other: nn.Module) -> bool:
    """Compare weights and buffers bit by bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def without_seconds(history: History) -> list[dict]:
    """Give the rows without the one column that differs from run to run."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


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
    train(three, data, data, TrainConfig(**config.__dict__ | {"seed": 1}))
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


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": math.nan},
        {"learning_rate": -1.0},
        {"learning_rate": math.nan},
        {"momentum": 1.5},
        {"weight_decay": -0.1},
        {"schedule": "linear"},
        {"warmup": 1.0},
        {"label_smoothing": 1.0},
        {"precision": "fp16"},
        {"average": 1.0},
        {"patience": 0},
    ],
)
def test_impossible_settings_are_named(settings):
    """The error names the setting and what would work."""
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name}=.* cannot work; choose"):
        TrainConfig(**settings)


def test_misfits_are_explained_before_training():
    """Three classes in the model alone, a forgotten flatten, data sets that differ."""
    data = small_faces(20)
    with pytest.raises(ShapeError, match=r"gives 3 logits per image, and the data have 7 classes .* classes=7"):
        train(small_cnn(classes=3), data, data, TrainConfig(**QUIET))
    with pytest.raises(ShapeError, match=r"nn\.Flatten"):
        train(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(14, 7)), data, data, TrainConfig(**QUIET))
    with pytest.raises(ValueError, match="different classes"):
        train(small_cnn(), data, small_faces(20, classes=3), TrainConfig(**QUIET))
    with pytest.raises(ValueError, match="no parameter to train"):
        train(small_cnn().requires_grad_(False), data, data, TrainConfig(**QUIET))


def test_one_value_per_channel_is_explained():
    """Batch norm behind five halvings and a batch of one: nothing to normalise."""
    model = small_cnn(widths=(4, 4, 4, 4))
    with pytest.raises(ValueError, match="batch_size of 2 or more"):
        train(model, small_faces(4), None, TrainConfig(epochs=1, batch_size=1, **QUIET))


def test_divergence_stops_with_advice():
    """Far too high a rate ends in an error that says what to try, not in a run of nan."""
    with pytest.raises(DivergedError, match=r"in epoch 1, step \d+ of 10.*learning_rate=0.1; lr_range_test"):
        train(small_cnn(), small_faces(50), None, TrainConfig(batch_size=5, learning_rate=1e12, **QUIET))


def test_divergence_in_the_last_step_is_noticed():
    """The last update spoils the weights after the last loss of training; validation finds out."""
    data = small_faces(20)
    config = TrainConfig(epochs=1, batch_size=20, learning_rate=1e30, momentum=0, schedule="constant", **QUIET)
    with pytest.raises(DivergedError, match="on the validation images of epoch 1"):
        train(small_cnn(), data, data, config)


def test_a_device_that_is_not_there_is_explained():
    """A GPU that is asked for and absent; a name that is none."""
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ValueError, match="this machine has none"):
        pick_device("cuda:99")
    with pytest.raises(ValueError, match="unknown"):
        pick_device("gpu")


def test_weight_decay_is_for_weights_only():
    """Every parameter lies in one group; biases and batch norm are not pulled to zero."""
    model = small_cnn()
    pulled, free = sgd_parameter_groups(model, 0.1)
    assert (pulled["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim >= 2 for p in pulled["params"])
    assert all(p.ndim == 1 for p in free["params"])
    assert len(pulled["params"]) + len(free["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_schedules(schedule):
    """The rate stays between 0 and its maximum, rises in the warm-up, then falls to nearly 0 (or stays)."""
    config = TrainConfig(learning_rate=0.4, schedule=schedule)
    rates = [learning_rate_at(step, 100, config) for step in range(100)]
    assert all(0 < rate <= 0.4 for rate in rates)
    if schedule == "constant":
        assert set(rates) == {0.4}
    else:
        assert rates[:20] == sorted(rates[:20])
        assert rates[20:] == sorted(rates[20:], reverse=True)
        assert max(rates) > 0.39
        assert rates[-1] < 0.01


def test_early_stopping_and_best_weights(monkeypatch):
    """Training stops when patience runs out; the best weights are those of the best epoch, not the last."""
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.45])
    kept = []

    def validate(run):
        kept.append({name: value.clone() for name, value in run.model.state_dict().items()})
        return 1.0, next(scores)

    monkeypatch.setattr(emotion_utils.training.run.Run, "validate", validate)
    data = small_faces(30)
    history = train(small_cnn(), data, data, TrainConfig(epochs=10, patience=3, batch_size=10, **QUIET))
    assert len(history) == 5
    assert history.best_epoch == 2
    assert all(torch.equal(kept[1][name], value) for name, value in history.best_weights.items())


def test_averaged_weights_are_validated_and_kept():
    """With `average`, the model ends with the running mean of its weights, batch norm's buffers included."""
    data, config = small_faces(40), TrainConfig(epochs=1, batch_size=20, schedule="constant", average=0.9, **QUIET)
    start, plain, averaged = small_cnn(), small_cnn(), small_cnn()
    seen = [{k: v.clone() for k, v in start.state_dict().items()}]

    def watch(logits, labels, index):
        seen.append({k: v.clone() for k, v in plain.state_dict().items()})  # before the step
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    train(plain, data, data, TrainConfig(**config.__dict__ | {"average": 0.0}), loss=watch)
    train(averaged, data, data, config)
    first, second, third = seen[0], seen[2], plain.state_dict()
    # The decays of the first two updates are 2/11 and 3/12.
    name = "classifier.hidden.weight"
    mean = torch.lerp(torch.lerp(first[name], second[name], 9 / 11), third[name], 9 / 12)
    torch.testing.assert_close(averaged.state_dict()[name], mean)
    buffer = averaged.state_dict()["features.block1.norm1.running_mean"]
    assert not torch.equal(buffer, third["features.block1.norm1.running_mean"])


def test_own_loss_is_told_which_images():
    """`loss` gets logits, labels and the indices of the images, and replaces cross-entropy."""
    data, visited = small_faces(30), []

    def loss(logits, labels, index):
        assert torch.equal(data.labels[index], labels)
        visited.extend(index.tolist())
        return logits.sum(1) * 0

    model, before = small_cnn(batch_norm=False), small_cnn(batch_norm=False)
    train(model, data, None, TrainConfig(epochs=1, batch_size=7, weight_decay=0.0, **QUIET), loss=loss)
    assert sorted(visited) == list(range(30))
    torch.testing.assert_close(model.classifier.hidden.weight, before.classifier.hidden.weight)


def test_printed_progress_is_a_line_per_epoch(capsys):
    """Stored notebooks stay readable: one line per epoch, no bar left behind; and nothing at all on request."""
    data = small_faces(20)
    train(small_cnn(), data, data, TrainConfig(epochs=2, device="cpu"))
    shown = capsys.readouterr()
    assert [line.split("  ")[0] for line in shown.out.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert shown.err == ""
    train(small_cnn(), data, data, TrainConfig(epochs=1, **QUIET))
    assert capsys.readouterr() == ("", "")


def test_history_reads_back_exactly(tmp_path):
    """CSV keeps every bit; a wrong file is explained."""
    data = small_faces(30)
    config = TrainConfig(epochs=2, **QUIET)
    history = train(small_cnn(), data, data, config, run_dir=tmp_path)
    assert History.from_csv(tmp_path / "history.csv").rows == history.rows
    assert "epoch 2" in str(history)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not those of a History"):
        History.from_csv(tmp_path / "other.csv")
    text = (tmp_path / "history.csv").read_text().replace("\n1,", "\none,")
    (tmp_path / "broken.csv").write_text(text)
    with pytest.raises(ValueError, match="line 2: a cell is no number"):
        History.from_csv(tmp_path / "broken.csv")
    with pytest.raises(KeyError, match="val_accuracy"):
        history["accuracy"]


def test_tensorboard_gets_each_epoch(tmp_path):
    """One argument writes event files."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = small_faces(30)
    history = train(small_cnn(), data, data, TrainConfig(epochs=2, **QUIET), tensorboard=tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("val_accuracy")] == [1, 2]
    assert events.Scalars("train_loss")[1].value == pytest.approx(history["train_loss"][1])


def test_numpy_numbers_and_devices_are_settings_too(tmp_path):
    """What a random search in NumPy draws can be trained with, saved and resumed."""
    config = TrainConfig(epochs=1, learning_rate=np.float64(0.1), batch_size=np.int64(8), device=torch.device("cpu"))
    data = small_faces(20)
    first = train(small_cnn(), data, data, config, run_dir=tmp_path)
    assert train(small_cnn(), data, data, config, run_dir=tmp_path, resume=True).rows == first.rows


# --- stopping and going on -------------------------------------------------------------------------------------------

FULL = TrainConfig(
    epochs=3, batch_size=13, augment=Augment(noise=0.05), average=0.9, label_smoothing=0.1, patience=3, **QUIET
)


def full_run(folder: Path | None = None, **options) -> tuple[EmotionCNN, History]:
    """Train for 3 epochs of 4 steps with all that has a state: momentum, averages, batch norm, augmentation."""
    model = small_cnn()
    history = train(model, small_faces(52), small_faces(21, seed=2), FULL, run_dir=folder, **options)
    return model, history


def test_stopped_at_any_step_and_resumed_to_the_same_bits(tmp_path, monkeypatch):
    """An exception at each of the 12 steps in turn; the resumed run ends with equal weights, best weights, history."""
    model, history = full_run()
    forward = emotion_utils.training.run.forward_losses
    for stop_at in range(12):
        folder, calls = tmp_path / str(stop_at), iter(range(100))

        def forward_or_stop(*arguments, calls=calls, stop_at=stop_at):
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            return forward(*arguments)

        monkeypatch.setattr(emotion_utils.training.run, "forward_losses", forward_or_stop)
        with pytest.raises(KeyboardInterrupt):
            full_run(folder, checkpoint_every=1 + stop_at % 3)
        monkeypatch.setattr(emotion_utils.training.run, "forward_losses", forward)
        resumed, again = full_run(folder, resume=True)
        assert weights_equal(model, resumed)
        assert without_seconds(again) == without_seconds(history)
        assert again.best_weights.keys() == history.best_weights.keys()
        assert all(torch.equal(again.best_weights[name], value) for name, value in history.best_weights.items())


CHILD = """
import os, signal, sys
import torch
import emotion_utils.training.checkpoint, emotion_utils.training.run
sys.path.insert(0, {tests!r})
from test_training import full_run
torch.set_num_threads({threads})
forward, calls = emotion_utils.training.run.forward_losses, iter(range(100))
def forward_or_die(*arguments):
    if next(calls) == {steps}:
        os.kill(os.getpid(), signal.SIGKILL)
    return forward(*arguments)
emotion_utils.training.run.forward_losses = forward_or_die
write, saves = torch.save, iter(range(100))
def half_or_whole(content, path):
    write(content, path)
    if next(saves) == {saves}:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = half_or_whole
full_run({folder!r}, resume=True, checkpoint_every=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_and_resumed_to_the_same_bits(tmp_path):
    """SIGKILL within an epoch, then SIGKILL in the middle of writing a checkpoint, then to the end: the same bits."""
    model, history = full_run()
    # The first dies in step 4 with step 2 saved; the second, which starts there, while it writes step 6.
    for limits in ({"steps": 3, "saves": 99}, {"steps": 99, "saves": 3}):
        code = CHILD.format(
            tests=str(REPOSITORY / "tests"), threads=torch.get_num_threads(), folder=str(tmp_path), **limits
        )
        child = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
        assert child.returncode == -signal.SIGKILL, child.stderr
    assert list(tmp_path.glob(".*.part")), "the second child left half a file, beside the good one"
    resumed, again = full_run(tmp_path, resume=True)
    assert weights_equal(model, resumed)
    assert without_seconds(again) == without_seconds(history)
    assert History.from_csv(tmp_path / "history.csv").rows == again.rows


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    """It returns the same history at once."""
    model, history = full_run(tmp_path)
    resumed, again = full_run(tmp_path, resume=True)
    assert weights_equal(model, resumed)
    assert again.rows == history.rows


def test_half_written_files_of_a_killed_run_are_swept_away(tmp_path):
    """They do no harm, and would pile up."""
    (tmp_path / ".last.pt.abc.part").write_bytes(b"half")
    full_run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "best.pt", "history.csv", "last.pt"]


# --- learning-rate range test ----------------------------------------------------------------------------------------


def test_lr_range_leaves_the_model_alone_and_finds_a_rate():
    """Weights, buffers, mode, random state stay; a run at the suggested rate learns."""
    data, model, twin = small_faces(200), small_cnn(), small_cnn()
    model.train()
    state = torch.get_rng_state()
    result = lr_range_test(model, data, TrainConfig(batch_size=20, **QUIET), steps=60)
    assert weights_equal(model, twin)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert len(result.rates) == len(result.losses)
    assert 1e-5 < result.suggestion < 10
    config = TrainConfig(epochs=3, batch_size=20, learning_rate=result.suggestion, **QUIET)
    assert train(model, data, data, config)["val_accuracy"][-1] > 0.5


def test_lr_range_refuses_rates_that_do_not_grow():
    """The error says what is wanted."""
    with pytest.raises(ValueError, match="rates must grow"):
        lr_range_test(small_cnn(), small_faces(20), TrainConfig(**QUIET), start=1.0, stop=0.1)


def test_progressive_resizing_shows_each_size_for_its_share_of_the_epochs():
    data = small_faces(40)
    seed_everything(0)
    model = FaceNet(4, (8,), image_size=16)
    seen: list[int] = []

    def note(module, inputs):
        if module.training:
            seen.append(inputs[0].shape[-1])

    model.register_forward_pre_hook(note)
    config = TrainConfig(epochs=5, batch_size=40, sizes=(8, 12, 16), **QUIET)
    train(model, data, None, config)
    assert seen == [8, 12, 12, 16, 16]
    assert [size_in(epoch, config) for epoch in range(1, 6)] == seen
    assert size_in(1, TrainConfig()) is None
    assert size_in(1, TrainConfig(epochs=1, sizes=(8, 12, 16))) == 16, "a short trial sees full images"


def test_a_network_of_one_size_says_so_when_asked_to_resize():
    with pytest.raises(ShapeError, match=r"\(40, 1, 8, 8\)"):
        train(small_cnn(), small_faces(40), None, TrainConfig(epochs=2, batch_size=40, sizes=(8, 16), **QUIET))


@pytest.mark.parametrize("sizes", [(0,), (2.5,), (8, -12)])
def test_sizes_that_cannot_work(sizes):
    with pytest.raises(ValueError, match="sizes"):
        TrainConfig(epochs=2, sizes=sizes)
