"""Checks for notebook 01: expressions, class shares, blank images, leaks, normalising, splitting, augmenting."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from emotion_utils.checks import Wrong, check, number, require, tensor, unfinished
from emotion_utils.checks.expressions import read_units, require_expression
from emotion_utils.data.augment import Augment


def _indices(value: Any, what: str) -> Tensor:
    """Turn a list, set or tensor of whole numbers into int64 `(k,)`, or say what came instead."""
    if isinstance(value, tuple) and len(value) == 1:  # what torch.where gives for one axis
        value = value[0]
    try:
        tensor = torch.as_tensor(sorted(value) if isinstance(value, set) else value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} should be indices, and your function returned {type(value).__name__}") from None
    require(
        tensor.dtype != torch.bool,
        f"{what} should be indices, and your function returned a mask of bools",
        "A mask says yes or no for each image. Where are the yes? Look at `nonzero`.",
    )
    require(tensor.numel() == 0 or not tensor.is_floating_point(), f"{what} are {tensor.dtype}, not whole numbers")
    return tensor.to(torch.int64).flatten()


@check(
    hints=(
        "Make a face at spoilt milk before a mirror. What do nose and upper lip do? Open the list of units again.",
        "Anger has lowered brows and tense lids, too, and presses or opens the lips. What works hardest in disgust?",
        "Two units sit at nose and upper lip. Which other units may go along without turning the face angry?",
    )
)
def build_disgust(answer: Mapping[str, float]) -> None:
    """Check that the recipe is closest, by the angle between intensities, to disgust, with anger well behind."""
    mine = read_units(answer)
    require((mine > 0).sum() >= 3, f"{int((mine > 0).sum())} units are at work, and at least three are asked for")
    require_expression(mine, "disgust", enough=0.55, rival="angry", margin=0.12)


@check(
    hints=(
        "Count the labels of each class, then divide. By what?",
        "The result always has one entry for each class, even if the last classes do not occur among the labels.",
        "PyTorch counts whole numbers with `torch.bincount`; its help says what becomes of missing classes.",
    )
)
def class_shares(answer: Callable[[Tensor, int], Any]) -> None:
    """Check `answer(labels, classes)` on random labels, with classes that do not occur."""
    generator = torch.Generator().manual_seed(10)
    for trial in range(12):
        classes = int(torch.randint(2, 9, (), generator=generator))
        used = classes if trial % 2 else max(1, classes - 2)
        labels = torch.randint(0, used, (int(torch.randint(1, 60, (), generator=generator)),), generator=generator)
        got = tensor(answer(labels, classes), "the shares").double().flatten()
        case = f"for {len(labels)} labels and {classes} classes"
        require(
            len(got) == classes,
            f"{case} you returned {len(got)} numbers",
            "Classes that do not occur have a share, too. Which number is it?",
        )
        require(
            abs(float(got.sum()) - 1) < 1e-4,
            f"{case} your shares add up to {float(got.sum()):.3f}",
            "You have counts. By what must they be divided, so that they add up to 1?",
        )
        truth = F.one_hot(labels, classes).double().mean(0)
        wrong = (got - truth).abs() > 1e-4
        require(not wrong.any(), f"{case} the share of class {int(wrong.int().argmax())} is off")


@check(
    hints=(
        "An image is flat when its brightest and its darkest pixel agree. Compare within each image, not with a level.",
        "Flatten each image to a row first; then take the largest and the smallest number of every row.",
    )
)
def find_blank(answer: Callable[[Tensor], Any]) -> None:
    """Check `answer(images)` on random images among which some are flat, some nearly flat, some nearly black."""
    generator = torch.Generator().manual_seed(11)
    for trial in range(8):
        images = torch.randint(0, 256, (20, 1, 12, 10), generator=generator).to(torch.uint8)
        images[3] //= 64  # dark, not flat
        images[5] = 90
        images[5, 0, 11, 9] = 91  # one pixel differs
        images[7] = images[7, :, :, :1]  # stripes: each row is flat, the image is not
        images[9] = images[9, :, :1]  # and each column
        flat = torch.randperm(20, generator=generator)[: trial % 5]
        flat = flat[~torch.isin(flat, torch.tensor([3, 5, 7, 9]))]
        for i in flat.tolist():
            images[i] = (0, 255, 128, 7)[i % 4]
        got = _indices(unfinished(answer(images)), "the blank images")
        missed = set(flat.tolist()) - set(got.tolist())
        extra = set(got.tolist()) - set(flat.tolist())
        require(
            not missed,
            f"you missed a flat image whose pixels are all {int(images[min(missed or {0}), 0, 0, 0])}",
            "Flat is a matter of differences within an image. Does your rule depend on the grey level itself?",
        )
        require(
            not extra,
            f"you reported an image with grey levels {_levels(images, extra)}, which is not flat",
            "Each pixel of the image counts, not a row, a column or a mean of it.",
        )


def _levels(images: Tensor, which: set[int]) -> str:
    i = min(which) if which else 0
    require(0 <= i < len(images), f"you reported image {i} of {len(images)}")
    return f"{int(images[i].min())} to {int(images[i].max())}"


@check(
    hints=(
        "For each test image ask a question with the answer yes or no, then count the yes.",
        "Two images are identical when *all* pixels agree. Equal means or sums are not enough.",
        "Comparing all with all works. Faster: turn each image into something that a Python set can hold.",
    )
)
def count_leaks(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(train_images, test_images)` with none, one and several twins, and with near misses."""
    generator = torch.Generator().manual_seed(12)
    for trial in range(8):
        train = torch.randint(0, 256, (30, 1, 8, 8), generator=generator).to(torch.uint8)
        test = torch.randint(0, 256, (12, 1, 8, 8), generator=generator).to(torch.uint8)
        twins = trial % 4
        for i in range(twins):
            test[i] = train[7 * i]
        if twins:
            train[20:23] = test[0]  # the first twin occurs four times in training
        if twins > 1:
            test[11] = test[0]  # and twice in the test
        test[8] = train[9].flatten()[torch.randperm(64, generator=generator)].view(1, 8, 8)  # same pixels, other order
        test[9] = train[10]
        test[9, 0, 7, 7] ^= 1  # differs in one pixel by one level
        truth = twins + (twins > 1)
        same = (test[:, None] == train).flatten(2).all(2)  # (12, 30)
        got = number(answer(train, test), "the count")
        size = "too many" if got > truth else "too few"
        require(
            got == truth,
            f"with 12 test images and 30 training images you counted {got:g}, which is {size}",
            {
                int(same.sum()): "You may count pairs: a test image with three twins counts once.",
                twins: "You may count kinds of pictures: two equal test images are two test images.",
            }.get(got),
        )


