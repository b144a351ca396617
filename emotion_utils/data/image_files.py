"""Image files that may be damaged, or lie: a picture, or an error in one sentence; never another program, never a wait.

Pillow opens some forty formats, one of them (PostScript) by starting another program. Here a dozen formats are opened,
told by the content and not by the name; bytes and pixels are counted before anything is unpacked; and whatever a
decoder raises becomes a ValueError.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from emotion_utils.data.grey_levels import eight_bits, on_white
from emotion_utils.errors import reason, show
from emotion_utils.files import read_file

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "SGI", "SUN", "PCX", "QOI")
PLUGIN_FORMATS = ("HEIF",)  # opened where a plug-in for Pillow is installed, such as pillow-heif
MOST_BYTES = 100_000_000
MOST_PIXELS = 64_000_000  # 8,000 × 8,000; a large phone's photograph has 50 million. Of a larger JPEG, see `_reduce`

GREY_MODES = ("1", "L", "LA", "La", "F")  # of Pillow; so are those that begin with I

_EXIF_ORIENTATION = 0x0112
_TIFF_PHOTOMETRIC = 262
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_ON_ITS_SIDE = {_TURN[number] for number in (5, 6, 7, 8)}


class ImageError(ValueError):
    """A file is no image, or is damaged; `why` says so in a few words, without the file's name."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True)
class Picture:
    """One image in grey levels, or in red, green and blue."""

    pixels: np.ndarray  # uint8 (H, W), of colours (3, H, W)
    size: tuple[int, int]  # height and width of the image that it was made of
    remark: str | None = None  # what a reader should know
    has_colours: bool = False  # whether the file holds colours (a grey picture may be saved as one that does)


def read_picture(path: Path, size: int | None = None, colour: bool = False) -> Picture:
    """Read an image file; with `size`, its middle square at that many pixels; with `colour`, three channels.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ImageError: the file is no image of `FORMATS`, or is damaged.
        ValueError: the file is too large, or is a pipe, a socket or a device.
    """
    return decode(read_file(path, MOST_BYTES), show(path), size, colour)


def decode(content: bytes, name: str, size: int | None = None, colour: bool = False) -> Picture:
    """Make a picture of the content of an image file; `name` is what a message calls it.

    Raises:
        ImageError: no image of `FORMATS`, damaged, or more than `MOST_PIXELS`.
    """
    Image.init()
    known = [each for each in (*FORMATS, *PLUGIN_FORMATS) if each in Image.OPEN]  # Pillow may be built without one
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on what it could not read beside the pixels
            with Image.open(BytesIO(content), formats=known) as image:
                return from_pillow(image, size, colour)
    except Image.UnidentifiedImageError as error:
        if _is_heic(content) and "HEIF" not in known:
            message = (
                f"{name} is a HEIC picture. Save it as JPEG, or `pip install pillow-heif`, which reads such files."
            )
            raise ImageError(message, "HEIC; `pip install pillow-heif` lets it be read") from error
        if _is_numpy(content):
            message = f"{name} holds an array of NumPy. Give what is in it: np.load(path)."
            raise ImageError(message, "an array of NumPy") from error
        message = (
            f"{name} is no image that can be read (readable are {', '.join(known)}). Save it as one, or leave it out."
        )
        raise ImageError(message, "no image") from error
    except Exception as error:  # decoders raise all kinds: struct.error, RuntimeError, RecursionError, MemoryError …
        message = f"{name} is not a readable image ({reason(error)}). Open and save it anew, or leave it out."
        raise ImageError(message, reason(error)) from error


def from_pillow(image: Image.Image, size: int | None = None, colour: bool = False) -> Picture:
    """Turn a Pillow image of any mode into grey levels or colours; raises whatever Pillow raises for a damaged one.

    Transparent pixels become white, the photo is turned upright as its EXIF data says, and with `size` the middle
    square is cut out. 16-bit images are scaled to 8 bits; Pillow's own conversion would cut them off at 255.
    (`ImageOps.exif_transpose` would write the EXIF data anew, which fails where other parts of it are damaged.)
    """
    width, height = image.size
    has_colours = not (image.mode in GREY_MODES or image.mode.startswith("I"))
    _reduce(image)
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"it has {image.width:,} × {image.height:,} pixels; at most {MOST_PIXELS:,} are read")
    image.load()
    method, remark = _orientation(image)
    made = on_white(_levels(image)).convert("RGB" if colour else "L")
    if method is not None:
        made = made.transpose(method)
        if method in _ON_ITS_SIDE:
            width, height = height, width
    if size is not None and made.size != (size, size):
        made = ImageOps.fit(made, (size, size), Image.Resampling.BICUBIC)
    pixels = np.array(made).transpose(2, 0, 1) if colour else np.array(made)
    return Picture(pixels, (height, width), remark, has_colours)


def _reduce(image: Image.Image) -> None:
    """Let a JPEG file of more than `MOST_PIXELS` be decoded at a half, a quarter or an eighth of its size."""
    if image.format == "JPEG" and hasattr(image, "draft"):
        step = next((step for step in (2, 4, 8) if image.width * image.height <= step**2 * MOST_PIXELS), 8)
        if image.width * image.height > MOST_PIXELS:
            image.draft(None, (image.width // step, image.height // step))


def _is_heic(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def _is_numpy(content: bytes) -> bool:
    return content[:6] == b"\x93NUMPY" or (content[:2] == b"PK" and b".npy" in content[:300])


def _levels(image: Image.Image) -> Image.Image:
    """Scale pixels of 16 or 32 bits, and floats, to 8 bits; leave others as they are."""
    if not image.mode.startswith(("I", "F")):
        return image
    # Older Pillows open PNG's 16 bits as whole numbers of 32.
    depth = 16 if image.mode.startswith("I;16") or image.format in ("PNG", "PPM") else None
    levels = eight_bits(np.asarray(image), depth)
    if image.format == "TIFF" and image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0:  # 0 is white
        levels = 255 - levels  # as Pillow does with 8 bits
    return Image.fromarray(levels)


def _orientation(image: Image.Image) -> tuple[Image.Transpose | None, str | None]:
    """Say how to turn a photo upright; a remark where its EXIF data is damaged."""
    try:
        return _TURN.get(image.getexif().get(_EXIF_ORIENTATION)), None
    except Exception as error:
        return None, f"its EXIF data is damaged ({reason(error, 60)}), so it may lie on its side"
