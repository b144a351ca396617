"""Follow an image through a network step by step: layers, the functions between them, and what takes what from where.

`trace_shapes` names the layers. Much of a network can be no layer at all: `F.max_pool2d(x, 2)`, `x.mean((2, 3))`, the
`+` of a residual connection. Here these are steps as well, as far as they change a shape, join two results or multiply
matrices, and each step knows which steps gave it its input. That shows branches without knowing anything about the
network's code.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from emotion_utils.errors import ShapeError, reason
from emotion_utils.models.handling import named_layers, undisturbed, unwrap
from emotion_utils.models.shapes import counted, trace_shapes

IMAGE = -1  # in `Step.sources`: the image itself
FUNCTION = "function"  # `Step.kind` of what is no layer


@dataclass(frozen=True, eq=False)
class Step:
    """One layer, or one function between layers."""

    name: str  # as in `model.named_modules()`; of a function, the module that calls it and the function's name
    kind: str  # the layer's class, such as "Conv2d", or "function"
    output_shape: tuple[int, ...]  # (N, K, h, w), (N, K), …
    parameters: int
    multiply_adds: int  # for one image, in convolutions and matrix products; else 0
    sources: tuple[int, ...]  # numbers of the steps that it takes from, -1 for the image; () where nobody can tell
    output: Tensor | None  # what it gave, if that was asked for


def follow_steps(model: nn.Module, images: Tensor, keep: int | None = None) -> list[Step]:
    """Send images through `model` in evaluation mode and return its steps in the order in which they end.

    Mode, buffers and random numbers stay as they are. A network that cannot be looked into (a scripted one) is one
    step.

    Args:
        model: any network.
        images: float `(N, C, H, W)` on the network's device.
        keep: number of the step whose output is kept, on the CPU; None keeps none.

    Raises:
        ShapeError: a layer cannot take what it gets.
    """
    model, images = unwrap(model), images.clone()  # it may work in place
    handles: list[Any] = []
    try:
        with counted(model) as count, undisturbed(model), torch.no_grad():
            watch = _Watch(images, keep, count)
            for name, module in named_layers(model):
                with suppress(RuntimeError):  # a scripted module takes no hooks
                    handles.append(module.register_forward_pre_hook(partial(watch.enter, name)))
                    handles.append(module.register_forward_hook(partial(watch.leave, name)))
            with watch:
                output = model(images)
            total = count()
    except Exception as error:  # the code of a reader's network may raise anything
        trace_shapes(model, tuple(images.shape))  # names the layer that does not fit
        raise ShapeError(f"{type(model).__name__} cannot be followed step by step: {reason(error, 200)}") from error
    finally:
        for handle in handles:
            handle.remove()
    if not watch.steps and isinstance(output, Tensor):
        watch.add("", type(model).__name__, output, sum(p.numel() for p in model.parameters()), total, {IMAGE})
    return watch.steps


class _Watch(TorchFunctionMode):
    """Notes layers (from hooks) and functions (which PyTorch announces to such a mode), and where tensors come from."""

    def __init__(self, images: Tensor, keep: int | None, count: Callable[[], int]) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.keep, self.count, self.number, self.paused = keep, count, len(images), False
        self.inside: list[list] = []  # modules at work: name, module, whether it called another one, what was done then
        self.origin: dict[int, set[int]] = {id(images): {IMAGE}}  # of a tensor, by its identity
        self.alive: list[Tensor] = [images]  # an identity is used again when its tensor is gone

    def enter(self, name: str, module: nn.Module, inputs: tuple) -> None:
        for outer in self.inside[-1:]:
            outer[2] = True
        self.inside.append([name, module, False, self.count()])

    def leave(self, name: str, module: nn.Module, inputs: tuple, output: Any) -> None:
        _, _, calls, begun = self.inside.pop()
        first = next(_tensors(output), None)
        is_root_of_functions = not self.inside and bool(self.steps)
        if calls:  # what comes out of it in ways that nobody can see is taken to come from its last step
            for tensor in _tensors(output):
                if id(tensor) not in self.origin:
                    self.remember(tensor, {len(self.steps) - 1})
        if calls or first is None or is_root_of_functions:
            return
        parameters = sum(p.numel() for p in module.parameters())
        work, sources = self.count() - begun, self.sources(inputs)
        self.add(name, type(module).__name__, first, parameters, work, sources)
        for tensor in _tensors(output):
            self.remember(tensor, {len(self.steps) - 1})

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        begun = self.count()
        result = func(*args, **(kwargs or {}))
        if not self.paused and self._is_between():
            self._note(func, (args, kwargs or {}), result, self.count() - begun)
        return result

    def _is_between(self) -> bool:
        """Say whether the code that runs now is a network's own, not the inside of a layer."""
        if len(self.inside) < 2:
            return bool(self.inside)
        module = self.inside[-1][1]
        return any(True for _ in module.children()) and not type(module).__module__.startswith("torch.nn.")

    def _note(self, func: Callable, given: Any, result: Any, work: int) -> None:
        sources = self.sources(given)
        made = list(_tensors(result))
        if not sources or not made:
            return
        first = made[0]
        shapes = {tuple(tensor.shape) for tensor in _tensors(given) if id(tensor) in self.origin}
        joins = len({frozenset(self.origin[id(t)]) for t in _tensors(given) if id(t) in self.origin}) > 1
        if joins or work or tuple(first.shape) not in shapes:
            place = self.inside[-1][0]
            word = getattr(func, "__name__", "function").strip("_") or "function"
            weights = sum(t.numel() for t in _tensors(given) if isinstance(t, nn.Parameter))
            self.add(f"{place}.{word}" if place else word, FUNCTION, first, weights, work, sources)
            sources = {len(self.steps) - 1}
        for tensor in made:
            self.remember(tensor, sources)

    def sources(self, given: Any) -> set[int]:
        found: set[int] = set()
        for tensor in _tensors(given):
            found |= self.origin.get(id(tensor), set())
        return found

    def remember(self, tensor: Tensor, origin: set[int]) -> None:
        self.origin[id(tensor)] = set(origin)
        self.alive.append(tensor)

    def add(self, name: str, kind: str, output: Tensor, parameters: int, work: int, sources: Iterable[int]) -> None:
        kept, self.paused = None, True
        if len(self.steps) == self.keep:
            kept = output.detach().to("cpu", torch.float32, copy=True)
        self.paused = False
        sources, work = tuple(sorted(sources)), work // self.number
        self.steps.append(Step(name, kind, tuple(output.shape), parameters, work, sources, kept))


def _tensors(value: Any) -> Any:
    """Yield the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
