"""The camera in headless Chromium, whose fake device plays a drawn film; once in JupyterLab with a real kernel."""

import numpy as np
import pytest
import torch
from PIL import Image
from widget_pages import CHROMIUM, FLAGS, bare_page, jupyterlab, run_all, take, until

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.pretrained import load_pretrained
from emotion_utils.photos import finders
from emotion_utils.widgets.camera import Camera
from emotion_utils.widgets.film import drawn_film

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")
ALLOWED = {"kernel": True, "permissions": ["camera"]}
STATUS = "text => document.querySelector('.eu-status').textContent.includes(text)"
BARS = "() => document.querySelector('.eu-faces').querySelectorAll('.eu-bars-row').length === 7"
CELL = """
from emotion_utils.widgets import Camera, CropLab
camera = Camera("synthetic", overlay=True)
camera
"""
CROP = "lab = CropLab(None, 'synthetic', box=(90, 90, 100, 0))\nlab"


def write_y4m(path, film, rate=10):
    """Write grey frames, uint8 (T, H, W), as YUV4MPEG2, which Chromium's fake camera plays in a circle."""
    _, height, width = film.shape
    grey = bytes([128]) * (height // 2 * (width // 2) * 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in film:
            file.write(b"FRAME\n" + frame.tobytes() + grey)
    return path


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, tmp_path_factory):
    """Chromium with a camera that films a drawn person."""
    film = drawn_film(12).repeat_interleave(2, 1).repeat_interleave(2, 2).numpy()  # (T, 240, 320)
    path = write_y4m(tmp_path_factory.mktemp("camera") / "film.y4m", film)
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={path}"]
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS + flags)
    yield started
    started.close()


def network(build=LinearModel, **arguments):
    torch.manual_seed(0)
    model = build(classes=EMOTIONS, **arguments)
    model.set_normalisation(0.5, 0.25)
    return model


def start(page):
    page.get_by_role("button", name="Start the camera").click()


def kinds(page):
    return page.evaluate("() => (model.sent ?? []).map((content) => content.kind)")


def test_nothing_starts_before_the_click_and_the_click_is_explained(browser):
    with bare_page(browser, Camera(network()), **ALLOWED) as page:
        page.wait_for_timeout(300)
        assert kinds(page) == []
        assert page.evaluate("() => document.querySelector('video').srcObject") is None
        promise = page.locator(".eu-promise").inner_text()
        assert "nothing is stored" in promise
        assert page.locator("canvas.eu-screen").is_hidden()


def test_frames_are_answered_and_escape_stops(browser):
    camera = Camera(load_pretrained("synthetic"), overlay=True)
    with bare_page(browser, camera, **ALLOWED) as page:
        start(page)
        page.wait_for_function(BARS)
        page.wait_for_function("() => (model.sent ?? []).length > 12")
        page.wait_for_function("() => document.querySelector('.eu-title').textContent.includes('in the kernel')")
        if finders():
            assert "No face found" not in page.locator(".eu-status").inner_text()
        shares = [float(text) for text in page.locator(".eu-share").all_inner_texts()]
        assert sum(shares) == pytest.approx(1, abs=0.05)
        take(page, "camera")
        page.keyboard.press("Escape")
        count = len(kinds(page))
        page.wait_for_timeout(400)
        assert len(kinds(page)) == count
        assert page.evaluate("() => document.querySelector('video').srcObject") is None
        assert page.get_by_role("button", name="Start the camera").is_visible()


def test_frames_are_small_and_never_more_than_two_are_underway(browser):
    with bare_page(browser, Camera(network()), permissions=["camera"]) as page:  # nobody answers
        start(page)
        page.wait_for_function("() => (model.sent ?? []).length === 2")
        page.wait_for_function(STATUS, arg="does not answer")
        assert kinds(page) == ["frame", "frame"]
        sent = page.evaluate("() => model.sent[1]")
        answer = {
            "kind": "answer", "view": sent["view"], "number": sent["number"], "size": [320, 240], "found": True,
            "square": [160, 120, 100, 0], "classes": ["<b>a</b>", "b"], "probabilities": [0.9, 0.1], "reasons": [],
            "note": "", "milliseconds": 1, "heat": 0,
        }  # fmt: skip
        page.evaluate("(answer) => model.say(answer)", answer)
        page.wait_for_function("() => model.sent.length === 3")  # one answer, one frame more
        assert page.locator(".eu-bars b b").count() == 0
        # An answer that was overtaken, or belongs to another output, changes nothing.
        for other in ({"number": 1}, {"view": "another"}):
            page.evaluate("(answer) => model.say(answer)", answer | {"probabilities": [0.1, 0.9]} | other)
        assert page.locator(".eu-share").first.inner_text() == "0.90"


def test_a_frame_is_no_larger_than_needed(browser):
    sizes = []
    camera = Camera(network())
    read = camera.reader.read
    camera.reader.read = lambda frame, *given, **named: sizes.append(frame.size) or read(frame, *given, **named)
    with bare_page(browser, camera, **ALLOWED) as page:
        start(page)
        until(page, lambda: len(sizes) > 2)
    assert set(sizes) == {(320, 240)}


