"""Checks for notebook 03: parameters, shapes, log-softmax, the loss of a blind network, repairs, small networks."""

import copy
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.models.shapes import trace_shapes

from . import Wrong, check, number, require, unfinished, whole


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
        layer = nn.Conv2d(inputs, outputs, kernel, bias=bias)
        truth = sum(p.numel() for p in layer.parameters())
        _count(conv(inputs, outputs, kernel, bias), truth, f"conv_parameters({inputs}, {outputs}, {kernel}, {bias})")
        truth = sum(p.numel() for p in nn.Linear(inputs, outputs, bias=bias).parameters())
        _count(linear(inputs, outputs, bias), truth, f"linear_parameters({inputs}, {outputs}, {bias})")


def _out_of_order(*_: Any, **__: Any) -> Tensor:
    raise RuntimeError("this layer does not run; work the shape out from its attributes, such as layer.out_channels")


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
        got = unfinished(answer(shown, shape), f"for {layer} your function")
        try:
            got = tuple(operator.index(size) for size in got)  # refuses halves of pixels
        except TypeError:
            raise Wrong(f"for {layer} you returned {got!r}; a tuple of whole numbers is wanted") from None
        require(got == truth, f"for {layer} fed with {shape} you returned {got}; the layer returns another shape")


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
        kept = logits.clone()
        call = f"log_softmax of logits {tuple(shape)} between {logits.min():.0f} and {logits.max():.0f}"
        got = unfinished(answer(logits))
        require(isinstance(got, Tensor), f"{call} is {type(got).__name__}; a tensor is wanted")
        require(torch.equal(logits, kept), "your function changed the logits it was given; work on a copy")
        require(got.shape == logits.shape, f"{call} has shape {tuple(got.shape)}; one number per logit is wanted")
        broken = int((~torch.isfinite(got)).sum())
        require(broken == 0, f"{call} has {broken} values that are infinite or not a number")
        total = got.double().exp().sum(-1)
        require(
            torch.allclose(total, torch.ones_like(total), atol=1e-3),
            f"{call}: the probabilities of one face add up to {total.flatten()[0]:.3g}",
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
        require(math.isfinite(got), f"{call} gave {got}, which is not a finite number")
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        share = torch.tensor(counts, dtype=torch.float64) / len(labels)
        truth = float(functional.cross_entropy(share.clamp_min(1e-300).log().expand(len(labels), -1), labels))
        side = "high: a blind network can do better" if got > truth else "low: no blind network gets there"
        require(abs(got - truth) < 1e-3, f"{call} gave {got:.4f}, which is too {side}")


def _fresh(build: Callable[[], nn.Module] | nn.Module) -> nn.Module:
    """Return the network: what `build()` makes, or the module itself."""
    model = build if isinstance(build, nn.Module) else unfinished(build())
    require(isinstance(model, nn.Module), f"an nn.Module is wanted; what came is {type(model).__name__}")
    return model


def _scores(model: nn.Module, faces: Tensor) -> Tensor:
    """Run the network on random faces without changing it; require finite logits `(N, 7)`."""
    was = model.training
    with torch.no_grad():
        scores = model.eval()(faces)
    model.train(was)
    want = (len(faces), 7)
    require(isinstance(scores, Tensor), f"the network returned {type(scores).__name__}; a tensor is wanted")
    require(
        scores.ndim == 2 and len(scores) == len(faces),
        f"{len(faces)} faces of {faces.shape[-1]} pixels gave a result of shape {tuple(scores.shape)}; "
        "a row for each face is wanted",
    )
    require(scores.shape == want, f"the network gives {scores.shape[1]} scores for each face; there are 7 emotions")
    require(bool(torch.isfinite(scores).all()), "some scores are infinite or not a number")
    total = scores.sum(1)
    require(
        bool((scores < 0).any()) or not torch.allclose(total, torch.ones_like(total), atol=1e-4),
        "the network ends in a softmax; the loss applies one itself, so the network should return logits",
    )
    # A deep untrained network answers nearly alike; in double precision only one that ignores the faces has no spread.
    with torch.no_grad():
        spread = float(copy.deepcopy(model).double().eval()(faces.double()).std(0).max())
    require(spread > 1e-13, "every face got the same scores, so the network does not look at them")
    return scores


@check(
    hints=(
        "Run the network on one batch and read the error from its end: which two numbers should be equal?",
        "What leaves a layer enters the next one. Follow the channels first, then the pixels: how many are left when "
        "the linear layers begin, and in what arrangement?",
        "Two convolutions must agree on one number, something between the last pooling and the first linear layer is "
        "missing, and there are seven emotions.",
    )
)
def repaired(build: Callable[[], nn.Module]) -> None:
    """Run the network on random faces; its two convolutions (8 and 24 channels) and its kind of layers must remain."""
    model = _fresh(build)
    faces = torch.randn(5, 1, 48, 48, generator=torch.Generator().manual_seed(35))
    _scores(model, faces)
    with torch.no_grad():
        one = model.eval()(faces[:1])
    require(tuple(one.shape) == (1, 7), f"one face alone gave a result of shape {tuple(one.shape)}")
    widths = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    require(widths == [8, 24], f"the convolutions have {widths} output channels; the repair should keep 8 and 24")
    kinds = [row.kind for row in trace_shapes(model).rows]  # a layer that is used twice is there twice
    for kind, count in (("MaxPool2d", 2), ("ReLU", 3)):
        require(kinds.count(kind) == count, f"{kinds.count(kind)} {kind} layers run; the broken network has {count}")
    require(kinds[-1] == "Linear", f"the last layer is {kinds[-1]}; scores should come out as they are")
    linear = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)]
    require(
        len(linear) == 2, f"the repaired network has {len(linear)} linear layers; the broken one had two, keep them"
    )
    require(linear[0] == 32, f"the first linear layer has {linear[0]} outputs; the repair should keep 32")


