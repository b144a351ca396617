"""The crop lab without a browser: box, crop and probabilities are those of `emotion_utils.photos`."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.networks import LinearModel
from emotion_utils.photos import crop_face, finders, predict_photo
from emotion_utils.widgets.crop_lab import CropLab


def network(classes=EMOTIONS):
    torch.manual_seed(0)
    model = LinearModel(classes=classes)
    model.set_normalisation(0.5, 0.25)
    return model


def picture(width=90, height=60):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_crop_and_probabilities_are_those_of_the_photos():
    lab, model = CropLab(picture(), network(), box=(40, 30, 32, 0)), network()
    for box in [(40, 30, 32, 0), (10.5, 20, 50, -30), (89, 1, 20, 180)]:
        lab.box = box
        x, y, side, degrees = box
        square = (x - side / 2, y - side / 2, side, side)
        assert torch.equal(lab.crop[0], crop_face(picture(), square, upright=degrees))
        (wanted,) = predict_photo(picture(), model, faces=lab.face, upright=degrees, scales=(1.0,), mirror=False)
        assert torch.equal(lab.probabilities, wanted.probabilities)
        assert lab.box == box


def test_emotions_are_taken_to_be_as_common_as_the_photos_do():
    model = network()
    model.frequencies = (0.1, 0.02, 0.14, 0.25, 0.17, 0.11, 0.21)
    for frequencies in ("equal", "learnt"):
        lab = CropLab(picture(), model, box=(40, 30, 32, 0), frequencies=frequencies)
        options = {"faces": lab.face, "upright": 0.0, "scales": (1.0,), "mirror": False, "frequencies": frequencies}
        assert torch.equal(lab.probabilities, predict_photo(picture(), model, **options)[0].probabilities)
        assert lab.prediction.frequencies == frequencies
    with pytest.raises(ValueError, match="frequencies='even'"):
        CropLab(picture(), model, frequencies="even")


def test_the_square_starts_at_a_face_or_in_the_middle():
    lab = CropLab(None, network())
    x, y, side, _ = lab.box  # of a drawn face
    if finders():
        assert (abs(x - 110) < 15, abs(y - 106) < 15) == (True, True)
        assert 80 < side < 150
    blank = CropLab(np.full((40, 60), 200, np.uint8), network())
    assert blank.box == (30, 20, 40, 0)
    assert "middle" in blank.get_state("_answer")["_answer"]["said"]


def test_the_browser_gets_a_small_copy_and_the_crop_of_the_large_one():
    large = np.random.default_rng(0).integers(0, 256, (900, 1500), dtype=np.uint8)
    lab = CropLab(large, network(), box=(700, 400, 48, 0))
    sent = lab.get_state()
    assert (sent["_photo"]["width"], sent["_photo"]["height"]) == (1500, 900)
    assert max(Image.open(io.BytesIO(sent["_photo"]["jpeg"])).size) <= 640
    assert np.array_equal(lab.crop[0, 0].numpy(), large[376:424, 676:724])
    assert sent["_answer"]["crop"] == lab.crop.numpy().tobytes()


def test_a_model_may_have_other_classes_and_another_size():
    model = LinearModel(classes=("a", "b"), image_size=24)
    model.set_normalisation(0.5, 0.25)
    lab = CropLab(picture(), model)
    assert lab.crop.shape == (1, 1, 24, 24)
    assert lab.probabilities.shape == (2,)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2)])
def test_odd_pictures_have_a_square(size):
    lab = CropLab(Image.new("L", size, 90), network())
    lab.box = (size[0] / 2, size[1] / 2, 4, 12)
    assert lab.crop.unique().tolist() == [90]
    assert lab.sheet()[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((1, 2, 3), r"box=\(1, 2, 3\)"), ("abcd", "box='abcd'"), (None, "box=None"), (5, "box=5"),
        ((-1, 2, 9, 0), "box's x=-1"), ((2, 61, 9, 0), "box's y=61"), ((2, 2, 0, 0), "box's side=0"),
        ((2, 2, 1000, 0), "box's side=1000"), ((2, 2, 9, 181), "box's degrees=181"), ((2, float("nan"), 9, 0), "nan"),
    ],
)  # fmt: skip
def test_a_box_that_cannot_be_is_refused_and_the_old_one_stays(box, message):
    lab = CropLab(picture(), network(), box=(40, 30, 32, 0))
    before = lab.crop
    with pytest.raises(ValueError, match=message):
        lab.box = box
    assert lab.box == (40, 30, 32, 0)
    assert torch.equal(lab.crop, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("no_such.png",), FileNotFoundError, r"no_such\.png"),
        ((__file__,), ValueError, r"test_crop_lab\.py"),
        ((5,), TypeError, "5"),
        ((np.zeros((3, 40, 40), np.uint8)[None].repeat(2, 0),), ValueError, "2"),
        ((picture(), "fer2014"), ValueError, "model='fer2014'"),
        ((picture(), LinearModel), TypeError, r"LinearModel\(\)"),
        ((picture(), LinearModel()), ValueError, "LinearModel.*classes"),
    ],
)
def test_bad_pictures_and_models_are_named(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        CropLab(*arguments)
    assert len(str(caught.value)) <= 400


def test_a_box_given_first_is_checked():
    with pytest.raises(ValueError, match="box's side=-1"):
        CropLab(picture(), network(), box=(1, 1, -1, 0))
    with pytest.raises(ValueError, match="threshold=2"):
        CropLab(picture(), network(), threshold=2)


def test_the_stored_form_is_a_picture_with_a_description(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    CropLab(picture(), network())._ipython_display_()
    bundle = shown[0][0][0]
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "crop lab" in shown[0][1]["metadata"]["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
