"""The arithmetic of the labs in the browser equals PyTorch's: on a bare page in Chromium, without JupyterLab."""

import shutil

import pytest
import torch
from small_scores import scores

from emotion_utils.evaluation.confidence import calibration
from emotion_utils.evaluation.selection import accuracy_by_coverage, answer_above
from emotion_utils.widgets.confidence_lab import ConfidenceLab
from emotion_utils.widgets.descent import VALLEYS, path
from emotion_utils.widgets.descent_lab import DescentLab

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def call(page, widget, function: str, *arguments):
    """Call a function that a widget's module exports."""
    script = """async ([source, name, given]) => {
        const made = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        return made[name](...given);
    }"""
    return page.evaluate(script, [str(widget._esm), function, list(arguments)])


def test_the_browser_walks_the_path_of_pytorch(browser):
    page, lab = browser.new_page(), DescentLab()
    limits = lab._facts["limits"]
    for valley in VALLEYS:
        for rate in (0.004, 0.05, 0.097, 0.104, 0.5):
            for momentum in (0.0, 0.4, 0.9, 1.0):
                there = call(page, lab, "path", valley, VALLEYS[valley].start, rate, momentum, 60, limits)
                here = path(rate, momentum, valley)
                assert (there["outcome"], there["step"]) == (here.outcome, here.step), (valley, rate, momentum)
                torch.testing.assert_close(torch.tensor(there["losses"], dtype=torch.double), here.losses)
                torch.testing.assert_close(torch.tensor(there["weights"], dtype=torch.double), here.weights)
    page.close()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.7])
def test_the_browser_judges_as_the_evaluation_does(browser, temperature):
    page = browser.new_page()
    logits, labels = scores()
    lab = ConfidenceLab(logits, labels, temperature=temperature, threshold=0.6)
    numbers, probabilities = lab.numbers(), lab.probabilities()
    judged = call(page, lab, "judge", logits.flatten().tolist(), labels.tolist(), 5, temperature)
    judged = {name: list(v.values()) if isinstance(v, dict) else v for name, v in judged.items()}
    assert judged["nll"] == pytest.approx(numbers.nll)
    there, here = call(page, lab, "calibrate", judged, 15), calibration(probabilities, labels, 15)
    assert there["ece"] == pytest.approx(numbers.ece)
    assert [one["count"] for one in there["bins"]] == here.count.tolist()
    curve = call(page, lab, "coverageCurve", judged)
    coverage, accuracy = accuracy_by_coverage(probabilities, labels)
    assert [one["coverage"] for one in curve] == pytest.approx(coverage.tolist())
    assert [one["accuracy"] for one in curve] == pytest.approx(accuracy.tolist())
    kept, found = call(page, lab, "select", judged, 0.6), answer_above(probabilities, labels, 0.6)
    assert (kept["kept"], kept["accuracy"]) == (found.kept, pytest.approx(found.accuracy))
    page.close()
