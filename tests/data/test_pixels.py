"""From grey levels to what a network takes and back, and from pictures of every kind to grey levels."""

import re

import numpy as np
import pytest
import torch
from obstacles import open_folder, ordinary_user
from PIL import Image

from emotion_utils.data.pixels import denormalise, load_image, normalise, pixel_statistics


def test_normalise_and_denormalise_are_inverse():
    images = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8)
    torch.testing.assert_close(denormalise(normalise(images, 0.4, 0.2), 0.4, 0.2), images / 255)
    torch.testing.assert_close(normalise(images / 255, 0.4, 0.2), normalise(images, 0.4, 0.2))


def test_pixel_statistics_of_one_blank_image_do_not_divide_by_zero():
    assert pixel_statistics(torch.full((1, 1, 48, 48), 255, dtype=torch.uint8)) == (1.0, 1.0)


def save(path, image: Image.Image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def gradient(width: int = 48, height: int = 48) -> np.ndarray:
    return np.linspace(0, 255, width).round().astype(np.uint8)[None].repeat(height, 0)


def test_a_grey_image_of_the_right_size_stays_as_it_is(tmp_path):
    path = save(tmp_path / "face.png", Image.fromarray(gradient()))
    image = load_image(path)
    assert (image.dtype, image.shape) == (torch.uint8, (1, 1, 48, 48))
    assert np.array_equal(image[0, 0].numpy(), gradient())


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK", "LA", "I;16", "I", "F"])
def test_images_of_every_mode_become_grey(tmp_path, mode):
    grey = Image.fromarray(gradient())
    if mode == "I;16":
        image = Image.fromarray(gradient().astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(gradient().astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(gradient().astype(np.float32) / 255)
    elif mode in ("CMYK", "P"):
        image = grey.convert("RGB").convert(mode)
    else:
        image = grey.convert(mode)
    path = save(tmp_path / ("face.tif" if mode in ("CMYK", "F", "I") else "face.png"), image)
    pixels = load_image(path)[0, 0].int().numpy()
    if mode not in ("1", "P"):  # these two have few colours and dither
        assert np.abs(pixels - gradient().astype(int)).max() <= 2
    assert abs(pixels.mean() - gradient().mean()) < 5


def test_a_dark_16_bit_image_stays_dark(tmp_path):
    image = load_image(save(tmp_path / "dark.png", Image.fromarray(np.full((48, 48), 3000, np.uint16))))
    assert image.unique().tolist() == [3000 * 255 // 65535]


def test_transparent_pixels_become_white(tmp_path):
    clear = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    assert load_image(save(tmp_path / "clear.png", clear)).unique().tolist() == [255]
    palette = Image.new("P", (48, 48), 0)
    assert load_image(save(tmp_path / "palette.png", palette, transparency=0)).unique().tolist() == [255]


def test_a_photo_lying_on_its_side_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    sideways = Image.fromarray(np.rot90(gradient()).copy())
    path = save(tmp_path / "side.png", sideways, exif=exif)
    assert np.array_equal(load_image(path)[0, 0].numpy(), gradient())


def test_any_size_becomes_a_square_from_the_middle(tmp_path):
    wide = np.zeros((100, 300), np.uint8)
    wide[:, 100:200] = 200
    assert load_image(save(tmp_path / "wide.png", Image.fromarray(wide)), size=32)[0, 0, :, 2:-2].unique() == 200
    tiny = load_image(save(tmp_path / "tiny.png", Image.new("L", (1, 1), 77)))
    assert tiny.shape == (1, 1, 48, 48)
    assert tiny.unique().tolist() == [77]


def test_images_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.png"):
        load_image(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        load_image(tmp_path)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ValueError, match=r"text.jpg"):
        load_image(tmp_path / "text.jpg")
    path = save(tmp_path / "cut.jpg", Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut.jpg .*truncated"):
        load_image(path)
    with pytest.raises(ValueError, match="size=0"):
        load_image(path, size=0)


def test_an_image_that_may_not_be_read():
    with open_folder() as folder:
        path = save(folder / "private.png", Image.fromarray(gradient()))
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError, match=r"private.png"):
            load_image(path)
