"""Curves, labs and scoreboard as a reader meets them: in JupyterLab, in headless Chromium, with the keyboard.

Their arithmetic is compared with PyTorch's in `test_labs_arithmetic_browser.py`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from places import REPOSITORY
from small_scores import scores

from emotion_utils.evaluation.selection import answer_above
from emotion_utils.widgets.confidence_lab import ConfidenceLab

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
PATIENCE = 90_000  # milliseconds; a busy machine takes long to start a browser and a kernel
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


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """Start JupyterLab on a folder with one notebook; yield that folder and the notebook's address."""
    home = tmp_path_factory.mktemp("lab")
    work = home / "work"
    work.mkdir()
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.split("---")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), work / "lab.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tests = REPOSITORY / "tests"
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, tests))),
        "IPYTHONDIR": str(home / "ipython"),
        "OMP_NUM_THREADS": "1",
        **{f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token=test", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (home / "jupyter.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=work, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for _ in range(PATIENCE // 250):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token=test", timeout=2).close()
                    break
                except OSError:
                    assert server.poll() is None, (home / "jupyter.log").read_text()
                    time.sleep(0.25)
            yield work, f"http://127.0.0.1:{port}/lab/tree/lab.ipynb?token=test"
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_curves_grow_labs_follow_the_keyboard_and_the_table_sorts(browser, jupyterlab):
    work, address = jupyterlab
    page = browser.new_page(viewport={"width": 1200, "height": 2600})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

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


def take(page, name: str) -> None:
    """Keep a screenshot in the folder that `WIDGET_SCREENSHOTS` names, to be looked at."""
    folder = os.environ.get("WIDGET_SCREENSHOTS")
    if folder:
        page.screenshot(path=os.path.join(folder, f"{name}.png"))
