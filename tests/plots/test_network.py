"""A network as blocks: few enough to read, to scale, with the numbers of `trace_shapes`."""

import pytest
import torch
from network_styles import SIZE, STYLES
from torch import nn
from torchvision.models import resnet18

from emotion_utils.errors import ShapeError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.plots.network import IN_A_ROW, MOST_BLOCKS, network_blocks, plot_network

ONE = (1, 1, SIZE, SIZE)


def test_blocks_of_the_first_network():
    blocks, trace = network_blocks(EmotionCNN())
    assert [block.size for block in blocks[:4]] == ["1 × 48 × 48", "16 × 48 × 48", "16 × 24 × 24", "32 × 24 × 24"]
    assert [block.sort for block in blocks[:3]] == ["image", "convolution", "pooling"]
    assert blocks[2].kind == "MaxPool2d, BatchNorm2d, ReLU"
    assert blocks[-1].size == "7"
    assert sum(block.parameters for block in blocks) == trace.total_parameters
    assert sum(block.multiply_adds for block in blocks) == trace.total_multiply_adds


def test_an_edit_of_the_layers_is_drawn():
    before, _ = network_blocks(EmotionCNN(widths=(8, 16)))
    after, _ = network_blocks(EmotionCNN(widths=(8, 16, 32)))
    assert len(after) == len(before) + 2


def test_sizes_grow_with_each_doubling():
    blocks, _ = network_blocks(nn.Sequential(nn.Conv2d(1, 7, 1), nn.Conv2d(7, 15, 1), nn.MaxPool2d(2)), (1, 1, 30, 30))
    assert blocks[2].depth - blocks[1].depth == pytest.approx(1)
    assert blocks[2].side > blocks[3].side > 0


def test_a_connection_that_leaves_blocks_out_is_known():
    blocks, _ = network_blocks(FaceNet())
    added = next(block for block in blocks if block.name == "stages.0.add")
    assert len(added.sources) == 2


@pytest.mark.parametrize("most_blocks", [2, 8, MOST_BLOCKS])
@pytest.mark.parametrize(
    ("model", "shape"),
    [(resnet18, (1, 3, 64, 64)), (lambda: nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(60)]), ONE)],
    ids=["names in a tree", "one long row"],
)
def test_a_deep_network_has_few_blocks_and_all_its_steps(model, shape, most_blocks):
    blocks, trace = network_blocks(model(), shape, most_blocks)
    assert len(blocks) <= most_blocks + 1
    numbers = [number for block in blocks for number in block.steps]
    assert numbers == list(range(len(numbers)))
    assert blocks[-1].shape == trace.output_shape[1:]
    assert sum(block.parameters for block in blocks) == trace.total_parameters


@pytest.mark.parametrize("style", STYLES)
def test_networks_in_all_styles_are_drawn(style, drawn, capsys):
    torch.manual_seed(0)
    model = STYLES[style]()
    try:
        blocks, _ = network_blocks(model, ONE)
    except ShapeError:
        with pytest.raises(ShapeError):
            plot_network(model, ONE)
        return
    plot_network(model, ONE)
    (fig,) = drawn
    assert len(fig.axes) == -(-len(blocks) // IN_A_ROW)
    assert f"{len(blocks) - 1} blocks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [(3, TypeError, "model=3"), (EmotionCNN, TypeError, "EmotionCNN"),
     (nn.Sequential(nn.Conv2d(3, 4, 3)), ShapeError, "in_channels=1")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_a_sentence(model, error, message):
    with pytest.raises(error, match=message):
        plot_network(model)
