"""Checks of notebook 08: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import re

import pytest
import torch
import torch.nn.functional as F
from verdicts import require_correct, require_not_yet, require_wrong

from emotion_utils.checks import nb08 as check


def split_people(persons, share, seed, people=True, all_faces=True, seeded=True):
    generator = torch.Generator().manual_seed(seed if seeded else 0)
    items = persons.unique() if people else torch.arange(len(persons))
    chosen = items[torch.randperm(len(items), generator=generator)[: round(share * len(items))]]
    mask = torch.isin(persons, chosen) if people else torch.isin(torch.arange(len(persons)), chosen)
    return (~mask).nonzero()[:, 0] if all_faces else (~mask).nonzero()[5:, 0], mask.nonzero()[:, 0]


def split_people_by_lists(persons, share, seed):
    training, validation = split_people(persons, share, seed)
    return training.tolist(), validation.tolist()


def split_people_as_masks(persons, share, seed):
    validation = torch.isin(torch.arange(len(persons)), split_people(persons, share, seed)[1])
    return ~validation, validation


def statistics(maps, dims=(0, 2, 3), root=False, of_images=False):
    if of_images:
        return maps.mean((0, 2, 3)), maps.var((2, 3), correction=0).mean(0)
    variance = maps.var(dims, correction=0)
    return maps.mean(dims), variance.sqrt() if root else variance


def statistics_by_hand(maps):
    flat = maps.permute(1, 0, 2, 3).reshape(maps.shape[1], -1)
    mean = flat.sum(1) / flat.shape[1]
    return [mean, ((flat - mean[:, None]) ** 2).sum(1) / flat.shape[1]]


def statistics_stacked(maps):
    return torch.stack(statistics(maps))


def rates(parts, factor):
    return {part: factor ** (len(parts) - 1 - i) for i, part in enumerate(parts)}


def rates_by_loop(parts, factor):
    found, rate = {}, 1.0
    for part in reversed(parts):
        found[part], rate = rate, rate * factor
    return found


def rates_in_float32(parts, factor):
    return dict(zip(reversed(parts), factor ** torch.arange(len(parts)), strict=True))


def soft(logits, targets):
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def soft_by_logsumexp(logits, targets):
    return (targets * (logits.logsumexp(1, keepdim=True) - logits)).sum() / len(logits)


def doubted(probabilities, labels, threshold=None):
    classes = probabilities.shape[1]
    thresholds = torch.tensor([float(probabilities[labels == c, c].mean()) for c in range(classes)])
    if threshold is not None:
        thresholds = torch.full((classes,), threshold)
    reached = probabilities.where(probabilities >= thresholds, torch.tensor(-1.0))
    best, suggested = reached.max(1)
    return (best >= 0) & (suggested != labels)


def doubted_by_loop(probabilities, labels):
    mask = []
    for row, label in zip(probabilities, labels, strict=True):
        best, found = -1.0, int(label)
        for c in range(len(row)):
            if row[c] >= probabilities[labels == c][:, c].mean() and row[c] > best:
                best, found = float(row[c]), c
        mask.append(found != int(label))
    return torch.tensor(mask)


def doubted_by_excess(probabilities, labels):
    thresholds = torch.stack([probabilities[labels == c, c].mean() for c in range(probabilities.shape[1])])
    excess, suggested = (probabilities - thresholds).max(1)
    return (excess >= 0) & (suggested != labels)


def doubted_by_excess_of_few(probabilities, labels):
    """Right on random faces, and wrong on those where the most probable class is not that of the largest excess."""
    return doubted_by_excess(probabilities, labels) if len(labels) < 10 else doubted(probabilities, labels)


def without_prior(logits, counts):
    return (logits - (counts / counts.sum()).log()).argmax(1)


RIGHT = [
    (check.split_people, [split_people, split_people_by_lists, split_people_as_masks]),
    (check.channel_statistics, [statistics, statistics_by_hand, statistics_stacked]),
    (check.rates_by_depth, [rates, rates_by_loop, rates_in_float32]),
    (check.soft_cross_entropy, [soft, soft_by_logsumexp]),
    (check.doubted, [doubted, doubted_by_loop]),
    (check.without_prior, [without_prior, lambda logits, counts: (logits.softmax(1) / counts).argmax(1)]),
]

WRONG = [
    (check.split_people, lambda p, s, seed: split_people(p, s, seed, people=False), "somebody is in both"),
    (check.split_people, lambda p, s, seed: split_people(p, s, seed, all_faces=False), "5 faces are in neither"),
    (check.split_people, lambda p, s, seed: split_people(p, s, seed)[::-1], "validation holds"),
    (check.split_people, lambda p, s, seed: split_people(p, s, seed, seeded=False), "two seeds"),
    (check.split_people, lambda p, s, seed: split_people(p, s, int(torch.randint(10**9, (1,)))), "same seed"),
    (check.split_people, lambda p, s, seed: split_people(p, s, seed)[1], "two things"),
    (check.split_people, lambda p, s, seed: (torch.arange(len(p)), torch.arange(10)), "both parts"),
    (check.channel_statistics, lambda maps: statistics(maps, (0, 1, 2, 3)), "channels"),
    (check.channel_statistics, lambda maps: statistics(maps, (2, 3)), "channels"),
    (check.channel_statistics, lambda maps: statistics(maps, root=True), "variance is off"),
    (check.channel_statistics, lambda maps: statistics(maps, of_images=True), "variance is off"),
    (check.channel_statistics, lambda maps: maps.mean(), "mean and variance"),
    (check.channel_statistics, lambda maps: (0 * maps.mean((0, 2, 3)), maps.var((0, 2, 3))), "mean is off"),
    (check.rates_by_depth, lambda parts, f: rates(parts[::-1], f), "early part learns faster"),
    (check.rates_by_depth, lambda parts, f: dict.fromkeys(parts, f), "too large"),
    (check.rates_by_depth, lambda parts, f: {part: f * r for part, r in rates(parts, f).items()}, "too small"),
    (check.rates_by_depth, lambda parts, f: list(rates(parts, f).values()), "dictionary"),
    (check.rates_by_depth, lambda parts, f: {parts[0]: 1.0}, "keys"),
    (check.soft_cross_entropy, F.cross_entropy, "cross_entropy"),
    (check.soft_cross_entropy, lambda x, t: soft(x, t) * len(x), "sum over the images"),
    (check.soft_cross_entropy, lambda x, t: -soft(x, t), "negative"),
    (check.soft_cross_entropy, lambda x, t: -(t * x.softmax(1).log()).sum(1).mean(), "loss is (nan|inf)"),
    (check.soft_cross_entropy, lambda x, t: soft(x, torch.eye(7)[t.argmax(1)]), "too"),
    (check.soft_cross_entropy, lambda x, t: soft(x, t).item(), "gradient"),
    (check.soft_cross_entropy, lambda x, t: soft(x, t) / 7, "too small"),
    (check.doubted, lambda p, y: doubted(p, y, 0.0), "not the most probable"),
    (check.doubted, lambda p, y: p.argmax(1) != y, "not the most probable"),
    (check.doubted, lambda p, y: doubted(p, y).nonzero()[:, 0], "mask"),
    (check.doubted, lambda p, y: torch.zeros(len(y)).bool(), "too few"),
    (check.doubted, lambda p, y: doubted(p, y, 0.8), "too"),
    (check.doubted, doubted_by_excess, "too|most probable of the classes"),
    (check.doubted, doubted_by_excess_of_few, "most probable of the classes that reach"),
    (check.channel_statistics, lambda maps: maps.mean(), "two things"),
    (check.rates_by_depth, lambda parts, f: {part: r * 1.001 for part, r in rates(parts, f).items()}, "too large"),
    (check.without_prior, lambda x, n: x.argmax(1), "as they are"),
    (check.without_prior, lambda x, n: (x + (n / n.sum()).log()).argmax(1), "more often"),
    (check.without_prior, lambda x, n: (x - n / n.sum()).argmax(1), "off"),
    (check.without_prior, lambda x, n: (x - n.log10()).argmax(1), "another logarithm"),
    (check.without_prior, lambda x, n: (x - n.log2()).argmax(1), "another logarithm"),
    (check.without_prior, lambda x, n: x - n.log(), "shape"),
]


@pytest.mark.parametrize(("checked", "answer"), [(checked, answer) for checked, answers in RIGHT for answer in answers])
def test_right_answers_pass(checked, answer):
    require_correct(checked, answer)


@pytest.mark.parametrize(("checked", "answer", "said"), WRONG)
def test_wrong_answers_are_told_what_happened(checked, answer, said):
    first, *_ = require_wrong(checked, answer)
    assert re.search(said, first), first


@pytest.mark.parametrize("checked", [checked for checked, _ in RIGHT])
def test_stubs_are_not_yet(checked):
    require_not_yet(checked, lambda *_: ...)
    require_not_yet(checked, lambda *_: None)


@pytest.mark.parametrize("answer", [lambda x, n: x.argmax(1), lambda x, n: (x + n.log()).argmax(1)])
def test_no_hint_says_what_to_do_with_the_counts(answer):
    check.without_prior.reset()
    messages = " ".join(check.without_prior(answer).message for _ in range(4)).lower()
    assert "hint 1" in messages
    assert "subtract" not in messages
