"""Any network is unwrapped, placed and looked at without being changed."""

import random
import warnings

import numpy as np
import pytest
import torch
from network_styles import Lazy, Statistics, data_parallel, plain
from torch import nn

from emotion_utils.models.handling import (
    as_input,
    copied,
    eval_mode,
    materialise,
    moved_to,
    place_of,
    undisturbed,
    unwrap,
    warn,
)


def test_wrappers_that_compute_the_same_come_off():
    model = plain()
    assert unwrap(model) is model
    assert unwrap(data_parallel(torch.compile(data_parallel(model), backend="eager"))) is model
    sequence = nn.Sequential(model)
    assert unwrap(sequence) is sequence, "which might compute something else"


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))
        self.register_buffer("table", torch.zeros(9, dtype=torch.int64))
        self.layer = nn.Linear(4, 2)


@pytest.mark.parametrize(
    ("model", "dtype"),
    [
        (nn.Flatten(), torch.float32),
        (nn.Linear(2, 2), torch.float32),
        (nn.Linear(2, 2).double(), torch.float64),
        (nn.Linear(2, 2).half(), torch.float16),
        (nn.Linear(2, 2, dtype=torch.complex64), torch.float32),
        (Mixed(), torch.float32),
        (nn.Linear(2, 2).to(torch.float8_e4m3fn), torch.float32),
        (Lazy(), torch.float32),
        (data_parallel(nn.Linear(2, 2).double()), torch.float64),
    ],
    ids=repr,
)
def test_images_take_the_precision_of_most_weights(model, dtype):
    assert place_of(model) == (torch.device("cpu"), dtype)
    assert as_input(torch.zeros(1, 2), model).dtype == dtype


def test_a_network_without_parameters_lies_where_its_buffers_lie():
    model = nn.BatchNorm1d(2, affine=False).to("meta")
    assert place_of(model)[0].type == "meta"


def test_each_layer_keeps_its_mode_whatever_happens():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)).train()
    model[1].eval()
    with eval_mode(model):
        assert not any(module.training for module in model.modules())
    with pytest.raises(ZeroDivisionError), eval_mode(model):
        raise ZeroDivisionError
    assert [module.training for module in model.modules()] == [True, True, False]


@pytest.mark.parametrize("training", [True, False])
def test_a_look_changes_nothing(training):
    model = Statistics().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()

    def look():
        with undisturbed(model, training):
            assert model.training == training
            model(torch.randn(3, 1, 16, 16))
            model.middle += random.random() + np.random.rand()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look()
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]


def test_a_network_compiled_in_place_runs_as_it_is_written():
    seen, model = [], plain()
    model.compile(backend=lambda graph, _: seen.append(graph) or graph.forward)
    with undisturbed(model):
        model(torch.zeros(2, 1, 16, 16))
    assert not seen
    model(torch.zeros(2, 1, 16, 16))
    assert seen


def test_lazy_layers_draw_their_weights_as_at_a_first_call():
    torch.manual_seed(3)
    first = Lazy().eval()
    first(torch.zeros(2, 1, 16, 16))
    torch.manual_seed(3)
    second = Lazy()
    materialise(second, torch.zeros(2, 1, 16, 16))
    assert second.training
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_a_move_is_taken_back_after_an_error():
    model = plain()
    with pytest.raises(ZeroDivisionError), moved_to(model, torch.device("cpu")):
        raise ZeroDivisionError
    assert place_of(model)[0].type == "cpu"


def test_a_warning_points_out_of_the_package():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("hm")
    assert caught[0].filename == __file__


class HoldsABuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(256))
        self.register_buffer("table", torch.rand(256, 7, generator=torch.Generator().manual_seed(0)))
        self.register_buffer("twin", self.table)

    def forward(self, x):
        if self.training:
            self.twin.add_(1)
        return (x.flatten(1) * self.scale) @ self.table


@pytest.mark.parametrize("training", [True, False])
def test_a_look_breaks_no_backward_pass_that_somebody_has_begun(training):
    model = HoldsABuffer().eval()
    table, images = model.table, torch.rand(2, 1, 16, 16)
    expected = images.flatten(1).sum(0) * table.sum(1)
    loss = model(images).sum()
    with undisturbed(model, training):
        assert model.table is model.twin, "one buffer under two names stays one"
        model(images)
    assert model.table is table
    assert model.twin is table
    loss.backward()
    torch.testing.assert_close(model.scale.grad, expected)


class Keeps(nn.Module):
    """Keeps what it has computed: itself, in lists, and in an object that a hook is."""

    def __init__(self):
        super().__init__()
        self.layer, self.last, self.maps, self.hook = nn.Linear(2, 2), None, [], Remembers()
        self.layer.register_forward_hook(self.hook)

    def forward(self, x):
        self.last = self.layer(x)
        self.maps = [self.last, {"again": (self.layer(x),)}]
        return self.last


class Remembers:
    def __call__(self, module, inputs, output):
        self.output = output


def test_a_network_that_keeps_what_it_computed_can_be_copied():
    model, images = Keeps(), torch.rand(3, 2)
    wanted = model(images)
    twin = copied(model)
    assert torch.equal(twin.maps[0], wanted)
    assert torch.equal(twin.hook.output, model.hook.output)
    assert twin.last is twin.maps[0], "one tensor stays one"
    assert twin.hook is not model.hook
    with torch.no_grad():
        twin.layer.weight.zero_()
    assert torch.equal(model(images), wanted)
    wanted.sum().backward()  # the record is still there
