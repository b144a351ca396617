"""Elsewhere than at home: a development container, and a first cell on Colab and Kaggle, once there is an address."""

import copy
import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
from anywhere import TAG, adapt, address, links
from elsewhere import build_wheel, make_environment, run_there
from jupyter_server.serverapp import DEFAULT_JUPYTER_SERVER_PORT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from places import NOTEBOOKS, REPOSITORY

SOMEWHERE = "https://github.com/some-body/some.thing"
LESSON = NOTEBOOKS / "00_start_here.ipynb"
COMMITTED = sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")])


def small_notebook() -> nbformat.NotebookNode:
    result = new_output("execute_result", {"text/plain": "2"}, execution_count=2)
    code = [new_code_cell("x = 1", execution_count=1), new_code_cell("2", execution_count=2, outputs=[result])]
    return new_notebook(cells=[new_markdown_cell("# Title\n\nA question."), *code])


@pytest.fixture(scope="module")
def container() -> dict:
    return json.loads((REPOSITORY / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def start_script():
    spec = importlib.util.spec_from_file_location("start_script", REPOSITORY / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_container_sets_up_with_the_start_script(container):
    start = start_script()
    python, script, command = container["postCreateCommand"].split()
    assert (python, script) == ("python", "start.py")
    assert command in start.COMMANDS
    version = re.search(r"/python:(\d+)\.(\d+)$", container["image"]).groups()
    assert tuple(map(int, version)) >= start.OLDEST_PYTHON


def test_the_container_names_what_is_there(container):
    custom = container["customizations"]
    assert [REPOSITORY / name for name in custom["codespaces"]["openFiles"]] == [LESSON]
    assert LESSON.exists()
    home, _, interpreter = custom["vscode"]["settings"]["python.defaultInterpreterPath"].partition("/")
    assert home == "${containerWorkspaceFolder}"
    assert Path(start_script().VENV).relative_to(REPOSITORY) == Path(interpreter).parents[1]
    assert {str(port) for port in container["forwardPorts"]} == set(container["portsAttributes"])


def test_the_forwarded_port_is_the_one_that_jupyterlab_takes(container):
    assert container["forwardPorts"] == [DEFAULT_JUPYTER_SERVER_PORT]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.relative_to(NOTEBOOKS)))
def test_each_notebook_fits_the_address(path):
    """None today, so no cell fetches the package and no link leads anywhere; `tests/tools/anywhere.py` adapts them."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    adapt(notebook, path, address())
    assert nbformat.writes(notebook).rstrip() == text.rstrip()


def test_an_address_adds_one_cell_and_one_line():
    notebook = small_notebook()
    before = copy.deepcopy(notebook)
    adapt(notebook, LESSON, SOMEWHERE)
    title, cell, first, second = notebook.cells
    assert f"git+{SOMEWHERE}" in cell.source
    assert "https://colab.research.google.com/github/some-body/some.thing/blob/HEAD/notebooks/00_start" in title.source
    assert "src=https://github.com/some-body/some.thing/blob/HEAD/notebooks/00_start_here.ipynb)" in title.source
    assert [each.execution_count for each in (cell, first, second, second.outputs[0])] == [1, 2, 3, 3]
    nbformat.validate(notebook)
    once = copy.deepcopy(notebook)
    adapt(notebook, LESSON, SOMEWHERE)
    assert notebook == once
    adapt(notebook, LESSON, SOMEWHERE.replace("some-body", "else"))
    assert "some-body" not in nbformat.writes(notebook)
    adapt(notebook, LESSON, "")
    assert notebook == before


def test_an_address_elsewhere_has_no_links():
    assert links("https://example.org/a/b", LESSON) == ""
    assert links("", LESSON) == ""
    assert links("https://github.com/a/b.git", LESSON) == links("https://github.com/a/b", LESSON) != ""


@pytest.mark.slow
@pytest.mark.parametrize("at_home", [False, True])
def test_the_cell_brings_the_package_where_it_is_missing(at_home, tmp_path):
    """Like a machine of Colab: PyTorch and pip are there, the package is not; its address is that of a wheel here."""
    pytest.importorskip("pip", reason="this environment has no pip")
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed (extra: test)")
    wheel = build_wheel(tmp_path)
    python = make_environment(tmp_path / "environment", wheel if at_home else None)
    missing = tmp_path / "missing.whl"  # at home nothing is fetched, so it does not matter that there is none
    notebook = small_notebook()
    adapt(notebook, LESSON, str(missing if at_home else wheel))
    assert TAG in notebook.cells[1].metadata.tags
    nbformat.write(notebook, tmp_path / "a.ipynb")
    (tmp_path / "work").mkdir()
    found = run_there(python, tmp_path / "a.ipynb", tmp_path / "work")
    assert Path(found).is_relative_to(tmp_path / "environment")
