"""Faces in a grid: in order, with their titles, all on one scale; what is no face is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_faces import small_faces

from emotion_utils import plots


def pictures(fig) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in fig.axes if axis.images]


def test_faces_are_shown_in_order_with_their_titles(drawn):
    faces = small_faces(10)
    plots.show_faces(faces.images, titles=range(10), columns=4, title="Ten")
    (fig,) = drawn
    assert len(fig.axes) == 12, "three rows of four"
    np.testing.assert_allclose(pictures(fig), faces.images[:, 0] / 255, rtol=1e-6)
    assert [axis.get_title() for axis in fig.axes] == [*map(str, range(10)), "", ""]
    assert fig.get_suptitle() == "Ten"


@pytest.mark.parametrize("shape", [(1, 1, 6, 5), (1, 6, 5), (6, 5)])
def test_faces_come_in_three_shapes(drawn, capsys, shape):
    plots.show_faces(torch.full(shape, 51, dtype=torch.uint8), title="Grey")
    assert pictures(drawn[0])[0] == pytest.approx(np.full((6, 5), 0.2))
    assert capsys.readouterr().out == "One grey face: Grey.\n"


def test_normalised_images_are_stretched_alike(drawn):
    """All faces share one scale, so their brightness can be compared."""
    plots.show_faces(torch.stack([torch.full((1, 4, 4), v) for v in (-2.0, 0.0, 2.0)]))
    assert [picture[0, 0] for picture in pictures(drawn[0])] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(0, 1, 8, 8), "images is empty"),
        (torch.zeros(2, 2, 8, 8), r"\(2, 2, 8, 8\)"),
        (torch.zeros(5), r"\(5,\)"),
    ],
)
def test_wrong_faces_are_explained(images, message):
    """Nothing to show, colour images, no images at all."""
    with pytest.raises(ValueError, match=message):
        plots.show_faces(images)


def test_titles_must_be_as_many_as_faces():
    with pytest.raises(ValueError, match="3 titles for 2 faces"):
        plots.show_faces(small_faces(2).images, titles=["a", "b", "c"])


def test_whole_numbers_are_grey_levels_whatever_their_type(drawn):
    faces = small_faces(2).images
    for images in (faces, faces.long(), faces.numpy().astype(np.int16), [Image.fromarray(f[0].numpy()) for f in faces]):
        plots.show_faces(images)
    for fig in drawn:
        np.testing.assert_allclose(pictures(fig), faces[:, 0] / 255, rtol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_pixels_that_are_not_finite_stay_blank(drawn, value):
    images = torch.rand(2, 1, 4, 4)
    images[0, 0, 1, 1] = value
    plots.show_faces(images)
    plots.show_faces(torch.full((1, 4, 4), value))
    shown = pictures(drawn[0])
    assert np.isnan(shown[0][1, 1])
    np.testing.assert_allclose(shown[1], images[1, 0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"titles": "ab"}, TypeError, "titles='ab'"),
        ({"titles": 3}, TypeError, "titles=3"),
        ({"columns": 0}, ValueError, "columns=0"),
        ({"columns": 2.5}, ValueError, r"columns=2\.5"),
        ({"columns": float("nan")}, ValueError, "columns=nan"),
        ({"images": torch.zeros(5000, 4, 4)}, ValueError, "5,000 faces"),
        ({"images": None}, TypeError, "images"),
        ({"images": ["none.png"]}, FileNotFoundError, r"none\.png"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        plots.show_faces(**{"images": small_faces(2).images, **arguments})
    assert len(str(caught.value)) <= 400


def test_a_mask_is_black_and_white(drawn):
    mask = torch.tensor([[True, False], [False, True]])
    plots.show_faces(mask)
    np.testing.assert_array_equal(pictures(drawn[0])[0], mask.double())


@pytest.mark.parametrize("kind", [torch.tensor, np.array, lambda labels: list(torch.tensor(labels)), iter])
def test_labels_are_titles_as_they_are(drawn, kind):
    plots.show_faces(small_faces(2).images, titles=kind([3, 5]))
    assert [axis.get_title() for axis in drawn[0].axes] == ["3", "5"]
