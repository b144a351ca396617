"""Odd values at the doors of this room are named in one sentence."""

import math
from dataclasses import replace

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.comparison import compare_with_baseline
from emotion_utils.evaluation.confidence import bootstrap_interval, calibration, fit_temperature
from emotion_utils.evaluation.measuring import milliseconds
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import LinearModel

EVEN, LABELS = torch.full((4, 7), 1 / 7), torch.arange(4)


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    return evaluate(LinearModel(image_size=16), small_faces(14), bootstrap=10)


@pytest.mark.parametrize(
    ("door", "kind", "words"),
    [
        (lambda: bootstrap_interval(None), TypeError, "values=None"),
        (lambda: bootstrap_interval("x"), TypeError, "values='x'"),
        (lambda: bootstrap_interval(torch.ones(3, device="meta")), TypeError, "values.*meta"),
        (lambda: bootstrap_interval(torch.eye(3).to_sparse()[0]), TypeError, "values.*sparse"),
        (lambda: bootstrap_interval(5), ValueError, r"values have shape \(\)"),
        (lambda: bootstrap_interval([1.0, math.nan]), ValueError, "values hold 1"),
        (lambda: calibration(None, LABELS), TypeError, "probabilities=None"),
        (lambda: calibration(EVEN, None), TypeError, "labels=None"),
        (lambda: calibration(EVEN.to(torch.complex64), LABELS), TypeError, "complex64"),
        (lambda: calibration(EVEN, ["a"] * 4), TypeError, "labels="),
        (lambda: fit_temperature("x", LABELS), TypeError, "logits='x'"),
        (lambda: fit_temperature(EVEN, LABELS.float()), ValueError, "labels are torch.float32"),
        (lambda: milliseconds(5), TypeError, "model=5"),
        (lambda: milliseconds(LinearModel(image_size=16), image_size=8), ShapeError, "image_size=8"),
        (lambda: milliseconds(nn.Sequential(nn.Flatten(), nn.Linear(9, 7)), 16), ShapeError, "in_features=256"),
        (lambda: milliseconds(LinearModel(), image_size=10**9), ValueError, "image_size=1000000000"),
        (lambda: milliseconds(LinearModel(), faces=10**12), ValueError, "faces=1000000000000"),
        (lambda: compare_with_baseline(5, 5), TypeError, "mine='int'"),
    ],
)
def test_an_odd_value_is_named(door, kind, words):
    with pytest.raises(kind, match=words) as caught:
        door()
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"labels": torch.full((14,), 7)}, ValueError, "labels="),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, ValueError, "3 labels"),
        ({"labels": torch.zeros(14)}, TypeError, "labels are torch.float32"),
        ({"labels": None}, TypeError, "labels=None"),
        ({"logits": None}, TypeError, "logits=None"),
        ({"logits": torch.zeros(14, 3)}, ValueError, r"logits are .*\(14, 3\)"),
        ({"probabilities": torch.zeros(14, 7, dtype=torch.int64)}, ValueError, "probabilities are torch.int64"),
        ({"probabilities": torch.full((14, 7), math.nan)}, ValueError, "probabilities of 14 of 14"),
        ({"probabilities": torch.ones(14, 7)}, ValueError, "row 0 adds up to 7"),
        ({"logits": torch.full((14, 7), math.nan)}, ValueError, "logits of 14 of 14"),
        ({"logits": torch.full((14, 7), math.inf)}, ValueError, "logits of 14 of 14"),
        ({"classes": "happy"}, ValueError, "classes='happy'"),
        ({"classes": ("a", "b")}, ValueError, "2 classes"),
        ({"interval": 5}, ValueError, "interval=5"),
        ({"interval": (0.1, math.nan)}, ValueError, "interval="),
        ({"twins": torch.zeros(14)}, ValueError, "twins are torch.float32"),
        ({"twins": torch.zeros(3, dtype=torch.bool)}, ValueError, r"twins are .*\(3,\)"),
        ({"notes": "a note"}, ValueError, "notes='a note'"),
    ],
)
def test_a_report_whose_parts_do_not_fit_is_refused(report, changes, kind, words):
    with pytest.raises(kind, match=words):
        replace(report, **changes)


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", None, True])
def test_mistakes_are_asked_for_by_number(report, k):
    with pytest.raises(ValueError, match="k="):
        report.confident_mistakes(k)


def test_a_report_may_be_made_of_arrays_and_rule_a_class_out(report):
    logits = report.logits.clone()
    logits[:, 3] = -math.inf
    made = replace(report, logits=logits.numpy(), labels=report.labels.tolist(), classes=list(report.classes))
    assert made.accuracy == report.accuracy
    assert str(made).startswith(report.name)
