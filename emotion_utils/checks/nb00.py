"""Checks for notebook 00, start here. They need no trained network, so they say the same on every machine."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from emotion_utils.emotions import EMOTIONS

from . import Wrong, check, number, require, unfinished
from .expressions import read_units, require_expression

MOST_UNITS = 4


def _draw(rows: int, seed: int) -> Tensor:
    """Draw probabilities, float32 (rows, 7), that decide clearly."""
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(4 * torch.randn(rows, len(EMOTIONS), generator=generator), 1)


@check(
    hints=[
        "Each row belongs to one face and each column to one emotion. Which column do you want in each row?",
        "Section 2 found, for each row of a table, the column of its largest number. How did it say 'for each row'?",
    ]
)
def decide(answer: Callable[[Tensor, tuple[str, ...]], list[str]]) -> None:
    """Compare with the position of the sorted maximum, for many faces, for one, and with other classes."""
    for rows, classes, seed in [(9, EMOTIONS, 1), (1, EMOTIONS, 2), (5, EMOTIONS[::-1], 3)]:
        probabilities = _draw(rows, seed)
        got = unfinished(answer(probabilities, classes))
        require(not isinstance(got, str), f"decide returned one text, {got!r}, not a list with a name for each face")
        try:
            got = list(got)
        except TypeError:
            raise Wrong(f"decide returned {type(got).__name__}, not a list of names") from None
        require(
            len(got) == rows,
            f"for {rows} faces, decide returned {len(got)} results",
            "Which dimension must disappear, so that one result is left for each face, not for each emotion?",
        )
        require(
            all(isinstance(name, str) for name in got),
            f"decide returned {type(got[0]).__name__}s, not names",
            "You have found positions. `classes` turns a position, as a Python number, into a name.",
        )
        want = [classes[row.tolist().index(max(row.tolist()))] for row in probabilities]
        wrong = [i for i in range(rows) if got[i] != want[i]]
        require(not wrong, f"for {rows} faces, {len(wrong)} names are not those of the largest probability")


@check(
    hints=[
        "Compare the two tensors first. What does `predictions == labels` contain?",
        "A share is a count divided by a count: which two? Section 2 measured one of scores over 3.",
    ]
)
def accuracy(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Compare with a count by hand; all right, none right, one image."""
    generator = torch.Generator().manual_seed(4)
    for n, kind in [(60, "random"), (8, "right"), (8, "wrong"), (1, "right")]:
        labels = torch.randint(7, (n,), generator=generator)
        offset = {"right": 0, "wrong": 1}.get(kind)
        predictions = torch.randint(7, (n,), generator=generator) if offset is None else (labels + offset) % 7
        hits = sum(a == b for a, b in zip(predictions.tolist(), labels.tolist(), strict=True))
        got = number(answer(predictions, labels), "the accuracy")
        case = f"for {n} image{'s' * (n > 1)}, {hits} of them right,"
        require(
            0 <= got <= 1,
            f"{case} accuracy returned {got:g}; a share lies between 0 and 1",
            "That may be a count, or a percentage. By what must it be divided?",
        )
        require(
            abs(got - (1 - hits / n)) > 1e-4 or 2 * hits == n or abs(got - hits / n) < 1e-4,
            f"{case} accuracy returned {got:.4f}",
            "That is the share of mistakes.",
        )
        require(abs(got - hits / n) < 1e-4, f"{case} accuracy returned {got:.4f}")


@check(
    hints=[
        "Rows are true classes, columns are predictions. Where do the right answers stand, and should they compete?",
        "Three steps: take the right answers out of a copy, find the position of the largest, turn it into two names.",
    ]
)
def most_confused(answer: Callable[[Tensor, tuple[str, ...]], tuple[str, str]]) -> None:
    """Compare with a search over all pairs, in matrices that are large on the diagonal and not symmetric."""
    generator = torch.Generator().manual_seed(5)
    for _ in range(4):
        confusion = torch.randperm(49, generator=generator).reshape(7, 7) + 100 * torch.eye(7, dtype=torch.int64)
        got = unfinished(answer(confusion, EMOTIONS))
        require(
            isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(name, str) for name in got),
            f"most_confused returned {got!r}, not two names",
        )
        pairs = {(i, j): int(confusion[i, j]) for i in range(7) for j in range(7) if i != j}
        true, predicted = max(pairs, key=pairs.get)
        require(
            got[0] != got[1],
            f"most_confused returned {got[0]!r} twice; being right is no confusion",
            "The largest number of all stands on the diagonal. What must happen to the diagonal before you look?",
        )
        swapped = tuple(got) == (EMOTIONS[predicted], EMOTIONS[true])
        require(not swapped, "the pair is right, its order is not", "Rows are the truth. Which name comes first?")
        require(tuple(got) == (EMOTIONS[true], EMOTIONS[predicted]), f"{got[0]} taken for {got[1]} is not the largest")


@check(
    hints=[
        "Open your eyes in fear before a mirror, or press the fear button of the face lab, and note which units move.",
        "Fear shares raised brows and wide eyes with surprise. What do brows and lips do in fear that they don't then?",
        "The brows do two things at once, the upper lids one, the lips one. Search the names of the sliders for each.",
    ]
)
def frightened(units: Mapping[str, float]) -> None:
    """Find the textbook variant that points in the same direction (cosine): it must be one of fear."""
    mine = read_units(units)
    count = int((mine > 0).sum())
    require(count, "no action unit is above 0, which is a face at rest")
    require(count <= MOST_UNITS, f"{count} action units are above 0; {MOST_UNITS} are allowed")
    require_expression(mine, "fear", enough=0.8)
