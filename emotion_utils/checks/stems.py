"""Is the front of a network what was asked for, and what does it cost? For the check of notebook 02's exercise 9."""

import itertools

import torch
from torch import nn

from emotion_utils.checks import require
from emotion_utils.models.receptive import receptive_field
from emotion_utils.models.shapes import trace_shapes

LARGEST_KERNEL = 7  # side of a stem's windows
FIRST_CHANNELS = 4  # of a stem's first convolution


def require_stem(answer: nn.Sequential, budget: int) -> None:
    """Stop a check unless layers turn a face into (64, 6, 6), see enough of it, and cost at most `budget`."""
    # One ReLU object may stand in several places, so duplicates count.
    modules = [module for _, module in answer.named_modules(remove_duplicate=False)]
    # `receptive_field` ends its walk there and would call the field too small.
    adaptive = any(isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) for module in modules)
    require(not adaptive, "it has adaptive pooling, whose field this check cannot follow")
    order = [module for module in modules if isinstance(module, nn.Conv2d | nn.ReLU)]
    convolutions = sum(isinstance(module, nn.Conv2d) for module in order)
    pairs = itertools.pairwise([*order, None])
    bare = sum(isinstance(first, nn.Conv2d) and not isinstance(second, nn.ReLU) for first, second in pairs)
    trace = trace_shapes(answer, (1, 1, 48, 48))
    with torch.no_grad():
        shape = tuple(answer(torch.zeros(2, 1, 48, 48)).shape[1:])
    fields = receptive_field(answer)
    size = fields[-1].size if fields else 1
    print(f"Your stem: output {shape}, field {size} pixels, {trace.total_multiply_adds:,} multiply-adds.")
    require(
        shape == (64, 6, 6),
        f"a face came out as {shape}, and (64, 6, 6) is wanted",
        "Halve 48 three times: 24, 12, 6. Which layers halve, and which has 64 channels?",
    )
    largest = max((max(m.kernel_size) for m in order if isinstance(m, nn.Conv2d)), default=0)
    require(
        largest <= LARGEST_KERNEL,
        f"it has a kernel of {largest} × {largest}, and {LARGEST_KERNEL} × {LARGEST_KERNEL} is the largest allowed",
        "One huge window sees far but finds one kind of pattern. What else makes a unit see far?",
    )
    skipping = [name for name, m in answer.named_modules() if _skips(m)]
    require(
        not skipping,
        f"layer {', '.join(skipping)} leaves out pixels, by steps longer than its window or by dilation",
        "A stride is at most as long as the side of the window, and dilation is 1.",
    )
    first = next((m for m in order if isinstance(m, nn.Conv2d)), None)
    require(
        first is None or first.out_channels >= FIRST_CHANNELS,
        f"its first convolution has {first.out_channels if first else 0} channels, and {FIRST_CHANNELS} are asked for",
        "With one channel there is one pattern to find. Where are channels cheap?",
    )
    require(convolutions >= 3, f"it has {convolutions} convolutions, and three at least are wanted")
    require(
        bare == 0,
        f"{bare} of its {convolutions} convolutions are not followed by a ReLU",
        "Behind each convolution stands an `nn.ReLU()`, before the next convolution.",
    )
    require(
        size >= 24,
        f"each unit of its output sees {size} pixels across, and 24 are wanted",
        "A field grows by (kernel − 1) × jump: where does one more row of a kernel reach furthest?",
    )
    require(
        trace.total_multiply_adds <= budget,
        f"it costs {trace.total_multiply_adds:,} multiply-adds, and {budget:,} are allowed",
    )


def _skips(layer: nn.Module) -> bool:
    """Say whether a layer's windows leave out pixels, between them or inside."""
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return False
    kernel, stride = (
        value if isinstance(value, tuple) else (value, value) for value in (layer.kernel_size, layer.stride)
    )
    apart = layer.dilation if isinstance(layer, nn.Conv2d | nn.MaxPool2d) else 1
    return apart not in (1, (1, 1)) or any(step > side for step, side in zip(stride, kernel, strict=True))
