"""Checks of notebook 07: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import math

import numpy as np
import pytest
import torch
from verdicts import require_correct, require_not_yet, require_wrong

from emotion_utils.checks import nb07 as check


def interval(mine, baseline, width=1.96, sign=1, scale=1):
    paired = sign * (mine.double() - baseline.double())
    margin = width * paired.std(correction=0) / len(paired) ** 0.5
    return scale * (paired.mean() - margin), scale * (paired.mean() + margin)


def interval_by_counts(mine, baseline):
    """McNemar's: only the faces on which the two disagree count."""
    n = len(mine)
    gained, lost = (mine & ~baseline).sum().item(), (~mine & baseline).sum().item()
    change = (gained - lost) / n
    margin = 1.96 * math.sqrt((gained + lost) / n - change**2) / math.sqrt(n)
    return [change - margin, change + margin]


def unpaired(mine, baseline):
    p, q = mine.double().mean(), baseline.double().mean()
    margin = 1.96 * ((p * (1 - p) + q * (1 - q)) / len(mine)).sqrt()
    return p - q - margin, p - q + margin


def seeds(difference, spread, k=2.0):
    return math.ceil(k * (1.96 * spread / difference) ** 2 - 1e-9)


def seeds_by_search(difference, spread):
    n = 1
    while 1.96 * spread * (2 / n) ** 0.5 > difference:
        n += 1
    return n


def seeds_always_one_more(difference, spread):
    return int(2 * (1.96 * spread / difference) ** 2) + 1


def seeds_by_root(difference, spread):
    """Round up what a rounding error has put a little above a whole number."""
    return math.ceil((1.96 * 2**0.5 * spread / difference) ** 2)


def rate_of(rate, batch, new_batch, momentum, new_momentum):
    return rate * new_batch / batch * (1 - new_momentum) / (1 - momentum)


def search(draw, score, budget):
    best, highest = None, -math.inf
    for _ in range(budget):
        setting = draw()
        found = score(setting)
        if found > highest:
            best, highest = setting, found
    return best, highest


def search_by_list(draw, score, budget):
    tried = [(setting, score(setting)) for setting in [draw() for _ in range(budget)]]
    return max((one for one in tried if one[1] == one[1]), key=lambda one: one[1])


def search_that_believes_nan(draw, score, budget):
    tried = [(score(setting), setting) for setting in [draw() for _ in range(budget)]]
    best = tried[0]
    for one in tried[1:]:
        if not one[0] <= best[0]:
            best = one
    return best[1], best[0]


def search_that_scores_twice(draw, score, budget):
    settings = [draw() for _ in range(budget)]
    best = max(settings, key=lambda one: -1 if math.isnan(score(one)) else score(one))
    return best, score(best)


def search_of_one_setting(draw, score, budget):
    setting = draw()
    return max(((setting, score(setting)) for _ in range(budget)), key=lambda one: one[1])


