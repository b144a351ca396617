"""Random numbers by name: always the same, and as random as one could wish."""

import random

import numpy as np
import pytest
import torch

from emotion_utils.randomness import normal, permutation, random_bits, seed_everything, stream_key, uniform

INDEX = torch.arange(100_000)


def test_known_values_so_that_a_change_is_noticed():
    assert stream_key(0, "order", 0) == 2094333682667709378
    # The published first outputs of SplitMix64 with seed 0. This key is the one whose own hash is 0.
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    key = 2**64 - 0x9E3779B97F4A7C15
    assert [bits & (2**64 - 1) for bits in random_bits(key, torch.tensor([0]), 4)[0].tolist()] == first


def test_a_row_depends_on_key_and_index_alone():
    key = stream_key(1, "test")
    whole = uniform(key, INDEX, 3)
    assert torch.equal(uniform(key, torch.tensor([4711]), 3)[0], whole[4711])
    assert torch.equal(uniform(key, INDEX, 2), whole[:, :2])
    assert not torch.equal(uniform(key + 1, INDEX[:10], 3), whole[:10])


def test_uniform_is_uniform_and_columns_are_unrelated():
    draws = uniform(stream_key(2, "u"), INDEX, 4)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws[:, 0], 100, 0, 1)
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert 50 < chi_square < 160  # 99 degrees of freedom
    pairs = torch.cat([draws, draws[:, :1].roll(1, 0), uniform(stream_key(3, "u"), INDEX)], 1)
    correlation = torch.corrcoef(pairs.T) - torch.eye(6)
    assert correlation.abs().max() < 0.015


def test_normal_is_normal():
    draws = normal(stream_key(0, "n"), INDEX, 2)
    assert draws.isfinite().all()
    assert draws.mean().item() == pytest.approx(0, abs=0.01)
    assert draws.std().item() == pytest.approx(1, abs=0.01)
    assert (draws.abs() < 1.96).float().mean().item() == pytest.approx(0.95, abs=0.005)


def test_each_bit_is_as_often_set_as_not():
    bits = random_bits(stream_key(0), INDEX[:20_000], 1)[:, 0]
    for bit in range(64):
        assert ((bits >> bit) & 1).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_permutation():
    order = permutation(stream_key(0, "order", 0), 1000)
    assert torch.equal(order.sort().values, torch.arange(1000))
    assert torch.equal(order, permutation(stream_key(0, "order", 0), 1000))
    assert not torch.equal(order, permutation(stream_key(0, "order", 1), 1000))
    assert len(permutation(0, 0)) == 0


def test_everything_is_seeded():
    draws = []
    for _ in range(2):
        seed_everything(3)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]
    seed_everything(2**40)  # NumPy takes 32 bits


def test_numbers_of_all_kinds_are_the_same_seeds():
    for three in (3, np.int64(3), np.uint8(3), torch.tensor(3), 3.0):
        assert stream_key(three, "order", 0) == stream_key(3, "order", 0)
    for wrong in (0.5, float("nan"), None, True):
        with pytest.raises(ValueError, match=f"seed={wrong!r}"):
            stream_key(wrong, "order", 0)
