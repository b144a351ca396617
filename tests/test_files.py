"""Where files lie, and that a good one is never replaced by half of another."""

import errno
import os
from pathlib import Path

import pytest

from emotion_utils import files as storage
from emotion_utils.files import atomic_write, data_dir, user_cache_dir, writable_dir


def test_the_environment_names_the_folder_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    monkeypatch.delenv("EMOTION_DATA_DIR")
    assert data_dir() == storage.REPOSITORY / "data"


@pytest.mark.parametrize(("platform", "part"), [("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "Local")])
def test_the_cache_is_where_the_system_wants_it(monkeypatch, tmp_path, platform, part):
    monkeypatch.setattr(storage.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert part in user_cache_dir().as_posix()
    assert user_cache_dir().name == "emotion_utils"


def test_the_first_folder_that_takes_a_file_is_chosen(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    assert writable_dir(tmp_path / "file" / "below", tmp_path / "locked", tmp_path / "new") == tmp_path / "new"
    monkeypatch.setattr(storage.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(PermissionError, match=r"No folder takes a file; tried .*EMOTION_DATA_DIR"):
        writable_dir(tmp_path / "locked")


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "made" / "file.txt"
    with atomic_write(target) as part:
        part.write_text("new")
        assert not target.exists()
        assert part.parent == target.parent
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["file.txt"]
    assert target.stat().st_mode & 0o400


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_a_failed_write_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(type(error)) as caught, atomic_write(target) as part:  # noqa: PT012
        part.write_text("ha")
        raise error
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert f"Could not write {target} (No space left on device). Free some space" in str(caught.value)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_folder_that_takes_no_file_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "mkstemp", refuse)
    with (
        pytest.raises(PermissionError, match=r"Could not write .*x.txt \(Permission denied\).*choose a folder"),
        atomic_write(tmp_path / "x.txt"),
    ):
        pass
