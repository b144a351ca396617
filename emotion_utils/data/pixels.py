"""From grey levels to numbers that a network takes, and from any picture to grey levels."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from emotion_utils.errors import check_at_least

# What Pillow raises for a file that is no image, or a damaged one.
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def to_unit(images: Tensor) -> Tensor:
    """Give float32 images in [0, 1]: uint8 is divided by 255, float is taken to be in [0, 1] already."""
    return images.to(torch.float32) / 255 if images.dtype == torch.uint8 else images.to(torch.float32)


def normalise(images: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Scale to [0, 1], subtract the mean and divide by the standard deviation; float32, the shape of `images`."""
    return (to_unit(images) - mean) / std


def denormalise(images: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Undo `normalise`, for looking at what the network sees: float32 clipped to [0, 1]."""
    return (images * std + mean).clamp(0, 1)


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


def to_grey(image: Image.Image, size: int | None = None) -> np.ndarray:
    """Turn a Pillow image of any mode into grey levels, uint8 `(size, size)`; None keeps the size.

    The photo is turned upright as its EXIF data says, the middle square is cut out, and transparent pixels become
    white. 16-bit images are scaled to 8 bits; Pillow's own conversion would cut them off at 255.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float32)
        white = 65535 if image.mode.startswith("I") else 1 if values.max() <= 1 else 255
        image = Image.fromarray((values / white * 255).clip(0, 255).astype(np.uint8))
    elif image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L")
    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def load_image(path: str | Path, size: int = 48) -> Tensor:
    """Read one image of any size, mode and format that Pillow knows: grey, uint8 `(1, 1, size, size)`.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ValueError: the file is not an image, or is damaged; or `size` is less than 1.
    """
    check_at_least(1, size=size)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path.absolute()}. Check the name and the folder.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; load_image reads one file. load_folder reads folders.")
    try:
        with Image.open(path) as image:
            pixels = to_grey(image, size)
    except PermissionError as error:
        raise PermissionError(f"{path} may not be read. Change its permissions, or copy it elsewhere.") from error
    except UNREADABLE as error:
        raise ValueError(
            f"{path} is not a readable image ({error}). Open and save it anew, or leave it out."
        ) from error
    return torch.from_numpy(pixels.copy())[None, None]
