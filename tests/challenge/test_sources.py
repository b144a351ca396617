"""The code behind an entry: from a file, from a notebook's cell, of a ready-made network, and where there is none."""

import functools
import linecache

from torch import nn

from emotion_utils.challenge.sources import describe_training, source_of
from emotion_utils.models import EmotionCNN
from emotion_utils.training import TrainConfig

CELL = '''
from torch import nn


class FromACell(nn.Module):
    """Written in a notebook."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Linear(2304, 7)

    def forward(self, images):
        return self.logits(images.flatten(1))


def train_in_a_cell(model, train_set):
    model.train()
'''


def run_cell(source: str, name: str) -> dict:
    """Run a text as a notebook runs a cell: Python finds its lines, and no module that it belongs to."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def test_a_class_and_a_function_of_a_cell_are_found():
    cell = run_cell(CELL, "<ipython-input-1-abc>")
    source = source_of(nn.Sequential(cell["FromACell"]()), cell["train_in_a_cell"])
    assert "class FromACell(nn.Module):" in source
    assert "return self.logits(images.flatten(1))" in source
    assert "def train_in_a_cell" in source
    assert "Sequential" in source


def test_a_ready_made_network_tells_how_it_was_built():
    source = source_of(EmotionCNN(widths=(4, 8), hidden=0), TrainConfig())
    assert "EmotionCNN(widths=(4, 8)" in source
    assert "Conv2d(4, 8" in source


def test_what_cannot_be_found_is_said():
    made = type("Conjured", (nn.Module,), {"__module__": "nowhere", "forward": lambda self, images: images})
    assert "unknown" in source_of(made()) or "lambda" in source_of(made())
    assert "unknown" in source_of(nn.Identity(), functools.partial(print))


def test_settings_that_differ_are_named():
    told = describe_training(TrainConfig(epochs=3, learning_rate=0.01))
    assert told == "TrainConfig(epochs=3, learning_rate=0.01)"
    assert describe_training(None) == "TrainConfig()"
    assert describe_training(run_cell) == "run_cell(model, train_set)"
