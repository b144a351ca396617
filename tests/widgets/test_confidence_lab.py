"""The confidence lab without a browser: its numbers are those of the evaluation, and what cannot be is one sentence."""

import io
import math

import pytest
import torch
from every_figure import report
from PIL import Image
from small_scores import scores

from emotion_utils.evaluation.confidence import bootstrap_interval, calibration
from emotion_utils.evaluation.report import Report
from emotion_utils.widgets.confidence_lab import ConfidenceLab


def test_numbers_of_a_report_are_those_of_the_report():
    one = report()
    numbers = ConfidenceLab(one).numbers()
    assert numbers.ece == pytest.approx(one.ece, abs=1e-6)
    assert numbers.nll == pytest.approx(one.loss, rel=1e-5)
    assert numbers.selection.accuracy == pytest.approx(one.accuracy)
    assert numbers.selection.interval == one.interval


def test_sliders_change_what_they_should():
    logits, labels = scores()
    lab = ConfidenceLab(logits, labels)
    before = lab.numbers()
    lab.temperature = 3.0
    after = lab.numbers()
    assert after.ece != before.ece
    assert after.selection.accuracy == before.selection.accuracy
    assert after.ece == calibration((logits.double() / 3).softmax(1), labels).ece
    lab.threshold = 0.6
    chosen = lab.numbers().selection
    keep = (logits.double() / 3).softmax(1).amax(1) >= 0.6
    right = (logits.argmax(1) == labels)[keep]
    assert (chosen.kept, chosen.interval) == (len(right), bootstrap_interval(right))
    assert lab._interval == {"temperature": 3, "threshold": 0.6, "low": chosen.interval[0], "high": chosen.interval[1]}


def test_the_fitted_temperature_has_the_smallest_loss():
    lab = ConfidenceLab(*scores())
    lab.temperature = lab.fitted
    best = lab.numbers().nll
    for factor in (0.9, 1.1):
        lab.temperature = factor * lab.fitted
        assert lab.numbers().nll > best


@pytest.mark.parametrize("threshold", [1.0, 0.0])
def test_none_or_all_are_kept(threshold):
    lab = ConfidenceLab(*scores(40), threshold=threshold)
    assert (lab.numbers().selection.kept == 0) == (threshold == 1)
    assert (lab._interval["low"] is None) == (threshold == 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(3, 2),), TypeError, "labels"),
        ((report(), torch.zeros(3).long()), TypeError, "labels"),
        ((torch.zeros(3), torch.zeros(3).long()), ValueError, "logits"),
        ((torch.zeros(3, 2), torch.zeros(4).long()), ValueError, "labels"),
        ((torch.zeros(3, 2), torch.tensor([0, 1, 2])), ValueError, "labels run from 0 to 2"),
        ((torch.zeros(0, 2), torch.zeros(0).long()), ValueError, "logits"),
        ((torch.full((3, 2), math.nan), torch.zeros(3).long()), ValueError, "not finite"),
        ((*scores(), 0), ValueError, "bins=0"),
        ((*scores(), 15, 0.0), ValueError, "temperature=0"),
        ((*scores(), 15, 1.0, 1.5), ValueError, "threshold=1.5"),
        ((torch.zeros(100_001, 2), torch.zeros(100_001).long()), ValueError, "100,001 images"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        ConfidenceLab(*arguments)


@pytest.mark.parametrize("name", ["temperature", "threshold"])
def test_a_setting_that_cannot_be_changes_nothing(name):
    lab = ConfidenceLab(*scores(40))
    before = getattr(lab, name), lab._interval
    for value in (-1, math.nan, "x", None, 1000):
        with pytest.raises(ValueError, match=f"{name}="):
            setattr(lab, name, value)
    assert (getattr(lab, name), lab._interval) == before


@pytest.mark.parametrize(
    "given",
    [scores(), scores(1), scores(30, 2), (torch.eye(7).repeat(3, 1) * 40, torch.arange(7).repeat(3)), report()],
    ids=["usual", "one image", "two classes", "all right", "report"],
)
def test_a_viewer_without_widgets_gets_both_diagrams_with_words(given, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    (ConfidenceLab(given) if isinstance(given, Report) else ConfidenceLab(*given))._ipython_display_()
    (bundle, options), (sentence, _) = shown
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert "application/vnd.jupyter.widget-view+json" in sentence
    assert Image.open(io.BytesIO(bundle["image/png"])).size[0] <= 950
    assert "nan" not in options["metadata"]["image/png"]["alt"]
