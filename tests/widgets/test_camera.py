"""The camera's kernel side: messages as the browser sends them, answered or refused; nothing is kept."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.priors import adjust_priors
from emotion_utils.widgets.camera import Camera
from emotion_utils.widgets.film import drawn_film

FILM = drawn_film(3)


def network(build=LinearModel, **arguments):
    torch.manual_seed(0)
    model = build(classes=EMOTIONS, **arguments)
    model.set_normalisation(0.5, 0.25)
    return model


def jpeg(frame) -> memoryview:
    file = io.BytesIO()
    Image.fromarray(np.asarray(frame)).save(file, format="jpeg")
    return memoryview(file.getvalue())


class Browser:
    """Talks to a widget as the page does."""

    def __init__(self, camera):
        self.camera, self.heard, self.number = camera, [], 0
        camera.send = lambda content, buffers=None: self.heard.append((content, list(buffers or [])))

    def say(self, content, buffers=()):
        before = len(self.heard)
        self.camera._handle_custom_msg(content, list(buffers))
        return self.heard[before:]

    def show(self, frame, seconds=0.0, view="a", **more):
        self.number += 1
        content = {"kind": "frame", "view": view, "number": self.number, "seconds": seconds} | more
        ((answer, buffers),) = self.say(content, [frame if isinstance(frame, memoryview) else jpeg(frame)])
        assert (answer["view"], answer["number"]) == (view, self.number)
        return answer, buffers


def test_a_frame_is_answered_as_it_is_read_by_hand():
    camera = Camera(network(), smoothing=0)
    answer, buffers = Browser(camera).show(FILM[1])
    seen = Camera(network(), smoothing=0).read(bytes(jpeg(FILM[1])), 0.0)
    assert answer["kind"] == "answer"
    assert answer["size"] == [160, 120]
    assert answer["square"] == pytest.approx([*seen.box.centre, seen.box.width, seen.tilt])
    assert answer["probabilities"] == pytest.approx(seen.smoothed.tolist(), abs=1e-4)
    assert answer["classes"] == list(EMOTIONS)
    assert (answer["reasons"], answer["note"], answer["found"]) == (list(seen.reasons), seen.note, seen.found)
    assert buffers == []


def test_emotions_are_taken_to_be_as_common_as_is_said():
    model = network()
    model.frequencies = (0.1, 0.02, 0.14, 0.25, 0.17, 0.11, 0.21)
    told = {}
    for frequencies in ("equal", "learnt"):
        camera = Camera(model, smoothing=0, frequencies=frequencies)
        told[frequencies] = Browser(camera).show(FILM[1])[0]["probabilities"]
    assert torch.tensor(told["equal"]).numpy() == pytest.approx(
        adjust_priors(torch.tensor([told["learnt"]]), model.frequencies)[0].numpy(), abs=2e-3
    )
    assert told["equal"] != told["learnt"]


def test_nothing_of_a_frame_stays_in_the_state_that_a_notebook_saves():
    camera = Camera(network())
    before = camera.get_state()
    browser = Browser(camera)
    for number, frame in enumerate(FILM):
        browser.show(frame, number / 10)
    assert camera.get_state() == before
    assert not any(isinstance(value, bytes | memoryview) for value in before.values())


def test_settings_follow_and_count():
    camera = Camera(network(), smoothing=10)
    browser = Browser(camera)
    walls = [np.full((60, 80), level, np.uint8) for level in (60, 200)]
    first, _ = browser.show(walls[0], 0.0)
    second, _ = browser.show(walls[1], 0.1)
    assert second["probabilities"] == pytest.approx(first["probabilities"], abs=0.002)
    camera.smoothing = 0
    third, _ = browser.show(walls[1], 0.2)
    assert third["probabilities"] != pytest.approx(second["probabilities"], abs=0.01)


@pytest.mark.parametrize("more", [{"first": True}, {"view": "b"}])
def test_a_new_start_or_another_output_has_a_mean_of_its_own(more):
    browser = Browser(Camera(network(), smoothing=10))
    walls = [np.full((60, 80), level, np.uint8) for level in (60, 200)]
    browser.show(walls[0], 0.0)
    answer, _ = browser.show(walls[1], 0.1, **more)
    alone, _ = Browser(Camera(network(), smoothing=10)).show(walls[1], 0.1)
    assert answer["probabilities"] == alone["probabilities"]


def test_the_map_comes_now_and_then_and_for_every_still_picture():
    camera = Camera(network(EmotionCNN, widths=(4, 8)), overlay=True)
    browser = Browser(camera)
    (first, buffers), (second, none) = browser.show(FILM[0], 0.0), browser.show(FILM[0], 0.01)
    assert first["heat"] == 48
    assert len(buffers[0]) == 48 * 48
    assert max(buffers[0]) == 255
    assert (second["heat"], none) == (0, [])
    assert camera.read(FILM[0], 0.01).heat is not None, "asked by hand, it is computed each time"
    assert browser.show(FILM[0], 0.02, still=True)[0]["heat"] == 48
    camera.overlay = False
    assert browser.show(FILM[0], 0.03, still=True)[0]["heat"] == 0


def test_the_drawn_film_comes_as_pictures():
    ((answer, pictures),) = Browser(Camera(network())).say({"kind": "film", "view": "a"})
    assert answer == {"kind": "film", "view": "a", "number": None, "rate": 10}
    assert {Image.open(io.BytesIO(picture)).size for picture in pictures} == {(160, 120)}
    assert sum(map(len, pictures)) < 400_000


@pytest.mark.parametrize(
    ("buffers", "said"),
    [
        ([], "0 parts"),
        ([memoryview(b"")], "bytes"),
        ([memoryview(b"a"), memoryview(b"b")], "2 parts"),
        ([memoryview(bytes(9_000_000))], "8,000,000"),
        ([memoryview(b"no picture at all")], "cannot identify"),
    ],
)
def test_a_frame_that_is_none_is_answered_with_a_sentence(buffers, said):
    browser = Browser(Camera(network()))
    ((answer, parts),) = browser.say({"kind": "frame", "view": "a", "number": 1, "seconds": 0.0}, buffers)
    assert answer["kind"] == "error"
    assert said in answer["note"]
    assert parts == []
    assert browser.show(FILM[0])[0]["kind"] == "answer"


def test_a_clock_that_is_none_is_said():
    answer, _ = Browser(Camera(network())).show(FILM[0], seconds="now")
    assert answer["kind"] == "error"
    assert "seconds='now'" in answer["note"]


@pytest.mark.parametrize("content", [None, 5, "frame", [], {}, {"kind": "anywidget-command"}, {"kind": 3}])
def test_other_messages_are_left_alone(content):
    assert Browser(Camera(network())).say(content) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("smoothing", -1), ("smoothing", 100), ("smoothing", None), ("smoothing", "x"), ("overlay", 2), ("mirror", None)],
)
def test_a_setting_that_cannot_be_is_refused_and_the_old_one_stays(name, value):
    camera = Camera(network())
    before = getattr(camera, name)
    with pytest.raises((ValueError, TypeError), match=name):
        setattr(camera, name, value)
    assert getattr(camera, name) == before
    with pytest.raises((ValueError, TypeError), match=name):
        Camera(network(), **{name: value})


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("fer2014", ValueError, "model='fer2014'"),
        (nn.Linear, TypeError, r"Linear\(\)"),
        (LinearModel(), ValueError, "classes"),
    ],
)
def test_a_model_that_is_none_is_named(model, error, message):
    with pytest.raises(error, match=message):
        Camera(model)


def test_the_stored_form_is_a_picture_with_a_description(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    Camera(network())._ipython_display_()
    assert shown[0][0]["image/png"].startswith(b"\x89PNG")
    assert "starts after a click" in shown[0][1]["metadata"]["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0][0]
