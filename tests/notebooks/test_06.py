"""Notebook 06 goes on with whatever answers stand in it, and describes the class that a reader looks at."""

import contextlib
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from places import NOTEBOOKS
from torch.nn import functional

from emotion_utils import explain
from emotion_utils.checks import nb06
from emotion_utils.data.drawn import sample_faces
from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.facts import facts_of
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.pretrained import load_pretrained
from emotion_utils.plots import show_maps

pytestmark = pytest.mark.slow
NOTEBOOK = NOTEBOOKS / "06_looking_inside.ipynb"


def run(words: str, names: dict, old: str = "", new: str = "") -> str:
    """Run the one code cell that holds `words`, after an edit; return what it prints."""
    (source,) = [
        cell.source
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells
        if cell.cell_type == "code" and words in cell.source
    ]
    assert old in source
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source.replace(old, new), "<cell>", "exec"), names)
    plt.close("all")
    return printed.getvalue()


@pytest.fixture(scope="module")
def before_step_4() -> dict:
    """What a reader has on arriving at the cell that stretches the map of exercise 2."""
    names = {
        "torch": torch, "functional": functional, "explain": explain, "EMOTIONS": EMOTIONS, "facts_of": facts_of,
        "net": load_pretrained("synthetic"), "face": sample_faces(1, seed=6, truth=False).images,
    }  # fmt: skip
    run("def hide_and_look", names)
    run("register_forward_hook", names)
    return names


def right(maps, gradients):
    return (maps * gradients.mean((2, 3), keepdim=True)).sum(1).relu()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (right, "package: True"),
        (lambda maps, slopes: right(maps, slopes).numpy(), "package: True"),
        (lambda maps, slopes: right(maps.double(), slopes.double()), "package: True"),
        (lambda maps, slopes: np.zeros((1, 6, 6)), "package: False"),
        (lambda maps, slopes: (maps * slopes.sum((2, 3), keepdim=True)).sum(1), "package: False"),
        (lambda maps, slopes: maps * slopes, "package: False"),  # no sum over maps
        (lambda maps, slopes: -right(maps, slopes)[:, None], "package: False"),
        (lambda maps, slopes: ..., "still open"),
        (lambda maps, slopes: None, "still open"),
    ],
)
def test_any_answer_to_exercise_2_is_held_against_the_package(answer, said, before_step_4):
    assert said in run("package = explain.grad_cam", before_step_4 | {"grad_cam_map": answer})


@pytest.mark.parametrize("emotion", ["happy", "fear", "neutral"])
def test_the_start_of_exercise_5_describes_the_class_that_is_looked_at(emotion):
    names = {
        "torch": torch, "explain": explain, "EMOTIONS": EMOTIONS, "predict_proba": predict_proba, "check": nb06,
        "show_maps": show_maps,
    }  # fmt: skip
    printed = run("check.suspect()", names, 'accused = "happy"', f"accused = {emotion!r}")
    place = f"row {names['row']}, column {names['column']}"
    assert f"brightest at {place}" in printed
    assert f"largest at {place}" in printed
