"""Checks of notebook 11: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from verdicts import require_wrong, verdict_tests

from emotion_utils.checks import nb11 as check

RIGHT = {case: answer for case, (answer, _) in check.CASES.items()}


def interval(a, n, b, m):
    half = 1.96 * math.sqrt(a / n * (1 - a / n) / n + b / m * (1 - b / m) / m)
    return a / n - b / m - half, a / n - b / m + half


def interval_as_tensor(a, n, b, m):
    return torch.tensor(interval(a, n, b, m))


def interval_as_array(a, n, b, m):
    return np.array(interval(a, n, b, m))


def interval_with_added_errors(a, n, b, m):
    half = 1.96 * (math.sqrt(a / n * (1 - a / n) / n) + math.sqrt(b / m * (1 - b / m) / m))
    return a / n - b / m - half, a / n - b / m + half


def interval_without_sign(a, n, b, m):
    low, high = interval(a, n, b, m)
    return (low, high) if a / n >= b / m else (-high, -low)


def interval_of_one_error(a, n, b, m):
    low, high = interval(a, n, b, m)
    middle = (low + high) / 2
    return middle + (low - middle) / 1.96, middle + (high - middle) / 1.96


def interval_reversed(a, n, b, m):
    return interval(a, n, b, m)[::-1]


def small(counts, half, strict=False):
    return [k for k, n in counts.items() if n == 0 or 1.96 * math.sqrt(0.25 / n) > half or (strict and n < 1000)]


def small_by_counting(counts, half):
    return {k for k, n in counts.items() if n < 1.96**2 / 4 / half**2}


def small_without_nobody(counts, half):
    return [k for k, n in counts.items() if n and 1.96 * math.sqrt(0.25 / n) > half]


def small_below_thirty(counts, half):
    return [k for k, n in counts.items() if n < 30]


def small_that_names_others(counts, half):
    return [*small(counts, half), "cats"]


def allowed(base, recall, share):
    return min(1, base * recall * share / (1 - share) / (1 - base))


def allowed_by_people(base, recall, share):
    hits, calm = 1e6 * base * recall, 1e6 * (1 - base)
    return torch.tensor(hits / (1 - share) - hits).div(calm).clamp(max=1)


def allowed_by_trying(base, recall, share):
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        fits = false_share(base, recall, rate) <= share
        low, high = (rate, high) if fits else (low, rate)
    return high if share else 0.0


def false_share(base, recall, rate):
    return (1 - base) * rate / ((1 - base) * rate + base * recall)


def weigh(labels, groups):
    joint = torch.zeros(int(labels.max()) + 1, int(groups.max()) + 1)
    joint.index_put_((labels, groups), torch.ones(len(labels)), accumulate=True)
    joint /= len(labels)
    found = (joint.sum(1, keepdim=True) * joint.sum(0) / joint.clamp(min=1e-9))[labels, groups]
    return found / found.mean()


def weigh_by_loop(labels, groups):
    n, found = len(labels), []
    for c, g in zip(labels.tolist(), groups.tolist(), strict=True):
        both = int(((labels == c) & (groups == g)).sum())
        found.append(int((labels == c).sum()) * int((groups == g).sum()) / n / both)
    found = torch.tensor(found)
    return found / found.mean()


def weigh_by_group_alone(labels, groups):
    found = 1 / groups.bincount()[groups].float()
    return found / found.mean()


SLIPS = [  # a mistake, and what the hint speaks of
    (false_share, "as the figure does"),
    (lambda b, r, s: b * r * s / (1 - b), "for each true one"),
    (lambda b, r, s: b * r * s / (1 - s), "the whole crowd"),
    (lambda b, r, s: b * s / (1 - s) / (1 - b), "Does every angry person"),
    (lambda b, r, s: b * r * s / (1 - s) / (1 - b), "from 0 to 1"),
    (lambda b, r, s: 100 * allowed(b, r, s), "from 0 to 1"),
]

CASES = {
    "gap_interval": {
        "right": [interval, interval_as_tensor, interval_as_array],
        "wrong": [
            interval_with_added_errors, interval_without_sign, interval_of_one_error, interval_reversed,
            lambda a, n, b, m: 0.5, lambda a, n, b, m: torch.tensor(0.5),
            lambda a, n, b, m: (0.1, 0.2, 0.3), lambda a, n, b, m: (0.0, "x"),
        ],
        "stub": lambda a, n, b, m: ...,
    },
    "too_small": {
        "right": [small, small_by_counting, lambda c, h: dict.fromkeys(small(c, h)).keys()],
        "wrong": [
            small_without_nobody, small_below_thirty, small_that_names_others, lambda c, h: small(c, h, True),
            lambda c, h: list(c), lambda c, h: [], lambda c, h: 3, lambda c, h: [list(pair) for pair in c.items()],
            lambda c, h: (name for name in small(c, h)),
        ],
        "stub": lambda c, h: ...,
    },
    "planted": {
        "right": [("glasses", "surprise"), ["Glasses", " surprise "]],
        "wrong": [("masculine", "surprise"), ("glasses", "fear"), ("glasses", "awe"), "glasses", ("glasses",)],
        "stub": ...,
    },
    "false_positives_allowed": {
        "right": [allowed, allowed_by_people, allowed_by_trying],
        "wrong": [
            false_share, *(answer for answer, _ in SLIPS), lambda b, r, s: 1 - allowed(b, r, s), lambda b, r, s: s,
            lambda b, r, s: 2 * allowed(b, r, s), lambda b, r, s: 0.5 * allowed(b, r, s), lambda b, r, s: "few",
        ],
        "stub": lambda b, r, s: ...,
    },
    "weights": {
        "right": [weigh, weigh_by_loop],
        "wrong": [
            weigh_by_group_alone, lambda c, g: torch.ones(len(c)), lambda c, g: 3 * weigh(c, g),
            lambda c, g: weigh(c, g)[:5], lambda c, g: -weigh(c, g), lambda c, g: "none",
        ],
        "stub": lambda c, g: ...,
    },
    "decisions": {
        "right": [RIGHT, {case: answer.upper() for case, answer in RIGHT.items()}],
        "wrong": [
            *({**RIGHT, case: "go" if answer != "go" else "no-go"} for case, answer in RIGHT.items()),
            {**RIGHT, 3: "maybe"}, {1: "no-go"}, ["no-go"],
        ],
        "stub": dict.fromkeys(RIGHT, ...),
    },
}  # fmt: skip

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)


def test_no_hint_tells_what_was_planted():
    for answer in (("masculine", "surprise"), ("glasses", "fear")):
        check.planted.reset()
        messages = " ".join(check.planted(answer).message for _ in range(4)).lower()
        assert check.CONDITION not in messages or answer[0] == check.CONDITION
        assert check.EMOTION not in messages or answer[1] == check.EMOTION


@pytest.mark.parametrize(("answer", "spoken_of"), SLIPS)
def test_a_hint_follows_the_mistake(answer, spoken_of):
    check.false_positives_allowed.reset()
    messages = [check.false_positives_allowed(answer).message for _ in range(2)]
    assert spoken_of in messages[-1]


def test_the_suspect_is_a_network():
    assert isinstance(check.find_mystery(), nn.Module)


def test_weights_that_make_all_combinations_alike_are_not_called_tied():
    def alike(labels, groups):
        cell = labels * 10 + groups
        found = 1 / cell.bincount()[cell].float()
        return found / found.mean()

    messages = require_wrong(check.weights, alike)
    assert "weigh the same" in messages[0]
    assert "still tied" not in messages[0]
