"""Batched augmentation: what it does to one image, and that it does so to each image separately."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from emotion_utils.data.augment import Augment, ShiftAndFlip

NOTHING = {"flip": 0.0, "rotate": 0.0, "scale": (1.0, 1.0), "shift": 0.0, "brightness": 0.0, "contrast": 0.0}


def images(n: int = 8, height: int = 48, width: int = 48) -> torch.Tensor:
    return torch.rand(n, 1, height, width, generator=torch.Generator().manual_seed(0))


def test_no_change_asked_for_is_no_change():
    torch.testing.assert_close(Augment(**NOTHING)(images(), torch.arange(8)), images(), rtol=0, atol=1e-5)


def test_flip_mirrors_the_image():
    flipped = Augment(**NOTHING | {"flip": 1.0})(images(), torch.arange(8))
    torch.testing.assert_close(flipped, images().flip(3), rtol=0, atol=1e-5)
    half = Augment(**NOTHING | {"flip": 0.5})(images(1).expand(1000, -1, -1, -1), torch.arange(1000))
    changed = (half - images(1)).abs().amax((1, 2, 3)) > 0.1
    assert 430 < changed.sum() < 570


@pytest.mark.parametrize(("height", "width"), [(48, 48), (32, 64)])
def test_rotation_keeps_angles_also_on_images_that_are_not_square(height, width):
    # A disc around the centre looks the same from all sides; a wrong aspect ratio would make an ellipse of it.
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    disc = torch.sigmoid(10 - (x**2 + y**2).sqrt())[None, None]
    turned = Augment(**NOTHING | {"rotate": 180.0})(disc.expand(20, -1, -1, -1), torch.arange(20))
    torch.testing.assert_close(turned, disc.expand(20, -1, -1, -1), rtol=0, atol=0.05)


def test_shift_and_scale_stay_within_their_limits():
    dot = torch.zeros(500, 1, 48, 48)
    dot[:, :, 20:28, 20:28] = 1
    centre = torch.arange(48) + 0.5
    moved = Augment(**NOTHING | {"shift": 0.1})(dot, torch.arange(500))
    x = (moved.sum((1, 2)) * centre).sum(1) / moved.sum((1, 2, 3)) - 24
    y = (moved.sum((1, 3)) * centre).sum(1) / moved.sum((1, 2, 3)) - 24
    for place in (x, y):
        assert place.abs().max() <= 4.81
        assert place.abs().max() > 4
    sized = Augment(**NOTHING | {"scale": (0.8, 1.5)})(dot, torch.arange(500))
    factor = (sized.sum((1, 2, 3)) / 64).sqrt()
    assert 0.77 < factor.min() < 0.83
    assert 1.45 < factor.max() < 1.53


def test_light_erase_and_noise():
    grey = torch.full((400, 1, 48, 48), 0.5)
    bright = Augment(**NOTHING | {"brightness": 0.2})(grey, torch.arange(400))[:, 0, 0, 0]
    assert 0.3 <= bright.min() < 0.32
    assert 0.68 < bright.max() <= 0.7
    noisy = Augment(**NOTHING, noise=0.1)(grey, torch.arange(400))
    assert noisy.std().item() == pytest.approx(0.1, abs=0.002)
    stripes = torch.arange(48).remainder(2).float().expand(400, 1, 48, 48)
    erased = (Augment(**NOTHING, erase=0.5)(stripes, torch.arange(400)) - 0.5).abs() < 0.1
    share = erased.float().mean((1, 2, 3))
    assert 0.42 < (share > 0).float().mean() < 0.58
    assert share[share > 0].min() > 0.03
    assert share.max() < 0.27


def test_each_image_has_its_own_draw_new_in_each_epoch():
    same = images(1).expand(64, -1, -1, -1)
    augment = Augment()
    zero = augment(same, torch.arange(64), seed=0, epoch=0)
    assert len({image.numpy().tobytes() for image in zero}) == 64
    assert (augment(same, torch.arange(64), 0, 1) != zero).flatten(1).any(1).all()
    assert (augment(same, torch.arange(64), 1, 0) != zero).flatten(1).any(1).all()


def test_the_result_depends_on_seed_epoch_and_index_alone():
    augment, batch = Augment(erase=0.3, noise=0.05), images(64)
    whole = augment(batch, torch.arange(64), 5, 2)
    torch.rand(3)  # the global generator plays no part
    order = torch.randperm(64)
    assert torch.equal(augment(batch[order], order, 5, 2), whole[order])
    for i in (0, 13, 63):
        assert torch.equal(augment(batch[i : i + 1], torch.tensor([i]), 5, 2)[0], whole[i])


def test_result_is_float32_in_range():
    result = Augment(brightness=1.0, contrast=1.0, noise=0.5)(images(), torch.arange(8))
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_result_stays_on_the_device_of_the_images():
    assert Augment(erase=0.5, noise=0.1)(images().to("meta"), torch.arange(8)).device.type == "meta"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip": 1.5}, "flip=1.5"),
        ({"rotate": -5.0}, "rotate=-5.0"),
        ({"scale": (1.1, 0.9)}, r"scale=\(1.1, 0.9\)"),
        ({"scale": (0.0, 0.9)}, r"scale=\(0.0, 0.9\)"),
        ({"scale": (math.nan, 1.0)}, r"scale=\(nan, 1.0\)"),
        ({"scale": (0.9, math.inf)}, r"scale=\(0.9, inf\)"),
        ({"scale": 1.1}, "scale=1.1"),
        ({"scale": (1, 1, 1)}, r"scale=\(1, 1, 1\)"),
        ({"flip": math.nan}, "flip=nan"),
        ({"flip": "0.5"}, "flip='0.5'"),
        ({"flip": True}, "flip=True"),
        ({"rotate": math.inf}, "rotate=inf"),
        ({"noise": None}, "noise=None"),
        ({"shift": [0.1, 0.1]}, r"shift=\[0.1, 0.1\]"),
    ],
)
def test_impossible_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Augment(**change)


def test_numpy_s_and_pytorch_s_numbers_become_plain_ones():
    plain = Augment(flip=0.5, rotate=12, scale=(0.5, 1.5), noise=0.25)
    other = Augment(np.float32(0.5), np.int64(12), np.array([0.5, 1.5]), noise=torch.tensor(0.25))
    assert other == plain
    assert repr(other) == repr(plain)
    assert {type(value) for value in asdict(other).values()} == {float, int, tuple}
    assert torch.equal(
        other(images(), torch.arange(8), np.int64(3), np.int64(1)), plain(images(), torch.arange(8), 3, 1)
    )
    with pytest.raises(ValueError, match="seed='a'"):
        plain(images(), torch.arange(8), "a")


def test_whole_pixels_are_shifted_and_nothing_is_blurred():
    one = images(1)
    moved = ShiftAndFlip(pixels=3)(one.expand(600, -1, -1, -1), torch.arange(600))
    wide = torch.nn.functional.pad(one, (3, 3, 3, 3), mode="replicate")
    places = {
        (down, right, flipped): tuple(round(float(value), 5) for value in window[0, 0, 7, :12])
        for flipped, seen in ((False, wide), (True, wide.flip(3)))
        for down in range(7)
        for right in range(7)
        for window in [seen[..., down : down + 48, right : right + 48]]
    }
    found = [tuple(round(float(value), 5) for value in image[0, 7, :12]) for image in moved]
    assert set(found) == set(places.values())  # all 98 come, and no others


def test_every_image_changes_sides_from_epoch_to_epoch_and_half_of_them_begin_mirrored():
    flips = ShiftAndFlip(pixels=0)
    same, index = images(1).expand(1000, -1, -1, -1), torch.arange(1000)
    mirrored = [(flips(same, index, seed=5, epoch=epoch) == images(1).flip(3)).flatten(1).all(1) for epoch in range(4)]
    assert 430 < mirrored[0].sum() < 570
    for epoch in range(3):
        assert torch.equal(mirrored[epoch], ~mirrored[epoch + 1])
    other = (flips(same, index, seed=6, epoch=0) == images(1).flip(3)).flatten(1).all(1)
    assert not torch.equal(other, mirrored[0])


def test_whole_shifts_depend_on_seed_epoch_and_index_alone():
    some, index = images(20, 30, 50), torch.randperm(20, generator=torch.Generator().manual_seed(1))
    together = ShiftAndFlip()(some, index, 3, 4)
    alone = torch.cat([ShiftAndFlip()(some[i : i + 1], index[i : i + 1], 3, 4) for i in range(20)])
    assert torch.equal(together, alone)
    assert not torch.equal(together, ShiftAndFlip()(some, index, 3, 6))  # the same side, another shift
    assert ShiftAndFlip()(some[:0], index[:0]).shape == (0, 1, 30, 50)
    assert ShiftAndFlip()(some.expand(-1, 3, -1, -1), index).shape == (20, 3, 30, 50)


@pytest.mark.parametrize("pixels", [-1, 1.5, "2", None, 101])
def test_a_shift_that_cannot_be_is_named(pixels):
    with pytest.raises((TypeError, ValueError), match="pixels="):
        ShiftAndFlip(pixels=pixels)


@pytest.mark.parametrize("augment", [Augment(noise=0.1, erase=0.5), ShiftAndFlip()])
@pytest.mark.parametrize(
    ("images", "index", "error", "message"),
    [
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), [0, 1], TypeError, r"images: torch\.uint8.* / 255"),
        (np.zeros((2, 1, 8, 8)), [0, 1], TypeError, "images: ndarray"),
        (torch.zeros(1, 8, 8), [0], ValueError, r"images of shape \(1, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8), [0], ValueError, r"index of shape \(1,\)"),
        (torch.zeros(2, 1, 8, 8), 0, ValueError, r"index of shape \(\)"),
    ],
)
def test_what_is_no_batch_is_named(augment, images, index, error, message):
    with pytest.raises(error, match=message):
        augment(images, index)


@pytest.mark.parametrize("augment", [Augment(noise=0.1, erase=0.5), ShiftAndFlip()])
def test_numbers_in_a_list_or_an_array_and_no_images_at_all(augment):
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = augment(images, torch.tensor([4, 0, 2]))
    for index in ([4, 0, 2], np.array([4, 0, 2])):
        assert torch.equal(augment(images, index), wanted)
    assert augment(images[:0], []).shape == (0, 1, 8, 8)
