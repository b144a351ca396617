"""Follow an image through a network: the shape after each layer, what it costs, and where the layers do not fit."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import ShapeError
from emotion_utils.models.base import eval_mode


@dataclass(frozen=True)
class Row:
    """One layer of a `Trace`."""

    name: str  # as in `model.named_modules()`, such as "features.block1.conv1"
    kind: str  # the layer's class, such as "Conv2d"
    output_shape: tuple[int, ...]  # (N, K, h, w) of a convolution, (N, K) of a linear layer
    parameters: int
    multiply_adds: int  # for one image, in convolutions and linear layers; else 0


@dataclass(frozen=True)
class Trace:
    """What `trace_shapes` found; `print(trace)` shows it as a table."""

    input_shape: tuple[int, ...]  # (N, channels, height, width)
    output_shape: tuple[int, ...]  # of what the model returns: (N, C) of a classifier; () if it is not a tensor
    rows: tuple[Row, ...]  # in the order in which the layers ended
    total_parameters: int  # shared ones counted once

    @property
    def total_multiply_adds(self) -> int:
        """Sum over all layers, for one image."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        cells = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
        cells.append(("input", "", str(self.input_shape), "", ""))
        for row in self.rows:
            cells.append(
                (row.name, row.kind, str(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}"),
            )
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


def trace_shapes(model: nn.Module, input_shape: tuple[int, ...] = (1, 1, 48, 48)) -> Trace:
    """Send zeros through `model` and note each layer's output shape, parameters and multiply-adds.

    Works with any `nn.Module`; the model, its buffers and its mode stay as they are. Multiply-adds are counted for one
    image, in convolutions and linear layers, where nearly all of them are.

    Args:
        model: the network.
        input_shape: shape of a batch of images, `(N, channels, height, width)`.

    Raises:
        ShapeError: a layer cannot take what the layer before it gives.
    """
    rows: list[Row] = []
    # Layers that have begun and not ended, the innermost last: name, layer, shape of what it was given.
    entered: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    ended: list[str] = []

    def enter(name: str, module: nn.Module, inputs: tuple) -> None:
        shape = tuple(inputs[0].shape) if inputs and isinstance(inputs[0], Tensor) else ()
        entered.append((name, module, shape))

    def leave(name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        entered.pop()
        ended.append(name)
        if not any(module.children()) and isinstance(output, Tensor):
            own = sum(p.numel() for p in module.parameters(recurse=False))
            rows.append(Row(name, type(module).__name__, tuple(output.shape), own, multiply_adds(module, output)))

    handles = []
    example = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    try:
        for name, module in model.named_modules():
            name = name or type(module).__name__
            handles.append(module.register_forward_pre_hook(partial(enter, name)))
            handles.append(module.register_forward_hook(partial(leave, name)))
        with eval_mode(model), torch.no_grad():
            output = model(torch.zeros(input_shape, device=example.device, dtype=example.dtype))
    except ShapeError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ShapeError(_explain(error, entered, ended)) from error
    finally:
        for handle in handles:
            handle.remove()
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    return Trace(tuple(input_shape), shape, tuple(rows), sum(p.numel() for p in model.parameters()))


def multiply_adds(module: nn.Module, output: Tensor) -> int:
    """Count the multiplications (each with its addition) that gave one image's part of `output`; else 0."""
    numbers = output[0].numel() if output.ndim and len(output) else 0
    if isinstance(module, nn.Linear):
        return numbers * module.in_features
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return numbers * module.in_channels // module.groups * math.prod(module.kernel_size)
    return 0


def _explain(error: Exception, entered: list, ended: list[str]) -> str:
    """Say which layer failed, on what shape, and what to try."""
    if not entered:
        return str(error)
    name, module, shape = entered[-1]
    if any(module.children()):
        where = f"after layer '{ended[-1]}'" if ended else "before its first layer"
        return f"The code of {name}.forward failed {where}, on an input of shape {shape}: {error}"
    return (
        f"Layer '{name}', {_describe(module)}, cannot take an input of shape {shape}. {_advise(module, shape, error)}"
    )


def _describe(module: nn.Module) -> str:
    """Name the numbers that matter for shapes, as in `Linear(in_features=10, out_features=7)`."""
    keys = ("in_channels", "out_channels", "num_features", "in_features", "out_features", "kernel_size", "stride")
    values = [f"{key}={getattr(module, key)}" for key in keys if hasattr(module, key)]
    return f"{type(module).__name__}({', '.join(values)})"


def _advise(module: nn.Module, shape: tuple[int, ...], error: Exception) -> str:
    convolution = isinstance(module, nn.Conv2d)
    if isinstance(module, nn.Linear):
        numbers = math.prod(shape[1:])
        if len(shape) > 2:
            fix = f"Put nn.Flatten() before it: {' × '.join(map(str, shape[1:]))} = {numbers} numbers per image"
            return f"{fix}." if numbers == module.in_features else f"{fix}, and set in_features={numbers}."
        return f"The layer before gives {shape[-1]} numbers per image: set in_features={shape[-1]}."
    if convolution or isinstance(module, nn.BatchNorm2d | nn.MaxPool2d | nn.AvgPool2d):
        if len(shape) != 4:
            return (
                f"It wants images, (N, channels, height, width), and got {len(shape)} dimensions: move nn.Flatten() "
                "behind the convolutions, and give the images a channel dimension."
            )
        wanted = module.in_channels if convolution else getattr(module, "num_features", shape[1])
        if wanted != shape[1]:
            key = "in_channels" if convolution else "num_features"
            return f"The layer before gives {shape[1]} channels: set {key}={shape[1]}."
        return (
            f"Its window is larger than what is left of the image ({shape[2]}×{shape[3]}): use fewer pooling layers, "
            "a smaller kernel, more padding or a larger image."
        )
    if isinstance(module, nn.BatchNorm1d) and len(shape) > 1 and shape[1] != module.num_features:
        return f"The layer before gives {shape[1]} numbers per image: set num_features={shape[1]}."
    return f"PyTorch says: {error}"


def check_fit(model: nn.Module, *datasets: FaceDataset | None) -> Trace:
    """See, before any training, whether model and data fit together: one logit per class and image comes out.

    Args:
        model: any network from images `(N, 1, H, W)` to logits `(N, C)`.
        datasets: what it is to learn from and to be measured on; None is passed over.

    Returns:
        What `trace_shapes` says of one image of the first data set.

    Raises:
        ShapeError: a layer does not fit the one before, or the last one does not fit the classes; the message names
            the layer, the shapes and the likely fix.
        ValueError: the data sets have different classes.
    """
    first, *others = [dataset for dataset in datasets if dataset is not None]
    for other in others:
        if other.classes != first.classes:
            raise ValueError(
                f"Training and validation data have different classes: {first.classes} and {other.classes}. Load both "
                "in the same way."
            )
    shapes = dict.fromkeys(tuple(dataset.images.shape[1:]) for dataset in (first, *others))
    traces = [_check_logits(model, shape, first.classes) for shape in shapes]
    return traces[0]


def _check_logits(model: nn.Module, image_shape: tuple[int, ...], classes: tuple[str, ...]) -> Trace:
    """Raise ShapeError unless the model gives `(N, C)` for images of this shape; return the trace of one of them."""
    trace = trace_shapes(model, (1, *image_shape))
    shape, count = trace.output_shape, len(classes)
    if len(shape) != 2:
        end = f"ends in layer '{trace.rows[-1].name}', {trace.rows[-1].kind}, and gives" if trace.rows else "gives"
        raise ShapeError(
            f"The model {end} shape {shape} for one image; a classifier gives (1, {count}). Put nn.Flatten() between "
            "the last map and the linear layers, and end in nn.Linear."
        )
    if shape[1] != count:
        last = next((f"Layer '{row.name}', {row.kind}," for row in reversed(trace.rows) if row.parameters), "The model")
        raise ShapeError(
            f"{last} gives {shape[1]} logits per image, and the data have {count} classes ({', '.join(classes)}): "
            f"output shape {shape}. Build the model with classes={count} (its last layer with out_features={count}), "
            f"or keep {shape[1]} classes in the data as well: keep_classes(data, …)."
        )
    several = trace_shapes(model, (2, *image_shape)).output_shape
    if several != (2, count):
        raise ShapeError(
            f"The model gives shape {several} for two images; a classifier gives (2, {count}), a row for each. Keep "
            "the first dimension as it is all the way through."
        )
    return trace
