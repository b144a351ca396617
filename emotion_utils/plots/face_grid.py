"""Faces in a grid."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from emotion_utils.data.pixels import as_images
from emotion_utils.errors import check_whole
from emotion_utils.plots.checks import check_titles, finite_range
from emotion_utils.plots.figures import LONGEST_NAME, WIDTH, drawing, headline, short, show_figure
from emotion_utils.tensors import as_tensor

MOST_FACES = 1000  # in one figure


def _pixels(images: Tensor | np.ndarray) -> np.ndarray:
    """Turn uint8 or float images of shape (N, 1, H, W), (N, H, W) or (H, W) to float (N, H, W) in [0, 1].

    Colours, (N, 3, H, W), become (N, H, W, 3).

    Floats outside [0, 1] (normalised images) are stretched, all with the same factor. What is not finite becomes NaN,
    which is not drawn.

    Raises:
        ValueError: another shape.
    """
    try:
        array = as_tensor(images, "images").cpu()
    except TypeError:
        if isinstance(images, Tensor):
            raise
        array = as_images(images)  # files, Pillow images
    whole = not array.is_floating_point() and array.dtype != torch.bool  # of a mask, True is white
    array = array.float().numpy()
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 4 and array.shape[1] == 3:
        array = array.transpose(0, 2, 3, 1)
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 and not (array.ndim == 4 and array.shape[3] == 3):
        raise ValueError(
            f"images of shape {tuple(array.shape)}: give (N, 1, height, width), (N, 3, height, width), (N, height, "
            "width) or (height, width)."
        )
    array = np.where(np.isfinite(array), array, np.nan) / (255 if whole else 1)
    low, high = finite_range(array)
    return (array - low) / max(high - low, 1e-12) if low < 0 or high > 1 else array


@drawing
def show_faces(
    images: Tensor | np.ndarray,
    titles: Sequence | None = None,
    columns: int = 8,
    title: str | None = None,
    description: str | None = None,
) -> None:
    """Show faces in a grid.

    Args:
        images: uint8 or float, (N, 1, H, W), (N, H, W) or one image (H, W); colours (N, 3, H, W). Floats may be
            normalised.
        titles: N short texts, one above each face.
        columns: faces in a row.
        title: the message of the figure.
        description: what the figure shows; a plain one is made up where it is missing.

    Raises:
        ValueError: no images, images of another shape, or `titles` of another length.
    """
    faces = _pixels(images)  # (N, H, W)
    if not 0 < len(faces) <= MOST_FACES:
        what = "is empty: there is no face" if len(faces) == 0 else f"holds {len(faces):,} faces, too many"
        raise ValueError(f"images {what} to show.")
    titles = check_titles(titles, len(faces), "faces")
    columns = min(check_whole(1, columns=columns), len(faces))
    rows = -(-len(faces) // columns)
    cell = min(WIDTH / columns, 2.2)
    fig, axes = plt.subplots(rows, columns, figsize=(cell * columns, rows * (cell + 0.25 * (titles is not None)) + 0.4))
    for axis in np.atleast_1d(axes).flat:
        axis.axis("off")
    for i, (axis, face) in enumerate(zip(np.atleast_1d(axes).flat, faces, strict=False)):
        axis.imshow(face, vmin=0, vmax=1, interpolation="nearest")
        if titles is not None:
            axis.set_title(headline(titles[i], LONGEST_NAME), fontsize=10 if cell > 0.9 else 8)
    if title:
        fig.suptitle(headline(title))
    if description is None:
        kind = "coloured image" if faces.ndim == 4 else "grey face"
        what = f"One {kind}" if len(faces) == 1 else f"{len(faces)} {kind}s in {rows} row{'s' * (rows > 1)}"
        description = f"{what}{': ' + short(title, 200) if title else ''}."
    show_figure(fig, description, markup=False)
