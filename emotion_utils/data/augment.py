"""Batched, seeded augmentation: each image gets its own small change, new in each epoch and yet repeatable.

Why not a library? torchvision's v2 transforms draw once for a whole batch, so all its images would turn by the same
angle; called image by image they are more than ten times slower. kornia draws for each image, but from the global
generator, so that the result depends on batch size and order, and an epoch takes about twice as long. Both can be
seen with `python tests/benchmarks/loader.py`. What we need is short: PyTorch's `grid_sample` reads each image at
places that we compute.
"""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.errors import brief, check_number, check_share, check_whole
from emotion_utils.randomness import normal, stream_key, uniform
from emotion_utils.tensors import as_tensor

FARTHEST = 10  # from 0, of a pixel that an augmentation of one's own may return


@dataclass(frozen=True)
class Augment:
    """How much to change each image; `augment(images, index, seed, epoch)` changes a batch.

    Attributes:
        flip: probability of swapping left and right.
        rotate: largest angle in degrees, either way; at most 180.
        scale: smallest and largest factor of size, at most 10.
        shift: largest shift as a fraction of the width (and of the height), either way.
        brightness: largest amount added to all pixels of an image, either way, where black is 0 and white 1.
        contrast: largest relative change of the distance from the image's mean, either way.
        erase: probability of replacing a rectangle (a fifth to a half of each side) by the image's mean.
        noise: standard deviation of the noise added to each pixel. All but angle and scale are at most 1.

    Raises:
        ValueError: a number that is none, or out of its range.
    """

    flip: float = 0.5
    rotate: float = 10.0
    scale: tuple[float, float] = (0.9, 1.1)
    shift: float = 0.08
    brightness: float = 0.2
    contrast: float = 0.2
    erase: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        plain = {name: check_share(**{name: getattr(self, name)}) for name in ("flip", "erase")}
        for name, most in {"rotate": 180, "shift": 1, "brightness": 1, "contrast": 1, "noise": 1}.items():
            plain[name] = check_number(0, most, **{name: getattr(self, name)})
        plain["scale"] = _check_scale(self.scale)
        for name, value in plain.items():  # NumPy's numbers would not read back from a checkpoint
            object.__setattr__(self, name, value)

    def __call__(self, images: Tensor, index: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
        """Change each image in its own way.

        Args:
            images: float32 `(N, 1, H, W)` in [0, 1], on any device.
            index: int64 `(N,)`, the number of each image in its data set.
            seed: another seed gives other draws.
            epoch: each epoch has its own draws. Batch size and order play no part in them.

        Returns:
            float32 `(N, 1, H, W)` in [0, 1], on the device of `images`.

        Raises:
            TypeError, ValueError: images that are no floats `(N, C, H, W)`, or not a number for each.
        """
        seed, epoch, index = check_whole(seed=seed), check_whole(epoch=epoch), _check_batch(images, index)
        key = stream_key(seed, "augment", epoch)
        # One column of numbers in [-1, 1) for each thing to decide.
        draw = (2 * uniform(key, index, 11) - 1).to(images.device)
        images = self._move(images, draw[:, :5])
        images = self._light(images, draw[:, 5:7])
        if self.erase:
            images = self._erase(images, draw[:, 7:])
        if self.noise:
            drops = normal(stream_key(seed, "noise", epoch), index, images.shape[1:].numel())
            images = images + self.noise * drops.to(images.device).view_as(images)
        return images.clamp(0, 1)

    def _move(self, images: Tensor, draw: Tensor) -> Tensor:
        """Flip, rotate, scale and shift in one interpolation, so that the image is blurred only once."""
        flip = torch.where(draw[:, 0] < 2 * self.flip - 1, -1.0, 1.0)
        angle = draw[:, 1] * self.rotate * torch.pi / 180
        low, high = self.scale
        factor = (low + high + draw[:, 2] * (high - low)) / 2
        # For each output pixel we say where in the input to read: that is the inverse change, hence the division.
        cos, sin = (angle.cos() / factor)[:, None], (angle.sin() / factor)[:, None]
        flip, shift = flip[:, None], 2 * self.shift * draw[:, 3:5, None]
        # Coordinates of grid_sample run from -1 to 1 over both sides, so `aspect` keeps right angles right.
        (height, width), aspect = images.shape[-2:], images.shape[-2] / images.shape[-1]
        x = (torch.arange(width, device=images.device) * 2 + 1) / width - 1
        y = (torch.arange(height, device=images.device) * 2 + 1) / height - 1
        grid = images.new_empty(len(images), height, width, 2)
        grid[..., 0] = (flip * cos * x + shift[:, 0])[:, None, :] - (flip * sin * aspect * y)[:, :, None]
        grid[..., 1] = (sin / aspect * x + shift[:, 1])[:, None, :] + (cos * y)[:, :, None]
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def _light(self, images: Tensor, draw: Tensor) -> Tensor:
        """Change contrast around the image's mean, and add brightness."""
        brightness, contrast = (draw * draw.new_tensor([self.brightness, self.contrast])).view(-1, 2, 1, 1, 1).unbind(1)
        mean = images.mean((1, 2, 3), keepdim=True)
        return mean + (images - mean) * (1 + contrast) + brightness

    def _erase(self, images: Tensor, draw: Tensor) -> Tensor:
        """Cover a rectangle of some images (random erasing: Zhong et al., arXiv:1708.04896)."""
        chosen, size, x, y = (draw.view(-1, 4, 1, 1, 1) / 2 + 0.5).unbind(1)
        height, width = images.shape[-2:]
        side = 0.2 + 0.3 * size
        # Corners are placed so that the rectangle lies inside the image.
        rows = torch.arange(height, device=images.device).view(1, 1, -1, 1) / height - y * (1 - side)
        columns = torch.arange(width, device=images.device).view(1, 1, 1, -1) / width - x * (1 - side)
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side) & (chosen < self.erase)
        return torch.where(inside, images.mean((1, 2, 3), keepdim=True), images)


