"""What a network that somebody designed must do before its cost is counted: give logits, and look at the picture."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from emotion_utils.models.handling import eval_mode
from emotion_utils.models.shapes import trace_shapes

from . import Wrong, require, unfinished

BOUNDING = {"ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softmax", "LogSoftmax", "Hardtanh", "ReLU6"}


@contextmanager
def no_new_layers() -> Iterator[None]:
    """Refuse layers with parameters that are made in the block.

    Raises:
        Wrong: one was made, also where the answer itself swallowed the error.
    """
    found: list[Wrong] = []

    def refuse(layer: nn.Module, *_: object) -> None:
        kind = type(layer).__name__
        found.append(Wrong(f"your code makes a layer, nn.{kind}, and the exercise asks for arithmetic alone"))
        raise found[0]

    handle = register_module_parameter_registration_hook(refuse)
    try:
        yield
    finally:
        handle.remove()
    if found:
        raise found[0]


def fresh(build: Callable[[], nn.Module] | nn.Module) -> nn.Module:
    """Return the network: what `build()` makes, or the module itself."""
    model = build if isinstance(build, nn.Module) else unfinished(build())
    require(isinstance(model, nn.Module), f"an nn.Module is wanted; what came is {type(model).__name__}")
    return model


def require_scores(model: nn.Module, faces: Tensor) -> None:
    """Run the network on random faces without changing it; require finite logits `(N, 7)` that depend on the faces."""
    with eval_mode(model), torch.no_grad():
        scores = model(faces)
    require(isinstance(scores, Tensor), f"the network returned {type(scores).__name__}; a tensor is wanted")
    require(
        scores.ndim == 2 and len(scores) == len(faces),
        f"{len(faces)} faces of {faces.shape[-1]} pixels gave a result of shape {tuple(scores.shape)}; "
        "a row for each face is wanted",
        "A batch keeps its first axis to the end. Which layer makes one row of numbers out of a face's maps?",
    )
    require(
        scores.shape[1] == 7,
        f"the network gives {scores.shape[1]} scores for each face; there are 7 emotions",
        "Which layer comes last, and which of its numbers says how many scores it gives?",
    )
    require(bool(torch.isfinite(scores).all()), "some scores are infinite or not a number")
    total = scores.sum(1)
    require(
        bool((scores < 0).any()) or not torch.allclose(total, torch.ones_like(total), atol=1e-4),
        "the network ends in a softmax; the loss applies one itself, so the network should return logits",
        "Section 8 asks how low the loss of a network with two softmaxes can get.",
    )
    last = trace_shapes(model, (1, *faces.shape[1:])).rows[-1:]
    require(
        not last or last[0].kind not in BOUNDING or last[0].output_shape[1:] != (7,),
        f"the last layer is {last[0].kind if last else ''}; a score may be any number",
        "What can the scores no longer say once that layer has been at them?",
    )
    # A deep untrained network answers nearly alike; in double precision only one that ignores the faces has no spread.
    spread = float(_precise(model)(faces.double()).std(0).max())
    require(spread > 1e-13, "every face got the same scores, so the network does not look at them")


def _precise(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network in double precision, to be asked without gradients."""
    return torch.no_grad()(copy.deepcopy(model).double().eval())


def windows(model: nn.Module, faces: Tensor) -> list[int]:
    """Return the larger side of each convolution's kernel, of those that run."""
    sides: list[int] = []
    copied = copy.deepcopy(model).eval()
    for layer in copied.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, *_: sides.append(max(layer.kernel_size)))
    with torch.no_grad():
        copied(faces[:1])
    return sides


def require_a_cnn(model: nn.Module, faces: Tensor, least: int) -> None:
    """Require `least` convolutions with windows, no linear map, an eye for order, and for most of the picture."""
    sides = windows(model, faces)
    require(len(sides) >= least, f"{len(sides)} convolutions run; at least {least} are wanted")
    wide = sum(side > 1 for side in sides)
    require(
        wide >= least,
        f"of its {len(sides)} convolutions, {len(sides) - wide} have a window of one pixel; "
        f"at least {least} should see a neighbourhood",
        "What does a 1×1 convolution know of a pixel's neighbours?",
    )
    ask, images = _precise(model), faces.double()
    one, two = images[:1], images[1:2]
    answers = torch.cat([ask(one + two), ask(torch.zeros_like(one)), ask(one), ask(two)])
    size = float(answers.std(0).max())
    gap = float((answers[0] + answers[1] - answers[2] - answers[3]).abs().max())
    require(
        gap > 1e-9 * size,
        "its answer to the sum of two faces is the sum of its answers, so all its layers amount to one linear map",
        "Section 3 tested what *linear* means. What broke the sum there?",
    )
    order = torch.randperm(images[0].numel(), generator=torch.Generator().manual_seed(0))
    mixed = images.flatten(1)[:, order].view_as(images)
    change = float((ask(mixed) - ask(images)).abs().max())
    require(
        change > 1e-9 * size,
        "shuffling the pixels of a face leaves its scores as they are, so the network sees brightness and no features",
    )
    share = _share_seen(model, images)
    require(
        share > 0.5,
        f"only {share:.0%} of the pixels make a difference to its scores; the rest of the face is never looked at",
        "Find the layer whose steps are longer than its window, or whose map no longer reaches the rim.",
    )


DRAWS = 6  # of the weights of a network, until one lets more than half of the picture through


def _share_seen(model: nn.Module, images: Tensor) -> float:
    """Return the share of the pixels that have a gradient in one of the images `(N, 1, h, w)`, float64.

    In a deep network the units of a whole layer may be silent by the luck of its first weights. So where little is
    seen, the weights are drawn again: what is left out every time is left out by the layers.
    """
    copied, best = copy.deepcopy(model).double().eval(), 0.0
    images = images.clone().requires_grad_()
    # Random weights for the scores, since gradients of equal scores might cancel.
    weights = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for seed in range(DRAWS):
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad((copied(images) * weights).sum(), images)
        best = max(best, float((gradient != 0).any(0).double().mean()))
        if best > 0.5:
            break
        _draw_again(copied, seed)
    return best


def _draw_again(model: nn.Module, seed: int) -> None:
    """Draw all weights anew, as PyTorch's layers do it; the global random numbers stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in model.modules():
            if callable(getattr(layer, "reset_parameters", None)):
                layer.reset_parameters()
