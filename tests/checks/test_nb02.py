"""Each check of notebook 02 accepts right answers, however written, and sees through typical wrong ones."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from verdicts import verdict_tests

from emotion_utils.checks import nb02

BUDGET = 1_410_048  # a quarter of what EmotionCNN(widths=(16, 32, 64)).features costs


def correlate(image, kernel):
    return functional.conv2d(image[None, None], kernel[None, None])[0, 0]


def loops(image, kernel):
    """Sum the products straight from the definition of a convolution."""
    height, width = kernel.shape
    output = torch.zeros(image.shape[0] - height + 1, image.shape[1] - width + 1)
    for i, j in itertools.product(range(output.shape[0]), range(output.shape[1])):
        for a, b in itertools.product(range(height), range(width)):
            output[i, j] += image[i + height - 1 - a, j + width - 1 - b] * kernel[a, b]
    return output


def flip_in_place(image, kernel):
    kernel.copy_(kernel.flip(0, 1))
    return correlate(image, kernel)


def average_by_convolution(images, size, stride):
    weight = torch.full((images.shape[1], 1, size, size), 1 / size**2)
    return functional.conv2d(images, weight, stride=stride, groups=images.shape[1])


def windows(images, size, stride):
    return images.unfold(-2, size, stride).unfold(-2, size, stride)


def glued(images, weight):
    half = weight.shape[-1] // 2
    if half:
        images = torch.cat([images[:, :, -half:], images, images[:, :, :half]], 2)
        images = torch.cat([images[..., -half:], images, images[..., :half]], 3)
    return functional.conv2d(images, weight)


def padded(mode):
    def convolve(images, weight):
        half = weight.shape[-1] // 2
        return functional.conv2d(functional.pad(images, [half] * 4, mode=mode), weight)

    return convolve


def glued_on_the_wrong_side(images, weight):
    half = weight.shape[-1] // 2
    if half:
        images = torch.cat([images[:, :, :half], images, images[:, :, -half:]], 2)
        images = torch.cat([images[..., :half], images, images[..., -half:]], 3)
    return functional.conv2d(images, weight)


def field(layers, dilate=True, jump_first=False, multiply_jump=True):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        if jump_first:
            jump *= stride
        size += (kernel - 1) * (dilation if dilate else 1) * jump
        if not jump_first:
            jump = jump * stride if multiply_jump else jump + stride - 1
    return size


def field_by_pixels(layers):
    seen = {0}
    for kernel, stride, dilation in reversed(layers):
        seen = {unit * stride + tap * dilation for unit in seen for tap in range(kernel)}
    return max(seen) - min(seen) + 1


def stem_with_one_relu():
    """One ReLU object, used three times."""
    relu = nn.ReLU()
    convolutions = [layer for layer in stem(8, 16, 64, kernels=(5, 3, 5)) if isinstance(layer, nn.Conv2d)]
    return nn.Sequential(*[layer for convolution in convolutions for layer in (convolution, relu)])


def stem(*channels, kernels=(5, 5, 5), stride=2, relu=True, first=1):
    layers, before = [], first
    for out, kernel in zip(channels, kernels, strict=True):
        layers += [nn.Conv2d(before, out, kernel, stride=stride, padding=kernel // 2)] + [nn.ReLU()] * relu
        before = out
    return nn.Sequential(*layers)


CASES = {
    "true_convolution": {
        "stub": lambda image, kernel: ...,
        "right": [
            lambda image, kernel: correlate(image, kernel.flip(0, 1)),
            lambda image, kernel: correlate(image, kernel.rot90(2)),
            lambda image, kernel: loops(image, kernel).tolist(),
            lambda image, kernel: list(correlate(image.double(), kernel.double().flip(0, 1))),  # of rows
        ],
        "wrong": [
            correlate,
            lambda image, kernel: correlate(image, kernel.flip(0)),
            lambda image, kernel: correlate(image, kernel.flip(1)),
            lambda image, kernel: correlate(image, kernel.T),
            lambda image, kernel: correlate(image.flip(0, 1), kernel),
            lambda image, kernel: functional.conv2d(image[None, None], kernel.rot90(2)[None, None]),
            flip_in_place,
            lambda image, kernel: "no tensor",
        ],
    },
    "line_kernel": {
        "stub": ...,
        "right": [
            torch.tensor([[1.0, 1, 1], [-2, -2, -2], [1, 1, 1]]),
            [[0.5, 1, 0.5], [-1, -2, -1], [0.5, 1, 0.5]],
            np.array([1, 1, -4, 1, 1])[:, None] * np.ones(7),
            torch.tensor([1, 0, -2, 0, 1])[:, None].expand(5, 3),
            torch.tensor([3, -2, -2, -2, 3])[:, None].expand(5, 3),  # for lines of three pixels
            torch.tensor([3, 3, -2, -2, -2, -2, -2, 2, 2])[:, None].expand(9, 5),
        ],
        "wrong": [
            -torch.tensor([[1.0, 1, 1], [-2, -2, -2], [1, 1, 1]]),
            torch.tensor([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]),
            torch.tensor([[1.0, 1, 1], [-2, -2, -2], [1, 1, 1]]).T,
            torch.tensor([[1.0, 1, 1], [-1, -1, -1], [1, 1, 1]]),
            torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),
            torch.tensor([[0.0, 0, 0], [-1, -1, -1], [1, 1, 1]]),  # also fires at a step from dark to bright
            torch.tensor([[1.0], [-2], [1]]),
            torch.zeros(3, 3),
            torch.tensor([0.85, -1, 0.15])[:, None].expand(3, 3),  # nearly as strong on a step
            torch.tensor([[1.0, 1, 1], [-2, -2, -2], [1, 1, 1]])[None],
            torch.tensor([1.0, -1])[:, None].expand(2, 3),
            "a line",
        ],
    },
    "output_size": {
        "stub": lambda size, kernel, padding=0, stride=1: ...,
        "right": [
            lambda size, kernel, padding=0, stride=1: (size + 2 * padding - kernel) // stride + 1,
            lambda size, kernel, padding=0, stride=1: math.floor((size + 2 * padding - kernel) / stride + 1),
            lambda size, kernel, padding=0, stride=1: len(range(0, size + 2 * padding - kernel + 1, stride)),
        ],
        "wrong": [
            lambda size, kernel, padding=0, stride=1: (size + padding - kernel) // stride + 1,
            lambda size, kernel, padding=0, stride=1: (size + 2 * padding - kernel) // stride,
            lambda size, kernel, padding=0, stride=1: (size + 2 * padding - kernel) / stride + 1,
            lambda size, kernel, padding=0, stride=1: -(-(size + 2 * padding - kernel) // stride) + 1,
            lambda size, kernel, padding=0, stride=1: (size + 2 * padding - kernel + 1) // stride,
            lambda size, kernel, padding, stride: (size + 2 * padding - kernel) // stride + 1,
            lambda size, kernel, padding=0, stride=1: size // stride,
            lambda size, kernel, padding=0, stride=1: "46",
        ],
    },
    "average_pool": {
        "stub": lambda images, size, stride: None,
        "right": [
            lambda images, size, stride: windows(images, size, stride).mean(dim=(-2, -1)),
            average_by_convolution,
            lambda images, size, stride: windows(images, size, stride).sum((4, 5)) / size**2,
            lambda images, size, stride: windows(images.double(), size, stride).mean((4, 5)),
        ],
        "wrong": [
            lambda images, size, stride: windows(images, size, stride).amax(dim=(-2, -1)),
            lambda images, size, stride: windows(images, size, stride).sum(dim=(-2, -1)),
            lambda images, size, stride: windows(images, size, size).mean(dim=(-2, -1)),
            lambda images, size, stride: windows(images, size, stride).mean(dim=-1),
            lambda images, size, stride: windows(images, size, stride).mean(dim=(1, -2, -1)),
            lambda images, size, stride: windows(images, size, stride).flatten(-2).median(-1).values,
            lambda images, size, stride: windows(images, size, stride).mean(),
            lambda images, size, stride: windows(images, size, stride).mean(dim=(-2, -1)) * math.nan,
            lambda images, size, stride: nn.functional.avg_pool2d(images, size, stride),
            lambda images, size, stride: nn.AvgPool2d(size, stride)(images),
        ],
    },
    "circular_convolution": {
        "stub": lambda images, weight: ...,
        "right": [
            glued,
            padded("circular"),
            lambda images, weight: functional.conv2d(
                images.repeat(1, 1, 3, 3)[
                    :,
                    :,
                    images.shape[2] - weight.shape[2] // 2 : 2 * images.shape[2] + weight.shape[2] // 2,
                    images.shape[3] - weight.shape[3] // 2 : 2 * images.shape[3] + weight.shape[3] // 2,
                ],
                weight,
            ),
        ],
        "wrong": [
            lambda images, weight: functional.conv2d(images, weight),
            padded("constant"),
            padded("reflect"),
            padded("replicate"),
            glued_on_the_wrong_side,
            lambda images, weight: glued(images, weight.flip(2, 3)),
            lambda images, weight: functional.conv2d(functional.pad(images, [1] * 4, mode="circular"), weight),
        ],
    },
    "shift_survives": {
        "stub": lambda strides, shift: ...,
        "right": [
            lambda strides, shift: shift % math.prod(strides) == 0,
            lambda strides, shift: torch.tensor(shift % math.prod(strides) == 0),
            lambda strides, shift: int(shift % math.prod(strides) == 0),
        ],
        "wrong": [
            lambda strides, shift: shift % max(strides, default=1) == 0,
            lambda strides, shift: shift % max(sum(strides), 1) == 0,
            lambda strides, shift: all(shift % stride == 0 for stride in strides),
            lambda strides, shift: True,
            lambda strides, shift: shift == math.prod(strides),
            lambda strides, shift: math.prod(strides) == 1,
            lambda strides, shift: "yes",
        ],
    },
    "field_after": {
        "stub": lambda layers: ...,
        "right": [field, field_by_pixels, lambda layers: torch.tensor(field(layers))],
        "wrong": [
            lambda layers: field(layers, dilate=False),
            lambda layers: field(layers, jump_first=True),
            lambda layers: field(layers, multiply_jump=False),
            lambda layers: field(layers) - 1,
            lambda layers: 1 + sum((kernel - 1) * dilation for kernel, _, dilation in layers),
            lambda layers: field([(kernel * dilation, stride, 1) for kernel, stride, dilation in layers]),
            lambda layers: field([(kernel, stride * dilation, dilation) for kernel, stride, dilation in layers]),
        ],
    },
    "separable_multiply_adds": {
        "stub": lambda i, o, k, h, w: ...,
        "right": [
            lambda i, o, k, h, w: (i * k**2 + i * o) * h * w,
            lambda i, o, k, h, w: sum(k * k + o for _ in range(i)) * h * w,
            lambda i, o, k, h, w: float(i * h * w * (k * k + o)),
        ],
        "wrong": [
            lambda i, o, k, h, w: i * o * k * k * h * w,
            lambda i, o, k, h, w: (o * k * k + i * o) * h * w,
            lambda i, o, k, h, w: (i * k * k + o) * h * w,
            lambda i, o, k, h, w: (i * k + i * o) * h * w,
            lambda i, o, k, h, w: i * k * k + i * o,
            lambda i, o, k, h, w: i * k * k * h * w * i * o * h * w,
            lambda i, o, k, h, w: (i * k * k + i * o) * h * h,
        ],
    },
    "frugal_stem": {
        "stub": ...,
        "right": [
            stem(8, 16, 64, kernels=(5, 3, 5)),
            stem_with_one_relu(),
            nn.Sequential(stem(4, 8, kernels=(7, 5)), stem(64, first=8, kernels=(5,))),
            nn.Sequential(
                nn.Conv2d(1, 8, 5, stride=2, padding=2),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 16, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 16, 5, padding=2, stride=2, groups=16),
                nn.ReLU(),
                nn.Conv2d(16, 64, 1),
                nn.ReLU(),
            ),
        ],
        "wrong": [
            nn.Sequential(  # sees far with one huge window
                nn.Conv2d(1, 8, 25, stride=8, padding=12),
                nn.ReLU(),
                nn.Conv2d(8, 8, 1),
                nn.ReLU(),
                nn.Conv2d(8, 64, 1),
                nn.ReLU(),
            ),
            nn.Sequential(  # looks at every second pixel of every second row alone
                nn.Conv2d(1, 4, 7, stride=2, dilation=2, padding=6),
                nn.ReLU(),
                nn.Conv2d(4, 8, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Conv2d(8, 64, 3, stride=2, padding=1),
                nn.ReLU(),
            ),
            nn.Sequential(  # hardly a pattern left to find
                nn.AvgPool2d(8),
                nn.Conv2d(1, 1, 5, padding=2),
                nn.ReLU(),
                nn.Conv2d(1, 1, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(1, 64, 1),
                nn.ReLU(),
            ),
            nn.Sequential(  # never looks at most pixels
                nn.Conv2d(1, 8, 3, stride=8, padding=1),
                nn.ReLU(),
                nn.Conv2d(8, 8, 5, padding=2),
                nn.ReLU(),
                nn.Conv2d(8, 64, 1),
                nn.ReLU(),
            ),
            stem(8, 16, 64, kernels=(3, 3, 3)),
            stem(8, 16, 64, relu=False),
            nn.Sequential(stem(8, 16, 64, relu=False), nn.ReLU(), nn.ReLU(), nn.ReLU()),  # depth without a bend
            nn.Sequential(nn.AdaptiveAvgPool2d(6), stem(8, 16, 64, kernels=(3, 3, 3), stride=1)),
            nn.Sequential(nn.Conv2d(1, 8, (5, 1), 2, (2, 0)), nn.ReLU(), stem(16, 64, kernels=(5, 5), first=8)),
            stem(8, 16, 32),
            stem(32, 64, 64),
            stem(8, 16, 64, stride=1),
            nn.Sequential(nn.Conv2d(1, 64, 24, stride=8, padding=8), nn.ReLU()),
            stem(8, 16, 64, first=3),
            "a stem",
        ],
    },
}
EXTRA = {"frugal_stem": (BUDGET,)}


def arguments(name, answer):
    return answer, *EXTRA.get(name, ())


def judge(name, answer):
    return getattr(nb02, name)(*arguments(name, answer))


test_right_answers, test_wrong_answers, test_stubs = verdict_tests(nb02, CASES, arguments)


def test_the_expected_size_is_not_printed(capsys):
    judge("output_size", lambda size, kernel, padding=0, stride=1: 999)
    printed = capsys.readouterr().out
    assert set(re.findall(r"\d+", printed)) == {"5", "1", "0", "999"}


TOLD = {
    "not turned": ("true_convolution", correlate, "nothing is turned"),
    "half turned": ("true_convolution", lambda image, kernel: correlate(image, kernel.flip(1)), "not both"),
    "maxima": ("average_pool", lambda x, size, stride: windows(x, size, stride).amax((4, 5)), "maxima"),
    "sums": ("average_pool", lambda x, size, stride: windows(x, size, stride).sum((4, 5)), "sums, not means"),
    "gaps left out": ("field_after", lambda layers: 1 + sum(kernel - 1 for kernel, _, _ in layers), "further apart"),
    "one place": ("separable_multiply_adds", lambda i, o, k, h, w: i * k * k + i * o, "two real layers"),
}


@pytest.mark.parametrize(("name", "answer", "words"), TOLD.values(), ids=TOLD.keys())
def test_common_mistakes_are_told_apart(name, answer, words):
    assert words in judge(name, answer).message


def test_a_function_that_changes_the_image_is_seen():
    def brighter(image, kernel):
        return correlate(image.add_(1), kernel.flip(0, 1))

    assert "changed the numbers" in nb02.true_convolution(brighter).message


def test_several_truths_are_none():
    message = nb02.shift_survives(lambda strides, shift: torch.zeros(2, dtype=torch.bool)).message
    assert "not a bool" in message
