"""Cures for a lopsided training set: weights and draws that make group and label independent, counts, joining."""

import pytest
import torch
from small_faces import small_faces

from emotion_utils.data import FaceDataset, balanced_indices, join, missing_faces, reweigh

LABELS = torch.tensor([0] * 90 + [1] * 30)
GROUPS = torch.tensor([0] * 80 + [1] * 10 + [0] * 10 + [1] * 20)


def test_weights_make_group_and_label_independent():
    weights = reweigh(LABELS, GROUPS).double()
    table = torch.zeros(2, 2, dtype=torch.double).index_put_((LABELS, GROUPS), weights, accumulate=True)
    expected = torch.tensor([90.0, 30.0])[:, None] * torch.tensor([90.0, 30.0]) / 120
    assert torch.allclose(table, expected.double(), atol=1e-4)
    assert weights.mean().item() == pytest.approx(1)


def test_weights_are_cut_off():
    whole, cut = reweigh(LABELS, GROUPS), reweigh(LABELS, GROUPS, largest=1.5)
    assert cut.max() < whole.max()
    for label in (0, 1):
        assert cut[label == LABELS].mean().item() == pytest.approx(1), "each label keeps its share"
    with pytest.raises(ValueError, match="largest=0"):
        reweigh(LABELS, GROUPS, largest=0)


def test_independent_faces_need_no_weights():
    assert torch.allclose(reweigh(LABELS, torch.arange(120) % 2), torch.ones(120), atol=0.01)


def test_what_does_not_occur_cannot_be_weighed():
    labels, groups = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    weights = reweigh(labels, groups)
    assert weights.isfinite().all()
    assert weights[labels == 0].mean().item() == weights[labels == 1].mean().item() == pytest.approx(1)


def test_balanced_draws_hold_each_combination_equally_often():
    picks = balanced_indices(LABELS, GROUPS, 400, seed=1)
    counts = torch.bincount(2 * LABELS[picks] + GROUPS[picks])
    assert counts.tolist() == [100] * 4
    alone = balanced_indices(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 0]), 40)
    assert alone.bincount().tolist()[3] == 20, "a label with one group is as common as the other"
    assert picks[(LABELS[picks] == 0) & (GROUPS[picks] == 0)].unique().numel() > 40
    assert torch.equal(picks, balanced_indices(LABELS, GROUPS, 400, seed=1))
    assert not torch.equal(picks, balanced_indices(LABELS, GROUPS, 400, seed=2))
    assert len(balanced_indices(LABELS, GROUPS == 1)) == 120


def test_missing_faces_even_a_label_out():
    assert missing_faces(LABELS, GROUPS).tolist() == [[0, 70], [10, 0]]


def test_joined_sets_keep_what_both_know():
    one = small_faces(4, names=list("abcd"), truth={"x": torch.arange(4), "y": torch.arange(4)})
    other = small_faces(3, seed=2, names=list("efg"), truth={"x": torch.arange(3)})
    both = join(one, other)
    assert len(both) == 7
    assert torch.equal(both.images, torch.cat([one.images, other.images]))
    assert both.names == list("abcdefg")
    assert list(both.truth) == ["x"]
    assert (both.mean, both.std) == (one.mean, one.std)
    assert join(one, small_faces(2)).truth is None


@pytest.mark.parametrize(
    ("sets", "words"),
    [((), "one or more"), ((small_faces(4), small_faces(4, classes=3)), "classes"),
     ((small_faces(4), small_faces(4, size=8)), r"\(8, 8\)")],
)  # fmt: skip
def test_what_cannot_be_joined(sets, words):
    with pytest.raises(ValueError, match=words):
        join(*sets)


@pytest.mark.parametrize("function", [reweigh, balanced_indices, missing_faces])
@pytest.mark.parametrize(
    ("labels", "groups", "error", "words"),
    [
        ([0, 1], [0], ValueError, "2 and 1"),
        ([], [], ValueError, "0 and 0"),
        ([0, 1], [0, -1], ValueError, "groups=-1"),
        ([0, 1], [0, 5000], ValueError, "groups=5000"),
        ([0.5, 1], [0, 1], TypeError, "labels"),
    ],
)
def test_bad_labels_and_groups(function, labels, groups, error, words):
    with pytest.raises(error, match=words):
        function(labels, groups)


def test_colours_are_not_joined_with_grey():
    grey = small_faces(4)
    colours = FaceDataset(grey.images.repeat(1, 3, 1, 1), grey.labels, grey.classes)
    with pytest.raises(ValueError, match=r"datasets\[1\].*\(3, 16, 16\).*\(1, 16, 16\).*colour="):
        join(grey, colours)
