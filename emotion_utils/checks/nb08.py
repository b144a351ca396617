"""Checks for notebook 08: people in one part, batch norm's statistics, rates by depth, soft labels, doubt, priors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.checks import check, number, require, tensor, unfinished
from emotion_utils.checks.answers import without


def _indices(value: Any, what: str, count: int) -> set[int]:
    """Turn a mask, or a tensor, list or set of indices, into a set of indices."""
    found = tensor(sorted(value) if isinstance(value, set) else value, what)
    if found.dtype == torch.bool:
        require(found.shape == (count,), f"{what} is a mask of shape {tuple(found.shape)} for {count} faces")
        found = found.nonzero()[:, 0]
    require(found.ndim == 1, f"{what} has shape {tuple(found.shape)}; one index after another is asked for")
    require(not found.is_floating_point() or not len(found), f"{what} holds {found.dtype}; give whole numbers")
    items = [int(item) for item in found.tolist()]
    require(len(set(items)) == len(items), f"{what} holds the same face twice")
    require(all(0 <= item < count for item in items), f"{what} holds a number that is no face")
    return set(items)


@check(
    hints=(
        "Deal out people, not faces: shuffle the different values of `persons`, and give some of them to validation.",
        "Which faces belong to the chosen people? torch.isin(persons, chosen) is True for these.",
    )
)
def split_people(answer: Callable[[Tensor, float, int], Any]) -> None:
    """Check `answer(persons, share, seed)`: training and validation faces, with no person in both."""
    generator = torch.Generator().manual_seed(80)
    for count, people, share in ((200, 40, 0.2), (300, 30, 0.5), (90, 30, 0.1)):
        numbers = torch.randperm(1000, generator=generator)[:people]  # people need not be numbered from 0
        persons = numbers[torch.randint(0, people, (count,), generator=generator)]
        got = unfinished(answer(persons.clone(), share, 1))
        case = f"with {count} faces of {len(persons.unique())} people and a share of {share}"
        require(
            isinstance(got, tuple | list) and len(got) == 2,
            f"{case} you returned {type(got).__name__}; two things are asked for, training and validation",
        )
        training, validation = (_indices(part, what, count) for part, what in
                                zip(got, ("training", "validation"), strict=True))  # fmt: skip
        require(not training & validation, f"{case} a face is in both parts")
        require(
            len(training | validation) == count,
            f"{case} {count - len(training | validation)} faces are in neither part",
            "Every face goes somewhere: training is what validation does not take.",
        )
        require(
            not {int(persons[i]) for i in training} & {int(persons[i]) for i in validation},
            f"{case} somebody is in both parts",
            "A person's faces stay together, so choose among the people and not among the faces.",
        )
        found = len(validation) / count
        require(
            found > 0 and abs(found - share) < 0.12,
            f"{case} validation holds {found:.0%} of the faces",
            "How many of the people do you choose? The share is that of validation.",
        )
        again = unfinished(answer(persons.clone(), share, 1))
        require(
            _indices(again[1], "validation", count) == validation,
            f"{case} the same seed gave two different divisions",
            "Random numbers that repeat come from `torch.Generator().manual_seed(seed)`.",
        )
        other = unfinished(answer(persons.clone(), share, 2))
        require(_indices(other[1], "validation", count) != validation, f"{case} two seeds gave the same division")


@check(
    hints=(
        "Batch norm keeps one mean and one variance for each channel: over which dimensions do you average?",
        "All images and all places count: dimensions 0, 2 and 3 of (N, C, H, W).",
    )
)
def channel_statistics(answer: Callable[[Tensor], Any]) -> None:
    """Check `answer(maps)`: mean and variance of each channel of feature maps (N, C, H, W)."""
    generator = torch.Generator().manual_seed(81)
    for shape in ((5, 3, 4, 4), (20, 6, 2, 3), (1, 2, 6, 6), (7, 4, 1, 1)):
        maps = 3 * torch.randn(shape, generator=generator) + torch.arange(shape[1])[:, None, None]
        with without("batch_norm", "native_batch_norm"):
            got = unfinished(answer(maps.clone()))
        case = f"for maps of shape {shape}"
        require(
            isinstance(got, tuple | list | Tensor) and getattr(got, "ndim", 1) > 0 and len(got) == 2,
            f"{case} two things are asked for, mean and variance",
        )
        mean, variance = tensor(got[0], "the mean").flatten(), tensor(got[1], "the variance").flatten()
        require(
            mean.shape == variance.shape == (shape[1],),
            f"{case} your mean and variance have {len(mean)} and {len(variance)} numbers, for {shape[1]} channels",
        )
        truth = maps.double().transpose(0, 1).flatten(1)  # (C, N * H * W)
        require(torch.allclose(mean.double(), truth.mean(1), atol=1e-4), f"{case} your mean is off")
        right = [torch.allclose(variance.double(), truth.var(1, correction=c), atol=1e-3) for c in (0, 1)]
        deviation = torch.allclose(variance.double() ** 2, truth.var(1, correction=0), rtol=0.2)
        require(
            any(right),
            f"{case} your variance is off",
            "Is that the standard deviation? Batch norm keeps its square."
            if deviation
            else "Is it the variance over all images and places, or a mean of the variances of single images?",
        )


@check(
    hints=(
        "The last part learns at the full rate, the one before it `factor` times that, and so on towards the images.",
        "The part at position i of n is n - 1 - i steps from the end. What is `factor` to the power of that?",
    )
)
def rates_by_depth(answer: Callable[[list[str], float], Any]) -> None:
    """Check `answer(parts, factor)`: a factor of the rate for each part, smaller the earlier it comes."""
    blocks = ["blocks.0", "blocks.1", "blocks.2", "blocks.3", "classifier"]
    for parts, factor in ((blocks, 0.3), (["stem", "stages", "classifier"], 0.5), (["only"], 0.1)):
        got = unfinished(answer(list(parts), factor))
        case = f"for {', '.join(parts)} and a factor of {factor}"
        require(isinstance(got, dict), f"{case} you returned {type(got).__name__}; a dictionary is asked for")
        require(
            set(got) == set(parts),
            f"{case} your dictionary has the keys {', '.join(map(str, got)) or 'none'}",
            "Each part is a key, by its name.",
        )
        rates = [number(got[part], f"the rate of {part}") for part in parts]
        require(
            rates == sorted(rates),
            f"{case} an early part learns faster than a late one",
            "Edges and corners serve every kind of picture. Which end of the network has to change most?",
        )
        for i, (part, rate) in enumerate(zip(parts, rates, strict=True)):
            truth = factor ** (len(parts) - 1 - i)
            close = math.isclose(rate, truth, rel_tol=1e-5)  # float32 will do
            require(close, f"{case} the factor of {part} is too {'large' if rate > truth else 'small'}")


NO_CROSS_ENTROPY = ("cross_entropy", "cross_entropy_loss", "nll_loss", "kl_div", "soft_margin_loss")


@check(
    hints=(
        "For each class: target times minus the log-probability. Then add up over the classes.",
        "log_softmax(1) gives log-probabilities without ever taking the logarithm of 0.",
        "The mean over the images comes last; it is one number.",
    )
)
def soft_cross_entropy(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(logits, targets)`: mean cross-entropy against rows of probabilities, also for large logits."""
    generator = torch.Generator().manual_seed(82)
    for count, scale in ((4, 1.0), (50, 3.0), (9, 200.0)):
        logits = scale * torch.randn(count, 7, generator=generator)
        targets = torch.distributions.Dirichlet(torch.full((7,), 0.4)).sample((count,))
        if scale == 1.0:  # some are sure, so that a target of 0 occurs
            targets = torch.eye(7)[torch.randint(0, 7, (count,), generator=generator)]
        truth = float(torch.nn.functional.cross_entropy(logits.double(), targets.double()))
        with without(*NO_CROSS_ENTROPY):
            got = number(answer(logits.clone(), targets.clone()), "the loss")
        case = (
            "with targets of 0 and 1"
            if scale == 1.0
            else f"for {count} images with logits up to {logits.abs().max():.0f}"
        )
        require(
            math.isfinite(got),
            f"{case} your loss is {got}",
            "The softmax of a large negative logit is 0 in float32, and the logarithm of 0 is infinite.",
        )
        require(
            abs(got - truth * count) > 1e-3 * max(1, truth) or count == 1,
            f"{case} your loss is the sum over the images",
            "The mean over the images is asked for, so that the step does not grow with the batch.",
        )
        require(
            got >= 0,
            f"{case} your loss is negative",
            "The logarithm of a probability is negative.",
        )
        require(
            abs(got - truth) < 1e-3 * max(1, truth),
            f"{case} your loss {got:.4f} is too {'large' if got > truth else 'small'}",
        )
    row = torch.randn(3, 7, generator=generator, requires_grad=True)
    loss = unfinished(answer(row, torch.full((3, 7), 1 / 7)))
    require(isinstance(loss, Tensor) and loss.requires_grad, "your loss has no gradient, so nothing can learn from it",
            "Keep to tensors all the way: no .item(), no float(), no NumPy.")  # fmt: skip


