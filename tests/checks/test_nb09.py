"""Checks of notebook 09: solutions pass, typical wrong answers do not, a stub is *not yet*."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from verdicts import verdict_tests

from emotion_utils.checks import nb09 as check
from emotion_utils.data import load
from emotion_utils.models import FaceVGG, load_pretrained
from emotion_utils.training import TrainConfig, train


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


def shares_by_power(steps, decay):
    since = torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    return torch.cat([torch.tensor([decay], dtype=torch.float64) ** steps, (1 - decay) * decay**since])


def shares_by_steps(steps, decay):
    shares = [1.0]
    for _ in range(steps):
        shares = [decay * share for share in shares] + [1 - decay]
    return shares


def start_as_one_more_step(steps, decay):
    shares = decay ** torch.arange(steps, -1, -1, dtype=torch.float64)
    return shares / shares.sum()


def taught(probabilities, labels, share):
    return share * probabilities + (1 - share) * F.one_hot(labels, probabilities.shape[1])


def flipped(model, images):
    return (model(images).softmax(1) + model(images.flip(3)).softmax(1)) / 2


def flipped_in_one_batch(model, images):
    return model(torch.cat([images, images.flip(-1)])).softmax(1).view(2, len(images), -1).mean(0)


def honest(validation, test):
    return test[validation.float().mean(1).argmax()].float().mean()


def names_differ(one, other, images):
    return one.predict_proba(images).argmax(1) != other.predict_proba(images).argmax(1)


def names_differ_by_loop(one, other, images):
    rows = zip(one.predict_proba(images), other.predict_proba(images), strict=True)
    return [bool(a.argmax() != b.argmax()) for a, b in rows]


def on_raw_pixels(one, other, images):
    with torch.no_grad():
        return one(images.float()).argmax(1) != other(images.float()).argmax(1)


def both_normalised_as_the_first(one, other, images):
    with torch.no_grad():
        a, b = (network((images / 255 - one.mean) / one.std).argmax(1) for network in (one, other))
    return a != b


def probabilities_differ(one, other, images):
    return (one.predict_proba(images) != other.predict_proba(images)).any(1)


def confused(confusion):
    shares = confusion / confusion.sum(1, keepdim=True)
    shares.fill_diagonal_(0)
    return divmod(int(shares.argmax()), len(confusion))


def confused_by_loop(confusion):
    rows = confusion.tolist()
    shares = {(i, j): n / sum(row) for i, row in enumerate(rows) for j, n in enumerate(row) if i != j}
    return max(shares, key=shares.get)


def confused_by_count(confusion):
    return divmod(int(confusion.clone().fill_diagonal_(0).argmax()), len(confusion))


def confused_among_the_wrong(confusion):
    wrong = confusion.clone().fill_diagonal_(0)
    return divmod(int((wrong / wrong.sum(1, keepdim=True)).argmax()), len(confusion))


def confused_by_column(confusion):
    return divmod(int((confusion / confusion.sum(0)).fill_diagonal_(0).argmax()), len(confusion))


def confused_in_the_worst_class(confusion):
    label = int((confusion.diag() / confusion.sum(1)).argmin())
    return label, int(confusion.clone().fill_diagonal_(0)[label].argmax())


def overwrites_teacher(probabilities, labels, share):
    return probabilities.mul_(share).add_((1 - share) * F.one_hot(labels, probabilities.shape[1]))


CASES = {
    "disagree": dict(
        slow=True,  # three networks look at forty faces, for each answer anew
        right=[names_differ, names_differ_by_loop],
        wrong=[
            lambda one, other, images: ~names_differ(one, other, images),
            on_raw_pixels,
            both_normalised_as_the_first,
            lambda one, other, images: one.predict_proba(images) != other.predict_proba(images),
            probabilities_differ,
            lambda one, other, images: names_differ(one, other, images.bitwise_not_()),
        ],
        stub=lambda one, other, images: ...,
    ),
    "most_confused": dict(
        right=[confused, confused_by_loop, lambda c: torch.tensor(confused(c)), lambda c: np.array(confused(c))],
        wrong=[
            confused_by_count,
            confused_among_the_wrong,
            confused_by_column,
            confused_in_the_worst_class,
            lambda c: confused(c)[::-1],
            lambda c: divmod(int(c.argmax()), len(c)),
            lambda c: confused(c.T),
            lambda c: confused(c.fill_diagonal_(0)),
            lambda c: int(c.argmax()),
        ],
        stub=lambda c: ...,
    ),
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
    "average_shares": dict(
        right=[shares_by_power, shares_by_steps],
        wrong=[
            lambda steps, decay: shares_by_power(steps, decay).flip(0),
            lambda steps, decay: shares_by_power(steps, decay)[1:],
            lambda steps, decay: (1 - decay) * decay ** torch.arange(steps, -1, -1.0),
            lambda steps, decay: torch.full((steps + 1,), 1 / (steps + 1)),
            lambda steps, decay: shares_by_power(steps, 1 - decay),
            start_as_one_more_step,
        ],
        stub=lambda steps, decay: ...,
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
            overwrites_teacher,
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
        wrong=[
            lambda a, t, s: a - s * t,
            lambda a, t, s: a * (1 - s),
            lambda a, t, s: a,
            lambda a, t, s: 2 * a - t,
            lambda a, t, s: round((a - s * t) / (1 - s), 2),
        ],
        stub=lambda a, t, s: ...,
    ),
    "team_gradient": dict(
        right=[
            lambda g, c: (g * c[:, None]).sum(0) / c.sum(),
            lambda g, c: torch.einsum("p,pd->d", c / c.sum(), g),
            lambda g, c: (c / c.sum()) @ g,
            lambda g, c: c.float() @ g / c.sum(),
        ],
        wrong=[
            lambda g, c: g.mean(0),
            lambda g, c: g.sum(0),
            lambda g, c: (g * c[:, None]).sum(0),
            lambda g, c: g,
            lambda g, c: g.mul_(c[:, None]).sum(0) / c.sum(),  # overwrites what it was given
        ],
        stub=lambda g, c: ...,
    ),
}

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)


def test_wrong_answers_are_told_apart():
    assert "not normalised" in check.disagree(on_raw_pixels).message
    assert "True for all" in check.disagree(probabilities_differ).message
    assert "the first of them" in check.disagree(both_normalised_as_the_first).message
    assert "wrong answers" in check.most_confused(confused_among_the_wrong).message
    assert "largest count" in check.most_confused(confused_by_count).message
    assert "column" in check.most_confused(confused_by_column).message
    assert "swapped" in check.most_confused(lambda c: confused(c)[::-1]).message
    assert "changed the numbers" in check.taught_targets(overwrites_teacher).message


@pytest.fixture(scope="module")
def few():
    shipped = load_pretrained("fer2013")
    return load("synthetic", "training", limit=300, verbose=False).with_normalisation(shipped.mean, shipped.std)


def tune(network, few, keep=("blocks.3.", "classifier."), **settings):
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(keep))
    train(network.train(), few, None, TrainConfig(batch_size=32, progress=False, **settings))
    return network


@pytest.mark.slow
def test_fine_tuned_network(few):
    tuned = tune(load_pretrained("fer2013"), few, epochs=6, learning_rate=0.05)
    mode = tuned.training
    assert check.fine_tuned(tuned).status == "correct"
    assert tuned.training == mode


def test_networks_that_are_not_fine_tuned():
    shipped = load_pretrained("fer2013")
    assert check.fine_tuned(copy.deepcopy(shipped)).status == "not yet"
    assert check.fine_tuned(...).status == "not yet"
    assert "FaceVGG" not in check.fine_tuned("weights").message
    for other in (load_pretrained("synthetic"), FaceVGG(**shipped.config)):
        assert check.fine_tuned(other).status == "wrong"


@pytest.mark.slow
def test_networks_that_are_fine_tuned_elsewhere_or_too_little(few):
    shipped = load_pretrained("fer2013")
    some = few.subset(range(32))
    assert "blocks.0" in check.fine_tuned(tune(copy.deepcopy(shipped), some, keep="", epochs=1)).message
    classifier = tune(copy.deepcopy(shipped), some, keep="classifier", epochs=1)
    assert "blocks.3" in check.fine_tuned(classifier).message
    little = tune(copy.deepcopy(shipped), some, epochs=1, learning_rate=0.001)
    assert "new drawn faces" in check.fine_tuned(little).message
