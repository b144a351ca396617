"""From arrays of any shape and type to grey levels 0 to 255, without guessing: what cannot be told apart is refused.

A number in a picture means nothing by itself: 1 is black among 0 … 255 and white among 0 … 1. The type tells, or else
the range of all values; where neither does, a sentence asks. So no picture turns black or white in silence.
"""

import math
from typing import Any

import numpy as np
from PIL import Image

# Resampling overshoots at edges by up to a tenth of the range; such values are cut off, as a screen would.
OVERSHOOT = 0.1
DARKEST = 16  # floats whose largest value is at most this and above 1 are neither 0 … 1 nor a picture in 0 … 255
DEEPEST = 4095  # whole numbers of no stated depth that end between 255 and this are neither 8 nor 16 bits


def eight_bits(values: np.ndarray, depth: int | None = None) -> np.ndarray:
    """Turn grey levels or channels of any numeric type into uint8 of the same shape.

    bool is black and white. uint8 stays. uint16 has 65,535 for white, and so have other whole numbers that go beyond
    8 bits. Floats are 0 … 1 or 0 … 255. `depth=16` says that whole numbers have 65,535 for white, whatever their type.

    Raises:
        ValueError: NaN, infinity, negative numbers or a range that may be one thing or another; the message says which.
    """
    values = values.astype(values.dtype.newbyteorder("="), copy=False)  # else 16 bits of another machine were no uint16
    if values.size == 0 or values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype.kind == "f":
        return _from_floats(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"the pixels are of the type {values.dtype}, which is no number that a grey level could be")
    return _from_whole_numbers(values, 16 if values.dtype == np.uint16 else depth)


def _from_whole_numbers(values: np.ndarray, depth: int | None) -> np.ndarray:
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise ValueError(f"the pixels run from {low} to {high}; grey levels are not negative")
    if high == 1:
        raise ValueError(
            "the pixels are 0 and 1, which is black among 0 … 255; if 1 is white, convert them to bool, else to uint8"
        )
    if depth != 16 and high <= 255:
        return values.astype(np.uint8)
    if high > 65535:
        raise ValueError(f"the pixels reach {high:,}; whole numbers go to 255 (8 bits) or to 65,535 (16 bits)")
    if 0 < high <= (255 if depth == 16 else DEEPEST):
        raise ValueError(
            f"the pixels reach {high:,}, which is black among 16 bits; if they are 8 bits, save or convert them as "
            "uint8, else scale them to 65,535"
        )
    return (values.astype(np.uint32) * 255 // 65535).astype(np.uint8)


def _from_floats(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32 if values.dtype.itemsize < 8 else np.float64, copy=False)
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the pixels hold NaN or infinity, which is no grey level; np.nan_to_num replaces them")
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        white = 1
    elif low >= -OVERSHOOT * 255 and DARKEST < high <= (1 + OVERSHOOT) * 255:
        white = 255
    else:
        raise ValueError(
            f"the pixels run from {low:.4g} to {high:.4g}, which is neither 0 … 1 nor 0 … 255; denormalise(…) undoes "
            "a normalisation, other ranges have to be scaled"
        )
    levels = values * (255 / white)
    return levels.round(out=levels).clip(0, 255, out=levels).astype(np.uint8)


def alone(image: Any) -> Any:
    """Say of an array that it is one image: `(3, H, W)` might else be three grey ones; all else stays as it is."""
    shape = tuple(getattr(image, "shape", ()))
    return image[None] if len(shape) == 3 and shape[0] in (3, 4) and shape[2] not in (1, 2, 3, 4) else image


def in_rows(array: np.ndarray) -> np.ndarray:
    """Give an array of images the shape (N, H, W, C) by looking at its own shape; nothing is copied.

    (H, W), (H, W, C), (N, H, W), (N, H, W, C), (N, C, H, W), with 1 channel for grey, 2 for grey and opacity, 3 for
    colour, 4 for colour and opacity (channels first: 1, 3 or 4).

    Raises:
        ValueError: another shape, or one that may be two things.
    """
    shape = array.shape
    rows = None
    if len(shape) == 2:
        rows = array[None, :, :, None]
    elif len(shape) == 3 and shape[2] in (1, 2, 3, 4):
        rows = array[None]
    elif len(shape) == 3 and shape[0] not in (3, 4):
        rows = array[..., None]
    elif len(shape) == 3:
        raise ValueError(
            f"an array of shape {shape} may be {shape[0]} grey images or one image with {shape[0]} channels; "
            "array[:, None] says the first, array[None] the second"
        )
    elif len(shape) == 4 and (shape[1] == 1 or (shape[1] in (3, 4) and shape[3] not in (1, 2, 3, 4))):
        rows = array.transpose(0, 2, 3, 1)
    elif len(shape) == 4 and shape[3] in (1, 2, 3, 4) and shape[1] not in (3, 4):
        rows = array
    if rows is None or 0 in rows.shape[1:]:
        raise ValueError(
            f"an array of shape {shape} is no image: give (H, W), (H, W, C), (N, H, W), (N, H, W, C) or (N, C, H, W), "
            "with 1 channel for grey, 3 for colour or 4 with opacity"
        )
    return rows


def plain_arrays(array: np.ndarray, bgr: bool = False, colour: bool = False) -> list[np.ndarray]:
    """Turn an array of images into a list of grey ones, uint8 `(H, W)` each; `bgr` as OpenCV gives colours.

    With `colour`, each is `(3, H, W)`: red, green, blue.

    Raises:
        ValueError: a shape or a range that is no picture's, or may be two things.
    """
    rows = eight_bits(in_rows(array))  # (N, H, W, C)
    if rows.shape[3] == 1:
        grey = np.ascontiguousarray(rows[..., 0])  # (N, H, W)
        return list(grey[:, None].repeat(3, axis=1)) if colour else list(grey)
    if bgr and rows.shape[3] in (3, 4):
        rows = rows[..., [2, 1, 0, 3][: rows.shape[3]]]
    mode = {2: "LA", 3: "RGB", 4: "RGBA"}[rows.shape[3]]
    whole = [on_white(Image.fromarray(np.ascontiguousarray(row), mode)) for row in rows]
    if colour:
        return [np.asarray(image.convert("RGB")).transpose(2, 0, 1) for image in whole]
    return [np.asarray(image.convert("L")) for image in whole]


def on_white(image: Image.Image) -> Image.Image:
    """Put a picture with transparent pixels onto white; others stay as they are."""
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image
