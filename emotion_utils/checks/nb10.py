"""Checks for notebook 10: the square around a box, the eye line, a cut that leaves the picture, abstaining, smoothing.

The last one compares what a network and its export say of the same faces.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.checks import check, number, numbers, require, tensor


@check(
    hints=(
        "Three steps: the centre of the box, the side of the square, and only then its left and top edge.",
        "The centre lies half a side from each edge, for the box and for the square alike.",
    )
)
def square_around(answer: Callable[[tuple, float], Any]) -> None:
    """Check `answer(box, scale)`: left, top and side, in whole pixels, of a square with the box's centre."""
    boxes = ((182, 121, 171, 211), (40, 60, 100, 80), (0, 0, 90, 90), (300, 10, 51, 77), (12.5, 7.25, 33.0, 41.5))
    for box in boxes:
        for scale in (1.0, 0.8, 1.25, 1.5):
            left, top, side = numbers(answer(box, scale), 3, "the square")
            case = f"for the box {box} and a scale of {scale:g}"
            require(
                all(float(value).is_integer() for value in (left, top, side)),
                f"{case} you returned {left:g}, {top:g}, {side:g}, which are no whole pixels",
                "Round last, when all is computed.",
            )
            x, y, width, height = box
            longer, shorter = max(width, height), min(width, height)
            require(
                abs(side - scale * longer) <= 1,
                f"{case} your square has a side of {side:g}",
                _side_mistake(side, longer, shorter, scale),
            )
            off = (left + side / 2 - (x + width / 2), top + side / 2 - (y + height / 2))
            require(
                max(map(abs, off)) <= 1.01,
                f"{case} your square's centre is {off[0]:+.1f} pixels across and {off[1]:+.1f} down from the box's",
                _place_mistake(box, left, top, side),
            )


def _place_mistake(box: tuple, left: float, top: float, side: float) -> str | None:
    """Say which mistake puts a square of this side there, if it is a known one."""
    x, y, width, height = box
    wanted = (x + width / 2 - side / 2, y + height / 2 - side / 2)
    if min(wanted) < 0 and max(abs(left - max(0, wanted[0])), abs(top - max(0, wanted[1]))) <= 1:
        return "You kept the square inside the picture, which moves its centre. May left and top be negative?"
    if abs(left - x) <= 1 and abs(top - y) <= 1:
        return "You grew the square from a corner of the box. From where should it grow?"
    return None


def _side_mistake(side: float, longer: float, shorter: float, scale: float) -> str | None:
    """Say which mistake gives this side, if it is a known one."""
    mistakes = (
        (scale * shorter, "A face is cut off when the shorter side counts."),
        (scale * (longer + shorter) / 2, "The mean of both sides cuts the longer one. Which side must fit?"),
        (longer, "What does the scale change?"),
        (math.sqrt(scale) * longer, "The scale is one of lengths, and not of areas."),
        (longer / scale, "A larger scale makes a larger square."),
    )
    return next((hint for value, hint in mistakes if abs(side - value) <= 1 and abs(value - scale * longer) > 1), None)


@check(
    hints=(
        "Draw both eyes on paper with x to the right and y DOWN. How far is it from one to the other, across and down?",
        "The slope is down / across. Which function turns two such lengths into an angle, and in which unit?",
    )
)
def eye_tilt(answer: Callable[[tuple, tuple], Any]) -> None:
    """Check `answer(first, second)`: by how many degrees the line of the eyes is turned clockwise."""
    for degrees in (0, 10, -10, 30, -45, 75, 90, -90, 3.5):
        for distance, x, y in ((40.0, 100.0, 80.0), (12.0, 30.0, 31.0)):
            angle = math.radians(degrees)
            first, second = (x, y), (x + distance * math.cos(angle), y + distance * math.sin(angle))
            first, second = (tuple(round(value, 6) for value in eye) for eye in (first, second))
            got = number(answer(first, second), "the angle")
            case = f"for eyes at ({x:g}, {y:g}) and ({second[0]:.1f}, {second[1]:.1f})"
            wrong = {
                math.radians(degrees): "Is that an angle in degrees?",
                -degrees: "y grows downwards in a picture. Is the second eye lower or higher, and is that clockwise?",
                90 - degrees: "Across and down have changed places.",
            }
            hint = next((text for value, text in wrong.items() if abs(got - value) < 1e-3), None)
            require(abs(got - degrees) < 0.01, f"{case} you returned {got:.4g}", hint)


