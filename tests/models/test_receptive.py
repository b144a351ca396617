"""The receptive field by formula equals the one measured by gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from network_styles import Centred, Lazy, build, data_parallel
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.receptive import influence, receptive_field

STACKS = {
    "one 3x3": [nn.Conv2d(1, 2, 3)],
    "same padding": [nn.Conv2d(1, 2, 5, padding="same"), nn.Conv2d(2, 2, 3, padding="valid")],
    "stride": [nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1)],
    "pooling": [nn.Conv2d(1, 2, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, padding=1), nn.AvgPool2d(3, 2, 1)],
    "dilation": [nn.Conv2d(1, 2, 3, dilation=3, padding=3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3, dilation=2)],
}


def positive(layers: list[nn.Module]) -> nn.Sequential:
    """Make all weights positive, so that no gradient can cancel."""
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_().add_(0.1)
    return model


@pytest.mark.parametrize("name", STACKS)
def test_formula_equals_the_pixels_that_have_a_gradient(name):
    model = positive(STACKS[name])
    size = 47
    field = receptive_field(model)[-1]
    used = influence(model, torch.rand(1, 1, size, size)) > 0
    middle = model(torch.rand(1, 1, size, size)).shape[-1] // 2
    start, stop = field.window(middle)
    assert 0 <= start < stop <= size, "the test wants a field inside the image"
    columns = used.any(0).nonzero().flatten()
    rows = used.any(1).nonzero().flatten()
    assert (int(columns[0]), int(columns[-1]) + 1) == (start, stop)
    assert (int(rows[0]), int(rows[-1]) + 1) == (start, stop)


def test_neighbouring_units_are_a_jump_apart():
    model = positive(STACKS["pooling"])
    field = receptive_field(model)[-1]
    images = torch.rand(1, 1, 48, 48, requires_grad=True)
    maps = model(images)
    starts = []
    for column in (5, 6):
        (gradient,) = torch.autograd.grad(maps[0, :, 6, column].sum(), images, retain_graph=True)
        starts.append(int(gradient[0, 0].abs().sum(0).nonzero()[0]))
    assert starts[1] - starts[0] == field.jump
    assert starts[0] == field.window(5)[0]


def test_walk_ends_where_a_unit_sees_everything():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 8), nn.Conv2d(1, 1, 3))
    assert [row.size for row in receptive_field(model)] == [3]


def test_kernel_that_is_no_square_is_refused_by_name():
    with pytest.raises(ValueError, match=r"kernel_size=\(3, 5\) of layer '0'"):
        receptive_field(nn.Sequential(nn.Conv2d(1, 1, (3, 5))))


@pytest.mark.parametrize(
    "layer",
    [nn.ConvTranspose2d(2, 2, 3), nn.Upsample(scale_factor=2), nn.PixelUnshuffle(2), nn.Unfold(3), nn.GRU(4, 4)],
)
def test_a_layer_that_cannot_be_followed_is_refused_by_name(layer):
    with pytest.raises(ValueError, match=rf"Layer '1', {type(layer).__name__}"):
        receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), layer, nn.Conv2d(2, 2, 3)))


def test_wrappers_come_off_and_what_is_no_network_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LPPool2d(2, 2), nn.ReLU())
    plain = receptive_field(model)
    assert plain[-1].size == 4
    assert receptive_field(data_parallel(model)) == plain
    images = torch.rand(2, 1, 9, 9)
    assert torch.equal(influence(torch.compile(model, backend="eager"), images), influence(model, images))
    for call in (receptive_field, lambda model: influence(model, images)):
        with pytest.raises(TypeError, match="model="):
            call(nn.Conv2d)


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        (nn.Conv2d(1, 2, 3), torch.zeros(2, 1, 9, 9, dtype=torch.uint8), "uint8"),
        (nn.Conv2d(1, 2, 3), torch.zeros(9, 9), r"\(9, 9\)"),
        (nn.Conv2d(3, 2, 3), torch.zeros(2, 1, 9, 9), "in_channels=1"),
        (nn.Flatten(), torch.zeros(2, 1, 9, 9), r"\(2, 81\).*feature maps"),
    ],
)
def test_influence_on_no_map_is_refused(model, images, message):
    with pytest.raises(ShapeError, match=message):
        influence(model, images)


def test_influence_takes_the_precision_of_the_weights():
    assert influence(nn.Conv2d(1, 2, 3).double(), torch.rand(2, 1, 9, 9)).shape == (9, 9)


def test_influence_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        influence(model, torch.rand(2, 1, 9, 9))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_influence_on_a_network_that_works_in_place():
    conv, images = nn.Conv2d(1, 2, 3), torch.rand(2, 1, 9, 9)
    found, wanted = (influence(nn.Sequential(Centred(how), conv), images) for how in (True, False))
    torch.testing.assert_close(found, wanted)


class Lesson(nn.Module):
    """As in PyTorch's own first lesson: pooling is a function."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.LazyLinear(7)

    def forward(self, x):
        return self.head(F.max_pool2d(F.relu(self.two(F.max_pool2d(F.relu(self.one(x)), 2))), 2).flatten(1))


