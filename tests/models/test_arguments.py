"""What a network is built with is made plain, or refused by name and value, before anything is built."""

import json
import math

import numpy as np
import pytest
import torch

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.views import FlipAverage

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "model",
    [
        EmotionCNN(
            tuple(2 ** np.arange(2, 4)), np.int64(3), np.uint8(1), dropout=np.float32(0.5), hidden=torch.tensor(8)
        ),
        EmotionCNN(np.array([4, 8]), batch_norm=np.bool_(False), image_size=np.int16(16), in_channels=np.int8(1)),
        EmotionCNN([4.0, 8], classes=np.array(EMOTIONS)),
        FaceNet(np.int64(4), torch.tensor([4, 8]), np.int64(1), np.float64(0.1), np.bool_(True), classes=np.int64(3)),
        MLP(np.array([8, 8]), classes=np.str_("yes no").split()),
        LinearModel(image_size=16.0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_numbers_of_numpy_and_pytorch_become_plain(model):
    again = type(model)(**json.loads(json.dumps(model.config)))
    assert again.config == model.config
    assert {n: v.shape for n, v in again.state_dict().items()} == {n: v.shape for n, v in model.state_dict().items()}
    for layer in model.modules():
        assert not any(isinstance(value, np.generic) for value in vars(layer).values())


def test_lists_and_tuples_are_one():
    assert EmotionCNN([4, 8]).config == EmotionCNN((4, 8)).config
    assert LinearModel(list(EMOTIONS)).config == LinearModel(EMOTIONS).config


WHOLE = [0, -1, 2.5, NAN, INF, "3", None, True, [3], (), 10**12, 10**400, torch.tensor([1, 2]), np.nan, object()]


@pytest.mark.parametrize("value", WHOLE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["kernel", "convs_per_block", "image_size", "in_channels"])
def test_sizes_that_cannot_be_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name}=") as caught:
        EmotionCNN((4,), **{name: value})
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("value", [*WHOLE[1:], [], "abc", {"a": 1}, [4, 0], [4, NAN], [4, "8"], [[4]], [4, None]])
@pytest.mark.parametrize(
    ("network", "name"),
    [(EmotionCNN, "widths"), (FaceNet, "widths"), (MLP, "hidden"), (FaceNet, "stem"), (FaceVGG, "blocks")],
)
def test_layers_that_cannot_be_are_refused_by_name(network, name, value):
    if value in ([3], (), []) or isinstance(value, torch.Tensor):
        value = [4, -4]
    if network is FaceVGG and value == [[4]]:
        value = [[[4]]]
    with pytest.raises(ValueError, match=f"{name}=") as caught:
        network(**{name: value})
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 1.5, NAN, INF, "0.5", None, True, [0.5]])
@pytest.mark.parametrize("network", [EmotionCNN, MLP, FaceNet, FaceVGG])
def test_dropout_that_cannot_be_is_refused(network, value):
    with pytest.raises(ValueError, match="dropout="):
        network(dropout=value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": -1}, "hidden=-1"),
        ({"hidden": (8, 8)}, r"hidden=\(8, 8\)"),
        ({"batch_norm": "no"}, "batch_norm='no'"),
        ({"batch_norm": 2}, "batch_norm=2"),
        ({"activation": None}, "activation=None"),
        ({"activation": ["relu"]}, "activation="),
        ({"pooling": 2}, "pooling=2"),
        ({"pooling": None}, "pooling=None"),
        ({"classes": 1}, "classes=1"),
        ({"classes": 0}, "classes=0"),
        ({"classes": True}, "classes=True"),
        ({"classes": 2.5}, "classes=2.5"),
        ({"classes": None}, "classes=None"),
        ({"classes": "happy"}, "classes='happy'"),
        ({"classes": ["a", 2]}, "classes=.*2"),
        ({"classes": ["a", " "]}, "classes=.*' '"),
        ({"classes": ["a", "b", "a"]}, "classes.*a is there twice"),
        ({"classes": ["x" * 5000, "x" * 5000]}, "classes.*twice"),
        ({"classes": []}, "classes=0"),
    ],
)
def test_the_other_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        EmotionCNN(**arguments)
    assert len(str(caught.value)) <= 400


def test_the_bounds_themselves_are_fine():
    assert EmotionCNN((1,), kernel=1, dropout=0, hidden=0, image_size=2, classes=2).num_classes == 2
    assert FaceNet(1, (), residuals=0, image_size=2).config["widths"] == ()
    assert MLP(()).config["hidden"] == ()
    assert math.isclose(MLP(dropout=0.999).config["dropout"], 0.999)


@pytest.mark.parametrize("shift", [-1, 1.5, NAN, "1", None, True])
def test_a_shift_of_no_pixels_is_refused(shift):
    with pytest.raises(ValueError, match="shift="):
        FlipAverage(LinearModel(), shift)
    with pytest.raises(TypeError, match="model="):
        FlipAverage(LinearModel, 1)
