"""Reading photographs: every kind of picture ends as upright colours with the original's size, or as one sentence."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import PORTRAIT

from emotion_utils.data.image_files import ImageError
from emotion_utils.photos import read_photo


@pytest.fixture(scope="module")
def scene():
    """A picture whose corners differ: uint8 (20, 30, 3)."""
    rows, columns = np.mgrid[:20, :30]
    return np.stack([8 * columns, 12 * rows, 0 * rows + 60], 2).astype(np.uint8)


def pixels(photo):
    return np.asarray(photo.image)


def test_one_picture_in_every_kind_is_the_same(scene, tmp_path):
    path = tmp_path / "scene.png"
    Image.fromarray(scene).save(path)
    kinds = [
        path, str(path), path.read_bytes(), BytesIO(path.read_bytes()), Image.open(path), scene, scene[None],
        torch.from_numpy(scene), torch.from_numpy(scene).permute(2, 0, 1)[None], scene / 255,
        torch.from_numpy(scene).permute(2, 0, 1), scene.transpose(2, 0, 1) / 255,
    ]  # fmt: skip
    for kind in kinds:
        photo = read_photo(kind)
        assert (photo.image.mode, photo.width, photo.height) == ("RGB", 30, 20)
        assert np.abs(pixels(photo).astype(int) - scene).max() <= 1
    assert read_photo(path).name == "scene.png"
    photo = read_photo(scene)
    assert read_photo(photo) is photo
    assert np.array_equal(pixels(read_photo(scene[..., ::-1], bgr=True)), scene)


def test_a_phones_note_turns_the_picture_and_its_size(scene, tmp_path):
    notes = Image.Exif()
    notes[0x0112] = 6  # the camera was held upright
    Image.fromarray(scene).save(tmp_path / "phone.png", exif=notes)
    photo = read_photo(tmp_path / "phone.png")
    assert (photo.width, photo.height) == (20, 30)
    assert np.array_equal(pixels(photo), np.rot90(scene, -1))


def test_alpha_sixteen_bits_inks_and_palettes(scene, tmp_path):
    alpha = np.dstack([scene, np.where(np.arange(30) < 15, 255, 0)[None].repeat(20, 0).astype(np.uint8)])
    photo = pixels(read_photo(Image.fromarray(alpha)))
    assert np.array_equal(photo[:, :15], scene[:, :15])
    assert (photo[:, 15:] == 255).all()
    deep = Image.fromarray(scene[..., 0].astype(np.uint16) * 257)
    assert np.array_equal(pixels(read_photo(deep))[..., 1], scene[..., 0])
    assert read_photo(Image.fromarray(scene).convert("CMYK")).image.mode == "RGB"
    few = Image.fromarray(scene // 128 * 128).quantize(8)
    assert np.array_equal(pixels(read_photo(few)), np.asarray(few.convert("RGB")))


def test_of_an_animation_the_first_picture_is_taken_and_that_is_said(tmp_path):
    black, white = Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 255)
    black.save(tmp_path / "moving.gif", save_all=True, append_images=[white])
    photo = read_photo(tmp_path / "moving.gif")
    assert "animated" in photo.remark
    assert pixels(photo).max() == 0
    white.save(tmp_path / "still.gif")
    assert read_photo(tmp_path / "still.gif").remark is None


def test_a_jpeg_of_a_hundred_megapixels_keeps_its_coordinates(tmp_path):
    path = tmp_path / "huge.jpg"
    Image.new("L", (12_000, 8_400), 200).save(path, quality=10)
    photo = read_photo(path)
    assert (photo.width, photo.height) == (12_000, 8_400)
    assert photo.image.size == (6_000, 4_200)


def test_heic_without_its_plugin_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)  # as if not installed
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    path = tmp_path / "IMG_1.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ImageError, match=r"HEIC.*pillow-heif"):
        read_photo(path)


@pytest.mark.parametrize("content", [b"", b"just a text", b"\xff\xd8\xff\xe0", b"GIF89a"])
def test_what_is_no_image_is_one_sentence(tmp_path, content):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"holiday\.jpg") as error:
        read_photo(path)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "image", [None, 5, "", object(), {"a": 1}, BytesIO, np.zeros((3, 4, 5, 6, 7)), np.zeros((0, 5))]
)
def test_what_is_no_picture(image):
    with pytest.raises((TypeError, ValueError)):
        read_photo(image)


def test_several_pictures_are_asked_one_at_a_time():
    with pytest.raises(ValueError, match="2 pictures"):
        read_photo(np.zeros((2, 10, 10, 3), np.uint8))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(IsADirectoryError, match="folder"):
        read_photo(tmp_path)


def test_a_photograph_that_ships_is_read():
    assert read_photo(PORTRAIT).image.size == (512, 600)
