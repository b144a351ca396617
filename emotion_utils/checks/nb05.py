"""Checks for notebook 05: how many images, confusion matrix, macro-F1, bootstrap, calibration, abstaining, files."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn import metrics
from torch import Tensor, nn

from emotion_utils.checks import check, number, require, tensor, unfinished, whole
from emotion_utils.emotions import EMOTIONS


def _guesses(generator: torch.Generator, count: int, classes: int = 7) -> tuple[Tensor, Tensor]:
    """Draw labels, and predictions that are right for about half of them; class 1 is rare."""
    labels = torch.randint(0, classes, (count,), generator=generator)
    labels = torch.where((labels == 1) & (torch.rand(count, generator=generator) < 0.8), 0, labels)
    other = torch.randint(0, classes, (count,), generator=generator)
    return labels, torch.where(torch.rand(count, generator=generator) < 0.5, labels, other)


def _probabilities(generator: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Draw softmax outputs of an over-confident model, and labels."""
    logits = 3 * torch.randn(count, 7, generator=generator)
    probabilities = logits.softmax(1)
    sure = count // 5  # of some images it is as sure as it can be
    probabilities[:sure] = nn.functional.one_hot(probabilities[:sure].argmax(1), 7).float()
    labels = torch.multinomial((logits / 2).softmax(1), 1, generator=generator)[:, 0]
    return probabilities, labels


@check(
    hints=(
        "The standard error of a share p over n images is sqrt(p (1 - p) / n). The half-width is 1.96 times that.",
        "Solve for n. The result is a number of images: round so that the interval is not wider than asked.",
    )
)
def images_needed(answer: Callable[[float, float], int]) -> None:
    """Check `answer(accuracy, half_width)`: the fewest images for a 95 % interval of at most that half-width."""
    for accuracy in (0.5, 0.65, 0.8, 0.95):
        for half in (0.005, 0.01, 0.03, 0.05, 0.1):
            got = whole(answer(accuracy, half), "the count")
            case = f"for an accuracy of {accuracy} and a half-width of {half}"
            require(got > 0, f"{case} you returned {got}, which is no number of images")

            def width(n: float, p: float = accuracy) -> float:
                return 1.96 * math.sqrt(p * (1 - p) / n)

            require(
                width(got) <= half * (1 + 1e-9),
                f"{case}, {got:g} images give a half-width of {width(got):.6f}",
                "Just too wide? Then look at how you round. Far too wide? Then at the formula solved for n.",
            )
            fewer = f"{case}, fewer than {got:g} images are enough"
            require(got < 2 or width(got - 1) > half * (1 - 1e-9), fewer)


@check(
    hints=(
        "Each image adds 1 to one cell. Which number chooses the row, and which the column?",
        "Rows are the true classes. A class that is never predicted still has a column.",
    )
)
def confusion_matrix(answer: Callable[[Tensor, Tensor, int], Any]) -> None:
    """Check `answer(labels, predictions, classes)` on random guesses, with classes that do not occur."""
    generator = torch.Generator().manual_seed(50)
    for count, classes in ((5, 7), (300, 7), (60, 3), (40, 9)):
        labels, predictions = _guesses(generator, count, min(classes, 7))
        got = tensor(answer(labels.clone(), predictions.clone(), classes), "the matrix")
        case = f"for {count} images and {classes} classes"
        require(
            got.shape == (classes, classes),
            f"{case} your matrix has shape {tuple(got.shape)}",
            "Classes that never occur have a row and a column, too.",
        )
        require(float(got.sum()) == count, f"{case} your cells add up to {float(got.sum()):g}")
        truth = metrics.confusion_matrix(labels, predictions, labels=range(classes))
        require(
            not np.array_equal(got.numpy().T, truth) or np.array_equal(truth.T, truth),
            f"{case} rows and columns have changed places",
            "The true class chooses the row.",
        )
        off = np.argwhere(got.numpy() != truth)
        require(len(off) == 0, f"{case} the cell in row {off[0][0]}, column {off[0][1]} is off" if len(off) else "")


