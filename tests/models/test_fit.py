"""`check_fit` judges a network by its own output for two images, before any training, and leaves it as it was."""

import warnings
from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from network_styles import Compares, Statistics, build
from small_faces import small_faces
from torch import nn
from torch.utils.data import random_split

from emotion_utils.data.variants import keep_classes
from emotion_utils.errors import ShapeError
from emotion_utils.models.facts import set_facts
from emotion_utils.models.fit import check_fit
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.views import FlipAverage


@pytest.fixture
def faces():
    return small_faces(21)


def test_what_fits_is_traced_for_one_image(faces):
    model = LinearModel(image_size=16)
    trace = check_fit(model, faces, None, faces)
    assert trace == trace_shapes(model, (1, 1, 16, 16))
    assert trace.output_shape == (1, 7)


class Mixing(nn.Module):
    """Forgets that there are several images."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 7)

    def forward(self, images):
        return self.layer(images.flatten(1)).mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (LinearModel(classes=3, image_size=16), ["classifier.1", "(1, 3)", "3 logits", "7 classes", "out_features=7"]),
        (EmotionCNN((4,), image_size=32), ["32, 32", "16, 16", "image_size=16"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(8, 4, 3)), ["'1'", "4 channels", "in_channels=4"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(14, 7)), ["'1'", "(2, 4, 14, 7)", "nn.Flatten()"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4 * 14 * 14, 7)), ["'1'", "784", "nn.Flatten()"]),
        (nn.Flatten(), ["256 logits", "7 classes", "classes=7"]),
        (Mixing(), ["(1, 7)", "(2, 7)"]),
    ],
)
def test_what_does_not_fit_names_layer_shapes_and_fix(faces, model, words):
    with pytest.raises(ShapeError) as caught:
        check_fit(model, faces)
    assert len(str(caught.value)) <= 400
    for word in words:
        assert word in str(caught.value)


def test_every_data_set_is_looked_at(faces):
    model = LinearModel(image_size=16)
    with pytest.raises(ShapeError, match="image_size=8"):
        check_fit(model, faces, small_faces(7, size=8))
    with pytest.raises(ValueError, match=r"Different classes.*angry.*surprise"):
        check_fit(model, faces, keep_classes(faces, ("sad", "happy")))


def test_classes_in_another_order_or_writing_are_no_misfit(faces):
    check_fit(LinearModel(image_size=16), faces, faces.with_labels(faces.labels, faces.classes[::-1]))
    check_fit(LinearModel(image_size=16), faces, faces.with_labels(faces.labels, [n.upper() for n in faces.classes]))


class Returns(nn.Module):
    """Gives what a function makes of logits and of the mode."""

    def __init__(self, make):
        super().__init__()
        self.make, self.layer = make, nn.Linear(256, 7)

    def forward(self, x):
        return self.make(self.layer(x.flatten(1)), self.training)


class HasLogits:
    """As Hugging Face's networks return them."""

    def __init__(self, logits):
        self.logits = logits


GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda z, _: HasLogits(z), ["HasLogits", "output.logits"]),
        (lambda z, _: {"logits": z, "loss": None}, ["output['logits']"]),
        (lambda z, training: GoogLeNetOutputs(z, z, z) if training else z, ["of 3", "training", "aux_logits=False"]),
        (lambda z, _: (z, z), ["tuple of 2", "(2, 7)", "logits alone"]),
        (lambda z, _: [z], ["list of 1"]),
        (lambda z, _: {"logits": z, "features": z}, ["dict with logits", "features"]),
        (lambda z, _: None, ["NoneType"]),
        (lambda z, _: z.tolist(), ["list of 2"]),
        (lambda z, _: z.argmax(1), ["torch.int64", "argmax"]),
        (lambda z, _: z > 0, ["torch.bool"]),
        (lambda z, _: z.sum(), ["()"]),
        (lambda z, _: z[:, :, None, None], ["(2, 7, 1, 1)", "nn.Flatten()"]),
        (lambda z, _: z.T, ["(7, 2)", "two images"]),
        (lambda z, _: z[:, :3], ["3 logits", "7 classes"]),
        (lambda z, _: torch.cat([z, z], 1), ["14 logits"]),
        (lambda z, training: (z, z) if training else z, ["tuple of 2", "training mode"]),
    ],
)
def test_an_output_that_is_no_logits_is_refused_before_training(faces, make, words):
    model = Returns(make)
    with pytest.raises(ShapeError) as caught:
        check_fit(model, faces, training=True)
    assert len(str(caught.value)) <= 400
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("x" * 5000), KeyError("k"), AttributeError("a"), AssertionError(), ZeroDivisionError("d")]
)
def test_whatever_the_code_of_a_network_raises_is_one_sentence(faces, error):
    def fail(z, _):
        raise error

    with pytest.raises(ShapeError, match=r"Returns\.forward failed after layer 'layer'") as caught:
        check_fit(Returns(fail), faces)
    assert len(str(caught.value)) <= 400
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("model", "message"),
    [(LinearModel, r"LinearModel\(\)"), (None, "model=None"), (torch.relu, "model="), ("fer2013", "model='fer2013'")],
)
def test_what_is_no_network_is_refused(faces, model, message):
    with pytest.raises(TypeError, match=message):
        check_fit(model, faces)


