"""Modify in place: the marked cells of notebooks 03, 04 and 07 under the edits that learners make.

The cells tagged `edit` (for the reader to change) and `edit-context` (what those need, and what shows the outcome) are
taken out of the notebook and run in order in a fresh namespace, on few faces and one epoch: the constants named in
`SMALL` are rewritten where the notebook assigns them. A legal edit must end in the comparison with the baseline. An
illegal one must raise an error that names the layer (or the setting), the numbers and the likely fix. And after an
undo, everything must be as if nothing had happened.
"""

import ast
import contextlib
import io
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch
from places import NOTEBOOKS

from emotion_utils import data
from emotion_utils.data import drawn as synthetic
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import DivergedError

pytestmark = pytest.mark.slow  # cells of notebooks run here, some ninety times

SMALL = {"TRAIN_FACES": 140, "VALIDATION_FACES": 70, "EPOCHS": 1, "SEEDS": (0, 1)}


@cache
def few_faces(split: str, limit: int) -> FaceDataset:
    """Draw `limit` faces, instead of the 14,000 that `load` would draw and keep."""
    faces = synthetic.sample_faces(limit, seed={"training": 1, "validation": 2}[split], split=split, truth=False)
    if split != "training":
        training = few_faces("training", SMALL["TRAIN_FACES"])
        faces.mean, faces.std = training.mean, training.std
    return faces


def small_load(name=None, split="training", *, limit, **options) -> FaceDataset:
    """Stand in for `emotion_utils.data.load`, whose first call would draw 10,000 faces."""
    return few_faces(split, limit)


def shrink(source: str) -> str:
    """Rewrite the assignments of the constants in `SMALL`."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in SMALL:
            name = node.targets[0].id
            if name == "SEEDS" and len(ast.literal_eval(node.value)) <= len(SMALL[name]):
                continue
            lines[node.lineno - 1 : node.end_lineno] = [f"{name} = {SMALL[name]!r}"]
    return "\n".join(lines)


def turn(source: str, knob: str, value: str) -> str:
    """Give the keyword or variable `knob` another value, as a reader would by typing."""
    changed, count = re.subn(rf"\b({knob}\s*=\s*)(\([^()]*\)|[^,()\n#]+(\([^()]*\))?)", rf"\g<1>{value}  ", source)
    assert count, f"the marked cell has no {knob}= to turn"
    return changed


class Marked:
    """The tagged cells of one notebook, the part before the first marked cell already run."""

    def __init__(self, path: Path) -> None:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        tagged = [(set(c.metadata.get("tags", [])), c.source) for c in cells]
        tagged = [(tags, shrink(source)) for tags, source in tagged if tags & {"edit", "edit-context"}]
        places = [i for i, (tags, _) in enumerate(tagged) if "edit" in tags]
        self.edits = [tagged[i][1] for i in places]
        ends = [*places[1:], len(tagged)]
        self.following = [[s for _, s in tagged[i + 1 : end]] for i, end in zip(places, ends, strict=True)]
        self.start: dict = {"__name__": "__main__"}
        self.before = [source for _, source in tagged[: places[0]]]
        for source in self.before:
            self.run(source, self.start)

    @staticmethod
    def run(source: str, namespace: dict) -> str:
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
            patch.setattr(data, "load", small_load)
            exec(compile(source, "<marked cell>", "exec"), namespace)
        return printed.getvalue()

    def fresh(self) -> dict:
        """Return the namespace in which a reader arrives at the marked cells."""
        return dict(self.start)

    def go(self, number: int, source: str, namespace: dict) -> str:
        """Run marked cell `number` with another text, then the cells that show the outcome; return what they print."""
        return "".join(self.run(cell, namespace) for cell in (source, *self.following[number]))


@cache
def marked(number: str) -> Marked:
    """Prepare the marked cells of a notebook."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return Marked(path)


def baseline_of(namespace: dict):
    """The baseline of a notebook: one result, or the first of several seeds."""
    return namespace["baselines"][0] if "baselines" in namespace else namespace["baseline"]


