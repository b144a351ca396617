"""The folder of a run: held by one run at a time, with an earlier run set aside whole, and files that fit together.

`last.pt` is the one unit that a run goes on from. `best.pt` and `history.csv` follow from it; where a run was killed
between the files, they are written again when it goes on.
"""

import errno
import os
import re
import secrets
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from emotion_utils.errors import FolderInUseError, reason, show
from emotion_utils.files import atomic_write, is_file

# All that belongs to one run, in the order in which it is moved: with the first file a run has left the folder.
FILES = ("last.pt", "best.pt", "history.csv", "weights.safetensors", ".launch")
HOLDER = ".lock-holder"
# What `flock` says on drives that know no locks, some network drives among them.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def lock_folder(folder: str | Path) -> Iterator[str]:
    """Keep other runs out of `folder` while the block runs; give the name under which it is held.

    The operating system holds the lock on `folder/.lock` and releases it when the process ends, however it ends, so
    a lock is never stale. The file `.lock-holder` says who holds it; see `check_held`.

    Raises:
        FolderInUseError: another run holds it.
        OSError: the folder cannot be made or written.
    """
    folder = Path(folder)
    _make(folder)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise FolderInUseError(
            f"Another run is writing into {show(folder)} ({_read(folder / HOLDER) or 'another process'}). Wait for it, "
            "end it, or choose another folder."
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise _cannot_be("written", folder, error) from error
        # That is no reason not to train.
        warnings.warn(
            f"{show(folder)} cannot be locked ({reason(error)}). See that no other run writes there.", stacklevel=3
        )
    holder = f"process {os.getpid()} on {socket.gethostname()}, {secrets.token_hex(6)}"
    try:
        try:
            (folder / HOLDER).write_text(holder, encoding="utf-8")
        except OSError as error:
            raise _cannot_be("written", folder, error) from error
        yield holder
    finally:
        if _read(folder / HOLDER) == holder:
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name with a zero byte in it is a ValueError
        raise _cannot_be("made", folder, error) from error


def _cannot_be(what: str, folder: Path, error: Exception) -> OSError:
    """Give an error that says, with `folder`, what cannot be done to it, and why."""
    number, why = getattr(error, "errno", errno.EINVAL), getattr(error, "strerror", None) or reason(error)
    if (at := getattr(error, "filename", None)) and Path(at).parent == folder:
        why = f"{why}: {Path(at).name}"
    what = "is a file" if is_file(folder) else f"cannot be {what} ({why})"
    return OSError(number, f"run_dir={show(folder)} {what}; choose a folder that you may write to")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def check_held(folder: Path, holder: str | None) -> None:
    """Raise OSError unless the run that calls itself `holder` still holds the folder: it may have been deleted.

    A lock on a deleted file keeps nobody out, so another run may have begun in a new folder of the same name.
    """
    if holder is not None and _read(folder / HOLDER) != holder:
        raise FileNotFoundError(
            errno.ENOENT,
            f"{show(folder)} was deleted or taken by another run while this one was training, so nothing more is "
            "written there. The model keeps what it has learnt; start the run anew in another folder",
        )


def set_aside(folder: Path) -> Path | None:
    """Move an earlier run whole to `folder/previous-1`, or the next free number; return where it is now.

    Killed in the midst of it, the next start ends it: files that lie in `.previous` have left the folder already.
    """
    aside, files = folder / ".previous", [folder / name for name in FILES if (folder / name).exists()]
    if not files and not aside.exists():
        return None
    aside.mkdir(exist_ok=True)
    for file in files:
        file.replace(aside / file.name)
    numbers = [int(found[1]) for path in folder.iterdir() if (found := re.fullmatch(r"previous-(\d{1,9})", path.name))]
    return aside.rename(folder / f"previous-{max(numbers, default=0) + 1}") if any(aside.iterdir()) else aside.rmdir()


def end_setting_aside(folder: Path) -> None:
    """End what a start that was killed had begun, before anybody goes on from what is left in the folder."""
    if any((folder / ".previous").glob("*")) and not (folder / ".previous").is_symlink():
        set_aside(folder)


def launch_of(folder: str | Path) -> str | None:
    """Say which launch of torchrun began the run in a folder; None for a run begun without it, or for none."""
    return _read(Path(folder) / ".launch") or None


def note_launch(folder: Path, launch: str | None) -> None:
    """Note which launch of torchrun begins a run here, so that its next life finds its own run, and no older one."""
    if launch is not None:
        with atomic_write(folder / ".launch") as part:
            part.write_text(launch, encoding="utf-8")
