"""Figures of what convolutions compute and cost: feature maps, one window's sum, pairs of bars.

Signed numbers are drawn from blue (negative) over white (zero) to red (positive), which readers with a colour vision
deficiency can tell apart; every figure ends in `show_figure`, so it has its description beside it.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from emotion_utils.errors import brief, check_whole
from emotion_utils.plots.checks import check_bars, check_format, check_titles, finite_range, numbers_of
from emotion_utils.plots.figures import (
    LONGEST_LINE,
    LONGEST_NAME,
    PALETTE,
    WIDTH,
    drawing,
    headline,
    legend_name,
    short,
    short_keys,
    show_figure,
)
from emotion_utils.tensors import is_list

LARGEST_KERNEL = 11  # whose numbers can still be read


def _planes(maps: Tensor | Sequence[Tensor]) -> list[np.ndarray]:
    """Turn float maps (N, h, w), (1, N, h, w), (h, w) or a list of (h, w), which may differ in size, to arrays."""
    if isinstance(maps, Tensor | np.ndarray):
        maps = maps[0] if maps.ndim == 4 and len(maps) == 1 else maps
        maps = [maps] if maps.ndim == 2 else list(maps) if maps.ndim else []
    elif not is_list(maps) or isinstance(maps, str | bytes | Mapping):
        raise TypeError(f"maps={brief(maps)}: give maps (N, height, width), or a list of them.")
    planes = [numbers_of("maps", plane) for plane in maps]
    for plane in planes:
        if plane.ndim != 2:
            raise ValueError(f"maps hold one of shape {plane.shape}: each must be (height, width).")
    if not planes:
        raise ValueError("maps is empty: there is none to show.")
    return planes


@drawing
def show_maps(
    maps: Tensor | Sequence[Tensor],
    titles: Sequence | None = None,
    columns: int = 4,
    title: str | None = None,
    description: str | None = None,
    signed: bool = True,
    shared: bool = True,
    label: str = "response",
) -> None:
    """Show feature maps in a grid.

    Args:
        maps: float (N, h, w), (1, N, h, w) or (h, w); or a list of (h, w) of different sizes.
        titles: N short texts, one above each map.
        columns: maps in a row.
        title: the message of the figure.
        description: what the figure shows; a plain one is made up where it is missing.
        signed: blue-white-red around zero; False for grey values, black the smallest.
        shared: one scale of colours for all maps, with a bar; False gives each map its own and no bar.
        label: what the bar measures, with its unit.

    Raises:
        ValueError: `maps` is empty, has no such shape, or `titles` has another length.
    """
    planes = _planes(maps)
    titles = check_titles(titles, len(planes), "maps")
    columns = min(check_whole(1, columns=columns), len(planes))
    rows = -(-len(planes) // columns)
    cell = min((WIDTH - 0.8) / columns, 3.4 if len(planes) == 1 else 2.4)
    fig, axes = plt.subplots(rows, columns, figsize=(cell * columns + 0.8, rows * (cell + 0.3) + 0.4), squeeze=False)
    ranges = [finite_range(np.abs(plane) if signed else plane) for plane in planes]
    extreme = [high for _, high in ranges]
    lowest = [-high if signed else low for low, high in ranges]
    if shared:
        extreme, lowest = [max(extreme)] * len(planes), [min(lowest)] * len(planes)
    for axis in axes.flat:
        axis.axis("off")
    picture = None
    for i, (axis, plane) in enumerate(zip(axes.flat, planes, strict=False)):
        top = max(extreme[i], lowest[i] + 1e-9)
        colours = "RdBu_r" if signed else "gray"
        picture = axis.imshow(plane, cmap=colours, vmin=lowest[i], vmax=top, interpolation="nearest")
        if signed:
            axis.add_patch(Rectangle((0, 0), 1, 1, transform=axis.transAxes, fill=False, edgecolor="#AAAAAA"))
        if titles is not None:
            axis.set_title(headline(titles[i], LONGEST_NAME), fontsize=10 if cell > 1.2 else 8)
    if shared:
        fig.colorbar(picture, ax=axes, shrink=0.8, label=short(label, 60))
    if title:
        fig.suptitle(headline(title))
    if description is None:
        what = "One map" if len(planes) == 1 else f"{len(planes)} maps"
        sizes = " and ".join(dict.fromkeys(f"{height} by {width}" for height, width in (p.shape for p in planes)))
        named = f": {', '.join(short(t) for t in titles)}" if titles is not None else ""
        description = f"{what} of {sizes} values{named}."
    show_figure(fig, description, markup=False)


def _numbers(axis: Axes, values: np.ndarray, name: str, signed: bool) -> None:
    """Draw a small matrix with its numbers in the cells."""
    limit = max(finite_range(np.abs(values))[1], 1e-9)
    low = -limit if signed else 0
    axis.imshow(values, cmap="RdBu_r" if signed else "gray", vmin=low, vmax=limit if signed else 1, alpha=0.75)
    for (i, j), value in np.ndenumerate(values):
        dark = value < 0.45 if not signed else abs(value) > 0.75 * limit
        text = f"{value:.2f}" if abs(value) % 1 > 1e-6 else f"{value:.0f}"
        axis.text(j, i, text, ha="center", va="center", fontsize=10, color="white" if dark else "black")
    axis.set_title(name, fontsize=11)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.grid(False)


@drawing
def show_window_sum(
    image: Tensor,
    kernel: Tensor,
    row: int,
    column: int,
    title: str | None = None,
    description: str | None = None,
) -> None:
    """Show one step of a convolution: where the window lies, its pixels, the weights, their products and the sum.

    Args:
        image: float (H, W) in [0, 1].
        kernel: float (h, w), at most 5 by 5, or the numbers get too small to read.
        row: top row of the window.
        column: its left-most column.
        title: the message of the figure; says the sum where it is missing.
        description: what the figure shows; a plain one is made up where it is missing.

    Raises:
        ValueError: the window does not lie inside the image.
    """
    image, weights = numbers_of("image", image), numbers_of("kernel", kernel)
    row, column = check_whole(row=row), check_whole(column=column)
    if image.ndim != 2 or weights.ndim != 2 or max(weights.shape) > LARGEST_KERNEL:
        raise ValueError(
            f"image of shape {image.shape}, kernel of shape {weights.shape}: give (height, width) for both, the kernel "
            f"at most {LARGEST_KERNEL} by {LARGEST_KERNEL}."
        )
    height, width = weights.shape
    if not (0 <= row <= image.shape[0] - height and 0 <= column <= image.shape[1] - width):
        raise ValueError(
            f"row={row}, column={column}: a window of {height} × {width} pixels there leaves the image, which has "
            f"{image.shape[0]} × {image.shape[1]}. Choose a place further inside."
        )
    window = image[row : row + height, column : column + width]  # (h, w)
    total = float((window * weights).sum())
    fig, axes = plt.subplots(1, 4, figsize=(WIDTH + 1, 2.7))
    axes[0].imshow(image, vmin=0, vmax=1)
    frame = (column - 0.5, row - 0.5)
    axes[0].add_patch(Rectangle(frame, width, height, fill=False, edgecolor=PALETTE["orange"], linewidth=2))
    axes[0].set_title("window on the image", fontsize=11)
    axes[0].axis("off")
    _numbers(axes[1], window, "pixels", signed=False)
    _numbers(axes[2], weights, "× weights", signed=True)
    _numbers(axes[3], window * weights, f"products, sum {total:+.2f}", signed=True)
    fig.suptitle(headline(title) if title else f"One window gives one number: {total:+.2f}")
    show_figure(
        fig,
        description
        or f"A face with a window of {height} by {width} pixels at row {row}, column {column}; its pixels, the "
        f"kernel's weights and their products as small tables. The products sum to {total:+.2f}.",
        markup=False,
    )


@drawing
def show_pairs(
    names: Sequence[str],
    series: dict[str, Sequence[float]],
    xlabel: str,
    title: str | None = None,
    number: str = "{:.3g}",
    description: str | None = None,
) -> None:
    """Draw two bars for each name, in two colours, each with its number at the end.

    Args:
        names: N short texts, from top to bottom.
        series: two entries of N values each; their keys go into the legend.
        xlabel: what the bars measure, with its unit.
        title: the message of the figure.
        number: the format of the numbers.
        description: what the figure shows; a plain one is made up where it is missing.

    Raises:
        ValueError: there are not two series, or one has another length than `names`.
    """
    check_format(number)
    if not isinstance(series, Mapping) or not is_list(names):
        raise TypeError(f"names={brief(names)}, series={brief(series)}: give a list of texts, and values by two names.")
    names, lengths = (
        list(names),
        [len(values) if is_list(values) and hasattr(values, "__len__") else 1 for values in series.values()],
    )
    if len(series) != 2 or not names or set(lengths) != {len(names)}:
        found = ", ".join(
            f"{brief(label)} of {length}" for label, length in list(zip(series, lengths, strict=True))[:4]
        )
        raise ValueError(f"series={{{found}}}: give two, each of {len(names)} values, as many as there are names.")
    series = {label: check_bars(names, values, "values of series")[1] for label, values in short_keys(series).items()}
    names = [short(name, 40) for name in names]
    fig, axis = plt.subplots(figsize=(WIDTH, min(1.5 + 0.6 * len(names), 40)))
    colours = (PALETTE["sky"], PALETTE["orange"])
    for offset, colour, (label, values) in zip((-0.2, 0.2), colours, series.items(), strict=True):
        places = [i + offset for i in range(len(names))]
        drawn = [value if math.isfinite(value) else 0 for value in values]
        axis.barh(places, drawn, height=0.36, color=colour, label=legend_name(label))
        for place, value, end in zip(places, values, drawn, strict=True):
            axis.annotate(
                number.format(value),
                (max(end, 0), place),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
            )
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.grid(False, axis="y")
    axis.set(xlabel=short(xlabel, LONGEST_LINE))
    fig.legend(loc="outside lower center", ncols=2, fontsize=10)
    if title:
        fig.suptitle(headline(title))
    listed = "; ".join(
        f"{name}: " + ", ".join(f"{label} {number.format(values[i])}" for label, values in series.items())
        for i, name in enumerate(names)
    )
    show_figure(fig, description or f"Two bars for each name, {short(xlabel, 100)}. {listed}.", markup=False)
