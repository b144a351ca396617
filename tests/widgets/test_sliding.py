"""A window that slides: sizes and numbers as PyTorch gives them, kernels that do what they are called, sentences."""

import pytest
import torch
from torch.nn import functional

from emotion_utils.widgets.sliding import KERNEL_SIZES, check_kernel, check_sliding, presets

USUAL = {
    "kernel": "blur", "bias": 0.0, "relu": False, "stride": 1, "padding": 0, "dilation": 1, "mode": "convolution",
    "pool_size": 2,
}  # fmt: skip
IMAGE = torch.rand(9, 7, generator=torch.Generator().manual_seed(0))


def sliding(**changed):
    return check_sliding(*IMAGE.shape, **USUAL | changed)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("mode", ["convolution", "max", "average"])
def test_the_map_has_the_size_that_was_said(mode, stride, padding):
    one = sliding(mode=mode, stride=stride, padding=padding, pool_size=3, dilation=1 if mode == "average" else 2)
    assert tuple(one.apply(IMAGE).shape) == one.output_size(*IMAGE.shape)


def test_bias_and_relu_come_after_the_sum():
    kernel = torch.tensor([[0.0, 0, 0], [0, -1, 0], [0, 0, 0]])
    middle = IMAGE[1:-1, 1:-1]
    torch.testing.assert_close(sliding(kernel=kernel, bias=0.5).apply(IMAGE), 0.5 - middle)
    torch.testing.assert_close(sliding(kernel=kernel, bias=0.5, relu=True).apply(IMAGE), (0.5 - middle).relu())


@pytest.mark.parametrize("size", KERNEL_SIZES)
def test_presets_do_what_they_are_called(size):
    """An even grey stays as it is or vanishes; a step and a line are answered in the right direction."""
    made = presets(size)
    even, edge = torch.full((1, 1, 9, 9), 0.4), size // 2
    for name, kernel in made.items():
        assert kernel.shape == (size, size)
        answer = functional.conv2d(even, kernel[None, None])
        keeps = name in ("identity", "blur", "sharpen", "emboss")
        torch.testing.assert_close(answer, torch.full_like(answer, 0.4 if keeps else 0.0), atol=1e-5, rtol=0)
    step = torch.zeros(1, 1, 9, 9)
    step[:, :, :4] = 1  # bright above dark
    assert functional.conv2d(step, made["horizontal edges"][None, None]).max() > 1
    assert functional.conv2d(step, made["vertical edges"][None, None]).abs().max() < 1e-5
    line = torch.zeros(1, 1, 9, 9)
    line[:, :, :, 4] = 1  # a bright upright line
    answers = functional.conv2d(line, made["bright line"][None, None])[0, 0]
    assert (answers.argmax(1) == 4 - edge).all()
    assert functional.conv2d(line.mT, made["bright line"][None, None]).abs().max() < 1e-5
    assert torch.equal(functional.conv2d(line, made["identity"][None, None], padding=edge), line)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kernel": torch.ones(7, 7)}, "7 × 7"),
        ({"kernel": torch.ones(2, 2)}, "2 × 2"),
        ({"kernel": 3}, "kernel=3"),
        ({"kernel": "burl"}, "'burl'"),
        ({"kernel": [["a"] * 3] * 3}, "kernel="),
        ({"kernel": [[1, 2], [3]]}, "kernel="),
        ({"kernel": torch.full((3, 3), float("nan"))}, "nan"),
        ({"kernel": torch.full((3, 3), 1e6)}, "1000000"),
        ({"bias": float("inf")}, "bias=inf"),
        ({"relu": "yes"}, "relu='yes'"),
        ({"stride": 0}, "stride=0"),
        ({"stride": 1.5}, "stride=1.5"),
        ({"padding": -1}, "padding=-1"),
        ({"dilation": "2"}, "dilation='2'"),
        ({"mode": "conv"}, "mode='conv'"),
        ({"mode": ["max"]}, "mode="),
        ({"mode": "average", "dilation": 2}, "dilation=2"),
        ({"mode": "max", "padding": 2, "pool_size": 3}, "padding=2"),
        ({"pool_size": 9}, "pool_size=9"),
        ({"kernel": torch.ones(5, 5), "dilation": 2}, "9 pixels"),
    ],
)
def test_what_cannot_be_is_a_sentence(changed, message):
    with pytest.raises(ValueError, match=message) as caught:
        sliding(**changed)
    assert len(str(caught.value)) <= 400


def test_a_kernel_is_taken_apart_from_what_was_given():
    given = torch.ones(1, 1, 3, 3, dtype=torch.double, requires_grad=True)
    kernel = check_kernel(given)
    kernel[0, 0] = 7
    assert kernel.shape == (3, 3)
    assert kernel.dtype == torch.float32
    assert given[0, 0, 0, 0] == 1
