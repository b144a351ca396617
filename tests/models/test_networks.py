"""The networks and `trace_shapes`, also with the edits that learners make."""

import itertools
import math
import warnings

import pytest
import torch
from torch import nn

from emotion_utils.data.pixels import normalise
from emotion_utils.errors import ShapeError
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.shapes import trace_shapes

NETWORKS = [LinearModel, MLP, EmotionCNN]
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


@pytest.mark.parametrize("network", NETWORKS)
def test_initial_loss_is_ln_of_the_number_of_classes(network):
    """The same for each network and for three classes."""
    torch.manual_seed(0)
    logits = network(classes=3)(torch.randn(60, 1, 48, 48))
    assert nn.functional.cross_entropy(logits, torch.arange(60) % 3).item() == pytest.approx(math.log(3), abs=0.03)


@pytest.mark.parametrize("network", NETWORKS)
def test_predict_proba(network):
    """Rows add up to 1; uint8 is normalised inside; batch size and mode change nothing; the mode stays as it was."""
    model = network().train()
    model.mean.fill_(0.4)
    images = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8)
    probabilities = model.predict_proba(images)
    assert model.training
    assert probabilities.shape == (5, 7)
    assert not probabilities.requires_grad
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    torch.testing.assert_close(model.predict_proba(normalise(images, 0.4, 0.25), batch_size=2), probabilities)
    by_hand = model.eval()(normalise(images, 0.4, 0.25)).softmax(1)
    torch.testing.assert_close(probabilities, by_hand)
    assert model.predict_proba(images[:0]).shape == (0, 7)


@pytest.mark.parametrize("network", NETWORKS)
def test_config_rebuilds_the_network(network):
    """`config` holds the constructor's arguments."""
    model = network(classes=3, image_size=32)
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert EmotionCNN(classes=["sad", "glad"]).classes == ("sad", "glad")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, "at least one block"),
        ({"widths": (8, 0)}, "positive"),
        ({"widths": (4,) * 6}, "at most 5 blocks"),
        ({"kernel": 0}, "kernel=0"),
        ({"convs_per_block": 0}, "convs_per_block=0"),
        ({"activation": "rely"}, "choose one of relu"),
        ({"pooling": "min"}, "pooling='min'"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"classes": 1}, "at least two classes"),
    ],
)
def test_cnn_refuses_impossible_arguments(arguments, message):
    """The error says which argument and what would work."""
    with pytest.raises(ValueError, match=message):
        EmotionCNN(**arguments)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(2, 1, 48, 48, dtype=torch.uint8), TypeError, "normalise"),
        (torch.zeros(2, 1, 32, 32), ShapeError, "image_size=32"),
        (torch.zeros(2, 3, 48, 48), ShapeError, "in_channels=3"),
        (torch.zeros(2, 48, 48), ShapeError, r"images\[:, None\]"),
        (torch.zeros(2, 1, 48, 40), ShapeError, "square"),
        (torch.zeros(2, 1, 48, 48, device="meta"), RuntimeError, "model lies on cpu and the images on meta"),
    ],
)
@pytest.mark.parametrize("network", NETWORKS)
def test_wrong_images_are_explained(network, images, error, message):
    """Type, size, channels, dimensions and device each have their own sentence."""
    with pytest.raises(error, match=message):
        network()(images)


def test_trace_counts_by_hand():
    """Parameters and multiply-adds of a small network, worked out with pencil and paper."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5, groups=2), nn.Flatten(), nn.Linear(6400, 7)
    )
    trace = trace_shapes(model, (2, 1, 48, 48))
    assert [row.output_shape for row in trace.rows] == [
        (2, 8, 48, 48),
        (2, 8, 24, 24),
        (2, 16, 20, 20),
        (2, 6400),
        (2, 7),
    ]
    assert [row.parameters for row in trace.rows] == [8 * 9 + 8, 0, 16 * 4 * 25 + 16, 0, 6400 * 7 + 7]
    assert [row.multiply_adds for row in trace.rows] == [48 * 48 * 8 * 9, 0, 20 * 20 * 16 * 4 * 25, 0, 6400 * 7]
    assert trace.total_parameters == sum(p.numel() for p in model.parameters())
    assert f"{trace.total_multiply_adds:,}" in str(trace)
    assert "Conv2d" in repr(trace)


def test_trace_leaves_the_model_alone():
    """Mode, buffers and hooks are as before, after success and after failure."""
    model = EmotionCNN(widths=(4, 4)).train()
    model.features.block1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace_shapes(model)
    with pytest.raises(ShapeError):
        trace_shapes(model, (1, 1, 20, 20))
    assert model.training
    assert not model.features.block1.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Conv2d(1, 8, 3), nn.Linear(8 * 46 * 46, 7)], r"Layer '1', Linear.*Put nn.Flatten\(\) before it"),
        ([nn.Conv2d(1, 8, 3), nn.Linear(99, 7)], r"nn.Flatten\(\) before it.*set in_features=16928"),
        ([nn.Flatten(), nn.Linear(2304, 10), nn.Linear(11, 7)], r"Layer '2'.*\(1, 10\).*set in_features=10"),
        ([nn.Conv2d(1, 8, 3), nn.Conv2d(16, 8, 3)], r"Layer '1', Conv2d\(in_channels=16.*set in_channels=8"),
        ([nn.Conv2d(1, 8, 3), nn.BatchNorm2d(4)], r"BatchNorm2d\(num_features=4\).*set num_features=8"),
        ([nn.Flatten(), nn.Linear(2304, 9), nn.BatchNorm1d(4)], "set num_features=9"),
        ([nn.Flatten(), nn.Conv2d(1, 8, 3)], r"move nn.Flatten\(\) behind"),
        ([nn.MaxPool2d(2)] * 6, r"\(1×1\): use fewer pooling layers"),
        ([nn.MaxPool2d(16), nn.Conv2d(1, 4, 5)], r"Layer '1'.*\(3×3\): use fewer pooling layers"),
    ],
)
def test_misfits_name_layer_shapes_and_fix(layers, message):
    """The mistakes that learners make, each with its cure."""
    with pytest.raises(ShapeError, match=message):
        trace_shapes(nn.Sequential(*layers))


def test_trace_explains_a_failure_between_layers():
    """Code in `forward` that is no layer is placed behind the last layer that worked."""

    class Wrong(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, images):
            return self.conv(images).view(len(images), 5)

    with pytest.raises(ShapeError, match=r"Wrong.forward failed after layer 'conv'"):
        trace_shapes(Wrong())
