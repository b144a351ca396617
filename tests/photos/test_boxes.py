"""Boxes and faces: what they are made of, and what is no box."""

import math

import pytest

from emotion_utils.photos import Box, Face


def test_a_box_knows_its_sides():
    box = Box(10, 20, 30, 40)
    assert (box.right, box.bottom, box.centre) == (40, 60, (25, 40))
    assert Box.of([10, 20, 30, 40]) == box
    assert Box.of(box.as_tuple()) == box
    assert box.overlap(Box(30, 50, 100, 100)) == 10 * 10
    assert box.overlap(Box(40, 20, 5, 5)) == 0


@pytest.mark.parametrize(
    "numbers", [(0, 0, 0, 5), (0, 0, 5, -1), (math.nan, 0, 5, 5), (0, math.inf, 5, 5), (0, 0, True, 5)]
)
def test_no_box(numbers):
    with pytest.raises(ValueError, match=r"width=|height=|left=|top="):
        Box(*numbers)


@pytest.mark.parametrize("box", [(1, 2, 3), "1234", None, 5, [[1, 2], [3, 4]]])
def test_what_is_no_box_is_shown(box):
    with pytest.raises(ValueError, match="box="):
        Box.of(box)


def test_the_tilt_follows_from_the_eyes_in_any_order():
    face = Face((0, 0, 50, 50), eyes=((30, 20), (10, 10)))
    assert face.eyes == ((10, 10), (30, 20))
    assert face.tilt == pytest.approx(math.degrees(math.atan2(10, 20)))
    assert Face((0, 0, 50, 50)).tilt is None


@pytest.mark.parametrize("eyes", [((1, 1), (1, 1)), ((1, 1),), 5, ((math.nan, 1), (2, 2)), "ab"])
def test_eyes_are_two_different_points(eyes):
    with pytest.raises(ValueError, match="eyes="):
        Face((0, 0, 50, 50), eyes=eyes)


def test_a_score_is_a_share():
    with pytest.raises(ValueError, match=r"score=1\.5"):
        Face((0, 0, 5, 5), score=1.5)