def test_settings_reach_python_and_come_from_there(browser):
    camera = Camera(network(EmotionCNN, widths=(4, 8)))
    with bare_page(browser, camera, kernel=True) as page:
        page.get_by_label("where the network looks (Grad-CAM)").check()
        until(page, lambda: camera.overlay and camera.reader.overlay)
        page.get_by_label("smoothing").fill("1.5")
        until(page, lambda: camera.reader.smoothing == 1.5)
        page.evaluate("() => model.arrive({ mirror: false, smoothing: 0.2 })")
        assert not page.get_by_label("as in a mirror").is_checked()
        assert "0.2 s" in page.locator(".eu-slider output").inner_text()


def test_a_network_without_maps_offers_none(browser):
    with bare_page(browser, Camera(network())) as page:
        assert page.get_by_label("where the network looks (Grad-CAM)").is_disabled()


def test_a_picture_from_a_file_is_looked_at_once(browser, tmp_path):
    Image.fromarray(np.full((200, 300), 3, np.uint8)).save(tmp_path / "dark.png")
    (tmp_path / "text.jpg").write_text("no picture")
    with bare_page(browser, Camera(network()), kernel=True) as page:
        page.locator("input[type=file]").set_input_files(tmp_path / "dark.png")
        page.wait_for_function(STATUS, arg="almost black")
        page.wait_for_timeout(300)
        assert kinds(page) == ["frame"]
        page.locator("input[type=file]").set_input_files(tmp_path / "text.jpg")
        page.wait_for_function(STATUS, arg="“text.jpg” is no picture")
        assert kinds(page) == ["frame"]


def test_the_drawn_film_plays_where_there_is_no_camera(browser):
    with bare_page(browser, Camera(network(), overlay=True), kernel=True, width=400) as page:
        page.get_by_role("button", name="Play the drawn film").click()
        page.wait_for_function(BARS)
        page.wait_for_function("() => model.sent.length > 4")
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), "wider than the window"
        page.get_by_role("button", name="Stop the film").click()
        assert page.get_by_role("button", name="Play the drawn film").is_visible()


def test_a_camera_that_is_refused_is_a_sentence(browser):
    with bare_page(browser, Camera(network()), kernel=True) as page:
        page.evaluate("""() => {
            navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };
        }""")
        start(page)
        page.wait_for_function(STATUS, arg="may not use the camera")
        assert kinds(page) == []
        for name, said in (("NotReadableError", "another program"), ("AbortError", "AbortError")):
            page.evaluate(f"""() => {{
                navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('no', '{name}'); }};
            }}""")
            start(page)
            page.wait_for_function(STATUS, arg=said)


def test_a_browser_without_a_way_to_cameras_is_a_sentence(browser):
    with bare_page(browser, Camera(network()), kernel=True) as page:
        page.evaluate("() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        start(page)
        page.wait_for_function(STATUS, arg="https:// pages")


def test_a_camera_that_is_unplugged_is_a_sentence(browser):
    with bare_page(browser, Camera(network()), **ALLOWED) as page:
        start(page)
        page.wait_for_function(BARS)
        page.evaluate("""() => {
            const [track] = document.querySelector('video').srcObject.getVideoTracks();
            track.dispatchEvent(new Event('ended'));
        }""")
        page.wait_for_function(STATUS, arg="unplugged")
        assert page.get_by_role("button", name="Start the camera").is_visible()


def test_a_computer_without_cameras_and_a_user_who_says_no(playwright):
    """Here the browser itself says so, not a stand-in."""
    plain = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    with bare_page(plain, Camera(network()), **ALLOWED) as page:
        start(page)
        page.wait_for_function(
            "() => /no camera|may not use the camera/.test(document.querySelector('.eu-status').textContent)"
        )
    plain.close()


def test_what_closes_turns_the_camera_off(browser):
    with bare_page(browser, Camera(network()), **ALLOWED) as page:
        start(page)
        page.wait_for_function(BARS)
        page.evaluate("""() => {
            window.track = document.querySelector('video').srcObject.getVideoTracks()[0];
            close_widget();
        }""")
        assert page.evaluate("() => [track.readyState, model.listeners(), document.querySelector('.eu-lab')]") == [
            "ended", 0, None,
        ]  # fmt: skip


def test_in_jupyterlab(browser, tmp_path):
    with jupyterlab(tmp_path, [CELL, CROP]) as address:
        page = browser.new_page(viewport={"width": 1300, "height": 1100}, permissions=["camera"])
        run_all(page, address)
        page.wait_for_selector(".eu-promise")
        start(page)
        page.wait_for_function(BARS)
        page.wait_for_function("() => /frames a second/.test(document.querySelector('.eu-look').innerText)")
        for lab in page.locator(".eu-faces").all():
            assert lab.get_attribute("data-lm-suppress-shortcuts") == "true"
        take(page, "camera_lab")
        page.keyboard.press("Escape")
        assert page.get_by_role("button", name="Start the camera").is_visible()
        crop = page.locator("canvas.eu-hand")
        crop.focus()
        before = page.locator(".eu-faces").nth(1).locator(".eu-share").all_inner_texts()
        crop.press("Shift+ArrowRight")
        crop.press("Shift+>")
        page.wait_for_function(
            "before => Array.from(document.querySelectorAll('.eu-faces')[1].querySelectorAll('.eu-share'))"
            ".some((share, i) => share.textContent !== before[i])",
            arg=before,
        )
        saved = page.evaluate("""async () => {
            const context = window.jupyterapp.shell.currentWidget.context;
            await context.save();
            return JSON.stringify(context.model.toJSON());
        }""")
        assert '"widgets"' not in saved.split('"metadata"')[-1]
        assert "data:image/jpeg" not in saved
        page.close()
