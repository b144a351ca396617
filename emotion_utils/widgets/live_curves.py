"""Curves that grow while a network learns; when it has learnt, one figure stands in their place.

    train(model, train_set, val_set, TrainConfig(epochs=8, watch=LiveCurves(baseline)))

The moving picture is SVG inside HTML, which every viewer of notebooks draws without a widget manager, and which the
kernel replaces in place. Only the finished figure of `plot_training`, with its sentence, is left in the notebook.
"""

import html
import math
import time
import uuid
from collections.abc import Sequence

from emotion_utils.errors import brief
from emotion_utils.evaluation.measuring import Measured
from emotion_utils.plots.curves import as_histories, last_accuracy, plot_training
from emotion_utils.plots.figures import PALETTE, in_notebook
from emotion_utils.training.history import History
from emotion_utils.training.watching import Moment

BETWEEN = 0.25  # seconds between two frames, at least
SHARE = 0.008  # of the time goes to drawing frames, at most
MOST_POINTS = 600  # between the ends of epochs; then every second one goes
TRAINING, VALIDATION = PALETTE["sky"], PALETTE["vermilion"]  # to be seen on white and on black
PANEL, HEIGHT, GAP = 300, 170, 64  # of the drawing, in its own units
Point = tuple[float, float]


class LiveCurves:
    """Draws loss and accuracy of a run while it goes on; give it as `TrainConfig(watch=LiveCurves())`.

    In a notebook it takes the place of bar and lines. Elsewhere those stay, and the last line says how it ended. After
    an interruption the figure shows what there was. One may be used for several runs, one after the other.

    Args:
        baseline: the history of another run, or what `measure` returned for it, drawn in grey behind; a sequence of
            these for several runs, such as of other seeds; None for none.
        title: of the finished figure; None says how the accuracy ended.

    Attributes:
        history: the epochs of the run so far.
        frames: how many pictures were drawn while it went on.
        seconds: what they cost.

    Raises:
        TypeError: no History, or a title that is no text.
    """

    def __init__(
        self,
        baseline: History | Measured | Sequence[History | Measured] | None = None,
        title: str | None = None,
    ) -> None:
        several = isinstance(baseline, Sequence) and not isinstance(baseline, str)
        runs = list(baseline) if several else [] if baseline is None else [baseline]
        behind = as_histories([one.history if isinstance(one, Measured) else one for one in runs])
        if title is not None and not isinstance(title, str):
            raise TypeError(f"title={brief(title)}: give a text, or None.")
        self.baseline, self.title = behind, title
        self._begin()

    def _begin(self) -> None:
        self.history, self.frames, self.seconds = History(), 0, 0.0
        self._points: list[tuple[float, float, float]] = []
        self._due, self._running = 0.0, True
        self._display_id = ""

    @property
    def shows_progress(self) -> bool:
        """True where the picture moves, so that `train` shows neither bar nor lines beside it."""
        return in_notebook()

    def __call__(self, moment: Moment) -> None:
        """Take in how far the run has come; draw it if it is time."""
        if not self._running:
            self._begin()
        self.history = History(list(moment.rows))
        if not math.isnan(moment.train_loss):
            self._points.append((moment.done, moment.train_loss, moment.train_accuracy))
        if len(self._points) > MOST_POINTS:
            self._points = self._points[::2]
        if moment.kind == "end":
            self._running = False
            self._finish()
        elif in_notebook() and time.perf_counter() >= self._due:
            begun = time.perf_counter()
            self._show(moment)
            now = time.perf_counter()
            self.frames, self.seconds = self.frames + 1, self.seconds + now - begun
            self._due = now + max(BETWEEN, (now - begun) / SHARE)

    def _show(self, moment: Moment) -> None:
        from IPython.display import display

        told = tell(moment)
        frame = {"text/html": draw(moment, self._points, self.baseline, told), "text/plain": told}
        old, self._display_id = self._display_id, self._display_id or uuid.uuid4().hex
        display(frame, raw=True, display_id=self._display_id, update=bool(old))

    def _finish(self) -> None:
        if not len(self.history) and not self._points:
            return  # it failed before there was anything to see
        place = self._display_id or None
        plot_training(self.history, self.baseline, self._points, title=self.title, display_id=place)


def tell(moment: Moment) -> str:
    """Say in a line how far a run has come."""
    parts = [f"{moment.done:.1f} of {moment.epochs} epochs", f"{moment.seconds:.0f} s"]
    if not math.isnan(moment.train_loss):
        parts.append(f"training loss {moment.train_loss:.2f}, {moment.train_accuracy:.0%} right")
    split, value = last_accuracy(History(list(moment.rows)))
    if split == "validation":
        parts.append(f"{value:.1%} of the validation faces right after epoch {len(moment.rows)}")
    return " · ".join(parts)


