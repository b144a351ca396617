"""Follow an image through a network: the shape after each layer, what it costs, and where the layers do not fit."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from emotion_utils.errors import ShapeError, brief, check_whole, reason
from emotion_utils.models.handling import (
    check_model,
    materialise,
    named_layers,
    place_of,
    undisturbed,
    unwrap,
    without_fast_path,
)

MOST_NUMBERS = 2**30  # in a batch of images


@dataclass(frozen=True)
class Row:
    """One layer of a `Trace`."""

    name: str  # as in `model.named_modules()`, such as "features.block1.conv1"
    kind: str  # the layer's class, such as "Conv2d"
    output_shape: tuple[int, ...]  # (N, K, h, w) of a convolution, (N, K) of a linear layer
    parameters: int
    multiply_adds: int  # for one image, in convolutions and matrix products; else 0


@dataclass(frozen=True)
class Trace:
    """What `trace_shapes` found; `print(trace)` shows it as a table."""

    input_shape: tuple[int, ...]  # (N, channels, height, width)
    output_shape: tuple[int, ...]  # of what the model returns: (N, C) of a classifier; () if it is not a tensor
    rows: tuple[Row, ...]  # in the order in which the layers ended
    total_parameters: int  # shared ones counted once
    multiply_adds_between: int = 0  # for one image, in functions that run between layers, such as `F.conv2d` and `@`

    @property
    def total_multiply_adds(self) -> int:
        """Sum over all layers and what runs between them, for one image."""
        return sum(row.multiply_adds for row in self.rows) + self.multiply_adds_between

    def __str__(self) -> str:
        cells = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
        cells.append(("input", "", str(self.input_shape), "", ""))
        for row in self.rows:
            cells.append(
                (row.name, row.kind, str(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}"),
            )
        if self.multiply_adds_between:
            cells.append(("functions between layers", "", "", "", f"{self.multiply_adds_between:,}"))
        cells.append(("total", "", "", f"{self.total_parameters:,}", f"{self.total_multiply_adds:,}"))
        wide = [max(len(line[i]) for line in cells) for i in range(5)]
        lines = [
            "  ".join(
                text.ljust(w) if i < 3 else text.rjust(w) for i, (text, w) in enumerate(zip(line, wide, strict=True))
            )
            for line in cells
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__


@dataclass
class _Call:
    """A layer that is at work."""

    name: str
    module: nn.Module
    given: Tensor | None  # its first input, if that is a tensor
    begun: int  # how many multiply-adds had been done before
    calls_layers: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.given is None else tuple(self.given.shape)


def trace_shapes(model: nn.Module, input_shape: tuple[int, ...] = (1, 1, 48, 48)) -> Trace:
    """Send zeros through `model` and note each layer's output shape, parameters and multiply-adds.

    Works with any `nn.Module`; the model, its buffers, its mode and the random numbers stay as they are (a lazy layer
    gets its sizes and weights). A layer is a module that calls no other one. Multiply-adds are counted for one image,
    in convolutions and matrix products, where nearly all of them are, be they layers or functions.

    Args:
        model: the network. Of a wrapper that computes the same, such as `torch.compile`, the network inside.
        input_shape: shape of a batch of images, `(N, channels, height, width)`.

    Raises:
        TypeError: not a network.
        ValueError: sizes that are none, or of images that fit no memory.
        ShapeError: a layer cannot take what the layer before it gives, or the code of `forward` fails.
    """
    check_model(model)
    model = unwrap(model)
    device, dtype = place_of(model)
    if not isinstance(input_shape, tuple | list | torch.Size):
        raise TypeError(f"input_shape={brief(input_shape)}: give (N, channels, height, width).")
    sizes = [check_whole(1, input_shape=size) for size in input_shape]
    if math.prod(sizes) > MOST_NUMBERS:
        raise ValueError(f"input_shape={brief(input_shape)}: that is more than fits the memory; choose smaller images.")
    images = torch.zeros(sizes, device=device, dtype=dtype)
    rows: list[Row] = []
    with counted(model) as count, _explained(model, rows, lambda: count() // len(images)), torch.no_grad():
        materialise(model, images)
        rows.clear()
        before = count()
        with undisturbed(model):
            output = model(images)
        total = (count() - before) // len(images)
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    between = max(0, total - sum(row.multiply_adds for row in rows))
    return Trace(tuple(images.shape), shape, tuple(rows), _count_parameters(model), between)


@contextmanager
def counted(model: nn.Module) -> Iterator[Callable[[], int]]:
    """Count what runs: the function says how many multiplications (each with its addition) there were so far."""
    FlopCounterMode = _flop_counter()
    # The counter knows products of matrices; the quick ways for attention and recurrent layers hide theirs.
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    known = {torch.ops.aten.mkldnn_rnn_layer: _flops_of_lstm}
    with (
        without_fast_path(),
        torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext(),
        FlopCounterMode(display=False, custom_mapping=known) as counter,
    ):
        yield lambda: counter.get_total_flops() // 2


def _flop_counter() -> type:
    """Import PyTorch's counter, here and not above, because that takes a tenth of a second.

    Beside a PyTorch that knows GPUs it complains where Triton is missing, whose kernels nobody counts here.
    """
    logger = logging.getLogger("torch.utils.flop_counter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils.flop_counter import FlopCounterMode
    finally:
        logger.setLevel(level)
    return FlopCounterMode


def _flops_of_lstm(steps: tuple[int, ...], of_input: tuple[int, ...], of_state: tuple[int, ...], *_: Any, **__: Any):
    """Count what one direction of one layer does, by the shapes of its steps (T, N, I) and of its weights."""
    return 2 * math.prod(steps[:-1]) * (math.prod(of_input) + math.prod(of_state))


@contextmanager
def explained(model: nn.Module) -> Iterator[None]:
    """Turn what goes wrong while `model` runs into a ShapeError that names the layer, the shapes and the likely fix."""
    with _explained(model, []):
        yield


@contextmanager
def _explained(model: nn.Module, rows: list[Row], count: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """The same, and add a row to `rows` for each layer that ends; `count` says what has been done for an image."""
    entered: list[_Call] = []  # layers that have begun and not ended, the innermost last
    ended: list[str] = []

    def enter(name: str, module: nn.Module, inputs: tuple) -> None:
        for call in entered[-1:]:
            call.calls_layers = True
        entered.append(_Call(name, module, _first_tensor(inputs), count()))

    def leave(name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        call = entered.pop()
        ended.append(name)
        if not call.calls_layers and (first := _first_tensor(output)) is not None:
            shape, done = tuple(first.shape), count() - call.begun
            rows.append(Row(name, type(module).__name__, shape, _count_parameters(module), done))

    handles = []
    try:
        for name, module in named_layers(model):
            name = name or type(module).__name__
            with suppress(RuntimeError):  # a scripted module takes no hooks; then no layers are seen
                handles.append(module.register_forward_pre_hook(partial(enter, name)))
                handles.append(module.register_forward_hook(partial(leave, name)))
        yield
    except ShapeError:
        raise
    except Exception as error:  # the code of a reader's network may raise anything
        raise ShapeError(_explain(error, entered, ended)) from error
    finally:
        for handle in handles:
            handle.remove()


def _first_tensor(output: Any) -> Tensor | None:
    """Find the output itself, or the first part of several, as a recurrent layer gives them."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if not is_lazy(p))


