"""Temperature and threshold: how sure a network says it is, how sure it may be, and when it had better stay silent.

`ConfidenceLab(report)` as the last line of a cell shows it. The browser computes what moves; the interval comes from
`emotion_utils.evaluation`, and `lab.numbers()` gives all numbers as that computes them. Where widgets do not run, the
same output shows both diagrams, before and after temperature scaling (Guo et al., ICML 2017).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch.nn.functional as F
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from emotion_utils.errors import check_number, check_share, check_whole
from emotion_utils.evaluation.confidence import calibration, check_scores, fit_temperature
from emotion_utils.evaluation.report import Report
from emotion_utils.evaluation.selection import Selection, accuracy_by_coverage, answer_above
from emotion_utils.plots.figures import PALETTE, WIDTH, png_of
from emotion_utils.widgets.settings import Setting
from emotion_utils.widgets.stand_in import show_with_stand_in

STATIC = Path(__file__).parent / "static"
PARTS = ("common", "sliders", "confidence_lab")
COLDEST, HOTTEST = 0.2, 5.0  # of the slider, unless the fitted temperature lies outside
MOST_IMAGES = 100_000
MOST_BINS = 50
CAPTION = (
    "Move the sliders, with the mouse or with the arrow keys. Temperature divides all logits: it moves confidence and "
    "leaves every answer as it is. Below the threshold the network stays silent."
)


@dataclass(frozen=True)
class ConfidenceNumbers:
    """What the lab shows, as `emotion_utils.evaluation` computes it.

    Attributes:
        ece: expected calibration error, 0 to 1.
        nll: cross-entropy, in nats.
        selection: coverage and accuracy, with its interval, above the threshold.
    """

    ece: float
    nll: float
    selection: Selection


class ConfidenceLab(anywidget.AnyWidget):
    """A slider for the temperature, one for the threshold; the reliability diagram and accuracy against coverage.

    `temperature` and `threshold` are attributes too, which follow what is done in the browser and can be set.

    Args:
        logits: float `(N, C)`, of up to 100,000 images; or a `Report`, which brings its labels.
        labels: int64 `(N,)`; None with a report.
        bins: of the reliability diagram, up to 50.
        temperature: 0.01 to 100.
        threshold: the confidence from which on the network answers, 0 to 1.

    Attributes:
        fitted: the temperature at which the cross-entropy on these images is smallest.

    Raises:
        TypeError: a report and labels, or logits alone.
        ValueError: shapes that do not go together, numbers that are not finite, labels that are no classes.
    """

    _esm = "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
    _css = "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in PARTS)

    temperature = Setting(1.0).tag(sync=True)
    threshold = Setting(0.0).tag(sync=True)
    _facts = traitlets.Dict().tag(sync=True)
    _interval = traitlets.Dict().tag(sync=True)
    _logits = traitlets.Bytes().tag(sync=True)
    _labels = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        logits: Tensor | Report,
        labels: Tensor | None = None,
        bins: int = 15,
        temperature: float = 1.0,
        threshold: float = 0.0,
    ) -> None:
        if isinstance(logits, Report) != (labels is None):
            raise TypeError("logits, labels: give a Report alone, or logits (N, C) together with labels (N,).")
        if isinstance(logits, Report):
            logits, labels = logits.logits, logits.labels
        self.logits, self.labels = check_scores("logits", logits, labels)
        if len(self.labels) > MOST_IMAGES:
            raise ValueError(f"logits of {len(self.labels):,} images: give at most {MOST_IMAGES:,}, as logits[:1000].")
        self.logits = self.logits.float().double()  # as the browser gets them
        self.bins = check_whole(1, MOST_BINS, bins=bins)
        self.fitted = float(f"{fit_temperature(self.logits, self.labels):.3g}")
        facts = {
            "classes": self.logits.shape[1],
            "bins": self.bins,
            "fitted": self.fitted,
            "range": [min(COLDEST, self.fitted), max(HOTTEST, self.fitted)],
        }
        super().__init__(
            temperature=temperature,
            threshold=threshold,
            _facts=facts,
            _logits=self.logits.float().numpy().astype("<f4").tobytes(),
            _labels=self.labels.numpy().astype("<i4").tobytes(),
        )
        self._ask()

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal: Any) -> float:
        return float(check_number(0.01, 100, temperature=proposal.value))

    @traitlets.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float:
        return float(check_share(threshold=proposal.value))

    @traitlets.observe("temperature", "threshold")
    def _ask(self, _change: dict | None = None) -> None:
        """Hand the browser the interval of what its sliders say."""
        low, high = self.numbers().selection.interval
        found = {"low": None, "high": None} if math.isnan(low) else {"low": low, "high": high}
        self._interval = found | {"temperature": self.temperature, "threshold": self.threshold}

    def probabilities(self, temperature: float | None = None) -> Tensor:
        """Give float64 `(N, C)` at a temperature; None takes that of the slider."""
        return (self.logits / (self.temperature if temperature is None else temperature)).softmax(1)

    def numbers(self) -> ConfidenceNumbers:
        """Compute what the lab shows."""
        probabilities = self.probabilities()
        return ConfidenceNumbers(
            ece=calibration(probabilities, self.labels, self.bins).ece,
            nll=float(F.cross_entropy(self.logits / self.temperature, self.labels)),
            selection=answer_above(probabilities, self.labels, self.threshold),
        )

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG of both diagrams at T = 1 and at the fitted temperature, and the sentence that describes it."""
        fig = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        grid = fig.add_gridspec(2, 2, height_ratios=[3, 1])
        above, below, right = fig.add_subplot(grid[0, 0]), fig.add_subplot(grid[1, 0]), fig.add_subplot(grid[:, 1])
        above.plot([0, 100], [0, 100], "--", color="#777777", linewidth=1)
        errors = [self._draw_reliability(above, below, number, t) for number, t in enumerate((1.0, self.fitted))]
        above.set(xlim=(0, 100), ylim=(0, 100), ylabel="correct (%)", title="Reliability")
        above.legend(fontsize=8)
        below.set(xlim=(0, 100), xlabel="confidence (%)", ylabel="images")
        half = self._draw_coverage(right)
        before, after = (f"{100 * error:.1f}" for error in errors)
        fig.suptitle(f"Temperature {self.fitted:.3g} takes the calibration error from {before} to {after} points")
        low, high = half.interval
        description = (
            f"Left, accuracy against confidence in {self.bins} bins, with the number of images in each: the error of "
            f"calibration is {before} points at T = 1 and {after} at T = {self.fitted:.3g}. Right, accuracy against "
            f"the share of images that are answered: the surest {half.coverage:.0%} are right in {half.accuracy:.1%} "
            "of cases "
            f"(95 % interval {low:.1%} to {high:.1%}). Where the notebook runs, two sliders move temperature and "
            "threshold."
        )
        return png_of(fig), description

    def _draw_reliability(self, above: Axes, below: Axes, number: int, temperature: float) -> float:
        """Draw accuracy against confidence, larger dots for more images, and the counts; return the error."""
        found = calibration(self.probabilities(temperature), self.labels, self.bins)
        some, colour = found.count > 0, (PALETTE["blue"], PALETTE["vermilion"])[number]
        x, y = 100 * found.confidence[some], 100 * found.accuracy[some]
        sizes = 6 + 60 * found.count[some] / found.count.max()
        above.plot(x, y, color=colour, linewidth=1, linestyle="-:"[number])
        label = f"T = {temperature:.3g}, error {100 * found.ece:.1f} points"
        above.scatter(x, y, s=sizes, color=colour, marker="os"[number], label=label, clip_on=False, zorder=3)
        places = 100 * (np.arange(self.bins) + 0.3 + 0.4 * number) / self.bins
        below.bar(places, found.count, width=40 / self.bins, color=colour)
        return found.ece

    def _draw_coverage(self, axis: Axes) -> Selection:
        """Draw accuracy against coverage at T = 1; mark and return the surest half."""
        probabilities = self.probabilities(1.0)
        coverage, accuracy = accuracy_by_coverage(probabilities, self.labels)
        many = coverage * len(self.labels) >= max(1, len(self.labels) // 50)  # among fewer, chance alone moves it
        axis.plot(100 * coverage[many], 100 * accuracy[many], color=PALETTE["blue"])
        half = answer_above(probabilities, self.labels, float(probabilities.amax(1).median()))
        place = (100 * half.coverage, 100 * half.accuracy)
        axis.plot(*place, "o", color=PALETTE["vermilion"], markersize=8)
        text = f"{half.accuracy:.1%} at threshold {half.threshold:.2f}"
        axis.annotate(text, place, (8, 8), textcoords="offset points", fontsize=9)
        axis.set(xlim=(0, 102), xlabel="coverage (% of the images)", ylabel="correct among these (%)")
        axis.set_title("Accuracy of the surest answers")
        return half

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)
