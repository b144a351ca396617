"""What was meant by the pixels that somebody gives to a network? Told by their type and range, or asked for.

Whole numbers are grey levels. Floats may be 0 … 1, 0 … 255 or normalised already. A network gives an answer to any of
them, and only one answer is right.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emotion_utils.data.grey_levels import in_rows
from emotion_utils.data.pixels import as_images, normalise
from emotion_utils.errors import brief
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import as_input, is_face_model, undisturbed, unwrap, warn
from emotion_utils.tensors import as_tensor

SCALES = ("unit", "grey", "normalised")
OVERSHOOT = 0.1  # resampling leaves a range by up to a tenth of it
NEAR_ONE = 0.8  # where both ends are nearer to -1 and 1 than that, the images may have been scaled to -1 … 1
DARKEST = 16  # floats in 0 … 255 have a pixel at least as bright; normalised ones hardly get there


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images of one size, and how a network is to see them."""

    images: Tensor  # (N, C, H, W): uint8 grey levels, or float
    white: float | None  # of float images: the value that is white; None for uint8 and for normalised ones
    normalisation: tuple[float, float] | None  # None: they are normalised already

    def normalised(self, chunk: Tensor, device: torch.device) -> Tensor:
        """Bring a part of the images to `device`, float32 and normalised."""
        if self.normalisation is None:
            return chunk.to(device, copy=True)  # a network may work in place, and these are the caller's own
        chunk = chunk.to(device)
        return normalise(chunk if self.white in (None, 1) else chunk / self.white, *self.normalisation)


def as_pixels(
    model: nn.Module, images: Any, *, scale: str | None = None, size: int | None = None, bgr: bool | None = None
) -> Pixels:
    """Turn whatever holds images into pixels for `model`; the arguments are those of `predict_proba`.

    Raises:
        TypeError, ValueError, OSError: no images, or nobody can say what they hold.
    """
    if scale is not None and (not isinstance(scale, str) or scale not in SCALES):
        raise ValueError(f"scale={brief(scale)}: choose one of {', '.join(SCALES)}, or None to look at the pixels.")
    array = _as_tensor(images)  # None of files and the like
    floats = array.float() if array is not None and array.is_floating_point() else None
    channels = _channels_for(model, images, array, size)
    if floats is None or (scale != "normalised" and not _is_laid_out(floats, channels)):
        return _grey_levels(model, images, array, channels, size, bgr)
    if floats.numel() == 0:
        return Pixels(_laid_out(floats, channels), None, None)
    low, high = float(floats.min()), float(floats.max())
    if not np.isfinite([low, high]).all():
        bad = int((~floats.isfinite()).sum())
        raise ValueError(f"images hold {bad:,} pixels that are not finite (NaN or infinity): mend or leave them out.")
    known = facts_of(model).normalisation
    scale = _recognise(floats, low, high, known) if scale is None else _check_scale(scale, low, high)
    if scale != "normalised" and size is not None:
        unit = floats if scale == "unit" else floats / 255
        return _grey_levels(model, unit, unit, channels, size, bgr)
    if scale == "normalised":
        if size is not None:
            raise ValueError(f"size={size}: resize images before they are normalised.")
        _check_range(low, high, known)
        return Pixels(_laid_out(floats, channels), None, None)
    return Pixels(_laid_out(floats, channels), 255.0 if scale == "grey" else 1.0, _normalisation(model))


def _grey_levels(
    model: nn.Module, images: Any, array: Tensor | None, channels: int, size: int | None, bgr: bool | None
) -> Pixels:
    """Take images of whole numbers, files and the like: uint8; `array` holds them, if they are arrays."""
    if channels == 3 and array is None:  # files and Pillow's images; grey ones get three equal channels
        return Pixels(as_images(images, size, bool(bgr), colour=True), None, _normalisation(model))
    if channels != 1:
        if array is None or array.dtype != torch.uint8 or size is not None:
            raise ValueError(
                f"This network takes images of {channels} channels: give uint8 or float (N, {channels}, H, W)."
            )
        return Pixels(array, None, _normalisation(model))
    if bgr is None and isinstance(images, np.ndarray) and images.ndim >= 3 and images.shape[-1] in (3, 4):
        warn(
            "The arrays hold colours: they were taken as red, green, blue and turned grey. OpenCV's are blue, green, "
            "red: say bgr=True (or False, to say that all is well)."
        )
    return Pixels(as_images(images, size, bool(bgr)), None, _normalisation(model))


def _normalisation(model: nn.Module) -> tuple[float, float]:
    known, inner = facts_of(model).normalisation, unwrap(model)
    if known is not None:
        return known
    if is_face_model(inner):  # one of ours, which has a first guess
        warn(
            f"{type(inner).__name__} was not told how images are normalised, so it takes a mean of "
            f"{float(inner.mean):.3g} and a standard deviation of {float(inner.std):.3g}. train() tells it, or "
            "model.set_normalisation(mean, std) of the training set."
        )
        return float(inner.mean), float(inner.std)
    raise ValueError(
        f"{type(inner).__name__} does not know how images are normalised: train() tells it, or set_facts(model, (mean, "
        'std), classes) from emotion_utils.models. Images that are normalised already: scale="normalised".'
    )


def channels_of(model: nn.Module, height: int, width: int) -> int:
    """Say how many channels a network's images of this size have, as far as that can be seen.

    Ours say so. Another one is tried: its `in_channels` may count something else, and its first convolution may get
    grey images that were made three equal channels before.
    """
    guess = _channels_in_sight(model)
    if guess == 1 or is_face_model(unwrap(model)):
        return guess
    try:
        images = as_input(torch.zeros(2, 1, height, width), model)
        with undisturbed(model), torch.no_grad():
            unwrap(model)(images)
    except Exception:  # the code of a reader's network may raise anything
        return guess
    return 1


