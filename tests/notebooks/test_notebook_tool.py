"""The notebook builder: what it strips, what it keeps, and that a failed run leaves the good notebook in place."""

from pathlib import Path

import nbformat
import notebook as tool
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

VIEW = {tool.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "IntSlider()"}


def cleaned(*outputs, **metadata):
    book = new_notebook(cells=[new_code_cell("x", outputs=list(outputs), metadata=metadata)])
    book.metadata.widgets = {"state": {}}
    tool.clean(book)
    return book


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def test_a_widget_alone_leaves_nothing():
    book = cleaned(new_output("display_data", VIEW))
    assert book.cells[0].outputs == []
    assert set(book.metadata) == {"kernelspec", "language_info"}


def test_a_widget_with_a_picture_leaves_the_picture_and_its_words():
    metadata = {"image/png": {"alt": "Seven faces."}}
    (output,) = cleaned(new_output("display_data", {**VIEW, "image/png": "aGk="}, metadata=metadata)).cells[0].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.metadata == metadata


def test_a_progress_bar_keeps_its_last_state():
    (output,) = cleaned(stream(" 0%\r 50%", "stderr"), stream("\r100%\n", "stderr")).cells[0].outputs
    assert output.text == "100%\n"


def test_text_around_a_bar_that_wiped_itself_out_is_one_piece():
    outputs = cleaned(stream("epoch 1\n"), stream(" 50%\r     \r", "stderr"), stream("epoch 2\n")).cells[0].outputs
    assert [output.text for output in outputs] == ["epoch 1\nepoch 2\n"]


def test_paths_of_this_machine_become_relative():
    texts = stream(f"{tool.REPOSITORY}/data/x and {Path.home()}/.cache/y")
    assert cleaned(texts).cells[0].outputs[0].text == "data/x and ~/.cache/y"


def test_tags_stay_and_timings_go():
    book = cleaned(tags=["exercise"], execution={"iopub.status.busy": "2026"})
    assert book.cells[0].metadata == {"tags": ["exercise"]}


def test_ids_depend_on_the_cell_alone():
    def ids(*sources):
        book = new_notebook(cells=[new_markdown_cell(source) for source in sources])
        tool.name_cells(book)
        return [cell.id for cell in book.cells]

    assert ids("a", "b", "a")[:2] == ids("a", "b")
    assert ids("new", "a", "b")[1:] == ids("a", "b")
    assert len(set(ids("a", "b", "a"))) == 3


def test_code_is_sorted_and_formatted():
    book = new_notebook(cells=[new_code_cell("import time\nimport math\nx   = {'a':1}")])
    assert tool.format_code(book).cells[0].source == 'import math\nimport time\n\nx = {"a": 1}'
    with pytest.raises(SystemExit, match="ruff could not read a cell"):
        tool.format_code(new_notebook(cells=[new_code_cell("x = (")]))


def test_a_cell_to_edit_gets_its_tag():
    book = new_notebook(cells=[new_code_cell("# EDIT ME: more epochs\nx = 1")])
    tool.name_cells(book)
    assert book.cells[0].metadata.tags == ["edit"]


@pytest.mark.parametrize("before", ["RUNTIME", "35"])
def test_the_measured_time_is_stated(before):
    book = new_notebook(cells=[new_markdown_cell(f"# T\n**Time.** An hour; {before} seconds to run.")])
    tool.state_time(book, 41.2)
    assert "An hour; 45 seconds to run." in book.cells[0].source


@pytest.mark.slow
def test_a_failed_run_leaves_the_good_notebook(tmp_path, monkeypatch):
    pytest.importorskip("jupytext", reason="jupytext is for writers of notebooks (extra: dev)")
    monkeypatch.setattr(tool, "REPOSITORY", tmp_path)
    monkeypatch.setattr(tool, "NOTEBOOKS", tmp_path)
    source, target = tmp_path / "bad.py", tmp_path / "bad.ipynb"
    source.write_text("# %%\n1 / 0\n")
    target.write_text("good")
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        tool.build(source, target)
    assert target.read_text() == "good"


def test_text_and_back(tmp_path):
    pytest.importorskip("jupytext", reason="jupytext is for writers of notebooks (extra: dev)")
    book = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("x = 1", metadata={"tags": ["edit"]})])
    nbformat.write(book, tmp_path / "a.ipynb")
    tool.to_text(tmp_path / "a.ipynb", tmp_path / "a.py", force=False)
    text = (tmp_path / "a.py").read_text()
    assert "# %% [markdown]\n# # Title" in text
    assert '# %% tags=["edit"]\nx = 1' in text
    with pytest.raises(SystemExit, match="newer"):
        tool.to_text(tmp_path / "a.ipynb", tmp_path / "a.py", force=False)


def test_what_looks_like_a_command_is_the_same_after_text_and_back(tmp_path):
    jupytext = pytest.importorskip("jupytext", reason="jupytext is for writers of notebooks (extra: dev)")
    sources = ["On a cluster:\n\n```bash\n#!/bin/bash\n#SBATCH --nodes=2\n```", "%run -m emotion_utils check", "!ls"]
    kinds = [new_markdown_cell, new_code_cell, new_code_cell]
    book = new_notebook(cells=[kind(source) for kind, source in zip(kinds, sources, strict=True)])
    nbformat.write(book, tmp_path / "a.ipynb")
    tool.to_text(tmp_path / "a.ipynb", tmp_path / "a.py", force=False)
    assert [cell.source for cell in jupytext.read(tmp_path / "a.py", fmt=tool.TEXT_FORM).cells] == sources
