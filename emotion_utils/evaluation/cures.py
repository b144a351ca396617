"""What a cure costs, and whom: several networks side by side, group by group."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from emotion_utils.errors import brief, listed, one_line
from emotion_utils.evaluation.gaps import Gap
from emotion_utils.evaluation.groups import GroupReport
from emotion_utils.evaluation.margins import paired_margin


@dataclass(frozen=True)
class Change:
    """How the accuracy of one group changed, in shares, with half of its 95 % interval (paired over the faces)."""

    value: float
    margin: float


@dataclass(frozen=True, repr=False, eq=False)
class CureTable:
    """What `compare_cures` found; `print` shows it as a table.

    Attributes:
        names: of the cures; the first is what the others are compared with.
        groups: names of the groups, "everyone" first.
        accuracy: for each cure, the accuracy of each group.
        changes: for each cure, the change of each group.
        gaps: for each cure, its largest gap in `measure`.
        measure: of these gaps.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    accuracy: tuple[tuple[float, ...], ...]
    changes: tuple[tuple[Change, ...], ...]
    gaps: tuple[Gap | None, ...]
    measure: str

    def __str__(self) -> str:
        width = max(len("largest gap"), *map(len, self.groups))
        wide = max(20, *(len(name) + 2 for name in self.names))
        lines = [f"{'accuracy in %':<{width}}" + "".join(f"{name:>{wide}}" for name in self.names)]
        for g, group in enumerate(self.groups):
            cells = [f"{100 * self.accuracy[0][g]:>{wide}.1f}"]
            for accuracy, changes in zip(self.accuracy[1:], self.changes[1:], strict=True):
                change = f"{100 * accuracy[g]:.1f} ({100 * changes[g].value:+.1f} ± {100 * changes[g].margin:.1f})"
                cells.append(f"{change:>{wide}}")
            lines.append(f"{group:<{width}}" + "".join(cells))
        shown = ["–" if gap is None else f"{100 * gap.value:.1f}" for gap in self.gaps]
        lines.append(f"{'largest gap':<{width}}" + "".join(f"{gap:>{wide}}" for gap in shown))
        lines.append(f"Gaps are in {self.measure}, in points; ± is half of a 95 % interval, paired over the faces.")
        return "\n".join(lines)

    __repr__ = __str__


def compare_cures(
    reports: Mapping[str, GroupReport], measure: str = "accuracy", emotion: str | None = None
) -> CureTable:
    """Put what `evaluate_groups` returned for several networks side by side: the table of what each costs whom.

    Args:
        reports: by the name of the cure; the first is the uncured network.
        measure: of the largest gap in the last row; see `GroupReport.gaps`.
        emotion: of that measure, or None.

    Raises:
        TypeError: something else than results of `evaluate_groups`.
        ValueError: fewer than two, or of other faces or groups.
    """
    if not isinstance(reports, Mapping) or len(reports) < 2:
        raise ValueError(f"reports={brief(reports)}: give two or more by name, the uncured network first.")
    for name, report in reports.items():
        if not isinstance(report, GroupReport):
            raise TypeError(f"reports[{brief(name)}]={brief(report)}: give what evaluate_groups returned.")
    first, *others = reports.values()
    for name, report in zip(list(reports)[1:], others, strict=True):
        same = report.groups.names == first.groups.names and torch.equal(report.groups.masks, first.groups.masks)
        if not same or not torch.equal(report.report.labels, first.report.labels):
            raise ValueError(
                f"reports[{brief(name)}] is about other faces or groups ({listed(report.groups.names)}): measure all "
                "on the same ones."
            )
    everyone = torch.ones(1, first.groups.masks.shape[1], dtype=torch.bool)
    masks = torch.cat([everyone, first.groups.masks])
    accuracy, changes = [], []
    for report in reports.values():
        mine, base = report.report.correct, first.report.correct
        accuracy.append(tuple(float(mine[mask].double().mean()) for mask in masks))
        changes.append(tuple(_change(mine[mask], base[mask]) for mask in masks))
    gaps = tuple(report.gap(measure, emotion) for report in reports.values())
    names = tuple(one_line(str(name), 30) for name in reports)
    shown = measure if emotion is None else f"{measure} of {one_line(emotion, 30)}"
    return CureTable(names, ("everyone", *first.groups.names), tuple(accuracy), tuple(changes), gaps, shown)


def _change(mine: torch.Tensor, base: torch.Tensor) -> Change:
    if not len(mine):
        return Change(float("nan"), float("nan"))
    return Change(float(mine.double().mean() - base.double().mean()), paired_margin(mine, base))
