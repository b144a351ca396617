"""Probabilities for other shares of the classes: by hand, for rare classes that were learnt, and for numbers amiss."""

import math

import numpy as np
import pytest
import torch
from small_faces import small_faces

from emotion_utils.data import FaceDataset
from emotion_utils.models import FlipAverage, LinearModel, adjust_priors, facts_of, predict_proba, set_facts
from emotion_utils.models.priors import prior_change
from emotion_utils.training import TrainConfig, train

NAMES = ("happy", "sad", "neutral")


def test_by_hand():
    rows = torch.tensor([[0.8, 0.2], [0.5, 0.5]])
    adjusted = adjust_priors(rows, (0.9, 0.1))
    assert adjusted.dtype == torch.float32
    assert adjusted[0].tolist() == pytest.approx([0.8 / 0.9 / (0.8 / 0.9 + 2), 2 / (0.8 / 0.9 + 2)])
    assert adjusted[1].tolist() == pytest.approx([0.1, 0.9])
    assert torch.allclose(adjust_priors(rows, (1, 1), (3, 1))[1], torch.tensor([0.75, 0.25]))


def test_shares_of_training_change_nothing_and_two_steps_are_one():
    rows = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    learnt, now = (0.2, 0.5, 0.3), (0.6, 0.1, 0.3)
    assert torch.allclose(adjust_priors(rows, learnt, learnt), rows)
    twice = adjust_priors(adjust_priors(rows, learnt), (1, 1, 1), now)
    assert torch.allclose(twice, adjust_priors(rows, learnt, now), atol=1e-6)
    assert torch.allclose(adjust_priors(rows, (2, 5, 3)), adjust_priors(rows, learnt)), "counts will do"
    assert torch.allclose(adjust_priors(rows.numpy(), np.array(learnt)), adjust_priors(rows, learnt))


def test_it_is_what_bayes_rule_says_of_two_bells():
    """Two classes, each a bell around its own place: the adjusted probabilities are those of the other mix."""
    x = torch.linspace(-3, 3, 41, dtype=torch.float64)
    bells = torch.stack([(-((x - place) ** 2) / 2).exp() for place in (-1.0, 1.0)], 1)

    def posterior(shares):
        joint = bells * torch.tensor(shares)
        return joint / joint.sum(1, keepdim=True)

    assert torch.allclose(
        adjust_priors(posterior((0.95, 0.05)), (0.95, 0.05)).double(), posterior((0.5, 0.5)), atol=1e-6
    )


def test_what_is_surely_no_class_stays_so():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.equal(adjust_priors(rows, (0.9, 0.1)), rows)
    assert torch.equal(adjust_priors(torch.tensor([[0.4, 0.6]]), (0.5, 0.5), (1, 0)), torch.tensor([[1.0, 0.0]]))
    assert adjust_priors(torch.empty(0, 2), (0.5, 0.5)).shape == (0, 2)


ROWS = [[0.8, 0.2]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: adjust_priors(ROWS, (0.9, -0.1)), ValueError, r"learnt\[1\]=-0\.1"),
        (lambda: adjust_priors(ROWS, (1.0, 0.0)), ValueError, r"learnt\[1\]=0"),
        (lambda: adjust_priors(ROWS, (0, 0)), ValueError, r"learnt=.*add up to 0"),
        (lambda: adjust_priors(ROWS, (0.9, math.nan)), ValueError, r"learnt\[1\]=nan"),
        (lambda: adjust_priors(ROWS, (0.9, math.inf)), ValueError, r"learnt\[1\]=inf"),
        (lambda: adjust_priors(ROWS, (0.3, 0.3, 0.4)), ValueError, r"learnt=3 of them.*2 shares"),
        (lambda: adjust_priors(ROWS, 0.5), ValueError, r"learnt=0\.5"),
        (lambda: adjust_priors(ROWS, ("a", "b")), ValueError, r"learnt\[0\]='a'"),
        (lambda: adjust_priors(ROWS, "equal"), ValueError, "learnt='equal'"),
        (lambda: adjust_priors(ROWS, (1, 1), "same"), ValueError, "expected='same'"),
        (lambda: adjust_priors(ROWS, (1, 1), (1, 1, 1)), ValueError, "expected=3 of them"),
        (lambda: adjust_priors(ROWS, (1, 1), (-1, 1)), ValueError, r"expected\[0\]=-1"),
        (lambda: adjust_priors([[0.0, 1.0]], (1, 1), (1, 0)), ValueError, "row 0.*never"),
        (lambda: adjust_priors([[0.8, 0.2], [math.nan, 1.0]], (1, 1)), ValueError, "row 1.*nan"),
        (lambda: adjust_priors([[2.0, -1.0]], (1, 1)), ValueError, r"row 0.*-1\.0"),
        (lambda: adjust_priors([[3.1, 2.0]], (1, 1)), ValueError, r"row 0.*3\.1"),
        (lambda: adjust_priors([0.8, 0.2], (1, 1)), ValueError, r"shape \(2,\)"),
        (lambda: adjust_priors("happy", (1, 1)), TypeError, "probabilities='happy'"),
    ],
)
def test_numbers_that_cannot_be(call, kind, message):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert len(str(caught.value)) <= 400


