"""Checks of notebook 10: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from verdicts import verdict_tests

from emotion_utils.checks import nb10 as check


def square(box, scale, side=max):
    x, y, width, height = box
    size = round(scale * side(width, height))
    return round(x + width / 2 - size / 2), round(y + height / 2 - size / 2), size


def square_by_floor(box, scale):
    x, y, width, height = box
    size = math.floor(scale * max(width, height))
    return torch.tensor([math.floor(x + width / 2 - size / 2), math.floor(y + height / 2 - size / 2), size])


def square_with_fractions(box, scale):
    x, y, width, height = box
    size = scale * max(width, height)
    return x + width / 2 - size / 2, y + height / 2 - size / 2, size


def square_from_the_corner(box, scale):
    return int(box[0]), int(box[1]), square(box, scale)[2]


def square_kept_inside(box, scale):
    left, top, side = square(box, scale)
    return max(0, left), max(0, top), side


def cut(picture, left, top, side, mode="replicate"):
    pad = max(0, -left, -top, left + side - picture.shape[2], top + side - picture.shape[1])
    wide = functional.pad(picture[None].float(), (pad,) * 4, mode=mode)[0].to(torch.uint8)
    return wide[:, top + pad : top + pad + side, left + pad : left + pad + side]


def cut_with_numpy(picture, left, top, side):
    wide = np.pad(picture.numpy(), ((0, 0), (99, 99), (99, 99)), mode="edge")
    return wide[:, top + 99 : top + 99 + side, left + 99 : left + 99 + side]


def cut_moved_inside(picture, left, top, side):
    left = max(0, min(left, picture.shape[2] - side))
    top = max(0, min(top, picture.shape[1] - side))
    return cut(picture, left, top, side)


def cut_in_place(picture, left, top, side):
    crop = cut(picture, left, top, side)
    picture[:] = 0
    return crop


def cut_with_one_pixel_off(picture, left, top, side):
    crop = cut(picture, left, top, side)
    crop[0, -1, -1] += 128
    return crop


def threshold(confidence, coverage):
    return confidence.sort(descending=True).values[math.ceil(coverage * len(confidence) - 1e-9) - 1]


def threshold_one_face_later(confidence, coverage):
    place = min(math.ceil(coverage * len(confidence) - 1e-9), len(confidence) - 1)
    return confidence.sort(descending=True).values[place]


def threshold_a_hair_lower(confidence, coverage):
    return float(threshold(confidence, coverage)) - 1e-9


def threshold_by_trying(confidence, coverage):
    return max(t for t in confidence.tolist() if (confidence >= t).double().mean() >= coverage - 1e-12)


def smooth(frames, seconds, memory):
    now, kept = frames[0], []
    last = seconds[0]
    for frame, second in zip(frames, seconds, strict=True):
        share = torch.exp(-(second - last) / memory)
        now, last = share * now + (1 - share) * frame, second
        kept.append(now)
    return torch.stack(kept)


def smooth_at_once(frames, seconds, memory):
    """The weight of frame j at frame i is a product of shares: exp(-(t_i - t_j) / memory) times what j brought."""
    brought = torch.cat([torch.ones(1), 1 - (-(seconds[1:] - seconds[:-1]) / memory).exp()])
    ages = seconds[:, None] - seconds[None]
    weights = torch.where(ages >= 0, (-ages / memory).exp(), 0).tril() * brought
    return (weights @ frames).numpy()


def smooth_from_nothing(frames, seconds, memory):
    return smooth(torch.cat([torch.zeros(1, 7), frames]), torch.cat([seconds[:1] - 0.1, seconds]), memory)[1:]


def smooth_in_place(frames, seconds, memory):
    frames[:] = smooth(frames, seconds, memory)
    return frames


def compare(ours, theirs):
    theirs = torch.from_numpy(theirs)
    return (ours - theirs).abs().max(), (ours.argmax(1) == theirs.argmax(1)).double().mean()


def compare_with_numpy(ours, theirs):
    ours = ours.numpy()
    return [np.abs(ours - theirs).max(), np.mean(ours.argmax(1) == theirs.argmax(1))]


CASES = {
    "square_around": dict(
        right=[square, square_by_floor],
        wrong=[
            square_with_fractions,
            square_from_the_corner,
            lambda box, scale: square(box, scale, min),
            lambda box, scale: square(box, 1 / scale),
            lambda box, scale: square(box, 1.0),
            lambda box, scale: square(box, math.sqrt(scale)),
            lambda box, scale: square(box, scale, lambda a, b: (a + b) / 2),
            lambda box, scale: square(box, scale)[::-1],
            lambda box, scale: square(box, scale)[:2],
            lambda box, scale: square(box, scale)[2],
            square_kept_inside,
        ],
        stub=lambda box, scale: ...,
    ),
    "eye_tilt": dict(
        right=[
            lambda a, b: math.degrees(math.atan2(b[1] - a[1], b[0] - a[0])),
            lambda a, b: torch.rad2deg(torch.atan2(torch.tensor(b[1] - a[1]), torch.tensor(b[0] - a[0]))),
        ],
        wrong=[
            lambda a, b: math.atan2(b[1] - a[1], b[0] - a[0]),
            lambda a, b: math.degrees(math.atan2(a[1] - b[1], b[0] - a[0])),
            lambda a, b: math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])),
            lambda a, b: math.degrees(math.atan((b[1] - a[1]) / (b[0] - a[0]))) - 1,
            lambda a, b: 100 * (b[1] - a[1]) / max(b[0] - a[0], 1e-9),
            lambda a, b: 0,
            lambda a, b: "10",
        ],
        stub=lambda a, b: ...,
    ),
    "cut_square": dict(
        right=[cut, cut_with_numpy],
        wrong=[
            lambda picture, left, top, side: picture[:, top : top + side, left : left + side],
            lambda picture, left, top, side: picture[:, max(top, 0) : top + side, max(left, 0) : left + side],
            lambda picture, left, top, side: cut(picture, left, top, side, "constant"),
            lambda picture, left, top, side: cut(picture, left, top, side).transpose(1, 2),
            lambda picture, left, top, side: cut(picture, left, top, side).float(),
            lambda picture, left, top, side: cut(picture, left, top, side)[0],
            lambda picture, left, top, side: cut(picture, left + 1, top, side),
            cut_moved_inside,
            cut_in_place,
            lambda picture, left, top, side: cut(picture, top, left, side),
            cut_with_one_pixel_off,
        ],
        stub=lambda picture, left, top, side: ...,
    ),
    "threshold_for": dict(
        right=[threshold, threshold_by_trying, threshold_a_hair_lower],
        wrong=[
            lambda confidence, coverage: coverage,
            lambda confidence, coverage: 1 - coverage,
            lambda confidence, coverage: threshold(-confidence, coverage).abs(),
            lambda confidence, coverage: confidence.quantile(coverage) + 1e-3,
            lambda confidence, coverage: confidence.min(),
            lambda confidence, coverage: threshold(confidence, coverage) + 1e-3,
            lambda confidence, coverage: confidence,
            threshold_one_face_later,
            lambda confidence, coverage: confidence.quantile(1 - coverage),
            lambda confidence, coverage: confidence.quantile(1 - coverage, interpolation="lower"),
            lambda confidence, coverage: confidence.sort(descending=True).values[int(coverage * len(confidence)) - 1],
        ],
        stub=lambda confidence, coverage: ...,
    ),
    "smooth": dict(
        right=[smooth, smooth_at_once],
        wrong=[
            lambda frames, seconds, memory: frames,
            lambda frames, seconds, memory: smooth(frames, torch.arange(len(frames)) * 0.1, memory),
            lambda frames, seconds, memory: smooth(frames, seconds, 2 * memory),
            lambda frames, seconds, memory: smooth(frames, seconds, memory)[-1],
            lambda frames, seconds, memory: frames.cumsum(0) / torch.arange(1, len(frames) + 1)[:, None],
            lambda frames, seconds, memory: frames.mean(0, keepdim=True).expand_as(frames),
            lambda frames, seconds, memory: smooth(frames.flip(0), -seconds.flip(0), memory).flip(0),
            smooth_from_nothing,
            smooth_in_place,
        ],
        stub=lambda frames, seconds, memory: ...,
    ),
    "parity": dict(
        right=[compare, compare_with_numpy],
        wrong=[
            lambda a, b: (compare(a, b)[0], 1 - compare(a, b)[1]),
            lambda a, b: (compare(a, b)[0], 100 * compare(a, b)[1]),
            lambda a, b: ((a - torch.from_numpy(b)).abs().mean(), compare(a, b)[1]),
            lambda a, b: ((a - torch.from_numpy(b)).max(), compare(a, b)[1]),
            lambda a, b: ((torch.from_numpy(b) - a).max(), compare(a, b)[1]),
            lambda a, b: (compare(a, b)[0], (a.argmax(0) == torch.from_numpy(b).argmax(0)).double().mean()),
            lambda a, b: compare(a, b)[0],
            lambda a, b: compare(a, b)[::-1],
        ],
        stub=lambda a, b: ...,
    ),
}

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)


HINTS = {
    ("square_around", 0): "Round last",
    ("square_around", 1): "from a corner",
    ("square_around", 2): "shorter side",
    ("square_around", 3): "larger scale",
    ("square_around", 4): "scale change",
    ("square_around", 5): "areas",
    ("square_around", 6): "mean of both",
    ("square_around", 10): "negative",
    ("eye_tilt", 0): "degrees",
    ("eye_tilt", 1): "downwards",
    ("eye_tilt", 2): "changed places",
    ("cut_square", 1): "ends at the border",
    ("cut_square", 2): "one grey",
    ("cut_square", 3): "rows",
    ("cut_square", 4): "grey levels",
    ("cut_square", 7): "moved the square",
    ("cut_square", 8): "copy",
    ("cut_square", 6): "yours begin",
    ("cut_square", 9): "rows",
    ("threshold_for", 0): "share of faces",
    ("threshold_for", 7): "one face off",
    ("threshold_for", 8): "quantile divides",
    ("threshold_for", 10): "one face off",
    ("smooth", 0): "Nothing was smoothed",
    ("smooth", 1): "clock",
    ("smooth", 4): "never forgets",
    ("smooth", 7): "add up to 1",
    ("smooth", 8): "copy",
    ("parity", 0): "or that differ",
    ("parity", 1): "between 0 and 1",
    ("parity", 2): "hides",
    ("parity", 3): "rise",
    ("parity", 4): "rise",
}


@pytest.mark.parametrize(("name", "number"), HINTS)
def test_the_hint_is_about_the_mistake(name, number):
    function = getattr(check, name)
    messages = [function(CASES[name]["wrong"][number]).message for _ in range(2)]
    assert HINTS[name, number] in messages[1].partition("Hint")[2], messages[1]
