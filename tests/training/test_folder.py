"""The folder of a run: one run at a time, nothing stale, nothing mixed, nothing lost."""

import errno
import os
import shutil
from dataclasses import replace

import pytest
from launching import forks, on_unix
from obstacles import open_folder, ordinary_user
from small_faces import small_faces
from small_runs import QUIET, full_run, small_cnn, weights_equal

from emotion_utils.errors import FolderInUseError
from emotion_utils.models.networks import LinearModel
from emotion_utils.training.checkpoint import load_checkpoint, load_run
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import ProcessGroup
from emotion_utils.training.folder import end_setting_aside, launch_of, lock_folder, set_aside
from emotion_utils.training.history import History
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=2, batch_size=20, **QUIET)


def run(folder, config=CONFIG, **options):
    return train(
        LinearModel(image_size=16), small_faces(40), small_faces(20, seed=2), config, run_dir=folder, **options
    )


def epochs_in(folder):
    return len(load_run(folder / "last.pt")[1].rows)


# --- files that follow from last.pt ----------------------------------------------------------------------------------


def lose(path):
    path.unlink()


def leave_an_older_one(path):
    path.write_bytes(path.with_name("old-" + path.name).read_bytes())


def damage(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("name", ["history.csv", "best.pt"])
@pytest.mark.parametrize("spoil", [lose, leave_an_older_one, damage])
def test_what_follows_from_the_checkpoint_is_written_again(tmp_path, name, spoil):
    """A kill between two files leaves the second one as it was after the epoch before."""
    run(tmp_path / "short", replace(CONFIG, epochs=1))
    history = run(tmp_path / "run")
    shutil.copy(tmp_path / "short" / name, tmp_path / "run" / f"old-{name}")
    good = (tmp_path / "run" / name).read_bytes()
    best = load_checkpoint(tmp_path / "run" / "best.pt")["weights"]
    spoil(tmp_path / "run" / name)
    run(tmp_path / "run", resume=True)
    assert History.from_csv(tmp_path / "run" / "history.csv").rows == history.rows
    again = load_checkpoint(tmp_path / "run" / "best.pt")
    assert again["weights"].keys() == best.keys()
    assert all((again["weights"][key] == value).all() for key, value in best.items())
    assert again["epoch"] == history.best_epoch
    if name == "history.csv":
        assert (tmp_path / "run" / name).read_bytes() == good


# --- earlier runs ----------------------------------------------------------------------------------------------------


def test_each_earlier_run_keeps_a_folder_of_its_own(tmp_path):
    for epochs in (3, 1, 2):
        run(tmp_path, replace(CONFIG, epochs=epochs))
        (tmp_path / "weights.safetensors").write_text(str(epochs))  # as the command leaves them
    assert [epochs_in(tmp_path / name) for name in ("previous-1", "previous-2", ".")] == [3, 1, 2]
    for name, epochs in (("previous-1", 3), ("previous-2", 1)):
        assert len(History.from_csv(tmp_path / name / "history.csv")) == epochs
        assert load_checkpoint(tmp_path / name / "best.pt")["run"]["settings"]["epochs"] == epochs
        assert (tmp_path / name / "weights.safetensors").read_text() == str(epochs)


def test_a_number_that_is_taken_is_not_used_again(tmp_path):
    (tmp_path / "previous-7").mkdir()
    (tmp_path / "previous-7" / "mine.txt").write_text("mine")
    (tmp_path / "previous").mkdir()  # of an earlier version
    run(tmp_path)
    run(tmp_path)
    assert epochs_in(tmp_path / "previous-8") == 2
    assert (tmp_path / "previous-7" / "mine.txt").read_text() == "mine"


def test_a_run_that_finished_no_epoch_displaces_no_finished_one(tmp_path):
    def stop(step):
        if step == 2:
            raise KeyboardInterrupt

    run(tmp_path, replace(CONFIG, epochs=3))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            full_run(tmp_path, stop, checkpoint_every=1)
    full_run(tmp_path)
    assert [epochs_in(tmp_path / f"previous-{number}") for number in (1, 2, 3)] == [3, 0, 0]


@pytest.mark.parametrize("moved", [1, 2, 3])
def test_a_start_killed_while_it_set_a_run_aside_is_ended_by_the_next(tmp_path, moved):
    """The checkpoint goes first; with it the run has left the folder, also for one that would go on."""
    history = run(tmp_path)
    (tmp_path / ".previous").mkdir()
    for name in ("last.pt", "best.pt", "history.csv")[:moved]:
        (tmp_path / name).rename(tmp_path / ".previous" / name)
    again = run(tmp_path, resume=True)
    assert len(again) == 2
    assert {path.name for path in (tmp_path / "previous-1").iterdir()} == {"last.pt", "best.pt", "history.csv"}
    assert History.from_csv(tmp_path / "previous-1" / "history.csv").rows == history.rows
    assert not (tmp_path / ".previous").exists()


def test_with_nothing_moved_yet_the_run_goes_on(tmp_path):
    run(tmp_path)
    (tmp_path / ".previous").mkdir()
    before = (tmp_path / "last.pt").read_bytes()
    end_setting_aside(tmp_path)
    run(tmp_path, resume=True)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_nothing_to_set_aside(tmp_path):
    assert set_aside(tmp_path) is None
    (tmp_path / "notes.txt").write_text("mine")
    assert set_aside(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# --- one run at a time -----------------------------------------------------------------------------------------------


def test_two_runs_into_one_folder(tmp_path):
    """The second is refused and told who holds the folder; after the first ends it may go on."""
    held = rf"{tmp_path.name}.*process {os.getpid()} on"
    with lock_folder(tmp_path), pytest.raises(FolderInUseError, match=held):
        run(tmp_path)
    run(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows locks in another way")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_drive_that_knows_no_locks(tmp_path, monkeypatch, number):
    """Some network drives don't. Training goes on, with a warning."""
    import fcntl

    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match=r"lock"):
        run(tmp_path)
    assert (tmp_path / "last.pt").exists()


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_a_folder_that_cannot_be_made(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    model, twin = small_cnn(), small_cnn()
    with pytest.raises(OSError, match=r"run_dir=.*file"):
        train(model, small_faces(20), None, CONFIG, run_dir=tmp_path / name)
    assert weights_equal(model, twin)
    assert model.classes is None
    assert (tmp_path / "file").read_text() == "mine"


@on_unix
@pytest.mark.parametrize("closed", [".", ".lock", ".lock-holder"])
def test_a_folder_of_somebody_else(closed):
    """As one that is shared in a course."""
    run(None)  # what a first training imports, not everybody may read
    with open_folder() as folder:
        folder.chmod(0o777)
        if closed != ".":
            (folder / closed).write_text("")
        (folder / closed).chmod(0o500)
        with ordinary_user(), pytest.raises(PermissionError, match=r"run_dir=.* cannot be written.*choose a folder"):
            run(folder)


@on_unix
@pytest.mark.parametrize("another", [True, False])
def test_a_folder_that_is_deleted_under_a_run(tmp_path, another):
    """Another run may be there by then; the first one notices and writes nothing more."""
    folder = tmp_path / "run"

    def delete(step):
        if step == 4:  # the first epoch has been saved
            shutil.rmtree(folder)
            if another:
                run(folder)

    with pytest.raises(OSError, match="run was deleted or taken by another run"):
        full_run(folder, delete)
    left = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert left - {".lock"} == ({"last.pt", "best.pt", "history.csv"} if another else set())
    if another:
        assert load_run(folder / "last.pt")[0].network == "LinearModel"


@on_unix
def test_a_folder_deleted_while_another_run_is_at_work_there(tmp_path):
    """Both hold a lock, on files of one name; the folder is that of the second."""
    folder = tmp_path / "run"
    ready, go = forks().Event(), forks().Event()
    with lock_folder(folder):
        shutil.rmtree(folder)
        process = forks().Process(target=hold, args=(folder, ready, go))
        process.start()
        ready.wait(30)
    assert (folder / ".lock-holder").exists(), "the first one took the name of the second away"
    with pytest.raises(FolderInUseError, match=f"process {process.pid} on"):
        run(folder)
    go.set()
    process.join()
    run(folder)


def hold(folder, ready, go):
    with lock_folder(folder):
        ready.set()
        go.wait(30)


# --- lives of one launch ---------------------------------------------------------------------------------------------


def test_a_run_notes_which_launch_began_it(tmp_path):
    assert launch_of(tmp_path) is None
    run(tmp_path, replace(CONFIG, group=ProcessGroup("first")))
    assert launch_of(tmp_path) == "first"
    run(tmp_path, replace(CONFIG, group=ProcessGroup("second")))
    assert (launch_of(tmp_path), launch_of(tmp_path / "previous-1")) == ("second", "first")
    run(tmp_path)
    assert launch_of(tmp_path) is None, "begun by hand"


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    history = run("~/runs/one")
    folder = tmp_path / "home" / "runs" / "one"
    assert History.from_csv("~/runs/one/history.csv").rows == history.rows
    assert load_checkpoint("~/runs/one/best.pt")["epoch"] == history.best_epoch
    history.to_csv("~/copy.csv")
    assert (tmp_path / "home" / "copy.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert not (tmp_path / "~").exists()
