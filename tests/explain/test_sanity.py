"""Layers forget one after the other, from the last; a method that explains the image alone does not notice."""

import pytest
import torch
from network_styles import build
from torch import nn

from emotion_utils.explain import edge_map, reset_layers, saliency, sanity_check
from emotion_utils.models import ShapeError, set_facts


def test_layers_are_reset_from_the_last_to_the_first(model):
    before = {name: value.clone() for name, value in model.named_parameters()}
    names = []
    for name, other in reset_layers(model, seed=1):
        names.append(name)
        for part, value in other.named_parameters():
            reset = part.split(".")[0] in names
            assert torch.equal(value.flatten().sort().values, before[part].flatten().sort().values)  # shuffled
            if not reset:
                assert torch.equal(value, before[part])
            elif value.numel() > 20:
                assert not torch.equal(value, before[part])
    assert names == ["8", "4", "0"]  # batch norm's weights are all alike: there is nothing to forget
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_shuffling_depends_on_the_seed_alone(model):
    def first(seed):
        return next(reset_layers(model, seed))[1][8].weight.clone()

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_a_method_that_explains_the_image_does_not_change(model, images):
    check = sanity_check(lambda net, x: edge_map(x), model, images)
    assert check.layers == ("8", "4", "0")
    torch.testing.assert_close(check.likeness, torch.ones(3, 6))
    own = sanity_check(lambda net, x: saliency(net, x, 2), model, images)
    assert (own.likeness.mean(1) < 0.95).all()
    assert "after resetting 8" in str(own)


def test_bad_input(model, images):
    with pytest.raises(ValueError, match="Flatten has no weights"):
        sanity_check(lambda net, x: edge_map(x), nn.Flatten(), images)
    with pytest.raises(ShapeError, match=r"\(6, 256\)"):
        sanity_check(lambda net, x: x.flatten(1).float(), model, images)
    with pytest.raises(TypeError, match="class"):
        next(reset_layers(nn.Linear))


@pytest.mark.parametrize("style", ["pruned", "weight norm, as of old"])
def test_a_network_that_keeps_what_it_computed_forgets_too(style, images):
    model = build(style)
    set_facts(model, (0.4, 0.25), None)
    model(torch.rand(2, 1, 16, 16)).sum()
    assert [name for name, _ in reset_layers(model)] == ["3", "0"]
    assert saliency(model.bfloat16(), images, 1).shape == (6, 16, 16)
