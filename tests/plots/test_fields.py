"""Receptive fields: squares around a pixel, as large as the layers say."""

import itertools

import numpy as np
import pytest
import torch
from every_figure import FACE, FIELDS
from matplotlib.patches import Rectangle

from emotion_utils import plots


@pytest.mark.parametrize("image", [FACE, FACE[None], (255 * FACE).to(torch.uint8)])
def test_fields_are_squares_one_inside_the_other(drawn, capsys, image):
    plots.show_fields(image, FIELDS, note="Each lies in the next.")
    (axis,) = drawn[0].axes
    squares = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    assert [square.get_width() for square in squares] == [square.get_height() for square in squares] == [3, 4, 8]
    assert [square.get_label() for square in squares] == ["0: 3 × 3", "1: 4 × 4", "2: 8 × 8"]
    corners = [(square.get_x(), square.get_x() + square.get_width()) for square in squares]
    for (low, high), (lower, higher) in itertools.pairwise(corners):
        assert lower <= low < high <= higher
    shown = axis.images[0]
    assert shown.get_clim() == ((0, 255) if image.dtype == torch.uint8 else (0, 1))
    np.testing.assert_array_equal(shown.get_array(), image.squeeze())
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("column (pixels)", "row (pixels)")
    assert axis.get_title() == "A unit of 2 sees 8 × 8 pixels"
    assert "0 3, 1 4, 2 8 pixels. Each lies in the next." in capsys.readouterr().out


@pytest.mark.parametrize("pixel", [0, 5, 11])
def test_fields_lie_around_the_pixel_and_in_sight(drawn, pixel):
    """A square may hang over the edge of the image; the axes then show it all the same."""
    plots.show_fields(FACE, FIELDS, pixel=pixel)
    (axis,) = drawn[0].axes
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    for square in axis.patches:
        low, high = square.get_x(), square.get_x() + square.get_width()
        assert left <= low < high <= right
        assert top <= low < high <= bottom
    largest = axis.patches[-1]
    assert largest.get_x() <= pixel <= largest.get_x() + largest.get_width()
    assert left <= -0.5 < 11.5 <= right


def test_no_fields_are_refused():
    with pytest.raises(ValueError, match="fields is empty"):
        plots.show_fields(FACE, [])
