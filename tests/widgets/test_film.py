"""The drawn film: a person whose face goes from rest to an expression and back."""

import pytest
import torch

from emotion_utils.models.inference import predict_proba
from emotion_utils.models.pretrained import load_pretrained
from emotion_utils.photos import crop_face
from emotion_utils.widgets.film import drawn_film


def test_the_face_moves_and_comes_back():
    film = drawn_film(8)
    assert film.shape == (8, 120, 160)
    assert film.dtype == torch.uint8
    steps = [float((film[i].float() - film[(i + 1) % 8].float()).abs().mean()) for i in range(8)]
    assert min(steps) > 3  # noise at least
    assert steps[-1] < 2 * max(steps[:-1]), "a seam between the last frame and the first"
    assert torch.equal(film, drawn_film(8))
    assert not torch.equal(film, drawn_film(8, seed=1))


def test_the_middle_shows_the_expression_and_the_start_a_face_at_rest():
    film, model = drawn_film(4), load_pretrained("synthetic")
    crops = torch.stack([crop_face(film[number], (43, 22, 74, 74)) for number in (0, 2)])
    said = predict_proba(model, crops)
    assert said[1, model.classes.index("happy")] > said[0, model.classes.index("happy")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0}, "frames=0"), ({"frames": 10**6}, "frames=1000000"), ({"emotion": "joy"}, "emotion='joy'"),
        ({"emotion": 3}, "emotion=3"), ({"person": -1}, "person=-1"), ({"seed": "x"}, "seed='x'"),
    ],
)  # fmt: skip
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        drawn_film(**arguments)
