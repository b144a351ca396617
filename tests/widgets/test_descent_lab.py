"""The descent lab without a browser: paths by PyTorch, how they end, and what a viewer without widgets gets."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from emotion_utils.widgets.descent import PRESETS, VALLEYS, path, tell
from emotion_utils.widgets.descent_lab import SHOWN, DescentLab


@pytest.mark.parametrize("momentum", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("valley", VALLEYS)
def test_a_path_is_velocity_by_velocity_that_of_the_formula(valley, momentum):
    found = path(0.01, momentum, valley, steps=20)
    w, velocity = torch.tensor(VALLEYS[valley].start, dtype=torch.double), torch.zeros(2, dtype=torch.double)
    for step in range(21):
        torch.testing.assert_close(found.weights[step], w)
        gradient = torch.func.grad(VALLEYS[valley].loss)(w)
        velocity = momentum * velocity + gradient
        w = w - 0.01 * velocity


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("too small", "is still on its way"),
        ("good", "arrives"),
        ("zig-zag", "arrives"),
        ("momentum cures it", "arrives"),
        ("too large", "runs away"),
        ("momentum 1", "never settles"),
        ("lost on the plateau", "is still on its way"),
        ("momentum crosses it", "arrives"),
    ],
)
def test_presets_show_what_they_are_called(name, outcome):
    preset = PRESETS[name]
    found = path(preset.learning_rate, preset.momentum, preset.valley)
    assert found.outcome == outcome
    assert outcome in tell(found, preset.learning_rate, preset.momentum)
    assert name in SHOWN or preset.valley == "plateau"


def test_every_preset_is_tried():
    assert len(PRESETS) == 8


def test_momentum_needs_fewer_steps_than_the_zig_zag_at_the_same_rate():
    zigzag, cured = PRESETS["zig-zag"], PRESETS["momentum cures it"]
    assert zigzag.learning_rate == cured.learning_rate
    assert path(cured.learning_rate, cured.momentum).step < path(zigzag.learning_rate).step / 2


def test_momentum_1_keeps_moving_however_long():
    found = path(0.01, 1.0, steps=1000)
    assert found.outcome == "never settles"
    assert float(found.losses[-200:].max()) > 0.3 * float(found.losses[0])


def test_a_path_that_runs_away_ends_where_numbers_are_still_finite():
    found = path(1.0, 0.9)
    assert found.outcome == "runs away"
    assert found.losses.isfinite().all()
    assert found.step == len(found.losses) - 1 < 60


def test_gradients_that_the_caller_switched_off_do_not_matter():
    with torch.no_grad():
        assert path(0.08).outcome == "arrives"
    with torch.inference_mode():
        assert path(0.08).outcome == "arrives"


def test_settings_are_attributes():
    lab = DescentLab(0.05, 0.5, "plateau", steps=30)
    assert torch.equal(lab.path().weights, path(0.05, 0.5, "plateau", 30).weights)
    lab.learning_rate = np.float32(0.5)
    assert type(lab.learning_rate) is float
    assert len(lab.path().losses) <= 31


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", 2),
        ("learning_rate", math.nan),
        ("learning_rate", "fast"),
        ("momentum", -0.1),
        ("momentum", 1.01),
        ("momentum", None),
        ("valley", "hill"),
        ("valley", ["plateau"]),
        ("steps", 0),
        ("steps", 2.5),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        DescentLab(**{name: value})
    lab = DescentLab()
    before = getattr(lab, name)
    with pytest.raises(ValueError, match=f"{name}="):
        setattr(lab, name, value)
    assert getattr(lab, name) == before


def test_a_viewer_without_widgets_gets_pictures_with_words(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    DescentLab()._ipython_display_()
    (bundle, options), (sentence, _) = shown
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert "application/vnd.jupyter.widget-view+json" in sentence
    assert Image.open(io.BytesIO(bundle["image/png"])).size[0] <= 950
    assert all(name in options["metadata"]["image/png"]["alt"].lower() for name in SHOWN)