def _cut(picture: Tensor, left: int, top: int, side: int) -> Tensor:
    """Cut a square; outside the picture its border goes on: (1, side, side)."""
    rows = torch.arange(top, top + side).clamp(0, picture.shape[1] - 1)
    columns = torch.arange(left, left + side).clamp(0, picture.shape[2] - 1)
    return picture[:, rows][:, :, columns]


@check(
    hints=(
        "By how many pixels does the square leave the picture at each of the four sides? Often by none.",
        "Either make the picture larger first by repeating its border (`functional.pad` has a mode for that, for "
        "floats), or let each row and column of the square take the nearest one that exists.",
        "With a larger picture, everything in it has moved: add what you put on the left and on the top.",
    )
)
def cut_square(answer: Callable[[Tensor, int, int, int], Any]) -> None:
    """Check `answer(picture, left, top, side)` on squares inside, over each edge, over all, and far over a corner."""
    generator = torch.Generator().manual_seed(101)
    places = {
        "inside the picture": (10, 8, 12),
        "that touches two edges": (0, 0, 20),
        "that leaves it on the left": (-5, 6, 15),
        "that leaves it at the top": (7, -9, 16),
        "that leaves it on the right": (28, 4, 14),
        "that leaves it at the bottom": (4, 20, 18),
        "over a corner": (-6, -4, 14),
        "larger than the picture": (-8, -10, 60),
        "one pixel of which is inside": (-19, -19, 20),
    }
    for name, (left, top, side) in places.items():
        picture = torch.randint(0, 256, (1, 30, 36), generator=generator, dtype=torch.uint8)
        got = tensor(answer(picture, left, top, side), "the crop")
        call = f"cut_square(picture, left={left}, top={top}, side={side}), a square {name},"
        require(
            got.shape == (1, side, side),
            f"{call} gave shape {tuple(got.shape)}",
            "A slice ends at the border, and a negative start counts from the end. Nothing outside comes by itself."
            if got.ndim == 3 and got.shape[0] == 1
            else None,
        )
        require(got.dtype == torch.uint8, f"{call} gave {got.dtype}", "The crop holds grey levels, as the picture.")
        want = _cut(picture, left, top, side)
        off = int((got != want).sum())
        hint = _cut_mistake(got, picture, left, top) if off else None
        require(off == 0, f"{call} has {off} of {want.numel()} pixels that are off", hint)


def _cut_mistake(got: Tensor, picture: Tensor, left: int, top: int) -> str | None:
    """Say which mistake gives such a crop, if it is a known one."""
    side, (_, height, width) = got.shape[1], picture.shape
    want = _cut(picture, left, top, side)
    if any(torch.equal(got, swapped) for swapped in (want.transpose(1, 2), _cut(picture, top, left, side))):
        return "Left counts columns, top counts rows. Which comes first in (1, height, width)?"
    rows, columns = torch.arange(top, top + side), torch.arange(left, left + side)
    outside = ((rows < 0) | (rows >= height))[:, None] | ((columns < 0) | (columns >= width))  # (side, side)
    if not outside.any():
        return "This square leaves the picture nowhere: a plain slice gives it. Where does yours begin?"
    if torch.equal(got[0, ~outside], want[0, ~outside]) and len(got[0, outside].unique()) == 1:
        return "Outside you put one grey for all. Asked for is the border that goes on."
    fitted = (max(0, min(left, width - side)), max(0, min(top, height - side)))
    if torch.equal(got, _cut(picture, *fitted, side)):
        return "You moved the square until it fitted, and with it the face."
    return None


