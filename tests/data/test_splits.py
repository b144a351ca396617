"""Dividing images: the balance of classes is kept, and identical images stay together."""

import numpy as np
import pytest
import torch

from emotion_utils.data.splits import group_identical, split, split_of


def test_identical_images_have_the_number_of_the_first():
    images = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[5], images[4] = images[3], images[0]
    assert group_identical(images).tolist() == [0, 1, 2, 3, 0, 3]


def test_split_is_stratified_complete_and_repeatable():
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate([400, 44, 410, 722, 483, 317, 497])])
    parts = split(labels, [0.8, 0.1, 0.1], seed=1)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    for part, fraction in zip(parts, [0.8, 0.1, 0.1], strict=True):
        counts = torch.bincount(labels[part], minlength=7)
        assert (counts - fraction * torch.bincount(labels)).abs().max() <= 2
        assert abs(len(part) - fraction * len(labels)) <= 2
    again, other = split(labels, [0.8, 0.1, 0.1], seed=1), split(labels, [0.8, 0.1, 0.1], seed=2)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))
    assert not torch.equal(parts[1], other[1])


def test_split_keeps_groups_together_even_with_different_labels():
    groups = torch.arange(300) // 3
    labels = torch.arange(300) % 7
    first, second = split(labels, [0.7, 0.3], groups)
    assert not set(groups[first].tolist()) & set(groups[second].tolist())
    assert abs(len(second) - 90) <= 3


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (1.2, -0.2), (0.5,), (float("nan"), 1.0), (True, False), ()])
def test_split_wants_fractions_that_add_up_to_one(fractions):
    with pytest.raises(ValueError, match=r"fractions=\("):
        split(torch.zeros(10, dtype=torch.int64), fractions)


def test_labels_and_seeds_of_every_kind():
    labels = torch.arange(50) % 7
    wanted = split(labels, (0.5, 0.5), seed=3)
    for same in (labels.tolist(), labels.numpy(), labels.numpy().astype(np.uint8)):
        for part, other in zip(split(same, [np.float64(0.5)] * 2, seed=np.int64(3)), wanted, strict=True):
            assert torch.equal(part, other)
    with pytest.raises(TypeError, match=r"labels are torch\.float"):
        split(labels / 2, (0.5, 0.5))
    with pytest.raises(ValueError, match="groups has 49 entries for 50 labels"):
        split(labels, (0.5, 0.5), torch.arange(49))
    with pytest.raises(ValueError, match="seed='a'"):
        split(labels, (0.5, 0.5), seed="a")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("train", "training"), ("Training", "training"), ("TRAIN_SET", "training"), ("val", "validation"),
        ("Valid", "validation"), ("validation", "validation"), ("PublicTest", "validation"), ("test", "test"),
        ("PrivateTest", "test"), ("test-data", "test"), ("happy", None), ("trainer", None), ("data", None), ("", None),
    ],
)  # fmt: skip
def test_names_of_folders_that_hold_splits(name, known):
    assert split_of(name) == known
