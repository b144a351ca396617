"""The convolution lab without a browser: its settings, its feature map, what a viewer without widgets gets."""

import gc
import io
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from emotion_utils.widgets.convolution_lab import ConvolutionLab

FACE = torch.rand(12, 10, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255


@pytest.fixture
def lab():
    made = ConvolutionLab(FACE)
    yield made
    made.close()


def test_the_feature_map_is_that_of_pytorch(lab):
    lab.kernel, lab.bias, lab.stride, lab.padding, lab.dilation = torch.eye(3), 0.25, 2, 1, 2
    expected = functional.conv2d(FACE[None, None], torch.eye(3)[None, None], torch.tensor([0.25]), 2, 1, 2)
    torch.testing.assert_close(lab.feature_map, expected[0, 0])
    lab.dilation, lab.padding, lab.pool_size, lab.mode = 1, 0, 3, "max"
    torch.testing.assert_close(lab.feature_map, functional.max_pool2d(FACE[None], 3, 2)[0])
    lab.mode = "average"
    torch.testing.assert_close(lab.feature_map, functional.avg_pool2d(FACE[None], 3, 2)[0])


@pytest.mark.parametrize(
    "image",
    [FACE.numpy(), FACE[None, None], (FACE * 255).to(torch.uint8), Image.fromarray((FACE * 255).byte().numpy())],
    ids=["array", "batch of one", "uint8", "Pillow"],
)
def test_whatever_holds_a_face_is_taken(image):
    torch.testing.assert_close(ConvolutionLab(image).image, FACE)


def test_a_large_picture_is_made_as_small_as_a_face(tmp_path):
    Image.fromarray(np.full((300, 200, 3), 128, dtype=np.uint8)).save(tmp_path / "photo.png")
    lab = ConvolutionLab(tmp_path / "photo.png", kernel="outline")
    assert lab.image.shape == (48, 48)
    assert lab.feature_map.abs().max() < 1e-5  # all one grey


def test_without_an_image_it_draws_a_face():
    lab = ConvolutionLab()
    assert lab.image.shape == (48, 48)
    assert lab.image.std() > 0.1


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("image", torch.full((8, 8), float("nan")), ValueError),
        ("image", FACE.expand(3, 1, -1, -1), ValueError),
        ("image", "no such file.png", OSError),
        ("image", 3, TypeError),
        ("image", torch.zeros(2, 2), ValueError),
        ("kernel", torch.ones(4, 4), ValueError),
        ("stride", 9, ValueError),
        ("mode", "min", ValueError),
        ("position", (99, 0), ValueError),
        ("position", "here", ValueError),
    ],
)
def test_what_cannot_be_leaves_the_lab_as_it_was(lab, name, value, error):
    before, position = lab.feature_map, lab.position
    with pytest.raises(error) as caught:
        setattr(lab, name, value)
    assert len(str(caught.value)) <= 400
    assert torch.equal(lab.feature_map, before)
    assert lab.position == position
    with pytest.raises(error):
        ConvolutionLab(**{"image": FACE, name: value})


def test_the_window_stays_on_a_map_that_shrinks(lab):
    lab.position = (9, 7)
    lab.stride = 3
    assert lab.position == (3, 2)


def test_settings_can_be_followed(lab):
    seen = []
    lab.observe(lambda change: seen.append(change["new"]), "position")
    lab.position = [2, 3]
    assert seen == [(2, 3)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": 1, "relu": True, "bias": -1},
        {"mode": "max", "stride": 2},
        {"mode": "average"},
        {"kernel": "blur"},
    ],
    ids=str,
)
def test_a_viewer_without_widgets_gets_a_step_in_a_picture_and_in_words(settings):
    lab = ConvolutionLab(FACE, **settings, position=(1, 2))
    picture, sentence = lab.sheet()
    assert Image.open(io.BytesIO(picture)).width > 600
    assert f"{float(lab.feature_map[1, 2]):.2f}" in sentence


def test_its_cell_keeps_the_picture_with_its_sentence(lab, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    lab._ipython_display_()
    (bundle, options), (sentence, _) = shown
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert "application/vnd.jupyter.widget-view+json" in sentence
    assert options["metadata"]["image/png"]["alt"] in sentence["text/html"]


def test_closing_lets_it_go():
    lab = ConvolutionLab(FACE)
    gone = weakref.ref(lab)
    lab.close()
    assert lab.comm is None
    del lab
    gc.collect()
    assert gone() is None
