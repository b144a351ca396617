"""Logits of a whole data set: in order, unaugmented, normalised as the network is used to, and nothing left behind."""

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.data.augment import Augment
from emotion_utils.errors import ShapeError
from emotion_utils.models.inference import compute_logits, normalised_for
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
