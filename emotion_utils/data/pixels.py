"""From grey levels to numbers that a network takes, and from any picture to grey levels: one reader for every door."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emotion_utils.data.contents import as_pixels, check_flag
from emotion_utils.data.grey_levels import DARKEST, OVERSHOOT, alone, plain_arrays
from emotion_utils.data.image_files import MOST_BYTES, MOST_PIXELS, Picture, decode, from_pillow, read_picture
from emotion_utils.errors import brief, check_number, check_whole, listed, one_line, reason
from emotion_utils.files import as_path
from emotion_utils.tensors import as_list, as_tensor

# One picture or many: a file's path, its content, the open file, a Pillow image, an array or a tensor.
Source = str | PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray | Tensor
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
NUMBERS = r"[\[ ]*[0-9]+([ ,]+[0-9.]+){20,}[\] ]*"  # a text of pixels, as FER2013's table has in each row
LARGEST = int(MOST_PIXELS**0.5)  # the largest `size`


def to_unit(images: Tensor) -> Tensor:
    """Give float32 images in [0, 1]: uint8 is divided by 255, float is taken to be in [0, 1] already."""
    return images.to(torch.float32) / 255 if images.dtype == torch.uint8 else images.to(torch.float32)


def normalise(images: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Scale to [0, 1], subtract the mean and divide by the standard deviation; float32, the shape of `images`."""
    images, mean, std = _for_normalisation(images, mean, std)
    if not images.is_floating_point():
        images = as_pixels(images)
    elif images.device.type == "cpu" and images.numel() and float(images.max()) >= DARKEST:  # a GPU would have to wait
        high = float(images.max())
        raise ValueError(f"images reach {high:.4g}; floats are from 0 to 1 here. Divide them by 255, or give uint8.")
    return (to_unit(images) - mean) / std