def image_size_of(model: nn.Module) -> int:
    """Give the height and width of the images that a network says it is built for, `image_size`; else 48.

    Other libraries write a number, or a pair of equal ones.
    """
    own = getattr(unwrap(model), "image_size", None)
    if isinstance(own, tuple | list) and len(set(own)) == 1:
        own = own[0]
    return own if isinstance(own, int) and own > 0 else 48


def input_shape_of(model: nn.Module) -> tuple[int, ...]:
    """Give the shape of a batch of one image for a network, in its size and its channels."""
    size = image_size_of(model)
    return (1, channels_of(model, size, size), size, size)


def _channels_in_sight(model: nn.Module) -> int:
    own = getattr(unwrap(model), "in_channels", None)
    own = own if isinstance(own, int) and own > 0 else 1
    if is_face_model(unwrap(model)):
        return own
    return next((layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), own) or 1  # 0: lazy


def _channels_for(model: nn.Module, images: Any, array: Tensor | None, size: int | None) -> int:
    """Say how many channels the images that somebody gives are to get; `array` holds them, if they are arrays."""
    guess = _channels_in_sight(model)
    if guess == 1 or (array is not None and array.ndim == 4 and array.shape[1] == guess):
        return guess
    first = images[0] if isinstance(images, list | tuple) and images else images
    try:
        if size is not None:
            return channels_of(model, size, size)
        if array is not None:
            return channels_of(model, *in_rows(array.cpu().numpy()).shape[1:3])
        # A stream is read once.
        return guess if hasattr(first, "read") else channels_of(model, *as_images(first).shape[2:])
    except (TypeError, ValueError, OSError):  # whatever it is, it is said where the images are taken
        return guess


def _as_tensor(images: Any) -> Tensor | None:
    if isinstance(images, list | tuple) and images and all(isinstance(each, np.ndarray | Tensor) for each in images):
        parts = [as_tensor(each, "images") for each in images]
        alike = len({(part.dtype, part.shape) for part in parts}) == 1
        return torch.stack(parts).squeeze(1) if alike and parts[0].ndim == 4 else torch.stack(parts) if alike else None
    if isinstance(images, np.ndarray) and images.dtype.kind in "bfiu":
        return torch.from_numpy(np.ascontiguousarray(images))
    return as_tensor(images, "images") if isinstance(images, Tensor) else None


def _is_laid_out(floats: Tensor, channels: int) -> bool:
    """Say whether the shape is that of images of so many channels."""
    if floats.ndim == 4 and floats.shape[1] == channels:
        return True
    return channels == 1 and in_rows(floats.cpu().numpy()).shape[3] == 1


def _laid_out(floats: Tensor, channels: int) -> Tensor:
    """Give float images the shape (N, C, H, W)."""
    if floats.ndim == 4 and floats.shape[1] == channels:
        return floats
    try:
        rows = torch.from_numpy(in_rows(floats.cpu().numpy()))  # (N, H, W, C)
    except ValueError as error:
        raise ValueError(f"The images cannot be used: {error}.") from error
    return rows.permute(0, 3, 1, 2)


def _recognise(floats: Tensor, low: float, high: float, known: tuple[float, float] | None) -> str:
    """Tell by their range what float images hold; ask where it does not tell."""
    if low < 0 and not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):
        if -1 <= low < -NEAR_ONE and NEAR_ONE < high <= 1:
            warn(
                f"Float images from {low:.3g} to {high:.3g} were taken as normalised. If they are grey levels scaled "
                'to -1 … 1, give (images + 1) / 2 and scale="unit"; scale="normalised" says that all is well.'
            )
        return "normalised"
    if 0 <= low < high <= 1:
        warn(
            f'Float images from {low:.3g} to {high:.3g} were taken as grey levels in 0 … 1. Say scale="unit", or '
            'scale="normalised" if they are normalised already.'
        )
        return "unit"
    whole = torch.equal(floats, floats.round())
    brightest = 0.0 if known is None else (1 - known[0]) / known[1]  # of normalised images
    if low >= 0 and (2 if whole else max(DARKEST, brightest)) <= high <= (255 if whole else 255 * (1 + OVERSHOOT)):
        return "grey"
    raise ValueError(
        f'Float images from {low:.3g} to {high:.3g} may hold one thing or another: say scale="unit" (0 … 1), '
        '"grey" (0 … 255) or "normalised" (as the network sees them).'
    )


def _check_scale(scale: str, low: float, high: float) -> str:
    """Raise a ValueError if images cannot hold what they are said to hold."""
    wide = {"unit": 1.0, "grey": 255.0}.get(scale)
    outside = wide and not (low >= -OVERSHOOT * wide and high <= (1 + OVERSHOOT) * wide)
    if outside or (scale == "grey" and high < DARKEST and (low < 0 or high % 1 > 0)):
        raise ValueError(f'scale="{scale}": the images run from {low:.3g} to {high:.3g}, not from 0 to {wide:.0f}.')
    return scale


def _check_range(low: float, high: float, known: tuple[float, float] | None) -> None:
    """Warn if images are normalised in another way than the network is used to."""
    if known is None:
        return
    black, white = -known[0] / known[1], (1 - known[0]) / known[1]
    room = OVERSHOOT * (white - black)
    if low < black - room or high > white + room:
        warn(
            f"Normalised images run from {low:.3g} to {high:.3g}, and with this network's mean {known[0]:.3g} and "
            f"standard deviation {known[1]:.3g} they would lie in {black:.3g} … {white:.3g}: were they normalised with "
            "other numbers? Give uint8 images, which the network normalises itself."
        )
