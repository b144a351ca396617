"""Is my design better than the baseline? Two networks, measured in the same way, compared honestly.

Notebooks 03 and 04 end their marked cells here: `measure` says what a network costs and how well it does, and
`compare_with_baseline` puts two such results side by side and says whether the difference could be luck. Give it the
baseline's results of several seeds, and luck includes the start.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import torch

from emotion_utils.errors import brief
from emotion_utils.evaluation.margins import paired_margin, seed_margin
from emotion_utils.evaluation.measuring import Measured, milliseconds_on
from emotion_utils.models.classes import match_classes
from emotion_utils.models.shapes import Row


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two measured networks side by side; `print(comparison)` shows a table and a verdict."""

    mine: Measured  # the first of its runs, which stands for the costs
    baseline: Measured  # likewise
    same_task: bool  # whether both were asked the same question: the same faces, the same classes
    difference: float  # accuracy of mine minus that of the baseline, each a mean over its runs
    margin: float  # half of the 95 % interval of that difference
    verdict: str  # one or two sentences
    accuracies: tuple[tuple[float, ...], tuple[float, ...]]  # of each run, mine and the baseline's
    milliseconds: tuple[float, float]  # for one face in a batch of 16, mine and the baseline's, timed in turns

    @property
    def band(self) -> tuple[float, float] | None:
        """Where runs like mine would land if they were the baseline's, in 95 of 100 cases; None for a run of each."""
        mean = statistics.fmean(self.accuracies[1])
        return None if self.runs == 2 or not self.same_task else (mean - self.margin, mean + self.margin)

    @property
    def runs(self) -> int:
        """How many results were compared."""
        return len(self.accuracies[0]) + len(self.accuracies[1])

    def __str__(self) -> str:
        base, mine = self.baseline, self.mine
        costs = [
            ("parameters", "{:,}", base.trace.total_parameters, mine.trace.total_parameters),
            ("multiply-adds a face", "{:,}", base.trace.total_multiply_adds, mine.trace.total_multiply_adds),
            ("milliseconds a face", "{:.2f}", *self.milliseconds[::-1]),
            ("seconds to train", "{:.1f}", base.seconds, mine.seconds),
        ]
        rows = [(name, form.format(old), form.format(new), _ratio(old, new)) for name, form, old, new in costs]
        losses = [f"{one.history['train_loss'][-1]:.3f}" for one in (base, mine)]
        points = f"{100 * self.difference:+.1f} points" if self.same_task else "another task"
        rows += [("final training loss", *losses, "")]
        shares = [f"{statistics.fmean(values):.1%}" for values in self.accuracies[::-1]]
        rows += [("validation accuracy", *shares, points)]
        if self.runs > 2:
            rows += [("  mean of", *(_seeds(len(values)) for values in self.accuracies[::-1]), "")]
        lines = [f"{'':<22}{'baseline':>14}{'yours':>14}{'change':>16}"]
        lines += [f"{name:<22}{old:>14}{new:>14}{change:>16}" for name, old, new, change in rows]
        return "\n".join([*lines, "", self._layers(), "", self.verdict])

    __repr__ = __str__

    def _layers(self) -> str:
        """List which layers went (-) and which came (+), told by kind, output shape and parameters."""
        old, new = self.baseline.trace.rows, self.mine.trace.rows
        keys = [[(row.kind, row.output_shape, row.parameters) for row in rows] for rows in (old, new)]
        told = []
        for change, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
            if change != "equal":
                told += [f"  - {_tell(row)}" for row in old[a:b]] + [f"  + {_tell(row)}" for row in new[c:d]]
        if not told:
            return "Layers: all as in the baseline."
        return "\n".join(["Layers that went (-) and came (+):", *told])


def _tell(row: Row) -> str:
    return f"{row.name}: {row.kind}, output shape {row.output_shape}, {row.parameters:,} parameters"


def _ratio(base: float, mine: float) -> str:
    if mine == base:
        return "same"
    return f"× {mine / base:.2f}" if base else "–"


def compare_with_baseline(mine: Measured | Sequence[Measured], baseline: Measured | Sequence[Measured]) -> Comparison:
    """Compare results of `measure`; print what this returns.

    With one result of each, the interval of the difference is paired over the faces: those that both get right, or
    both wrong, say nothing about which is better. It leaves out the luck of the seed, and the verdict says so.

    With results of several seeds on either side (see `seed_margin`), the interval is about that luck: an unchanged
    network with another seed lies in the baseline's band 95 times in 100.

    Args:
        mine: what `measure` returned, or a sequence of such results of one network, each with its own seed.
        baseline: likewise.

    Raises:
        TypeError: something else than results of `measure`.
        ValueError: no results, or those of one side differ in more than the seed.
    """
    groups = [as_runs(name, value) for name, value in (("mine", mine), ("baseline", baseline))]
    (mine, *_), (baseline, *_) = groups
    same_task = _same_classes(mine.classes, baseline.classes) and torch.equal(mine.labels, baseline.labels)
    accuracies = tuple(tuple(run.accuracy for run in group) for group in groups)
    difference = statistics.fmean(accuracies[0]) - statistics.fmean(accuracies[1])
    margin = float("nan")
    if same_task and max(map(len, accuracies)) > 1:
        margin = seed_margin(*accuracies)
    elif same_task:
        margin = paired_margin(mine.correct, baseline.correct)
    verdict = _verdict(*groups, difference, margin) if same_task else _different_questions(mine, baseline)
    return Comparison(mine, baseline, same_task, difference, margin, verdict, accuracies, _in_turns(mine, baseline))


