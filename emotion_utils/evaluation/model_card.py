"""A model card written by code: what the network itself knows, what a report measured, and what nobody has said yet.

The headings are those of Mitchell et al., "Model cards for model reporting" (FAT* 2019, arXiv 1810.03993), cut short.
What only people can say stands in the card as *not stated* until somebody says it.
"""

from pathlib import Path
from typing import Any

from torch import nn

from emotion_utils.errors import brief, one_line, show
from emotion_utils.evaluation.groups import GroupReport
from emotion_utils.evaluation.report import Report
from emotion_utils.files import as_path, atomic_write, begins_with
from emotion_utils.models.classes import match_classes
from emotion_utils.models.facts import ModelFacts, facts_of
from emotion_utils.models.handling import check_model, unwrap, weights_digest
from emotion_utils.models.pictures import input_shape_of

HEAD = "# Model card: "  # begins every card, and tells it from files of others
LONGEST = 4000  # characters of a text that somebody gives
LONGEST_NAME = 40  # of a class or a group
FEW = 500  # images; with fewer the card says how little they tell
UNKNOWN = "*Not stated.*"
MEANING = (
    "A label says what a face looks like, in a choice of a few words. It does not tell what somebody felt: people of "
    "one feeling show many faces, and one face goes with many feelings (Barrett et al., *Psychological Science in the "
    "Public Interest*, 2019)."
)
LAW = (
    "Inferring emotions of people at work or in education is prohibited in the European Union, except for medical or "
    "safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)). Elsewhere, too, no decision about a person should "
    "rest on these numbers."
)


def write_model_card(
    model: nn.Module,
    path: str | Path,
    report: Report | GroupReport | None = None,
    *,
    name: str | None = None,
    licence: str | None = None,
    data: str | None = None,
    intended_use: str | None = None,
) -> Path:
    """Write a short model card in Markdown; what is not known is said to be so.

    Args:
        model: the network; the card tells its kind, size, classes, and what it knows of the data that it learnt from.
        path: where to write; `~` is the home folder. A card that is there already is written anew.
        report: what `evaluate` or `evaluate_groups` measured; the latter adds a row for each group. None leaves the
            figures out, and the card says that nothing was measured.
        name: of the network; None takes the name of its class.
        licence: under what terms it may be used.
        data: what it learnt from, in words.
        intended_use: who may use it for what.

    Raises:
        TypeError: no network, or no report.
        ValueError: a text that is none; a report of other classes, or of a network with other weights.
        OSError: the card cannot be written, or something else than a card is there; a file that is there is untouched.
    """
    check_model(model)
    path, network, known = as_path(path), unwrap(model), facts_of(model)
    if report is not None and not isinstance(report, Report | GroupReport):
        raise TypeError(f"report={brief(report)}: give what evaluate or evaluate_groups returned, or None.")
    whole = report.report if isinstance(report, GroupReport) else report
    if whole is not None:
        match_classes(model, whole.classes)
        _check_measured(model, whole)
    title = _text("name", name) or type(network).__name__
    given = {"licence": licence, "data": data, "intended_use": intended_use}
    texts = {argument: _text(argument, value) or UNKNOWN for argument, value in given.items()}
    parts = [
        f"{HEAD}{_cell(title, 80)}",
        _network(network, known, whole),
        f"Licence: {texts['licence']}",
        "## Intended use", texts["intended_use"], MEANING, LAW,
        "## What it learnt from", texts["data"], *_noted(known),
        "## Figures", *(_figures(whole) if whole else ["*Nothing was measured.*"]),
        *(_groups(report) if isinstance(report, GroupReport) else []),
    ]  # fmt: skip
    _check_place(path)
    with atomic_write(path) as part:
        part.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _check_place(path: Path) -> None:
    """Refuse to write over anything but a card, such as the README.md of a project."""
    if path.exists() and not begins_with(path, HEAD.encode()):
        raise FileExistsError(f"path={show(path)}: a file is there already, and it is no model card. Name another.")


