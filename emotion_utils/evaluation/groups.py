"""Is it as good for everybody? The same measures for each group of faces, with intervals, and the largest gap."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, check_share, check_whole, listed, one_line
from emotion_utils.evaluation.gaps import FEWEST, MOST_DRAWS, Gap, compare_all
from emotion_utils.evaluation.grouping import Groups, as_groups
from emotion_utils.evaluation.rates import Rate, calibration_error, rate
from emotion_utils.evaluation.report import Report, evaluate

TOO_WIDE = 0.1  # an accuracy known to no better than ten points to each side tells little
MEASURES = ("accuracy", "recall", "false positives", "abstentions")


@dataclass(frozen=True)
class GroupRow:
    """What was measured for one group.

    Attributes:
        name: of the group.
        count: its faces.
        accuracy: share of the faces that are recognised.
        recall: for each class, the share of its faces that are recognised.
        false_positives: for each class, the share of the other faces that are taken for it.
        abstentions: share of the faces for which the network is less sure than it was told to be.
        calibration_error: over 15 bins; nan for an empty group.
        calibration_interval: 95 % interval, ± 1.96 standard errors from resampled faces.
        calibration_by_chance: the error that perfectly calibrated answers would show for so few faces.
    """

    name: str
    count: int
    accuracy: Rate
    recall: tuple[Rate, ...]
    false_positives: tuple[Rate, ...]
    abstentions: Rate
    calibration_error: float
    calibration_interval: tuple[float, float]
    calibration_by_chance: float


@dataclass(frozen=True, repr=False, eq=False)
class GroupReport:
    """What `evaluate_groups` measured; `print` shows it as a table.

    Attributes:
        report: of all faces together.
        groups: names and masks.
        rows: one for each group, in order.
        abstain_below: the confidence below which the network says nothing; None if it always answers.
        warnings: what the numbers cannot tell, a sentence each.
        draws, seed: of the intervals of gaps.
    """

    report: Report
    groups: Groups
    rows: tuple[GroupRow, ...]
    abstain_below: float | None
    warnings: tuple[str, ...]
    draws: int = 5000
    seed: int = 0

    def __getitem__(self, name: str) -> GroupRow:
        """Return the row of the group of this name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"There is no group {brief(name)}; there are {listed(self.groups.names, 12)}.")

    def gaps(self, measure: str = "accuracy", emotion: str | None = None) -> tuple[Gap, ...]:
        """Give all differences of two groups, the largest first, with intervals that hold for all of them at once.

        Groups that share no face are compared; where all overlap, all are. Groups, or classes of a group, of fewer than
        10 faces are not. With "recall" or "false positives" and no `emotion`, all classes are looked at.

        Args:
            measure: "accuracy", "recall", "false positives" or "abstentions".
            emotion: the name of a class.

        Raises:
            ValueError: no such measure or class.
        """
        titles, values, cells = self._cells(measure, emotion)
        pairs = _pairs(self.groups.masks)
        numbered: dict[tuple[int, int], int] = {}
        kept: list[tuple[int, int, int]] = []
        for row in range(len(titles)):
            for a, b in pairs:
                if min(cells[row, a].sum(), cells[row, b].sum()) >= FEWEST:
                    kept.append((row, a, b))
                    for group in (a, b):
                        numbered.setdefault((row, group), len(numbered))
        if not kept:
            return ()
        places = list(numbered)
        found = compare_all(
            torch.stack([values[row] for row, _ in places]),
            torch.stack([cells[row, group] for row, group in places]),
            torch.tensor([[numbered[row, a], numbered[row, b]] for row, a, b in kept]),
            draws=self.draws, seed=self.seed,
        )  # fmt: skip
        names, gaps = self.groups.names, []
        for i, (row, a, b) in enumerate(kept):
            value, error = float(found.value[i]), float(found.error[i])
            high, low = (a, b) if value >= 0 else (b, a)
            wide, narrow = found.reach * error, found.single * error
            value = abs(value)
            ends = [(max(-1.0, value - reach), min(1.0, value + reach)) for reach in (wide, narrow)]
            gaps.append(Gap(titles[row], names[high], names[low], value, *ends, float(found.p_value[i]), len(kept)))
        return tuple(sorted(gaps, key=lambda gap: -gap.value))

    def gap(self, measure: str = "accuracy", emotion: str | None = None) -> Gap | None:
        """Give the largest difference of two groups; None where there are no two groups of 10 faces to compare."""
        gaps = self.gaps(measure, emotion)
        return gaps[0] if gaps else None

    def _cells(self, measure: str, emotion: str | None) -> tuple[list[str], Tensor, Tensor]:
        """Give, for V measures, titles, what is counted, float64 (V, N), and among which faces, bool (V, G, N)."""
        report, masks = self.report, self.groups.masks
        if measure not in MEASURES:
            raise ValueError(f"measure={brief(measure)}: choose one of {', '.join(MEASURES)}.")
        if emotion is not None and emotion not in report.classes:
            raise ValueError(f"emotion={brief(emotion)}: choose one of {listed(report.classes, 12)}.")
        if measure in ("accuracy", "abstentions"):
            value = report.correct if measure == "accuracy" else silent(report, self.abstain_below)
            return [measure], value[None].double(), masks[None]
        chosen = range(len(report.classes)) if emotion is None else [report.classes.index(emotion)]
        titles, values, cells = [], [], []
        for c in chosen:
            among = report.labels == c if measure == "recall" else report.labels != c
            titles.append(f"{measure} of {one_line(report.classes[c], 30)}")
            values.append((report.predictions == c).double())
            cells.append(masks & among)
        return titles, torch.stack(values), torch.stack(cells)

    def __str__(self) -> str:
        width = max(len("group"), *(len(row.name) for row in self.rows))
        asked = self.abstain_below is not None
        silence = "  no answer" if asked else ""
        head = f"{'group':<{width}}   faces  accuracy  (95 % interval)  calibration error{silence}  lowest recall"
        lines = [self.report.name, head]
        for row in self.rows:
            known = [
                (rate.value, name) for rate, name in zip(row.recall, self.report.classes, strict=True) if rate.count
            ]
            worst = f"{min(known)[0]:.0%} {one_line(min(known)[1], 20)}" if known else "–"
            share = f"  {_percent(row.abstentions.value):>9}" if asked else ""
            lines.append(
                f"{row.name:<{width}}  {row.count:>6,}  {_percent(row.accuracy.value):>8}  "
                f"({_percent(row.accuracy.low)} to {_percent(row.accuracy.high)})".ljust(width + 37)
                + f"  {row.calibration_error:>17.3f}{share}  {worst}"
            )
        gap = self.gap()
        lines += [str(gap)] if gap else []
        notes = [f"note: {note}" for note in self.groups.notes]
        return "\n".join([*lines, *notes, *(f"warning: {warning}" for warning in self.warnings)])

    __repr__ = __str__