def mine_of(namespace: dict):
    """What the reader's edit gave: one result, or the first of several seeds."""
    mine = namespace["mine"]
    return mine[0] if isinstance(mine, list) else mine


def result(namespace: dict) -> tuple:
    """What an edit may change and an undo must bring back."""
    mine = mine_of(namespace)
    return mine.correct.tolist(), mine.history["train_loss"], mine.trace.total_parameters, mine.classes


KNOBS = [
    *({"kernel": str(k)} for k in (1, 2, 5, 7)),
    {"widths": "(2, 2, 2)"},
    {"widths": "(64, 96, 128)"},
    {"widths": "(8,)"},
    {"widths": "(8, 8, 8, 16, 16)"},
    *({"activation": f'"{name}"'} for name in ("leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid")),
    {"pooling": '"avg"'},
    {"pooling": '"stride"'},
    {"batch_norm": "False"},
    {"convs_per_block": "2"},
    {"hidden": "0"},
    {"dropout": "0"},
    {"CLASSES": '("happy", "sad", "surprise")'},
    {"IMAGE_SIZE": "32"},
    {"IMAGE_SIZE": "32", "widths": "(8, 8, 8, 8, 8)", "kernel": "2", "pooling": '"stride"'},
    {"CLASSES": '("angry", "fear")', "IMAGE_SIZE": "64", "batch_norm": "False"},
]
BROKEN_KNOBS = [
    ({"classes": "3"}, ["classifier.logits", "(1, 3)", "3 logits", "7 classes", "classes=7"]),
    ({"image_size": "32"}, ["(N, 1, 32, 32)", "(1, 1, 48, 48)", "image_size=48"]),
    ({"widths": "(8, 8, 8, 8, 8, 8)"}, ["6 blocks", "48 pixels", "at most 5"]),
    ({"kernel": "0"}, ["kernel=0", "choose 1"]),
    ({"activation": '"rleu"'}, ["rleu", "relu", "tanh"]),
    ({"pooling": '"mean"'}, ["mean", "avg"]),
    ({"CLASSES": '("happy", "bored")'}, ["bored", "unknown", "sad"]),
    ({"CLASSES": '("happy", "sad", "surprise")', "classes": "7"}, ["classifier.logits", "7 logits", "3 classes"]),
]
LAYERS = [
    [("nn.Conv2d(1, 16, 3, padding=1", "nn.Conv2d(1, 16, 5, padding=2")],
    [("nn.Conv2d(1, 16, 3, padding=1", "nn.Conv2d(1, 16, 7, padding=3")],
    [("nn.ReLU()", "nn.Tanh()")],
    [("nn.MaxPool2d(2)", "nn.AvgPool2d(2)")],
    [("    nn.BatchNorm2d(16),\n", ""), ("    nn.BatchNorm2d(32),\n", ""), ("    nn.BatchNorm2d(64),\n", "")],
    [("nn.Flatten(),", "nn.AdaptiveAvgPool2d(1),\n    nn.Flatten(),"), ("64 * 6 * 6", "64")],
    [("    nn.ReLU(),\n    nn.Dropout(0.25),\n    nn.Linear(128, 7),\n", ""), ("64 * 6 * 6, 128", "64 * 6 * 6, 7")],
    [("nn.Linear(128, 7)", "nn.LazyLinear(7)")],
]
BROKEN_LAYERS = [
    ([("    nn.Flatten(),\n", "")], ["'13'", "(1, 64, 6, 6)", "nn.Flatten()"]),
    ([("nn.Conv2d(16, 32", "nn.Conv2d(16, 33")], ["BatchNorm2d", "(1, 33, 12, 12)", "num_features=33"]),
    ([("nn.Conv2d(32, 64", "nn.Conv2d(33, 64")], ["'8'", "Conv2d", "in_channels=33", "32 channels", "in_channels=32"]),
    ([("64 * 6 * 6", "64 * 5 * 5")], ["'14'", "in_features=1600", "(1, 2304)", "in_features=2304"]),
    ([("nn.Conv2d(1, 16, 3, padding=1", "nn.Conv2d(1, 16, 3, padding=0")], ["'14'", "(1, 1600)", "in_features=1600"]),
    ([("nn.Linear(128, 7)", "nn.Linear(128, 3)")], ["'17'", "(1, 3)", "7 classes", "out_features=7"]),
    ([("nn.Conv2d(1, 16", "nn.Conv2d(3, 16")], ["'0'", "1 channel", "in_channels=1"]),
]
TRAINING = [
    *({"batch_size": str(size)} for size in (1, 7, 512, SMALL["TRAIN_FACES"] - 1)),  # the last leaves a batch of one
    *({"learning_rate": rate} for rate in ("0", "1e-6")),
    *({"momentum": str(momentum)} for momentum in (0, 1)),
    {"momentum": "0", "nesterov": "False", "batch_size": "1"},
    {"weight_decay": "0"},
    {"schedule": '"cosine"'},
    {"schedule": '"constant"', "learning_rate": "0.5"},
    {"label_smoothing": "0.1"},
    {"augment": "Augment()"},
    {"epochs": "2"},
]
BROKEN_TRAINING = [
    ({"learning_rate": "1e30"}, ["learning rate", "too large", "learning_rate=0.1"]),
    ({"learning_rate": "-0.1"}, ["learning_rate=-0.1", "0.001"]),
    ({"batch_size": "0"}, ["batch_size=0", "choose 1 or more"]),
    ({"momentum": "1.5"}, ["momentum=1.5", "0 to 1"]),
    ({"schedule": '"linear"'}, ["schedule='linear'", "onecycle"]),
    ({"epochs": "0"}, ["epochs=0", "choose 1 or more"]),
]
EXPERIMENTS = [
    {"widths": "(4, 4)", "kernel": "5"},
    {"activation": '"gelu"', "pooling": '"avg"', "batch_norm": "False"},
    {"hidden": "0", "convs_per_block": "2"},
    {"batch_size": "16", "learning_rate": "0.01"},
]
BROKEN_EXPERIMENTS = [
    ({"widths": "(8, 8, 8, 8, 8, 8)"}, ["6 blocks", "48 pixels", "at most 5"]),
    ({"learning_rate": "-0.1"}, ["learning_rate=-0.1", "0.001"]),
]


