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
    baseline: History | Sequence[History] | None = None,
    steps: Sequence[tuple[float, float, float]] = (),
    title: str | None = None,
    description: str | None = None,
    display_id: str | None = None,
) -> None:
    """Draw loss and accuracy of a run against epochs, with the baseline's curves in grey behind them.

    Args:
        history: what `train()` returned, or as far as it came; it may be empty.
        baseline: the history of another run; or those of several, such as of other seeds.
        steps: `(passes over the training set, loss, accuracy)` between the ends of epochs, drawn as a thin line.
        title: instead of the one that says how the accuracy ended.
        description: instead of the one that is made from the numbers.
        display_id: of an output of this cell whose place the figure takes.

    Raises:
        TypeError: no History.
        ValueError: steps of another shape.
    """
    check_kind("history", history, History, "what train() returns")
    behind = [one for one in as_histories(baseline) if len(one)]
    points = np.asarray(steps, dtype=float)
    if points.size and (points.ndim != 2 or points.shape[1] != 3):
        raise ValueError(f"steps of shape {points.shape}: give (S, 3): passes over the training set, loss, accuracy.")
    points = points.reshape(-1, 3)  # also where there is none
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for axis, kind, scale, column in ((axes[0], "loss", 1, 1), (axes[1], "accuracy", 100, 2)):
        for one in behind:
            _draw_history(axis, one, kind, scale, (GREY, GREY), width=1.5 if len(behind) == 1 else 0.8)
        axis.plot(points[:, 0], scale * points[:, column], color=TRAINING, linewidth=0.8, alpha=0.5)
        _draw_history(axis, history, kind, scale, (TRAINING, VALIDATION), "o")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[0].set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    axes[1].set(title="Accuracy", xlabel="epoch", ylabel="correct (%)")
    _add_legend(fig, history, behind, len(points) > 0)
    message = _message(history, behind)
    fig.suptitle(headline(title or message))
    show_figure(fig, description or _describe(history, behind, message), markup=False, display_id=display_id)


def as_histories(baseline: History | Sequence[History] | None) -> list[History]:
    """Return the histories of one run, of several, or of none; a TypeError for anything else."""
    several = isinstance(baseline, Sequence) and not isinstance(baseline, str)
    histories = list(baseline) if several else [] if baseline is None else [baseline]
    for one in histories:
        check_kind("baseline", one, History, "what train() returned for another run")
    return histories


def _draw_history(
    axis: Axes,
    history: History,
    kind: str,
    scale: float,
    colours: tuple[str, str],
    marker: str | None = None,
    width: float = 1.5,
) -> None:
    marker = marker if len(history) < 25 else None
    for split, line, colour in zip(("train", "val"), ("--", "-"), colours, strict=True):
        values = [scale * value for value in history[f"{split}_{kind}"]]
        single = "o" if len(values) == 1 else marker  # a line through one point cannot be seen
        axis.plot(history["epoch"], values, line, color=colour, marker=single, markersize=4, linewidth=width)


def _add_legend(fig: plt.Figure, history: History, behind: Sequence[History], steps: bool) -> None:
    entries = {"training": Line2D([], [], color=TRAINING, linestyle="--")}
    if steps:
        entries["training, step by step"] = Line2D([], [], color=TRAINING, linewidth=0.8, alpha=0.5)
    if any(map(math.isfinite, history["val_loss"])):
        entries["validation"] = Line2D([], [], color=VALIDATION)
    if behind:
        entries["baseline" if len(behind) == 1 else f"baseline, {len(behind)} runs"] = Line2D([], [], color=GREY)
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, fontsize=10)


def last_accuracy(history: History) -> tuple[str, float]:
    """Return what the accuracy at the end was measured on, and its value; nan without any epoch."""
    if not len(history):
        return "training", math.nan
    value = history["val_accuracy"][-1]
    return ("training", history["train_accuracy"][-1]) if math.isnan(value) else ("validation", value)


def _message(history: History, behind: Sequence[History]) -> str:
    if not len(history):
        return "The run ended before its first epoch did"
    split, value = last_accuracy(history)
    epochs = f"{len(history)} epoch{'s' * (len(history) != 1)}"
    text = f"{split.capitalize()} accuracy ends at {value:.1%} after {epochs}"
    ends = [last_accuracy(one)[1] for one in behind if last_accuracy(one)[0] == split]
    if len(ends) == 1:
        text += f" (baseline {ends[0]:.1%} after {len(behind[0])})"
    elif ends:
        text += f" (baseline {min(ends):.1%} to {max(ends):.1%})"
    return text


def _describe(history: History, behind: Sequence[History], message: str) -> str:
    if not len(history):
        return f"{message}: there are only the first steps to see."
    first, last = history["train_loss"][0], history["train_loss"][-1]
    moved = f"training loss {first:.2f}" if len(history) == 1 else f"training loss from {first:.2f} to {last:.2f}"
    grey = "the baseline's curves lie" if len(behind) == 1 else f"{len(behind)} runs of the baseline lie"
    return f"Curves of loss and accuracy, {moved}. {message}{f'; {grey} behind them in grey' if behind else ''}."
