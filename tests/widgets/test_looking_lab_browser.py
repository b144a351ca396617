"""The looking lab as a reader meets it: in headless Chromium, a slider, a button and a list change the map."""

import pytest
from widget_pages import CHROMIUM, FLAGS, jupyterlab, run_all, take

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")

CELL = """
from emotion_utils.models import load_pretrained
from emotion_utils.widgets import LookingLab
lab = LookingLab(load_pretrained("synthetic"))
lab
"""
PICTURES = "() => Array.from(document.querySelectorAll('.widget-image')).map((image) => image.src)"
IDLE = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
CHANGED = "before => document.querySelectorAll('.widget-image')[0].src !== before"


def test_map_and_truth_follow_slider_button_and_list(tmp_path):
    with jupyterlab(tmp_path, [CELL]) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        run_all(page, address)
        page.wait_for_selector(".emotion-bars")
        page.wait_for_function("() => document.querySelectorAll('.widget-image').length >= 4")
        page.wait_for_function("() => document.body.innerText.includes('hardly any expression')")

        before = page.evaluate(PICTURES)
        handle = page.locator(".widget-slider .noUi-handle").first
        handle.focus()
        for _ in range(10):
            handle.press("ArrowRight")
        page.wait_for_function("() => document.body.innerText.includes('Shown: AU1 0.50')")
        page.wait_for_function(CHANGED, arg=before[0])

        before = page.evaluate(PICTURES)
        page.get_by_role("button", name="happy").click()
        page.wait_for_function("() => document.body.innerText.includes('of the map lies inside the truth')")
        page.wait_for_function(CHANGED, arg=before[0])

        page.wait_for_function(IDLE)  # all pictures have come
        page.wait_for_timeout(500)
        before = page.evaluate(PICTURES)
        page.locator(".widget-dropdown select").first.select_option("gradient")
        page.wait_for_function(CHANGED, arg=before[0])
        after = page.evaluate(PICTURES)
        assert after[1] == before[1]  # the truth does not ask how one looks
        take(page, "looking_lab")
        browser.close()