def apply(source: str, changes) -> str:
    """Make an edit: a dictionary of knobs, or pairs of old and new text."""
    for old, new in changes.items() if isinstance(changes, dict) else changes:
        if isinstance(changes, dict):
            source = turn(source, old, new)
        else:
            assert old in source, f"the marked cell no longer holds {old!r}"
            source = source.replace(old, new)
    return source


def name(changes) -> str:
    pairs = changes.items() if isinstance(changes, dict) else changes
    return "; ".join(f"{old}→{new}" for old, new in pairs).replace("\n", " ")


LEGAL = [
    *(("03", 0, c) for c in KNOBS),
    *(("03", 1, c) for c in LAYERS),
    *(("04", 0, c) for c in TRAINING),
    *(("07", 0, c) for c in EXPERIMENTS),
]
ILLEGAL = [
    *(("03", 0, c, words) for c, words in BROKEN_KNOBS),
    *(("03", 1, c, words) for c, words in BROKEN_LAYERS),
    *(("04", 0, c, words) for c, words in BROKEN_TRAINING),
    *(("07", 0, c, words) for c, words in BROKEN_EXPERIMENTS),
]


@pytest.mark.parametrize(
    ("number", "cell", "changes"), [pytest.param(*edit, id=f"{edit[0]} {name(edit[2])}") for edit in LEGAL]
)
def test_legal_edit_is_compared_with_the_baseline(number, cell, changes):
    cells = marked(number)
    namespace = cells.fresh()
    printed = cells.go(cell, apply(cells.edits[cell], changes), namespace)
    for word in ("baseline", "yours", "parameters", "multiply-adds", "seconds", "validation accuracy", "Layers"):
        assert word in printed
    mine, baseline = mine_of(namespace), baseline_of(namespace)
    assert 0 <= mine.accuracy <= 1
    assert torch.isfinite(torch.tensor(mine.history["train_loss"])).all()
    if "CLASSES" in changes:
        assert "another task" in printed
    else:
        assert ("points" in printed) or ("exactly the same" in printed)
        assert mine.classes == baseline.classes


