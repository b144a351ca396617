"""The convolution lab where nothing moves: one step of the window, drawn once."""

import io

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional

from emotion_utils.plots.figures import PALETTE, WIDTH
from emotion_utils.widgets.sliding import Sliding

KINDS = {"convolution": "convolution", "max": "max-pooling", "average": "average pooling"}


def draw_step(image: Tensor, sliding: Sliding, position: tuple[int, int]) -> tuple[bytes, str]:
    """Draw one step: the window on the image (H, W), its numbers, and the feature map up to there.

    Returns:
        A PNG, and the sentence that describes it.
    """
    maps = sliding.apply(image)  # (h, w)
    (row, column), side = position, sliding.side
    window = window_of(image, sliding, position)  # (k, k)
    value = float(maps[row, column])
    fig = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    left, middle, right = fig.subplots(1, 3, gridspec_kw={"width_ratios": [1, 0.85, 1]})
    _draw_image(left, image, sliding, position)
    _draw_numbers(middle, window, sliding, value)
    _draw_map(right, maps, row, column, bool(sliding.mode == "convolution" and (maps < 0).any()))
    picture = io.BytesIO()
    fig.savefig(picture, format="png", metadata={"Software": None})
    height, width = image.shape
    kind = KINDS[sliding.mode]
    parts = ["products"] + ["the bias"] * bool(sliding.bias) + ["ReLU"] * sliding.relu
    step = " with ".join([parts[0], " and ".join(parts[1:])] if parts[1:] else parts)
    step = step if sliding.mode == "convolution" else "pixels"
    what = {"convolution": "give", "max": "have the largest value", "average": "have the mean"}[sliding.mode]
    description = (
        f"One step of a {kind}: a window of {side} by {side} pixels on an image of {height} by {width}, its "
        f"{side * side} numbers, and the map of {maps.shape[0]} by {maps.shape[1]} that it fills. At row {row}, column "
        f"{column} the {step} {what} {value:.2f}. Where the notebook runs, this is the convolution lab."
    )
    return picture.getvalue(), description


def window_of(image: Tensor, sliding: Sliding, position: tuple[int, int]) -> Tensor:
    """Return the pixels that the window takes at a place of the feature map, float32 (k, k); NaN where max-pooling
    leaves the padding out.
    """  # fmt: skip
    fill = float("nan") if sliding.mode == "max" else 0.0
    padded = functional.pad(image, [sliding.padding] * 4, value=fill)
    steps = torch.arange(sliding.side) * sliding.dilation
    top, left = (place * sliding.stride for place in position)
    return padded[top + steps][:, left + steps]


def _draw_image(axis: Axes, image: Tensor, sliding: Sliding, position: tuple[int, int]) -> None:
    padding, (height, width) = sliding.padding, image.shape
    axis.imshow(functional.pad(image, [padding] * 4).numpy(), vmin=0, vmax=1)
    if padding:
        axis.add_patch(
            Rectangle((padding - 0.5, padding - 0.5), width, height, fill=False, edgecolor="#888888", linewidth=0.8)
        )
    top, left = (place * sliding.stride - 0.5 for place in position)
    for color, line in (("white", 4), (PALETTE["vermilion"], 2.2)):
        axis.add_patch(
            Rectangle((left, top), sliding.reach, sliding.reach, fill=False, edgecolor=color, linewidth=line)
        )
    axis.set_title(f"image, {height} × {width}", fontsize=10)
    axis.set_axis_off()


def _draw_numbers(axis: Axes, window: Tensor, sliding: Sliding, value: float) -> None:
    """Write pixel × weight into the cells of the window, coloured by their product; pixels alone where it pools."""
    convolves = sliding.mode == "convolution"
    shown = window * sliding.kernel if convolves else window
    limit = max(float(shown.nan_to_num().abs().max()), 1e-9)
    signed = convolves and bool((sliding.kernel < 0).any())
    axis.imshow(shown.numpy(), cmap="RdBu_r" if signed else "gray", vmin=-limit if signed else 0, vmax=limit, alpha=0.8)
    size = 9 if sliding.side <= 3 else 6.5
    for (i, j), product in np.ndenumerate(shown.numpy()):
        dark = abs(product) > 0.7 * limit if signed else product < 0.5 * limit
        text = f"{window[i, j]:.2f}"
        if convolves:
            text += f"\n× {sliding.kernel[i, j]:.3g}"
        color = "white" if dark else "black"
        axis.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
    head = {"convolution": "pixel × weight, summed", "max": "largest pixel", "average": "mean of the pixels"}
    parts = [head[sliding.mode]]
    if convolves:
        parts += [f"bias {sliding.bias:+.2g}"] * bool(sliding.bias) + ["ReLU"] * sliding.relu
    axis.set_title(f"{', '.join(parts)}:\n{value:.2f}", fontsize=10)
    axis.set_axis_off()


def _draw_map(axis: Axes, maps: Tensor, row: int, column: int, signed: bool) -> None:
    """Draw the map up to the place of the window, row by row; the rest is still empty."""
    numbers = maps.numpy().copy()
    limit = max(float(np.abs(numbers).max()), 1e-9)
    numbers.reshape(-1)[row * numbers.shape[1] + column + 1 :] = np.nan
    axis.set_facecolor("#EEEEEE")
    axis.imshow(numbers, cmap="RdBu_r" if signed else "gray", vmin=-limit if signed else 0, vmax=limit)
    axis.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=PALETTE["vermilion"], linewidth=2.2)
    )
    axis.set_title(f"feature map, {maps.shape[0]} × {maps.shape[1]}", fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
