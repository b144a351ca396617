"""A call of every kind of figure: drawn in the tests' own process, and in a notebook's kernel."""

import numpy as np
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils import plots
from emotion_utils.evaluation.report import Report, evaluate
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.receptive import receptive_field
from emotion_utils.training.history import History
from emotion_utils.training.lr_range import LRRange

GENERATOR = torch.Generator().manual_seed(0)
FACE = torch.rand(12, 12, generator=GENERATOR)
MAPS = torch.randn(6, 5, 7, generator=GENERATOR)
EDGES = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
FIELDS = receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3, padding=1)))
RATES = LRRange([0.001, 0.01, 0.1, 1.0], [1.9, 1.5, 1.2, 3.0], 0.01)


def history(epochs: int = 4, start: float = 1.9, validation: bool = True) -> History:
    """Make up a history whose loss falls."""
    rows, nan = History(), float("nan")
    for epoch in range(1, epochs + 1):
        rows.append(
            epoch=epoch,
            learning_rate=0.1,
            train_loss=start / epoch,
            train_accuracy=1 - 0.8 / epoch,
            val_loss=start / epoch + 0.1 if validation else nan,
            val_accuracy=0.9 - 0.8 / epoch if validation else nan,
            seconds=1.0,
        )
    return rows


def report(seed: int = 0) -> Report:
    """Evaluate an untrained model that is rather sure of itself."""
    torch.manual_seed(seed)
    model = LinearModel(image_size=16)
    nn.init.normal_(model.classifier[1].weight, std=0.06)
    return evaluate(model, small_faces(70))


FIGURES = {
    "faces": lambda: plots.show_faces(small_faces(10).images, titles=[str(i) for i in range(10)], title="Ten"),
    "one face": lambda: plots.show_faces(np.zeros((48, 48), dtype=np.uint8)),
    "history": lambda: plots.plot_history(history()),
    "one epoch": lambda: plots.plot_history(history(1)),
    "no validation": lambda: plots.plot_history(history(validation=False)),
    "nothing trained": lambda: plots.plot_history(History()),
    "histories": lambda: plots.plot_history({"rate 0.1": history(), "rate 1": history(30, 3.0)}),
    "training": lambda: plots.plot_training(history(), history(6, 2.4), [(0.4, 2.1, 0.15), (1.6, 1.2, 0.5)]),
    "training of one epoch": lambda: plots.plot_training(history(1), History(), title="One"),
    "training that stopped at once": lambda: plots.plot_training(History(), steps=[(0.1, 2.0, 0.1), (0.2, 1.9, 0.2)]),
    "confusion": lambda: plots.plot_confusion(report()),
    "confusion counts": lambda: plots.plot_confusion(report(), normalise=False),
    "bars": lambda: plots.plot_bars(["a", "b"], [3, 5], [1, 1], xlabel="accuracy (%)", reference=("chance", 14.3)),
    "uneven errors": lambda: plots.plot_bars(["a", "b"], [3, 5], [[1, 1], [2, 2]], xlabel="seconds"),
    "class counts": lambda: plots.plot_class_counts(small_faces(40)),
    "calibration": lambda: plots.plot_calibration(report()),
    "calibrations": lambda: plots.plot_calibration({"before": report(), "after": report(1)}),
    "learning rates": lambda: plots.plot_lr_range(RATES),
    "network": lambda: plots.plot_network(LinearModel(image_size=16), (1, 1, 16, 16)),
    "maps": lambda: plots.show_maps(MAPS, titles=list("abcdef"), title="Six maps", label="response (a.u.)"),
    "grey maps": lambda: plots.show_maps([MAPS[0], MAPS[1, :3, :3]], signed=False, shared=False),
    "window": lambda: plots.show_window_sum(FACE, EDGES, row=2, column=8),
    "fields": lambda: plots.show_fields(FACE, FIELDS, note="Each lies in the next."),
    "pairs": lambda: plots.show_pairs(
        ["conv", "linear"], {"work": [90, 10], "weights": [1.25, 98.75]}, xlabel="share (%)", number="{:.1f}"
    ),
}
