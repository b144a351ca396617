"""Checks for notebook 09: the shipped networks used and fine-tuned, their figures read, the recipe by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.checks import Wrong, check, is_list, number, require, tensor, unfinished, whole
from emotion_utils.data.drawn import sample_faces
from emotion_utils.models.base import FaceModel
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.pretrained import load_pretrained

ENOUGH = 0.68  # of new faces, after the last block and the classifier were fine-tuned


def _shaped(value: Any, what: str, shape: tuple[int, ...]) -> Tensor:
    """Turn an answer into a float64 tensor of the given shape, or say what came instead."""
    got = tensor(value, what).detach().double()
    require(tuple(got.shape) == shape, f"{what} has shape {tuple(got.shape)} where {shape} was needed")
    return got


@check(
    hints=(
        "Ask each network for its probabilities of all images; the class with the largest one is what it names.",
        "Two tensors of class numbers, compared number by number, give a bool tensor.",
    )
)
def disagree(answer: Callable[[FaceModel, FaceModel, Tensor], Tensor]) -> None:
    """Check `answer(one, other, images)`: bool `(N,)`, True where the networks name different emotions."""
    faces = sample_faces(40, seed=909, truth=False).images
    one, other, third = (load_pretrained(name) for name in ("fer2013", "ferplus", "synthetic"))
    third.set_normalisation(0.3, 0.5)  # far from the others', so that it matters whose numbers an answer takes
    named = {network: predict_proba(network, faces).argmax(1) for network in (one, other, third)}
    own = "A network's own method for probabilities takes uint8 images and normalises them as it needs."
    for first, second in ((other, third), (one, other), (one, one)):
        got = _shaped(answer(first, second, faces), "the result", (len(faces),))
        want = (named[first] != named[second]).double()
        if torch.equal(got, want):
            continue
        require(not got.all(), "it is True for all; two networks may be unequally sure of the same name")
        agree = torch.equal(got, 1 - want)
        require(not agree, "it is True where they agree", "Which comparison is True for two unequal numbers?")
        with torch.no_grad():
            raw, alike = (
                (first(images).argmax(1) != second(images).argmax(1)).double()
                for images in (faces.float(), (faces / 255 - first.mean) / first.std)
            )
        require(not torch.equal(got, raw), "that is what the networks name in images that are not normalised", own)
        require(not torch.equal(got, alike), "both networks got images that are normalised for the first of them", own)
        raise Wrong(f"{int((got != want).sum())} of {len(faces)} faces are marked wrongly")


@check(
    hints=(
        "More epochs, or a rate two or three times as large, go further. Do the curves still rise at the end?",
        "named_parameters() gives names such as blocks.3.0.0.weight; requires_grad_(False) keeps one as it is.",
    )
)
def fine_tuned(network: FaceModel) -> None:
    """Check a network: `fer2013`, changed in its last block and classifier alone, names new drawn faces."""
    require(isinstance(network, nn.Module), f"a network is wanted; what came is {type(network).__name__}")
    shipped = load_pretrained("fer2013")
    mine, theirs = dict(network.named_parameters()), dict(shipped.named_parameters())
    require(
        mine.keys() == theirs.keys() and all(mine[name].shape == theirs[name].shape for name in mine),
        "this is not the network of `fer2013`: its layers have other names or sizes",
        "Start from copy.deepcopy(shipped).",
    )
    changed = [name for name in mine if not torch.equal(mine[name].detach().cpu(), theirs[name])]
    if not changed:
        unfinished(...)  # the shipped network as it was
    late = {name for name in mine if name.startswith(("blocks.3.", "classifier."))}
    early = [name for name in changed if name not in late]
    require(
        not early,
        f"{len(early)} of the tensors that were to stay have changed, the first of them {early[:1]}",
        "Before the training, requires_grad_(False) on every parameter but those of the last block and the classifier.",
    )
    idle = sorted(late - {*changed})
    require(not idle, f"{len(idle)} tensors that were to learn are as they were, the first of them {idle[:1]}")
    faces = sample_faces(400, seed=910, truth=False)
    share = float((predict_proba(network, faces.images).argmax(1) == faces.labels).double().mean())
    require(share >= ENOUGH, f"it names {share:.1%} of {len(faces)} new drawn faces; {ENOUGH:.0%} are wanted")


@check(
    hints=(
        "A class with many images has large counts everywhere. Divide each row by its sum first.",
        "The diagonal holds the right answers; set it to zero. Then find the row and column of the largest share.",
    )
)
def most_confused(answer: Callable[[Tensor], tuple[int, int]]) -> None:
    """Check `answer(confusion)`: label and wrong answer with the largest share of the label's images."""
    generator = torch.Generator().manual_seed(27)  # with this one, each mistake names another pair
    for counts in ([40, 10, 200], [100, 100, 100, 100], [500, 9, 30, 80, 70, 60, 50]):
        c = len(counts)
        shares = torch.rand(c, c, generator=generator) + torch.linspace(4, 1, c).diag()  # some classes are easier
        confusion = (shares / shares.sum(1, keepdim=True) * torch.tensor(counts)[:, None]).round().long()
        got = unfinished(answer(confusion))
        wrong = confusion.double() * (1 - torch.eye(c))
        require(is_list(got, 2), "a pair is wanted: label, answer")
        pair = tuple(whole(value, "each of the two") for value in got)
        require(all(0 <= value < c for value in pair), f"{pair} are no two classes of {c}")
        share = wrong / confusion.sum(1, keepdim=True)
        mistakes = (
            (wrong, "; that is the largest count, and labels with many images have the largest counts"),
            (wrong / wrong.sum(1, keepdim=True), "; that is the largest share of a label's wrong answers alone"),
            (wrong / confusion.sum(0), "; that is the largest share of a column, of all images with that answer"),
            (share.T, "; label and answer are swapped"),
            (confusion / confusion.sum(1, keepdim=True), "; that is a right answer, on the diagonal"),
        )
        told = next((said for table, said in mistakes if pair == divmod(int(table.argmax()), c)), "")
        best = divmod(int(share.argmax()), c)
        require(pair == best, f"of {c} classes your function names {pair}{told}")


