"""`measure` and `milliseconds`: repeatable, without a trace on the network or on random numbers, fair to the first."""

import copy
import random
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_faces import small_faces
from torch import nn
from torch.utils.data import random_split

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import DivergedError, ShapeError
from emotion_utils.evaluation.comparison import compare_with_baseline
from emotion_utils.evaluation.measuring import measure, milliseconds
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=2, batch_size=35, device="cpu", progress=False)


@pytest.fixture(scope="module")
def faces():
    return small_faces(140), small_faces(35, seed=2, split="validation", mean=0.2, std=0.9)


def test_measure_leaves_the_model_untrained_and_repeats(faces):
    model = EmotionCNN(widths=(4, 8), image_size=16)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (measure(model, *faces, CONFIG) for _ in range(2))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(first.correct, second.correct)
    assert first.history["train_loss"] == second.history["train_loss"]
    assert first.trace == trace_shapes(model, (1, 1, 16, 16))
    assert torch.equal(first.labels, faces[1].labels)
    assert (first.classes, first.config) == (EMOTIONS, CONFIG)
    assert min(first.seconds, first.milliseconds) > 0
    assert "exactly the same" in compare_with_baseline(second, first).verdict


class Drawing(nn.Module):
    """A network that draws random numbers of three kinds in each forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = LinearModel(image_size=16)

    def forward(self, x):
        return self.inside(x) * (random.random() + np.random.rand() + torch.rand(1))


def test_what_comes_before_the_clock_leaves_no_trace(faces):
    """The history, the weights and what a watcher sees are as without `measure`, also of a network that draws."""
    python, numpy = random.getstate(), np.random.get_state()
    plain, moments = Drawing(), []
    start = copy.deepcopy(plain)
    history = train(plain, *faces, CONFIG)
    random.setstate(python)
    np.random.set_state(numpy)
    found = measure(start, *faces, replace(CONFIG, watch=moments.append))
    assert found.history["train_loss"] == history["train_loss"]
    weights = found.model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in plain.state_dict().items())
    assert [moment.kind for moment in moments if moment.kind != "step"] == ["epoch"] * CONFIG.epochs + ["end"]


def test_measure_leaves_random_numbers_as_they_were(faces):
    model = LinearModel(image_size=16)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    measure(model, *faces, CONFIG)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_what_only_the_first_training_pays_is_not_timed(faces, monkeypatch):
    """An augmentation that needs 1,000 seconds when it is first called stands for imports and first calls."""
    clock, calls = [0.0], []

    def slow_at_first(images, index, seed, epoch):
        clock[0] += 0 if calls else 1000
        calls.append(len(images))
        return images

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    found = measure(LinearModel(image_size=16), *faces, replace(CONFIG, augment=slow_at_first))
    assert (clock, found.seconds) == ([1000], 0)
    assert calls == [35] + 8 * [35]  # one step, then two epochs of four


def test_a_warning_comes_once_and_an_error_from_the_training_itself(faces):
    with pytest.warns(UserWarning, match="softmax") as told:
        measure(nn.Sequential(LinearModel(image_size=16), nn.Softmax(1)), *faces, CONFIG)
    assert len([each for each in told if "softmax" in str(each.message)]) == 1
    with pytest.raises(DivergedError, match="learning_rate"):
        measure(LinearModel(image_size=16), *faces, replace(CONFIG, learning_rate=1e30, epochs=5))


def test_measure_sees_the_validation_faces_as_training_does(faces):
    """The validation set brings statistics of its own, and the network was trained with others."""
    found = measure(EmotionCNN(widths=(4, 8), image_size=16), *faces, CONFIG)
    assert found.accuracy == pytest.approx(found.history["val_accuracy"][-1])
    assert found.accuracy == pytest.approx(found.correct.float().mean().item())
    assert found.model.normalisation() == pytest.approx((faces[0].mean, faces[0].std))


def test_a_misfit_is_explained_before_any_training(faces):
    with pytest.raises(ShapeError, match=r"classifier\.1.*3 logits.*7 classes"):
        measure(LinearModel(classes=3, image_size=16), *faces, CONFIG)


def test_networks_for_colours_are_measured_compared_and_timed():
    pixels = torch.randint(0, 256, (70, 3, 16, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    coloured = FaceDataset(pixels, torch.arange(70) % 7, EMOTIONS)
    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))
    found = measure(own, coloured, coloured, CONFIG)
    assert found.trace.input_shape == (1, 3, 16, 20)
    assert min(found.milliseconds, *compare_with_baseline(found, found).milliseconds, milliseconds(own, 16)) > 0


def test_milliseconds_keeps_the_mode():
    model = LinearModel().train()
    assert milliseconds(model, repeats=1) > 0
    assert model.training


def test_a_network_of_ones_own_and_parts_are_measured(faces):
    parts = random_split(faces[0], [0.5, 0.5], torch.Generator().manual_seed(0))
    found = measure(nn.Sequential(nn.Flatten(), nn.Linear(256, 7)).double(), *parts, CONFIG)
    assert found.accuracy == pytest.approx(found.history["val_accuracy"][-1])


@pytest.mark.parametrize("val_set", [None, [1, 2]])
def test_without_validation_faces_there_is_nothing_to_measure(faces, val_set):
    with pytest.raises(TypeError, match="FaceDataset"):
        measure(LinearModel(image_size=16), faces[0], val_set, CONFIG)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"repeats": 0}, "repeats=0"), ({"faces": 0}, "faces=0"), ({"image_size": 4.5}, r"image_size=4\.5")],
)
def test_milliseconds_of_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        milliseconds(LinearModel(), **arguments)
    with pytest.raises(TypeError, match=r"LinearModel\(\)"):
        milliseconds(LinearModel)