@check(
    hints=(
        "Precision divides the diagonal by what was predicted, recall by what was there. Which is the sum of a row?",
        "F1 of a class is 2 · precision · recall / (precision + recall). Average over classes comes last.",
        "A class without any correct prediction has F1 = 0, also when a division by zero says nan.",
    )
)
def macro_f1(answer: Callable[[Tensor], Any]) -> None:
    """Check `answer(confusion)` on random matrices, among them some with a class that is never predicted."""
    generator = torch.Generator().manual_seed(51)
    for trial in range(8):
        labels, predictions = _guesses(generator, 40 + 60 * trial)
        if trial % 3 == 1:
            predictions = torch.where(predictions == 4, 0, predictions)
        matrix = metrics.confusion_matrix(labels, predictions, labels=range(7))
        truth = metrics.f1_score(labels, predictions, labels=range(7), average="macro", zero_division=0)
        got = number(answer(torch.from_numpy(matrix.copy())), "macro-F1")
        case = "with a class that is never predicted" if trial % 3 == 1 else f"for {len(labels)} images"
        require(
            not math.isnan(got),
            f"{case} you returned nan",
            "0 divided by 0 is nan. What does the text say about the F1 of such a class?",
        )
        require(abs(got - truth) < 1e-4, f"{case} your value {got:.4f} is too {'large' if got > truth else 'small'}")


@check(
    hints=(
        "Draw as many images as there are, *with* repetition, and take the mean. Do that many times.",
        "The interval holds the middle 95 % of the means: cut off 2.5 % at each end (torch.quantile).",
    )
)
def bootstrap(answer: Callable[[Tensor, int, int], Any]) -> None:
    """Check `answer(correct, draws, seed)`: an interval that agrees with the normal approximation."""
    generator = torch.Generator().manual_seed(52)
    for count, rate in ((400, 0.6), (2000, 0.8), (1000, 0.3)):
        correct = torch.rand(count, generator=generator) < rate
        got = tensor(answer(correct.clone(), 1000, 1), "the interval").double().flatten()
        require(len(got) == 2 and got[0] <= got[1], "your function should return two numbers, the lower one first")
        share = correct.double().mean()
        half = 1.96 * (share * (1 - share) / count).sqrt()
        case = f"for {int(correct.sum())} correct of {count}"
        width = float((got[1] - got[0]) / (2 * half))
        middle = float((got.mean() - share).abs() / half)
        require(middle < 0.2, f"{case} the middle of your interval is {float(got.mean()):.3f}")
        require(
            0.85 < width < 1.15,
            f"{case} your interval is {width:.2f} times as wide as the usual formula says",
            "How many images are in one resample, may one come twice, and which 95 % do you keep?",
        )
        again = tensor(answer(correct.clone(), 1000, 1), "the interval").double().flatten()
        require(
            torch.equal(got, again),
            f"{case} the same seed gave two different intervals",
            "Random numbers that repeat come from a generator with a seed: `torch.Generator().manual_seed(seed)`.",
        )
        other = tensor(answer(correct.clone(), 1000, 2), "the interval").double().flatten()
        require(not torch.equal(got, other), f"{case} two seeds gave the same interval")
        one = tensor(answer(correct.clone(), 1, 1), "the interval").double().flatten()
        require(float(one[1] - one[0]) < 1e-6, f"{case} a single draw gave an interval with a width")


@check(
    hints=(
        "Confidence is the largest probability of an image. Sort images into bins of confidence, equally wide.",
        "In each bin compare the mean confidence with the share of right answers.",
        "Each bin counts by its share of the images. Empty bins count nothing.",
    )
)
def calibration_error(answer: Callable[[Tensor, Tensor, int], Any]) -> None:
    """Check `answer(probabilities, labels, bins)` against sums over single images."""
    generator = torch.Generator().manual_seed(53)
    for count, bins in ((30, 10), (500, 15), (2000, 10), (400, 5)):
        probabilities, labels = _probabilities(generator, count)
        confidence, predicted = (x.numpy() for x in probabilities.max(1))
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        gap = confidence - (predicted == labels.numpy())
        truth = sum(abs(gap[place == b].sum()) for b in range(bins)) / count
        got = number(answer(probabilities.clone(), labels.clone(), bins), "the calibration error")
        case = f"for {count} images in {bins} bins"
        require(
            not math.isnan(got),
            f"{case} you returned nan",
            "Is there a bin without an image? The mean of nothing is nan.",
        )
        require(abs(got - truth) < 2e-3, f"{case} your error {got:.4f} is too {'large' if got > truth else 'small'}")
    _require_one_last_bin(answer)


def _require_one_last_bin(answer: Callable[[Tensor, Tensor, int], Any]) -> None:
    """Ask for the error where those of confidence 1 are wrong too often and others of their bin too rarely.

    In one bin the two gaps cancel: (10 · 1 + 30 · 0.95 - 35) / 40. In two bins they add up.
    """
    confidence = torch.cat([torch.ones(10), torch.full((30,), 0.95)])
    probabilities = torch.stack([confidence, 1 - confidence], 1)  # (40, 2)
    labels = torch.cat([torch.ones(5), torch.zeros(35)]).long()  # five of the surest are wrong
    got = number(answer(probabilities, labels, 10), "the calibration error")
    require(
        abs(got - 3.5 / 40) < 2e-3,
        f"with 10 images of confidence exactly 1 and 30 of 0.95 your error is {got:.4f}",
        "All forty belong to one bin, the last. In which bin is a confidence of exactly 1, by your arithmetic?",
    )


