"""Checks for notebook 03: parameters, shapes, log-softmax, the loss of a blind network, repairs, small networks."""

import copy
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.models.handling import eval_mode
from emotion_utils.models.shapes import trace_shapes

from . import Wrong, check, number, require, unfinished, whole
from .answers import without
from .designs import fresh, no_new_layers, require_a_cnn, require_scores, windows


def _count(value: Any, truth: int, call: str) -> None:
    """Raise `Wrong` unless `value` is the whole number `truth`; say on which side it lies, and no more."""
    got = whole(value, call)
    require(got == truth, f"{call} gave {got:,.0f}, which is too {'many' if got > truth else 'few'}")


def _integers(generator: torch.Generator, low: int, high: int, count: int) -> list[int]:
    return torch.randint(low, high, (count,), generator=generator).tolist()


@check(
    hints=(
        "Ask PyTorch: print `[p.shape for p in layer.parameters()]` for one layer of each kind.",
        "One output channel looks at all input channels through windows of its own. How many weights are in those?",
        "Multiply weights per output by outputs first. What `bias=True` adds does not depend on the kernel.",
    )
)
def parameters(conv: Callable[..., int], linear: Callable[..., int]) -> None:
    """Compare `conv(inputs, outputs, kernel, bias)` and `linear(inputs, outputs, bias)` with PyTorch's layers."""
    generator = torch.Generator().manual_seed(31)
    for trial in range(16):
        inputs, outputs = _integers(generator, 1, 40, 2)
        (kernel,) = _integers(generator, 1, 8, 1)
        bias = trial % 2 == 0
        layers = [nn.Conv2d(inputs, outputs, kernel, bias=bias), nn.Linear(inputs, outputs, bias=bias)]
        in_conv, in_linear = (sum(p.numel() for p in layer.parameters()) for layer in layers)
        with no_new_layers():
            counts = conv(inputs, outputs, kernel, bias), linear(inputs, outputs, bias)
        _count(counts[0], in_conv, f"conv_parameters({inputs}, {outputs}, {kernel}, {bias})")
        _count(counts[1], in_linear, f"linear_parameters({inputs}, {outputs}, {bias})")


def _out_of_order(*_: Any, **__: Any) -> Tensor:
    raise RuntimeError("this layer does not run; work the shape out from its attributes, such as layer.out_channels")


# What a layer calls when it runs; the exercise is to say what comes out without that.
RUNNING = ("conv2d", "max_pool2d", "max_pool2d_with_indices", "batch_norm", "relu", "linear", "flatten", "addmm")


def _random_layers(generator: torch.Generator) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """Make layers of every kind that the exercise names, each with a shape that it accepts."""
    cases: list[tuple[nn.Module, tuple[int, ...]]] = []
    for _ in range(12):
        inputs, outputs, size = _integers(generator, 1, 30, 3)
        size += 8
        kernel, stride, padding = (_integers(generator, low, high, 1)[0] for low, high in ((1, 6), (1, 4), (0, 3)))
        cases.append((nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding), (inputs, size, size)))
        cases.append((nn.MaxPool2d(kernel, stride=stride), (inputs, size, size)))
        cases.append((nn.MaxPool2d(kernel), (inputs, size, size)))
        cases.append((nn.BatchNorm2d(inputs), (inputs, size, size)))
        cases.append((nn.ReLU(), (inputs, size, size)))
        cases.append((nn.Flatten(), (inputs, size, size)))
        cases.append((nn.Linear(inputs, outputs), (inputs,)))
    return cases


@check(
    hints=(
        "Take one kind of layer at a time: `isinstance(layer, nn.Conv2d)`. Which kinds leave the shape as it is?",
        "The formula of notebook 02 gives the size. Attributes may be pairs: `layer.kernel_size[0]` of a convolution, "
        "but a plain number in `nn.MaxPool2d(2)`.",
        "A convolution decides the channels, a pooling layer keeps them. A window that does not fit is dropped: `//`.",
    )
)
def shape_after(answer: Callable[[nn.Module, tuple[int, ...]], Sequence[int]]) -> None:
    """Compare with the shapes that random layers really return; the layers handed over refuse to run."""
    for layer, shape in _random_layers(torch.Generator().manual_seed(32)):
        with torch.no_grad():
            truth = tuple(layer.eval()(torch.zeros(1, *shape)).shape[1:])
        shown = copy.deepcopy(layer)
        shown.forward = _out_of_order  # type: ignore[method-assign]  # arithmetic is the exercise
        with without(*RUNNING):
            got = unfinished(answer(shown, shape), f"for {layer} your function")
        try:
            got = tuple(operator.index(size) for size in got)  # refuses halves of pixels
        except TypeError:
            raise Wrong(f"for {layer} you returned {got!r}; a tuple of whole numbers is wanted") from None
        hint = None if got == truth else _hint_for_shape(layer, got, truth)
        require(got == truth, f"for {layer} fed with {shape} you returned {got}; the layer returns another shape", hint)