@check(
    hints=(
        "Sort the confidences. So many faces must get an answer: `coverage` times their number, rounded up.",
        "The threshold is the confidence of the last face that still gets an answer.",
    )
)
def threshold_for(answer: Callable[[Tensor, float], Any]) -> None:
    """Check `answer(confidence, coverage)`: the highest threshold that lets at least that share have an answer."""
    generator = torch.Generator().manual_seed(102)
    for count, coverage in ((50, 0.8), (10, 0.75), (200, 0.5), (1000, 0.95), (7, 0.5), (10, 1.0), (300, 0.1)):
        confidence = 1 - 0.7 * torch.rand(count, generator=generator).double() ** 2
        if count == 200:  # such as those of a network that gives few different numbers
            confidence = (10 * confidence).round() / 10
        got = number(answer(confidence.clone(), coverage), "the threshold")
        kept, asked = int((confidence >= got).sum()), math.ceil(coverage * count - 1e-9)
        case = f"for {count} faces and a coverage of {coverage:g} your threshold {got:.4f} lets {kept} have an answer"
        hint = _threshold_mistake(got, confidence, coverage, asked)
        require(kept >= asked, f"{case}; that is too few, {asked} are needed", hint)
        # A threshold a hair below the confidence of the last will do as well: the same faces have an answer.
        fewest = int((confidence >= confidence.sort(descending=True).values[asked - 1]).sum())
        require(kept == fewest, f"{case}; with a higher threshold there would still be {asked} or more", hint)


def _threshold_mistake(got: float, confidence: Tensor, coverage: float, asked: int) -> str | None:
    """Say which mistake gives this threshold, if it is a known one."""
    if abs(got - coverage) < 1e-9:
        return "The coverage is a share of faces, the threshold a confidence."
    surest, places = confidence.sort(descending=True).values, (asked - 2, asked)
    if any(0 <= place < len(surest) and abs(got - float(surest[place])) < 1e-6 for place in places):
        return "You are one face off. The surest has number 0: which number has the last that needs an answer?"
    if abs(got - float(confidence.quantile(1 - coverage))) < 1e-6:
        return "A quantile divides the steps between faces, one fewer than there are faces. Count faces instead."
    return "Are those the surest faces?" if abs(int((confidence >= got).sum()) - (len(surest) - asked)) <= 1 else None


@check(
    hints=(
        "The first frame stays as it is. For each later one: a share of what you had, and the rest of what is new.",
        "The share of the old is exp(-(seconds since the last frame) / memory).",
        "Go through the frames one by one, and keep what you had in a variable.",
    )
)
def smooth(answer: Callable[[Tensor, Tensor, float], Any]) -> None:
    """Check `answer(probabilities, seconds, memory)` on frames that come regularly, irregularly, and after a gap."""
    generator = torch.Generator().manual_seed(103)
    clocks: dict[str, Sequence[float]] = {
        "one frame": [0.0],
        "ten frames, a tenth of a second apart": [0.1 * i for i in range(10)],
        "frames at irregular times": [3.0, 3.05, 3.3, 3.32, 3.9, 4.0],
        "a gap of a minute": [0.0, 0.1, 60.0, 60.1],
    }
    for name, clock in clocks.items():
        for memory in (0.5, 0.1):
            frames, seconds = (torch.randn(len(clock), 7, generator=generator) * 2).softmax(1), torch.tensor(clock)
            got = tensor(answer(frames, seconds, memory), "the smoothed frames")
            case = f"for {name} and a memory of {memory:g} s"
            require(
                got.shape == frames.shape, f"{case} you returned shape {tuple(got.shape)}, not {tuple(frames.shape)}"
            )
            want = _smoothed(frames, seconds, memory)
            off = (got - want).abs().amax(1) > 1e-4
            first = int(off.nonzero()[0]) if off.any() else 0
            sums = bool(((got.sum(1) - 1).abs() < 1e-3).all())
            require(
                not off.any(),
                f"{case} frame {first} is off" + ("" if sums else "; its probabilities do not add up to 1"),
                _smoothing_mistake(got, frames, seconds, memory, sums),
            )


