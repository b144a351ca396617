"""Feature maps, one window's sum, pairs of bars: what is drawn is what was given."""

import numpy as np
import pytest
import torch
from every_figure import EDGES, FACE, MAPS

from emotion_utils import plots


def pictures(fig) -> list:
    return [axis.images[0] for axis in fig.axes if axis.images and axis.get_label() != "<colorbar>"]


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("maps", [MAPS, MAPS[None], list(MAPS)], ids=["(N, h, w)", "(1, N, h, w)", "list"])
def test_maps_share_one_scale_around_zero(drawn, capsys, maps):
    plots.show_maps(maps, titles=list("abcdef"), title="Six", label="response (a.u.)")
    (fig,) = drawn
    np.testing.assert_array_equal([picture.get_array() for picture in pictures(fig)], MAPS)
    top = float(MAPS.abs().max())
    for picture in pictures(fig):
        assert picture.get_clim() == pytest.approx((-top, top))
        assert picture.get_cmap().name == "RdBu_r"
    *grid, bar = fig.axes
    assert [axis.get_title() for axis in grid] == [*"abcdef", "", ""], "two rows of four"
    assert bar.get_ylabel() == "response (a.u.)"
    assert fig.get_suptitle() == "Six"
    assert capsys.readouterr().out == "6 maps of 5 by 7 values: a, b, c, d, e, f.\n"


def test_maps_may_have_their_own_scales_and_sizes(drawn, capsys):
    maps = [MAPS[0], MAPS[1, :3, :3]]
    plots.show_maps(maps, signed=False, shared=False)
    (fig,) = drawn
    assert len(fig.axes) == 2, "no bar: it would hold for one of them only"
    for picture, plane in zip(pictures(fig), maps, strict=True):
        assert picture.get_clim() == pytest.approx((float(plane.min()), float(plane.max())))
        assert picture.get_cmap().name == "gray"
    assert capsys.readouterr().out == "2 maps of 5 by 7 and 3 by 3 values.\n"


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_of_equal_values_can_be_drawn(drawn, capsys, signed):
    plots.show_maps(torch.zeros(4, 4), signed=signed, description="Nothing.")
    assert pictures(drawn[0])[0].get_array().max() == 0
    assert capsys.readouterr().out == "Nothing.\n"


@pytest.mark.parametrize(
    ("maps", "titles", "message"),
    [
        (torch.zeros(0, 4, 4), None, "maps is empty"),
        ([torch.zeros(2, 3, 4)], None, r"\(2, 3, 4\)"),
        (torch.zeros(2, 4, 4), ["a"], "1 titles for 2 maps"),
    ],
)
def test_wrong_maps_are_explained(maps, titles, message):
    with pytest.raises(ValueError, match=message):
        plots.show_maps(maps, titles)


def test_window_sum_shows_pixels_weights_and_products(drawn, capsys):
    plots.show_window_sum(FACE, EDGES, row=2, column=8)
    image, *tables = drawn[0].axes
    window = FACE[2:5, 8:11]
    np.testing.assert_array_equal(image.images[0].get_array(), FACE)
    (frame,) = image.patches
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((7.5, 1.5), 3, 3)
    for axis, numbers in zip(tables, (window, EDGES, window * EDGES), strict=True):
        np.testing.assert_allclose(axis.images[0].get_array(), numbers, rtol=1e-6)
        written = [float(text) for text in texts(axis)]
        np.testing.assert_allclose(written, numbers.flatten(), atol=0.0051)
    total = f"{float((window * EDGES).sum()):+.2f}"
    assert total in tables[-1].get_title()
    assert total in drawn[0].get_suptitle()
    assert (
        f"row 2, column 8; its pixels, the kernel's weights and their products as small tables. The products sum "
        f"to {total}." in capsys.readouterr().out
    )


@pytest.mark.parametrize(("row", "column"), [(10, 0), (0, 10), (-1, 0), (0, -1)])
def test_a_window_outside_the_image_is_refused(row, column):
    with pytest.raises(ValueError, match=f"row={row}, column={column}.*12 × 12"):
        plots.show_window_sum(FACE, EDGES, row, column)


def test_pairs_of_bars_have_their_lengths_and_numbers(drawn, capsys):
    series = {"work": [90, 10], "weights": [1.25, 98.75]}
    plots.show_pairs(["conv", "linear"], series, xlabel="share (%)", title="Both", number="{:.1f}")
    (axis,) = drawn[0].axes
    for bars, (label, values) in zip(axis.containers, series.items(), strict=True):
        assert bars.get_label() == label
        assert [bar.get_width() for bar in bars] == values
    assert texts(axis) == ["90.0", "10.0", "1.2", "98.8"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["conv", "linear"]
    assert axis.get_xlabel() == "share (%)"
    assert "conv: work 90.0, weights 1.2; linear: work 10.0, weights 98.8" in capsys.readouterr().out


@pytest.mark.parametrize("series", [{"work": [90, 10], "weights": [1]}, {"work": [90, 10]}, {}])
def test_pairs_need_two_series_of_equal_length(series):
    with pytest.raises(ValueError, match=r"series=.*2 values"):
        plots.show_pairs(["conv", "linear"], series, xlabel="share (%)")


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_maps_and_kernels_may_be_one_pixel_wide(drawn, shape):
    """As after a mean over all pixels, and as kernels for edges are."""
    maps = torch.arange(2.0 * shape[0] * shape[1]).view(2, *shape)
    plots.show_maps(maps)
    np.testing.assert_array_equal([picture.get_array() for picture in pictures(drawn[0])], maps)
    kernel = torch.ones(shape)
    plots.show_window_sum(FACE, kernel, row=0, column=0)
    assert f"{float(FACE[: shape[0], : shape[1]].sum()):+.2f}" in drawn[1].get_suptitle()
