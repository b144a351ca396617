"""Finding wrong labels, and scoring the finding."""

import math

import pytest
import torch

from emotion_utils.evaluation import find_label_errors, score_finding

SURE = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05]])
LABELS = torch.tensor([0, 0, 1, 1, 1])


def test_a_label_that_all_others_contradict_is_doubted():
    found = find_label_errors(SURE, LABELS)
    assert found.doubted.tolist() == [4]
    assert found.suggested.tolist() == [0, 0, 1, 1, 0]
    assert found.order[0] == 4
    assert sorted(found.order.tolist()) == [0, 1, 2, 3, 4]
    assert found.share == 0.2
    assert found.thresholds.tolist() == pytest.approx([0.85, (0.9 + 0.8 + 0.05) / 3])
    assert found.counts.tolist() == [[2, 0], [1, 2]]


def test_thresholds_are_those_of_the_classes():
    # Class 1 is never surer than 0.55, so 0.5 is much for it; 0.5 is little for class 0.
    scores = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.45, 0.55], [0.5, 0.5], [0.55, 0.45]])
    assert find_label_errors(scores, torch.tensor([0, 0, 0, 1, 1, 1])).doubted.tolist() == [2]


def test_planted_errors_among_many_are_found():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 5, (2000,), generator=generator)
    logits = torch.randn(2000, 5, generator=generator)
    logits[torch.arange(2000), truth] += 4
    wrong = torch.rand(2000, generator=generator) < 0.1
    labels = torch.where(wrong, (truth + 1) % 5, truth)
    found = find_label_errors(logits.softmax(1), labels)
    score = score_finding(found.doubted, wrong)
    assert score.precision > 0.85
    assert score.recall > 0.7
    assert abs(found.share - 0.1) < 0.03
    assert score_finding(found.order[: int(wrong.sum())], wrong).precision > 0.85
    assert (found.suggested[found.doubted] == truth[found.doubted]).float().mean() > 0.85


def test_a_class_without_faces_is_never_suggested():
    scores = torch.tensor([[0.1, 0.1, 0.8], [0.2, 0.1, 0.7]])
    assert 2 not in find_label_errors(scores, torch.tensor([0, 1])).suggested


def test_scores_count_what_was_found():
    wrong = torch.tensor([True, False, True, True, False])
    score = score_finding(torch.tensor([0, 1]), wrong)
    assert (score.precision, score.recall, score.chance) == (0.5, pytest.approx(1 / 3), 0.6)
    assert score == score_finding(torch.tensor([True, True, False, False, False]), wrong)
    assert "precision 50%" in str(score)
    nothing = score_finding(torch.tensor([], dtype=torch.int64), torch.zeros(3, dtype=torch.bool))
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)
    assert "nan" not in str(nothing)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: find_label_errors(SURE * 2, LABELS), r"row \d adds up to 2"),
        (lambda: find_label_errors(SURE, LABELS[:3]), r"labels.*\(3,\).*5 rows"),
        (lambda: find_label_errors(SURE, LABELS + 1), "labels run from 1 to 2"),
        (lambda: find_label_errors(SURE[:0], LABELS[:0]), "probabilities"),
        (lambda: find_label_errors(SURE * math.nan, LABELS), "not finite"),
        (lambda: score_finding([0, 0], torch.ones(3, dtype=torch.bool)), "twice"),
        (lambda: score_finding([0], torch.ones(3)), "wrong are torch.float32"),
    ],
)
def test_what_cannot_be_judged(call, named):
    with pytest.raises(ValueError, match=named):
        call()
