"""The start script installs once, says in plain words what is missing, hands the rest to JupyterLab or pytest."""

import importlib.util
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from places import REPOSITORY


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Return start.py as a module that thinks it lies in an empty folder and records what it would run."""
    spec = importlib.util.spec_from_file_location("start", REPOSITORY / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    monkeypatch.setattr(module, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(module, "STAMP", str(tmp_path / ".venv" / "stamp"))
    monkeypatch.setattr(module, "ISOLATED", ["the-python", "-I"])
    monkeypatch.setattr(module, "PYTHON", "the-python")
    monkeypatch.chdir(tmp_path)
    module.calls, module.failing = [], ()

    def call(command, **options):
        module.calls.append(" ".join(command[2:]))
        return int(any(word in module.calls[-1] for word in module.failing))

    monkeypatch.setattr(module.subprocess, "call", call)
    monkeypatch.setattr(module, "launch", lambda command, env: module.calls.append((" ".join(command), env)))
    monkeypatch.setattr(module, "make_venv", lambda: None)
    return module


def disk(monkeypatch, start, gigabytes):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: usage(0, 0, gigabytes * 1e9))


def run(monkeypatch, start, *arguments):
    start.calls.clear()
    monkeypatch.setattr(sys, "argv", ["start.py", *arguments])
    start.main()
    return start.calls


def test_it_uses_the_standard_library_alone():
    code = (
        "import sys, start; print([m for m in sys.modules if m.split('.')[0] in ('torch', 'numpy', 'emotion_utils')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_start_installs_and_the_second_does_not(start, monkeypatch):
    disk(monkeypatch, start, 100)
    first = run(monkeypatch, start)
    assert any(str(call).startswith("-m uv pip install") for call in first)
    assert "-m jupyterlab" in first[-1][0]
    assert len(run(monkeypatch, start)) == 1
    Path("pyproject.toml").write_text("[project]\nname = 'changed'\n")
    assert any(str(call).startswith("-m uv pip install") for call in run(monkeypatch, start))


def test_a_failed_installation_is_not_taken_for_done(start, monkeypatch):
    disk(monkeypatch, start, 100)
    start.failing = ("-m uv pip install",)
    with pytest.raises(SystemExit, match="no network"):
        run(monkeypatch, start)
    start.failing = ()
    assert len(run(monkeypatch, start)) > 1


def test_the_small_pytorch_is_kept_by_later_starts(start, monkeypatch):
    disk(monkeypatch, start, 100)
    first = run(monkeypatch, start, "--cpu")
    assert any("--torch-backend cpu" in str(call) for call in first)
    assert "--cpu" not in first[-1][0]
    assert len(run(monkeypatch, start)) == 1


def test_a_small_disk_is_noticed_before_the_download(start, monkeypatch):
    disk(monkeypatch, start, 1)
    start.failing = ("import torch",)
    with pytest.raises(SystemExit, match=r"GB of disk, and 1\.0 GB are free"):
        run(monkeypatch, start)
    assert not any("install" in call for call in start.calls)


def test_a_disk_that_fills_up_is_named(start, monkeypatch):
    disk(monkeypatch, start, 0.1)
    start.failing = ("-m uv pip install",)
    with pytest.raises(SystemExit, match="disk is full"):
        run(monkeypatch, start)


def test_an_old_python_is_told_what_to_install(start, monkeypatch):
    monkeypatch.setattr(start, "OLDEST_PYTHON", (99, 1))
    with pytest.raises(SystemExit, match=r"needs Python 99\.1 or newer"):
        run(monkeypatch, start)


def test_a_python_without_venv_is_told_what_to_install(monkeypatch, tmp_path):
    code = (
        "import sys; sys.modules['ensurepip'] = None\n"
        "import start; start.VENV, start.PYTHON = sys.argv[1], sys.argv[1] + '/none'; start.make_venv()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "new")], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "sudo apt install python3-venv" in done.stderr


def test_the_tests_run_on_drawn_faces_over_everything(start, monkeypatch):
    disk(monkeypatch, start, 100)
    monkeypatch.setenv("EMOTION_DATA", "fer2013")
    command, env = run(monkeypatch, start, "test", "-k", "data")[-1]
    assert "--nbval-lax" in command
    assert command.endswith("notebooks tests -k data")
    assert "EMOTION_DATA" not in env


def test_a_path_given_takes_the_place_of_everything(start, monkeypatch):
    disk(monkeypatch, start, 100)
    assert run(monkeypatch, start, "test", "tests")[-1][0].endswith("--no-loadscope-reorder tests")


def test_options_for_jupyterlab_are_passed_on(start, monkeypatch):
    disk(monkeypatch, start, 100)
    command, _ = run(monkeypatch, start, "--no-browser")[-1]
    assert "--no-browser" in command
    assert "default_url=/lab/tree/notebooks/00_start_here.ipynb" in command


def test_help_installs_nothing(start, monkeypatch, capsys):
    assert run(monkeypatch, start, "--help") == []
    assert "python start.py test" in capsys.readouterr().out


def test_code_of_the_folder_from_which_it_is_started_is_not_run(tmp_path):
    """Somebody's Downloads may hold a file torch.py or pip.py; each stand-in here writes down that it was run."""
    repository, downloads, log = tmp_path / "repository", tmp_path / "Downloads", tmp_path / "log"
    repository.mkdir(), downloads.mkdir()
    for name in ("start.py", "pyproject.toml"):
        (repository / name).write_bytes((REPOSITORY / name).read_bytes())
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", repository / ".venv"], check=True)
    packages = next((repository / ".venv").rglob("site-packages"))
    for name in ("torch", "pip", "uv", "ensurepip", "jupyterlab"):  # nothing is installed, nothing downloaded
        (packages / f"{name}.py").write_text(f"open({str(log)!r}, 'a').write('environment\\n')\n")
    for name in ("torch", "pip", "uv", "ensurepip", "jupyterlab", "venv", "hashlib", "shutil", "sitecustomize"):
        (downloads / f"{name}.py").write_text(f"open({str(log)!r}, 'a').write('Downloads: {name}\\n')\n")
    command = [sys.executable, repository / "start.py", "--no-browser"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=downloads, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(log.read_text().splitlines()) == {"environment"}