@check(
    hints=(
        "Start from one-hot rows. A share of each row is taken away and spread over all classes, the right one too.",
        "Each row still adds up to 1: (1 - amount) times the one-hot row, plus the same small number everywhere.",
    )
)
def smooth_labels(answer: Callable[[Tensor, int, float], Tensor]) -> None:
    """Check `answer(labels, classes, amount)`: targets `(N, C)` as PyTorch's label smoothing uses them."""
    generator = torch.Generator().manual_seed(0)
    for classes, amount in ((7, 0.1), (3, 0.3), (5, 0.0), (2, 0.5)):
        labels = torch.randint(0, classes, (6,), generator=generator)
        got = _shaped(answer(labels, classes, amount), "the result", (6, classes))
        logits = torch.randn(6, classes, generator=generator, dtype=torch.float64)
        for z in (logits, -logits, logits.roll(1, 1)):  # equal losses for all pin the targets down closely enough
            mine = -(got * z.log_softmax(1)).sum(1)
            want = nn.functional.cross_entropy(z, labels, reduction="none", label_smoothing=amount)
            off = float((mine - want).abs().max())
            require(
                off < 1e-5,
                f"with {classes} classes and amount {amount}, cross-entropy against your targets differs from "
                f"PyTorch's by up to {off:.3g}; your first row adds up to {float(got[0].sum()):.3g}",
            )


@check(
    hints=(
        "After one step the start counts decay, the new weights what is left of 1. What does the next step do to both?",
        "Each step multiplies all that is older by decay. How many steps came after the one you look at?",
    )
)
def average_shares(answer: Callable[[int, float], Any]) -> None:
    """Check `answer(steps, decay)`: what the start and each step's weights count in the moving average."""
    for steps, decay in ((2, 0.9), (1, 0.6), (5, 0.5), (60, 0.95), (3, 0.0)):
        which, want = f"with {steps} steps and decay {decay}", torch.eye(steps + 1, dtype=torch.float64)
        shares = want[0]
        for weights in want[1:]:  # a step whose weights are all 0 but for its own 1
            shares = torch.lerp(weights, shares, decay)
        got = _shaped(answer(steps, decay), "the result", (steps + 1,))
        require(abs(float(got.sum()) - 1) < 1e-5, f"{which} your shares add up to {float(got.sum()):.4g}, not to 1")
        require(torch.allclose(got, shares, atol=1e-6), f"{which} share {int((got - shares).abs().argmax())} is wrong")


class _Lopsided(nn.Module):
    """A stand-in for a network, for which left, right, top and bottom all matter."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.register_buffer("weights", torch.randn(64, 7, generator=generator, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        """Map `(N, 1, 8, 8)` to logits `(N, 7)`."""
        return images.flatten(1).to(torch.float64) @ self.weights


@check(
    hints=(
        "Turn the labels into one-hot rows first; then both parts have the shape (N, C).",
        "share times the teacher's rows, plus (1 - share) times the one-hot rows. Each row must add up to 1.",
    )
)
def taught_targets(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `answer(probabilities, labels, share)`: a mixture of a teacher's probabilities and one-hot labels."""
    generator = torch.Generator().manual_seed(5)
    for classes, share in ((7, 0.7), (3, 0.2), (5, 1.0), (2, 0.0)):
        probabilities = torch.randn(6, classes, generator=generator).softmax(1)
        labels = torch.randint(0, classes, (6,), generator=generator)
        got = _shaped(answer(probabilities, labels, share), "the result", (6, classes))
        sums = got.sum(1)
        require(
            bool((sums - 1).abs().max() < 1e-6),
            f"with share {share} your rows add up to {float(sums.min()):.3g} to {float(sums.max()):.3g} instead of 1",
        )
        want = share * probabilities + (1 - share) * nn.functional.one_hot(labels, classes)
        off = float((got - want).abs().max())
        require(off < 1e-6, f"with {classes} classes and share {share}, a target is off by up to {off:.3g}")


