"""Checks of notebook 01: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import pytest
import torch
from verdicts import verdict_tests

from emotion_utils.checks import nb01 as check
from emotion_utils.data.augment import Augment
from emotion_utils.data.duplicates import find_blank
from emotion_utils.data.pixels import normalise
from emotion_utils.data.splits import split


def shares(labels, classes):
    return torch.bincount(labels, minlength=classes) / len(labels)


def shares_by_loop(labels, classes):
    return [sum(1 for label in labels if label == c) / len(labels) for c in range(classes)]


def blank_by_extremes(images):
    rows = images.flatten(1)
    return (rows.amax(1) == rows.amin(1)).nonzero()[:, 0]


def leaks_by_bytes(train, test):
    known = {image.numpy().tobytes() for image in train}
    return sum(image.numpy().tobytes() in known for image in test)


def leaks_by_comparing(train, test):
    return (test.flatten(1)[:, None] == train.flatten(1)[None]).all(2).any(1).sum()


def normalise_in_place(images, mean, std):
    result = (images / 255 - mean) / std
    images.zero_()
    return result


def split_by_class(labels, share, seed):
    generator = torch.Generator().manual_seed(seed)
    kept, held = [], []
    for c in labels.unique():
        items = (labels == c).nonzero()[:, 0]
        items = items[torch.randperm(len(items), generator=generator)]
        cut = round(share * len(items))
        held.append(items[:cut])
        kept.append(items[cut:])
    return torch.cat(kept), torch.cat(held)


def split_random(labels, share, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    cut = round(share * len(labels))
    return order[cut:], order[:cut]


def split_first_items(labels, share, seed):
    held = torch.cat([i[: round(share * len(i))] for i in ((labels == c).nonzero()[:, 0] for c in labels.unique())])
    mask = torch.ones(len(labels), dtype=torch.bool)
    mask[held] = False
    return mask.nonzero()[:, 0], held


def split_overlapping(labels, share, seed):
    return torch.arange(len(labels)), split_by_class(labels, share, seed)[1]


def split_unseeded(labels, share, seed):
    return split_by_class(labels, share, int(torch.randint(0, 2**31, ())))


def split_rotated(labels, share, seed):
    """The seed turns the images of each class round and cuts the first ones off: nothing is shuffled."""
    kept, held = [], []
    for c in labels.unique():
        index = (labels == c).nonzero()[:, 0].roll(-7 * seed)
        cut = round(share * len(index))
        held.append(index[:cut])
        kept.append(index[cut:])
    return torch.cat(kept), torch.cat(held)


def split_swapped(labels, share, seed):
    return split_by_class(labels, share, seed)[::-1]


CASES = {
    "build_disgust": dict(
        right=[
            {"AU9": 1.0, "AU4": 0.4, "AU17": 0.6, "AU10": 0.3},
            {"AU10": (1.0, 0.8), "AU9": 0.4, "AU7": 0.3, "AU17": 0.4},
            {"AU9": 1.0, "AU10": 0.8, "AU15": 0.5},
            {"AU9": 1.0, "AU10": 0.8, "AU25": 0.6},
        ],
        wrong=[
            {"AU10": 1.0, "AU4": 1.0, "AU7": 1.0},  # as near to anger
            {"AU9": 0.8, "AU10": 0.8, "AU16": 0.5, "AU25": 0.5},
            {"AU4": 1.0, "AU7": 0.8, "AU10": 0.9, "AU16": 0.7, "AU25": 0.8},
            {"AU12": 1.0, "AU6": 0.8, "AU25": 0.5},
            {"AU9": 1.0, "AU17": 0.6},
            {"AU9": 1.0, "AU4": 0.4, "AU17": 0.6, "AU12": 0.5},
            {"AU9": 0.01, "AU4": 0.004, "AU17": 0.006},
            {"AU9": 1.0, "AU1": 1.0, "AU2": 0.5},
            {"AU3": 1.0, "AU9": 1.0, "AU17": 1.0},
            {"AU9": 3.0, "AU4": 1.0, "AU17": 1.0},
            {"AU9": (1.5, 0.1), "AU4": 0.4, "AU17": 0.6},
            {"AU9": (0.9, 0.9, 0.9), "AU4": 0.4, "AU17": 0.6},
            {"AU9": (), "AU4": 0.4, "AU17": 0.6},
            ["AU9", "AU4", "AU17"],
            {},
        ],
        stub=...,
    ),
    "class_shares": dict(
        right=[shares, shares_by_loop],
        wrong=[
            lambda labels, classes: torch.bincount(labels, minlength=classes),
            lambda labels, classes: torch.bincount(labels) / len(labels),
            lambda labels, classes: torch.bincount(labels, minlength=classes) / classes,
            lambda labels, classes: torch.ones(classes) / classes,
            lambda labels, classes: dict(enumerate(shares(labels, classes))),
        ],
        stub=lambda labels, classes: ...,
    ),
    "find_blank": dict(
        right=[
            find_blank,
            blank_by_extremes,
            lambda x: [i for i, image in enumerate(x) if len(image.unique()) == 1],
            lambda x: torch.where((x == x[:, :, :1, :1]).flatten(1).all(1)),
        ],
        wrong=[
            lambda x: (x.flatten(1).amax(1) == 0).nonzero()[:, 0],
            lambda x: (x.float().flatten(1).std(1) < 10).nonzero()[:, 0],
            lambda x: (x.float().flatten(1).mean(1) < 20).nonzero()[:, 0],
            lambda x: x.flatten(1).amax(1) == x.flatten(1).amin(1),
            lambda x: (x == x[:, :, :, :1]).flatten(1).all(1).nonzero()[:, 0],
            lambda x: (x == x[:, :, :1]).flatten(1).all(1).nonzero()[:, 0],
            lambda x: [],
        ],
        stub=lambda images: ...,
    ),
    "count_leaks": dict(
        right=[leaks_by_bytes, leaks_by_comparing],
        wrong=[
            lambda train, test: (test.flatten(1)[:, None] == train.flatten(1)[None]).all(2).sum(),
            lambda train, test: leaks_by_bytes(test, train),
            lambda train, test: torch.isin(test.long().sum((1, 2, 3)), train.long().sum((1, 2, 3))).sum(),
            lambda train, test: len({i.numpy().tobytes() for i in test} & {i.numpy().tobytes() for i in train}),
            lambda train, test: 0,
            lambda train, test: leaks_by_bytes(train, test) + 0.9,
            lambda train, test: str(leaks_by_bytes(train, test)),
            lambda train, test: (torch.cdist(test.flatten(1).float(), train.flatten(1).float()) < 5).any(1).sum(),
        ],
        stub=lambda train, test: ...,
    ),
    "normalise": dict(
        right=[normalise, lambda x, mean, std: (x / 255).sub(mean).div(std)],
        wrong=[
            lambda x, mean, std: (x.float() - mean) / std,
            lambda x, mean, std: x / 255 - mean / std,
            lambda x, mean, std: (x.double() / 255 - mean) / std,
            lambda x, mean, std: (x / 255 - (x / 255).mean()) / (x / 255).std(),
            lambda x, mean, std: (x / 256 - mean) / std,
            normalise_in_place,
        ],
        stub=lambda images, mean, std: ...,
    ),
    "stratified_split": dict(
        right=[split_by_class, lambda labels, share, seed: split(labels, (1 - share, share), seed=seed)],
        wrong=[split_random, split_first_items, split_overlapping, split_unseeded, split_rotated, split_swapped],
        stub=lambda labels, share, seed: (..., ...),
    ),
    "only_shift": dict(
        right=[
            Augment(flip=0, rotate=0, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0),
            Augment(0.0, 0.0, (1.0, 1.0), 0.0625, 0.0, 0.0, 0.0, 0.0),
        ],
        wrong=[
            Augment(shift=3 / 48),
            Augment(flip=0, rotate=0, scale=(1, 1), shift=1, brightness=0, contrast=0),
            Augment(flip=0.5, rotate=0, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0),
            Augment(flip=0, rotate=0, scale=(1, 1), shift=1 / 48, brightness=0, contrast=0),
            Augment(flip=0, rotate=10, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0),
            Augment(flip=0, rotate=0, shift=3 / 48, brightness=0, contrast=0),
            Augment(flip=0, rotate=0, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0, erase=0.5),
            Augment(flip=0, rotate=1, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0),
            Augment(flip=0, rotate=0, scale=(1, 1), shift=3 / 48, brightness=0, contrast=0, erase=0.002),
            3,
        ],
        stub=...,
    ),
}

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)


def test_a_dictionary_is_named_and_not_taken_for_a_crash():
    message = check.class_shares(lambda labels, classes: {0: 1.0}).message
    assert "dict" in message
    assert "raised" not in message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda train, test: (test[:, None] == train).flatten(2).all(2).sum(), "pairs"),
        (lambda train, test: len({i.numpy().tobytes() for i in test} & {i.numpy().tobytes() for i in train}), "kinds"),
        (lambda train, test: torch.isin(test.long().sum((1, 2, 3)), train.long().sum((1, 2, 3))).sum(), "yes or no"),
    ],
)
def test_the_hint_on_leaks_is_about_the_mistake(answer, words):
    assert words in [check.count_leaks(answer).message for _ in range(2)][1].partition("Hint")[2]