def _hint_for_shape(layer: nn.Module, got: tuple[int, ...], truth: tuple[int, ...]) -> str | None:
    """Tell apart a wrong number of axes, wrong channels and a wrong size."""
    kind = type(layer).__name__
    if len(got) != len(truth):
        return f"How many axes are left behind a {kind}? Print the shape of one in the cells above."
    if len(truth) == 1 or isinstance(layer, nn.BatchNorm2d | nn.ReLU):
        return f"Does a {kind} compute new numbers from all of a face, or treat each number alone?"
    if got[0] != truth[0]:
        return f"Height and width are another matter; look at the channels. Who decides them, the {kind} or its input?"
    if isinstance(layer, nn.MaxPool2d):
        return "What becomes of the last pixels when the windows of a pooling do not divide the map?"
    return None


# PyTorch's own, by their own names and by those of what would do the same.
LOG_SOFTMAXES = (
    "log_softmax",
    "_log_softmax",
    "special_log_softmax",
    "cross_entropy",
    "cross_entropy_loss",
    "nll_loss",
)


def _require_finite(got: Tensor, call: str) -> None:
    whole_rows = (~torch.isfinite(got)).all(-1, keepdim=True)  # the sum was infinite, not one of its terms
    lost = int((got.isnan() | (got == math.inf) | whole_rows).sum())
    sunk = int((got == -math.inf).sum())
    require(
        lost == 0,
        f"{call} has {lost} values that are not a number, or infinite",
        "Somewhere a power overflowed. What did `softmax` above do about that?",
    )
    require(
        sunk == 0,
        f"{call} has {sunk} values of minus infinity",
        "A probability was rounded to zero before its logarithm was taken. Take the logarithm on paper first: what "
        "does log(exp(z) / sum) become?",
    )


@check(
    hints=(
        "Take the logarithm on paper first: what does log(exp(z) / sum) become?",
        "The logarithm of a very small probability must not be taken after it has been rounded to zero.",
        "Shift the logits as `softmax` does. One term is then a plain difference; only the sum needs a logarithm.",
    )
)
def log_softmax(answer: Callable[[Tensor], Tensor]) -> None:
    """Compare with `torch.log_softmax` on random logits: small, huge, far apart, in one row and in many."""
    generator = torch.Generator().manual_seed(33)
    for shape, scale, shift in [
        ((7,), 1, 0),
        ((5, 7), 1, 0),
        ((3, 4), 300, 0),
        ((6, 7), 2, 1000),
        ((6, 7), 2, -1000),
        ((2, 3, 5), 5, 0),
        ((4, 1), 1, 0),
    ]:
        logits = scale * torch.randn(shape, generator=generator) + shift
        call = f"log_softmax of logits {tuple(shape)} between {logits.min():.0f} and {logits.max():.0f}"
        with without(*LOG_SOFTMAXES):
            got = unfinished(answer(logits))
        require(isinstance(got, Tensor), f"{call} is {type(got).__name__}; a tensor is wanted")
        require(got.shape == logits.shape, f"{call} has shape {tuple(got.shape)}; one number per logit is wanted")
        _require_finite(got, call)
        total = got.double().exp().sum(-1)
        require(
            torch.allclose(total, torch.ones_like(total), atol=1e-3),
            f"{call}: the probabilities of one face add up to {total.flatten()[0]:.3g}",
            "The exponentials of what you return are probabilities. Over which axis should those add up to 1?",
        )
        off = ~torch.isclose(got.double(), functional.log_softmax(logits.double(), -1), rtol=1e-4, atol=1e-3)
        require(not off.any(), f"{call}: {int(off.sum())} of {off.numel()} values are off")


@check(
    hints=(
        "A network that sees nothing gives every face the same probabilities. Which ones suit these counts best?",
        "Each class of the counts costs minus the logarithm of the probability given to it. How often is it paid?",
        "Average the costs with the shares of the classes as weights. A class without faces costs nothing.",
    )
)
def blind_loss(answer: Callable[[Sequence[int]], float]) -> None:
    """Compare with the smallest mean cross-entropy that any constant prediction reaches, on random counts."""
    generator = torch.Generator().manual_seed(34)
    cases = [_integers(generator, 1, 2000, classes) for classes in (7, 7, 3, 12, 2, 7)]
    cases += [[100] * 4, [1, 0, 3], [0, 0, 9, 9, 9]]
    for counts in cases:
        call = f"blind_loss({counts})"
        got = number(answer(list(counts)), call)
        require(
            math.isfinite(got),
            f"{call} gave {got}, which is not a finite number",
            "What does your formula do with a class that has no faces, and what does such a class cost?",
        )
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        share = torch.tensor(counts, dtype=torch.float64) / len(labels)
        truth = float(functional.cross_entropy(share.clamp_min(1e-300).log().expand(len(labels), -1), labels))
        side = "high: a blind network can do better" if got > truth else "low: no blind network gets there"
        hint = _hint_for_loss(got, truth, len(counts))
        require(abs(got - truth) < 1e-3, f"{call} gave {got:.4f}, which is too {side}", hint)


