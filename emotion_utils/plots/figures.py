"""One style for all figures, and the one door through which they reach a notebook, each with words beside it.

`show_figure` stores a figure's description twice: as alt text in the metadata of the picture, and as a visible sentence
below it, because JupyterLab, nbconvert and GitHub drop the former. The colours are those of Okabe & Ito, "Color
Universal Design" (2008), which people with a colour vision deficiency can tell apart.
"""

import functools
import html
import inspect
import io
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from emotion_utils.errors import brief, distinct_lines, one_line, printable, say
from emotion_utils.models.arguments import check_yes

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
LONGEST_NAME = 28  # characters of a class beside an axis or in a legend
LONGEST_LINE = 90  # characters of a title
MOST_LINES = 3
LONGEST_DESCRIPTION = 4000
TEXTS = ("title", "description", "xlabel", "label", "note", "number")  # arguments of functions that draw


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


def short(text: Any, limit: int = LONGEST_NAME) -> str:
    """Put a name that somebody else chose on one line of at most `limit` characters."""
    return one_line(str(text), limit)


def short_keys(named: Mapping, limit: int = 40) -> dict[str, Any]:
    """Shorten the keys of a mapping, which stay different: what was cut alike gets a number."""
    return dict(zip(distinct_lines(named, limit), named.values(), strict=True))


def legend_name(text: Any, limit: int = 60) -> str:
    """Shorten a name for a legend, from which matplotlib leaves out empty ones and all that begin with `_`."""
    name = short(text, limit)
    return name if name and not name.startswith("_") else f" {name}"


def drawing(function: Callable) -> Callable:
    """Check the texts and switches that a function is given, and close what it had begun if it ends in an error."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def draw(*args: Any, **options: Any) -> None:
        for name, value in signature.bind(*args, **options).arguments.items():
            default = signature.parameters[name].default
            if isinstance(default, bool):
                check_yes(**{name: value})
            elif name in TEXTS and not isinstance(value, str) and (value is not None or default is not None):
                raise TypeError(f"{name}={brief(value)}: give a text.")
        before = set(plt.get_fignums())
        try:
            function(*args, **options)
        except BaseException:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise

    return draw


def headline(text: Any, width: int = LONGEST_LINE) -> str:
    """Put a title on a few lines of at most `width` characters."""
    parts = [textwrap.wrap(printable(line), width) or [""] for line in str(text)[:10_000].split("\n")]
    lines = [line for part in parts for line in part]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], one_line(lines[MOST_LINES - 1], width - 2) + " …"]
    return "\n".join(lines)


def show_figure(fig: Figure, description: str, markup: bool = True, display_id: str | None = None) -> None:
    """Show `fig` in the notebook with `description` as alt text and as a sentence below it, then close it.

    Args:
        fig: a matplotlib figure, for instance from `plt.subplots()`.
        description: one or two sentences that tell someone who doesn't see the figure what it shows.
        markup: let matplotlib read `$…$` as a formula. All figures of this package say False: names of files and
            classes are text, whatever signs they hold.
        display_id: of an output of this cell whose place the figure takes; None shows a new one.

    Outside a notebook there is nothing to show a picture in, so the description is printed alone.

    Raises:
        TypeError: no figure of matplotlib.
        ValueError: the description is empty, or no text.
    """
    if not isinstance(fig, Figure):
        raise TypeError(f"fig={brief(type(fig).__name__)}: give a figure of matplotlib, as plt.subplots() makes it.")
    if not isinstance(description, str) or not description.strip():
        raise ValueError(f"description={brief(description)}: say in a sentence what the figure shows.")
    description = one_line(description, LONGEST_DESCRIPTION)
    png = png_of(fig, markup)
    if in_notebook():
        show_bundle({"image/png": png, "text/plain": "<Figure>"}, description, display_id=display_id)
    else:
        say(description)


def png_of(fig: Figure, markup: bool = True) -> bytes:
    """Encode a figure as PNG, with `$…$` as a formula or as text, and close it."""
    png = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the description says what the boxes stand for
            # The numbers beside an axis are made during the drawing, and ask the setting how they are to be read.
            formulas = markup or _take_as_text(fig)
            with plt.rc_context({"text.parse_math": formulas}):
                fig.savefig(png, format="png", metadata={"Software": None})
    finally:
        plt.close(fig)
    return png.getvalue()


def _take_as_text(fig: Figure) -> bool:
    """Let matplotlib read no text of a figure as a formula, but for its own: the powers of ten beside an axis.

    Returns:
        Whether there are such powers.
    """
    axes = [axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)]
    logarithmic = [axis for axis in axes if isinstance(axis.get_major_formatter(), LogFormatter)]
    powers = {text for axis in logarithmic for text in axis.findobj(Text) if text is not axis.label}
    for text in fig.findobj(Text):
        if text not in powers:
            text.set_parse_math(False)
    return bool(logarithmic)


def show_bundle(
    bundle: dict[str, Any], description: str, live: dict[str, Any] | None = None, display_id: str | None = None
) -> None:
    """Show a picture in the notebook, with `description` as alt text and as a sentence below it.

    Args:
        bundle: by MIME type, the same thing in several forms, of which a viewer takes the best that it can show.
        description: the picture in words.
        live: what stands below where the viewer shows a form that moves, and the sentence would describe what nobody
            sees: the bundle of a widget with a caption of its own.
        display_id: of an output of this cell whose place the picture takes; None shows a new one.
    """
    from IPython.display import display

    place = {} if display_id is None else {"display_id": display_id, "update": True}
    display(bundle, metadata={"image/png": {"alt": description}}, raw=True, **place)
    sentence = f"<p><em>{html.escape(description, quote=False)}</em></p>"
    display((live or {}) | {"text/html": sentence, "text/plain": description}, raw=True)


def in_notebook() -> bool:
    """Say whether there is a kernel, whose viewer can show pictures."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