@pytest.mark.parametrize(
    ("number", "cell", "changes", "words"), [pytest.param(*edit, id=f"{edit[0]} {name(edit[2])}") for edit in ILLEGAL]
)
def test_illegal_edit_is_explained_and_undoing_it_heals(number, cell, changes, words):
    cells = marked(number)
    namespace = cells.fresh()
    with pytest.raises((ValueError, RuntimeError, ArithmeticError)) as caught:
        cells.go(cell, apply(cells.edits[cell], changes), namespace)
    for word in words:
        assert word in str(caught.value)
    printed = cells.go(cell, cells.edits[cell], namespace)
    assert "validation accuracy" in printed
    assert result(namespace) == unedited(number, cell)


@cache
def unedited(number: str, cell: int) -> tuple:
    """What a marked cell gives as it stands in the notebook."""
    cells = marked(number)
    namespace = cells.fresh()
    cells.go(cell, cells.edits[cell], namespace)
    return result(namespace)


def test_a_rate_far_too_high_is_compared_or_explained():
    """Whether the loss overflows at a rate of 100 depends on the machine; either way the reader is told."""
    cells = marked("04")
    namespace = cells.fresh()
    source = turn(cells.edits[0], "learning_rate", "100")
    try:
        assert "validation accuracy" in cells.go(0, source, namespace)
    except DivergedError as error:
        assert "learning_rate=" in str(error)  # noqa: PT017 (either outcome is right)
    cells.go(0, cells.edits[0], namespace)
    assert result(namespace) == unedited("04", 0)


def test_undoing_a_legal_edit_heals_too():
    """The same namespace sees an edit, another edit, and the original: the end is as the beginning."""
    cells = marked("03")
    namespace = cells.fresh()
    for changes in ({"widths": "(4, 4)"}, {"CLASSES": '("happy", "sad", "surprise")', "IMAGE_SIZE": "32"}, {}):
        cells.go(0, apply(cells.edits[0], changes), namespace)
    assert result(namespace) == unedited("03", 0)


@pytest.mark.parametrize("number", ["03", "04", "07"])
def test_untouched_cell_equals_the_baseline(number):
    cells = marked(number)
    namespace = cells.fresh()
    printed = cells.go(0, cells.edits[0], namespace)
    assert "all as in the baseline" in printed
    assert "exactly the same" in printed
    assert result(namespace)[0] == baseline_of(namespace).correct.tolist()


def test_with_several_seeds_the_verdict_counts_their_luck():
    cells = marked("04")
    namespace = cells.fresh()
    context = next(source for source in cells.before if "SEEDS" in source)
    cells.run(context.replace("SEEDS = (0,)", "SEEDS = (0, 1)"), namespace)
    assert "exactly the same" in cells.go(0, cells.edits[0], namespace)
    printed = cells.go(0, turn(cells.edits[0], "learning_rate", "0.01"), namespace)
    assert "2 seeds of yours, 2 seeds of the baseline" in printed
    assert [run.config.seed for run in namespace["mine"]] == [0, 1]


def test_an_unchanged_list_of_layers_is_not_called_better_or_worse():
    """Only its start differs from the baseline's, and the start is luck."""
    cells = marked("03")
    printed = cells.go(1, cells.edits[1], cells.fresh())
    assert "all as in the baseline" in printed
    assert "no difference" in printed
