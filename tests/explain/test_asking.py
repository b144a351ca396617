"""What an explanation shows a network stays as it is, whatever the network does with it."""

import pytest
import torch
from network_styles import Centred
from small_network import NORMALISATION, small_network
from torch import nn

from emotion_utils.explain import (
    activations,
    deletion,
    grad_cam,
    integrated_gradients,
    occlusion,
    saliency,
    smooth_grad,
)
from emotion_utils.models import set_facts

METHODS = {
    "saliency": lambda model, images: saliency(model, images, 2),
    "smooth_grad": lambda model, images: smooth_grad(model, images, 2, samples=2),
    "integrated_gradients": lambda model, images: integrated_gradients(model, images, 2, steps=3),
    "grad_cam": lambda model, images: grad_cam(model, images, 2, "1.4"),
    "activations": lambda model, images: activations(model, images, "1.0"),
    "occlusion": lambda model, images: occlusion(model, images, 2, size=8, stride=4),
    "deletion": lambda model, images: deletion(model, images, torch.rand(6, 16, 16), 2).gain,
}


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_works_in_place_is_explained_as_one_that_does_not(name, images):
    found = []
    for in_place in (True, False):
        model = nn.Sequential(Centred(in_place), small_network())
        set_facts(model, NORMALISATION, None)
        torch.manual_seed(0)
        found.append(METHODS[name](model, images))
    assert torch.equal(*found)
    assert found[0].abs().max() > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_was_made_for_inference_is_explained_as_any_other(name, images):
    """PyTorch records nothing of its weights; a copy of them serves."""
    found = []
    for inference in (True, False):
        with torch.inference_mode(inference):
            model = nn.Sequential(Centred(False), small_network())
            set_facts(model, NORMALISATION, None)
        torch.manual_seed(0)
        found.append(METHODS[name](model, images))
        assert all(weight.is_inference() == inference for weight in model.parameters())
    assert torch.equal(*found)
