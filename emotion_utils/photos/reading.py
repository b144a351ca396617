"""A photograph from anywhere: a file, a Pillow image, a camera's frame; upright, in colours, with its true size.

Phones store a photograph as the sensor saw it, with a note how to turn it. Scanners store 16 bits, printers four inks.
What a finder and a network are to see is none of that: red, green and blue, 8 bits, the right way up.
"""

import importlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from PIL import Image

from emotion_utils.data.grey_levels import alone
from emotion_utils.data.image_files import MOST_BYTES, Picture, decode, from_pillow
from emotion_utils.data.pixels import as_images
from emotion_utils.errors import one_line, reason, show
from emotion_utils.files import as_path, read_file

ANIMATED = "it is animated: the first of its pictures was taken"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph that has been read.

    Attributes:
        image: Pillow image of mode "RGB", upright; of a JPEG file of over 64 million pixels a reduced one.
        width, height: of the original in pixels, upright. Boxes and eyes are in these pixels.
        name: the file's name; None where there is no file.
        remark: what a reader should know, such as that the file holds several pictures.
    """

    image: Image.Image
    width: int
    height: int
    name: str | None = None
    remark: str | None = None


def read_photo(image: Any, *, bgr: bool = False) -> Photo:
    """Read one picture of any kind.

    Args:
        image: the path of an image file, its content as bytes, the open file, a Pillow image, an array or a tensor of
            one picture (as `emotion_utils.data.as_images` takes them, and `(3, H, W)`), or a `Photo`, which is handed
            back.
        bgr: colours of an array are blue, green, red, as in OpenCV's frames.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ImageError: the file is no image, or is damaged (a ValueError).
        ValueError: an array of several pictures, or of pixels that are no picture's.
        TypeError: no picture.
    """
    if isinstance(image, Photo):
        return image
    _add_plugins()
    if isinstance(image, str | PathLike):
        path = as_path(image, "image")
        return _of(decode_colours(read_file(path, MOST_BYTES), show(path)), path.name)
    if isinstance(image, bytes | bytearray | memoryview):
        return _of(decode_colours(bytes(image), "The content that was given"))
    if isinstance(image, Image.Image):
        try:
            return _of(_remark(image, from_pillow(image, colour=True)))
        except Exception as error:  # whatever a decoder raises
            raise ValueError(f"The image of mode {image.mode} cannot be used ({reason(error)}).") from error
    if hasattr(image, "read"):
        content = image.read(MOST_BYTES + 1)
        if isinstance(content, bytes) and len(content) <= MOST_BYTES:
            return _of(decode_colours(content, "The open file"))
        raise ValueError(f'The open file gives text or over {MOST_BYTES:,} bytes: open it as open(path, "rb").')
    arrays = as_images(alone(image), bgr=bgr, colour=True)  # (N, 3, H, W)
    if len(arrays) != 1:
        shape = one_line(str(tuple(arrays.shape)), 60)
        raise ValueError(f"image: {shape}, which are {len(arrays):,} pictures; give one at a time.")
    return _of(Picture(arrays[0].numpy(), tuple(arrays.shape[2:])))


def decode_colours(content: bytes, name: str) -> Picture:
    """Decode a file in colours, with a remark where it holds several pictures."""
    picture = decode(content, name, colour=True)
    # Pillow finds the second picture of a GIF by reading on, so only formats that are made for it are asked.
    if content[:4] in (b"GIF8", b"\x89PNG", b"RIFF"):
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(content), formats=["GIF", "PNG", "WEBP"]) as image:
                return _remark(image, picture)
    return picture


def _remark(image: Image.Image, picture: Picture) -> Picture:
    if not getattr(image, "is_animated", False):
        return picture
    remark = ANIMATED if picture.remark is None else f"{picture.remark}; {ANIMATED}"
    return Picture(picture.pixels, picture.size, remark, picture.has_colours)


def _of(picture: Picture, name: str | None = None) -> Photo:
    height, width = picture.size
    rows = np.ascontiguousarray(picture.pixels.transpose(1, 2, 0))  # (H, W, 3)
    return Photo(Image.fromarray(rows), width, height, name, picture.remark)


def _add_plugins() -> None:
    """Let Pillow read HEIC, where the package for that is installed."""
    if "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            importlib.import_module("pillow_heif").register_heif_opener()
