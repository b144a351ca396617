"""What `TrainConfig(tensorboard=…)` writes, as a reader meets it: in TensorBoard's page, in headless Chromium.

With WIDGET_SCREENSHOTS=FOLDER it leaves `tensorboard.png` there; notebook 07 shows a copy of it.
"""

import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from small_faces import small_faces
from small_runs import small_cnn
from widget_pages import CHROMIUM, FLAGS, PATIENCE, take

from emotion_utils.training import TrainConfig, train

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra: tensorboard)")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Train twice with event files, and start TensorBoard on their folder."""
    folder = tmp_path_factory.mktemp("runs")
    faces, unseen = small_faces(420), small_faces(140, seed=2)
    for rate in (0.002, 0.02):
        where = {"device": "cpu", "progress": False, "tensorboard": folder / f"rate {rate}"}
        config = TrainConfig(epochs=8, batch_size=20, learning_rate=rate, **where)
        train(small_cnn(), faces, unseen, config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--logdir", str(folder), "--port", str(port), "--load_fast", "false"]
    log = (folder / "server.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", *options], stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/data/runs", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _wait_for(address, server, log):
    """Wait until both runs are listed."""
    for _ in range(PATIENCE // 250):
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.read().count(b"rate ") == 2:
                    return
        except OSError:
            assert server.poll() is None, log.read_text()
        time.sleep(0.25)
    raise AssertionError(f"TensorBoard does not list the runs:\n{log.read_text()}")


@pytest.mark.slow
def test_both_runs_and_their_curves_are_on_the_page(address):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1180, "height": 620})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        for rate in ("rate 0.002", "rate 0.02"):
            page.get_by_text(rate, exact=True).first.wait_for()
        page.get_by_role("combobox", name=re.compile("Filter tags")).fill("train_loss|val_accuracy")
        for column in ("train_loss", "val_accuracy"):
            page.get_by_text(re.compile(column)).first.wait_for()
        page.wait_for_selector("line-chart svg path, line-chart canvas")
        page.get_by_role("button", name=re.compile("settings", re.I)).first.click()  # its panel takes half of the page
        page.wait_for_timeout(1500)  # until the lines are drawn, for the picture alone
        take(page, "tensorboard")
        browser.close()