def _in_turns(*runs: Measured) -> tuple[float, ...]:
    """Time networks in turns, in milliseconds a face, so that what else the computer does slows each of them.

    The times in `runs` were taken minutes apart: on a laptop with a browser open, two equal networks differed by half.
    """
    rounds = [[milliseconds_on(run.model, run.trace.input_shape[1:], repeats=8) for run in runs] for _ in range(3)]
    return tuple(min(times) for times in zip(*rounds, strict=True))


def as_runs(name: str, value: object) -> list[Measured]:
    """Return one result of `measure`, or several of one network that differ in nothing but the seed, as a list.

    Raises:
        TypeError: something else than results of `measure`.
        ValueError: none, or runs that do not belong together.
    """
    runs = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not runs:
        raise ValueError(f"{name} is empty: give what measure(model, …) returned, once or more.")
    for run in runs:
        if not isinstance(run, Measured):
            raise TypeError(f"{name}={brief(type(run).__name__)}: give what measure(model, …) returned.")
    seeds = [run.config.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{name}: seeds {brief(seeds)}: give each run another seed, in its TrainConfig.")
    for run in runs[1:]:
        for what, differs in _differences(runs[0], run).items():
            if differs:
                raise ValueError(
                    f"{name}: the runs with seed={seeds[0]} and seed={run.config.seed} differ in {what}. "
                    "Give runs of one network, trained and measured alike."
                )
    return runs


def _differences(one: Measured, other: Measured) -> dict[str, bool]:
    shapes = [[(row.kind, row.output_shape, row.parameters) for row in run.trace.rows] for run in (one, other)]
    configs = [replace(run.config, seed=0, progress=False, watch=None) for run in (one, other)]
    return {
        "their layers": shapes[0] != shapes[1],
        "how they were trained": configs[0] != configs[1],
        "their validation faces": one.classes != other.classes or not torch.equal(one.labels, other.labels),
    }


def _same_classes(mine: tuple[str, ...], baseline: tuple[str, ...]) -> bool:
    try:
        return match_classes(mine, baseline).order is None
    except ValueError:
        return False


def _different_questions(mine: Measured, baseline: Measured) -> str:
    new, old = len(mine.classes), len(baseline.classes)
    return (
        f"The two were asked different questions: {new} classes, where guessing gets {1 / new:.0%}, against {old}, "
        f"where it gets {1 / old:.0%}. So their accuracies do not compare."
    )


def _verdict(mine: list[Measured], baseline: list[Measured], difference: float, margin: float) -> str:
    """Say in words what the difference means."""
    side = "more" if difference > 0 else "less"
    if len(mine) + len(baseline) > 2:
        luck = f"{100 * difference:+.1f} points, and the luck of the seed moves it by ± {100 * margin:.1f} (95 %, "
        luck += f"{_seeds(len(mine))} of yours, {_seeds(len(baseline))} of the baseline)"
        same = [next((run for run in baseline if torch.equal(run.correct, one.correct)), None) for one in mine]
        if len(mine) > 1 and None not in same:
            return f"{luck}. With each seed, yours recognises exactly the same faces as the baseline: no difference."
        if same[0] is not None and len(mine) == 1:
            seed = same[0].config.seed
            start = f"with seed {seed}" if seed != mine[0].config.seed else "with the same seed"
            return f"{luck}. Yours and the baseline {start} recognise exactly the same faces: no difference."
        if abs(difference) <= margin:
            return f"{luck}: no difference that this can tell. Two seeds of one network lie as far apart."
        return f"{luck}: yours is {side} accurate here, by more than the seed explains 19 times in 20."
    told = f"{100 * difference:+.1f} points, give or take {100 * margin:.1f} (95 %, paired over the faces)"
    if torch.equal(mine[0].correct, baseline[0].correct):
        return "Both recognise exactly the same validation faces."
    if abs(difference) <= margin:
        return f"{told}: too close to call. Do not prefer either on this evidence."
    return f"{told}: yours is {side} accurate here, with this seed. Repeat it with other seeds before you believe it."


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"
