"""Every figure is drawn, described twice, readable, and closed."""

import re

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from small_faces import small_faces

from emotion_utils import plots
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import LinearModel
from emotion_utils.plots import charts, figures
from emotion_utils.training.history import History
from emotion_utils.training.lr_range import LRRange


@pytest.fixture
def shown(monkeypatch):
    """Collect what would be displayed: pairs of data and metadata. The figure that was drawn stays inspectable."""
    displayed = []
    monkeypatch.setattr(figures, "_in_notebook", lambda: True)
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata=None, raw=False: displayed.append((data, metadata))
    )
    close = plt.close
    displayed_figures = []
    monkeypatch.setattr(figures.plt, "close", lambda fig: displayed_figures.append(fig) or close(fig))
    yield displayed, displayed_figures
    assert not plt.get_fignums()


def history(epochs: int = 4, start: float = 1.9) -> History:
    """Make up a history whose loss falls."""
    rows = History()
    for epoch in range(1, epochs + 1):
        rows.append(
            epoch=epoch,
            learning_rate=0.1,
            train_loss=start / epoch,
            train_accuracy=1 - 0.8 / epoch,
            val_loss=start / epoch + 0.1,
            val_accuracy=0.9 - 0.8 / epoch,
            seconds=1.0,
        )
    return rows


def report(seed: int = 0):
    """Evaluate an untrained model."""
    torch.manual_seed(seed)
    return evaluate(LinearModel(image_size=16), small_faces(70))


DRAW = {
    "faces": lambda: plots.show_faces(small_faces(10).images, titles=[str(i) for i in range(10)], title="Ten"),
    "one face": lambda: plots.show_faces(np.zeros((48, 48), dtype=np.uint8)),
    "history": lambda: plots.plot_history(history()),
    "one epoch": lambda: plots.plot_history(history(1)),
    "histories": lambda: plots.plot_history({"rate 0.1": history(), "rate 1": history(30, 3.0)}),
    "confusion": lambda: plots.plot_confusion(report()),
    "confusion counts": lambda: plots.plot_confusion(report(), normalise=False),
    "bars": lambda: plots.plot_bars(["a", "b"], [3, 5], [1, 1], xlabel="accuracy (%)", reference=("chance", 14.3)),
    "uneven errors": lambda: plots.plot_bars(["a", "b"], [3, 5], [[1, 1], [2, 2]], xlabel="seconds"),
    "class counts": lambda: plots.plot_class_counts(small_faces(40)),
    "calibration": lambda: plots.plot_calibration(report()),
    "calibrations": lambda: plots.plot_calibration({"before": report(), "after": report(1)}),
    "learning rates": lambda: plots.plot_lr_range(LRRange([0.001, 0.01, 0.1, 1.0], [1.9, 1.5, 1.2, 3.0], 0.01)),
}


@pytest.mark.parametrize("kind", DRAW)
def test_each_figure_is_described_twice(kind, shown):
    """The same sentence is alt text and visible text; the picture fits a notebook; axes name what they show."""
    displayed, drawn = shown
    DRAW[kind]()
    (picture, metadata), (sentence, _) = displayed
    alt = metadata["image/png"]["alt"]
    assert picture["image/png"].startswith(b"\x89PNG")
    assert sentence["text/plain"] == alt
    assert sentence["text/html"] == f"<p><em>{alt}</em></p>"
    assert alt.endswith(".")
    assert "nan" not in alt
    width = int.from_bytes(picture["image/png"][16:20], "big")
    assert width <= 850
    assert len(picture["image/png"]) < 200_000
    (fig,) = drawn
    for axis in fig.axes:
        if axis.axison and axis.get_label() != "<colorbar>":
            assert axis.get_xlabel()


def test_own_description_is_used_and_escaped(shown):
    """The writer's sentence replaces the made-up one; spaces are tidied and HTML signs are shown as such."""
    displayed, _ = shown
    plots.show_faces(small_faces(3).images, description="Three faces\n   with p < 0.05 & a smile.")
    assert displayed[0][1]["image/png"]["alt"] == "Three faces with p < 0.05 & a smile."
    assert displayed[1][0]["text/html"] == "<p><em>Three faces with p &lt; 0.05 &amp; a smile.</em></p>"


def test_every_plotting_function_is_tested_and_takes_a_description():
    """A new function without one is noticed here."""
    functions = {name for name in plots.__all__ if re.match("show_faces|plot_", name)}
    assert functions <= {name for draw in DRAW.values() for name in draw.__code__.co_names}
    for name in functions:
        assert {"title", "description"} <= set(getattr(plots, name).__annotations__)


def test_a_figure_without_description_is_refused():
    """An empty description is no description."""
    fig, _ = plt.subplots()
    with pytest.raises(ValueError, match="Describe the figure"):
        plots.show_figure(fig, "  ")
    plt.close(fig)


def test_outside_a_notebook_the_description_is_printed(capsys):
    """A script has no place for a picture."""
    plots.show_faces(small_faces(2).images)
    assert capsys.readouterr().out == "2 grey faces in 1 row.\n"
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("images", "message"),
    [(torch.zeros(0, 1, 8, 8), "no face"), (torch.zeros(2, 3, 8, 8), r"not \(2, 3, 8, 8\)"), (torch.zeros(5), "shape")],
)
def test_wrong_faces_are_explained(images, message):
    """Nothing to show, colour images, no images at all."""
    with pytest.raises(ValueError, match=message):
        plots.show_faces(images)
    with pytest.raises(ValueError, match="3 titles for 2 faces"):
        plots.show_faces(small_faces(2).images, titles=["a", "b", "c"])


def test_normalised_images_are_stretched_alike():
    """All faces share one scale, so their brightness can be compared."""
    images = torch.stack([torch.full((1, 4, 4), v) for v in (-2.0, 0.0, 2.0)])
    assert charts._pixels(images)[:, 0, 0].tolist() == [0.0, 0.5, 1.0]
    assert charts._pixels(torch.full((1, 1, 2, 2), 51, dtype=torch.uint8)).max() == pytest.approx(0.2)


def test_the_style_uses_the_palette_of_okabe_and_ito():
    """Colours that people with a colour vision deficiency can tell apart, set when the module is imported."""
    assert plots.PALETTE["blue"] == "#0072B2"
    assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"][:2] == ["#0072B2", "#E69F00"]
