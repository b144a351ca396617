"""Every figure is described in words, in a notebook twice, is readable there, and is closed afterwards."""

import base64
import inspect
import io
import os
import re
import sys

import matplotlib
import nbformat
import pytest
from every_figure import FIGURES
from matplotlib import pyplot as plt
from nbclient import NotebookClient
from places import REPOSITORY

from emotion_utils import plots

CELLS = (
    "from emotion_utils.plots import show_faces",
    "show_faces([[0.0, 1.0]], title='Dark and bright')",
    'show_faces([[0.0]], description="One face\\n   with p < 0.05 & a smile.")',
)


@pytest.mark.slow
def test_in_a_notebook_a_figure_is_described_twice(tmp_path, monkeypatch):
    """The same sentence is alt text and visible text; spaces are tidied and HTML's signs are shown as such."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=env)
    words = ("One grey face: Dark and bright.", "One face with p < 0.05 & a smile.")
    for cell, told, markup in zip(notebook.cells[1:], words, (words[0], words[1].replace("<", "&lt;")), strict=True):
        picture, sentence = cell.outputs
        assert picture.metadata["image/png"]["alt"] == told
        assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")
        assert sentence.data["text/plain"] == told
        assert sentence.data["text/html"] == f"<p><em>{markup.replace('& ', '&amp; ')}</em></p>"


@pytest.mark.parametrize("kind", FIGURES)
def test_each_figure_is_described_readable_and_closed(kind, drawn, saved, capsys):
    """Outside a notebook, where there is no place for a picture, the description is printed."""
    FIGURES[kind]()
    printed = capsys.readouterr().out
    assert printed.endswith(".\n")
    assert printed.count("\n") == 1
    assert "nan" not in printed
    (fig,), (png,) = drawn, saved
    for axis in fig.axes:
        if axis.axison and axis.get_label() != "<colorbar>" and len(axis.get_xticks()):
            assert axis.get_xlabel()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") <= 950, "wider than a notebook's column"
    assert len(png) < 200_000


def test_every_figure_is_tried_and_takes_ones_own_words():
    """A new function without test, title or description is noticed here."""
    functions = {name for name in plots.__all__ if re.match("show_|plot_", name)} - {"show_figure"}
    assert functions <= {name for draw in FIGURES.values() for name in draw.__code__.co_names}
    for name in functions:
        assert {"title", "description"} <= set(inspect.signature(getattr(plots, name)).parameters)


@pytest.mark.parametrize("description", ["", "  \n", None])
def test_a_figure_without_description_is_refused(description):
    fig, _ = plt.subplots()
    with pytest.raises(ValueError, match="description="):
        plots.show_figure(fig, description)
    plt.close(fig)


def test_the_style_uses_the_palette_of_okabe_and_ito():
    """Colours that people with a colour vision deficiency can tell apart, set when the module is imported."""
    assert plots.PALETTE["blue"] == "#0072B2"
    assert matplotlib.rcParams["axes.prop_cycle"].by_key()["color"] == list(plots.COLOURS)


def test_a_description_is_shown_where_the_console_has_no_letters_for_it(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", shown)
    plots.plot_bars(["\U0001f642"], [1])
    shown.flush()
    assert shown.buffer.getvalue().startswith(b"Bars: \\U0001f642 1.")
