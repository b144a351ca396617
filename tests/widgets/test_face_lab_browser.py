"""The face lab as a reader meets it: a front end in headless Chromium, a slider moved, face and bars changed."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from places import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Their modules, and where a notebook opens. Both are the same application, `window.jupyterapp`, with another shell.
FRONT_ENDS = {"jupyterlab": ("LabApp", "lab/tree"), "notebook": ("JupyterNotebookApp", "notebooks")}
PATIENCE = 60_000  # milliseconds; a busy machine takes long to start a browser and a kernel
CELL = """
import torch
from emotion_utils.widgets.face_lab import FaceLab

class Brightness(torch.nn.Module):
    def predict_proba(self, images):
        return torch.softmax(images.float()[:, 0, :42].reshape(len(images), 7, -1).mean(2) / 10, 1)

lab = FaceLab(Brightness())
lab
"""
FACE_BYTES = """async () => {
  const image = document.querySelector('.widget-image');
  const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
  return Array.from(bytes).join(',');
}"""


@pytest.fixture(params=FRONT_ENDS)
def front_end(request, tmp_path):
    """Start JupyterLab, or Notebook 7, on a folder with one notebook; yield the address of that notebook."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed (extra: test)")
    application, place = FRONT_ENDS[request.param]
    work = tmp_path / "work"
    work.mkdir()
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL.strip())]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), work / "lab.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "OMP_NUM_THREADS": "1",
        **{f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")},
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=test",
        f"--{application}.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    log = (tmp_path / "jupyter.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", request.param, *options],
        cwd=work,
        env=env,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(f"{base}/api/status?token=test", server, tmp_path / "jupyter.log")
        yield f"{base}/{place}/lab.ipynb?token=test"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    """Wait until `address` answers; fail with the log if the server ends or stays silent."""
    for _ in range(PATIENCE // 250):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    pytest.fail(f"Jupyter does not answer:\n{log.read_text()}")


def test_moving_a_slider_changes_face_and_bars(front_end):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(front_end)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".widget-image")
        page.wait_for_selector(".emotion-bars")
        face, bars = page.evaluate(FACE_BYTES), page.inner_text(".emotion-bars")
        assert len(face) > 1000
        assert "angry" in bars
        seen = page.inner_text(".jp-Notebook")
        assert "the face follows" in seen
        assert "textbook expressions of one drawn person" not in seen, (
            "the stand-in's sentence stands below the live lab"
        )

        slider = page.locator(".widget-slider").first
        if "/lab/" in front_end:
            for _ in range(10):
                slider.locator(".noUi-handle").press("ArrowRight")
        else:  # by mouse, in the middle: Notebook 7 keeps the arrow keys for its cells
            slider.locator(".noUi-target").click()
        page.wait_for_function("() => document.body.innerText.includes('Shown: AU1 0.50')")
        page.wait_for_function("before => document.querySelector('.emotion-bars').innerText !== before", arg=bars)
        assert page.evaluate(FACE_BYTES) != face
        picture = os.environ.get("FACELAB_SCREENSHOT")
        if picture:
            page.screenshot(path=picture)

        page.get_by_role("button", name="happy").click()
        page.wait_for_function("() => document.body.innerText.includes('AU12 1.00')")
        browser.close()
