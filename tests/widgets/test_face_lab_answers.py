"""What a model that is no network says of a face is looked at before it is drawn."""

import math

import numpy as np
import pytest
import torch

from emotion_utils.errors import ShapeError
from emotion_utils.widgets.face_lab import FaceLab


class Says:
    """Gives one and the same answer."""

    def __init__(self, answer):
        self.answer, self.classes = answer, ("a", "b")

    def predict_proba(self, images):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (None, TypeError, "predict_proba=None"),
        ("happy", TypeError, "predict_proba='happy'"),
        (torch.tensor([0.5, 0.5]), ShapeError, r"predict_proba gave shape \(2,\)"),
        (torch.full((2, 2), 0.5), ShapeError, r"\(2, 2\)"),
        (torch.zeros(1, 0), ShapeError, r"\(1, 0\)"),
        (torch.tensor([[math.nan, 0.5]]), ValueError, "predict_proba gave .*nan"),
        (torch.tensor([[3.0, -2.0]]), ValueError, "predict_proba gave .*add up to 1"),
        (torch.tensor([[5.0, 5.0]]), ValueError, "add up to 1"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer, kind, words):
    with pytest.raises(kind, match=words):
        FaceLab(Says(answer))


@pytest.mark.parametrize("answer", [[[0.25, 0.75]], np.array([[0.25, 0.75]]), torch.tensor([[0.25, 0.75]]).double()])
def test_lists_and_arrays_are_answers(answer):
    lab = FaceLab(Says(answer))
    assert lab.classes == ("a", "b")
    assert lab.probabilities().tolist() == [0.25, 0.75]
