"""Which pixels each layer sees: receptive fields as squares on an image, one inside the other."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from torch import Tensor

from emotion_utils.errors import brief, check_number
from emotion_utils.models.receptive import Field
from emotion_utils.plots.checks import numbers_of
from emotion_utils.plots.figures import COLOURS, WIDTH, drawing, headline, legend_name, short, show_figure


@drawing
def show_fields(
    image: Tensor,
    fields: Sequence[Field],
    pixel: int | None = None,
    title: str | None = None,
    note: str = "",
    description: str | None = None,
) -> None:
    """Draw receptive fields as squares on an image, one inside the other: for each layer one unit, near to `pixel`.

    Args:
        image: float (H, W) in [0, 1], or uint8.
        fields: rows of `receptive_field`.
        pixel: row and column, in pixels, around which the squares lie; the middle of the image where it is missing.
        title: the message of the figure.
        note: a sentence added to the description.
        description: what the figure shows; a plain one is made up where it is missing.

    Raises:
        ValueError: no fields.
    """
    if not isinstance(fields, list | tuple) or not all(isinstance(field, Field) for field in fields):
        raise TypeError(f"fields={brief(fields)}: give the rows of receptive_field(model).")
    if not fields:
        raise ValueError("fields is empty: give the rows of receptive_field(model).")
    pixel = None if pixel is None else check_number(pixel=pixel)
    pixels = numbers_of("image", image)  # (H, W)
    if pixels.ndim != 2:
        raise ValueError(f"image of shape {pixels.shape}: give one image, (height, width).")
    height, width = pixels.shape
    white = 255 if torch.as_tensor(image).dtype == torch.uint8 else 1
    windows = _nested_windows(fields, width / 2 if pixel is None else pixel)
    fig, axis = plt.subplots(figsize=(WIDTH * 0.75, 4.6))
    axis.imshow(pixels, vmin=0, vmax=white)
    for i, (field, (start, stop)) in enumerate(zip(fields, windows, strict=True)):
        side, line, label = (
            stop - start,
            ("-", "--")[i % 2],
            f"{legend_name(short(field.name))}: {stop - start} × {stop - start}",
        )
        square = Rectangle(
            (start - 0.5, start - 0.5), side, side, fill=False, edgecolor=COLOURS[i % 7], linewidth=2.5,
            linestyle=line, label=label, clip_on=False,
        )  # fmt: skip
        axis.add_patch(square)
    # One pixel of room around the image, or around what hangs over its edge.
    low = min(0, *(start for start, _ in windows)) - 1
    high = max(stop for _, stop in windows)
    axis.set_xlim(low, max(width, high))
    axis.set_ylim(max(height, high), low)
    axis.set(xlabel="column (pixels)", ylabel="row (pixels)")
    axis.grid(False)
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=10, title="layer: pixels it sees")
    last = f"A unit of {short(fields[-1].name)} sees {fields[-1].size} × {fields[-1].size} pixels"
    axis.set_title(headline(title or last, 60))
    listed = ", ".join(f"{short(field.name)} {field.size}" for field in fields)
    told = f"Squares around one place of a face, one for each layer, growing in width: {listed} pixels."
    show_figure(fig, f"{description or told} {note}", markup=False)


def _nested_windows(fields: Sequence[Field], middle: float) -> list[tuple[int, int]]:
    """Choose a unit of each layer, from the last one down, each in the middle of what the one above it sees."""
    windows = []
    for field in reversed(fields):
        unit = max(0, round((middle - field.first - field.size / 2) / field.jump))
        windows.append(field.window(unit))
        middle = sum(windows[-1]) / 2
    return windows[::-1]
