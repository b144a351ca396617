"""Figures of numbers that are not finite, of nothing, of the wrong kind: drawn as far as they can be, or refused."""

import math

import numpy as np
import pytest
import torch
from every_figure import EDGES, FACE, FIELDS, MAPS, history, report
from matplotlib import pyplot as plt
from small_faces import small_faces
from torch.utils.data import Subset

from emotion_utils import plots
from emotion_utils.plots.checks import finite_range
from emotion_utils.training.lr_range import LRRange

NAN, INF = math.nan, math.inf


def test_the_range_is_that_of_the_finite_numbers():
    assert finite_range(np.array([NAN, 2, -INF]), np.array([5.0])) == (2, 5)
    assert finite_range(np.array([NAN]), np.array([])) == (0, 0)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_number_that_is_not_finite_has_no_bar(drawn, capsys, value):
    plots.plot_bars(["a", "b"], [3, value], xlabel="seconds")
    plots.show_pairs(["a", "b"], {"one": [3, value], "two": [value, 1]}, xlabel="seconds")
    bars, pairs = (fig.axes[0] for fig in drawn)
    assert [bar.get_width() for bar in bars.patches] == [3, 0]
    assert [bar.get_width() for bar in pairs.patches] == [3, 0, 0, 1]
    assert capsys.readouterr().out.startswith(f"Bars of seconds: a 3, b {value:.3g}.")


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("signed", [True, False])
def test_maps_with_holes_keep_their_scale(drawn, value, signed):
    maps = MAPS.clone()
    maps[0, 1, 1] = value
    plots.show_maps(maps, signed=signed)
    plots.show_maps(torch.full((3, 3), value), signed=signed)
    plots.show_maps(maps.numpy(), signed=signed)
    clims = [axis.images[0].get_clim() for axis in drawn[0].axes if axis.images and axis.get_label() != "<colorbar>"]
    finite = maps[maps.isfinite()]
    assert clims[0][1] == pytest.approx(float(finite.abs().max() if signed else finite.max()))
    assert all(math.isfinite(bound) for clim in clims for bound in clim)


