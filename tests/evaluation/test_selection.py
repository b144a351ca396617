"""Answers above a threshold only: counts that can be checked by hand, and the curve that they lie on."""

import math

import pytest
import torch

from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.evaluation.selection import accuracy_by_coverage, answer_above

# Confidences .9 (right), .9 (wrong), .8 (right), .6 (wrong).
SURE = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4]], dtype=torch.double)
LABELS = torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("threshold", "kept", "accuracy"), [(0, 4, 0.5), (0.6, 4, 0.5), (0.61, 3, 2 / 3), (0.8, 3, 2 / 3), (0.85, 2, 0.5)]
)
def test_what_is_kept_and_right(threshold, kept, accuracy):
    found = answer_above(SURE, LABELS, threshold)
    assert (found.kept, found.coverage) == (kept, kept / 4)
    assert found.accuracy == pytest.approx(accuracy)
    assert found.interval[0] <= accuracy <= found.interval[1]


def test_a_threshold_above_all_keeps_none():
    found = answer_above(SURE, LABELS, 1)
    assert (found.kept, found.coverage) == (0, 0)
    assert math.isnan(found.accuracy)
    assert all(map(math.isnan, found.interval))


def test_without_threshold_it_is_the_accuracy_with_its_interval():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(200, 3, generator=generator).softmax(1)
    labels = torch.randint(0, 3, (200,), generator=generator)
    found = answer_above(probabilities, labels, 0)
    right = probabilities.argmax(1) == labels
    assert found.accuracy == pytest.approx(float(right.double().mean()))
    assert found.interval == bootstrap_interval(right)


def test_the_curve_counts_equal_confidences_together():
    coverage, accuracy = accuracy_by_coverage(SURE, LABELS)
    assert coverage.tolist() == [0.5, 0.75, 1]
    torch.testing.assert_close(accuracy, torch.tensor([0.5, 2 / 3, 0.5], dtype=torch.double))
    for share, value, threshold in zip(coverage, accuracy, (0.9, 0.8, 0.6), strict=True):
        found = answer_above(SURE, LABELS, threshold)
        assert (found.coverage, found.accuracy) == (pytest.approx(float(share)), pytest.approx(float(value)))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, "half", None])
def test_a_threshold_is_a_share(threshold):
    with pytest.raises(ValueError, match="threshold="):
        answer_above(SURE, LABELS, threshold)


@pytest.mark.parametrize("function", [lambda p, y: answer_above(p, y, 0.5), accuracy_by_coverage])
@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (SURE[0], LABELS, "probabilities"),
        (SURE, LABELS[:2], "labels"),
        (SURE, LABELS + 1, "labels run"),
        (SURE * math.nan, LABELS, "finite"),
        (SURE * 8, LABELS, "row 0 adds up to 8.*softmax"),  # logits, for instance
        (SURE * 3 - 1, LABELS, "row 0 holds -0.7.*softmax"),  # and these add up to 1
    ],
)
def test_odd_values_are_one_sentence(function, probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        function(probabilities, labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.double])
def test_who_reaches_the_threshold_exactly_gets_an_answer(dtype):
    """0.7 in float32 is a little less than 0.7 in float64; as where PyTorch compares the two, it reaches it."""
    probabilities = torch.tensor([[0.7, 0.3], [0.3, 0.7], [0.5, 0.5]], dtype=dtype)
    found = answer_above(probabilities, torch.tensor([0, 0, 0]), 0.7)
    assert found.kept == int((probabilities.amax(1) >= 0.7).sum()) == 2
    assert (found.threshold, found.accuracy) == (0.7, 0.5)
    assert answer_above(probabilities.float().tolist(), [0, 0, 0], 0.71).kept == 0
