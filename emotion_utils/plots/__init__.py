"""Every figure, in one style, each described in words."""

from emotion_utils.plots.charts import (
    plot_bars,
    plot_calibration,
    plot_class_counts,
    plot_confusion,
    plot_history,
    plot_lr_range,
)
from emotion_utils.plots.curves import plot_training
from emotion_utils.plots.face_grid import show_faces
from emotion_utils.plots.features import show_maps, show_pairs, show_window_sum
from emotion_utils.plots.fields import show_fields
from emotion_utils.plots.figures import COLOURS, PALETTE, show_figure
from emotion_utils.plots.network import plot_network

__all__ = [
    "COLOURS",
    "PALETTE",
    "plot_bars",
    "plot_calibration",
    "plot_class_counts",
    "plot_confusion",
    "plot_history",
    "plot_lr_range",
    "plot_network",
    "plot_training",
    "show_faces",
    "show_fields",
    "show_figure",
    "show_maps",
    "show_pairs",
    "show_window_sum",
]
