"""How far heads lean: the estimate against the true eye line of drawn faces, and what is done with it."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import drawn_face

from emotion_utils.data import sample_faces
from emotion_utils.faces import LANDMARKS
from emotion_utils.photos import crop_face
from emotion_utils.photos.upright import estimate_tilt


@pytest.fixture(scope="module")
def drawn():
    """Drawn faces and how far their heads lean, by their eyes."""
    faces = sample_faces(60, seed=9)
    right, left = (faces.truth["landmarks"][:, LANDMARKS.index(f"pupil_{side}")] for side in ("right", "left"))
    return faces.images, torch.atan2(left[:, 1] - right[:, 1], left[:, 0] - right[:, 0]) * 180 / math.pi


def test_the_estimate_is_the_eye_line_that_the_network_never_saw(drawn):
    images, tilts = drawn
    error = estimate_tilt(images) - tilts
    assert tilts.std() > 7
    assert error.abs().median() < 3
    assert error.abs().max() < 15


def test_a_mirror_image_leans_the_other_way(drawn):
    images, _ = drawn
    assert torch.allclose(estimate_tilt(images.flip(3)), -estimate_tilt(images), atol=0.01)


def test_corners_do_not_matter(drawn):
    images = drawn[0][:5].clone()
    before = estimate_tilt(images)
    images[:, :, :6, :6] = 255
    assert torch.allclose(estimate_tilt(images), before, atol=1e-4)


@pytest.mark.parametrize("angle", [-45, 25, 70])
def test_a_leaning_head_is_turned_upright_without_eyes(angle):
    plain = np.full((200, 200), 128, np.uint8)
    plain[52:148, 52:148] = drawn_face(3)
    box = (60, 60, 80, 80)
    own = float(estimate_tilt(crop_face(plain, box, upright=False)[None]))
    leaning = Image.fromarray(plain).rotate(-angle, Image.Resampling.BICUBIC)
    got = crop_face(leaning, box).float()
    wanted = crop_face(plain, box, upright=own).float()
    flat = crop_face(leaning, box, upright=False).float()
    assert (got - wanted).abs().mean() < 0.5 * (flat - wanted).abs().mean()


def test_heads_that_lean_little_stay_as_they_are(drawn):
    images, tilts = drawn
    little = images[tilts.abs() < 5][:10, 0].numpy()
    for image in little:
        assert torch.equal(crop_face(image, (0, 0, 48, 48)), crop_face(image, (0, 0, 48, 48), upright=False))


@pytest.mark.parametrize(
    "crops", [torch.zeros(2, 1, 32, 32, dtype=torch.uint8), torch.zeros(48, 48, dtype=torch.uint8), "crops"]
)
def test_what_are_no_crops(crops):
    with pytest.raises((ValueError, TypeError), match="crops"):
        estimate_tilt(crops)


def test_no_crops_have_no_tilts():
    assert estimate_tilt(torch.zeros(0, 1, 48, 48, dtype=torch.uint8)).shape == (0,)
