"""The face lab without a browser: its sliders, its drawing, what a viewer without widgets gets."""

import io

import numpy as np
import pytest
import torch
from network_styles import data_parallel
from PIL import Image

from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces.action_units import ACTION_UNITS
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import EMOTION_TO_AUS
from emotion_utils.models.facts import set_facts
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import LinearModel
from emotion_utils.widgets.face_lab import SCREEN_SIZE, FaceLab, bars_html, png


class Brightness(torch.nn.Module):
    """A stand-in for a network: seven strips of the image compete by brightness."""

    def predict_proba(self, images: torch.Tensor) -> torch.Tensor:
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (1, 48, 48)
        strips = images.float()[:, 0, :42].reshape(len(images), 7, -1).mean(2) / 10
        return torch.softmax(strips, 1)


@pytest.fixture(scope="module")
def lab():
    return FaceLab(Brightness())


def pixels(value: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(value)))


def test_it_has_a_slider_for_every_action_unit(lab):
    assert tuple(lab.units) == ACTION_UNITS
    assert pixels(lab.face.value).shape == (SCREEN_SIZE, SCREEN_SIZE)


@pytest.mark.parametrize("name", ["AU12", "AU4", "AU26"])
def test_a_slider_changes_face_bars_and_words(lab, name):
    before = lab.face.value, lab.bars.value
    lab.units[name].value = 0.9
    changed = np.abs(pixels(lab.face.value).astype(int) - pixels(before[0]))
    assert changed.max() > 40
    assert lab.bars.value != before[1]
    assert f"{name} 0.90" in lab.shown.value
    lab.units[name].value = 0.0
    assert lab.face.value == before[0]


@pytest.mark.parametrize("name", ["person", "age", "skin tone", "turn", "light from", "light height", "light hardness"])
def test_a_setting_changes_the_face(name):
    lab = FaceLab()
    before = lab.face.value
    slider = lab.settings[name]
    slider.value = slider.max if slider.value < slider.max else slider.min
    assert lab.face.value != before


def test_one_sided_needs_an_expression_to_show():
    lab = FaceLab()
    before = lab.face.value
    lab.settings["one-sided"].value = 1
    assert lab.face.value == before
    lab.units["AU12"].value = 1
    left = lab.draw()
    lab.settings["one-sided"].value = -1
    assert not torch.equal(lab.draw(), left)


def test_buttons_go_through_the_variants():
    lab = FaceLab()
    names = [variant.name for variant in EMOTION_TO_AUS["happy"]]
    seen = []
    for _ in range(len(names) + 1):
        lab.press("happy")
        seen.append(lab.variant)
    assert seen == [f"happy: {name}" for name in [*names, names[0]]]
    lab.press("neutral")
    assert not any(slider.value for slider in lab.units.values())


def test_a_button_redraws_once():
    """Several sliders move, and the face is drawn when all of them have arrived."""
    lab = FaceLab()
    drawn = []
    lab.face.observe(lambda change: drawn.append(change["new"]), names="value")
    lab.press("fear")
    assert sum(slider.value > 0 for slider in lab.units.values()) > 1
    assert drawn == [lab.face.value]


def test_another_person_brings_age_and_skin_along():
    lab = FaceLab(person=3)
    before = lab.settings["age"].value, lab.settings["skin tone"].value
    drawn = []
    lab.face.observe(lambda change: drawn.append(change["new"]), names="value")
    lab.settings["person"].value = 4
    assert (lab.settings["age"].value, lab.settings["skin tone"].value) != before
    assert drawn == [lab.face.value]
    identity, units, capture = lab.parameters()
    assert identity.age.item() == pytest.approx(lab.settings["age"].value)
    assert torch.equal(lab.draw(64), render(identity, units, capture, size=64))


def test_eyes_can_look_at_what_the_network_gets(lab):
    """The large face beside the 48 by 48 pixels, each of them drawn four times as wide."""
    lab.units["AU12"].value = 0.7
    small = pixels(lab.small.value)
    lab_face = lab.draw(48)[0, 0].numpy()
    lab.units["AU12"].value = 0.0
    assert small.shape == (192, 192)
    np.testing.assert_array_equal(small[::4, ::4], lab_face)


def test_without_a_model_there_are_no_bars():
    lab = FaceLab()
    assert lab.probabilities() is None
    assert lab.bars.value == ""


def plain():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48 * 48, 3))


def test_a_network_of_ones_own_is_asked(monkeypatch):
    model = plain()
    with pytest.raises(ValueError, match="Sequential does not know"):
        FaceLab(model)
    set_facts(model, (0.5, 0.25), ("<b>", "$x$ " + "y" * 10_000, "line\nbreak"))
    lab = FaceLab(data_parallel(model))
    assert torch.equal(lab.probabilities(), predict_proba(model, lab.draw(48))[0])
    assert "&lt;b&gt;" in lab.bars.value
    assert "<b>" not in lab.bars.value
    assert len(lab.bars.value) < 2000
    assert len(lab.sheet()[0]) < 400_000
    model.learnt_from = None
    with pytest.raises(ValueError, match="Sequential does not know"):
        lab.sheet()


def test_bars_without_names_are_numbered():
    model = plain()
    set_facts(model, (0.5, 0.25), None)
    assert FaceLab(model).classes == ("class 0", "class 1", "class 2")
    seven = LinearModel()
    seven.set_normalisation(0.5, 0.25)
    assert FaceLab(seven).classes == EMOTIONS
    seven.classes = EMOTIONS[::-1]
    assert FaceLab(seven).classes == EMOTIONS[::-1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, TypeError, "model=3"),
        ({"model": LinearModel(image_size=16)}, ValueError, "48, 48"),
        ({"person": -1}, ValueError, "person=-1"),
        ({"person": 100}, ValueError, "person=100"),
        ({"person": "1"}, ValueError, "person='1'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        FaceLab(**arguments)


def test_a_viewer_without_widgets_gets_a_sheet_with_words(lab, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    lab._ipython_display_()
    (bundle, options), (sentence, _) = shown
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert pixels(bundle["image/png"]).shape[1] > 400
    assert options["metadata"]["image/png"]["alt"] in sentence["text/html"]


def test_png_keeps_every_pixel():
    image = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    assert np.array_equal(pixels(png(image)), image.numpy())


def test_bars_mark_the_largest():
    text = bars_html(EMOTIONS, [0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1])
    assert text.count("bold") == 1
    assert "happy</td>" in text.split("bold")[1].split("</tr>")[0]
