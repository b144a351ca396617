"""A small window that slides over an image: what it computes, settings checked, and kernels that are worth a look.

This is the arithmetic of the convolution lab in PyTorch. The lab's JavaScript computes the same in the browser, and a
test holds the two equal. The rules are those of Dumoulin & Visin, "A guide to convolution arithmetic for deep
learning" (arXiv 1603.07285).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emotion_utils.errors import brief, check_number, check_whole, listed, reason

MODES = ("convolution", "max", "average")
KERNEL_SIZES = (3, 5)
MOST_STRIDE, MOST_PADDING, MOST_DILATION = 4, 4, 3
POOL_SIZES = (2, 3, 4, 5)
LARGEST_WEIGHT = 1000


def _sobel(size: int) -> Tensor:
    """Weigh what lies above against what lies below, the middle column most: Sobel's kernel, float (size, size)."""
    return torch.tensor({3: [1.0, 2, 1], 5: [1.0, 4, 6, 4, 1]}[size]) * torch.linspace(1, -1, size).sign()[:, None]


def _spot(size: int, middle: float) -> Tensor:
    kernel = torch.zeros(size, size)
    kernel[size // 2, size // 2] = middle
    return kernel


def _line(size: int) -> Tensor:
    """Answer to a bright upright line between two darker sides, with zero on even grey: float (size, size)."""
    row = torch.tensor({3: [-1.0, 2, -1], 5: [-1.0, -1, 4, -1, -1]}[size])
    return row.repeat(size, 1)


def _emboss(size: int) -> Tensor:
    """Light from the upper left: the image plus its slope from there, float (size, size)."""
    place = torch.arange(size) - size // 2
    slope = (place[:, None] + place).float().sign()
    return slope + _spot(size, 1.0) if size == 3 else slope / 2 + _spot(size, 1.0)


def presets(size: int) -> dict[str, Tensor]:
    """Return the kernels that the lab offers, float32 (size, size), by their names; `size` is 3 or 5."""
    even = torch.full((size, size), 1 / size**2)
    beside = functional.pad(torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]), [size // 2 - 1] * 4)
    return {
        "identity": _spot(size, 1.0),
        "blur": even,
        "sharpen": _spot(size, 5.0) - beside,
        "horizontal edges": _sobel(size),
        "vertical edges": _sobel(size).T.contiguous(),
        "outline": _spot(size, float(size**2)) - torch.ones(size, size),
        "emboss": _emboss(size),
        "bright line": _line(size),
    }


@dataclass(frozen=True, eq=False)
class Sliding:
    """How a window slides over an image and what it computes; built by `check`, so it holds only what can be."""

    kernel: Tensor  # float32 (k, k), k = 3 or 5
    bias: float
    relu: bool
    stride: int
    padding: int
    dilation: int
    mode: str  # one of MODES
    pool_size: int  # side of the window where `mode` pools

    @property
    def side(self) -> int:
        """Number of pixels that the window takes from a row."""
        return len(self.kernel) if self.mode == "convolution" else self.pool_size

    @property
    def reach(self) -> int:
        """Pixels from the first to the last that the window takes from a row; with a dilation it leaves some out."""
        return self.dilation * (self.side - 1) + 1

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the feature map of an image so large."""
        return tuple((size + 2 * self.padding - self.reach) // self.stride + 1 for size in (height, width))

    def apply(self, image: Tensor) -> Tensor:
        """Compute the feature map, float32 (h, w), of an image, float32 (H, W).

        Padding adds zeros around the image; max-pooling leaves them out, average pooling counts them, as PyTorch does.
        """
        batch = image[None, None]  # (1, 1, H, W)
        if self.mode == "convolution":
            weight, bias = self.kernel[None, None], torch.tensor([float(self.bias)])
            maps = functional.conv2d(batch, weight, bias, self.stride, self.padding, self.dilation)
            maps = maps.relu() if self.relu else maps
        elif self.mode == "max":
            maps = functional.max_pool2d(batch, self.pool_size, self.stride, self.padding, self.dilation)
        else:
            maps = functional.avg_pool2d(batch, self.pool_size, self.stride, self.padding)
        return maps[0, 0]


def check_sliding(height: int, width: int, **settings: Any) -> Sliding:
    """Check all settings together, for an image of a size; `settings` are the fields of `Sliding`.

    Raises:
        ValueError: one of them cannot be, or they do not go together; the message names it and what to choose.
    """
    mode = settings["mode"]
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode={brief(mode)}: choose one of {', '.join(MODES)}.")
    if not isinstance(settings["relu"], bool | np.bool_):
        raise ValueError(f"relu={brief(settings['relu'])}: choose True or False.")
    made = Sliding(
        kernel=check_kernel(settings["kernel"]),
        bias=float(check_number(-LARGEST_WEIGHT, LARGEST_WEIGHT, bias=settings["bias"])),
        relu=bool(settings["relu"]),
        stride=check_whole(1, MOST_STRIDE, stride=settings["stride"]),
        padding=check_whole(0, MOST_PADDING, padding=settings["padding"]),
        dilation=check_whole(1, MOST_DILATION, dilation=settings["dilation"]),
        mode=mode,
        pool_size=check_whole(POOL_SIZES[0], POOL_SIZES[-1], pool_size=settings["pool_size"]),
    )
    if mode == "average" and made.dilation > 1:
        raise ValueError(f'dilation={made.dilation}: average pooling has none. Choose dilation=1, or mode="max".')
    if mode != "convolution" and made.padding > made.pool_size // 2:
        raise ValueError(
            f"padding={made.padding}: pooling with a window of {made.pool_size} pixels takes at most "
            f"{made.pool_size // 2}."
        )
    if made.reach > min(height, width) + 2 * made.padding:
        raise ValueError(
            f"dilation={made.dilation}: the window reaches over {made.reach} pixels, and the image with its "
            f"padding has {height + 2 * made.padding} × {width + 2 * made.padding}. Choose a smaller window or more "
            "padding."
        )
    return made


def check_kernel(kernel: Any) -> Tensor:
    """Return a kernel as float32 (3, 3) or (5, 5), on the CPU and apart from what was given.

    Args:
        kernel: the weights: a tensor, an array or nested lists, `(1, 1, k, k)` too; or the name of a preset, which
            gives the one of 3 × 3.

    Raises:
        ValueError: another shape, no such preset, or weights that are not finite or beyond ±1000.
    """
    names = list(presets(3))
    if isinstance(kernel, str):
        if kernel not in names:
            raise ValueError(f"kernel={brief(kernel)}: choose {', '.join(names)}, or give 3 × 3 weights.")
        return presets(3)[kernel]
    try:
        is_numbers = isinstance(kernel, Tensor | np.ndarray | Sequence)
        weights = torch.as_tensor(kernel).detach().cpu().to(torch.float32).clone() if is_numbers else None
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"kernel={brief(kernel)}: give 3 × 3 or 5 × 5 weights ({reason(error)}).") from error
    if weights is None:
        raise ValueError(f"kernel={brief(kernel)}: give 3 × 3 or 5 × 5 weights, or one of {listed(names, 8)}.")
    while weights.ndim > 2 and len(weights) == 1:
        weights = weights[0]
    if tuple(weights.shape) not in [(size, size) for size in KERNEL_SIZES]:
        shape = " × ".join(map(str, weights.shape)) or "one number"
        raise ValueError(f"kernel of shape {shape}: give 3 × 3 or 5 × 5 weights; the lab shows each of them.")
    if not weights.isfinite().all() or weights.abs().max() > LARGEST_WEIGHT:
        raise ValueError(f"kernel={brief(weights.tolist())}: give finite weights from -1000 to 1000.")
    return weights