def draw(
    moment: Moment,
    points: Sequence[tuple[float, float, float]],
    baseline: History | Sequence[History] | None,
    told: str,
) -> str:
    """Draw a frame: HTML with two panels in SVG and a line of text, which `told` is."""
    rows = list(moment.rows)
    behind = [one.rows for one in as_histories(baseline) if len(one)]
    old_rows = [row for one in behind for row in one]
    epochs = max([moment.epochs, *(row["epoch"] for row in old_rows)])
    losses = [row[name] for row in [*rows, *old_rows] for name in ("train_loss", "val_loss")]
    losses = [loss for loss in [*losses, *(point[1] for point in points)] if math.isfinite(loss)]
    top = _round_up(sorted(losses)[int(0.98 * (len(losses) - 1))]) if losses else 2.0  # one spike sets no scale
    panels = []
    for number, (kind, column, high) in enumerate((("loss", 1, top), ("accuracy", 2, 1.0))):
        place = _Panel(36 + number * (PANEL + GAP), epochs, high)
        panels.append(place.frame("loss (nats)" if kind == "loss" else "correct (%)", 1 if kind == "loss" else 100))
        for split, dash in (("train", "5 4"), ("val", "")):
            for one in behind:
                old = [(row["epoch"], row[f"{split}_{kind}"]) for row in one]
                panels.append(place.line(old, "currentColor", dash, 2 if len(behind) == 1 else 1, opacity=0.4))
        panels.append(place.line([(point[0], point[column]) for point in points], TRAINING, "", width=1, opacity=0.7))
        for split, dash, colour in (("train", "5 4", TRAINING), ("val", "", VALIDATION)):
            new = [(row["epoch"], row[f"{split}_{kind}"]) for row in rows]
            panels.append(place.line(new, colour, dash, dots=len(new) < 25))
    told, width = html.escape(told), 2 * PANEL + GAP + 56
    legend = _legend(bool(behind), any(math.isfinite(row["val_loss"]) for row in rows))
    return (
        f"<div style='color:var(--jp-ui-font-color1,currentColor);max-width:{width + 60}px;font:13px sans-serif'>"
        f"<svg viewBox='0 0 {width} {HEIGHT + 58}' role='img' aria-label='Learning curves: {told}' "
        f"style='width:100%;height:auto' font-size='12' fill='currentColor'>{''.join(panels)}</svg>"
        f"<div>{legend}</div><div>{told}</div></div>"
    )


class _Panel:
    """A place for curves: x from 0 to the last epoch, y from 0 to `high`."""

    def __init__(self, left: float, epochs: float, high: float) -> None:
        self.left, self.epochs, self.high = left, max(epochs, 1), high

    def _at(self, x: float, y: float) -> str:
        y = min(max(y / self.high, 0), 1)
        return f"{self.left + PANEL * min(x / self.epochs, 1):.1f},{24 + HEIGHT * (1 - y):.1f}"

    def frame(self, title: str, scale: float) -> str:
        """Draw title, lines across and their numbers."""
        parts = [f"<text x='{self.left}' y='14' font-weight='bold'>{title}</text>"]
        for share in (0, 0.5, 1):
            y = 24 + HEIGHT * (1 - share)
            parts.append(
                f"<line x1='{self.left}' x2='{self.left + PANEL}' y1='{y}' y2='{y}' stroke='currentColor' "
                f"stroke-opacity='.2'/><text x='{self.left - 6}' y='{y + 4}' text-anchor='end'>"
                f"{scale * share * self.high:.3g}</text>"
            )
        for epoch in sorted({0, self.epochs // 2, self.epochs}):
            x = self.left + PANEL * epoch / self.epochs
            parts.append(f"<text x='{x:.1f}' y='{HEIGHT + 40}' text-anchor='middle'>{epoch}</text>")
        parts.append(f"<text x='{self.left + PANEL}' y='{HEIGHT + 52}' text-anchor='end'>epoch</text>")
        return "".join(parts)

    def line(
        self, points: Sequence[Point], colour: str, dash: str, width: float = 2, opacity: float = 1, dots: bool = False
    ) -> str:
        """Draw a curve through the points that are finite, with a dot on each if `dots`."""
        places = [self._at(x, y) for x, y in points if math.isfinite(y)]
        if not places:
            return ""
        line = (
            f"<polyline points='{' '.join(places)}' fill='none' stroke='{colour}' stroke-width='{width}' "
            f"stroke-dasharray='{dash}' stroke-opacity='{opacity}'/>"
        )
        marks = [place.split(",") for place in places] if dots or len(places) == 1 else []
        return line + "".join(f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>" for x, y in marks)


def _legend(baseline: bool, validation: bool) -> str:
    kinds = [("╍╍", TRAINING, "training"), ("━━", VALIDATION, "validation"), ("━━", "currentColor", "baseline")]
    shown = [kinds[0], *kinds[1:2] * validation, *kinds[2:] * baseline]
    return "&emsp;".join(
        f"<span><b aria-hidden='true' style='color:{colour};opacity:{0.4 if name == 'baseline' else 1}'>{line}</b> "
        f"{name}</span>"
        for line, colour, name in shown
    )


def _round_up(value: float) -> float:
    """Give the next of 1, 2, 2.5, 3, 4, 5 and their tenfolds, so that the scale seldom changes."""
    power = 10 ** math.floor(math.log10(max(value, 1e-6)))
    return next((step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)
