"""Checks for notebook 02, convolution and pooling. References come from `torch.nn.functional`, not the notebook."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import Wrong, check, require, tensor, unfinished, whole
from .answers import without
from .kernels import require_line_detector
from .stems import require_stem


def _read(value: Any, call: str) -> Tensor:
    """Turn a tensor, array or list into a float32 tensor, or say what came instead."""
    try:
        return tensor(value, call).float()
    except Wrong:
        raise Wrong(f"{call} returned {type(value).__name__}, which cannot be read as a tensor") from None


def _same(got: Tensor, want: Tensor, call: str, tolerance: float = 1e-4) -> None:
    """Raise `Wrong` unless `got` has the shape and the values of `want`."""
    require(got.shape == want.shape, f"{call} returned shape {tuple(got.shape)}, which does not fit")
    off = int((~torch.isclose(got, want, rtol=tolerance, atol=tolerance)).sum())
    require(off == 0, f"{call} has a fitting shape, but {off} of its {want.numel()} values are off")


@check(
    hints=[
        "Draw a window of 3 × 3 pixels and a kernel. For mathematicians, which weight meets the top left pixel?",
        "The top left pixel meets the bottom right weight. Which change of the kernel brings that weight there?",
        "Both axes change, and the image does not. `torch.flip(tensor, dims=…)` reverses any axes you name.",
    ]
)
def true_convolution(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a flipped kernel's cross-correlation on random images and kernels, squares and oblongs."""
    generator = torch.Generator().manual_seed(21)
    for height, width, rows, columns in [(5, 5, 3, 3), (6, 8, 2, 3), (7, 5, 3, 1), (4, 9, 4, 2)]:
        image = torch.randn(height, width, generator=generator)
        kernel = torch.randn(rows, columns, generator=generator)
        want = functional.conv2d(image[None, None], kernel.rot90(2)[None, None])[0, 0]
        call = f"on an image {height}×{width} and a kernel {rows}×{columns}, your function"
        got = _read(answer(image, kernel), call)
        for axes, told in (((), "what correlate gives: nothing is turned"), ((0,), "one axis turned, not both")):
            for turned in (kernel.flip(axes), kernel.flip((1,)) if axes else kernel):
                mistaken = functional.conv2d(image[None, None], turned[None, None])[0, 0]
                alike = got.shape == mistaken.shape and torch.allclose(got, mistaken)
                require(not alike or torch.allclose(mistaken, want), f"{call} returned {told}")
        _same(got, want, call)


@check(
    hints=[
        "Try it on paper: 5 pixels in a row, kernel 3. In how many places does the kernel fit? Now with stride 2?",
        "The first window starts at the padded edge. How far can it still move before it falls off the other end?",
        "Count the starting place, then the steps of `stride` pixels that still fit. One falling off does not count.",
    ]
)
def output_size(answer: Callable[..., int]) -> None:
    """Compare with the size that `torch` really returns, over many settings, strides that do not divide included."""
    settings = list(itertools.product((5, 12, 47, 48), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3)))
    for size, kernel, padding, stride in settings:
        call = f"output_size({size}, kernel={kernel}, padding={padding}, stride={stride})"
        got = whole(answer(size, kernel, padding, stride), call)
        want = functional.conv2d(
            torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel), None, stride, padding
        )
        require(got == want.shape[-1], f"{call} gave {got}; PyTorch's output has another size")
    require(
        whole(answer(20, 4), "output_size(20, 4)") == 17,
        "the two last arguments should be optional, and mean no padding and a stride of one",
    )


@check(
    hints=[
        "Add 1 to every pixel of even grey: the answer must not change. What does that say about the weights?",
        "Vertical edges leave no trace when every single column of the kernel sums to the same number. Which one?",
        "A line is dark between two brighter neighbours, above and below. Give its own row weights of one sign and "
        "the rows around it weights of the other.",
    ]
)
def line_kernel(answer: Tensor) -> None:
    """Probe the kernel with flat patches, vertical edges, dark and bright lines and steps of random heights."""
    try:
        kernel = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"the kernel is {type(answer).__name__}, which cannot be read as a tensor") from None
    require(kernel.ndim == 2, f"the kernel has shape {tuple(kernel.shape)}; two axes are wanted")
    rows, columns = kernel.shape
    require(
        min(rows, columns) >= 3 and max(rows, columns) <= 9,
        f"a kernel of {rows}×{columns} is outside 3×3 to 9×9",
        "Three rows are enough: one for the line, one above, one below.",
    )
    require(
        rows % 2 == 1,
        f"a kernel of {rows} rows has no middle row for the line",
        "The line runs through the middle row, so there are as many rows above it as below.",
    )
    require_line_detector(kernel)