@dataclass(frozen=True)
class ShiftAndFlip:
    """Shift each image by whole pixels, and mirror it in every second epoch: little change, and no blur.

    Rotation, scaling and shifts by parts of a pixel interpolate. That smooths the images that a network learns from,
    and not those that it is asked about later. Here each pixel stays as it is; border pixels fill what a shift leaves.

    With flips by lot, half of the images look the same way in two epochs running. Here half begin mirrored, each
    changes sides from epoch to epoch, and both sides come equally often (Jordan 2024, *94% on CIFAR-10 in 3.29
    seconds*, arXiv:2404.00498). Good for short trainings; long ones need more change than this, see `Augment`.

    Attributes:
        pixels: largest shift in pixels, either way, across and down, 0 to 100.

    Raises:
        ValueError: no whole number, or one out of range.
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", check_whole(0, 100, pixels=self.pixels))

    def __call__(self, images: Tensor, index: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
        """Change each image; arguments and result are those of `Augment`."""
        seed, epoch, index = check_whole(seed=seed), check_whole(epoch=epoch), _check_batch(images, index)
        first = uniform(stream_key(seed, "first side"), index, 1)[:, 0] < 0.5  # (B,)
        turned = (first ^ bool(epoch % 2)).to(images.device)[:, None, None, None]
        images = torch.where(turned, images.flip(3), images)
        reach, (height, width) = self.pixels, images.shape[-2:]
        places = 2 * reach + 1
        moves = (
            (places * uniform(stream_key(seed, "shift", epoch), index, 2)).long().to(images.device)
        )  # 0 to 2 · reach
        # Where in the image to read: a move of `reach` stays, and nothing is read from beyond the border.
        rows = (moves[:, :1] - reach + torch.arange(height, device=images.device)).clamp(0, height - 1)  # (B, H)
        columns = (moves[:, 1:] - reach + torch.arange(width, device=images.device)).clamp(0, width - 1)  # (B, W)
        each = torch.arange(len(images), device=images.device)[:, None, None]
        return images[each, :, rows[:, :, None], columns[:, None, :]].movedim(3, 1).contiguous()


def _check_batch(images: Any, index: Any) -> Tensor:
    """Return the numbers of the images as a tensor."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images: {kind}: give a tensor of floats from 0 to 1, such as faces.images / 255.")
    index = as_tensor(index, "index")
    if images.ndim != 4 or index.shape != (len(images),):
        raise ValueError(
            f"images of shape {tuple(images.shape)}, index of shape {tuple(index.shape)}: give images (N, C, H, W) "
            "and index (N,), the number of each in its data set."
        )
    return index


