"""How a design on a scoreboard stands against the baseline, and whether the change could be luck."""

from dataclasses import dataclass

from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.evaluation.margins import mean_margin, paired_margin, seed_margin
from emotion_utils.widgets.score_rows import Score

BASELINE = "baseline"


@dataclass(frozen=True)
class Standing:
    """A row as the table shows it: the score, its interval, and the change against the baseline."""

    score: Score
    interval: tuple[float, float] | None  # 95 %, of the accuracy; None where the number of faces is unknown
    change: float | None  # accuracy minus the baseline's; None where they do not compare
    margin: float | None  # half of the 95 % interval of the change
    note: str  # "baseline", "other faces", "too close to call", "better", "worse", …


def stand(score: Score, first: Score | None) -> Standing:
    """Hold a score against the first one, the baseline; None where there is none."""
    correct = score.correct
    interval = None if correct is None else bootstrap_interval(correct)
    if score.runs:
        margin = mean_margin(score.runs)
        interval = max(score.accuracy - margin, 0.0), min(score.accuracy + margin, 1.0)
    if first is None or score == first:
        return Standing(score, interval, None, None, BASELINE)
    if score.task != first.task:
        return Standing(score, interval, None, None, "other faces")
    change = score.accuracy - first.accuracy
    if score.runs or first.runs:
        margin = seed_margin(score.runs or [score.accuracy], first.runs or [first.accuracy])
    elif correct is None or first.correct is None:
        return Standing(score, interval, change, None, "no interval")
    else:
        margin = paired_margin(correct, first.correct)
    note = "too close to call" if abs(change) <= margin else "better" if change > 0 else "worse"
    return Standing(score, interval, change, margin, note)
