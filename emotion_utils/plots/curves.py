"""The curves of one training run in the end: its epochs, its steps, and the baseline behind them."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emotion_utils.plots.checks import check_kind
from emotion_utils.plots.figures import PALETTE, WIDTH, drawing, headline, show_figure
from emotion_utils.training.history import History

GREY = "#8A8A8A"
TRAINING, VALIDATION = PALETTE["blue"], PALETTE["vermilion"]


@drawing
def plot_training(
    history: History,
    baseline: History | None = None,
    steps: Sequence[tuple[float, float, float]] = (),
    title: str | None = None,
    description: str | None = None,
    display_id: str | None = None,
) -> None:
    """Draw loss and accuracy of a run against epochs, with the baseline's curves in grey behind them.

    Args:
        history: what `train()` returned, or as far as it came; it may be empty.
        baseline: the history of another run.
        steps: `(passes over the training set, loss, accuracy)` between the ends of epochs, drawn as a thin line.
        title: instead of the one that says how the accuracy ended.
        description: instead of the one that is made from the numbers.
        display_id: of an output of this cell whose place the figure takes.

    Raises:
        TypeError: no History.
    """
    check_kind("history", history, History, "what train() returns")
    if baseline is not None:
        check_kind("baseline", baseline, History, "what train() returned for another run")
    behind = baseline if baseline is not None and len(baseline) else None
    points = np.asarray(steps, dtype=float).reshape(-1, 3)  # (S, 3)
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for axis, kind, scale, column in ((axes[0], "loss", 1, 1), (axes[1], "accuracy", 100, 2)):
        if behind is not None:
            _draw_history(axis, behind, kind, scale, (GREY, GREY))
        axis.plot(points[:, 0], scale * points[:, column], color=TRAINING, linewidth=0.8, alpha=0.5)
        _draw_history(axis, history, kind, scale, (TRAINING, VALIDATION), "o")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[0].set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    axes[1].set(title="Accuracy", xlabel="epoch", ylabel="correct (%)")
    _add_legend(fig, history, behind, len(points) > 0)
    message = _message(history, behind)
    fig.suptitle(headline(title or message))
    show_figure(fig, description or _describe(history, behind, message), markup=False, display_id=display_id)


def _draw_history(
    axis: Axes, history: History, kind: str, scale: float, colours: tuple[str, str], marker: str | None = None
) -> None:
    marker = marker if len(history) < 25 else None
    for split, line, colour in zip(("train", "val"), ("--", "-"), colours, strict=True):
        values = [scale * value for value in history[f"{split}_{kind}"]]
        single = "o" if len(values) == 1 else marker  # a line through one point cannot be seen
        axis.plot(history["epoch"], values, line, color=colour, marker=single, markersize=4)


def _add_legend(fig: plt.Figure, history: History, baseline: History | None, steps: bool) -> None:
    entries = {"training": Line2D([], [], color=TRAINING, linestyle="--")}
    if steps:
        entries["training, step by step"] = Line2D([], [], color=TRAINING, linewidth=0.8, alpha=0.5)
    if any(map(math.isfinite, history["val_loss"])):
        entries["validation"] = Line2D([], [], color=VALIDATION)
    if baseline is not None:
        entries["baseline"] = Line2D([], [], color=GREY)
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, fontsize=10)


def last_accuracy(history: History) -> tuple[str, float]:
    """Return what the accuracy at the end was measured on, and its value; nan without any epoch."""
    if not len(history):
        return "training", math.nan
    value = history["val_accuracy"][-1]
    return ("training", history["train_accuracy"][-1]) if math.isnan(value) else ("validation", value)


def _message(history: History, baseline: History | None) -> str:
    if not len(history):
        return "The run ended before its first epoch did"
    split, value = last_accuracy(history)
    epochs = f"{len(history)} epoch{'s' * (len(history) != 1)}"
    text = f"{split.capitalize()} accuracy ends at {value:.1%} after {epochs}"
    if baseline is not None and last_accuracy(baseline)[0] == split:
        text += f" (baseline {last_accuracy(baseline)[1]:.1%} after {len(baseline)})"
    return text


def _describe(history: History, baseline: History | None, message: str) -> str:
    if not len(history):
        return f"{message}: there are only the first steps to see."
    first, last = history["train_loss"][0], history["train_loss"][-1]
    moved = f"training loss {first:.2f}" if len(history) == 1 else f"training loss from {first:.2f} to {last:.2f}"
    behind = "; the baseline's curves lie behind them in grey" if baseline is not None else ""
    return f"Curves of loss and accuracy, {moved}. {message}{behind}."
