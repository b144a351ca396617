"""Curves, labs and scoreboard as a reader meets them: in JupyterLab, in headless Chromium, with the keyboard.

Their arithmetic is compared with PyTorch's in `test_labs_arithmetic_browser.py`.
"""

import pytest
from small_scores import scores
from widget_pages import CHROMIUM, FLAGS, jupyterlab, run_all, take

from emotion_utils.evaluation.selection import answer_above
from emotion_utils.widgets.confidence_lab import ConfidenceLab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

CELLS = """
import time
from pathlib import Path
from small_faces import small_faces
from small_runs import small_cnn
from small_scores import scores
from emotion_utils.training import TrainConfig, train
from emotion_utils.widgets import ConfidenceLab, DescentLab, LiveCurves, Scoreboard
data, val = small_faces(700), small_faces(140, seed=2)
board = Scoreboard(Path("board.json"), data, val)
---
class Slow:
    shows_progress = True
    def __call__(self, moment):
        live(moment)
        if moment.kind == "epoch" and moment.done == 3:
            while not Path("seen").exists():
                time.sleep(0.05)
live, model = LiveCurves(), small_cnn()
history = train(model, data, val, TrainConfig(epochs=6, batch_size=8, watch=Slow()))
---
board.add("baseline", model, history)
board.add("<i>tiny</i>", small_cnn(widths=(2, 4)), history)
---
lab = DescentLab()
lab
---
ConfidenceLab(*scores())
"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def test_curves_grow_labs_follow_the_keyboard_and_the_table_sorts(browser, tmp_path):
    with jupyterlab(tmp_path, CELLS.split("---")) as address:
        _walk_through(browser, address, tmp_path / "work")


def _walk_through(browser, address, work) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 2600})
    run_all(page, address)

    frame = page.locator("svg[aria-label^='Learning curves']")
    frame.wait_for()
    assert "of 6 epochs" in frame.get_attribute("aria-label")
    take(page, "live")
    (work / "seen").touch()
    page.wait_for_selector(".eu-confidence svg circle")
    assert frame.count() == 0, "a frame was left beside the finished figure"
    assert "after 6 epochs" in page.inner_text(".jp-Notebook")

    _sort_table(page)
    _walk(page)
    _judge(page)
    take(page, "labs")
    page.close()


def _sort_table(page) -> None:
    labels = page.locator("table.emotion-scores tbody b:first-child")
    assert sorted(labels.all_inner_texts()[::2]) == ["<i>tiny</i>", "baseline"]
    button = page.get_by_role("button", name="parameters")
    button.focus()
    button.press("Enter")
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("parameters")
    first = page.locator("table.emotion-scores tbody tr").first
    assert "baseline" in first.inner_text()
    button.press("Enter")
    assert "tiny" in first.inner_text()


def _walk(page) -> None:
    rate = page.get_by_role("slider", name="learning rate")
    rate.focus()
    paths = "() => [...document.querySelectorAll('.eu-descent polyline')].map(p => p.getAttribute('points')).join(';')"
    before = page.evaluate(paths)
    for _ in range(5):
        rate.press("ArrowRight")
    page.wait_for_function(f"before => ({paths})() !== before", arg=before)
    page.get_by_role("button", name="too large").click()
    status = page.locator(".eu-descent .eu-status")
    assert "runs away" in status.inner_text()
    assert "leaves the map at step" in page.locator(".eu-descent-note").text_content()
    page.get_by_role("button", name="momentum 1").click()
    assert "never settles" in status.inner_text()


def _judge(page) -> None:
    threshold = page.get_by_role("slider", name="threshold")
    threshold.focus()
    for _ in range(5):
        threshold.press("ArrowRight")
    told = page.locator(".eu-confidence .eu-status").last
    chosen = answer_above(ConfidenceLab(*scores()).probabilities(), scores()[1], 0.05)
    low, high = chosen.interval
    interval = f"(95 %: {100 * low:.1f} % to {100 * high:.1f} %)"  # the kernel computes it
    page.wait_for_function("text => document.querySelector('.eu-confidence').innerText.includes(text)", arg=interval)
    assert f"Answers for {chosen.kept} of 300 faces" in told.inner_text()
    left = page.locator(".eu-confidence .eu-status").first.inner_text()
    page.get_by_role("button", name="fitted here").click()
    assert page.locator(".eu-confidence .eu-status").first.inner_text() != left
