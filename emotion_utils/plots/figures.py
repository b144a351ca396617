"""One style for all figures, and the one door through which they reach a notebook, each with words beside it.

`show_figure` stores a figure's description twice: as alt text in the metadata of the picture, and as a visible sentence
below it, because JupyterLab, nbconvert and GitHub drop the former. The colours are those of Okabe & Ito, "Color
Universal Design" (2008), which people with a colour vision deficiency can tell apart.
"""

import html
import io
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
COLOURS = tuple(PALETTE.values())
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # one for each colour
WIDTH = 8.0  # inches; at 100 dots per inch this fills a notebook's column without being scaled down


def style() -> None:
    """Set matplotlib's defaults to the one style of the series (done once, when this module is imported)."""
    matplotlib.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "figure.titlesize": 13,
            "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
            "image.cmap": "gray",
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


style()


def show_figure(fig: Figure, description: str) -> None:
    """Show `fig` in the notebook with `description` as alt text and as a sentence below it, then close it.

    Args:
        fig: a matplotlib figure, for instance from `plt.subplots()`.
        description: one or two sentences that tell someone who doesn't see the figure what it shows.

    Outside a notebook there is nothing to show a picture in, so the description is printed alone.

    Raises:
        ValueError: the description is empty.
    """
    if not description or not description.strip():
        raise ValueError(f"description={description!r}: say in a sentence what the figure shows.")
    description = " ".join(description.split())
    png = io.BytesIO()
    fig.savefig(png, format="png", metadata={"Software": None})
    plt.close(fig)
    if _in_notebook():
        show_bundle({"image/png": png.getvalue(), "text/plain": "<Figure>"}, description)
    else:
        print(description)


def show_bundle(bundle: dict[str, Any], description: str) -> None:
    """Show a picture in the notebook, with `description` as alt text and as a sentence below it.

    Args:
        bundle: by MIME type, the same thing in several forms, of which a viewer takes the best that it can show.
        description: the picture in words.
    """
    from IPython.display import display

    display(bundle, metadata={"image/png": {"alt": description}}, raw=True)
    sentence = f"<p><em>{html.escape(description, quote=False)}</em></p>"
    display({"text/html": sentence, "text/plain": description}, raw=True)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
