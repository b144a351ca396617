"""Numbers that lie: at every public door they are refused by name and value, and those of NumPy become plain."""

import math
import re

import numpy as np
import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal

from emotion_utils.data.augment import Augment
from emotion_utils.errors import brief
from emotion_utils.models.networks import LinearModel
from emotion_utils.randomness import seed_everything
from emotion_utils.training.averaging import average_weights, moving_average, refresh_batch_norm
from emotion_utils.training.checkpoint import load_run
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distillation import judge_by_folds, mix_targets, view_probabilities
from emotion_utils.training.history import COLUMNS, History
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test
from emotion_utils.training.schedule import image_size_at, learning_rate_at
from emotion_utils.training.step import epoch_batches, resize_images

NO_NUMBERS = [math.nan, math.inf, -math.inf, "3", True, None, [1], 1j, np.float64("nan"), np.array([1, 2]), b"1"]
CONFIG, PLAIN = TrainConfig(epochs=4, **QUIET), LinearModel(image_size=16)
CERTAIN = torch.eye(7)[:3]


def judge(**arguments):
    return judge_by_folds(small_faces(20), lambda data, number: PLAIN, Augment(), **{"views": 1} | arguments)


DOORS = [
    (TrainConfig, "epochs", [0, -1, 1.5, 1e308]),
    (TrainConfig, "batch_size", [0, -1, 1.5, 1e308]),
    (TrainConfig, "learning_rate", [-0.1, 1e308]),
    (TrainConfig, "momentum", [-0.1, 1.1]),
    (TrainConfig, "weight_decay", [-0.1, 1e308]),
    (TrainConfig, "warmup", [-0.1, 1.0]),
    (TrainConfig, "label_smoothing", [-0.1, 1.0]),
    (TrainConfig, "seed", [-1, 1.5, 2**63]),
    (TrainConfig, "average", [-0.1, 1.0]),
    (TrainConfig, "patience", [0, 1.5]),
    (lambda step: learning_rate_at(step, 10, CONFIG), "step", [-1, 10, 1.5]),
    (lambda steps: learning_rate_at(0, steps, CONFIG), "steps", [0, -1]),
    (lambda epoch: image_size_at(epoch, TrainConfig(epochs=4, sizes=(8, 16))), "epoch", [0, 5, 1.5]),
    (lambda count: epoch_batches(count, 4, 0, 1), "count", [0, -1]),
    (lambda batch_size: epoch_batches(9, batch_size, 0, 1), "batch_size", [0, -1, 1.5]),
    (lambda epoch: epoch_batches(9, 4, 0, epoch), "epoch", [-1, 0.5]),
    (lambda world_size: epoch_batches(9, 4, 0, 1, world_size), "world_size", [0, -1]),
    (lambda size: resize_images(torch.zeros(1, 1, 8, 8), size), "size", [0, -1, 1e308]),
    (lambda start: lr_range_test(PLAIN, small_faces(20), CONFIG, start=start), "start", [0.0, -1.0, 1e308]),
    (lambda stop: lr_range_test(PLAIN, small_faces(20), CONFIG, stop=stop), "stop", [0.0, -1.0, 1e308]),
    (lambda steps: lr_range_test(PLAIN, small_faces(20), CONFIG, steps=steps), "steps", [2, -1, 3.5]),
    (lambda smoothing: lr_range_test(PLAIN, small_faces(20), CONFIG, smoothing=smoothing), "smoothing", [-0.1, 1.0]),
    (lambda decay: moving_average(PLAIN, decay), "decay", [-0.1, 1.0]),
    (lambda batch_size: refresh_batch_norm(PLAIN, small_faces(20), batch_size), "batch_size", [0, 1.5]),
    (lambda share: mix_targets(CERTAIN, torch.arange(3), share), "share", [-0.1, 1.1]),
    (lambda views: view_probabilities(PLAIN, small_faces(20), Augment(), views), "views", [0, 1.5]),
    (lambda folds: judge(folds=folds), "folds", [1, 21, 2.5]),
    (lambda views: judge(views=views), "views", [0, -1]),
    (seed_everything, "seed", [-1, 1.5, 2**63]),
]  # fmt: skip
OPTIONAL = {("patience", None), ("size", None)}


@pytest.mark.parametrize(("door", "name", "bad"), DOORS, ids=lambda each: each if isinstance(each, str) else "")
def test_a_number_that_lies_is_named(door, name, bad):
    for value in [*bad, *[each for each in NO_NUMBERS if each is not None or (name, None) not in OPTIONAL]]:
        with pytest.raises(
            ValueError, match=rf"{name}={re.escape(brief(value))}\b|{name}={re.escape(brief(value))}[:,]"
        ):
            door(**{name: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": np.array(["onecycle"])}, {"schedule": None}, {"precision": 16}, {"precision": ["bf16"]},
        {"nesterov": "yes"}, {"channels_last": 2}, {"progress": None}, {"sizes": 8}, {"sizes": "48"}, {"sizes": None},
        {"augment": 0.5}, {"augment": "flip"}, {"group": 2},
    ],
)  # fmt: skip
def test_other_settings_are_named_as_well(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"^{name}={re.escape(brief(value))}"):
        TrainConfig(**settings)