def test_other_figures_with_holes_are_drawn(drawn):
    image = FACE.clone()
    image[3, 3] = NAN
    plots.show_window_sum(image, EDGES, row=2, column=2)
    plots.show_window_sum(FACE.numpy(), EDGES.numpy(), row=2, column=2)
    plots.show_fields(image, FIELDS)
    plots.show_fields(FACE.numpy(), FIELDS)
    rows = history()
    rows.rows[1]["val_loss"] = NAN
    plots.plot_history(rows)
    plots.plot_lr_range(LRRange([0.1, 1.0, 10.0], [1.0, NAN, 2.0], 0.1))
    assert len(drawn) == 6


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plots.plot_bars([], []), ValueError, "0 names"),
        (lambda: plots.plot_bars(["a"], [1], errors=[1, 2]), ValueError, r"errors of shape \(2,\)"),
        (lambda: plots.plot_bars(["a"], [1], errors=[-1]), ValueError, "errors"),
        (lambda: plots.plot_bars(["a"], [1], errors=[NAN]), ValueError, "errors"),
        (lambda: plots.show_pairs([], {"a": [], "b": []}, xlabel=""), ValueError, "series="),
        (lambda: plots.plot_bars("ab", [1, 2]), TypeError, "names='ab'"),
        (lambda: plots.plot_bars(5, [1, 2]), TypeError, "names=5"),
        (lambda: plots.plot_bars(["a"], ["x"]), TypeError, "values="),
        (lambda: plots.plot_bars(["a"], None), TypeError, "values=None"),
        (lambda: plots.plot_bars(["a"], [1], errors="x"), TypeError, "errors='x'"),
        (lambda: plots.plot_bars(["a"], [1], xlabel=5), TypeError, "xlabel=5"),
        (lambda: plots.plot_bars(["a"], [1], title=np.zeros(2)), TypeError, "title="),
        (lambda: plots.plot_bars(["a"], [1], description=b"x"), TypeError, "description=b'x'"),
        (lambda: plots.plot_bars(["a"], [1], number="{:d}"), ValueError, r"number='\{:d\}'"),
        (lambda: plots.plot_bars(["a"], [1], number="3"), ValueError, "number='3'"),
        (lambda: plots.plot_bars(["a"], [1], number="{x}"), ValueError, "number="),
        (lambda: plots.plot_bars(["a"], [1], reference=5), TypeError, "reference=5"),
        (lambda: plots.plot_bars(["a"], [1], reference=("a", NAN)), ValueError, "reference=nan"),
        (lambda: plots.show_pairs(["a"], [1, 2], xlabel=""), TypeError, r"series=\[1, 2\]"),
        (lambda: plots.show_pairs(["a"], {"a": [1], "b": ["x"]}, xlabel=""), TypeError, "series"),
        (lambda: plots.show_pairs(["a"], {"a": [1], "b": [2]}, xlabel=None), TypeError, "xlabel=None"),
        (lambda: plots.plot_confusion(report(), normalise="no"), ValueError, "normalise='no'"),
        (lambda: plots.show_maps(MAPS, signed=np.zeros(2)), ValueError, "signed="),
        (lambda: plots.show_maps("x"), TypeError, "maps"),
        (lambda: plots.show_maps(MAPS.to("meta")), TypeError, "maps.*meta"),
        (lambda: plots.show_maps(5), TypeError, "maps=5"),
        (lambda: plots.show_window_sum(None, EDGES, 0, 0), TypeError, "image=None"),
        (lambda: plots.show_fields(FACE, 5), TypeError, "fields=5"),
        (lambda: plots.show_fields(FACE, ["a"]), TypeError, "fields="),
        (lambda: plots.show_fields(FACE, FIELDS, pixel="x"), ValueError, "pixel='x'"),
        (lambda: plots.show_faces(FACE.to(torch.complex64)), TypeError, "images.*complex64"),
        (lambda: plots.show_faces(FACE.to_sparse()), TypeError, "images.*sparse"),
        (lambda: plots.plot_history({str(i): history() for i in range(99)}), ValueError, "99 curves"),
        (lambda: plots.plot_calibration({str(i): report() for i in range(99)}), ValueError, "99"),
        (lambda: plots.show_figure(5, "A figure."), TypeError, "fig='int'"),
        (lambda: plots.show_figure(plt.Figure(), 5), ValueError, "description=5"),
        (lambda: plots.plot_confusion(None), TypeError, "report='NoneType'"),
        (lambda: plots.plot_confusion(np.eye(7)), TypeError, "report='ndarray'.*evaluate"),
        (lambda: plots.plot_calibration({}), ValueError, "report is empty"),
        (lambda: plots.plot_calibration({"a": history()}), TypeError, "report='History'"),
        (lambda: plots.plot_calibration(report(), bins=0), ValueError, "bins=0"),
        (lambda: plots.plot_history(report()), TypeError, "history='Report'.*train"),
        (lambda: plots.plot_history([history()]), TypeError, "history='list'"),
        (lambda: plots.plot_lr_range(history()), TypeError, "result='History'.*lr_range_test"),
        (lambda: plots.plot_lr_range(LRRange([0.1], [NAN], 0.1)), ValueError, "0 finite losses"),
        (lambda: plots.plot_lr_range(LRRange([], [], 0.1)), ValueError, "0 rates"),
        (lambda: plots.plot_class_counts([1, 2]), TypeError, "FaceDataset"),
        (lambda: plots.show_maps(MAPS, columns=0), ValueError, "columns=0"),
        (lambda: plots.show_maps(MAPS, titles="abcdef"), TypeError, "titles='abcdef'"),
        (lambda: plots.show_window_sum(FACE, torch.zeros(12, 12), 0, 0), ValueError, r"kernel of shape \(12, 12\)"),
        (lambda: plots.show_window_sum(MAPS, EDGES, 0, 0), ValueError, r"image of shape \(6, 5, 7\)"),
        (lambda: plots.show_window_sum(FACE, EDGES, 0.5, 0), ValueError, r"row=0\.5"),
        (lambda: plots.show_fields(MAPS, FIELDS), ValueError, r"\(6, 5, 7\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_no_figure_stays_open(draw, error, message):
    with pytest.raises(error, match=message) as caught:
        draw()
    assert len(str(caught.value)) <= 400
    assert not plt.get_fignums()


def test_a_figure_that_fails_midway_is_closed(drawn):
    with pytest.raises(ValueError, match="description="):
        plots.plot_bars(["a"], [1], description="  ")
    assert not plt.get_fignums()


def test_parts_that_pytorch_cut_are_counted(drawn):
    plots.plot_class_counts(Subset(small_faces(14), range(7)))
    assert [bar.get_width() for bar in drawn[0].axes[0].patches] == [1] * 7


def test_many_classes_make_no_endless_figure(drawn, saved):
    found = report()
    many = tuple(f"class {i}" for i in range(60))
    labels = found.labels
    wide = type(found)(torch.rand(70, 60).softmax(1), torch.rand(70, 60), labels, many, "many", (0.0, 1.0))
    plots.plot_confusion(wide)
    assert not drawn[0].axes[0].texts
    assert int.from_bytes(saved[0][20:24], "big") < 1600


def test_names_that_begin_with_an_underscore_are_in_the_legend(drawn):
    plots.plot_history({"_a": history(), "_b": history()})
    plots.plot_calibration({"_a": report(), "b" * 500: report(), "b" * 501: report()})
    plots.show_pairs(["x"], {"_a": [1], "": [2]}, xlabel="")
    legends = [
        [text.get_text().strip() for text in (fig.legends or [fig.axes[0].get_legend()])[0].texts] for fig in drawn
    ]
    assert legends[0][-2:] == ["_a", "_b"]
    assert legends[1][1].startswith("_a (error")
    assert len(set(legends[1])) == 4, "what was cut alike stays apart"
    assert legends[2] == ["_a", ""]
