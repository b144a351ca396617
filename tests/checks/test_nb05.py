"""Checks of notebook 05: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import math

import torch
from verdicts import verdict_tests

from emotion_utils.checks import nb05 as check
from emotion_utils.data.pixels import load_image
from emotion_utils.emotions import EMOTIONS


def confusion(labels, predictions, classes):
    return torch.bincount(labels * classes + predictions, minlength=classes**2).view(classes, classes)


def confusion_by_loop(labels, predictions, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for label, prediction in zip(labels, predictions, strict=True):
        matrix[label, prediction] += 1
    return matrix


def f1(matrix):
    hits = matrix.diag().float()
    return (2 * hits / (matrix.sum(0) + matrix.sum(1)).clamp(min=1)).mean()


def f1_by_class(matrix):
    values = []
    for c in range(len(matrix)):
        hits, said, there = matrix[c, c].item(), matrix[:, c].sum().item(), matrix[c].sum().item()
        precision, recall = hits / max(said, 1), hits / max(there, 1)
        values.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    return sum(values) / len(values)


def f1_of_means(matrix):
    precision = (matrix.diag() / matrix.sum(0).clamp(min=1)).mean()
    recall = (matrix.diag() / matrix.sum(1).clamp(min=1)).mean()
    return 2 * precision * recall / (precision + recall)


def f1_with_nan(matrix):
    precision, recall = matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)
    return (2 * precision * recall / (precision + recall)).mean()


def interval(correct, draws, seed, low=0.025, size=None, replacement=True):
    generator = torch.Generator().manual_seed(seed)
    size = size or len(correct)
    if replacement:
        picks = torch.randint(0, len(correct), (draws, size), generator=generator)
    else:
        picks = torch.rand(draws, len(correct), generator=generator).argsort(1)[:, : size // 2]
    return correct.float()[picks].mean(1).quantile(torch.tensor([low, 1 - low]))


def interval_by_binomial(correct, draws, seed):
    torch.manual_seed(seed)
    share = correct.float().mean()
    means = torch.distributions.Binomial(len(correct), share).sample((draws,)) / len(correct)
    return means.quantile(0.025).item(), means.quantile(0.975).item()


def ece_with_a_bin_for_certainty(probabilities, labels, bins):
    """A confidence of exactly 1 falls into bin number `bins`, where it is alone."""
    confidence, predicted = probabilities.max(1)
    place = (confidence * bins).long()
    gap = confidence - (predicted == labels).float()
    return sum(gap[place == b].sum().abs() for b in place.unique()) / len(labels)


def ece_that_forgets_certainty(probabilities, labels, bins):
    confidence, predicted = probabilities.max(1)
    gap, total = confidence - (predicted == labels).float(), 0.0
    for b in range(bins):
        some = (confidence >= b / bins) & (confidence < (b + 1) / bins)
        total += abs(gap[some].sum()) / len(labels)
    return total


def ece(probabilities, labels, bins, weigh=True, signed=False):
    confidence, predicted = probabilities.max(1)
    hit = (predicted == labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    total, used = 0.0, 0
    for b in range(bins):
        some = place == b
        if some.any():
            gap = (confidence[some] - hit[some]).mean()
            gap = gap if signed else gap.abs()
            total += float(gap * (some.float().mean() if weigh else 1))
            used += 1
    return total if weigh else total / used


def ece_by_sums(probabilities, labels, bins):
    confidence, predicted = probabilities.max(1)
    gap = confidence - (predicted == labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    return torch.zeros(bins).index_add(0, place, gap).abs().sum() / len(labels)


def keep_by_sort(probabilities, coverage):
    confidence = probabilities.amax(1)
    mask = torch.zeros(len(confidence), dtype=torch.bool)
    mask[confidence.argsort(descending=True)[: round(coverage * len(confidence))]] = True
    return mask


def keep_by_quantile(probabilities, coverage):
    confidence = probabilities.amax(1)
    return confidence >= confidence.quantile(1 - coverage)


def files(model, paths):
    names = []
    for path in paths:
        try:
            names.append(EMOTIONS[model.predict_proba(load_image(path)).argmax()])
        except (OSError, ValueError):
            names.append(None)
    return names


def files_as_batch(model, paths):
    good = {}
    for i, path in enumerate(paths):
        try:
            good[i] = load_image(path)
        except Exception:
            continue
    best = model.predict_proba(torch.cat(list(good.values()))).argmax(1).tolist()
    names = dict(zip(good, best, strict=True))
    return [EMOTIONS[names[i]] if i in names else None for i in range(len(paths))]


CASES = {
    "images_needed": dict(
        right=[
            lambda p, half: math.ceil(1.96**2 * p * (1 - p) / half**2 - 1e-9),
            lambda p, half: next(n for n in range(1, 10**6) if 1.96 * (p * (1 - p) / n) ** 0.5 <= half * (1 + 1e-9)),
        ],
        wrong=[
            lambda p, half: 1.96**2 * p * (1 - p) / half**2 + 0.3,
            lambda p, half: math.ceil(p * (1 - p) / half**2),
            lambda p, half: math.ceil(1.96 * math.sqrt(p * (1 - p)) / half),
            lambda p, half: math.ceil(1.96**2 * p * (1 - p) / (half / 2) ** 2),
            lambda p, half: math.floor(1.96**2 * p * (1 - p) / half**2) - 1,
            lambda p, half: round(1.96**2 * p * (1 - p) / half**2),
            lambda p, half: math.ceil(1.96**2 * p * (1 - p) / half**2 - 1e-9) + 1,
        ],
        stub=lambda p, half: ...,
    ),
    "confusion_matrix": dict(
        right=[confusion, confusion_by_loop],
        wrong=[
            lambda labels, predictions, classes: confusion(predictions, labels, classes),
            lambda labels, predictions, classes: confusion(labels, predictions, 7),
            lambda labels, predictions, classes: confusion(labels, predictions, classes) / len(labels),
            lambda labels, predictions, classes: torch.diag((labels == predictions).float().new_ones(classes)),
        ],
        stub=lambda labels, predictions, classes: ...,
    ),
    "macro_f1": dict(
        right=[f1, f1_by_class],
        wrong=[
            lambda m: m.diag().sum() / m.sum(),
            f1_of_means,
            f1_with_nan,
            lambda m: (m.diag() / m.sum(1).clamp(min=1)).mean(),
        ],
        stub=lambda matrix: ...,
    ),
    "bootstrap": dict(
        right=[interval, interval_by_binomial],
        wrong=[
            lambda c, draws, seed: interval(c, draws, seed, low=0.25),
            lambda c, draws, seed: interval(c, draws, seed, size=100),
            lambda c, draws, seed: interval(c, draws, seed, low=0.005),
            lambda c, draws, seed: interval(c, draws, seed, replacement=False, size=len(c)) * 0 + c.float().mean(),
            lambda c, draws, seed: interval(c, draws, seed).flip(0),
            lambda c, draws, seed: interval(c, draws, int(torch.randint(0, 10**6, ()))),
            lambda c, draws, seed: interval(c, draws, 0),
            lambda c, draws, seed: interval(c, 1000, seed),
        ],
        stub=lambda correct, draws, seed: ...,
    ),
    "calibration_error": dict(
        right=[ece, ece_by_sums],
        wrong=[
            lambda p, y, bins: ece(p, y, bins, weigh=False),
            lambda p, y, bins: ece(p, y, bins, signed=True) - 0.01,
            lambda p, y, bins: (p.max(1).values - (p.argmax(1) == y).float()).abs().mean(),
            lambda p, y, bins: 1 - (p.argmax(1) == y).float().mean(),
            lambda p, y, bins: float("nan"),
            lambda p, y, bins: ece(p, y, 10),
            ece_that_forgets_certainty,
            ece_with_a_bin_for_certainty,
        ],
        stub=lambda probabilities, labels, bins: ...,
    ),
    "keep_confident": dict(
        right=[keep_by_sort, keep_by_quantile],
        wrong=[
            lambda p, coverage: p.amax(1) >= coverage,
            lambda p, coverage: ~keep_by_sort(p, 1 - coverage) if coverage < 1 else p.amax(1) > 2,
            lambda p, coverage: p.amax(1).argsort(descending=True)[: round(coverage * len(p))],
            lambda p, coverage: keep_by_sort(-p, coverage),
            lambda p, coverage: p.amax(1) > p.amax(1).quantile(1 - coverage),
        ],
        stub=lambda probabilities, coverage: ...,
    ),
    "predict_files": dict(
        right=[files, files_as_batch],
        wrong=[
            lambda model, paths: [EMOTIONS[model.predict_proba(load_image(p)).argmax()] for p in paths],
            lambda model, paths: [name for name in files(model, paths) if name],
            lambda model, paths: [EMOTIONS.index(n) if n else None for n in files(model, paths)],
            lambda model, paths: (name for name in files(model, paths)),
            lambda model, paths: [n or "neutral" for n in files(model, paths)],
            lambda model, paths: files(model, paths)[::-1],
            lambda model, paths: [None for _ in paths],
        ],
        stub=lambda model, paths: ...,
    ),
}

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)
