"""From grey levels to what a network takes and back, and from images of every kind to grey levels."""

import io
import math
import os
import re
import warnings

import numpy as np
import pytest
import torch
from obstacles import open_folder, ordinary_user
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emotion_utils.data.pixels import as_images, denormalise, load_image, normalise, pixel_statistics, to_grey


def test_normalise_and_denormalise_are_inverse():
    images = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8)
    torch.testing.assert_close(denormalise(normalise(images, 0.4, 0.2), 0.4, 0.2), images / 255)
    torch.testing.assert_close(normalise(images / 255, 0.4, 0.2), normalise(images, 0.4, 0.2))


def test_pixel_statistics_of_one_blank_image_do_not_divide_by_zero():
    assert pixel_statistics(torch.full((1, 1, 48, 48), 255, dtype=torch.uint8)) == (1.0, 1.0)


def gradient(width: int = 48, height: int = 48) -> np.ndarray:
    return np.linspace(0, 255, width).round().astype(np.uint8)[None].repeat(height, 0)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def content(image: Image.Image, form: str = "PNG", **options) -> bytes:
    with io.BytesIO() as file:
        image.save(file, form, **options)
        return file.getvalue()


# Arrays: every shape and type means what it says.


@pytest.mark.parametrize(
    ("array", "images"),
    [
        (noise(20, 30), noise(20, 30)[None]),
        (noise(20, 30, 1), noise(20, 30, 1)[None, ..., 0]),
        (noise(5, 20, 30), noise(5, 20, 30)),
        (noise(1, 20, 30), noise(1, 20, 30)),
        (noise(5, 20, 30, 1), noise(5, 20, 30, 1)[..., 0]),
        (noise(5, 1, 20, 30), noise(5, 1, 20, 30)[:, 0]),
        (noise(3, 1, 4, 4), noise(3, 1, 4, 4)[:, 0]),
        (noise(20, 30).tolist(), noise(20, 30)[None]),
        ([noise(20, 30), noise(20, 30) // 2], np.stack([noise(20, 30), noise(20, 30) // 2])),
        (noise(0, 1, 20, 30), noise(0, 20, 30)),
    ],
)
def test_grey_arrays_of_every_shape(array, images):
    kinds = [array] if isinstance(array, list) else [array, torch.from_numpy(array), array[..., ::-1][..., ::-1]]
    for kind in kinds:
        got = as_images(kind)
        assert got.dtype == torch.uint8
        assert np.array_equal(got.numpy(), images[:, None])


@pytest.mark.parametrize("shape", [(20, 30, 3), (5, 20, 30, 3), (5, 3, 20, 30), (20, 30, 4), (5, 4, 20, 30)])
def test_colours_become_grey_as_pillow_makes_them(shape):
    colours = noise(*shape)
    rows = colours.transpose(0, 2, 3, 1) if shape[0] == 5 and shape[1] in (3, 4) else colours
    rows = rows.reshape(-1, 20, 30, rows.shape[-1]).copy()
    if rows.shape[-1] == 4:
        rows[..., 3] = 255
        colours = rows if len(shape) == 4 and shape[3] == 4 else colours
    for bgr in (False, True):
        wanted = [np.asarray(Image.fromarray(row[..., 2::-1] if bgr else row[..., :3]).convert("L")) for row in rows]
        given = rows if shape[-1] in (3, 4) else rows.transpose(0, 3, 1, 2)
        assert np.array_equal(as_images(given, bgr=bgr)[:, 0].numpy(), np.stack(wanted))
    assert as_images(colours).shape == (len(rows), 1, 20, 30)


def test_one_image_with_channels_first_is_one_image():
    colours = noise(20, 30, 3)
    for first in (colours.transpose(2, 0, 1), torch.from_numpy(colours).permute(2, 0, 1)):
        assert np.array_equal(to_grey(first), to_grey(colours))


def test_an_array_s_transparent_pixels_become_white():
    assert set(as_images(np.zeros((9, 9, 4), np.uint8)).unique().tolist()) == {255}
    assert set(as_images(np.zeros((9, 9, 2), np.uint8)).unique().tolist()) == {255}


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [
        ("uint16", 257), ("int32", 1), ("int64", 1), ("int16", 1), ("uint32", 1), ("int32", 257), (">u2", 257),
        ("float32", 1 / 255), ("float64", 1 / 255), ("float16", 1 / 255), ("float32", 1), ("float64", 1),
    ],
)  # fmt: skip
def test_numbers_of_every_type_keep_their_meaning(dtype, factor):
    array = (gradient().astype(np.float64) * factor).astype(dtype)
    assert np.array_equal(as_images(array)[0, 0].numpy(), gradient())
    assert np.array_equal(to_grey(array), gradient())


def test_tensors_of_every_type_keep_their_meaning():
    levels = torch.from_numpy(gradient())
    for tensor in (levels / 255, (levels / 255).half(), levels.long(), levels.double().requires_grad_()):
        assert torch.equal(as_images(tensor)[0, 0], levels)
    assert (as_images((levels / 255).bfloat16())[0, 0].int() - levels.int()).abs().max() <= 1
    ready = levels[None, None]
    assert as_images(ready) is ready


def test_true_is_white():
    assert as_images(np.eye(5, dtype=bool))[0, 0].tolist() == (np.eye(5) * 255).tolist()


def test_a_hair_beyond_the_range_is_cut_off():
    unit = gradient() / 255
    for beyond in (1.0001, 1.05, -0.0001, -0.05):
        unit[0, 0] = beyond
        assert (as_images(unit)[0, 0].numpy().astype(int) - gradient()).__abs__()[1:].max() == 0
    levels = gradient().astype(np.float32)
    levels[0, 0] = 256.5
    assert as_images(levels)[0, 0, 0, 0] == 255


@pytest.mark.parametrize(
    ("images", "named"),
    [
        (gradient() / 255 + math.nan, "NaN"),
        (np.full((9, 9), np.inf), "infinity"),
        (gradient() / 128 - 1.0, r"-1 to 0.99.*denormalise"),
        (gradient() / 100, r"0 to 2.55.*neither"),
        (gradient() * 40.0, r"0 to 1.02e\+04.*neither"),
        (gradient().astype(np.int32) - 7, "-7 to 248"),
        (gradient().astype(np.uint16), "reach 255.*16 bits"),
        (gradient().astype(np.int64) * 2, "reach 510.*16 bits"),
        (gradient().astype(np.int64) * 1000, "reach 255,000"),
        (np.full((9, 9), 2**63, np.uint64), "reach 9,223,372"),
        (noise(3, 48, 48), r"\(3, 48, 48\).*3 grey images or one image with 3 channels"),
        (noise(4, 48, 48), r"\(4, 48, 48\)"),
        (noise(5, 3, 48, 3), r"\(5, 3, 48, 3\)"),
        (noise(5, 7, 48, 48), r"\(5, 7, 48, 48\)"),
        (noise(1, 1, 1, 48, 48), r"\(1, 1, 1, 48, 48\)"),
        (noise(5, 0, 48), r"\(5, 0, 48\)"),
        ([noise(9, 9), noise(8, 9)], "different sizes, 8×9 and 9×9"),
        ([[1, 2], [3]], "array"),
        ([], r"images=\[\]"),
        (b"no image", "content that was given is no image"),
        (Image.new("LAB", (9, 9)), "mode LAB"),
    ],
)
def test_what_cannot_be_told_is_asked(images, named):
    with pytest.raises(ValueError, match=named) as caught:
        as_images(images)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    "images", [None, 5, "48" * 0 or 3.5, {"a": 1}, object(), [1, 2, 3], np.array(["a"]), np.zeros(3)]
)
def test_what_is_no_image_is_named(images):
    with pytest.raises(TypeError, match="images="):
        as_images(images)


