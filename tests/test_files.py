"""Where files lie, and that a good one is never replaced by half of another."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock, Timeout
from obstacles import full_disk, open_folder, ordinary_user
from places import REPOSITORY

from emotion_utils.files import (
    as_path,
    atomic_write,
    data_dir,
    held,
    is_file,
    named_file,
    open_file,
    read_file,
    remove_leftovers,
    set_aside,
    user_cache_dir,
    writable_dir,
)


def test_the_environment_names_the_folder_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    assert named_file() is None
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "table.csv"))
    assert data_dir() == tmp_path / "table.csv"  # a folder to be made
    (tmp_path / "table.csv").write_text("")
    assert (data_dir(), named_file()) == (tmp_path, tmp_path / "table.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("EMOTION_DATA_DIR", "~/faces")
    assert data_dir() == tmp_path / "faces"
    monkeypatch.delenv("EMOTION_DATA_DIR")
    assert (data_dir(), named_file()) == (REPOSITORY / "data", None)


def test_what_is_no_path_is_named():
    with pytest.raises(TypeError, match="data_dir=5: "):
        as_path(5, "data_dir")
    with pytest.raises(ValueError, match=r"path='a.x00b'"):
        as_path("a\0b")
    with pytest.raises(OSError, match="xxx cannot be read") as caught:
        open_file(Path("x" * 5000))
    assert len(str(caught.value)) <= 400


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
        assert part.name == target.name  # some libraries look at the ending
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


def test_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "file.txt") as part:
        part.unlink()
        os.close(os.open(part, os.O_CREAT | os.O_RDWR, 0o600))  # as some libraries do
    assert (tmp_path / "file.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_long_name(tmp_path):
    target = tmp_path / ("ü" * 120)
    with atomic_write(target) as part:
        part.write_text("new")
    assert os.listdir(tmp_path) == [target.name]


WRITER = """
import sys, time
from emotion_utils.files import atomic_write
with atomic_write(sys.argv[1]) as part:
    part.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing file.txt."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "file.txt"], stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"writing"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def parts(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(".part")]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(writer, tmp_path):
    assert len(parts(tmp_path)) == 1
    for _ in range(2):
        with atomic_write(tmp_path / "file.txt") as part:
            part.write_text("whole")
    remove_leftovers(tmp_path, age=0)
    assert len(parts(tmp_path)) == 1
    writer.send_signal(signal.SIGTERM)
    writer.wait()
    remove_leftovers(tmp_path, "another.txt")
    assert len(parts(tmp_path)) == 1
    with atomic_write(tmp_path / "file.txt") as part:
        part.write_text("whole")
    assert os.listdir(tmp_path) == ["file.txt"]


def test_old_leftovers_of_earlier_versions_go_and_files_of_others_stay(tmp_path):
    old, new = tmp_path / ".file.txt.0a1b2c3d.part", tmp_path / ".file.txt.4e5f6a7b.part"
    others = [".hidden.part", "film.part", ".file.txt.backup"]
    for path in [old, new, *(tmp_path / name for name in others)]:
        path.write_text("")
        if path != new:
            os.utime(path, (time.time() - 1e6,) * 2)
    (tmp_path / ".link.txt.0a1b2c3d.part").symlink_to(tmp_path / "film.part")
    remove_leftovers(tmp_path, "file.txt")
    assert sorted(os.listdir(tmp_path)) == sorted([new.name, ".link.txt.0a1b2c3d.part", *others])
    remove_leftovers(tmp_path, age=0)
    assert sorted(os.listdir(tmp_path)) == sorted([".link.txt.0a1b2c3d.part", *others])
    remove_leftovers(tmp_path / "nowhere")


def test_two_threads_of_one_process_may_write_one_file(tmp_path):
    with atomic_write(tmp_path / "file.txt") as first:
        with atomic_write(tmp_path / "file.txt") as second:
            second.write_text("second")
        first.write_text("first")
    assert (tmp_path / "file.txt").read_text() == "first"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_file_is_read_up_to_a_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match=r"file has 5 bytes; at most 4"):
        read_file(tmp_path / "file", 4)
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_file(tmp_path / "nothing", 5)
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        read_file(tmp_path, 5)


@pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))  # a socket's path must be short
        for path in (tmp_path / "socket", Path("/dev/zero"), tmp_path / "pipe"):
            with pytest.raises(ValueError, match=path.name):
                open_file(path)
    assert not is_file(tmp_path / "pipe")
    if Path("/proc/self/cmdline").exists():  # it says that it has 0 bytes
        with pytest.raises(ValueError, match="cmdline"):
            read_file(Path("/proc/self/cmdline"), 3)


def test_a_folder_that_may_not_be_entered_holds_no_file():
    with open_folder() as folder:
        (folder / "shut").mkdir()
        (folder / "shut" / "file").write_text("")
        (folder / "shut").chmod(0)
        with ordinary_user():
            assert not is_file(folder / "shut" / "file")
            with pytest.raises(PermissionError, match=r"shut.file may not be read"):
                open_file(folder / "shut" / "file")
            assert writable_dir(folder / "shut" / "inner", Path(tempfile.gettempdir())) == Path(tempfile.gettempdir())
        (folder / "shut").chmod(0o755)


def test_a_file_that_is_held_is_locked_for_others_until_the_end(tmp_path):
    path = tmp_path / "runs" / "league.json"
    other = FileLock(tmp_path / "runs" / ".league.json.lock", timeout=0)
    with held(path):
        with pytest.raises(Timeout):
            other.acquire()
        path.write_text("mine")
    other.acquire()
    other.release()
    assert path.read_text() == "mine"


def test_where_no_lock_can_be_made_the_work_goes_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with held(tmp_path / "file" / "league.json"):
        pass


def test_what_cannot_be_read_is_set_aside_each_time_under_a_name_of_its_own(tmp_path):
    path = tmp_path / "board.json"
    for content in ("one", "two"):
        path.write_text(content)
        set_aside(path, "it is no JSON")
    assert not path.exists()
    assert [(tmp_path / f"board.json.damaged-{n}").read_text() for n in (1, 2)] == ["one", "two"]
    with pytest.raises(OSError, match=r"board\.json cannot be read \(it is no JSON\)"):
        set_aside(path, "it is no JSON")


def test_a_folder_that_a_writer_has_just_made_is_not_taken_for_an_abandoned_one(tmp_path):
    """Between making it and holding its lock, a writer has nothing that says it lives."""
    new = tmp_path / ".file.txt.abcdefgh.part"
    new.mkdir()
    with atomic_write(tmp_path / "file.txt") as part:
        part.write_text("whole")
    assert new.exists()
    os.utime(new, (0, 0))
    with atomic_write(tmp_path / "file.txt") as part:
        part.write_text("whole")
    assert os.listdir(tmp_path) == ["file.txt"]