def test_parts_that_pytorch_cut_are_taken_and_other_data_refused(faces):
    check_fit(LinearModel(image_size=16), *random_split(faces, [0.5, 0.5]))
    with pytest.raises(TypeError, match="FaceDataset"):
        check_fit(LinearModel(image_size=16), [faces.images, faces.labels])


def test_a_network_that_takes_no_single_image_is_judged_by_two(faces):
    assert check_fit(Compares(), faces).input_shape == (2, 1, 16, 16)


def test_nothing_is_left_behind(faces):
    """Modes, buffers, counts, hooks and random numbers are as before, after success and after failure."""
    for model in (Statistics(), build("stochastic depth"), EmotionCNN((4,), image_size=16), Returns(lambda z, _: None)):
        model.train()
        next(iter(model.children())).eval()
        modes = [module.training for module in model.modules()]
        before = {name: value.clone() for name, value in model.state_dict().items()}
        state = torch.get_rng_state()
        try:
            check_fit(model, faces, training=True)
        except ShapeError:
            assert isinstance(model, Returns)
        assert torch.equal(torch.get_rng_state(), state)
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_spoilt_weights_are_named(faces, value):
    model = LinearModel(image_size=16).double()
    with torch.no_grad():
        model.classifier[1].weight.fill_(value)
    with pytest.raises(ValueError, match=r"not finite.*'classifier\.1\.weight' holds") as caught:
        check_fit(model.float() if value < 1e39 else model, faces)
    assert len(str(caught.value)) <= 400


ENDS = {
    "softmax layer": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 7), nn.Softmax(1)), "softmax"),
    "softmax function": (lambda: Returns(lambda z, _: F.softmax(z, dim=1)), "softmax"),
    "softmax by hand": (lambda: Returns(lambda z, _: z.exp() / z.exp().sum(1, keepdim=True)), "softmax"),
    "softmax over the images": (lambda: Returns(lambda z, _: z.softmax(0)), "softmax"),
    "sigmoid": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 7), nn.Sigmoid()), "sigmoid"),
    "sigmoid, reshaped": (lambda: Returns(lambda z, _: z.sigmoid()[:, :, None].squeeze(2)), "sigmoid"),
    "ReLU": (lambda: Returns(lambda z, _: F.relu(z)), "ReLU"),
    "log-softmax": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 7), nn.LogSoftmax(1)), None),
    "logits": (lambda: LinearModel(image_size=16), None),
    "a mean of ReLUs": (lambda: nn.Sequential(nn.Conv2d(1, 7, 3), nn.ReLU(), nn.AvgPool2d(14), nn.Flatten()), None),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_network_that_ends_in_a_softmax_or_the_like_is_noticed(faces, end):
    make, word = ENDS[end]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_fit(make(), faces, training=True)
    if word is None:
        assert not caught
    else:
        (only,) = caught
        assert f"ends in a {word}" in str(only.message)
        assert only.filename == __file__, "the warning points at the caller's line"


def test_a_softmax_inside_of_views_is_noticed(faces):
    with pytest.warns(UserWarning, match="softmax"):
        check_fit(FlipAverage(nn.Sequential(nn.Flatten(), nn.Linear(256, 7), nn.Softmax(1))), faces)


def test_a_network_without_values_is_refused(faces):
    with pytest.raises(ValueError, match=r"LinearModel.*meta"):
        check_fit(LinearModel(image_size=16).to("meta"), faces)


def test_one_class_is_no_choice_and_images_of_one_class_are_said(faces):
    one = faces.with_labels(torch.zeros(21, dtype=torch.int64), ("happy",))
    with pytest.raises(ValueError, match="one class, 'happy'"):
        check_fit(nn.Sequential(nn.Flatten(), nn.Linear(256, 1)), one)
    alike = faces.with_labels(torch.full((21,), 3))
    with pytest.warns(UserWarning, match="All 21 images to learn from are 'happy'"):
        check_fit(LinearModel(image_size=16), alike, training=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fit(LinearModel(image_size=16), alike)
        check_fit(LinearModel(image_size=16), faces.subset([0]), training=True)


@pytest.mark.parametrize(
    "make", [lambda z, _: z.detach(), lambda z, _: torch.zeros(len(z), 7), lambda z, _: z.data + 1]
)
def test_an_output_without_a_gradient_is_refused_before_training(faces, make):
    check_fit(Returns(make), faces)
    with pytest.raises(ValueError, match="output of Returns has no gradient"):
        check_fit(Returns(make), faces, training=True)


@pytest.mark.parametrize(
    ("make", "word"), [(lambda z, _: z.to_sparse(), "sparse"), (lambda z, _: z.to("meta"), "meta")]
)
def test_a_tensor_of_an_unusual_kind_is_named(faces, make, word):
    model = Returns(make)
    set_facts(model, (0.5, 0.25), faces.classes)
    for ask in (lambda: check_fit(model, faces), lambda: predict_proba(model, faces.images[:2])):
        with pytest.raises(ShapeError, match=word):
            ask()


def test_an_exported_network_is_measured_and_not_trained(faces):
    model = torch.export.export(nn.Sequential(nn.Flatten(), nn.Linear(256, 7)), (torch.zeros(2, 1, 16, 16),)).module()
    check_fit(model, faces)
    with pytest.raises(TypeError, match="exported"):
        check_fit(model, faces, training=True)