@check(
    hints=(
        "Which layer of `TinyCNN` fixes the image's size? What would it need to see to be content with any size?",
        "A map of any size can be summed up in one number per channel. Look among PyTorch's adaptive pooling layers.",
        "After such a summary, flatten; how many numbers does a face have then? If the network is too large, print the "
        "parameters of each layer.",
    )
)
def any_size(build: Callable[[], nn.Module]) -> None:
    """Run the network on faces of several sizes; count its convolutions and its parameters (under 25,000)."""
    model = _fresh(build)
    generator = torch.Generator().manual_seed(36)
    for size in (48, 32, 40, 64, 95):
        try:
            _scores(model, torch.randn(4, 1, size, size, generator=generator))
        except RuntimeError as error:
            raise Wrong(f"on faces of {size}×{size} pixels the network failed: {str(error).splitlines()[0]}") from None
    count = sum(p.numel() for p in model.parameters())
    require(count < 25_000, f"the network has {count:,} parameters; fewer than 25,000 are wanted")
    convs = sum(isinstance(layer, nn.Conv2d) for layer in model.modules())
    require(convs >= 3, f"the network has {convs} convolutions; keep at least three")


@check(
    hints=(
        "Print `trace_shapes` of your network: which row has the most multiply-adds?",
        "Halving the channels of two neighbouring layers divides the work between them by four. Pooling earlier does "
        "the same for all layers behind it.",
    )
)
def thrifty(model: nn.Module, baseline: nn.Module) -> None:
    """Require logits for 48×48 faces at half of `baseline`'s multiply-adds and a quarter of its parameters, or less."""
    model = _fresh(model)
    _scores(model, torch.randn(3, 1, 48, 48, generator=torch.Generator().manual_seed(37)))
    mine, theirs = trace_shapes(model), trace_shapes(baseline)
    work, limit = mine.total_multiply_adds, theirs.total_multiply_adds // 2
    require(work <= limit, f"your network needs {work:,} multiply-adds for a face; the limit is {limit:,}")
    count, limit = mine.total_parameters, theirs.total_parameters // 4
    require(count <= limit, f"your network has {count:,} parameters; the limit is {limit:,}")
