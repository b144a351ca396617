"""The looking lab without a browser: map and truth follow the face, and each method and layer works."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from emotion_utils.explain import expression_map, grad_cam, saliency
from emotion_utils.models import EmotionCNN, LinearModel, set_facts
from emotion_utils.widgets import LookingLab
from emotion_utils.widgets.looking_lab import METHODS, PREDICTED, judge, lay_over


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = EmotionCNN(widths=(4, 6), hidden=8)
    model.set_normalisation(0.5, 0.24)
    return model.eval()


@pytest.fixture(scope="module")
def lab():
    return LookingLab(network())


def pixels(value: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(value)))


def test_map_and_truth_follow_the_face(lab):
    before = lab.looking.value, lab.truth.value, lab.face.value
    lab.units["AU12"].value = 0.9
    assert "of the map lies inside the truth" in lab.verdict.value
    for now, then in zip((lab.looking.value, lab.truth.value, lab.face.value), before, strict=True):
        assert pixels(now).shape[:2] == (192, 192)
        assert now != then
    lab.units["AU12"].value = 0.0
    assert (lab.looking.value, lab.truth.value, lab.face.value) == before
    assert "hardly any expression" in lab.verdict.value


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_chosen(lab, name):
    lab.method.value = name
    assert lab.map().shape == (48, 48)
    assert lab.map().isfinite().all()
    assert lab.layer.disabled == (name != "Grad-CAM")


def test_the_map_is_the_librarys(lab):
    lab.press("fear")
    lab.method.value, lab.asked.value = "gradient", PREDICTED
    torch.testing.assert_close(lab.map(), saliency(lab.model, lab.draw(48))[0])
    lab.asked.value = "happy"
    torch.testing.assert_close(lab.map(), saliency(lab.model, lab.draw(48), 3)[0])
    lab.method.value, lab.layer.value = "Grad-CAM", "features.block1"
    torch.testing.assert_close(lab.map(), grad_cam(lab.model, lab.draw(48), 3, "features.block1")[0])
    lab.press("neutral")
    lab.asked.value = PREDICTED


def test_the_truth_is_the_librarys(lab):
    lab.press("surprise")
    truth = expression_map(*lab.parameters())[0]
    face = lab.draw()[0, 0]
    np.testing.assert_array_equal(pixels(lab.truth.value), lay_over(face, truth))
    lab.press("neutral")


def test_a_button_redraws_the_map_once(lab):
    drawn = []
    lab.looking.observe(lambda change: drawn.append(change["new"]), names="value")
    lab.press("angry")
    assert drawn == [lab.looking.value]
    lab.press("neutral")


def test_choices_name_layers_and_classes(lab):
    assert next(iter(lab.layer.options)) == "features"
    assert {"features.block1", "features.block2.conv1"} <= set(lab.layer.options)
    assert list(lab.asked.options)[:2] == [PREDICTED, "angry"]


def test_a_network_without_maps_has_no_grad_cam():
    model = LinearModel()
    model.set_normalisation(0.5, 0.24)
    lab = LookingLab(model)
    assert "Grad-CAM" not in lab.method.options
    assert lab.map().shape == (48, 48)
    with pytest.raises(ValueError, match="method='Grad-CAM'"):
        LookingLab(model, method="Grad-CAM")


def test_bad_input():
    with pytest.raises(TypeError, match="EmotionCNN"):
        LookingLab(EmotionCNN)
    with pytest.raises(ValueError, match="method='magic'"):
        LookingLab(network(), method="magic")
    with pytest.raises(ValueError, match="person=200"):
        LookingLab(network(), person=200)
    small = EmotionCNN(widths=(4,), image_size=32)
    set_facts(small, (0.5, 0.24), None)
    with pytest.raises(ValueError, match=r"\(1, 1, 48, 48\)"):
        LookingLab(small)


def test_a_map_of_zeros_colours_nothing():
    face = torch.full((96, 96), 70, dtype=torch.uint8)
    assert (lay_over(face, torch.zeros(48, 48)) == 70).all()
    one = torch.zeros(48, 48)
    one[10, 10] = -3.0
    coloured = lay_over(face, one)
    assert (coloured[20:22, 20:22, 0] > 110).all()
    assert (coloured[60:] == 70).all()


def test_the_verdict_counts_the_share_inside():
    truth = torch.zeros(4, 4)
    truth[0, 0] = 1.0
    seen = torch.zeros(4, 4)
    seen[0, 0], seen[3, 3] = 1.0, 3.0
    assert "25% of the map" in judge(seen, truth)
    assert "outside" in judge(seen, truth)


def test_without_widgets_a_sheet_stands_in(lab):
    picture, sentence = lab.sheet()
    assert pixels(picture).shape[1] > 500
    assert "where the network looks, by" in sentence
