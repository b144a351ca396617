"""Every kind of figure that the series draws: faces, curves, confusion, bars, calibration.

Each function ends with `show_figure`, so its figure comes with a description in words. Pass `description` to say it
better than the one that is made up from the data.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.evaluation.confidence import calibration
from emotion_utils.evaluation.report import Report
from emotion_utils.plots.checks import check_bars, check_format, check_kind, check_reference
from emotion_utils.plots.figures import (
    COLOURS,
    LONGEST_LINE,
    LONGEST_NAME,
    MARKERS,
    PALETTE,
    WIDTH,
    drawing,
    headline,
    legend_name,
    short,
    short_keys,
    show_figure,
)
from emotion_utils.tensors import as_tensor
from emotion_utils.training.history import History
from emotion_utils.training.lr_range import LRRange

FEW = 10  # images; fewer do not tell on which side of the diagonal a network is
MOST_CURVES = 24  # in one figure
MOST_CELLS = 20  # classes up to which the numbers of a confusion matrix can be read


@drawing
def plot_history(
    histories: History | Mapping[str, History], title: str | None = None, description: str | None = None
) -> None:
    """Draw loss and accuracy against epochs, training dashed and validation solid.

    `histories` is a `History`, or several with a name each: `{"rate 0.05": history, …}`. Curves of a run without
    validation set are those of training alone.
    """
    several = isinstance(histories, Mapping)
    named = short_keys(histories) if several else {"": histories}
    if len(named) > MOST_CURVES:
        raise ValueError(f"histories: {len(named):,} curves cannot be told apart; draw {MOST_CURVES} or fewer.")
    for one in named.values():
        check_kind("history", one, History, "what train() returns")
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for i, history in enumerate(named.values()):
        for axis, kind, scale in ((axes[0], "loss", 1), (axes[1], "accuracy", 100)):
            for split, line in (("train", "--"), ("val", "-")):
                colour = COLOURS[(i if several else split == "val") % len(COLOURS)]
                marker = MARKERS[i % len(MARKERS)] if len(history) < 25 else None
                values = [scale * value for value in history[f"{split}_{kind}"]]
                axis.plot(history["epoch"], values, line, color=colour, marker=marker, markersize=4)
    axes[0].set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats)")
    axes[1].set(title="Accuracy", xlabel="epoch", ylabel="correct (%)")
    for axis in axes:
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, min_n_ticks=1))
    _add_legend(fig, list(named) if several else [])

    count = max(map(len, named.values()), default=0)
    epochs = f"{count} epoch{'s' * (count != 1)}"
    final = {name: _last_accuracy(history) for name, history in named.items() if len(history)}
    message = "Nothing was trained yet"
    if final:
        best = max(final, key=lambda name: final[name][1])
        split, value = final[best]
        message = f"{split.capitalize()} accuracy ends at {value:.0%} after {epochs}"
        message = f"{best} ends best: {value:.0%} {split} accuracy" if len(named) > 1 else message
    fig.suptitle(headline(title or message))
    ends = "; ".join(
        f"{name + ': ' if name else ''}{split} accuracy {value:.0%}" for name, (split, value) in final.items()
    )
    told = f"Curves of loss and accuracy over {epochs}, which end at {ends}." if final else f"{message}: no curves."
    show_figure(fig, description or told, markup=False)


def _add_legend(fig: Figure, names: Sequence[str]) -> None:
    """Add a line for each name, and one for each kind of line: fewer entries than one for each curve."""
    kinds = {"training": "--", "validation": "-"}
    entries = [
        Line2D([], [], color="black" if names else COLOURS[i], linestyle=line) for i, line in enumerate(kinds.values())
    ]
    entries += [Line2D([], [], color=COLOURS[i % 8], marker=MARKERS[i % 8], markersize=5) for i in range(len(names))]
    labels = [*kinds, *map(legend_name, names)]
    fig.legend(entries, labels, loc="outside lower center", ncols=min(6, len(labels)), fontsize=10)


def _last_accuracy(history: History) -> tuple[str, float]:
    """Return the accuracy at the end and what it was measured on: the validation images, where there are any."""
    value = history["val_accuracy"][-1]
    return ("training", history["train_accuracy"][-1]) if np.isnan(value) else ("validation", value)


@drawing
def plot_confusion(
    report: Report, normalise: bool = True, title: str | None = None, description: str | None = None
) -> None:
    """Draw the confusion matrix of a `Report`: rows are true classes, columns predicted ones.

    With `normalise` a cell shows percent of its true class, else a count.
    """
    check_kind("report", report, Report, "what evaluate() returns")
    matrix = np.asarray(report.confusion, dtype=float)  # (C, C)
    names = [short(name) for name in report.classes]
    share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    shown = share if normalise else matrix
    fig, axis = plt.subplots(figsize=(min(WIDTH, 2.4 + 0.72 * len(names)), min(1.6 + 0.6 * len(names), 14)))
    picture = axis.imshow(shown, cmap="Blues", vmin=0, vmax=100 if normalise else None, aspect="auto")
    for i, j in np.ndindex(*shown.shape) if len(names) <= MOST_CELLS else ():
        dark = shown[i, j] > 0.6 * (100 if normalise else max(shown.max(), 1))
        axis.text(j, i, f"{shown[i, j]:.0f}", ha="center", va="center", color="white" if dark else "black")
    ticks = range(len(names))
    axis.set_xticks(ticks, names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, names)
    axis.grid(False)
    axis.set(xlabel="predicted", ylabel="true")
    fig.colorbar(picture, label="% of the true class" if normalise else "images", shrink=0.8)
    off = share - np.diag(np.diag(share))
    i, j = np.unravel_index(off.argmax(), off.shape)
    worst = f"{names[i]} is taken for {names[j]} most often ({off[i, j]:.0f} %)" if off.any() else "no mistakes"
    axis.set_title(headline(title or worst[0].upper() + worst[1:], 70))
    best = int(np.diag(share).argmax())
    known = (
        f"{names[best]} is recognised best ({share[best, best]:.0f} %)" if share[best, best] else "none is recognised"
    )
    show_figure(
        fig,
        description or f"Confusion matrix of {int(matrix.sum())} images: {known}; {worst}.",
        markup=False,
    )


@drawing
def plot_bars(
    names: Sequence[str],
    values: Sequence[float],
    errors: Sequence | np.ndarray | None = None,
    xlabel: str = "",
    title: str | None = None,
    description: str | None = None,
    reference: tuple[str, float] | None = None,
    number: str = "{:.3g}",
) -> None:
    """Draw horizontal bars, each with its number at the end.

    `errors` are half-widths (N) or lower and upper distances (2, N), drawn as whiskers. `xlabel` says what the bars
    measure, with its unit. `reference` is a name and a value, drawn as a dashed line (chance level, a baseline).
    `number` is the format of the number beside each bar.

    Raises:
        TypeError: no list of names, or something else than numbers or texts.
        ValueError: not as many names as values, or a format that is none.
    """
    check_format(number)
    names, values = check_bars(names, values)
    names, values = [short(name, 40) for name in names], np.asarray(values)
    if reference is not None:
        reference = check_reference(reference)
    if errors is not None:
        errors = as_tensor(errors, "errors").cpu().double().numpy()
        if errors.shape not in ((len(values),), (2, len(values))) or not (errors >= 0).all():
            raise ValueError(
                f"errors of shape {errors.shape}: give distances from 0 on, (N,) or (2, N), N={len(values)}."
            )
    drawn = np.where(np.isfinite(values), values, 0)  # no bar for what is not finite; its number says so
    fig, axis = plt.subplots(figsize=(WIDTH, min(1.3 + 0.36 * len(values), 40)))
    axis.barh(range(len(values)), drawn, color=PALETTE["sky"], xerr=errors, ecolor="black", capsize=3)
    ends = drawn if errors is None else drawn + np.broadcast_to(np.atleast_2d(np.asarray(errors))[-1], drawn.shape)
    ends = np.where(np.isfinite(ends), ends, drawn)
    for i, (value, end) in enumerate(zip(values, ends, strict=True)):
        axis.annotate(number.format(value), (max(end, 0), i), (5, 0), textcoords="offset points", va="center")
    if reference:
        axis.axvline(reference[1], color=PALETTE["vermilion"], linestyle="--", label=legend_name(reference[0]))
        fig.legend(loc="outside lower center", fontsize=10)
    axis.set_yticks(range(len(values)), names)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.grid(False, axis="y")
    axis.set(xlabel=short(xlabel, LONGEST_LINE))
    if title:
        axis.set_title(headline(title))
    listed = ", ".join(f"{n} {number.format(v)}" for n, v in zip(names, values, strict=True))
    measured = f" of {short(xlabel, 100)}" if xlabel else ""
    show_figure(fig, description or f"Bars{measured}: {listed}.", markup=False)


@drawing
def plot_class_counts(dataset: FaceDataset, title: str | None = None, description: str | None = None) -> None:
    """Draw how many images each class has."""
    dataset = as_face_dataset(dataset)
    counts = [int(c) for c in dataset.class_counts()]
    names = [short(name) for name in dataset.classes]
    most, least = int(np.argmax(counts)), int(np.argmin(counts))
    images = f"{counts[most]:,} image{'s' * (counts[most] != 1)}"
    if not counts[least]:
        message = f"{names[most].capitalize()} has {images}, {names[least]} none"
    elif (ratio := counts[most] / counts[least]) < 1.1:
        message = f"The classes have {f'{counts[least]:,} to ' * (ratio > 1)}{images}: balanced"
    else:
        message = f"{names[most].capitalize()} has {ratio:.1f} times as many images as {names[least]}"
    plot_bars(names, counts, xlabel="images", title=title or message, description=description, number="{:,.0f}")


@drawing
def plot_calibration(
    report: Report | Mapping[str, Report], bins: int = 15, title: str | None = None, description: str | None = None
) -> None:
    """Draw accuracy against confidence, with the diagonal that a calibrated model follows; below, images in each bin.

    `report` is a `Report`, or a mapping of names to reports (before and after temperature scaling, say).
    """
    named = short_keys(report, LONGEST_NAME) if isinstance(report, Mapping) else {"model": report}
    if not 0 < len(named) <= MOST_CURVES:
        what = f"holds {len(named):,}, more than {MOST_CURVES}" if named else "is empty"
        raise ValueError(f"report {what}: give what evaluate() returns, or a mapping of names to such reports.")
    for one in named.values():
        check_kind("report", one, Report, "what evaluate() returns")
    fig, (axis, counts) = plt.subplots(2, 1, figsize=(5.6, 6), sharex=True, height_ratios=(4, 1))
    axis.plot([0, 100], [0, 100], "--", color="#777777", label="calibrated")
    parts, errors = [], {}
    for i, (name, one) in enumerate(named.items()):
        result = calibration(one.probabilities, one.labels, bins=bins)
        some = result.count > 0
        axis.plot(
            100 * result.confidence[some],
            100 * result.accuracy[some],
            marker=MARKERS[i % 8],
            color=COLOURS[i % 8],
            clip_on=False,
            label=f"{legend_name(name)} (error {100 * result.ece:.1f} points)",
        )
        starts, width = (
            100 * result.edges[:-1].numpy(),
            100 / bins / (len(named) + 0.5),
        )  # bars of one bin stand side by side
        counts.bar(starts + (i + 0.75) * width, result.count.numpy(), width, color=COLOURS[i % 8])
        message = f"{name} is {_side(one)}"
        parts.append(f"{message}, off by {100 * result.ece:.1f} percentage points")
        errors[name] = result.ece
    axis.set(xlabel="confidence (%)", ylabel="correct (%)", xlim=(0, 100), ylim=(0, 100))
    counts.set(xlabel="confidence (%)", ylabel="images")
    closest = min(errors, key=errors.get)
    if len(named) > 1:
        message = f"{closest} comes {'closer' if len(named) == 2 else 'closest'} to the diagonal"
    axis.set_title(headline(title or message[0].upper() + message[1:], 60))
    axis.legend(fontsize=10)
    told = f"Accuracy against confidence in {bins} bin{'s' * (bins != 1)}: {'; '.join(parts)}."
    show_figure(fig, description or told, markup=False)


def _side(report: Report) -> str:
    """Say on which side of the diagonal a network is on average, by more than chance moves one that is calibrated."""
    confidence = report.probabilities.amax(1).double()
    if len(confidence) < FEW:
        return f"not to be judged by {len(confidence)} image{'s' * (len(confidence) != 1)}"
    gap = float((confidence - report.correct.double()).mean())
    margin = 1.96 * float((confidence * (1 - confidence)).sum().clamp(min=0)) ** 0.5 / len(confidence)
    return "over-confident" if gap > margin else "under-confident" if gap < -margin else "calibrated on average"


@drawing
def plot_lr_range(result: LRRange, title: str | None = None, description: str | None = None) -> None:
    """Draw the loss against the learning rate of an `lr_range_test`, marking the suggested rate."""
    check_kind("result", result, LRRange, "what lr_range_test() returns")
    rates, losses = np.asarray(result.rates, dtype=float), np.asarray(result.losses, dtype=float)
    finite = losses[np.isfinite(losses)]
    if len(finite) == 0 or len(rates) != len(losses):
        raise ValueError(f"result holds {len(rates)} rates and {len(finite)} finite losses: there is nothing to draw.")
    fig, axis = plt.subplots(figsize=(WIDTH, 3.4))
    axis.semilogx(rates, losses, color=PALETTE["blue"])
    axis.axvline(
        result.suggestion, color=PALETTE["vermilion"], linestyle="--", label=f"suggestion {result.suggestion:.2g}"
    )
    axis.set_ylim(0.8 * finite.min(), 1.6 * finite[: max(1, len(finite) // 4)].max())
    axis.set(xlabel="learning rate (log scale)", ylabel="training loss (nats)")
    axis.set_title(headline(title) if title else f"The loss falls fastest near a rate of {result.suggestion:.2g}")
    axis.legend()
    place = int(np.nanargmin(losses))
    climbs = ", then it climbs" if place < len(losses) - 1 else ""
    show_figure(
        fig,
        description
        or f"Training loss while the learning rate grows from {rates[0]:.1g} to {rates[-1]:.2g}: lowest near "
        f"{rates[place]:.2g}{climbs}; the suggested rate is {result.suggestion:.2g}.",
        markup=False,
    )
