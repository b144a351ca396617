"""The wheel is whole: with it alone, away from the repository, the package, its weights and a notebook work."""

import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from elsewhere import build_wheel, main, make_environment, run_there
from places import PACKAGE, REPOSITORY, RESULTS

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed (extra: test)")

CELL = """
import json
from pathlib import Path

from emotion_utils.files import RESULTS, data_dir
from emotion_utils.models import load_pretrained
from emotion_utils.widgets import FaceLab

assert len(json.loads((RESULTS / "gains.json").read_text()))
assert data_dir() == Path.cwd() / "data"
assert "angry" in FaceLab(load_pretrained("synthetic")).bars.value
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def expected() -> dict[str, Path]:
    """Give the files that the package needs, by their name in the wheel."""
    code = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = {path.relative_to(REPOSITORY).as_posix(): path for path in code}
    return files | {f"emotion_utils_results/{path.name}": path for path in RESULTS.iterdir()}


def test_it_holds_the_package_its_weights_and_the_results_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {name: path.read_bytes() for name, path in expected().items()}
    assert sum(name.endswith(".safetensors") for name in held) >= 3


@pytest.mark.slow
def test_a_notebook_runs_with_the_wheel_alone(wheel, tmp_path):
    python = make_environment(tmp_path / "environment", wheel)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())]), tmp_path / "a.ipynb")
    (tmp_path / "work").mkdir()
    found = run_there(python, tmp_path / "a.ipynb", tmp_path / "work")
    assert Path(found).is_relative_to(tmp_path / "environment")


@pytest.mark.slow
def test_without_the_wheel_it_does_not(tmp_path, capfd):
    """Otherwise the test above would say nothing."""
    python = make_environment(tmp_path / "environment", None)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("pass")]), tmp_path / "a.ipynb")
    (tmp_path / "work").mkdir()
    with pytest.raises(subprocess.CalledProcessError):
        run_there(python, tmp_path / "a.ipynb", tmp_path / "work")
    assert "No module named 'emotion_utils'" in capfd.readouterr().err


@pytest.mark.slow
def test_the_tool_runs_a_notebook_of_the_series(capsys):
    assert main(["00", "--part", "solutions"]) == 0
    assert "solutions/00_start_here.ipynb: ran (" in capsys.readouterr().out