@check(
    hints=[
        "Look at how `max_pool` cuts its windows, and at the one line that reduces each window to a number.",
        "Steps between windows are `stride` pixels, which need not be the window's size. Channels stay apart.",
        "Only the reduction differs from `max_pool`: it runs over the last two axes, and over no other.",
    ]
)
def average_pool(answer: Callable[[Tensor, int, int], Tensor]) -> None:
    """Compare with `functional.avg_pool2d`, windows that overlap, leave gaps or do not divide the image included."""
    generator = torch.Generator().manual_seed(23)
    for shape, size, stride in [((2, 3, 8, 8), 2, 2), ((1, 1, 7, 9), 3, 2), ((3, 2, 9, 6), 2, 3), ((1, 4, 5, 5), 5, 1)]:
        images = torch.randn(shape, generator=generator)
        want = functional.avg_pool2d(images, size, stride)
        with without("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d", "lp_pool2d", "interpolate"):
            got = answer(images, size, stride)
        call = f"average_pool({shape}, size={size}, stride={stride})"
        got = _read(got, call)
        mistakes = {"maxima": functional.max_pool2d(images, size, stride), "sums, not means": want * size**2}
        for told, mistaken in mistakes.items():
            alike = got.shape == want.shape and torch.allclose(got, mistaken, atol=1e-5)
            require(not alike, f"{call} returned {told}", "Which number stands for a window: how is a mean computed?")
        _same(got, want, call)


