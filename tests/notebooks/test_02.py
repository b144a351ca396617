"""What notebook 02 builds by hand is what PyTorch and the package do, and its marked cell takes the learners' edits."""

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
from emotion_utils.models.receptive import receptive_field
from emotion_utils.models.shapes import trace_shapes

NOTEBOOK = NOTEBOOKS / "02_convolution_and_pooling.ipynb"


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
