"""One frame after another: what is seen is what `predict_photo` sees, and the mean forgets by the clock."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.explain import grad_cam
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.photos import finders, predict_photo
from emotion_utils.widgets.film import drawn_film
from emotion_utils.widgets.frames import FrameReader

FILM = drawn_film(6)
needs_finder = pytest.mark.skipif(not finders(), reason="no face finder is installed (extra: photos)")
WALL = np.full((60, 80), 140, np.uint8)


def network(build=LinearModel, **arguments):
    torch.manual_seed(0)
    model = build(classes=EMOTIONS, **arguments)
    model.set_normalisation(0.5, 0.25)
    return model


@needs_finder
def test_a_frame_gives_what_predict_photo_gives():
    model = network()
    for frame in FILM:
        seen = FrameReader(model, smoothing=0).read(frame)
        (wanted,) = predict_photo(frame, model, scales=(1.0,), mirror=False)
        assert seen.found
        assert seen.face == wanted.face
        assert torch.equal(seen.probabilities, wanted.probabilities)
        assert torch.equal(seen.smoothed, seen.probabilities)
        assert seen.label == wanted.label
        assert {"read", "find", "predict"} == set(seen.milliseconds)


@needs_finder
@pytest.mark.parametrize("frequencies", ["equal", "learnt", dict.fromkeys(EMOTIONS, 1) | {"happy": 9}])
def test_a_frame_takes_emotions_to_be_as_common_as_predict_photo_does(frequencies):
    model = network()
    model.frequencies = (0.1, 0.02, 0.14, 0.25, 0.17, 0.11, 0.21)
    seen = FrameReader(model, smoothing=0, frequencies=frequencies).read(FILM[0])
    (wanted,) = predict_photo(FILM[0], model, scales=(1.0,), mirror=False, frequencies=frequencies)
    assert torch.equal(seen.probabilities, wanted.probabilities)


def test_the_mean_forgets_by_the_clock_whatever_the_rate():
    reader = FrameReader(network(), smoothing=0.5)
    walls = [np.full((60, 80), level, np.uint8) for level in (60, 200)]
    first = reader.read(walls[0], 0.0)
    assert torch.equal(first.smoothed, first.probabilities)
    second = reader.read(walls[1], 0.25)
    keep = math.exp(-0.25 / 0.5)
    torch.testing.assert_close(second.smoothed, keep * first.probabilities + (1 - keep) * second.probabilities)
    assert not torch.allclose(second.smoothed, second.probabilities, atol=1e-3)
    # Ten frames of one wall within a second weigh as much as two.
    slow, fast = FrameReader(reader.network, 0.5), FrameReader(reader.network, 0.5)
    for other, times in ((slow, [0.5, 1.0]), (fast, [number / 10 for number in range(1, 11)])):
        other.read(walls[0], 0.0)
        for at in times:
            last = other.read(walls[1], at)
        other.last = last.smoothed
    torch.testing.assert_close(slow.last, fast.last)


@pytest.mark.parametrize("at", [30.0, -1.0])
def test_after_a_gap_or_with_a_clock_turned_back_the_mean_begins_anew(at):
    reader = FrameReader(network(), smoothing=1.0)
    reader.read(np.full((60, 80), 60, np.uint8), 0.0)
    seen = reader.read(np.full((60, 80), 200, np.uint8), at)
    assert torch.equal(seen.smoothed, seen.probabilities)


@needs_finder
def test_a_face_and_a_wall_are_not_averaged():
    reader = FrameReader(network(), smoothing=5.0)
    reader.read(FILM[0], 0.0)
    seen = reader.read(WALL, 0.1)
    assert not seen.found
    assert seen.reasons[0] == "no face"
    assert "No face found" in seen.note
    assert torch.equal(seen.smoothed, seen.probabilities)
    assert seen.box.as_tuple() == (10, 0, 60, 60)


def test_a_black_frame_is_said():
    seen = FrameReader(network()).read(np.full((60, 80), 4, np.uint8))
    assert "almost black" in seen.note
    assert {"no face", "too dark"} <= set(seen.reasons)


def test_without_a_finder_the_middle_counts_and_that_is_said(monkeypatch):
    monkeypatch.setattr("emotion_utils.widgets.frames.finders", lambda: ())
    seen = FrameReader(network()).read(FILM[0])
    assert "middle square" in seen.note
    assert "no face" not in seen.reasons
    assert seen.box.as_tuple() == (20, 0, 120, 120)


@needs_finder
def test_the_largest_of_several_faces_counts_and_that_is_said():
    both = np.full((240, 480), 120, np.uint8)
    both[:120, :160] = FILM[0].numpy()
    both[:, 160:] = np.kron(FILM[1].numpy(), np.ones((2, 2), np.uint8))
    seen = FrameReader(network()).read(both)
    assert "Several faces" in seen.note
    assert seen.box.centre[0] > 240


def test_unsure_goes_by_the_mean():
    reader = FrameReader(network(), smoothing=0, threshold=1.0)
    assert "unsure" in reader.read(WALL).reasons
    reader = FrameReader(network(), smoothing=0, threshold=0.0)
    assert "unsure" not in reader.read(WALL).reasons


def test_the_map_is_grad_cam_of_the_crop():
    model = network(EmotionCNN, widths=(4, 8))
    reader = FrameReader(model, smoothing=0, overlay=True)
    seen = reader.read(FILM[2])
    (wanted,) = predict_photo(FILM[2], model, faces=seen.face, scales=(1.0,), mirror=False)
    cam = grad_cam(model, wanted.crop[None], int(wanted.probabilities.argmax()))[0]
    torch.testing.assert_close(seen.heat, cam / cam.max().clamp(min=1e-12))
    assert FrameReader(model).read(FILM[2]).heat is None
    assert FrameReader(model).read(FILM[2], overlay=True).heat is not None
    assert reader.read(FILM[2], overlay=False).heat is None


def test_a_network_without_maps_has_no_map():
    reader = FrameReader(network(), overlay=True)
    assert not reader.can_explain
    assert reader.read(WALL).heat is None


def test_reading_leaves_the_network_as_it_was():
    model = network(EmotionCNN, widths=(4, 8)).train()
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    FrameReader(model, overlay=True).read(FILM[0])
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_bad_frame_is_named_and_the_mean_stays():
    reader = FrameReader(network(), smoothing=1.0)
    first = reader.read(WALL, 0.0)
    for frame, error in ((b"no picture", ValueError), (b"", ValueError), (5, TypeError), ("nowhere.png", OSError)):
        with pytest.raises(error):
            reader.read(frame, 0.1)
    with pytest.raises(ValueError, match="seconds=nan"):
        reader.read(WALL, float("nan"))
    torch.testing.assert_close(reader.read(WALL, 0.2).smoothed, first.smoothed)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "fer2014"}, ValueError, "model='fer2014'"),
        ({"model": nn.Linear}, TypeError, r"Linear\(\)"),
        ({"model": LinearModel()}, ValueError, "LinearModel.*classes"),
        ({"smoothing": -1}, ValueError, "smoothing=-1"),
        ({"smoothing": float("inf")}, ValueError, "smoothing=inf"),
        ({"threshold": 2}, ValueError, "threshold=2"),
        ({"frequencies": "even"}, ValueError, "frequencies='even'"),
        ({"overlay": "yes"}, (ValueError, TypeError), "overlay"),
    ],
)
def test_bad_settings_are_named(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        FrameReader(**{"model": network()} | arguments)
    assert len(str(caught.value)) <= 400