@check(
    hints=[
        "Print the shape of what you return next to the input's. Then compare the middle: only the border differs.",
        "Columns missing on the left are copies of those at the right end, and the other way round. Rows likewise.",
        "Make the image larger by wrapping it round, k // 2 pixels on each side, and convolve that without padding. "
        "`torch.cat` can glue the strips on; `functional.pad` has a mode for it too. "
        "Mind k = 1: nothing is glued on, but the slice `[-0:]` is everything.",
    ]
)
def circular_convolution(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a convolution in circular mode, for odd kernels of 1, 3 and 5."""
    generator = torch.Generator().manual_seed(24)
    for batch, channels, outputs, height, width, kernel in [(1, 1, 1, 6, 6, 3), (2, 3, 4, 9, 7, 5), (1, 2, 2, 8, 5, 1)]:
        images = torch.randn(batch, channels, height, width, generator=generator)
        weight = torch.randn(outputs, channels, kernel, kernel, generator=generator)
        call = f"on images {tuple(images.shape)} and weights {tuple(weight.shape)}, your function"
        got = _read(answer(images, weight), call)
        half = kernel // 2
        layer = nn.Conv2d(channels, outputs, kernel, padding=half, padding_mode="circular", bias=False)
        with torch.no_grad():
            layer.weight.copy_(weight)
            _same(got, layer(images), call)


@check(
    hints=[
        "Take one layer of stride 2 and list the pixels that units 0, 1 and 2 look at. Which shifts keep that pattern?",
        "After two layers of stride 2, how far apart are the windows of neighbouring units, in pixels of the input?",
        "The output can only move by whole units. How many pixels is one unit after all the layers?",
    ]
)
def shift_survives(answer: Callable[[list[int], int], bool]) -> None:
    """Compare with what layers of random weights really do to shifted noise, by circular convolutions."""
    generator = torch.Generator().manual_seed(25)
    for strides, shift in itertools.product(
        ([1], [2], [1, 2], [2, 2], [3], [2, 3], [2, 1, 2], []), (0, 1, 2, 3, 4, 6, 8)
    ):
        images = torch.randn(1, 1, 48, 48, dtype=torch.float64, generator=generator)
        moved = images.roll(shift, dims=-1)
        jump = 1
        for stride in strides:
            weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, generator=generator)
            images = functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="circular"), weight, stride=stride)
            moved = functional.conv2d(functional.pad(moved, (1, 1, 1, 1), mode="circular"), weight, stride=stride)
            jump *= stride
        want = torch.allclose(moved, images.roll(shift // jump, dims=-1))
        got = unfinished(answer(list(strides), shift))
        call = f"shift_survives({strides}, {shift})"
        single = isinstance(got, bool | int) or (hasattr(got, "item") and got.flatten().shape == (1,))
        require(single, f"{call} returned {type(got).__name__}, not a bool")
        require(bool(got) == want, f"{call} said {bool(got)}; layers with these strides, tried out, do otherwise")


@check(
    hints=[
        "Draw a kernel of 3 with dilation 2: its three pixels lie two apart. How many pixels from first to last?",
        "From first to last it spans (kernel − 1) gaps. How wide is a gap, counted in units of the layer below?",
        "A gap is `dilation` units of the layer below, and each of those is `jump` pixels apart. Dilation does not "
        "change the jump itself.",
    ]
)
def field_after(answer: Callable[[list[tuple[int, int, int]]], int]) -> None:
    """Compare with the width of the patch that has a gradient, for random stacks of kernel, stride and dilation."""
    stacks = [
        [(3, 1, 1)],
        [(3, 1, 2)],
        [(5, 2, 1), (3, 1, 1)],
        [(3, 2, 2), (3, 1, 3)],
        [(2, 2, 1), (3, 1, 2), (2, 2, 1)],
    ]
    generator = torch.Generator().manual_seed(26)
    for _ in range(6):
        draws = torch.randint(1, 4, (3, 3), generator=generator).tolist()
        stacks.append([(kernel, min(stride, 2), dilation) for kernel, stride, dilation in draws])
    for stack in stacks:
        line = torch.zeros(1, 1, 200, requires_grad=True)
        signal = line
        for kernel, stride, dilation in stack:
            signal = functional.conv1d(signal, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)
        (gradient,) = torch.autograd.grad(signal[0, 0, 3], line)
        seen = gradient[0, 0].nonzero().flatten()
        want = int(seen[-1] - seen[0]) + 1
        call = f"field_after({stack})"
        got = whole(answer(list(stack)), call)
        wider = "further apart" if got < want else "closer together"
        require(got == want, f"{call} gave {got}; the first and the last pixel that reach the unit lie {wider}")


@check(
    hints=[
        "Two layers, two counts, one sum. What does one output value of the first layer cost, and how many are there?",
        "In the first layer each channel is convolved with one kernel of its own: a value costs k × k, not C × k × k.",
        "The second layer is an ordinary convolution whose kernel is 1×1; it sees all the input channels.",
    ]
)
def separable_multiply_adds(answer: Callable[[int, int, int, int, int], int]) -> None:
    """Compare with the work of two real layers, counted value by value from their weights."""
    for in_channels, out_channels, kernel, height, width in [
        (1, 1, 3, 4, 4),
        (32, 64, 3, 24, 24),
        (5, 7, 5, 6, 9),
        (64, 8, 1, 3, 2),
        (16, 16, 7, 12, 10),
    ]:
        depthwise = nn.Conv2d(in_channels, in_channels, kernel, padding="same", groups=in_channels)
        pointwise = nn.Conv2d(in_channels, out_channels, 1)
        want = (depthwise.weight.numel() + pointwise.weight.numel()) * height * width
        call = f"separable_multiply_adds({in_channels}, {out_channels}, {kernel}, {height}, {width})"
        got = whole(answer(in_channels, out_channels, kernel, height, width), call)
        depth, point = depthwise.weight.numel(), pointwise.weight.numel()
        mistakes = {
            depth + point: "Each weight is used at every place of the map. How many places are there?",
            (in_channels * kernel + point) * height * width: "How many weights has one kernel of k × k?",
            in_channels * point * kernel**2 // in_channels * height * width: "That is an ordinary convolution.",
        }
        require(
            got == want, f"{call} gave {got}; two real layers need another number of multiply-adds", mistakes.get(got)
        )


@check(
    hints=[
        "Cost is (weights × positions): the same layer is four times cheaper after the image was halved.",
        "A field grows by (kernel − 1) × jump: where does one more row of a kernel reach furthest? And where are "
        "channels so few that it costs little?",
        "Compare three places to halve the image: before, in and after a convolution. Where are many channels dear?",
    ]
)
def frugal_stem(answer: nn.Module, budget: int) -> None:
    """Check shape, convolutions and the ReLUs behind them, receptive field and cost; print the figures."""
    require(isinstance(answer, nn.Sequential), f"the stem is {type(answer).__name__}; build it as one nn.Sequential")
    require_stem(answer, budget)
