"""The drawing of predictions: boxes where the faces are, cards beside them, whatever the picture."""

import numpy as np
import pytest
from small_network import NORMALISATION, small_network
from small_photos import canvas

from emotion_utils.data import EMOTIONS
from emotion_utils.models import set_facts
from emotion_utils.photos import draw_predictions, predict_photo

BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


@pytest.fixture(scope="module")
def network():
    model = small_network()
    set_facts(model, NORMALISATION, EMOTIONS)
    return model


def share_of(picture, colour, box):
    left, top, right, bottom = box
    part = np.asarray(picture)[top:bottom, left:right].astype(int)
    return (np.abs(part - colour).sum(2) < 30).mean()


@pytest.mark.parametrize(("threshold", "colour"), [(0.0, BLUE), (1.0, VERMILION)])
def test_a_box_is_where_the_face_is_and_says_by_its_colour_whether_it_answers(network, threshold, colour):
    scene = canvas({0: (100, 80)}, 240, 320)
    predictions = predict_photo(scene, network, faces=(100, 80, 96, 96), threshold=threshold)
    drawn = draw_predictions(scene, predictions, bars=False, most_pixels=240 * 320)
    assert drawn.size == (320, 240)
    assert share_of(drawn, colour, (98, 90, 103, 170)) > 0.2
    assert share_of(drawn, colour, (120, 100, 180, 160)) == 0
    assert np.array_equal(np.asarray(drawn)[200:, :90], scene[200:, :90])


def test_cards_stand_beside_the_picture_and_what_has_no_room_is_counted(network):
    scene = canvas({0: (10, 10)}, 200, 300)
    boxes = [(10, 10, 96, 96)] * 12
    one = draw_predictions(scene, predict_photo(scene, network, faces=boxes[0], threshold=0.0))
    many = draw_predictions(scene, predict_photo(scene, network, faces=boxes, threshold=0.0))
    assert one.width > 300 * one.height / 240
    assert many.size == one.size
    assert share_of(one, BLUE, (one.width - 250, 0, one.width, one.height)) > 0.003


def test_large_pictures_are_scaled_down_and_small_ones_up(network):
    large = np.zeros((1000, 4000), np.uint8)
    drawn = draw_predictions(
        large, predict_photo(large, network, faces=(0, 0, 500, 500)), bars=False, most_pixels=40_000
    )
    assert drawn.size == (400, 100)
    small = np.zeros((1, 1), np.uint8)
    assert min(draw_predictions(small, predict_photo(small, network, faces=[])).size) >= 200


def test_no_faces_and_many_classes():
    model = small_network()
    names = tuple(f"a class of a very long name indeed, number {i}" for i in range(7))
    set_facts(model, NORMALISATION, names)
    scene = canvas({0: (10, 10)}, 120, 160)
    predictions = predict_photo(scene, model, faces=(10, 10, 96, 96)) + predict_photo(scene, model, faces=[])
    assert draw_predictions(scene, predictions).height >= 240
    assert draw_predictions(scene, []).size[0] == 320


def test_what_is_no_prediction(network):
    with pytest.raises(TypeError, match="predictions: 'happy'"):
        draw_predictions(canvas({}), ["happy"])
    with pytest.raises(ValueError, match="most_pixels=5"):
        draw_predictions(canvas({}), [], most_pixels=5)
    with pytest.raises(TypeError, match="bars="):
        draw_predictions(canvas({}), [], bars="yes")