@check(
    hints=(
        "Three steps: scale to 0…1, subtract, divide. In which unit are the mean and the standard deviation given?",
        "`uint8` cannot hold negative numbers or fractions: convert before you calculate.",
        "Undo your result by hand for one pixel: multiply, add. Do you get the grey level back?",
    )
)
def normalise(answer: Callable[[Tensor, float, float], Tensor]) -> None:
    """Check `answer(images, mean, std)` on random bytes: values, dtype, shape, and the input left alone."""
    generator = torch.Generator().manual_seed(13)
    for shape in ((1, 1, 6, 5), (7, 1, 9, 9), (3, 1, 48, 48)):
        images = torch.randint(0, 256, shape, generator=generator).to(torch.uint8)
        mean, std = (0.2 + 0.5 * float(torch.rand((), generator=generator)) for _ in range(2))
        got = unfinished(answer(images, mean, std))
        require(isinstance(got, Tensor), f"a tensor is asked for, and your function returned {type(got).__name__}")
        require(got.shape == images.shape, f"for shape {tuple(images.shape)} you returned shape {tuple(got.shape)}")
        require(
            got.dtype == torch.float32,
            f"you returned {got.dtype}",
            "`uint8` cannot hold fractions, and float64 takes twice the memory: which dtype is asked for?",
        )
        restored = (got.double() * std + mean) * 255
        worst = float((restored - images.double()).abs().max())
        require(worst < 0.05, f"undoing your result gives pixels that are off by up to {worst:.1f} grey levels")