def _text(name: str, value: Any) -> str | None:
    """Check a text that somebody gave; a heading in it would look like one of the card's."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        raise ValueError(f"{name}={brief(value)}: give a text of 1 to {LONGEST:,} characters, or None.")
    return "\n".join(f"\\{line}" if line.startswith("#") else line for line in value.strip().splitlines())


def _cell(text: str, limit: int = LONGEST_NAME) -> str:
    """Put a name into a cell of a table or a line, whatever it holds."""
    text = one_line(text, limit)
    for sign in "\\|<*_`[":
        text = text.replace(sign, f"\\{sign}")
    return text


def _check_measured(model: nn.Module, report: Report) -> None:
    if report.weights is not None and report.weights != weights_digest(model):
        raise ValueError(
            f"report={brief(report.name)}: it was measured with other weights than this {type(unwrap(model)).__name__} "
            "has, those of another network or from before more training. Give evaluate(model, …) of the same model."
        )


def _network(network: nn.Module, known: ModelFacts, report: Report | None) -> str:
    """Tell the network's kind, size, input and classes."""
    count = sum(each.numel() for each in network.parameters())
    side = getattr(network, "image_size", None)
    sides = side if isinstance(side, tuple | list) else (side, side)  # other libraries write a pair
    known_size = len(sides) == 2 and all(isinstance(each, int) for each in sides)
    size = f"{sides[0]} × {sides[1]} pixels" if known_size else "a size of its own"
    colours = "grey" if input_shape_of(network)[1] == 1 else "coloured"
    lines = [f"- Network: {type(network).__name__}, {count:,} parameters", f"- Input: {colours} images of {size}"]
    if known.normalisation:
        lines[1] += (
            f", normalised with mean {known.mean:.4f} and standard deviation {known.std:.4f} of grey levels 0 to 1"
        )
    names = known.classes or (report.classes if report else None)
    told = ", ".join(_cell(name) for name in names) if names else UNKNOWN
    lines.append(f"- Output: a probability for each of its classes: {told}")
    if known.frequencies:
        shares = zip(known.classes, known.frequencies, strict=True)
        told = ", ".join(f"{_cell(name)} {share:.1%}" for name, share in shares)
        lines.append(f"- How common each class was in what it learnt: {told}")
    return "\n".join(lines)


def _noted(known: ModelFacts) -> list[str]:
    """List what was noted when the weights were saved."""
    noted = [
        f"- {_cell(str(key))}: {_cell(str(value), 200)}" for key, value in known.notes.items() if value is not None
    ]
    return ["Noted in the weights:\n\n" + "\n".join(noted)] if noted else ["*The weights hold no notes on it.*"]


def _figures(report: Report) -> list[str]:
    """Put a report's figures, its table of classes and its commonest mistakes in words."""
    count, (low, high) = len(report.labels), report.interval
    commonest = float(report.confusion.sum(1).max()) / count
    lines = [
        f"On {_cell(report.name, 120)}: {count:,} images, of which the commonest class makes up {commonest:.1%}.",
        f"- Accuracy {report.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})\n"
        f"- Balanced accuracy {report.balanced_accuracy:.1%}, macro-F1 {report.macro_f1:.3f}\n"
        f"- Cross-entropy {report.loss:.3f} nats, expected calibration error {report.ece:.3f}",
    ]
    if report.accuracy_without_twins is not None and report.accuracy_with_twins is not None:
        lines[1] += f"\n- Without images that have an identical twin in training: {report.accuracy_without_twins:.1%}"
    warnings = [f"{_cell(note, 300)}." for note in report.notes]
    if "training" in report.name:
        warnings.append("**These are images that a network learns from: on new ones it does worse.**")
    if count < FEW:
        warnings.append(f"{count:,} images are few: see how wide the interval is.")
    table = ["| class | precision | recall | F1 | images |", "| --- | --- | --- | --- | --- |"]
    for i, name in enumerate(report.classes):
        numbers = f"{report.precision[i]:.3f} | {report.recall[i]:.3f} | {report.f1[i]:.3f}"
        table.append(f"| {_cell(name)} | {numbers} | {int(report.confusion[i].sum()):,} |")
    return [*lines, *warnings, "\n".join(table), *_mistakes(report)]


def _mistakes(report: Report, most: int = 3) -> list[str]:
    """Tell which two classes are confused most often, as shares of the true one."""
    wrong = report.confusion.clone().fill_diagonal_(0)
    counts, places = wrong.flatten().topk(min(most, wrong.numel()))
    lines = []
    for count, place in zip(counts.tolist(), places.tolist(), strict=True):
        true, said = divmod(place, len(report.classes))
        if count:
            share = count / int(report.confusion[true].sum())
            lines.append(
                f"- {_cell(report.classes[true])} taken for {_cell(report.classes[said])}: {share:.0%} of them"
            )
    return ["Commonest mistakes:\n\n" + "\n".join(lines)] if lines else []


def _groups(report: GroupReport) -> list[str]:
    """Put the rows of groups, and what these numbers cannot tell."""
    table = ["| group | images | accuracy | 95 % interval |", "| --- | --- | --- | --- |"]
    for row in report.rows:
        rate = row.accuracy
        table.append(f"| {_cell(row.name)} | {row.count:,} | {rate.value:.1%} | {rate.low:.1%} to {rate.high:.1%} |")
    return ["## Groups", "\n".join(table), *(_cell(warning, 400) for warning in report.warnings)]
