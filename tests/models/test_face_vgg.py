"""The network of the shipped weights: as VGG plans it, and ready for what networks here are used for."""

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.models import FaceVGG, receptive_field, trace_shapes
from emotion_utils.training import TrainConfig, train


def test_it_is_what_its_description_says():
    trace = trace_shapes(FaceVGG())
    assert round(trace.total_parameters / 1e6, 2) == 1.76
    assert round(trace.total_multiply_adds / 1e6) == 139


def test_each_block_sees_half_of_the_one_before():
    model, seen = FaceVGG(((4, 6), (8,), (12, 12))), []
    for block in model.blocks:
        block.register_forward_hook(lambda block, inputs, output: seen.append(tuple(output.shape[1:])))
    assert model(torch.rand(2, 1, 48, 48)).shape == (2, 7)
    assert seen == [(6, 24, 24), (8, 12, 12), (12, 6, 6)]
    kernels = [layer.kernel_size for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(3, 3)] * 5
    assert receptive_field(model.blocks[0])[-1].size == 6  # two of 3 × 3 see five pixels; pooling adds one


def test_it_learns_with_smaller_images_first_and_is_used_at_its_size():
    faces = small_faces(140, size=16)
    model = FaceVGG(((8, 8), (16, 16)), dropout=0.0, image_size=16)
    config = TrainConfig(epochs=8, batch_size=20, learning_rate=0.05, sizes=(8, 16), progress=False, device="cpu")
    history = train(model, faces, None, config)
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]
    with pytest.raises(ValueError, match="16"):
        model.eval()(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [((4,) * 6, "6 blocks halve 48 pixels"), (((4,), ()), r"blocks=\(\)"), ((), "blocks=")],
)
def test_blocks_that_cannot_be_are_refused(blocks, message):
    with pytest.raises(ValueError, match=message) as caught:
        FaceVGG(blocks)
    assert len(str(caught.value)) <= 400
