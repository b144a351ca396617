"""What the checks of searches play: settings and runs whose scores are known, and a record of who asked for what."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass

from emotion_utils.checks import Wrong


@dataclass(frozen=True)
class Setting:
    """A made-up setting, known by its number."""

    number: int


class RunningLog:
    """Hands out settings, scores them, trains runs; and notes everything.

    Attributes:
        drawn, scored, different: how many settings were drawn, scored, and scored for the first time.
        rounds: of halving: (runs, epochs) in the order in which they were trained.
        kept_best: whether each round went on with runs of the better half.
    """

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores
        self.drawn = self.scored = 0
        self._asked: Counter[int] = Counter()
        self._trained: dict[int, int] = {}  # run -> epochs so far
        self._calls: list[tuple[int, int, float]] = []  # run, epochs, accuracy

    # A random search.

    def draw(self) -> Setting:
        """Give the next setting."""
        self.drawn += 1
        return Setting((self.drawn - 1) % len(self.scores))

    def score(self, setting: Setting) -> float:
        """Give a setting's score."""
        self.scored += 1
        self._asked[self._number(setting)] += 1
        return self.scores[self._number(setting)]

    def _number(self, setting: object) -> int:
        if not isinstance(setting, Setting):
            raise Wrong(f"`score` was given {type(setting).__name__}, and takes what `draw()` returned")
        return setting.number

    @property
    def different(self) -> int:
        return len(self._asked)

    @property
    def repeat_hint(self) -> str:
        return "Draw a new setting for each run, and score each of them once: every score is a training."

    def score_of(self, setting: object) -> float:
        """Give a score without noting it."""
        return self.scores[self._number(setting)]

    # Successive halving.

    def train_on(self, run: int, epochs: int) -> float:
        """Train a run for some more epochs; give its accuracy, which nears its final one, the later the closer."""
        if run not in range(len(self.scores)):
            raise Wrong(f"`train_on` was given run {run}; there are {len(self.scores)}, counted from 0")
        if epochs < 1:
            raise Wrong(f"`train_on` was asked for {epochs} epochs")
        run, epochs = int(run), int(epochs)  # of tensors, two of the same number are two keys
        self._trained[run] = self._trained.get(run, 0) + epochs
        done = self._trained[run]
        wobble = math.sin(97.0 * run + 31.0 * done) / (1 + done)
        accuracy = self.scores[run] + 0.3 * wobble
        self._calls.append((run, epochs, accuracy))
        return accuracy

    def _split(self) -> list[list[tuple[int, int, float]]]:
        """Put calls into rounds: a new one begins when a run comes again, or the number of epochs changes."""
        parts: list[list[tuple[int, int, float]]] = []
        for call in self._calls:
            if not parts or call[1] != parts[-1][0][1] or call[0] in {each[0] for each in parts[-1]}:
                parts.append([])
            parts[-1].append(call)
        return parts

    @property
    def rounds(self) -> list[tuple[int, int]]:
        return [(len(part), part[0][1]) for part in self._split()]

    @property
    def kept_best(self) -> bool:
        parts = self._split()
        for now, later in itertools.pairwise(parts):
            order = [run for run, _, _ in sorted(now, key=lambda call: -call[2])]
            if set(order[: len(later)]) != {run for run, _, _ in later}:
                return False
        return True

    @property
    def winner(self) -> int:
        """Give the best run of the last round."""
        return max(self._split()[-1], key=lambda call: call[2])[0]


def mistaken_best(got: float, scores: list[float]) -> str | None:
    """Tell which mistake leads to a score that is not the best one."""
    good = [score for score in scores if not math.isnan(score)]
    if math.isnan(got):
        return "A run that diverged scored nan, and it won. Pass it over."
    if good and got == min(good):
        return "That is the worst score. These are accuracies: more is better."
    if got == good[-1]:
        return "That is the last score. Does an earlier, better one survive?"
    return None


def mistaken_half(rounds: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> str | None:
    """Tell which mistake leads to other rounds than those that were asked for."""
    if not rounds:
        return "Call train_on(run, epochs) for each run; it gives the accuracy."
    runs, epochs = zip(*rounds, strict=True)
    if all(each == epochs[0] for each in epochs) and len(rounds) > 1:
        return "Those that are left are fewer each time. So each may train for twice as long."
    if rounds[:-1] == wanted:
        return "When one run is left, it has won. It need not be trained again."
    if rounds == wanted[: len(rounds)]:
        return "It ended too early: go on until one run is left."
    halves = len(runs) < 2 or len(wanted) < 2 or runs[:2] == (wanted[0][0], wanted[1][0])
    return None if halves else "Half of the runs go on."
