"""`trace_shapes` and `check_fit`: what each layer gives and costs, and which layer does not fit, in words that help."""

import subprocess
import sys

import pytest
import torch
from network_styles import build
from places import REPOSITORY
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from emotion_utils.errors import ShapeError
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.views import FlipAverage


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
        ([nn.Conv2d(1, 8, 3), nn.Linear(8 * 46 * 46, 7)], r"Layer '1', Linear.*nn.Flatten\(\)"),
        ([nn.Conv2d(1, 8, 3), nn.Linear(99, 7)], r"nn.Flatten\(\).*in_features=16928"),
        ([nn.Flatten(), nn.Linear(2304, 10), nn.Linear(11, 7)], r"Layer '2'.*\(1, 10\).*in_features=10"),
        ([nn.Conv2d(1, 8, 3), nn.Conv2d(16, 8, 3)], r"Layer '1', Conv2d\(in_channels=16.*in_channels=8"),
        ([nn.Conv2d(1, 8, 3), nn.BatchNorm2d(4)], r"BatchNorm2d\(num_features=4\).*num_features=8"),
        ([nn.Flatten(), nn.Linear(2304, 9), nn.BatchNorm1d(4)], "num_features=9"),
        ([nn.Flatten(), nn.Conv2d(1, 8, 3)], r"Layer '1'.*2 dimensions.*nn.Flatten"),
        ([nn.MaxPool2d(2)] * 6, r"1×1"),
        ([nn.MaxPool2d(16), nn.Conv2d(1, 4, 5)], r"Layer '1'.*3×3"),
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


def test_the_output_is_what_the_model_returns():
    """Its code may end in an operation that is no layer."""
    trace = trace_shapes(FlipAverage(nn.Sequential(nn.Conv2d(1, 7, 4), nn.Flatten(2))), (3, 1, 8, 8))
    assert trace.rows[-1].output_shape == trace.output_shape == (3, 7, 25)

    class Mean(nn.Sequential):
        def forward(self, images):
            return super().forward(images).mean((2, 3))

    assert trace_shapes(Mean(nn.Conv2d(1, 7, 3)), (2, 1, 8, 8)).output_shape == (2, 7)


class Attends(nn.Module):
    """Attention written out, between rows of an image."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.head = nn.Linear(16, 8), nn.Linear(16, 8), nn.Linear(16, 7)

    def forward(self, x):
        x = x[:, 0]  # (N, 16 rows, 16)
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(2)  # (N, 16, 16)
        return self.head((weights @ x).mean(1))


COSTS = {
    "transposed": (nn.ConvTranspose2d(1, 3, 2, 2), {"ConvTranspose2d": 16 * 16 * 3 * 4}, 0),
    "attention": (
        build("attention"),
        {"Conv2d": 16 * 16 * 16, "MultiheadAttention": 4 * 16 * 16 * 16 + 2 * 16 * 16 * 16, "Linear": 16 * 7},
        0,
    ),
    "attention written out": (Attends(), {"Linear": 2 * 16 * 16 * 8 + 16 * 7}, 16 * 16 * 8 + 16 * 16 * 16),
    "LSTM": (build("LSTM over rows"), {"LSTM": 2 * 16 * 4 * 16 * (16 + 16), "Linear": 32 * 7}, 0),
    "GRU": (build("GRU over rows"), {"GRU": 2 * 16 * 3 * 16 * (16 + 16), "Linear": 32 * 7}, 0),
    "functions alone": (build("functional"), {"Functional": 14 * 14 * 8 * 9 + 8 * 7 * 7 * 7}, 0),
    "weight norm": (build("weight norm"), {"ParametrizedConv2d": 49 * 8 * 9, "ParametrizedLinear": 8 * 49 * 7}, 0),
    "spectral norm": (build("spectral norm"), {"ParametrizedConv2d": 49 * 8 * 9, "ParametrizedLinear": 8 * 49 * 7}, 0),
}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("images", [1, 3])
def test_all_multiply_adds_are_counted(name, images):
    """By pencil and paper, of layers and of functions between them."""
    model, layers, between = COSTS[name]
    trace = trace_shapes(model, (images, 1, 16, 16))
    found = {}
    for row in trace.rows:
        found[row.kind] = found.get(row.kind, 0) + row.multiply_adds
    assert {kind: cost for kind, cost in found.items() if cost} == layers
    assert trace.multiply_adds_between == between
    assert trace.total_multiply_adds == sum(layers.values()) + between
    assert ("functions between layers" in str(trace)) == bool(between)


def test_a_layer_whose_weights_are_computed_is_named_when_it_does_not_fit():
    model = nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)))
    with pytest.raises(ShapeError, match=r"Layer '0', ParametrizedConv2d.*in_channels=1"):
        trace_shapes(model)


@pytest.mark.slow
def test_the_first_trace_of_a_process_says_nothing_of_triton():
    """A build of PyTorch that knows GPUs complains on import where Triton is missing, as on Windows."""
    code = "import sys; sys.modules['triton'] = None; from emotion_utils.models import *; trace_shapes(EmotionCNN())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, "")