def test_a_rare_class_is_said_again():
    """Learnt from 95 faces of one kind for 5 of the other, under noise that hides which is which."""
    generator = torch.Generator().manual_seed(3)

    def faces(counts):
        labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
        signs = torch.tensor([-8.0, 8.0])[labels]
        noise = 40 * torch.randn(len(labels), 1, 8, 8, generator=generator)
        images = (128 + signs[:, None, None, None] + noise).clamp(0, 255).round().to(torch.uint8)
        return FaceDataset(images, labels, ("happy", "disgust"))

    model = LinearModel(classes=2, image_size=8)
    config = TrainConfig(epochs=12, batch_size=50, learning_rate=0.01, weight_decay=0.05, progress=False, device="cpu")
    train(model, faces((950, 50)), None, config)
    assert facts_of(model).frequencies == pytest.approx((0.95, 0.05))
    new = faces((500, 500))
    before = predict_proba(model, new.images)
    after = adjust_priors(before, facts_of(model).frequencies)
    recall = [float((rows.argmax(1) == new.labels)[500:].double().mean()) for rows in (before, after)]
    right = [float((rows.argmax(1) == new.labels).double().mean()) for rows in (before, after)]
    assert recall[1] > recall[0] + 0.2, "the rare class is found"
    assert right[1] > right[0] + 0.05, "and more of all is right, where both are as common"


def knowing(frequencies=(0.6, 0.3, 0.1)):
    model = LinearModel(classes=NAMES, image_size=8)
    set_facts(model, (0.5, 0.25), NAMES, None, frequencies)
    return model


def test_what_is_to_change_for_a_network():
    model = knowing()
    assert prior_change(model, "learnt") is None
    learnt, expected = prior_change(model, "equal")
    assert learnt == pytest.approx((0.6, 0.3, 0.1))
    assert expected == pytest.approx((1 / 3,) * 3)
    assert prior_change(FlipAverage(model), "equal") == (learnt, expected)
    for same in ({"neutral": 2, "happy": 1, "sad": 1}, {"Neutral": 0.5, "happiness": 0.25, "Sadness": 0.25}):
        assert prior_change(model, same)[1] == pytest.approx((0.25, 0.25, 0.5)), "brought along by name"


@pytest.mark.parametrize("frequencies", [None, (0.6, 0.4, 0.0)])
def test_a_network_that_does_not_know_says_what_it_says(frequencies):
    model = knowing(frequencies)
    assert prior_change(model, "equal") is None
    missing = "does not know" if frequencies is None else "never learnt 'neutral'"
    with pytest.raises(ValueError, match=f"frequencies=.*{missing}.*set_facts"):
        prior_change(model, {"happy": 1, "sad": 1, "neutral": 1})


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ("even", "'even'"),
        (None, "frequencies=None"),
        (0.5, r"frequencies=0\.5"),
        ((0.2, 0.3, 0.5), r"0\.2.*by its name"),
        ({}, "frequencies of nothing.*happy, sad, neutral"),
        ({"happy": 0.5, "sad": 0.5}, "missing: neutral"),
        ({"happy": 0.5, "sad": 0.3, "bored": 0.2}, "bored.*missing: neutral"),
        ({"happy": 0.5, "sad": 0.3, "neutral": 0.1, "bored": 0.1}, "bored.*no others"),
        ({"happy": 0.5, "sad": 0.6, "neutral": -0.1}, r"-0\.1"),
        ({"happy": 0, "sad": 0, "neutral": 0}, "add up to 0"),
        ({"happy": "much", "sad": 0.6, "neutral": 0.1}, "'much'"),
        ({"happy": 0.5, "Happiness": 0.2, "sad": 0.3, "neutral": 0.1}, "Happiness"),
        ({1: 0.5, 2: 0.2, 3: 0.3}, "1, 2, 3"),
    ],
)
def test_frequencies_that_cannot_be(frequencies, message):
    with pytest.raises(ValueError, match=message) as caught:
        prior_change(knowing(), frequencies)
    assert len(str(caught.value)) <= 400


def test_training_notes_the_mix():
    model = LinearModel(image_size=16)
    train(model, small_faces(16), None, TrainConfig(epochs=1, batch_size=8, progress=False, device="cpu"))
    assert facts_of(model).frequencies == pytest.approx([3 / 16, 3 / 16] + [2 / 16] * 5)
