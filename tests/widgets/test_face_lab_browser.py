"""The face lab as a reader meets it: a front end in headless Chromium, a slider moved, face and bars changed."""

import importlib.util
import os

import pytest
from widget_pages import CHROMIUM, FLAGS, FRONT_ENDS, jupyterlab, run_all

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

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
    with jupyterlab(tmp_path, [CELL], request.param) as address:
        yield address


def test_moving_a_slider_changes_face_and_bars(front_end):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        run_all(page, front_end)
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