def halving(runs, train_on):
    epochs = 1
    while len(runs) > 1:
        found = {run: train_on(run, epochs) for run in runs}
        runs = sorted(runs, key=found.get, reverse=True)[: len(runs) // 2]
        epochs *= 2
    return runs[0]


def halving_by_tensor(runs, train_on):
    left, k = torch.tensor(runs), 0
    while len(left) > 1:
        found = torch.tensor([train_on(int(run), 2**k) for run in left])
        left, k = left[found.topk(len(left) // 2).indices], k + 1
    return int(left[0])


def halving_by_tensors_alone(runs, train_on):
    """Hands on tensors of one number, of which two with the same number are not the same key of a dictionary."""
    left, k = torch.tensor(runs), torch.tensor(1)
    while len(left) > 1:
        found = torch.tensor([train_on(run, k) for run in left])
        left, k = left[found.topk(len(left) // 2).indices], 2 * k
    return left[0]


def halving_of_the_worst(runs, train_on):
    epochs = 1
    while len(runs) > 1:
        found = {run: train_on(run, epochs) for run in runs}
        runs, epochs = sorted(runs, key=found.get)[: len(runs) // 2], 2 * epochs
    return runs[0]


def halving_with_one_epoch(runs, train_on):
    while len(runs) > 1:
        found = {run: train_on(run, 1) for run in runs}
        runs = sorted(runs, key=found.get, reverse=True)[: len(runs) // 2]
    return runs[0]


def halving_that_trains_the_winner(runs, train_on):
    winner = halving(runs, train_on)
    train_on(winner, len(runs))
    return winner


def no_halving(runs, train_on):
    return max(runs, key=lambda run: train_on(run, 4))


def front(costs, accuracies):
    mask = torch.ones(len(costs), dtype=torch.bool)
    for i in range(len(costs)):
        for j in range(len(costs)):
            no_worse = costs[j] <= costs[i] and accuracies[j] >= accuracies[i]
            if no_worse and (costs[j] < costs[i] or accuracies[j] > accuracies[i]):
                mask[i] = False
    return mask


def front_by_sorting(costs, accuracies):
    order = np.lexsort((-accuracies.numpy(), costs.numpy()))
    mask, best, at = np.zeros(len(costs), dtype=bool), -1.0, math.nan
    for i in order:
        if accuracies[i] > best or (accuracies[i] == best and costs[i] == at):
            mask[i], best, at = True, float(accuracies[i]), float(costs[i])
    return mask


def front_without_twins(costs, accuracies):
    no_worse = (costs[None] <= costs[:, None]) & (accuracies[None] >= accuracies[:, None])
    return no_worse.sum(1) == 1


def front_of_the_cheap(costs, accuracies):
    return costs <= costs.median()


def front_by_cost_alone(costs, accuracies):
    dearer = costs[None] < costs[:, None]
    return ~(dearer & (accuracies[None] >= accuracies[:, None])).any(1)


def fit(counts, errors, target):
    slope, level = np.polyfit(np.log(counts), np.log(errors), 1)
    return float(np.exp((np.log(target) - level) / slope))


def fit_by_lstsq(counts, errors, target):
    x, y = torch.tensor(counts).double().log(), torch.tensor(errors).double().log()
    slope, level = torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1), y[:, None]).solution[:, 0]
    return ((math.log(target) - level) / slope).exp()


def fit_of_two_points(counts, errors, target):
    slope = math.log(errors[-1] / errors[0]) / math.log(counts[-1] / counts[0])
    return counts[-1] * (target / errors[-1]) ** (1 / slope)


def straight_on(counts, errors, target):
    return counts[-1] + (target - errors[-1]) * (counts[-1] - counts[-2]) / (errors[-1] - errors[-2])


def fit_without_exp(counts, errors, target):
    return math.log(fit(counts, errors, target))


RIGHT = {
    "paired_interval": [interval, interval_by_counts],
    "seeds_needed": [seeds, seeds_by_search],
    "scaled_rate": [rate_of, lambda *a: torch.tensor(rate_of(*a), dtype=torch.float64)],
    "random_search": [search, search_by_list],
    "successive_halving": [halving, halving_by_tensor, halving_by_tensors_alone],
    "pareto_front": [front, front_by_sorting],
    "faces_needed": [fit, fit_by_lstsq],
}
WRONG = {
    "paired_interval": [
        (unpaired, "faces of its own"),
        (lambda m, b: interval(m, b, width=1.0), "standard error"),
        (lambda m, b: interval(m, b, sign=-1), "Mine minus"),
        (lambda m, b: interval(m, b, scale=100), "percent"),
        (lambda m, b: interval(m, b)[::-1], "lower end"),
        (lambda m, b: 0.1, "two numbers"),
    ],
    "seeds_needed": [
        (lambda d, s: seeds(d, s, k=1.0), "both have luck"),
        (lambda d, s: seeds(d, s) + 1, "fewer than"),
        (seeds_always_one_more, "whole already"),
        (seeds_by_root, "1e-9"),
        (lambda d, s: max(2, seeds(d, s)), "one of each"),
        (lambda d, s: 3, "seeds"),
        (lambda d, s: 0, "no number"),
    ],
    "scaled_rate": [
        (lambda r, b, n, m, k: r * n / b, "momentum"),
        (lambda r, b, n, m, k: rate_of(r, n, b, m, k), "longer step"),
        (lambda r, b, n, m, k: rate_of(r, b, n, k, m), "go up or down"),
        (lambda r, b, n, m, k: rate_of(r, 1, (n / b) ** 0.5, m, k), "square root"),
        (lambda r, b, n, m, k: r, "rate"),
        (lambda r, b, n, m, k: r * (n // b) * (1 - k) / (1 - m), "`//`"),
    ],
    "random_search": [
        (search_that_believes_nan, "diverged"),
        (search_that_scores_twice, "scored"),
        (search_of_one_setting, "drew 1"),
        (lambda draw, score, budget: search(draw, score, budget)[0], "two things"),
        (lambda draw, score, budget: search(draw, score, budget - 1 or 1), "with a budget"),
        (
            lambda draw, score, budget: min([(s := draw(), score(s)) for _ in range(budget)], key=lambda x: x[1]),
            "worst",
        ),
    ],
    "successive_halving": [
        (halving_of_the_worst, "better half"),
        (halving_with_one_epoch, "twice as long"),
        (halving_that_trains_the_winner, "need not be trained"),
        (no_halving, "trained"),
        (lambda runs, train_on: 0, "train_on"),
        (lambda runs, train_on: (halving(runs, train_on) + 1) % len(runs), "not the winner"),
    ],
    "pareto_front": [
        (front_without_twins, "equal in both"),
        (front_by_cost_alone, "same cost"),
        (front_of_the_cheap, "front"),
        (lambda c, a: front(c, a).nonzero()[:, 0], "bools"),
        (lambda c, a: front(c, a)[:-1], "shape"),
    ],
    "faces_needed": [
        (fit_of_two_points, "every point"),
        (straight_on, "straight line"),
        (fit_without_exp, "logarithm"),
        (lambda c, e, t: c[0], "more faces"),
        (lambda c, e, t: math.nan, "nan"),
    ],
}
CASES = [(name, answer) for name, answers in RIGHT.items() for answer in answers]
MISTAKES = [(name, answer, words) for name, answers in WRONG.items() for answer, words in answers]


@pytest.mark.parametrize(("name", "answer"), CASES, ids=[f"{name} {i}" for i, (name, _) in enumerate(CASES)])
def test_right_answers_pass(name, answer):
    require_correct(getattr(check, name), answer)


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}: {m[2]}" for m in MISTAKES])
def test_wrong_answers_do_not_and_hear_why(name, answer, words):
    first, second, *_ = require_wrong(getattr(check, name), answer)
    assert words in first + second


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("stub", [..., lambda *a: ..., lambda *a: None], ids=["ellipsis", "stub", "nothing"])
def test_stubs_are_not_yet(name, stub):
    require_not_yet(getattr(check, name), stub)


@pytest.mark.parametrize("name", RIGHT)
def test_crashes_name_the_line(name):
    def crash(*arguments):
        return 1 / 0

    verdict = getattr(check, name)(crash)
    assert verdict.status == "wrong"
    assert "ZeroDivisionError" in verdict.message
    assert "crash" in verdict.message
