"""Steps of a network: the layers of `trace_shapes`, the functions between them, and what takes what from where."""

import pytest
import torch
import torch.nn.functional as F
from network_styles import SIZE, STYLES
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.handling import as_input
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.wiring import FUNCTION, IMAGE, follow_steps

ONE = (1, 1, SIZE, SIZE)


def steps_of(model, shape=ONE, **options):
    return follow_steps(model, as_input(torch.zeros(shape), model), **options)


@pytest.mark.parametrize("style", STYLES)
def test_the_layers_are_those_of_trace_shapes(style):
    torch.manual_seed(0)
    model = STYLES[style]()
    try:
        rows = trace_shapes(model, ONE).rows
    except ShapeError:
        with pytest.raises(ShapeError):
            steps_of(model)
        return
    steps = steps_of(model)
    assert steps
    layers = [(step.name, step.output_shape, step.parameters) for step in steps if step.kind != FUNCTION]
    expected = [(row.name, row.output_shape, row.parameters) for row in rows]
    # One that is one layer to `trace_shapes` is looked into; one of which it sees no layer at all is one step.
    if len(rows) > 1 or (layers and rows):
        assert layers == expected
    assert all(source < number for number, step in enumerate(steps) for source in step.sources)


def test_a_residual_connection_takes_from_two():
    steps = steps_of(FaceNet(), (1, 1, 48, 48))
    number = {step.name: i for i, step in enumerate(steps)}
    added = steps[number["stages.0.add"]]
    assert added.kind == FUNCTION
    assert added.sources == (number["stages.0.widen.3"], number["stages.0.residuals.0.2"])
    assert steps[number["stages.1.widen.0"]].sources == (number["stages.0.add"],)
    assert steps[number["mean"]].output_shape == (1, 256)


class Plain(nn.Module):
    """As tutorials write it: layers with weights, functions for the rest."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4 * 7 * 7, 7)
        self.bias = nn.Parameter(torch.zeros(7))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return torch.add(self.out(x.flatten(1))[:, None], self.bias)[:, 0]


def test_functions_that_change_a_shape_are_steps():
    steps = steps_of(Plain())
    named = [(step.name, step.output_shape[1:], step.sources) for step in steps[:4]]
    assert named == [
        ("conv", (4, 14, 14), (IMAGE,)),
        ("max_pool2d", (4, 7, 7), (0,)),
        ("flatten", (196,), (1,)),
        ("out", (7,), (2,)),
    ]


def test_one_output_is_kept_and_the_network_stays_as_it_was():
    torch.manual_seed(0)
    model = Plain().train()
    image = torch.randn(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    state = torch.get_rng_state()
    steps = follow_steps(model, image, keep=1)
    assert [step.output is not None for step in steps][:3] == [False, True, False]
    torch.testing.assert_close(steps[1].output, F.max_pool2d(model.conv(image).relu(), 2))
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_layer_that_does_not_fit_is_named():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(10, 7))
    with pytest.raises(ShapeError, match="in_features=784"):
        steps_of(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_network_that_cannot_be_looked_into_is_one_step():
    scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 7)))
    (step,) = steps_of(scripted)
    assert (step.output_shape, step.sources) == ((1, 7), (IMAGE,))
