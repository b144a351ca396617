"""Logits and probabilities: in order, unaugmented, normalised as the network is used to, and nothing left behind."""

import warnings
from functools import partial

import pytest
import torch
from small_faces import small_faces
from torch import nn
from torch.utils.data import Subset

from emotion_utils.data.augment import Augment
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.models.inference import compute_logits, normalised_for, predict_proba, warn_if_probabilities
from emotion_utils.models.networks import EmotionCNN, LinearModel


@pytest.fixture
def model():
    torch.manual_seed(0)
    return EmotionCNN((4,), hidden=8, dropout=0.5, image_size=16).train()


@pytest.mark.parametrize("batch_size", [1, 8, 100])
def test_logits_equal_those_of_one_pass(model, batch_size):
    faces = small_faces(20)
    logits = compute_logits(model, faces, batch_size)
    assert logits.shape == (20, 7)
    assert logits.dtype == torch.float32
    assert not logits.requires_grad
    assert model.training
    torch.testing.assert_close(logits, model.eval()(faces.batch(torch.arange(20))[0]))


def test_augmentation_is_left_out(model):
    faces = small_faces(20)
    assert torch.equal(compute_logits(model, faces.with_augment(Augment())), compute_logits(model, faces))


def test_bfloat16_is_near_and_comes_back_as_float32(model):
    faces = small_faces(20)
    rough = compute_logits(model, faces, precision="bf16")
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, compute_logits(model, faces), atol=0.05, rtol=0.05)


def test_a_model_without_rows_is_refused_and_keeps_its_mode():
    model = nn.Sequential(nn.Conv2d(1, 7, 3)).train()
    with pytest.raises(ShapeError, match=r"\(6, 7, 14, 14\).*\(6, 7\)"):
        compute_logits(model, small_faces(6))
    assert model.training


@pytest.mark.parametrize("make", [lambda x: (x, x), lambda x: {"logits": x}, lambda x: None, lambda x: x.sum(1)])
def test_an_output_that_is_no_logits_is_refused(make):
    class Returns(nn.Module):
        def forward(self, x):
            return make(x.flatten(1)[:, :7])

    for call in (
        lambda: compute_logits(Returns(), small_faces(6)),
        lambda: predict_proba(Returns(), torch.randn(6, 1, 4, 4)),
    ):
        with pytest.raises(ShapeError, match=r"logits alone|a classifier gives"):
            call()


def test_a_layer_that_does_not_fit_is_named():
    model = nn.Sequential(nn.Flatten(), nn.Linear(99, 7))
    for call in (
        lambda: compute_logits(model, small_faces(6)),
        lambda: predict_proba(model, torch.randn(6, 1, 16, 16)),
    ):
        with pytest.raises(ShapeError, match=r"Layer '1'.*in_features=256"):
            call()


def test_what_is_no_network_or_no_data_is_refused():
    for call in (compute_logits, predict_proba):
        with pytest.raises(TypeError, match=r"LinearModel\(\)"):
            call(LinearModel, small_faces(6).images)
    with pytest.raises(TypeError, match="FaceDataset"):
        compute_logits(LinearModel(), torch.zeros(2, 1, 48, 48))
    for size in (0, -1, 1.5, None, "8"):
        with pytest.raises(ValueError, match="batch_size="):
            compute_logits(LinearModel(image_size=16), small_faces(6), batch_size=size)
        with pytest.raises(ValueError, match="batch_size="):
            predict_proba(LinearModel(image_size=16), torch.randn(2, 1, 16, 16), batch_size=size)


def test_parts_that_pytorch_cut_are_taken(model):
    faces = small_faces(20)
    part = Subset(faces, [3, 1, 2])
    torch.testing.assert_close(compute_logits(model, part), compute_logits(model, faces)[[3, 1, 2]])