def _smoothed(frames: Tensor, seconds: Tensor, memory: float, swapped: bool = False) -> Tensor:
    kept = [frames[0]]
    for i in range(1, len(frames)):
        share = math.exp(-float(seconds[i] - seconds[i - 1]) / memory)
        kept.append(torch.lerp(frames[i], kept[-1], 1 - share if swapped else share))
    return torch.stack(kept)


def _smoothing_mistake(got: Tensor, frames: Tensor, seconds: Tensor, memory: float, sums: bool) -> str | None:
    """Say which mistake gives such frames, if it is a known one."""
    if not sums:
        return "Two shares that add up to 1 keep a sum of 1. And what was there before the first frame?"
    regular = torch.arange(len(frames)) * 0.1
    swapped = _smoothed(frames, seconds, memory, swapped=True)
    mistakes = (
        (swapped, "Old and new have changed places: the longer the pause, the LESS should be left."),
        (frames, "Nothing was smoothed."),
        (_smoothed(frames, regular, memory), "Look at the clock: not every pause is a tenth of a second."),
        (frames.cumsum(0) / torch.arange(1, len(frames) + 1)[:, None], "A mean of all frames never forgets."),
    )
    return next((hint for value, hint in mistakes if torch.allclose(got.to(value.dtype), value, atol=1e-4)), None)


@check(
    hints=(
        "The first number is about probabilities: the largest distance, wherever it is. The second is about answers.",
        "A distance has no sign. The answer of a row is the place of its largest probability.",
    )
)
def parity(answer: Callable[[Tensor, np.ndarray], Any]) -> None:
    """Check `answer(ours, theirs)`: the largest change of a probability, and the share of equal answers."""
    generator = torch.Generator().manual_seed(104)
    for name, noise in (("an exact copy", 0.0), ("rounded weights", 0.02), ("another network", 3.0)):
        for count, classes in ((40, 7), (9, 3)):
            logits = torch.randn(count, classes, generator=generator)
            moved = logits + noise * torch.randn(count, classes, generator=generator)
            ours, theirs = logits.softmax(1), moved.softmax(1)
            if noise:  # one face on which a single probability moves far: down, or else up
                low, high = torch.full((2, classes), 0.5 / (classes - 1))
                top = int(ours[1].argmax())
                low[top], high[top], high[torch.arange(classes) != top] = 0.5, 0.99, 0.01 / (classes - 1)
                ours[1], theirs[1] = (high, low) if count == 40 else (low, high)
            got = numbers(answer(ours.clone(), theirs.numpy().copy()), 2, "the comparison")
            change = float((ours - theirs).abs().max())
            same = float((ours.argmax(1) == theirs.argmax(1)).double().mean())
            case = f"for {name} and {count} faces of {classes} classes"
            known = {
                float((theirs - ours).max()): "Some probabilities rise, some fall. Which distance is the largest?",
                float((ours - theirs).max()): "Some probabilities rise, some fall. Which distance is the largest?",
                float((ours - theirs).abs().mean()): "A mean hides one face that went badly wrong.",
            }
            hint = next((text for value, text in known.items() if abs(got[0] - value) < 1e-5), None)
            require(abs(got[0] - change) < 1e-5, f"{case} your largest change is {got[0]:.4f}", hint)
            hint = "Is that the share that agree, or that differ?" if abs(got[1] - (1 - same)) < 1e-6 else None
            hint = "A share lies between 0 and 1." if 1 < got[1] <= 100 else hint
            require(abs(got[1] - same) < 1e-6, f"{case} your share of equal answers is {got[1]:.4f}", hint)
