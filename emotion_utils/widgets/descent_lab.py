"""Learning rate and momentum under one's fingers: the path down a valley redraws at once, the loss beside it.

`DescentLab()` as the last line of a cell shows it. The browser walks the path itself; `lab.path()` is PyTorch's. Where
widgets do not run, the same output shows small pictures of the presets instead.
"""

from pathlib import Path as FilePath
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emotion_utils.errors import check_number, check_whole
from emotion_utils.plots.figures import PALETTE, WIDTH, png_of
from emotion_utils.widgets.descent import (
    ENOUGH,
    FOR_LONG,
    LARGEST_RATE,
    MOST_STEPS,
    PRESETS,
    RUNAWAY,
    SMALLEST_RATE,
    STEPS,
    VALLEYS,
    Path,
    Preset,
    find_valley,
    path,
    tell,
)
from emotion_utils.widgets.settings import Setting
from emotion_utils.widgets.stand_in import show_with_stand_in

STATIC = FilePath(__file__).parent / "static"
CAPTION = (
    "Move the sliders, with the mouse or with the arrow keys, or press a button: the path starts at the large dot; the "
    "minimum is the cross. The gradient has no noise here, as if every batch were the whole training set."
)
SHOWN = ("too small", "good", "zig-zag", "momentum cures it", "too large", "momentum 1")  # in the picture that stands


class DescentLab(anywidget.AnyWidget):
    """Two sliders, the path of gradient descent on a valley, and the loss after each step.

    All arguments are attributes too, which follow what is done in the browser and can be set.

    Args:
        learning_rate: 0.001 to 1; the slider has a log scale.
        momentum: 0 to 1.
        valley: "long valley" (a quadratic, 20 times as steep across as along) or "plateau" (nearly flat far out).
        steps: of the path, 1 to 1000.

    Raises:
        ValueError: a setting that cannot be; afterwards all is as it was.
    """

    _esm = "\n".join(
        (STATIC / name).read_text(encoding="utf-8") for name in ("common.js", "sliders.js", "descent_lab.js")
    )
    _css = "\n".join(
        (STATIC / name).read_text(encoding="utf-8") for name in ("common.css", "sliders.css", "descent_lab.css")
    )

    learning_rate = Setting(0.02).tag(sync=True)
    momentum = Setting(0.0).tag(sync=True)
    valley = Setting("long valley").tag(sync=True)
    steps = Setting(STEPS).tag(sync=True)
    _facts = traitlets.Dict().tag(sync=True)

    def __init__(
        self, learning_rate: float = 0.02, momentum: float = 0.0, valley: str = "long valley", steps: int = STEPS
    ) -> None:
        facts = {
            "rates": [SMALLEST_RATE, LARGEST_RATE],
            "limits": {"runaway": RUNAWAY, "enough": ENOUGH, "for_long": FOR_LONG},
            "presets": {name: vars(preset) for name, preset in PRESETS.items()},
            "valleys": {
                name: {"start": list(one.start), "width": one.width, "height": one.height}
                for name, one in VALLEYS.items()
            },
        }
        super().__init__(learning_rate=learning_rate, momentum=momentum, valley=valley, steps=steps, _facts=facts)

    @traitlets.validate("learning_rate")
    def _check_rate(self, proposal: Any) -> float:
        return float(check_number(SMALLEST_RATE, LARGEST_RATE, learning_rate=proposal.value))

    @traitlets.validate("momentum")
    def _check_momentum(self, proposal: Any) -> float:
        return float(check_number(0, 1, momentum=proposal.value))

    @traitlets.validate("valley")
    def _check_valley(self, proposal: Any) -> str:
        find_valley(proposal.value)
        return proposal.value

    @traitlets.validate("steps")
    def _check_steps(self, proposal: Any) -> int:
        return check_whole(1, MOST_STEPS, steps=proposal.value)

    def path(self) -> Path:
        """Walk the path of the sliders with `torch.optim.SGD`."""
        return path(self.learning_rate, self.momentum, self.valley, self.steps)

    def sheet(self) -> tuple[bytes, str]:
        """Return a PNG with the paths of six presets and their losses, and the sentence that describes it."""
        fig = Figure(figsize=(WIDTH, 4.9), layout="constrained")
        axes = fig.subplots(4, 3, gridspec_kw={"height_ratios": [1.15, 1, 1.15, 1]})
        parts = []
        for number, name in enumerate(SHOWN):
            preset = PRESETS[name]
            found = path(preset.learning_rate, preset.momentum, preset.valley)
            row, column = 2 * (number // 3), number % 3
            draw_path(axes[row, column], preset, found)
            axes[row, column].set_title(f"{name}: {preset.learning_rate:g}, {preset.momentum:g}", fontsize=10)
            draw_losses(axes[row + 1, column], found)
            if column == 0:
                axes[row + 1, column].set_ylabel("loss (log)", fontsize=8)
            parts.append(f"{name}: {tell(found, preset.learning_rate, preset.momentum)}")
        fig.suptitle("Rate and momentum decide how a path goes down the same valley", fontsize=12)
        description = (
            "Six paths of gradient descent on one long valley, each above its loss after each step; the numbers are "
            f"rate and momentum. {' '.join(text[0].upper() + text[1:] for text in parts)} Where the notebook runs, two "
            "sliders redraw the path."
        )
        return png_of(fig), description

    def _ipython_display_(self) -> None:
        show_with_stand_in(self, self.sheet, CAPTION)


def draw_path(axis: Axes, preset: Preset, found: Path) -> None:
    """Draw a path on the map of its valley."""
    valley = VALLEYS[preset.valley]
    x = torch.linspace(-valley.width, valley.width, 120, dtype=torch.double)
    y = torch.linspace(-valley.height, valley.height, 80, dtype=torch.double)
    loss = valley.loss(torch.stack(torch.meshgrid(x, y, indexing="xy")))  # (80, 120)
    levels = float(loss.max()) * 2.0 ** np.arange(-9, 1)
    axis.contourf(x, y, loss, levels=[0, *levels], cmap="Blues", vmin=0, vmax=1.6 * float(loss.max()))
    places = found.weights.clamp(-20, 20)
    axis.plot(places[:, 0], places[:, 1], "-o", color=PALETTE["vermilion"], markersize=2.5, linewidth=1.2)
    axis.plot(*valley.start, "o", color=PALETTE["vermilion"], markersize=6)
    axis.plot(0, 0, "+", color="black", markersize=9)
    axis.set(xlim=(-valley.width, valley.width), ylim=(-valley.height, valley.height), xticks=[], yticks=[])
    axis.grid(False)
    out = (found.weights.abs() > torch.tensor([valley.width, valley.height])).any(1).nonzero()
    if len(out):
        axis.text(
            0.98, 0.94, f"leaves at step {int(out[0])}", transform=axis.transAxes, ha="right", va="top", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def draw_losses(axis: Axes, found: Path) -> None:
    """Draw the loss after each step, as a share of the first."""
    axis.semilogy(found.losses / found.losses[0], color=PALETTE["vermilion"], linewidth=1.5)
    axis.set(ylim=(1e-4, 1e4), yticks=[1e-4, 1, 1e4], xlim=(0, STEPS), xticks=[0, 30, 60])
    axis.set_xlabel("step", fontsize=8, labelpad=0)
    axis.tick_params(labelsize=7)
    axis.minorticks_off()