class Fixed(nn.Module):
    """Gives logits that were written down."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.as_tensor(logits)

    def forward(self, x):
        return self.logits[: len(x)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, float("nan"), 0.0], "1 of 2 images are not finite, first of image 1"),
        ([1.0, float("inf"), 0.0], "1 of 2"),
        ([-float("inf")] * 3, "1 of 2"),
    ],
)
def test_probabilities_of_nothing_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        predict_proba(Fixed([[1.0, 2.0, 3.0], row]), torch.randn(2, 1, 4, 4))


def test_a_class_may_be_ruled_out():
    found = predict_proba(Fixed([[1.0, 2.0, -float("inf")]]), torch.randn(1, 1, 4, 4))
    assert found[0, 2] == 0


def test_columns_come_in_the_order_that_is_asked_for(model):
    model.classes, images = EMOTIONS, torch.randn(3, 1, 16, 16)
    plain, names = model.predict_proba(images), [name.title() for name in sorted(EMOTIONS)]
    found = model.predict_proba(images, classes=names)
    assert torch.equal(found, plain[:, [EMOTIONS.index(name.lower()) for name in names]])
    with pytest.raises(ValueError, match=r"Different classes.*cat"):
        model.predict_proba(images, classes=["cat", *EMOTIONS[1:]])
    with pytest.raises(ValueError, match=r"classes=a, b.*7"):
        model.predict_proba(images, classes=["a", "b"])


def test_a_network_that_ends_in_a_softmax_is_noticed(model):
    images = torch.randn(3, 1, 16, 16)
    with pytest.warns(UserWarning, match="softmax") as caught:
        predict_proba(nn.Sequential(model, nn.Softmax(1)), images)
    assert caught[0].filename == __file__
    assert warn_if_probabilities(torch.eye(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict_proba(nn.Sequential(model, nn.LogSoftmax(1)), images)
        assert not warn_if_probabilities(torch.empty(0, 7))
        assert not warn_if_probabilities(torch.tensor([[0.5, 0.5], [0.9, 0.3]]))


def test_an_error_leaves_the_modes_and_the_random_numbers(model):
    state, modes = torch.get_rng_state(), [module.training for module in model.modules()]
    for wrong in (torch.randn(2, 1, 9, 9), torch.full((1, 1, 16, 16), float("nan"))):
        state = torch.get_rng_state()
        with pytest.raises(ValueError, match=r"9, 9|not finite"):
            model.predict_proba(wrong)
        assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes


def test_images_are_normalised_as_the_model_knows():
    faces = small_faces(20, mean=0.1, std=0.9)
    model = LinearModel(image_size=16)
    assert normalised_for(model, faces) is faces
    assert normalised_for(nn.Flatten(), faces) is faces
    model.set_normalisation(0.4, 0.2)
    seen = normalised_for(model, faces)
    assert (seen.mean, seen.std) == model.normalisation()
    assert seen.images is faces.images
    assert (faces.mean, faces.std) == (0.1, 0.9)
    assert torch.equal(compute_logits(model, faces), compute_logits(model, seen))


class Viewed(nn.Module):
    """What many write: a map of features flattened by `view`, which needs the usual order in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4 * 14 * 14, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.out(x.view(x.size(0), -1))


def own_block() -> nn.Module:
    """A network of ours in which somebody has put a function of their own."""
    model = EmotionCNN((4,), hidden=8, image_size=16)
    model.classifier.flatten.forward = lambda x: x.view(x.size(0), -1)
    return model


@pytest.mark.parametrize(
    ("build", "innermost"),
    [(partial(EmotionCNN, (4,), hidden=8, image_size=16), True), (Viewed, False), (own_block, False)],
)
def test_the_channel_lies_innermost_where_every_layer_takes_that(build, innermost):
    """It is faster on a CPU; what layers of one's own expect cannot be known."""
    model, seen = build(), []
    conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    conv.register_forward_hook(lambda module, given, result: seen.append(result.stride(1) == 1))
    faces = small_faces(20)
    probabilities = predict_proba(model, faces.batch(torch.arange(20))[0], scale="normalised")
    assert set(seen) == {innermost}
    logits = compute_logits(model, faces)
    assert set(seen) == {innermost}
    torch.testing.assert_close(logits.softmax(1), model.eval()(faces.batch(torch.arange(20))[0]).softmax(1))
    assert probabilities.shape == (20, 7)