@check(
    hints=(
        "Which dimension runs from left to right? Images are (N, channel, height, width).",
        "Take softmax of each view first, then the mean of the two.",
    )
)
def flip_average(answer: Callable[[nn.Module, Tensor], Tensor]) -> None:
    """Check `answer(model, images)`: mean of the probabilities of an image and of its mirror image."""
    shipped = load_pretrained("fer2013").eval()
    faces = (sample_faces(3, seed=911, truth=False).images / 255 - shipped.mean) / shipped.std
    real = _shaped(answer(shipped, faces), "the result", (3, 7))
    model = _Lopsided()
    for count in (1, 5):
        images = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
        got = _shaped(answer(model, images), "the result", (count, 7))
        sums = got.sum(1)
        require(
            bool(((sums - 1).abs() < 1e-6).all()),
            f"the probabilities of the first image add up to {float(sums[0]):.4g}",
        )
        views = torch.stack([model(images), model(torch.flip(images, dims=(-1,)))])
        want = torch.softmax(views, -1).mean(0)
        off = float((got - want).abs().max())
        alone = float((got - views[0].softmax(1)).abs().max())
        told = "; that is the answer for the image alone" if alone < 1e-9 else ""
        require(off < 1e-6, f"the probabilities are off by up to {off:.3g}{told}")
    with torch.no_grad():
        want = torch.stack([shipped(faces), shipped(faces.flip(3))]).softmax(-1).mean(0)
    off = float((real - want).abs().max())
    require(off < 1e-5, f"with the shipped network the probabilities are off by up to {off:.3g}")


@check(
    hints=(
        "Two questions: which row do you pick, and on which images is it then measured?",
        "The validation columns pick; the test columns report. argmax, then one number.",
    )
)
def honest_report(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Check `answer(validation, test)`: accuracy to report, from bool `(checkpoints, images)` on both splits."""
    generator = torch.Generator().manual_seed(3)
    for checkpoints, n_validation, n_test in ((5, 40, 60), (30, 200, 100), (1, 10, 10)):
        skill = torch.linspace(0.3, 0.7, checkpoints)[torch.randperm(checkpoints, generator=generator)][:, None]
        validation = torch.rand(checkpoints, n_validation, generator=generator) < skill
        test = torch.rand(checkpoints, n_test, generator=generator) < 1 - skill  # the best here is the worst there
        got = number(answer(validation, test), "the result")
        chosen = validation.sum(1).argmax()
        want = test[chosen].double().mean().item()
        told = ""
        if abs(got - test.double().mean(1).max().item()) < 1e-6:
            told = "; that is the best of all checkpoints on the test images"
        elif abs(got - validation[chosen].double().mean().item()) < 1e-6:
            told = "; that is the accuracy on the images that did the choosing"
        require(abs(got - want) < 1e-6, f"with {checkpoints} checkpoints your function reports {got:.3f}{told}")


@check(
    hints=(
        "The accuracy on all images is a weighted mean of two accuracies. Which weights?",
        "all = share · twins + (1 - share) · others; solve for others.",
    )
)
def without_twins(answer: Callable[[float, float, float], float]) -> None:
    """Check `answer(accuracy, twin_accuracy, twin_share)`: accuracy on the images without a twin."""
    for others, twins, share in ((0.6437, 0.84, 0.08), (0.5, 1.0, 0.25), (0.7, 0.7, 0.1), (0.6, 0.9, 0.0)):
        whole = torch.lerp(torch.tensor(others), torch.tensor(twins), share).item()
        got = number(answer(whole, twins, share), "the result")
        require(
            abs(got - others) < 1e-5,
            f"with accuracy {whole:.3f}, of which twins {twins:.2f} on a share of {share:.2f}, you get {got:.3f}",
        )


@check(
    hints=(
        "A process with more images has more to say. Try two processes of which one holds a single image.",
        "Multiply each mean by its count, add up, divide by all images.",
    )
)
def team_gradient(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `answer(gradients, counts)`: the gradient of the whole batch from each process's mean gradient."""
    generator = torch.Generator().manual_seed(4)
    for counts in ([3, 3], [5, 1], [1, 2, 3, 4], [7]):
        slopes = torch.randn(sum(counts), 6, generator=generator)  # one gradient for each image
        means = torch.stack([part.mean(0) for part in slopes.split(counts)])
        got = _shaped(answer(means, torch.tensor(counts)), "the result", (6,))
        off = float((got - slopes.mean(0)).abs().max())
        require(off < 1e-6, f"for parts of {counts} images the gradient is off by up to {off:.3g}")