@check(
    hints=(
        "Treat one class after the other: find its indices, shuffle them, cut off the share.",
        "`torch.randperm` takes a generator: `torch.Generator().manual_seed(seed)` makes the shuffle repeatable.",
        "Collect the pieces of all classes with `torch.cat`; every index must be in exactly one part.",
    )
)
def stratified_split(answer: Callable[[Tensor, float, int], tuple[Tensor, Tensor]]) -> None:
    """Check `answer(labels, share, seed)`: a partition, stratified, random, repeatable."""
    generator = torch.Generator().manual_seed(14)
    for share in (0.1, 0.25, 0.5):
        counts = torch.randint(20, 80, (4,), generator=generator)
        labels = torch.repeat_interleave(torch.arange(4), counts)
        labels = labels[torch.randperm(len(labels), generator=generator)]
        parts = unfinished(answer(labels, share, 1))
        require(isinstance(parts, list | tuple) and len(parts) == 2, "your function should return two index tensors")
        kept, held = (_indices(part, "each part") for part in parts)
        together = torch.cat([kept, held]).sort().values
        case = f"with {len(labels)} images and share={share}"
        require(
            torch.equal(together, torch.arange(len(labels))),
            f"{case}, the two parts have {len(kept)} and {len(held)} images, and not each image is there exactly once",
        )
        for c in range(4):
            got = int((labels[held] == c).sum())
            asked = share * int(counts[c])
            where = f"{got} of the {int(counts[c])} images of class {c} are in the second part"
            require(
                abs(got - asked) <= 1,
                f"{case}, {where}",
                "Stratified: the share holds in each class, not only over all. Treat one class after the other.",
            )
        again = _indices(answer(labels, share, 1)[1], "each part")
        require(
            set(again.tolist()) == set(held.tolist()),
            f"{case}, the same seed gave two different splits",
            "`torch.randperm` takes a generator; a generator takes a seed.",
        )
        other = _indices(answer(labels, share, 2)[1], "each part")
        require(
            set(other.tolist()) != set(held.tolist()),
            f"{case}, the seeds 1 and 2 gave the same split",
            "Where in your function does the seed make a difference?",
        )
    # Moving a window along the images with the seed gives at most one choice for each image.
    labels = torch.arange(80) % 4
    chosen = [_indices(answer(labels, 0.25, seed)[1], "each part") for seed in range(60)]
    different = len({tuple(index[labels[index] == 0].sort().values.tolist()) for index in chosen})
    require(different > 40, f"60 seeds gave {different} different choices of 5 images of a class of 20: draw at random")


@check(
    hints=(
        "Each knob has a value that switches it off. For most it is 0. What is it for `scale`?",
        "`shift` is a fraction of the width: 3 of 48 pixels.",
    )
)
def only_shift(answer: Augment) -> None:
    """Check an augmentation by what it does to a bright spot on grey: it moves by up to 3 pixels, nothing else."""
    require(isinstance(answer, Augment), f"your answer is of type {type(answer).__name__}; an Augment is asked for")
    require(answer.shift <= 0.25, f"it moves a face by up to {48 * answer.shift:.0f} pixels, and the picture has 48")
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    # A spot that is longer than wide and lies off the centre shows a mirror, a turn and a change of size.
    spot = 0.3 + 0.4 * torch.exp(-((x - 14) ** 2) / 18 - ((y - 20) ** 2) / 50)
    out = answer(spot.expand(256, 1, 48, 48).clone(), torch.arange(256), 3, 1)[:, 0]
    weight = (out - 0.3).clamp(min=0)
    mass = weight.sum((1, 2))
    level, peak = out[:, 44:, 44:].mean((1, 2)), out.amax((1, 2))
    require((level - 0.3).abs().max() < 0.01 and (peak - 0.7).abs().max() < 0.03, "it changes grey levels, too")
    dx = (weight * x).sum((1, 2)) / mass - 14
    dy = (weight * y).sum((1, 2)) / mass - 20
    require(
        dx.abs().max() < 8,
        f"a spot on the left came out {float(dx.abs().max()):.0f} pixels away, as if mirrored",
        "Which knob is the chance of a mirror, and what is it when you don't name it?",
    )
    wide = (weight * (x - 14 - dx[:, None, None]) ** 2).sum((1, 2)) / mass
    tall = (weight * (y - 20 - dy[:, None, None]) ** 2).sum((1, 2)) / mass
    lean = (weight * (x - 14 - dx[:, None, None]) * (y - 20 - dy[:, None, None])).sum((1, 2)) / mass
    require((wide - 9).abs().max() < 0.5 and (tall - 25).abs().max() < 1, "it changes the size of the face, too")
    require(lean.abs().max() < 0.5, "it turns the face, too")
    reach = max(float(dx.abs().max()), float(dy.abs().max()))
    require(
        2.7 < reach < 3.2,
        f"the largest shift among 256 draws is {reach:.1f} pixels",
        "`shift` is a part of the width, and the width is 48 pixels.",
    )
    # What is left is too rare or too small to show in the spot.
    off = Augment(flip=0, rotate=0, scale=(1, 1), shift=answer.shift, brightness=0, contrast=0)
    on = [knob for knob in vars(off) if not _same(getattr(off, knob), getattr(answer, knob))]
    require(not on, f"it does more than shift: {', '.join(f'{knob}={getattr(answer, knob)}' for knob in on)}")


def _same(one: Any, other: Any) -> bool:
    return torch.equal(torch.as_tensor(one, dtype=torch.float64), torch.as_tensor(other, dtype=torch.float64))
