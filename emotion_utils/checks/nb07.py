"""Checks for notebook 07: paired intervals, seeds needed, scaled rates, two searches, a front, faces needed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from emotion_utils.checks import Wrong, check, number, require, tensor, unfinished, whole
from emotion_utils.checks.races import RunningLog, mistaken_best, mistaken_half
from emotion_utils.evaluation.margins import paired_margin


def _pair(value: Any, what: str) -> tuple[float, float]:
    """Take two numbers, or say what came instead."""
    value = unfinished(value)
    try:
        low, high = (float(each) for each in value)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be two numbers, the lower one first, and {type(value).__name__} came") from None
    return low, high


@check(
    hints=(
        "Make one number per face first: what does a face add that only yours recognises, only the other's, or both?",
        "The interval is the mean of these numbers, give or take 1.96 of their standard deviation over √n.",
    )
)
def paired_interval(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(mine, baseline)`: the 95 % interval of a difference of accuracies on the same faces."""
    generator = torch.Generator().manual_seed(70)
    for faces, agree in ((1000, 0.9), (400, 0.5), (2000, 0.98), (250, 0.0)):
        baseline = torch.rand(faces, generator=generator) < 0.6
        other = torch.rand(faces, generator=generator) < 0.7
        mine = torch.where(torch.rand(faces, generator=generator) < agree, baseline, other)
        low, high = _pair(answer(mine.clone(), baseline.clone()), "the interval")
        change = float(mine.double().mean() - baseline.double().mean())
        margin = paired_margin(mine, baseline)
        case = f"for {faces} faces of which the two judge {float((mine == baseline).double().mean()):.0%} alike"
        require(low <= high, f"{case} your lower end {low:.4f} lies above the upper one {high:.4f}")
        middle, half = (low + high) / 2, (high - low) / 2
        percent = abs(middle - 100 * change) < 1e-3 + 0.01 * abs(change)
        require(not percent or change == 0, f"{case} your interval looks like percent; give shares, such as 0.031")
        require(
            abs(middle + change) > 1e-4 or abs(change) < 1e-3,
            f"{case} the middle of your interval is {middle:.4f}, and the difference is {change:.4f}",
            "Mine minus the baseline's: a better network has a positive difference.",
        )
        require(abs(middle - change) < 1e-4, f"{case} the middle of your interval is {middle:.4f}")
        unpaired = 1.96 * math.sqrt(sum(_variance(side) for side in (mine, baseline)) / faces)
        hint = None
        if abs(half - unpaired) < 0.02 * unpaired and abs(unpaired - margin) > 0.02 * margin:
            hint = "That treats the two as if each had faces of its own. Here both saw the same: look at differences."
        elif abs(half - margin / 1.96) < 0.01 * margin:
            hint = "That is one standard error. How many of them make 95 %?"
        told = f"{case} your interval is {half / margin:.2f} times as wide as it should be"
        require(abs(half / margin - 1) < 0.01, told, hint)


def _variance(correct: Tensor) -> float:
    share = float(correct.double().mean())
    return share * (1 - share)


@check(
    hints=(
        "A mean over n seeds scatters by spread / √n, a difference of two such means by √2 times that.",
        "Solve 1.96 · √2 · spread / √n ≤ difference for n, and round so that it holds.",
    )
)
def seeds_needed(answer: Callable[[float, float], int]) -> None:
    """Check `answer(difference, spread)`: the fewest seeds a design for which 1.96 standard errors do not exceed it."""
    even = 1.96 * 2**-7, 2**-6  # 1.96 standard errors of 8 seeds are the difference itself, in floats too
    for difference, spread in (
        (0.02, 0.015), (0.01, 0.015), (0.05, 0.015), (0.02, 0.03), (0.03, 0.01), even, (0.2, 0.01),
    ):  # fmt: skip
        got = whole(answer(difference, spread), "the number of seeds")
        case = f"for a difference of {difference:.0%} and a spread of {spread:.1%}"
        require(got >= 1, f"{case} you returned {got}, which is no number of seeds")

        def margin(seeds: int, scatter: float = spread) -> float:
            return 1.96 * scatter * math.sqrt(2 / seeds)

        single = 1.96 * spread / math.sqrt(got) <= difference < margin(got)
        hint = "Both designs are trained with that many seeds, and both have luck." if single else None
        enough = difference * (1 + 1e-12)
        require(margin(got) <= enough, f"{case}, {got} seeds each give a margin of {margin(got):.2%}", hint)
        if got == 1:
            continue
        hint = None
        if got == 2:
            hint = "By this formula one of each will do. One seed shows no spread, but the spread is known here."
        elif math.isclose(margin(got - 1), difference, rel_tol=1e-12):
            hint = "What is whole already stays. And a computer may hold 8.000000000000002 for 8: take off 1e-9 first."
        require(margin(got - 1) > enough, f"{case}, fewer than {got} seeds are enough", hint)