def _check_scale(scale: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (check_number(None, 10, above=0, scale=factor) for factor in scale)
    except (TypeError, ValueError):
        low, high = 1, 0
    if low > high:
        raise ValueError(f"scale={brief(scale)}: give two factors above 0, at most 10, the smaller one first.")
    return low, high


def augmented(augment: Callable[..., Tensor], images: Tensor, index: Tensor, seed: int, epoch: int) -> Tensor:
    """Call an augmentation and look at what it returns: the same number of images, float `(N, C, h, w)` in 0 … 1.

    Another height and width are allowed, as after a crop; whether a network takes them is its business. On a GPU the
    pixels themselves are not looked at, which would make it wait.

    Raises:
        TypeError: it returned no tensor.
        ValueError: another number of images or channels, no floats, or pixels that are not finite or far outside 0 … 1.
    """
    if isinstance(augment, Augment | ShiftAndFlip):
        return augment(images, index, seed, epoch)
    name = f"augment={brief(getattr(augment, '__name__', type(augment).__name__))}"
    try:
        made = augment(images, index.clone(), seed, epoch)  # which labels and losses are found by
    except TypeError as error:
        if _takes_four(augment):
            raise  # the traceback leads into the reader's own lines
        raise TypeError(
            f"{name}: give a function of (images, index, seed, epoch). A transform of images alone becomes one by "
            "lambda images, *_: transform(images); it draws once for a whole batch."
        ) from error
    if not len(images):
        return images
    if not isinstance(made, Tensor):
        raise TypeError(f"{name}: it returned {brief(made)}, no tensor. Return the images that it changed.")
    if made.ndim == images.ndim and len(made) != len(images):
        raise ValueError(f"{name}: it returned {len(made)} images for {len(images)}; give one for each.")
    if made.ndim != images.ndim or made.shape[1] != images.shape[1] or not made.numel():
        shape = tuple(images.shape)
        raise ValueError(f"{name}: it returned shape {tuple(made.shape)} for images of shape {shape}; keep (N, C, …).")
    if not made.is_floating_point():
        raise ValueError(f"{name}: it returned {made.dtype}; give floats from 0 to 1, as it gets them.")
    made = made.detach().to(images)
    low, high = map(float, made.aminmax()) if made.device.type == "cpu" else (0.0, 1.0)
    if not (low >= -FARTHEST and high <= FARTHEST):  # NaN, too
        raise ValueError(f"{name}: it returned pixels from {low:.3g} to {high:.3g}; give 0 to 1, as it gets them.")
    if low < -1 or high > 2:
        warnings.warn(
            f"{name}: it returned pixels from {low:.3g} to {high:.3g}, and gets them from 0 to 1. The data set "
            "normalises afterwards, so the augmentation is not to.",
            stacklevel=3,
        )
    return made


def _takes_four(function: Callable) -> bool:
    try:
        inspect.signature(getattr(function, "forward", function)).bind(0, 1, 2, 3)
    except TypeError:
        return False
    except ValueError:  # written in another language
        return True
    return True
