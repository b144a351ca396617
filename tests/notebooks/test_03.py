"""What notebook 03 builds by hand is what the package does: the network, the softmax, the counts."""

from functools import cache

import nbformat
import pytest
import torch
from places import NOTEBOOKS
from torch import nn

from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.shapes import trace_shapes

NOTEBOOK = NOTEBOOKS / "03_designing_a_cnn.ipynb"


@cache
def by_hand(definition: str):
    """Run the one cell of the notebook that holds `definition`, and return what it defines."""
    cells = [c.source for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]
    (source,) = [cell for cell in cells if f"\n{definition}" in f"\n{cell}"]
    namespace = {"torch": torch, "nn": nn}
    exec(source, namespace)
    return namespace[definition.split()[1].rstrip(":").split("(")[0]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"widths": (4, 8)},
        {"widths": (2, 3, 4, 5), "hidden": 9, "classes": 3},
        {"image_size": 32, "widths": (8,)},
    ],
)
def test_tiny_cnn_is_emotion_cnn(options):
    """Same shapes and parameter counts row by row; with the same weights, the same logits, training mode included."""
    torch.manual_seed(0)
    tiny, packaged = by_hand("class TinyCNN(nn.Module):")(**options), EmotionCNN(**options)
    size = options.get("image_size", 48)
    rows = [
        [(row.kind, row.output_shape, row.parameters, row.multiply_adds) for row in trace.rows]
        for trace in (trace_shapes(model, (1, 1, size, size)) for model in (tiny, packaged))
    ]
    assert rows[0] == rows[1]
    for mine, theirs in ((tiny.features, packaged.features), (tiny.classifier, packaged.classifier)):
        theirs.load_state_dict(dict(zip(theirs.state_dict(), mine.state_dict().values(), strict=True)))
    images = torch.randn(6, 1, size, size)
    for mode in (True, False):
        outputs = []
        for model in (tiny.train(mode), packaged.train(mode)):
            torch.manual_seed(1)  # dropout
            outputs.append(model(images))
        assert torch.allclose(*outputs, atol=1e-5)


def test_softmax_by_hand_is_torchs():
    softmax = by_hand("def softmax(logits):")
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1, 30, 1e4):
        for shape in ((7,), (5, 7), (2, 3, 4)):
            logits = scale * torch.randn(shape, generator=generator)
            assert torch.allclose(softmax(logits), logits.softmax(-1), atol=1e-6)