@check(
    hints=(
        "Twice the batch, twice the rate: the steps are half as many, and each is twice as long.",
        "With momentum m, a push goes on for 1 / (1 - m) steps. What must stay the same is rate / (1 - m).",
    )
)
def scaled_rate(answer: Callable[[float, int, int, float, float], float]) -> None:
    """Check `answer(rate, batch, new_batch, momentum, new_momentum)`: the linear scaling rule, with momentum."""
    generator = torch.Generator().manual_seed(71)
    for trial in range(12):
        rate = 0.2 * float(torch.rand((), generator=generator)) + 0.001
        batch, new_batch = (2 ** int(torch.randint(2, 10, (), generator=generator)) for _ in range(2))
        momentum, new_momentum = (0.9, 0.9) if trial < 4 else ((0.9, 0.0), (0.0, 0.9), (0.5, 0.95))[trial % 3]
        truth = rate * new_batch / batch * (1 - new_momentum) / (1 - momentum)
        got = number(answer(rate, batch, new_batch, momentum, new_momentum), "the rate")
        case = f"from batches of {batch} to {new_batch} and from momentum {momentum} to {new_momentum}"
        hint = None
        if math.isclose(got, rate * batch / new_batch * (1 - new_momentum) / (1 - momentum), rel_tol=1e-3):
            hint = "A larger batch errs less, so it can take a longer step, not a shorter one."
        elif math.isclose(got, rate * math.sqrt(new_batch / batch) * (1 - new_momentum) / (1 - momentum), rel_tol=1e-3):
            hint = "The square root is another rule. The linear one multiplies rate and batch by the same factor."
        elif math.isclose(got, rate * new_batch / batch * (1 - momentum) / (1 - new_momentum), rel_tol=1e-3):
            hint = "More momentum carries each push further. So should the rate go up or down?"
        elif math.isclose(got, rate * (new_batch // batch) * (1 - new_momentum) / (1 - momentum), rel_tol=1e-3):
            hint = "Did you divide with `//`? It rounds down to a whole number, here to 0; `/` does not."
        elif math.isclose(got, rate * new_batch / batch, rel_tol=1e-3):
            hint = "The batch is in it. What about the momentum?"
        require(
            math.isclose(got, truth, rel_tol=1e-3),
            f"{case} your rate is {got / rate:.3g} times the old one, which is too {'high' if got > truth else 'low'}",
            hint,
        )


@check(
    hints=(
        "Keep the best setting and the best score so far; look at each new one as it comes.",
        "A run that diverged gives nan. Compare carefully: nan is neither larger nor smaller than anything.",
    )
)
def random_search(answer: Callable[[Callable, Callable, int], Any]) -> None:
    """Check `answer(draw, score, budget)` on made-up settings and scores: the best setting and its score."""
    generator = torch.Generator().manual_seed(72)
    for trial, budget in enumerate((1, 2, 5, 12, 30)):
        scores = torch.rand(budget, generator=generator).tolist()
        if trial > 1:
            for place in ([0], [budget - 1], [0, 1, budget - 1])[trial % 3]:
                scores[place] = math.nan
        log = RunningLog(scores)
        result = unfinished(answer(log.draw, log.score, budget))
        case = f"with a budget of {budget}"
        require(
            isinstance(result, tuple | list) and len(result) == 2,
            f"{case} your function should return two things: the best setting and its score",
        )
        require(log.scored == budget, f"{case} you scored {log.scored} settings")
        require(log.drawn == budget, f"{case} you drew {log.drawn} settings")
        require(log.different == budget, f"{case} you scored the same setting more than once", log.repeat_hint)
        best = max((s for s in scores if not math.isnan(s)), default=math.nan)
        got = number(result[1], "the best score")
        require(got == best, f"{case} your best score is {got:.3f}", mistaken_best(got, scores))
        require(log.score_of(result[0]) == best, f"{case} your setting is not the one with the score you return")


@check(
    hints=(
        "One round: train every run that is left for some more epochs, sort by what came out, keep the better half.",
        "The next round has half as many runs, and twice as many epochs for each. When is the last round?",
    )
)
def successive_halving(answer: Callable[[Sequence[int], Callable], int]) -> None:
    """Check `answer(runs, train_on)`: rounds of 1, 2, 4 … epochs, the better half goes on, one winner is returned."""
    generator = torch.Generator().manual_seed(73)
    for count in (2, 4, 8, 16):
        final = torch.rand(count, generator=generator).tolist()
        log = RunningLog(final)
        got = whole(answer(list(range(count)), log.train_on), "the winner")
        case = f"with {count} runs"
        rounds = int(math.log2(count))
        wanted = [(count >> k, 1 << k) for k in range(rounds)]
        told = " then ".join(f"{runs} × {epochs}" for runs, epochs in log.rounds) or "nothing"
        require(
            log.rounds == wanted,
            f"{case} you trained (runs × epochs) {told}",
            mistaken_half(log.rounds, wanted),
        )
        require(log.kept_best, f"{case} a run was dropped although it was in the better half of its round")
        require(got == log.winner, f"{case} run {got} is not the winner of the last round")


@check(
    hints=(
        "A design is on the front if nobody is at least as good in both, and better in one. Compare it with all.",
        "Sorted by cost, the front is where the best accuracy so far goes up. Two designs that are equal in both "
        "do not beat each other: if nobody else does, both are on it.",
    )
)
def pareto_front(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(costs, accuracies)`: a bool mask of the designs that no other design beats."""
    generator = torch.Generator().manual_seed(74)
    for count in (1, 2, 7, 30, 200):
        most = 12 if count < 100 else 1000
        costs, accuracies = torch.randint(1, most, (2, count), generator=generator).double()
        accuracies = accuracies / most
        if count == 7:  # equal ones on the front
            costs[:2], accuracies[:2] = costs.min(), accuracies.max()
        mask = tensor(answer(costs.clone(), accuracies.clone()), "the mask of the front")
        case = f"for {count} designs"
        require(mask.dtype == torch.bool, f"{case} you returned {mask.dtype}; a mask of bools is asked for")
        require(mask.shape == (count,), f"{case} your mask has shape {tuple(mask.shape)}")
        no_worse = (costs[None] <= costs[:, None]) & (accuracies[None] >= accuracies[:, None])
        better = (costs[None] < costs[:, None]) | (accuracies[None] > accuracies[:, None])
        truth = ~(no_worse & better).any(1)
        off = (mask != truth).nonzero()[:, 0]
        if len(off):
            i = int(off[0])
            what = "is on your front, and another design beats it" if mask[i] else "is not on your front"
            twin = ((costs == costs[i]) & (accuracies == accuracies[i])).sum() > 1
            hint = "Two designs may be equal in both. Neither beats the other." if not mask[i] and twin else None
            if mask[i] and ((costs == costs[i]) & (accuracies > accuracies[i])).any():
                hint = "At the same cost, another one is more accurate."
            raise Wrong(f"{case} the one of cost {costs[i]:g} and accuracy {accuracies[i]:.3f} {what}", hint)


@check(
    hints=(
        "On log axes a power law is a straight line: log(error) = level + slope · log(faces). Fit it to every point.",
        "Put log(target) in the place of log(error), and solve for log(faces). Undo the logarithm at the end.",
    )
)
def faces_needed(answer: Callable[[list[float], list[float], float], float]) -> None:
    """Check `answer(counts, errors, target)`: fit error = a · faces^-b in logarithms, solve for faces."""
    generator = torch.Generator().manual_seed(75)
    for trial in range(6):
        level, slope = torch.rand(2, generator=generator).tolist()
        a, b = 1 + 4 * level, 0.15 + 0.5 * slope
        counts = [150.0 * 2**k for k in range(3 + trial)]
        noise = 0.0 if trial < 2 else 0.06
        errors = [a * n**-b * math.exp(noise * float(torch.randn((), generator=generator))) for n in counts]
        x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (counts, errors))
        fitted = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        target = 0.8 * errors[-1]
        truth = math.exp(float(x.mean()) + (math.log(target) - float(y.mean())) / fitted)
        got = number(answer(list(counts), list(errors), target), "the number of faces")
        case = f"for {len(counts)} points up to {counts[-1]:g} faces and a target of {target:.1%}"
        require(not math.isnan(got), f"{case} you returned nan")
        told = f"{case} you say {got:,.4g} faces, {got / truth:.2f} times the fit's"
        require(math.isclose(got, truth, rel_tol=0.01), told, _fit_hint(got, truth, counts, errors, target))


def _fit_hint(got: float, truth: float, counts: list[float], errors: list[float], target: float) -> str | None:
    """Tell which mistake leads to another number of faces."""
    line = counts[-1] + (target - errors[-1]) * (counts[-1] - counts[-2]) / (errors[-1] - errors[-2])
    ends = math.log(errors[-1] / errors[0]) / math.log(counts[-1] / counts[0])
    if math.isclose(got, math.log(truth), rel_tol=0.01):
        return "That is a logarithm. Undo it at the end."
    if math.isclose(got, line, rel_tol=1e-3):
        return "That follows a straight line on plain axes. The curve flattens, so it takes more faces."
    if math.isclose(got, counts[-1] * (target / errors[-1]) ** (1 / ends), rel_tol=1e-3):
        return "That goes through two of the points. Give every point a say."
    if got < counts[-1]:
        return "The target lies below the smallest error that was measured, so it takes more faces than that."
    return None