def denormalise(images: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Undo `normalise`, for looking at what the network sees: float32 clipped to [0, 1]."""
    images, mean, std = _for_normalisation(images, mean, std)
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}; normalised images are floats. These are grey levels already.")
    return (images * std + mean).clamp(0, 1)


def _for_normalisation(images: Tensor, mean: float | Tensor, std: float | Tensor) -> tuple:
    images = as_tensor(images, "images")
    if images.ndim == 0:
        raise ValueError(f"images={brief(images.item())}: give images, (N, 1, height, width).")
    return images, _statistic("mean", mean, images), _statistic("std", std, images, above=0)


def _statistic(name: str, value: Any, images: Tensor, above: float | None = None) -> float | Tensor:
    """Check a mean or a standard deviation: one number, or a tensor of several, such as one for each channel."""
    least = 0 if above is None else None
    if not isinstance(value, Tensor) or value.ndim == 0:
        return float(check_number(least, 1, above=above, **{name: value}))
    value = as_tensor(value, name)
    if value.dtype == torch.bool or not ((value <= 1) & (value >= 0 if above is None else value > above)).all():
        raise ValueError(f"{name}={brief(value)}: choose numbers{' more than' if above == 0 else ' from'} 0 to 1.")
    fitting = value.ndim <= images.ndim and all(
        one in (1, many) for one, many in zip(reversed(value.shape), reversed(images.shape), strict=False)
    )
    if not fitting:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}, images {tuple(images.shape)}: give one number, or one for each "
            "channel as (C, 1, 1)."
        )
    return value


def pixel_statistics(images: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels of uint8 images, scaled to [0, 1].

    The histogram of the 256 grey levels holds all that is needed, in whole numbers, so the result is exact.
    """
    counts = torch.bincount(images.flatten(), minlength=256)
    levels = torch.arange(256, device=counts.device)
    mean = int((counts * levels).sum()) / images.numel()
    variance = int((counts * levels**2).sum()) / images.numel() - mean**2
    # A set of one blank image has no spread; 1 keeps the division harmless.
    return mean / 255, max(variance, 0.0) ** 0.5 / 255 or 1.0


def load_image(path: str | Path, size: int = 48, *, colour: bool = False) -> Tensor:
    """Read one image file of any size and mode: grey, uint8 `(1, 1, size, size)`, the middle square of the picture.

    With `colour` it is `(1, 3, size, size)`: red, green, blue.

    The photo is turned upright as its EXIF data says; damaged EXIF data gives a warning. Transparent pixels become
    white. Formats and limits are those of `emotion_utils.data.image_files`; `as_images` takes more than paths.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ValueError: the file is not an image, or is damaged; or `size` is no whole number from 1.
    """
    colour = check_flag(colour=colour)
    picture = read_picture(as_path(path), check_size(size), colour)
    _warn(picture, path)
    return torch.from_numpy(picture.pixels).view(1, 3 if colour else 1, size, size)


def to_grey(image: Source, size: int | None = None, bgr: bool = False) -> np.ndarray:
    """Turn one image of any kind into grey levels, uint8 `(H, W)`, or `(size, size)`; see `as_images`."""
    images = as_images(alone(image), size, bgr)  # (N, 1, H, W)
    if len(images) != 1:
        raise ValueError(f"image={one_line(str(tuple(images.shape)), 60)}: to_grey takes one image, as_images many.")
    return images[0, 0].numpy()


def as_images(
    images: Source | Sequence[Source], size: int | None = None, bgr: bool = False, *, colour: bool = False
) -> Tensor:
    """Turn whatever holds images into grey ones, uint8 `(N, 1, H, W)`, with the grey levels that were meant.

    Args:
        images: the path of an image file, its content as bytes, an open file, a Pillow image; a NumPy array or a
            PyTorch tensor of shape (H, W), (H, W, C), (N, H, W), (N, H, W, C) or (N, C, H, W), where C is 1, 3 or 4;
            or a list, or a data frame's column, of these. bool is black and white, uint8 and uint16 are 8 and 16 bits,
            floats are 0 … 1 or 0 … 255 (all of an array alike); other whole numbers are 8 bits if they end at 255, else
            16.
        size: height and width of the result, of the middle square of each; None keeps the images' own, which must
            then be equal.
        bgr: colours of arrays are blue, green, red, as in OpenCV's frames.
        colour: give colours, `(N, 3, H, W)` in the order red, green, blue; grey images then have three equal channels.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ValueError: damaged files; NaN, negative or normalised pixels; shapes and ranges that may be two things; images
            of different sizes.
        TypeError: no images.
    """
    bgr, colour = check_flag(bgr=bgr), check_flag(colour=colour)
    channels = 3 if colour else 1
    images = unpacked(images)
    if isinstance(images, list | tuple):
        _check_alike(images)
    if size is not None:
        size = check_size(size)
    elif (
        isinstance(images, Tensor) and images.dtype == torch.uint8 and images.ndim == 4 and images.shape[1] == channels
    ):
        return images  # that is what they are
    made = list(_each(images, size, bgr, colour))
    if not made and isinstance(images, np.ndarray | Tensor):
        height, width = (size, size) if size else (images.shape[-2:] if images.ndim == 4 else (1, 1))
        return torch.empty(0, channels, height, width, dtype=torch.uint8)
    if not made:
        raise ValueError("images=[]: there are no images.")
    sizes = sorted({image.shape[-2:] for image in made})
    if len(sizes) > 1:
        raise ValueError(
            f"The images have different sizes, {sizes[0][0]}×{sizes[0][1]} and {sizes[-1][0]}×{sizes[-1][1]} among "
            "them. Give size=48, or another, to make them equal."
        )
    return torch.from_numpy(np.stack(made)).view(len(made), channels, *sizes[0])


def unpacked(images: Any) -> Any:
    """Give a data frame's column of images or paths, or an array of arrays, as a list; all else as it is."""
    return images if isinstance(images, np.ndarray) and images.dtype.kind != "O" else as_list(images)


def _check_alike(images: Sequence[Any]) -> None:
    """Raise a ValueError where the images of a list seem to be of two ranges: a dark one among bright ones, or not?

    An array is looked at as a whole, so that its dark images stay dark; a list of arrays is to be no different.
    """
    limits = {"f": 1 + OVERSHOOT, "i": 255, "u": 255}
    highest: dict[str, list[tuple[float, int]]] = {kind: [] for kind in limits}
    for number, image in enumerate(images):
        if isinstance(image, np.ndarray | Tensor) and (array := _as_array(image)).size:
            stated = array.dtype.itemsize == 1 or (array.dtype.kind == "u" and array.dtype.itemsize == 2)
            if array.dtype.kind in limits and not stated and array.max() > 0:  # NaN is looked at later
                highest[array.dtype.kind].append((float(array.max()), number))
    for kind, found in highest.items():
        if found and min(found)[0] <= limits[kind] < max(found)[0]:
            (low, dark), (high, bright) = min(found), max(found)
            raise ValueError(
                f"images[{dark}] reaches {low:g}, images[{bright}] {high:g}: is the first dark, or in another range? "
                "Convert all to uint8, or put them into one array."
            )


def check_size(size: Any) -> int:
    """Return `size` as an int; raise a ValueError that names it unless it is a whole number from 1."""
    return check_whole(1, LARGEST, size=size)


def _each(images: Any, size: int | None, bgr: bool, colour: bool) -> Iterator[np.ndarray]:
    """Give the images one by one: uint8 `(H, W)`, or with `colour` `(3, H, W)`."""
    if isinstance(images, Mapping) and isinstance(images.get("bytes"), bytes):
        images = images["bytes"]  # as Hugging Face's tables hold an image
    if isinstance(images, str) and re.fullmatch(NUMBERS, images):
        raise ValueError(
            f"images={brief(images, 30)}: that is a text of {len(re.findall('[0-9.]+', images)):,} numbers, and no "
            "path. np.array(text.split(), dtype=np.uint8).reshape(48, 48) makes an image of it."
        )
    if isinstance(images, str | PathLike):
        picture = read_picture(as_path(images, "images"), size, colour)
        _warn(picture, images)
        yield picture.pixels
    elif isinstance(images, bytes | bytearray | memoryview):
        yield decode(bytes(images), "The content that was given", size, colour).pixels
    elif isinstance(images, Image.Image):
        yield _from_pillow(images, size, colour).pixels
    elif hasattr(images, "read"):
        yield decode(_read(images), "The open file", size, colour).pixels
    elif isinstance(images, list | tuple) and not _is_numbers(images):
        for image in images:
            yield from _each(image, size, bgr, colour)
    else:
        for pixels in _from_array(images, bgr, colour):
            yield pixels if size is None else _resized(pixels, size)


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Give the middle square of one image, uint8 `(H, W)` or `(3, H, W)`, at another size."""
    colour = pixels.ndim == 3
    rows = np.ascontiguousarray(pixels.transpose(1, 2, 0)) if colour else pixels
    return from_pillow(Image.fromarray(rows), size, colour).pixels


def _from_pillow(image: Image.Image, size: int | None, colour: bool) -> Picture:
    try:
        return from_pillow(image, size, colour)
    except Exception as error:  # whatever a decoder raises
        raise ValueError(f"The image of mode {image.mode} cannot be used ({reason(error)}).") from error


def _read(file: BinaryIO) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if not isinstance(content, bytes):
        raise TypeError('The open file gives text. Open it as open(path, "rb").')
    if len(content) > MOST_BYTES:
        raise ValueError(f"The open file holds more than {MOST_BYTES:,} bytes, the most that are read.")
    return content


def _is_numbers(values: Any) -> bool:
    """Say whether nested lists hold numbers, so that they are one array and not a list of images."""
    for _ in range(6):
        if isinstance(values, Sequence) and not isinstance(values, str | bytes) and len(values):
            values = values[0]
    return isinstance(values, int | float | np.number | np.bool_)


def _from_array(images: Any, bgr: bool, colour: bool) -> list[np.ndarray]:
    array = _as_array(images)
    if array is None or array.ndim < 2 or array.dtype.kind not in "buif":
        what = one_line(repr(images), 60) if isinstance(images, str | int | float | list | tuple) else type(images)
        is_mapping = hasattr(images, "keys") and not hasattr(images, "__array__")  # as an .npz file is
        entries = f" It has entries: give one of {listed(list(map(str, images)), 4, 60)}." if is_mapping else ""
        raise TypeError(
            f"images={what}: give the path of an image file, a Pillow image, an array of pixels such as (H, W) or "
            f"(N, H, W, 3), or a list of these. Of a FaceDataset, give its images.{entries}"
        )
    try:
        return plain_arrays(array, bgr, colour)
    except ValueError as error:
        raise ValueError(f"The images cannot be used: {error}.") from error


def _as_array(images: Any) -> np.ndarray | None:
    """Make a NumPy array of a tensor, another library's array or lists of numbers; None of anything else."""
    try:
        if isinstance(images, Tensor):
            images = images.detach().cpu()
            return (images.float() if images.dtype == torch.bfloat16 else images).numpy()
        if isinstance(images, Sequence) or hasattr(images, "__array__"):
            return np.asarray(images)
    except Exception as error:  # ragged lists, sparse tensors
        raise ValueError(f"The images cannot be made an array ({reason(error)}).") from error
    return None


def _warn(picture: Picture, path: str | PathLike[str]) -> None:
    if picture.remark:
        warnings.warn(f"{as_path(path).name}: {picture.remark}.", stacklevel=3)
