"""Checks for notebook 11: the interval of a gap, groups too small, a planted bias, base rates, weights, go or no-go."""

import math
from collections.abc import Callable, Mapping, Set
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.checks import Wrong, check, number, numbers, require, tensor, unfinished
from emotion_utils.checks.mystery import CONDITION, EMOTION, mystery_network
from emotion_utils.emotions import EMOTIONS

# For each case of the notebook's table: the answer, and the question that leads to it.
CASES = {
    1: ("no-go", "Where does this happen, and can the people in the room refuse? Read Article 5(1)(f) again."),
    2: ("no-go", "Is this about safety or health, or about how a worker comes across? Read Article 5(1)(f) again."),
    3: ("conditions", "Is tiredness an emotion in the sense of recital 18? And what would have to be measured first?"),
    4: ("go", "Whose face is read here?"),
    5: ("no-go", "Is choosing among applicants part of the world of work? And what do moving faces say about a job?"),
    6: ("no-go", "Who has been told, and who could have said no? See Annex III and Article 50(3)."),
    7: ("conditions", "Is pain an emotion in the sense of recital 18? What does GDPR Article 9 ask for? Who decides?"),
    8: ("no-go", "Do the sum of section 6: of a hundred alarms, how many are false, and what happens to these people?"),
    9: ("go", "Is anybody judged by this network here? What is published: pictures, or rates?"),
    10: ("go", "Does anybody infer a feeling here, or does a drawing follow a movement?"),
}
ANSWERS = ("go", "conditions", "no-go")


def find_mystery() -> nn.Module:
    """Give the network that exercise 3 asks about."""
    return mystery_network()


@check(
    hints=(
        "The standard error of one share p over n faces is sqrt(p (1 - p) / n).",
        "Variances of independent groups add up, also where the shares are subtracted. Take the root last.",
    )
)
def gap_interval(answer: Callable[[int, int, int, int], Any]) -> None:
    """Check `answer(right_a, faces_a, right_b, faces_b)`: the 95 % interval of the difference of two shares."""
    for right_a, a, right_b, b in ((90, 100, 60, 100), (45, 60, 800, 1000), (300, 400, 100, 400), (50, 100, 50, 100)):
        low, high = numbers(answer(right_a, a, right_b, b), 2, "the interval")
        case = f"for {right_a} of {a} against {right_b} of {b}"
        require(low <= high, f"{case} the lower end {low:.3f} lies above the upper end {high:.3f}")
        p, q = right_a / a, right_b / b
        gap, half = p - q, 1.96 * math.sqrt(p * (1 - p) / a + q * (1 - q) / b)
        require(
            abs((low + high) / 2 - gap) < 0.003,
            f"{case} the middle of your interval is {(low + high) / 2:.3f}",
            "The middle is the share of the first group minus that of the second, with its sign.",
        )
        ratio = (high - low) / (2 * half)
        separate = 1.96 * (math.sqrt(p * (1 - p) / a) + math.sqrt(q * (1 - q) / b))
        require(
            abs((high - low) / 2 - separate) > 1e-4,
            f"{case} your interval is {ratio:.2f} times as wide as it should be",
            "You added standard errors. For independent groups it is their squares that add up.",
        )
        require(abs(ratio - 1) < 0.02, f"{case} your interval is {ratio:.2f} times as wide as it should be")


