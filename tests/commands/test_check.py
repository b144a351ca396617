"""The look at the environment says what is amiss and what to do, and is content where nothing is."""

import importlib.metadata
import shutil
import tomllib
from types import SimpleNamespace

import pytest
from places import REPOSITORY

from emotion_utils.commands.check import check_environment
from emotion_utils.commands.command_line import main


@pytest.fixture(autouse=True)
def room_on_the_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50e9))


def test_this_environment_is_fine(capsys):
    assert check_environment() == []
    text = capsys.readouterr().out
    assert "torch" in text
    assert "50 GB" in text
    assert main(["check"]) == 0
    assert capsys.readouterr().out == text


def an_old_python(monkeypatch, folder):
    """Install, in a folder that comes first, a package that wants a Python of the future."""
    about = folder / "emotion_utils-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: emotion-utils\nRequires-Python: >=99.0\n")
    monkeypatch.syspath_prepend(folder)


def no_installation(monkeypatch, folder):
    def look(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", look)


def no_ipywidgets(monkeypatch, folder, version=importlib.metadata.version):
    def look(name):
        if name == "ipywidgets":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", look)


def a_full_disk(monkeypatch, folder):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10e6))


def no_fer2013(monkeypatch, folder):
    monkeypatch.setenv("EMOTION_DATA", "fer2013")
    monkeypatch.setenv("EMOTION_DATA_DIR", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.mark.parametrize(
    ("amiss", "named"),
    [
        (an_old_python, "Python 99.0"),
        (no_installation, "emotion_utils"),
        (no_ipywidgets, "ipywidgets"),
        (a_full_disk, "0.0 GB"),
        (no_fer2013, "EMOTION_DATA=fer2013"),
    ],
)
def test_it_says_what_is_amiss(amiss, named, monkeypatch, capsys, tmp_path):
    amiss(monkeypatch, tmp_path)
    problems = check_environment()
    assert len(problems) == 1
    assert named in problems[0]
    assert problems[0] in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert ended.value.code == 1
    assert problems[0] in capsys.readouterr().out


def test_what_is_installed_says_which_python_it_needs():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.metadata.metadata("emotion-utils")["Requires-Python"] == project["requires-python"]