@check(
    hints=(
        "First a threshold for each class: the mean probability of the class over the faces that bear its label.",
        "A label is doubted if another class reaches its own threshold there, and more clearly than the label does.",
        "If the label's own class is the most probable of those that reach their threshold, the label stays.",
    )
)
def doubted(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(probabilities, labels)`: a mask of labels that confident learning doubts."""
    generator = torch.Generator().manual_seed(83)
    for count, classes, sure in ((60, 3, 3.0), (300, 7, 2.5), (200, 5, 1.5)):
        truth = torch.randint(0, classes, (count,), generator=generator)
        logits = torch.randn(count, classes, generator=generator)
        logits[torch.arange(count), truth] += sure + truth.double().float() / classes  # some classes are easier
        labels = torch.where(torch.rand(count, generator=generator) < 0.15, (truth + 1) % classes, truth)
        probabilities = logits.softmax(1)
        got = tensor(answer(probabilities.clone(), labels.clone()), "your answer")
        case = f"for {count} faces of {classes} classes"
        require(got.dtype == torch.bool and got.shape == (count,),
                f"{case} you returned {got.dtype} {tuple(got.shape)}; a mask is asked for")  # fmt: skip
        expected = _confident(probabilities.numpy(), labels.numpy())
        same = [_confident(probabilities.numpy(), labels.numpy(), threshold) for threshold in (0.0, 0.5)]
        mine = got.numpy()
        plain = any(np.array_equal(mine, each) and not np.array_equal(each, expected) for each in same)
        require(
            not plain,
            f"{case} you doubt every label that is not the most probable class",
            "Each class has a threshold of its own; below it, a class is not suggested.",
        )
        more, fewer = int((mine & ~expected).sum()), int((~mine & expected).sum())
        require(more == 0, f"{case} you doubt {more} labels too many")
        require(fewer == 0, f"{case} you doubt {fewer} labels too few")
    # In the first row another class is further above its threshold than the label's, which is the more probable one.
    probabilities = torch.tensor([[0.52, 0.45, 0.03], [0.4, 0.3, 0.3], [0.3, 0.35, 0.35], [0.3, 0.3, 0.4]])
    got = tensor(answer(probabilities, torch.tensor([0, 0, 1, 2])), "your answer")
    require(
        not got.any(),
        "you doubt a label of the most probable of the classes that reach their threshold",
        "The threshold says which classes are in the race. What decides among those?",
    )


def _confident(probabilities: np.ndarray, labels: np.ndarray, fixed: float | None = None) -> np.ndarray:
    """Doubt labels as the notebook says, by loops; `fixed` puts one threshold in place of those of the classes."""
    count, classes = probabilities.shape
    thresholds = [
        fixed if fixed is not None else probabilities[labels == c, c].mean() if (labels == c).any() else math.inf
        for c in range(classes)
    ]
    mask = np.zeros(count, dtype=bool)
    for i in range(count):
        reached = [c for c in range(classes) if probabilities[i, c] >= thresholds[c]]
        if reached:
            mask[i] = max(reached, key=lambda c: probabilities[i, c]) != labels[i]
    return mask


@check(
    hints=(
        "A network that saw few faces of a class says it too rarely. Which factor of its probability is to blame?",
        "Among probabilities you would divide by how common each class was. What is that among logarithms?",
    )
)
def without_prior(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(logits, counts)`: predictions as if all classes were equally common."""
    generator = torch.Generator().manual_seed(84)
    for counts in ((1000, 50), (20, 400, 400, 20, 100), (7, 7, 7)):
        shares = torch.tensor(counts)
        logits = 2 * torch.randn(200, len(counts), generator=generator) + (shares / shares.sum()).log()
        got = tensor(answer(logits.clone(), shares.clone()), "your predictions")
        case = f"with {', '.join(map(str, counts))} training faces"
        require(
            got.shape == (200,), f"{case} you returned shape {tuple(got.shape)}; a class for each image is asked for"
        )
        truth = (logits - (shares / shares.sum()).log()).argmax(1)
        wrong_way = (logits + (shares / shares.sum()).log()).argmax(1)
        bases = [(logits - logarithm(shares)).argmax(1) for logarithm in (torch.log2, torch.log10)]
        unchanged = torch.equal(got, logits.argmax(1)) and not torch.equal(truth, logits.argmax(1))
        require(not unchanged, f"{case} your predictions are those of the logits as they are")
        require(
            not torch.equal(got, wrong_way) or torch.equal(wrong_way, truth),
            f"{case} the common classes are said even more often than before",
            "Should the share of a class raise its logit once more, or be taken out of it?",
        )
        other_base = any(torch.equal(got, said) and not torch.equal(said, truth) for said in bases)
        require(
            not other_base,
            f"{case} your predictions are those of another logarithm",
            "The softmax takes powers of e. To which base are logits logarithms, then?",
        )
        off = int((got != truth).sum())
        require(
            off == 0,
            f"{case} {off} of 200 predictions are off",
            "Logits are logarithms: shares are not subtracted as they are.",
        )