def _hint_for_loss(got: float, truth: float, classes: int) -> str | None:
    """Tell apart losses that have an explanation."""
    if got < 0:
        return "A loss is minus a logarithm. Can it be less than nothing?"
    if abs(got - math.log(classes)) < 1e-3:
        return "That network gives all classes the same probability. May it not know which classes are frequent?"
    if abs(got * math.log(2) - truth) < 1e-3:
        return "In which unit is the loss, and to which base is your logarithm?"
    return None


@check(
    hints=(
        "Run the network on one batch and read the error from its end: which two numbers should be equal?",
        "What leaves a layer enters the next one. Follow the channels first, then the pixels: how many are left when "
        "the linear layers begin, and in what arrangement?",
        "`trace_shapes` names the layer that does not fit. Compare what that layer was made for with what reaches it.",
    )
)
def repaired(build: Callable[[], nn.Module]) -> None:
    """Run the network on random faces; its two convolutions (8 and 24 channels) and its kind of layers must remain."""
    model = fresh(build)
    faces = torch.randn(5, 1, 48, 48, generator=torch.Generator().manual_seed(35))
    require_scores(model, faces)
    with eval_mode(model), torch.no_grad():
        one = model(faces[:1])
    require(tuple(one.shape) == (1, 7), f"one face alone gave a result of shape {tuple(one.shape)}")
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    require(widths == [8, 24], f"the convolutions have {widths} output channels; the repair should keep 8 and 24")
    kinds = [row.kind for row in trace_shapes(model).rows]  # a layer that is used twice is there twice
    for kind, count in (("Conv2d", 2), ("MaxPool2d", 2), ("ReLU", 3)):
        require(kinds.count(kind) == count, f"{kinds.count(kind)} {kind} layers run; the broken network has {count}")
    sides = windows(model, faces)
    require(sides == [3, 3], f"the kernels have sides {sides}; those of the broken network do no harm, keep them")
    require(kinds[-1] == "Linear", f"the last layer is {kinds[-1]}; scores should come out as they are")
    require_a_cnn(model, faces, least=2)
    linear = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)]
    require(
        len(linear) == 2, f"the repaired network has {len(linear)} linear layers; the broken one had two, keep them"
    )
    require(linear[0] == 32, f"the first linear layer has {linear[0]} outputs; the repair should keep 32")


@check(
    hints=(
        "Which layer of `TinyCNN` fixes the image's size? What would it need to see to be content with any size?",
        "A map of any size can be summed up in one number per channel. Look among PyTorch's adaptive pooling layers.",
        "After such a summary, how many numbers does a face have? The next layer is made for that many.",
    )
)
def any_size(build: Callable[[], nn.Module]) -> None:
    """Run the network on faces of several sizes; count its convolutions and its parameters (under 25,000)."""
    model = fresh(build)
    generator = torch.Generator().manual_seed(36)
    for size in (48, 32, 40, 64, 95):
        try:
            require_scores(model, torch.randn(4, 1, size, size, generator=generator))
        except RuntimeError as error:
            raise Wrong(f"on faces of {size}×{size} pixels the network failed: {str(error).splitlines()[0]}") from None
    count = sum(p.numel() for p in model.parameters())
    require(
        count < 25_000,
        f"the network has {count:,} parameters; fewer than 25,000 are wanted",
        "Print the parameters of each layer. What does the number in the largest row depend on?",
    )
    require_a_cnn(model, torch.randn(4, 1, 48, 48, generator=generator), least=3)


@check(
    hints=(
        "Print `trace_shapes` of your network: which row has the most of what is too much?",
        "Halving the channels of two neighbouring layers divides the work between them by four. Pooling earlier does "
        "the same for all layers behind it.",
    )
)
def thrifty(model: nn.Module, baseline: nn.Module) -> None:
    """Require a CNN at half of `baseline`'s multiply-adds and a quarter of its parameters, or less."""
    model = fresh(model)
    faces = torch.randn(3, 1, 48, 48, generator=torch.Generator().manual_seed(37))
    require_scores(model, faces)
    require_a_cnn(model, faces, least=2)
    mine, theirs = trace_shapes(model), trace_shapes(baseline)
    work, limit = mine.total_multiply_adds, theirs.total_multiply_adds // 2
    require(work <= limit, f"your network needs {work:,} multiply-adds for a face; the limit is {limit:,}")
    count, limit = mine.total_parameters, theirs.total_parameters // 4
    require(count <= limit, f"your network has {count:,} parameters; the limit is {limit:,}")
