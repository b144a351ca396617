"""The receptive field by formula equals the one measured by gradients, and the one notebook 02 builds."""

import ast
import contextlib
import io
import json
import re

import pytest
import torch
from places import NOTEBOOKS
from torch import nn
from torch.nn import functional

from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.receptive import influence, receptive_field
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.plots.features import show_pairs

NOTEBOOK = NOTEBOOKS / "02_convolution_and_pooling.ipynb"

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
    with pytest.raises(ValueError, match=r"layer 0: kernel_size \(3, 5\)"):
        receptive_field(nn.Sequential(nn.Conv2d(1, 1, (3, 5))))


def test_influence_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        influence(model, torch.rand(2, 1, 9, 9))
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def notebook_functions(*names: str) -> dict:
    """Run the functions that notebook 02 builds, and nothing else of it."""
    space = {"torch": torch, "functional": functional}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.FunctionDef) and node.name in names:
                    exec(compile(ast.Module([node], []), "notebook 02", "exec"), space)
    assert set(names) <= set(space), f"notebook 02 no longer builds all of {names}"
    return space


def test_notebook_and_package_agree_on_receptive_fields():
    field_by_hand = notebook_functions("field_by_hand")["field_by_hand"]
    generator = torch.Generator().manual_seed(2)
    for _ in range(20):
        layers = torch.randint(1, 6, (4, 2), generator=generator).tolist()
        model = nn.Sequential(*(nn.Conv2d(1, 1, kernel, stride) for kernel, stride in layers))
        assert field_by_hand([("conv", *layer) for layer in layers]) == receptive_field(model)[-1].size


def test_convolutions_and_pooling_of_the_notebook_equal_pytorch():
    built = notebook_functions(
        "correlate", "conv2d_loops", "windows_of", "conv2d_unfold", "conv2d_matmul", "conv2d", "max_pool"
    )
    generator = torch.Generator().manual_seed(3)
    for channels, outputs, height, width, kernel in [(1, 1, 5, 6, 1), (3, 4, 9, 7, 3), (2, 5, 8, 11, 4)]:
        images = torch.randn(2, channels, height, width, generator=generator)
        weight = torch.randn(outputs, channels, kernel, kernel, generator=generator)
        bias = torch.randn(outputs, generator=generator)
        want = functional.conv2d(images, weight, bias)
        for name in ("conv2d_loops", "conv2d_unfold"):
            assert torch.allclose(built[name](images[0], weight, bias), want[0], atol=1e-5), name
        assert torch.allclose(built["conv2d_matmul"](images, weight, bias), want, atol=1e-5)
        alone = functional.conv2d(images[:1, :1], weight[:1, :1])[0, 0]
        assert torch.allclose(built["correlate"](images[0, 0], weight[0, 0]), alone, atol=1e-5)
        for padding, stride in [(0, 1), (2, 1), (1, 2), (3, 3)]:
            strided = functional.conv2d(images, weight, bias, stride, padding)
            assert torch.allclose(built["conv2d"](images, weight, bias, padding, stride), strided, atol=1e-5)
        for size, stride in [(2, 2), (3, 1), (1, 2)]:
            assert torch.equal(built["max_pool"](images, size, stride), functional.max_pool2d(images, size, stride))


def run_marked_cell(**edits: object) -> str:
    """Run the marked cell of notebook 02 with other values, then the cell after it; return what that one prints."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    place = next(i for i, cell in enumerate(cells) if "edit" in cell["metadata"].get("tags", []))
    space = {"EmotionCNN": EmotionCNN, "trace_shapes": trace_shapes, "receptive_field": receptive_field}
    space["network"] = EmotionCNN(widths=(16, 32, 64))
    exec("".join(cells[place]["source"]), space)
    assert set(edits) <= set(space), "an edit names something that the cell does not set"
    space.update(edits)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("".join(cells[place + 1]["source"]), space)
    return printed.getvalue()


LEGAL = [{"kernel": k} for k in (1, 2, 5, 7)] + [{"widths": w} for w in ((4,), (8,) * 5, (128, 128, 128))]
LEGAL += [{"pooling": "avg"}, {"pooling": "stride"}, {"pooling": "stride", "kernel": 2}, {"convs_per_block": 3}]


@pytest.mark.parametrize("edits", LEGAL, ids=str)
def test_legal_edit_of_the_marked_cell_is_compared_with_the_baseline(edits):
    untouched, edited = run_marked_cell(), run_marked_cell(**edits)
    rows = [re.split(r"\s{2,}", line) for line in edited.splitlines()[1:]]
    assert [row[0] for row in rows] == ["output", "field (pixels)", "parameters", "multiply-adds"]
    assert [row[1] for row in rows] == [re.split(r"\s{2,}", line)[1] for line in untouched.splitlines()[1:]]
    assert any(before != now for _, before, now in rows) or edits == {"pooling": "avg"}
    assert run_marked_cell() == untouched, "undoing the edit heals the notebook"


ILLEGAL = [({"kernel": 0}, "kernel=0"), ({"widths": (8,) * 6}, "at most 5"), ({"pooling": "min"}, "pooling='min'")]


@pytest.mark.parametrize(("edits", "words"), ILLEGAL, ids=str)
def test_illegal_edit_is_answered_in_words(edits, words):
    with pytest.raises(ValueError, match=words):
        run_marked_cell(**edits)


def test_pairs_of_bars_are_told_in_words(capsys):
    show_pairs(["conv", "linear"], {"work": [90, 10], "weights": [1.25, 98.75]}, xlabel="share (%)", number="{:.1f}")
    assert "conv: work 90.0, weights 1.2; linear: work 10.0, weights 98.8" in capsys.readouterr().out
    with pytest.raises(ValueError, match="two series of 2 values"):
        show_pairs(["conv", "linear"], {"work": [90, 10], "weights": [1]}, xlabel="share (%)")