def test_numbers_of_numpy_and_pytorch_train_and_go_on(tmp_path):
    settings = {
        "epochs": np.int64(2), "batch_size": np.float32(10), "learning_rate": np.float32(0.05), "seed": torch.tensor(3),
        "momentum": np.array(0.9), "nesterov": np.bool_(True), "warmup": torch.tensor(0.25), "patience": np.int8(5),
        "schedule": np.str_("cosine"), "augment": Augment(rotate=np.float64(5), scale=np.array([0.9, 1.1])),
        "origin": np.str_("x"), "weight_decay": 0,
    }  # fmt: skip
    config = TrainConfig(**settings, **QUIET)
    history = train(small_cnn(), small_faces(30), None, config, run_dir=tmp_path, checkpoint_every=np.int64(2))
    again = train(small_cnn(), small_faces(30), None, config, run_dir=tmp_path, resume=np.bool_(True))
    assert again["train_loss"] == history["train_loss"]
    kept = load_run(tmp_path / "last.pt")[0].settings
    assert {type(value) for value in kept.values()} <= {int, float, str, bool, dict, tuple, type(None)}
    assert kept["batch_size"] == 10


def test_one_seed_whatever_its_type():
    draws = []
    for seed in (7, 7.0, np.int64(7), np.uint8(7), torch.tensor(7)):
        seed_everything(seed)
        draws.append((torch.rand(1).item(), np.random.rand()))
    assert len(set(draws)) == 1


@pytest.mark.parametrize(
    ("column", "cell"),
    [("epoch", "0"), ("epoch", "1.5"), ("train_loss", "nan"), ("train_accuracy", "1.5"), ("val_loss", "inf"),
     ("val_accuracy", "-0.1"), ("seconds", "nan"), ("learning_rate", "")],
)  # fmt: skip
def test_a_cell_that_cannot_be(tmp_path, column, cell):
    row = dict.fromkeys(COLUMNS, "0.5") | {"epoch": "1", column: cell}
    (tmp_path / "history.csv").write_text(f"{','.join(COLUMNS)}\n{','.join(row.values())}\n")
    with pytest.raises(ValueError, match=r"history\.csv, line 2"):
        History.from_csv(tmp_path / "history.csv")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00" * 50, b"a,b\n", b'"' * 999_999, b"PK\x03\x04"])
def test_what_is_no_history(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"history\.csv") as caught:
        History.from_csv(tmp_path / "history.csv")
    assert len(str(caught.value)) <= 400
    with pytest.raises(IsADirectoryError):
        History.from_csv(tmp_path)


def test_a_history_made_of_numpy_numbers_reads_back(tmp_path):
    history = History()
    history.append(**{column: np.float32(0.5) for column in COLUMNS} | {"epoch": np.int64(1)})
    history.to_csv(tmp_path / "history.csv")
    assert History.from_csv(tmp_path / "history.csv").rows == history.rows
    with pytest.raises(ValueError, match="row="):
        history.append(epoch=2)


@pytest.mark.parametrize(
    ("probabilities", "targets", "words"),
    [
        (CERTAIN * math.nan, torch.arange(3), "probabilities, row 0"),
        (CERTAIN * 2, torch.arange(3), "probabilities, row 0"),
        (CERTAIN[0], torch.arange(3), r"probabilities are torch\.float32 of shape \(7,\)"),
        (CERTAIN.long(), torch.arange(3), "probabilities are torch.int64"),
        (CERTAIN, torch.tensor([0, 1, 7]), r"\(3, 8\).*\(3, 7\)"),
        (CERTAIN, torch.tensor([0, 1, -1]), "targets="),
        (CERTAIN, torch.tensor([0, 1]), r"\(2, 7\)"),
        (CERTAIN, torch.tensor([0.0, 1.0, 2.0]), "targets="),
        (CERTAIN, -CERTAIN, "targets, row 0"),
    ],
)
def test_targets_that_are_no_probabilities(probabilities, targets, words):
    with pytest.raises(ValueError, match=words):
        mix_targets(probabilities, targets, 0.5)


def test_averages_of_spoilt_or_foreign_networks():
    spoilt = small_cnn()
    spoilt.classifier.hidden.weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match=r"Network 2 of 2: 'classifier\.hidden\.weight'"):
        average_weights([small_cnn(), spoilt])
    for models in ([small_cnn(), torch.nn.Linear(2, 2)], [1, 2], "ab"):
        with pytest.raises(TypeError, match="models: "):
            average_weights(models)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_said_before_the_first_step(number):
    """As a run that diverged leaves them elsewhere."""
    model, twin = small_cnn(), small_cnn()
    for each in (model, twin):
        each.classifier.hidden.weight.data[0, 0] = number
    for start in (train, lr_range_test):
        with pytest.raises(ValueError, match=r"not finite.*classifier\.hidden\.weight"):
            start(model, small_faces(20), *([None] if start is train else []), CONFIG)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            map(torch.nan_to_num, model.state_dict().values()),
            map(torch.nan_to_num, twin.state_dict().values()),
            strict=True,
        )
    )
    assert not weights_equal(model, small_cnn())


@pytest.mark.parametrize("config", [{"epochs": 3}, TrainConfig, "fast", 3])
def test_what_is_no_config(config):
    for start in (
        lambda: train(small_cnn(), small_faces(20), None, config),
        lambda: lr_range_test(small_cnn(), small_faces(20), config),
    ):
        with pytest.raises(TypeError, match=r"^config="):
            start()
