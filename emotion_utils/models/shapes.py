"""Follow an image through a network: the shape after each layer, what it costs, and where the layers do not fit."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import ShapeError


@dataclass(frozen=True)
class Row:
    """One layer of a `Trace`. `multiply_adds` counts those of convolutions and linear layers, for one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Trace:
    """What `trace_shapes` found; `print(trace)` shows it as a table."""

    input_shape: tuple[int, ...]
    rows: list[Row]
    total_parameters: int

    @property
    def total_multiply_adds(self) -> int:
        """Sum over all layers, for one image."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of what the last layer gives."""
        return self.rows[-1].output_shape

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
    entered: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    finished: list[str] = []
    handles = []

    def before(name):
        def hook(module, inputs):
            shape = tuple(inputs[0].shape) if inputs and isinstance(inputs[0], torch.Tensor) else ()
            entered.append((name, module, shape))

        return hook

    def after(name):
        def hook(module, inputs, output):
            entered.pop()
            finished.append(name)
            if any(module.children()) or not isinstance(output, torch.Tensor):
                return
            own = sum(p.numel() for p in module.parameters(recurse=False))
            rows.append(Row(name, type(module).__name__, tuple(output.shape), own, multiply_adds(module, output)))

        return hook

    modes = [(module, module.training) for module in model.modules()]
    example = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    try:
        for name, module in model.named_modules():
            name = name or type(module).__name__
            handles += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(after(name))]
        model.eval()
        with torch.no_grad():
            model(torch.zeros(input_shape, device=example.device, dtype=example.dtype))
    except ShapeError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ShapeError(_explain(error, entered, finished)) from error
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    return Trace(tuple(input_shape), rows, sum(p.numel() for p in model.parameters()))


def multiply_adds(module: nn.Module, output: torch.Tensor) -> int:
    """Count the multiplications (each with its addition) that gave one image's part of `output`; else 0."""
    numbers = output[0].numel() if output.ndim and len(output) else 0
    if isinstance(module, nn.Linear):
        return numbers * module.in_features
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return numbers * module.in_channels // module.groups * math.prod(module.kernel_size)
    return 0


def _explain(error: Exception, entered: list, finished: list[str]) -> str:
    """Say which layer failed, on what shape, and what to try."""
    if not entered:
        return str(error)
    name, module, shape = entered[-1]
    if any(module.children()):
        where = f"after layer '{finished[-1]}'" if finished else "before its first layer"
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


def check_fit(model: nn.Module, *datasets: FaceDataset | None) -> None:
    """Raise ShapeError or ValueError, before any training, if model and data do not fit together."""
    sets = [dataset for dataset in datasets if dataset is not None]
    names = sets[0].classes
    for dataset in sets:
        if dataset.classes != names:
            raise ValueError(
                f"Training and validation data have different classes: {names} and {dataset.classes}. Load both in "
                "the same way."
            )
        shape = trace_shapes(model, (2, *dataset.images.shape[1:])).output_shape
        if len(shape) != 2 or shape[0] != 2:
            raise ShapeError(
                f"The model gives shape {shape} for a batch of 2 images; a classifier gives (2, {len(names)}). "
                "Probably nn.Flatten() is missing before the linear layers."
            )
        if shape[1] != len(names):
            raise ShapeError(
                f"The model gives {shape[1]} logits per image, and the data have {len(names)} classes "
                f"({', '.join(names)}). Build the model with classes={len(names)}, or give its last layer "
                f"out_features={len(names)}."
            )
