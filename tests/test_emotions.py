"""The order of the classes, and what others call them."""

import pytest

from emotion_utils.emotions import EMOTIONS, label_of


def test_class_order_is_that_of_fer2013():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    ("name", "label"),
    [("angry", 0), ("Anger", 0), ("disgusted", 1), ("fearful", 2), ("Happy", 3), ("HAPPINESS", 3), ("sadness", 4),
     ("surprised", 5), ("neutral", 6), ("contempt", None), ("NF", None), ("", None), (" Joy ", 3), ("suprise", 5),
     ("scared", 2), ("3_happy", 3), ("03 - Happiness", 3), ("3", None), ("happy3", None), ("unhappy", None),
     ("ＨＡＰＰＹ", 3), ("\udcff", None)],
)  # fmt: skip
def test_other_names_lead_to_the_same_labels(name, label):
    assert label_of(name) == label
