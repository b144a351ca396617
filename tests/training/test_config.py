"""Settings are checked where they are made, and say of themselves what a checkpoint must know."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from emotion_utils.data.augment import Augment
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import ProcessGroup


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
        {"seed": 0.5},
        {"sizes": (0,)},
        {"sizes": (2.5,)},
        {"sizes": (8, -12)},
    ],
)
def test_impossible_settings_are_named(settings):
    ((name, value),) = settings.items()
    wrong = min(value) if name == "sizes" else value
    with pytest.raises(ValueError, match=rf"^{name}='?{wrong}'?: choose "):
        TrainConfig(**settings)


def test_whole_numbers_written_as_floats_are_whole_numbers():
    config = TrainConfig(epochs=2.0, batch_size=64.0)
    assert (type(config.epochs), type(config.batch_size)) == (int, int)


def test_numpy_numbers_and_devices_are_settings_too():
    config = TrainConfig(learning_rate=np.float64(0.1), batch_size=np.int64(8), device=torch.device("cpu"))
    assert type(config.learning_rate) is float
    assert type(config.batch_size) is int
    assert config.device == "cpu"


def test_a_checkpoint_holds_what_decides_the_numbers_and_nothing_else():
    settings = TrainConfig(epochs=3, augment=Augment(rotate=5), sizes=[8, 16], origin="x").to_dict()
    assert settings["epochs"] == 3
    assert settings["sizes"] == (8, 16)
    assert settings["augment"]["rotate"] == 5
    assert settings["origin"] == "x"
    assert not settings.keys() & {"device", "progress", "tensorboard", "group"}


def test_equal_settings_are_equal_whoever_shares_the_work():
    assert TrainConfig(epochs=3) == TrainConfig(epochs=3, group=ProcessGroup())
    assert TrainConfig(epochs=3) != TrainConfig(epochs=4)
    assert hash(TrainConfig()) == hash(TrainConfig())


def change(images, index, seed, epoch, by=0.0):
    return images + by


class Change:
    __call__ = staticmethod(change)


@pytest.mark.parametrize("augment", [lambda *_: None, change, partial(change, by=0.1), Change(), Change().__call__])
def test_a_function_has_the_same_name_in_each_process(augment):
    """Its `repr` holds an address, with which no other process could go on."""
    name = TrainConfig(augment=augment).to_dict()["augment"]
    assert "0x" not in name
    assert "lambda" in name or "hange" in name