def _explain(error: Exception, entered: list[_Call], ended: list[str]) -> str:
    """Say which layer failed, on what shape, and what to try."""
    kind = "" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: "
    if not entered:
        return f"The network cannot be run: {kind}{reason(error)}"
    call = entered[-1]
    if call.calls_layers or not type(call.module).__module__.startswith("torch."):
        where = f"after layer '{ended[-1]}'" if ended else "before its first layer"
        failed = f"The code of {call.name}.forward failed {where}, on an input of shape {call.shape}"
        return f"{failed}: {kind}{reason(error, 200)}"
    return (
        f"Layer '{call.name}', {_describe(call.module)}, cannot take an input of shape {call.shape}. "
        f"{_advise(call, error, first=not ended)}"
    )


def _describe(module: nn.Module) -> str:
    """Name the numbers that matter for shapes, as in `Linear(in_features=10, out_features=7)`."""
    keys = ("in_channels", "out_channels", "num_features", "in_features", "out_features", "kernel_size", "stride")
    values = [f"{key}={getattr(module, key)}" for key in keys if hasattr(module, key)]
    return f"{type(module).__name__}({', '.join(values)})"


def _advise(call: _Call, error: Exception, first: bool) -> str:
    """Say what to change; `first` tells whether nothing came before but the image."""
    module, shape, giver = call.module, call.shape, "The image has" if first else "The layer before gives"
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and call.given is not None and weight.dtype != call.given.dtype:
        return f"Its weights are {weight.dtype} and its input is {call.given.dtype}: bring both to one precision."
    if isinstance(module, nn.Linear) and shape:
        numbers = math.prod(shape[1:])
        if len(shape) > 2:
            fix = f"Put nn.Flatten() before it: {' × '.join(map(str, shape[1:]))} = {numbers} numbers per image"
            return f"{fix}." if numbers == module.in_features else f"{fix}, and set in_features={numbers}."
        return f"{giver} {shape[-1]} numbers per image: set in_features={shape[-1]}."
    if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d | nn.AvgPool2d):
        return _advise_on_maps(module, shape, error, giver)
    if isinstance(module, nn.BatchNorm1d) and len(shape) > 1 and shape[1] != module.num_features:
        return f"{giver} {shape[1]} numbers per image: set num_features={shape[1]}."
    return f"PyTorch says: {reason(error)}"


def _advise_on_maps(module: nn.Module, shape: tuple[int, ...], error: Exception, giver: str) -> str:
    if len(shape) != 4:
        return (
            f"It wants images, (N, channels, height, width), and got {len(shape)} dimensions: move nn.Flatten() "
            "behind the convolutions, and give the images a channel dimension."
        )
    key = "in_channels" if isinstance(module, nn.Conv2d) else "num_features"
    if getattr(module, key, shape[1]) != shape[1]:
        return f"{giver} {shape[1]} channel{'s' * (shape[1] != 1)}: set {key}={shape[1]}."
    if "size" in str(error):
        return (
            f"Its window is larger than what is left of the image ({shape[2]}×{shape[3]}): use fewer pooling layers, "
            "a smaller kernel, more padding or a larger image."
        )
    return f"PyTorch says: {reason(error)}"
