"""How far heads are turned aside: the estimate against the true yaw of drawn heads."""

import dataclasses

import pytest
import torch

from emotion_utils.data.drawn import sample_parameters
from emotion_utils.faces import render
from emotion_utils.photos.turning import estimate_yaw


def heads(yaw, seed=5):
    """Draw heads that are turned by angles of their own."""
    drawn = sample_parameters(len(yaw), seed, "easy")
    return render(drawn.identity, drawn.action_units, dataclasses.replace(drawn.capture, yaw=yaw))


def test_the_estimate_follows_the_yaw_of_drawn_heads():
    yaw = torch.linspace(-50, 50, 60)
    found = estimate_yaw(heads(yaw))
    assert torch.corrcoef(torch.stack([found, yaw]))[0, 1] > 0.9
    assert (found - yaw).abs().median() < 8


def test_a_mirror_image_looks_the_other_way():
    images = heads(torch.tensor([-40.0, 0.0, 30.0]))
    assert torch.allclose(estimate_yaw(images.flip(3)), -estimate_yaw(images), atol=0.01)


def test_light_does_not_matter():
    images = heads(torch.tensor([-40.0, 0.0, 30.0]))
    assert torch.allclose(estimate_yaw(images // 2 + 20), estimate_yaw(images), atol=4)


def test_no_crops_and_what_are_none():
    assert estimate_yaw(torch.zeros(0, 1, 48, 48, dtype=torch.uint8)).shape == (0,)
    with pytest.raises(ValueError, match="crops"):
        estimate_yaw(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))
    with pytest.raises(TypeError, match="float32"):
        estimate_yaw(torch.zeros(1, 1, 48, 48))