class OtherOrder(nn.Module):
    def __init__(self, spare=()):
        super().__init__()
        self.spare = nn.ModuleList(spare)
        self.second, self.first = nn.Conv2d(4, 4, 3), nn.Conv2d(1, 4, 5, 2)

    def forward(self, x):
        return self.second(self.first(x))


class HeadFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.conv = nn.Linear(4, 7), nn.Conv2d(1, 4, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


class Pooled(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x, 2)


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.kernel = nn.Conv2d(1, 4, 3), nn.Parameter(torch.rand(4, 4, 5, 5))

    def forward(self, x):
        return F.conv2d(self.conv(x), self.kernel, padding=2)


@pytest.mark.parametrize("size", [16, 48])
def test_pooling_by_a_function_is_not_passed_over(size):
    model = Lesson()
    model(torch.zeros(1, 1, size, size))
    with pytest.raises(ValueError, match="'max_pool2d', function, changes the size"):
        receptive_field(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (OtherOrder, "first, second, and what is defined before it is second, first"),
        (lambda: OtherOrder([nn.Conv2d(9, 9, 9)]), r"spare\.0"),
        (HeadFirst, "conv, and what is defined before it is nothing"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), Pooled(), nn.Conv2d(2, 2, 3)), "'1', Pooled, changes the size"),
        (partial(build, "branches, dense"), r"'branches\.1' takes from the image, not from branches\.0"),
        (ByHand, "'conv2d', function, multiplies"),
        (partial(build, "shared layer"), "stem, again, again, again"),
    ],
)
def test_layers_that_are_no_chain_are_refused(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        receptive_field(make())
    assert len(str(caught.value)) <= 400


def test_a_layer_whose_weights_are_computed_is_a_layer():
    assert [(field.name, field.size, field.jump) for field in receptive_field(build("weight norm"))] == [("0", 3, 2)]


def test_adding_to_what_comes_in_is_a_chain():
    model = build("ModuleList, residual")
    assert [(field.name, field.size, field.jump) for field in receptive_field(model)] == [
        ("stem", 3, 2), ("blocks.0", 7, 2), ("blocks.1", 11, 2), ("blocks.2", 15, 2),
    ]  # fmt: skip


def test_what_cannot_be_run_is_believed_and_stays_as_it_is():
    lazy = Lazy()
    assert [field.size for field in receptive_field(lazy)] == [3]
    assert lazy[0].in_channels == 0, "its weights are not drawn"
    part = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)).train()
    assert [field.size for field in receptive_field(part)] == [3]
    assert part.training
    assert part[1].num_batches_tracked == 0
    assert receptive_field(nn.Conv2d(3, 2, 3))[0].size == 3


def test_maps_of_a_single_place_are_followed():
    features = EmotionCNN(widths=(8,) * 5).features  # 48, 24, 12, 6, 3, 1 pixels wide
    assert receptive_field(features)[-1].size == 94
    longer = nn.Sequential(features, nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    assert [field.size for field in receptive_field(longer)][-2:] == [94, 158]