def test_an_open_file_has_to_be_open_for_bytes(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with open(tmp_path / "a.txt") as file, pytest.raises(TypeError, match="rb"):
        as_images(file)


# One reader: paths, contents, files, Pillow's images and arrays give the same.


def test_every_way_to_give_an_image_gives_the_same(tmp_path, monkeypatch):
    image = Image.fromarray(noise(60, 90, 3))
    data = content(image)
    (tmp_path / "photo.png").write_bytes(data)
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    wanted = load_image(tmp_path / "photo.png", 48)
    with open(tmp_path / "photo.png", "rb") as file:
        ways = [tmp_path / "photo.png", str(tmp_path / "photo.png"), "~/photo.png", data, bytearray(data), file, image,
                io.BytesIO(data), noise(60, 90, 3), noise(60, 90, 3)[None], torch.from_numpy(noise(60, 90, 3)), [image],
                noise(60, 90, 3)[..., ::-1]]  # fmt: skip
        for way in ways:
            bgr = way is ways[-1]
            again = io.BytesIO(data) if way is file or isinstance(way, io.BytesIO) else way
            assert torch.equal(as_images(way, 48, bgr), wanted)
            assert np.array_equal(to_grey(again, 48, bgr), wanted[0, 0].numpy())
    assert torch.equal(load_image("~/photo.png"), wanted)
    assert as_images([data, image, tmp_path / "photo.png"]).shape == (3, 1, 60, 90)
    with pytest.raises(ValueError, match=r"image=\(2, 1, 60, 90\)"):
        to_grey([data, image])


@pytest.mark.parametrize("size", [0, -1, 1.5, "48", math.nan, None, True, 10**9])
def test_a_size_that_is_none_is_named(tmp_path, size):
    (tmp_path / "a.png").write_bytes(content(Image.new("L", (9, 9))))
    with pytest.raises(ValueError, match=f"^size={re.escape(repr(size))}"):
        load_image(tmp_path / "a.png", size)
    if size is not None:
        with pytest.raises(ValueError, match=f"^size={re.escape(repr(size))}"):
            to_grey(Image.new("L", (9, 9)), size)


@pytest.mark.parametrize("size", [20, 20.0, np.int64(20), torch.tensor(20)])
def test_sizes_of_every_type(size):
    assert as_images(noise(48, 48), size).shape == (1, 1, 20, 20)


# Files.


def save(path, image: Image.Image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def test_a_grey_image_of_the_right_size_stays_as_it_is(tmp_path):
    path = save(tmp_path / "face.png", Image.fromarray(gradient()))
    image = load_image(path)
    assert (image.dtype, image.shape) == (torch.uint8, (1, 1, 48, 48))
    assert np.array_equal(image[0, 0].numpy(), gradient())


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK", "LA", "YCbCr", "I;16", "I;16B", "I", "F"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_images_of_every_mode_become_grey(tmp_path, mode, ending):
    if (ending == "png" and mode in ("CMYK", "YCbCr", "F", "I", "I;16B")) or (ending == "tif" and mode == "YCbCr"):
        ending = None  # no file of this kind holds such a mode
    grey = Image.fromarray(gradient())
    if mode == "I;16":
        image = Image.fromarray(gradient().astype(np.uint16) * 257)
    elif mode == "I;16B":
        image = Image.fromarray((gradient().astype(np.uint16) * 257).astype(">u2"))
    elif mode == "I":
        image = Image.fromarray(gradient().astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(gradient().astype(np.float32) / 255)
    elif mode in ("CMYK", "P", "YCbCr"):
        image = grey.convert("RGB").convert(mode)
    else:
        image = grey.convert(mode)
    pixels = to_grey(image).astype(int)
    if ending:
        assert np.array_equal(load_image(save(tmp_path / f"face.{ending}", image))[0, 0].numpy(), pixels)
    if mode not in ("1", "P"):  # these two have few colours and dither
        assert np.abs(pixels - gradient().astype(int)).max() <= 2
    assert abs(pixels.mean() - gradient().mean()) < 5


def test_a_dark_16_bit_image_stays_dark(tmp_path):
    image = load_image(save(tmp_path / "dark.png", Image.fromarray(np.full((48, 48), 3000, np.uint16))))
    assert image.unique().tolist() == [3000 * 255 // 65535]


@pytest.mark.parametrize("levels", [gradient().astype(np.uint16) * 257, gradient().astype(np.float32) / 255])
def test_a_deep_image_in_which_0_is_white(tmp_path, levels):
    path = save(tmp_path / "white.tif", Image.fromarray(levels), tiffinfo={262: 0})
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0
    assert np.array_equal(load_image(path)[0, 0].numpy(), 255 - gradient())


@pytest.mark.parametrize(("value", "named"), [(np.nan, "NaN"), (1.0001, None), (300.0, "0 to 300"), (-3.0, "-3 to 1")])
def test_a_float_image_does_not_turn_black(tmp_path, value, named):
    levels = gradient().astype(np.float32) / 255
    levels[0, 0] = value
    path = save(tmp_path / "float.tif", Image.fromarray(levels))
    if named is None:
        assert load_image(path).float().mean() > 100
    else:
        with pytest.raises(ValueError, match=rf"float.tif .*{named}"):
            load_image(path)


def test_transparent_pixels_become_white(tmp_path):
    clear = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    assert load_image(save(tmp_path / "clear.png", clear)).unique().tolist() == [255]
    palette = Image.new("P", (48, 48), 0)
    assert load_image(save(tmp_path / "palette.png", palette, transparency=0)).unique().tolist() == [255]


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_a_photo_lying_on_its_side_is_turned_upright(tmp_path, ending):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    sideways = Image.fromarray(np.rot90(gradient()).copy())
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(ending, {})
    path = save(tmp_path / f"side.{ending}", sideways, exif=exif, **options)
    assert np.abs(load_image(path)[0, 0].numpy().astype(int) - gradient()).max() <= 2


def jpeg_with_exif(exif: bytes) -> bytes:
    """A photo lying on its side, with these bytes for EXIF data."""
    data, block = content(Image.fromarray(np.rot90(gradient()).copy()), "JPEG", quality=100), b"Exif\0\0" + exif
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def test_damaged_exif_data_stops_no_photo(tmp_path):
    turn = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    spoilt = b"\x01\x22\x00\x02\x00\x00\x00\x06\x00\x00\x00\x26"  # a number that is a text: it cannot be written anew
    good = b"MM\0\x2a\0\0\0\x08\0\x02" + spoilt + turn + b"\0\0\0\0hello\0"
    (tmp_path / "turned.jpg").write_bytes(jpeg_with_exif(good))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(load_image(tmp_path / "turned.jpg")[0, 0].numpy().astype(int) - gradient()).max() <= 2
    about = PngInfo()
    about.add_text("Raw profile type exif", "\nexif\n 8\nno hexadecimal digits")
    path = save(tmp_path / "lying.png", Image.fromarray(np.rot90(gradient()).copy()), pnginfo=about)
    with pytest.warns(UserWarning, match=r"lying.png: .*EXIF"):
        image = load_image(path)
    assert np.array_equal(image[0, 0].numpy(), np.rot90(gradient()))


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
    with pytest.raises(TypeError, match="path=5"):
        load_image(5)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ValueError, match=r"text.jpg"):
        load_image(tmp_path / "text.jpg")
    path = save(tmp_path / "cut.jpg", Image.fromarray(noise(200, 200)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut.jpg .*truncated"):
        load_image(path)


def test_an_image_that_may_not_be_read():
    with open_folder() as folder:
        path = save(folder / "private.png", Image.fromarray(gradient()))
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError, match=r"private.png"):
            load_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(ValueError, match=r"x.jpg is a pipe"):
        load_image(tmp_path / "x.jpg")


def test_a_photo_that_is_a_program_starts_no_program(tmp_path, monkeypatch):
    """PostScript under the name of a photo: Pillow would start Ghostscript, where it is installed."""
    mark = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho started > {mark}\necho 10.0\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for form in ("EPS", "PDF", "TGA", "MSP", "ICO", "IM"):
        image = Image.new("1" if form == "MSP" else "L", (60, 60))
        (tmp_path / "face.jpg").write_bytes(content(image, form))
        with pytest.raises(ValueError, match=r"face.jpg is no image that can be read \(readable are JPEG"):
            load_image(tmp_path / "face.jpg")
    assert not mark.exists()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "SGI", "PCX"])
def test_the_content_tells_the_format_and_not_the_name(tmp_path, form):
    if form not in Image.SAVE and not Image.init() and form not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    (tmp_path / "face.txt").write_bytes(content(Image.fromarray(gradient()), form))
    assert np.abs(load_image(tmp_path / "face.txt")[0, 0].numpy().astype(int) - gradient()).max() <= 12


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    small = content(Image.new("1", (100, 70)), "BMP")
    for width, height, named in ((10_000, 7_000, "10,000 × 7,000"), (90_000, 80_000, "bomb"), (2**31 - 1,) * 2 + ("",)):
        bomb = small[:18] + width.to_bytes(4, "little") + height.to_bytes(4, "little") + small[26:]
        with pytest.raises(ValueError, match=rf"content .*{named}"):
            as_images(bomb)
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(200_000_000)  # takes no room
    with pytest.raises(ValueError, match=r"large.png has 200,000,000 bytes"):
        load_image(tmp_path / "large.png")


def test_a_long_name_with_line_breaks_makes_a_short_message_on_one_line(tmp_path):
    path = tmp_path / ("a\n\x1b[31m" + "x" * 200)
    path.write_text("no image")
    with pytest.raises(ValueError, match="no image") as caught:
        load_image(path)
    assert len(str(caught.value)) <= 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_damage_gives_an_image_or_one_sentence(form):
    """Flipped bytes and cut files, in great numbers: whatever a decoder raises becomes a ValueError."""
    exif, random = Image.Exif(), np.random.default_rng(1)
    exif[0x0112], exif[0x010E] = 6, "a text"
    options = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    good = content(Image.fromarray(noise(16, 16)), form, **options)
    for _ in range(60):
        data = bytearray(good)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(256)
        data = data[: random.integers(1, len(data))] if random.random() < 0.3 else data
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert as_images(bytes(data), 48).shape == (1, 1, 48, 48)
        except ValueError as error:
            assert len(str(error)) <= 400  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017