@check(
    hints=(
        "Sort the images by confidence. Which of them should be kept?",
        "For a coverage of 0.8 keep the most confident 80 % of the images.",
    )
)
def keep_confident(answer: Callable[[Tensor, float], Any]) -> None:
    """Check `answer(probabilities, coverage)`: a bool mask of the most confident images."""
    generator = torch.Generator().manual_seed(54)
    for count, coverage in ((50, 0.8), (200, 0.5), (1000, 0.95), (10, 1.0)):
        probabilities, _ = _probabilities(generator, count)
        mask = tensor(answer(probabilities.clone(), coverage), "the mask")
        case = f"for {count} images and a coverage of {coverage}"
        require(mask.dtype == torch.bool, f"{case} you returned {mask.dtype}; a mask of bools is asked for")
        require(mask.shape == (count,), f"{case} your mask has shape {tuple(mask.shape)}")
        kept = int(mask.sum())
        allowed = 1 if coverage < 1 else 0
        require(abs(kept - coverage * count) <= allowed, f"{case} you kept {kept} images")
        confidence = probabilities.amax(1)
        if 0 < kept < count:
            lowest, highest = float(confidence[mask].min()), float(confidence[~mask].max())
            require(
                lowest >= highest,
                f"{case} you kept one of confidence {lowest:.2f} and dropped one of {highest:.2f}",
                "Confidence is the largest probability of an image. Which end of the sorted list do you keep?",
            )


class _Brightness(nn.Module):
    """Stand in for a trained model: predicts by the brightness of the picture, so that any mix-up shows."""

    def predict_proba(self, images: Tensor) -> Tensor:
        require(images.ndim == 4, f"predict_proba got shape {tuple(images.shape)}; it takes (N, 1, 48, 48)")
        require(images.shape[1:] == (1, 48, 48), f"predict_proba got images of shape {tuple(images.shape[1:])}")
        require(images.dtype == torch.uint8, f"predict_proba got {images.dtype}; bytes are normalised by the model")
        level = images.float().mean((1, 2, 3)) / 256 * 7
        return nn.functional.one_hot(level.long(), 7).float()


@check(
    hints=(
        "`load_image(path)` gives one image, uint8 (1, 1, 48, 48), from a file of any size and colour.",
        "The largest probability of a row names the class: use its position in EMOTIONS.",
        "A file that cannot be read raises an error. Catch it, and keep None in the list instead of a name.",
    )
)
def predict_files(answer: Callable[[nn.Module, list[Path]], Any]) -> None:
    """Check `answer(model, paths)` on files of several sizes, modes and formats, one of them broken."""
    with tempfile.TemporaryDirectory() as folder:
        levels = {"a.png": ("L", 48, 3), "b.jpg": ("RGB", 200, 5), "c.png": ("RGBA", 31, 1), "d.bmp": ("L", 64, 0)}
        paths, truth = [], []
        for name, (mode, size, label) in levels.items():
            grey = Image.new("L", (size, size), int((label + 0.5) / 7 * 256))
            paths.append(Path(folder) / name)
            grey.convert(mode).save(paths[-1])
            truth.append(EMOTIONS[label])
        broken = Path(folder) / "broken.jpg"
        broken.write_bytes(paths[1].read_bytes()[:200])
        paths.insert(2, broken)
        truth.insert(2, None)
        got = answer(_Brightness(), list(paths))
        # None is a legal entry of this answer, so a list that holds one is no stub.
        if got is None or got is ... or (isinstance(got, list | tuple) and any(name is ... for name in got)):
            unfinished(got)
        listed = isinstance(got, list | tuple) or getattr(got, "ndim", 0) == 1
        require(listed, f"a list is asked for, and your function returned {type(got).__name__}")
        require(len(got) == len(paths), f"for {len(paths)} files you returned {len(got)} answers")
        require(any(got), "you answered None for every file; does your `except` hide an error of your own code?")
        for path, name, right in zip(paths, got, truth, strict=True):
            require(
                name == right,
                f"for the file {path.name} you answered {name!r}",
                "A file that is no image has the answer None." if right is None else None,
            )
