"""Checks of notebook 09: solutions pass, typical wrong answers do not, a stub is *not yet*."""

import pytest
import torch
import torch.nn.functional as F

from emotion_utils.checks import nb09 as check


def smooth(labels, classes, amount):
    return (1 - amount) * F.one_hot(labels, classes) + amount / classes


def smooth_by_loop(labels, classes, amount):
    rows = torch.full((len(labels), classes), amount / classes)
    for row, label in zip(rows, labels, strict=True):
        row[label] += 1 - amount
    return rows.tolist()


def smooth_others_only(labels, classes, amount):
    one_hot = F.one_hot(labels, classes)
    return (1 - amount) * one_hot + amount / (classes - 1) * (1 - one_hot)


def in_place(average, weights, decay):
    return average.mul_(decay).add_(weights, alpha=1 - decay)


def spoils_weights(average, weights, decay):
    return weights.mul_(1 - decay).add_(average, alpha=decay)


def taught(probabilities, labels, share):
    return share * probabilities + (1 - share) * F.one_hot(labels, probabilities.shape[1])


def flipped(model, images):
    return (model(images).softmax(1) + model(images.flip(3)).softmax(1)) / 2


def flipped_in_one_batch(model, images):
    return model(torch.cat([images, images.flip(-1)])).softmax(1).view(2, len(images), -1).mean(0)


def honest(validation, test):
    return test[validation.float().mean(1).argmax()].float().mean()


CASES = {
    "smooth_labels": dict(
        right=[smooth, smooth_by_loop],
        wrong=[
            smooth_others_only,
            lambda labels, classes, amount: F.one_hot(labels, classes),
            lambda labels, classes, amount: (1 - amount) * F.one_hot(labels, classes),
            lambda labels, classes, amount: smooth(labels, classes, amount)[0],
        ],
        stub=lambda labels, classes, amount: ...,
    ),
    "update_average": dict(
        right=[lambda a, w, d: d * a + (1 - d) * w, in_place],
        wrong=[lambda a, w, d: (1 - d) * a + d * w, lambda a, w, d: (a + w) / 2, spoils_weights, lambda a, w, d: a],
        stub=lambda a, w, d: ...,
    ),
    "taught_targets": dict(
        right=[
            taught,
            lambda p, y, share: torch.lerp(torch.nn.functional.one_hot(y, p.shape[1]).float(), p, share),
            lambda p, labels, share: [
                [share * x + (1 - share) * (c == label) for c, x in enumerate(row)]
                for row, label in zip(p.tolist(), labels.tolist(), strict=True)
            ],
        ],
        wrong=[
            lambda p, labels, share: taught(p, labels, 1 - share),
            lambda p, labels, share: p,
            lambda p, labels, share: F.one_hot(labels, p.shape[1]),
            lambda p, labels, share: share * p + F.one_hot(labels, p.shape[1]),
            lambda p, labels, share: taught(F.one_hot(p.argmax(1), p.shape[1]), labels, share),
        ],
        stub=lambda p, labels, share: ...,
    ),
    "flip_average": dict(
        right=[flipped, flipped_in_one_batch],
        wrong=[
            lambda model, images: (model(images) + model(images.flip(3))).div(2).softmax(1),
            lambda model, images: (model(images).softmax(1) + model(images.flip(2)).softmax(1)) / 2,
            lambda model, images: model(images).softmax(1),
            lambda model, images: model(images).softmax(1) + model(images.flip(3)).softmax(1),
        ],
        stub=lambda model, images: None,
    ),
    "honest_report": dict(
        right=[
            honest,
            lambda v, t: max(zip(v.sum(1).tolist(), -torch.arange(len(v)), t, strict=True))[2].double().mean(),
        ],
        wrong=[
            lambda v, t: t.float().mean(1).max(),
            lambda v, t: v.float().mean(1).max(),
            lambda v, t: t.float().mean(),
            lambda v, t: v.float().mean(1).argmax(),
        ],
        stub=lambda v, t: ...,
    ),
    "without_twins": dict(
        right=[lambda a, t, s: (a - s * t) / (1 - s)],
        wrong=[lambda a, t, s: a - s * t, lambda a, t, s: a * (1 - s), lambda a, t, s: a, lambda a, t, s: 2 * a - t],
        stub=lambda a, t, s: ...,
    ),
    "team_gradient": dict(
        right=[
            lambda g, c: (g * c[:, None]).sum(0) / c.sum(),
            lambda g, c: torch.einsum("p,pd->d", c / c.sum(), g),
            lambda g, c: (c / c.sum()) @ g,
            lambda g, c: c.float() @ g / c.sum(),
        ],
        wrong=[lambda g, c: g.mean(0), lambda g, c: g.sum(0), lambda g, c: (g * c[:, None]).sum(0), lambda g, c: g],
        stub=lambda g, c: ...,
    ),
}


@pytest.fixture(autouse=True)
def from_the_first_hint():
    for name in CASES:
        getattr(check, name).reset()


@pytest.mark.parametrize(("name", "i"), [(n, i) for n, c in CASES.items() for i in range(len(c["right"]))])
def test_right_answers(name, i):
    verdict = getattr(check, name)(CASES[name]["right"][i])
    assert verdict.status == "correct", verdict.message


@pytest.mark.parametrize(("name", "i"), [(n, i) for n, c in CASES.items() for i in range(len(c["wrong"]))])
def test_wrong_answers_get_more_telling_hints(name, i):
    function = getattr(check, name)
    messages = [function(CASES[name]["wrong"][i]).message for _ in range(3)]
    assert "correct." not in " ".join(messages)
    assert "Hint" not in messages[0]
    assert "Hint 1" in messages[1]
    assert "Hint 2" in messages[2]


@pytest.mark.parametrize("name", CASES)
def test_stubs(name):
    assert getattr(check, name)(CASES[name]["stub"]).status == "not yet"
    assert getattr(check, name)(...).status == "not yet"
