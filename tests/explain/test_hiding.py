"""Occlusion agrees with captum, and is right where that can be counted by hand."""

import pytest
import torch
from torch import nn

from emotion_utils.explain import occlusion
from emotion_utils.models import LinearModel, set_facts

TARGET = torch.tensor([0, 1, 2, 3, 4, 6])


@pytest.mark.parametrize(("size", "stride", "fill"), [(4, 4, 0.0), (5, 3, 0.7), (8, 2, -1.0), (16, 1, 0.0)])
def test_occlusion_is_captums(size, stride, fill, model, images, seen):
    captum = pytest.importorskip("captum.attr", reason="captum is not installed (extra: test)")
    theirs = captum.Occlusion(model).attribute(
        seen, sliding_window_shapes=(1, size, size), strides=(1, stride, stride), baselines=fill, target=TARGET
    )[:, 0]
    ours = occlusion(model, images, TARGET, size, stride, fill)
    torch.testing.assert_close(ours, theirs.detach().float(), rtol=1e-5, atol=1e-5)


def test_a_linear_network_is_explained_exactly(images):
    model = LinearModel(image_size=16)
    model.set_normalisation(0.4, 0.25)
    with torch.no_grad():
        nn.init.normal_(model.classifier[1].weight, generator=torch.Generator().manual_seed(1))
    ours = occlusion(model, images, 3, size=1, stride=1)
    pixels = (images.float()[:, 0] / 255 - 0.4) / 0.25
    torch.testing.assert_close(ours, pixels * model.classifier[1].weight[3].view(16, 16), rtol=1e-4, atol=1e-4)


def test_what_counts_equally_everywhere_scores_equally_at_the_border():
    class Sum(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum((1, 2, 3)), -x.sum((1, 2, 3))], 1)

    model = Sum()
    set_facts(model, (0.0, 1.0), None)
    for size, stride in ((4, 2), (5, 4), (3, 1)):
        ours = occlusion(model, torch.full((1, 1, 14, 17), 255, dtype=torch.uint8), 0, size, stride)
        inside = ours[:, : 14 - size, : 17 - size]
        torch.testing.assert_close(inside, torch.full_like(inside, float(size**2)))
        assert ours.min() > 0  # the last row and column are reached, by windows that hang over


def test_bad_windows(model, images):
    for wrong, match in (
        ({"size": 0}, "size=0"),
        ({"size": 17}, r"size=17: choose 1 to 16, images are 16×16"),
        ({"size": 4, "stride": 5}, "stride=5"),
        ({"stride": 0}, "stride=0"),
        ({"fill": float("inf")}, "fill=inf"),
    ):
        with pytest.raises(ValueError, match=match):
            occlusion(model, images, 1, **wrong)


def test_modes_gradients_and_random_numbers_stay(model, images):
    model.train()
    random = torch.get_rng_state()
    maps = occlusion(model, images, 1)
    assert maps.dtype == torch.float32
    assert maps.shape == (6, 16, 16)
    assert model.training
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(maps, occlusion(model.eval(), images, 1))
    assert occlusion(model.half(), images, 1).dtype == torch.float32
