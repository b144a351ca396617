"""Scores of maps against the truth, on maps whose scores can be counted by hand."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from emotion_utils.explain import (
    BASELINES,
    deletion,
    energy_inside,
    insertion,
    pointing_game,
    rank_correlation,
)  # fmt: skip
from emotion_utils.models import set_facts

TRUTH = torch.zeros(3, 4, 4)
TRUTH[:, 0, 0], TRUTH[:, 0, 1] = 1.0, 0.5
TRUTH[2] = 0


def test_pointing_game():
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 1] = 2.0
    maps[1, 3, 3] = -9.0  # sizes count, whatever the sign
    assert pointing_game(maps, TRUTH).tolist() == [1, 0, 0]
    ties = torch.zeros(3, 4, 4)
    ties[0, 0, 0], ties[0, 2, 2] = 1.0, 1.0
    assert pointing_game(ties, TRUTH).tolist() == [0.5, 0.125, 0]  # a map of zeros points anywhere: 2 of 16


def test_energy_inside():
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 0], maps[0, 3, 3] = -3.0, 1.0
    assert energy_inside(maps, TRUTH).tolist() == [0.75, 0.125, 0]
    assert energy_inside(torch.ones(3, 4, 4), TRUTH).tolist() == [0.125, 0.125, 0]
    tiny = torch.full((3, 4, 4), 1e-42)
    assert energy_inside(tiny, TRUTH).isfinite().all()


def test_rank_correlation_is_spearmans():
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 4, 4, generator=generator)
    truth = torch.rand(3, 4, 4, generator=generator).mul(4).round()  # with ties
    for i, value in enumerate(rank_correlation(maps, truth).tolist()):
        assert value == pytest.approx(spearmanr(maps[i].abs().flatten(), truth[i].flatten()).statistic, abs=1e-6)
    assert rank_correlation(torch.zeros(3, 4, 4), truth).tolist() == [0, 0, 0]
    assert rank_correlation(truth, truth).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("score", [pointing_game, energy_inside, rank_correlation])
def test_bad_maps(score):
    with pytest.raises(ValueError, match=r"\(3, 4, 5\).*\(3, 4, 4\)"):
        score(torch.zeros(3, 4, 5), TRUTH)
    with pytest.raises(ValueError, match="first in map 1"):
        score(torch.stack([torch.zeros(4, 4), torch.full((4, 4), torch.nan), torch.zeros(4, 4)]), TRUTH)


class Corner(nn.Module):
    """Looks at one pixel, the first, and at nothing else."""

    def forward(self, x):
        return torch.stack([4 * x[:, 0, 0, 0], torch.zeros(len(x))], 1)


@pytest.fixture
def corner():
    model = Corner()
    set_facts(model, (0.0, 1.0), None)
    return model


def test_deletion_and_insertion_follow_the_order_of_the_map(corner):
    images = torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)
    maps = torch.zeros(2, 4, 4)
    maps[0, 0, 0], maps[1] = 1.0, 1.0
    maps[1, 0, 0] = 0  # the second map names the one pixel that matters last
    full = torch.tensor([4.0, 0.0]).softmax(0)[0]
    out = deletion(corner, images, maps, 0, steps=16)
    assert out.shares.tolist() == pytest.approx([i / 16 for i in range(17)])
    assert out.ordered[0].tolist() == pytest.approx([float(full)] + [0.5] * 16)
    back = insertion(corner, images, maps, 0, steps=16)
    assert back.ordered[0].tolist() == pytest.approx([0.5] + [float(full)] * 16)
    assert back.ordered[:, 0].tolist() == [0.5, 0.5]
    assert torch.equal(out.random[:, 0], out.ordered[:, 0])
    assert out.gain[0] > 0
    assert back.gain[0] > 0
    assert out.gain[0] > out.gain[1]
    assert back.gain[0] == pytest.approx(float(torch.trapezoid(back.ordered - back.random, back.shares)[0]))


def test_the_random_order_depends_on_the_seed_alone(corner):
    images = torch.full((3, 1, 4, 4), 255, dtype=torch.uint8)
    maps = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    one, again, other = (deletion(corner, images, maps, 0, seed=seed).random for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_bad_curves(corner):
    images = torch.full((2, 1, 4, 4), 255, dtype=torch.uint8)
    for curve in (deletion, insertion):
        with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
            curve(corner, images, torch.zeros(1, 4, 4))
        with pytest.raises(ValueError, match="steps=0"):
            curve(corner, images, torch.zeros(2, 4, 4), steps=0)
        with pytest.raises(ValueError, match="not finite"):
            curve(corner, images, torch.full((2, 4, 4), torch.nan))


def test_baselines_know_no_network():
    images = torch.zeros(3, 1, 9, 9, dtype=torch.uint8)
    images[1, 0, :, 5:] = 200
    for baseline in BASELINES.values():
        maps = baseline(images)
        assert maps.shape == (3, 9, 9)
        assert maps.isfinite().all()
        assert maps.min() >= 0
    assert [int(i) for i in BASELINES["blob in the centre"](images).flatten(1).argmax(1)] == [40, 40, 40]
    edges = BASELINES["edges of the image"](images)
    assert edges[0].abs().max() == 0
    assert set(edges[1].nonzero()[:, 1].tolist()) == {4, 5}
    chance = BASELINES["random map"]
    assert torch.equal(chance(images), chance(images))
    assert not torch.equal(chance(images)[0], chance(images)[1])
