"""The look at the environment says what is amiss and what to do, and is content where nothing is."""

import importlib.metadata
import shutil

import pytest

from emotion_utils.commands import check as environment
from emotion_utils.commands.check import check_environment


def test_this_environment_is_fine(capsys, monkeypatch):
    monkeypatch.setattr(environment, "LEAST_DISK", 0)
    assert check_environment() == []
    text = capsys.readouterr().out
    assert "torch" in text
    assert "Everything that the notebooks need is here." in text


def _without_ipywidgets(monkeypatch, version=importlib.metadata.version):
    def look(name):
        if name == "ipywidgets":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", look)


def _full_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage())


class _Usage:
    free = 10_000_000


AMISS = {
    "Python 99.0 or newer": lambda patch, tmp: patch.setattr(environment, "OLDEST_PYTHON", (99, 0)),
    "ipywidgets is missing": lambda patch, tmp: _without_ipywidgets(patch),
    "free for data": lambda patch, tmp: _full_disk(patch),
    "EMOTION_DATA=fer2013 is set": lambda patch, tmp: (
        patch.setenv("EMOTION_DATA", "fer2013"),
        patch.setenv("EMOTION_DATA_DIR", str(tmp)),
    ),
}


@pytest.mark.parametrize("complaint", AMISS)
def test_it_says_what_is_amiss(complaint, monkeypatch, capsys, tmp_path):
    AMISS[complaint](monkeypatch, tmp_path)
    problems = check_environment()
    assert any(complaint in problem for problem in problems)
    assert complaint in capsys.readouterr().out