def evaluate_groups(
    model: nn.Module | Report,
    dataset: FaceDataset,
    groups: str | Mapping[str, Tensor] | Sequence[Any] | Tensor | Callable[[str], Any],
    *,
    abstain_below: float | None = None,
    draws: int = 5000,
    seed: int = 0,
) -> GroupReport:
    """Measure a network for each group of faces.

    Args:
        model: a network; or what `evaluate(model, dataset)` returned, which saves computing it again.
        dataset: images and labels, with their truth or file names where the groups come from there.
        groups: one of
            a name such as "age": see `groups_of`, which makes groups of the truth about drawn faces;
            masks by name, bool `(N,)` each, such as `groups_of(dataset, "age", "glasses")`; they may overlap;
            one mask, for a group and all others;
            a column, a value for each face: each value that occurs is a group, None and NaN are no value;
            a function that makes such a value of a file name.
        abstain_below: count as "no answer" where the largest probability is below this; None: it always answers.
            Accuracy and the other rates count all answers, those that it would have kept to itself, too.
        draws: how many times to simulate for the intervals of gaps, and a tenth of it for calibration.
        seed: of these draws.

    Raises:
        TypeError: no network, no data set, or no groups.
        ValueError: a length that does not fit, no truth or file names to make groups of, other labels in the report.
    """
    dataset = as_face_dataset(dataset)
    abstain_below = None if abstain_below is None else check_share(abstain_below=abstain_below)
    draws, seed = check_whole(10, MOST_DRAWS, draws=draws), check_whole(seed=seed)
    found = as_groups(dataset, groups)
    report = report_on(model, dataset)
    rows = tuple(
        _measure(report, name, mask, abstain_below, draws // 10, seed)
        for name, mask in zip(found.names, found.masks, strict=True)
    )
    found = replace(found, notes=(*found.notes, *_overlap(found)))
    warnings = tuple(_warnings(rows, report.classes))
    return GroupReport(report, found, rows, abstain_below, warnings, draws, seed)


def report_on(model: nn.Module | Report, dataset: FaceDataset) -> Report:
    """Evaluate a network; take a report as it is, if it is about the same labels.

    Raises:
        ValueError: it is about others.
    """
    if not isinstance(model, Report):
        return evaluate(model, dataset)
    if model.classes != tuple(dataset.classes) or not torch.equal(model.labels, dataset.labels.cpu()):
        raise ValueError(
            f"model is a report on {one_line(model.name, 60)}, {len(model.labels):,} faces with other labels than "
            f"these {len(dataset):,}. Give the network, or evaluate(model, dataset) of the same faces."
        )
    return model


def silent(report: Report, abstain_below: float | None) -> Tensor:
    """Say for which faces the network gives no answer, bool (N,)."""
    return report.probabilities.amax(1) < (0.0 if abstain_below is None else abstain_below)


@functools.cache
def _measure(
    report: Report, name: str, mask: Tensor, abstain_below: float | None, draws: int, seed: int
) -> GroupRow:  # fmt: skip
    labels, predictions, classes = report.labels[mask], report.predictions[mask], range(len(report.classes))
    return GroupRow(
        name, len(labels), rate(labels == predictions),
        tuple(rate(predictions[labels == c] == c) for c in classes),
        tuple(rate(predictions[labels != c] == c) for c in classes),
        rate(silent(report, abstain_below)[mask]),
        *calibration_error(report.probabilities[mask].double(), labels, draws, seed),
    )  # fmt: skip


def _warnings(rows: Sequence[GroupRow], classes: Sequence[str]) -> list[str]:
    """Say which groups are too small to tell."""
    found = []
    for row in rows:
        name, absent = row.name, [c for c, rate in zip(classes, row.recall, strict=True) if not rate.count]
        half = (row.accuracy.high - row.accuracy.low) / 2
        if not row.count:
            found.append(f"{name} has no face, so nothing is known about it")
            continue
        if half > TOO_WIDE:
            faces = "1 face" if row.count == 1 else f"{row.count:,} faces"
            found.append(f"{name} is too small to tell: {faces}, accuracy known to ± {100 * half:.0f} points only")
        if absent:
            found.append(f"{name} holds no face of {listed(absent, 7)}, so their recall there is unknown")
    return found


def _overlap(groups: Groups) -> list[str]:
    if len(groups.names) < 2 or int(groups.masks.sum(0).max()) < 2:
        return []
    shared = int((groups.masks.sum(0) > 1).sum())
    return [f"{shared:,} faces belong to more than one group, so the numbers of these groups move together"]


def _pairs(masks: Tensor) -> list[tuple[int, int]]:
    """List the pairs of groups to compare: those that share no face; where all overlap, all that differ."""
    shared = masks.double() @ masks.double().T  # (G, G)
    pairs = [(a, b) for a in range(len(masks)) for b in range(a + 1, len(masks)) if masks[a].any() and masks[b].any()]
    apart = [(a, b) for a, b in pairs if not shared[a, b]]
    return apart or [(a, b) for a, b in pairs if not torch.equal(masks[a], masks[b])]


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"
