"""Linear model, multi-layer perceptron and convolutional network, also with the edits that learners make."""

import itertools
import math
import warnings

import pytest
import torch
from torch import nn

from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.shapes import trace_shapes

BLOCKS = [(8,), (4, 4, 4, 4, 4)]


@pytest.mark.parametrize(("widths", "size"), list(itertools.product(BLOCKS, (48, 32))))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("pooling", ["max", "avg", "stride"])
def test_cnn_in_all_shapes_gives_logits(widths, size, kernel, pooling):
    """One block and five, odd and even kernels, every pooling: the parts fit together, and the trace agrees."""
    model = EmotionCNN(widths=widths, image_size=size, kernel=kernel, pooling=pooling)
    trace = trace_shapes(model, (3, 1, size, size))
    assert trace.output_shape == (3, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model(torch.randn(3, 1, size, size)).shape == (3, 7)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_cnn_variants_start_at_ln_7(activation, batch_norm):
    """Before training every class is about equally likely: the loss is ln 7."""
    torch.manual_seed(0)
    model = EmotionCNN(activation=activation, batch_norm=batch_norm, convs_per_block=2, hidden=0 if batch_norm else 32)
    logits = model(torch.randn(32, 1, 48, 48))
    assert nn.functional.cross_entropy(logits, torch.arange(32) % 7).item() == pytest.approx(math.log(7), abs=0.05)


@pytest.mark.parametrize("network", [LinearModel, MLP, EmotionCNN])
def test_initial_loss_is_ln_of_the_number_of_classes(network):
    """The same for each network and for three classes."""
    torch.manual_seed(0)
    logits = network(classes=3)(torch.randn(60, 1, 48, 48))
    assert nn.functional.cross_entropy(logits, torch.arange(60) % 3).item() == pytest.approx(math.log(3), abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, r"widths=\(\)"),
        ({"widths": (8, 0)}, r"widths=\(8, 0\)"),
        ({"widths": (4,) * 6}, "6 blocks.*48 pixels.*at most 5"),
        ({"kernel": 0}, "kernel=0"),
        ({"convs_per_block": 0}, "convs_per_block=0"),
        ({"activation": "rely"}, "activation='rely'.*relu"),
        ({"pooling": "min"}, "pooling='min'.*avg"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_cnn_refuses_impossible_arguments(arguments, message):
    """The error says which argument and what would work."""
    with pytest.raises(ValueError, match=message):
        EmotionCNN(**arguments)
