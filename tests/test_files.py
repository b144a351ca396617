"""Where files lie, and that a good one is never replaced by half of another."""

import errno
import os
import sys
import tempfile

import platformdirs
import pytest
from obstacles import full_disk, open_folder, ordinary_user
from places import REPOSITORY

from emotion_utils.files import atomic_write, data_dir, user_cache_dir, writable_dir


def test_the_environment_names_the_folder_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    monkeypatch.delenv("EMOTION_DATA_DIR")
    assert data_dir() == REPOSITORY / "data"


def test_the_cache_is_where_the_system_wants_it(monkeypatch, tmp_path):
    # Right in that folder: on Windows there is no folder of an author above it, and none called Cache below it.
    assert user_cache_dir() == platformdirs.user_cache_path() / "emotion_utils"
    if sys.platform == "linux":
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert user_cache_dir() == tmp_path / ".cache" / "emotion_utils"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        assert user_cache_dir() == tmp_path / "elsewhere" / "emotion_utils"
    assert not os.listdir(tmp_path)  # asking makes no folder


def test_the_first_folder_that_takes_a_file_is_chosen(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    assert writable_dir(tmp_path / "file" / "below", tmp_path / "locked", tmp_path / "new") == tmp_path / "new"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))  # the system's temporary folder
    with pytest.raises(PermissionError, match=r"locked.*EMOTION_DATA_DIR"):
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
        assert str(target) in str(caught.value)
        assert "No space left on device" in str(caught.value)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with full_disk(1000), pytest.raises(OSError, match=r"file.txt") as caught, atomic_write(target) as part:
        part.write_bytes(bytes(2000))
    assert caught.value.errno == errno.EFBIG
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_folder_that_takes_no_file_is_named():
    with open_folder() as folder:
        folder.chmod(0o555)
        with ordinary_user(), pytest.raises(PermissionError, match=r"x.txt"), atomic_write(folder / "x.txt"):
            pass
        assert os.listdir(folder) == []
