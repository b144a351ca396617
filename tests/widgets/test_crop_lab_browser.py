"""The crop lab in headless Chromium, on a bare page: hands, fingers and keys move the square, and Python follows."""

import numpy as np
import pytest
import torch
from PIL import Image
from widget_pages import CHROMIUM, FLAGS, bare_page, take, until

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.pretrained import load_pretrained
from emotion_utils.widgets.crop_lab import CropLab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 400), dtype=np.uint8))
FIRST = (200, 100, 60, 0)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def lab():
    torch.manual_seed(0)
    model = LinearModel(classes=EMOTIONS)
    model.set_normalisation(0.5, 0.25)
    return CropLab(PICTURE, model, box=FIRST)


def drag(page, start, *stops):
    """Press the mouse on a place of the picture, given in its pixels, and move it over others."""
    frame = page.locator("canvas.eu-screen").bounding_box()
    zoom = frame["width"] / PICTURE.width
    places = [(frame["x"] + x * zoom, frame["y"] + y * zoom) for x, y in (start, *stops)]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def test_the_mouse_moves_resizes_and_turns(browser, lab):
    with bare_page(browser, lab, kernel=True) as page:
        page.wait_for_function("() => document.querySelector('canvas.eu-screen').clientHeight > 100")
        drag(page, (200, 100), (150, 120))
        until(page, lambda: lab.box == pytest.approx((150, 120, 60, 0), abs=1.5))
        drag(page, (180, 150), (210, 180))  # a corner
        until(page, lambda: lab.box == pytest.approx((150, 120, 120, 0), abs=3))
        zoom = page.locator("canvas.eu-screen").bounding_box()["width"] / PICTURE.width
        drag(page, (150, 60 - 26 / zoom), (236, 120))  # the handle above the square, to its right
        until(page, lambda: lab.box == pytest.approx((150, 120, 120, 90), abs=3))
        drag(page, (150, 120), (-500, 900))  # beyond the picture
        until(page, lambda: lab.box[:2] == (0, 200))


def test_keys_and_sliders_do_the_same_and_the_bars_follow(browser, lab):
    with bare_page(browser, lab, kernel=True, width=420) as page:
        screen = page.locator("canvas.eu-screen")
        screen.focus()
        for key in ("ArrowRight", "Shift+ArrowDown", "+", ".", "Shift+>"):
            screen.press(key)
        until(
            page, lambda: lab.box[2] == pytest.approx(63) and lab.box[3] == 12 and lab.box[0] > 200 < 100 + lab.box[1]
        )
        label = lab.prediction.label
        page.wait_for_function("label => document.querySelector('.eu-status').textContent.includes(label)", arg=label)
        shown = page.locator(".eu-share").all_inner_texts()
        assert [float(text) for text in shown] == pytest.approx(lab.probabilities.tolist(), abs=0.006)
        page.get_by_label("side", exact=True).fill("100")
        until(page, lambda: lab.box[2] == 100)
        screen.press("Home")
        until(page, lambda: lab.box == FIRST)
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
        assert screen.evaluate("element => element.closest('[data-lm-suppress-shortcuts]') !== null")


def test_two_fingers_move_resize_and_turn_at_once(browser, lab):
    with bare_page(browser, lab, kernel=True, has_touch=True) as page:
        page.wait_for_function("() => document.querySelector('canvas.eu-screen').clientHeight > 100")
        page.evaluate("""() => {
            const screen = document.querySelector('canvas.eu-screen');
            screen.setPointerCapture = () => {};
            const frame = screen.getBoundingClientRect();
            const zoom = frame.width / 400;
            const finger = (kind, pointerId, x, y) => screen.dispatchEvent(new PointerEvent(kind, {
                pointerId, pointerType: 'touch', button: 0, bubbles: true,
                clientX: frame.left + x * zoom, clientY: frame.top + y * zoom,
            }));
            finger('pointerdown', 1, 180, 100);
            finger('pointerdown', 2, 220, 100);
            finger('pointermove', 1, 200, 60);
            finger('pointermove', 2, 200, 140);
            finger('pointerup', 1, 200, 60);
            finger('pointerup', 2, 200, 140);
        }""")
        until(page, lambda: lab.box == pytest.approx((200, 100, 120, 90), abs=1))


def test_what_python_sets_is_shown_and_a_closed_lab_is_silent(browser, lab):
    with bare_page(browser, lab) as page:
        page.wait_for_function("() => document.querySelector('canvas.eu-screen').clientHeight > 100")
        page.evaluate("() => model.arrive({ box: [100, 50, 80, -45] })")
        page.wait_for_function("() => document.querySelector('.eu-slider output').textContent === '80 pixels'")
        page.evaluate("() => close_widget()")
        assert page.evaluate("() => [model.listeners(), document.querySelector('.eu-lab')]") == [0, None]


def test_a_kernel_that_does_not_answer_is_said(browser, lab):
    with bare_page(browser, lab) as page:  # nobody hears
        page.locator("canvas.eu-screen").press("ArrowLeft")
        page.wait_for_function("() => document.querySelector('.eu-status').textContent.includes('does not answer')")
        page.locator("canvas.eu-screen").press("ArrowLeft")
        assert page.evaluate("() => model.saves") == 1, "boxes pile up"


def test_names_are_text(browser):
    model = LinearModel(classes=("<img src=x onerror=alert(1)>", "b"))
    model.set_normalisation(0.5, 0.25)
    with bare_page(browser, CropLab(PICTURE, model)) as page:
        assert page.locator(".eu-lab img").count() == 0
        assert "<img" in page.locator(".eu-bars").inner_text()


def test_a_look_at_a_drawn_face(browser):
    with bare_page(browser, CropLab(None, load_pretrained("synthetic")), kernel=True) as page:
        page.locator("canvas.eu-screen").press("Shift+>")
        page.wait_for_timeout(400)
        take(page, "crop_lab")
        assert page.locator(".eu-bars-row").count() == 7