@check(
    hints=(
        "The interval of a share is widest at one half: ± 1.96 · sqrt(0.25 / n).",
        "Compare that half-width with what is asked, for each group. A group without faces tells nothing at all.",
    )
)
def too_small(answer: Callable[[dict[str, int], float], Any]) -> None:
    """Check `answer(counts, half_width)`: the names of groups whose share may be off by more than `half_width`."""
    for half in (0.05, 0.1, 0.2):
        edge = math.ceil(1.96**2 * 0.25 / half**2)  # so many faces are just enough
        counts = {"many": 5 * edge, "enough": edge, "nearly": edge - 1, "some": edge // 3, "one": 1, "none": 0}
        got = unfinished(answer(dict(counts), half))
        require(
            isinstance(got, list | tuple | Set),
            f"your function returned {type(got).__name__}; a list of names is asked for",
        )
        require(all(isinstance(name, str) for name in got), "your list holds something else than names of groups")
        names, case = set(got), f"for ± {100 * half:.0f} points and the counts {counts}"
        require(names <= set(counts), f"{case} you named a group that is none: {sorted(map(str, names - set(counts)))}")
        require("none" in names, f"{case} you let a group without faces pass", "What do you divide by there?")
        kept = [name for name in ("nearly", "some", "one") if name not in names]
        require(not kept, f"{case} you let {kept[0] if kept else ''} pass ({counts.get(kept[0]) if kept else 0} faces)")
        refused = [name for name in ("many", "enough") if name in names]
        require(
            not refused,
            f"{case} you refused {refused[0] if refused else ''}",
            "Work out how many faces make ± 1.96 · sqrt(0.25 / n) just small enough.",
        )


@check(
    hints=(
        "Let the search run, and read the line with the smallest p-value.",
        "Compare evaluate_groups for that aspect: which emotion is recognised less often in one of the groups?",
    )
)
def planted(answer: Any) -> None:
    """Check what the reader found in the network of `find_mystery`: a pair (condition, emotion), by name."""
    answer = unfinished(answer)
    require(isinstance(answer, list | tuple) and len(answer) == 2, "give a pair: the condition, and the emotion")
    condition, emotion = (str(part).strip().lower() for part in answer)
    require(
        emotion in EMOTIONS, f"{emotion!r} is no emotion; give one of {', '.join(EMOTIONS)}, as the second of the pair"
    )
    hint = "Let the search run on all 4,000 faces, and look at the smallest p-value."
    require(
        condition == CONDITION,
        f"{condition!r} is not where this network loses most; a smaller shortfall may be there in fair networks, too",
        hint,
    )
    require(
        emotion == EMOTION,
        f"with {condition}, {emotion} is not what suffers most",
        "Print the recall of each emotion with and without that condition, and look at the largest difference.",
    )


@check(
    hints=(
        "Imagine a million people. How many are angry, and how many of these raise an alarm?",
        "If half of the alarms may be false, how many false ones go with each true one? And if nine tenths may?",
        "Who raises the false alarms, and how many such people are there?",
    )
)
def false_positives_allowed(answer: Callable[[float, float, float], Any]) -> None:
    """Check `answer(base_rate, recall, false_share)`: the rate that makes that share of the alarms false, or 1."""
    cases = (
        (0.3, 0.8, 0.2),
        (0.001, 0.99, 0.5),
        (0.01, 0.6, 0.9),
        (0.2, 1.0, 0.0),
        (0.4, 0.5, 0.6),
        (0.9, 0.9, 0.5),
    )
    for base, recall, share in cases:
        got = number(answer(base, recall, share), "the rate")
        true_alarms = base * recall
        truth = min(1.0, true_alarms * share / (1 - share) / (1 - base))
        case = f"for a base rate of {base:g}, a recall of {recall:g} and {share:.0%} of the alarms false"
        if math.isclose(got, truth, rel_tol=1e-4, abs_tol=1e-9):
            continue
        require(
            0 <= got <= 1,
            f"{case} you returned {got:.3g}",
            "A rate is a share of the calm people, from 0 to 1. If all of them may raise an alarm, it is 1.",
        )
        slips = {
            (1 - base) * share / ((1 - base) * share + true_alarms): "You worked out which share of the alarms is "
            "false, as the figure does. That share is given here, and the rate is asked for.",
            true_alarms * share / (1 - base): "`false_share` is a share of all alarms, the false ones among them. "
            "How many false ones does that make for each true one?",
            true_alarms * share / (1 - share): "That is a share of the whole crowd. Who can raise a *false* alarm?",
            base * share / (1 - share) / (1 - base): "Does every angry person raise an alarm?",
        }
        for slip, hint in slips.items():
            require(not math.isclose(got, slip, rel_tol=1e-4, abs_tol=1e-9), f"{case} you returned {got:.4g}", hint)
        raise Wrong(f"{case} your rate {got:.4g} is too {'large' if got > truth else 'small'}")


@check(
    hints=(
        "Were group and label independent, P(group) · P(label) of all faces would be in each combination.",
        "The weight of a face is that share divided by the share that its combination really has.",
    )
)
def weights(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(labels, groups)`: weights that make the two independent."""
    generator = torch.Generator().manual_seed(110)
    for count, classes, kinds in ((60, 2, 2), (400, 7, 2), (900, 7, 4)):
        labels = torch.randint(0, classes, (count,), generator=generator)
        tied = torch.rand(count, generator=generator) < 0.6
        groups = torch.where(tied, labels % kinds, torch.randint(0, kinds, (count,), generator=generator))
        got = tensor(answer(labels.clone(), groups.clone()), "the weights").double()
        case = f"for {count} faces, {classes} labels and {kinds} groups"
        require(
            got.shape == (count,), f"{case} your weights have shape {tuple(got.shape)}", "One weight for each face."
        )
        table = torch.zeros(classes, kinds, dtype=torch.double).index_put_((labels, groups), got, accumulate=True)
        plain = torch.zeros(classes, kinds, dtype=torch.double)
        plain.index_put_((labels, groups), torch.ones(count, dtype=torch.double), accumulate=True)
        wanted = plain.sum(1, keepdim=True) * plain.sum(0) / count
        require(bool((got > 0).all()), f"{case} some weights are not positive")
        scale = float(table.sum() / count)
        alike = (table - table[plain > 0].mean()).abs()[plain > 0].max() < 1e-3 * table.abs().max()
        require(
            not alike or torch.allclose(table, wanted),
            f"{case} all combinations of group and label weigh the same with yours: the tie is gone, and with it how "
            "common each group and each label is",
            "What share would a combination have, were only the tie gone? Think of a rare label in a common group.",
        )
        off = ((table / scale - wanted).abs() * (plain > 0)).max()
        require(off < 0.02 * count / (classes * kinds), f"{case} group and label are still tied when weighed by yours")
        require(
            abs(scale - 1) < 1e-3,
            f"{case} your weights have the mean {scale:.3f}",
            "Scaled to a mean of 1, steps stay as long.",
        )


@check(
    hints=("Read the case again, then the table of rules. Who is in the picture, and what follows from the answer?",)
)
def decisions(answer: Mapping[int, str]) -> None:
    """Check the ten cases, one after another; each wrong one gets the question that leads further."""
    require(isinstance(answer, Mapping), "give a dictionary: the number of the case, and your answer")
    for case, (right, question) in CASES.items():
        require(case in answer, f"case {case} has no answer")
        got = str(answer[case]).strip().lower()
        require(got in ANSWERS, f"case {case}: {got!r} is no answer; choose one of {', '.join(ANSWERS)}")
        require(got == right, f"case {case} is not what we would decide: {got}", f"Case {case}. {question}")
