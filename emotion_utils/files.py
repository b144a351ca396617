"""Where files lie, how they are read without waiting for ever, and written without losing a good one."""

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from emotion_utils.errors import brief, show

REPOSITORY = Path(__file__).resolve().parent.parent  # installed from a wheel: the folder of all packages
IN_REPOSITORY = (REPOSITORY / "pyproject.toml").is_file()
# Numbers that took hours and that notebooks show. A wheel brings a copy, beside the package.
RESULTS = REPOSITORY / "notebooks" / "results" if IN_REPOSITORY else REPOSITORY / "emotion_utils_results"

_HALF_WRITTEN = re.compile(r"\..+\.[^.]+\.part")  # as atomic_write calls them: .last.pt.k3x_9a1b.part
_DAY = 24 * 60 * 60
_GRACE = 10  # seconds between making a folder and holding its lock, at the most


def as_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return the path with `~` turned into the home folder.

    Raises:
        TypeError: not a path; the message calls the argument `name`.
        ValueError: nothing in it, or a NUL, which no path has.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"{name}={brief(path)}: give the path of a file or folder.")
    if not os.fspath(path):  # most often a variable that is not set; Python takes it for the current folder
        raise ValueError(f"{name}='': give the path of a file or folder, such as '.' for the current one.")
    if "\0" in os.fspath(path):
        raise ValueError(f"{name}={brief(path)}: no path holds a NUL. Check where it comes from.")
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody knows the home folder
        return Path(path)


def is_file(path: Path) -> bool:
    """Say whether there is a file that can be seen: not where a folder above it may not be entered."""
    try:
        return path.is_file()
    except OSError:
        return False


def named_file() -> Path | None:
    """Return the file that `EMOTION_DATA_DIR` names; None where it names a folder, or nothing."""
    named = os.environ.get("EMOTION_DATA_DIR")
    path = as_path(named) if named else None
    return path if path is not None and is_file(path) else None


def data_dir() -> Path:
    """Return the folder of the data: `EMOTION_DATA_DIR`, else `data/` of the repository (may be read-only).

    Installed from a wheel, the package lies in no repository; then it is `data/` of the folder that one works in.
    Where `EMOTION_DATA_DIR` names a file, such as a table, it is the folder of that file.
    """
    file = named_file()
    home = REPOSITORY if IN_REPOSITORY else Path.cwd()
    return file.parent if file else as_path(os.environ.get("EMOTION_DATA_DIR") or home / "data")


def user_cache_dir() -> Path:
    """Return the folder `emotion_utils` in what the operating system sets aside for this user's caches."""
    # No folder of an author around it and none called Cache in it, which only Windows would have.
    return user_cache_path("emotion_utils", appauthor=False, opinion=False)


def writable_dir(*candidates: Path) -> Path:
    """Return the first folder that can be made and written to, falling back to the system's temporary folder.

    Raises:
        PermissionError: none of them, not even the temporary folder, takes a file.
    """
    tried = list(candidates)
    with suppress(OSError):  # a system without a temporary folder
        tried.append(Path(tempfile.gettempdir()) / "emotion_utils")
    for folder in tried:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not folder.stat().st_mode & 0o222:
                continue  # marked read-only: root could write there all the same, but is not meant to
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise PermissionError(
        f"No folder takes a file; tried {', '.join(show(folder, 80) for folder in tried)}. Make one of them writable, "
        "or set EMOTION_DATA_DIR to a folder that is."
    )


def open_file(path: str | Path) -> BinaryIO:
    """Open a file for reading. What is no file, such as a pipe, on which one would wait for ever, is refused at once.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: there is no such file, or it may not be read.
        ValueError: a pipe, a socket or a device.
    """
    try:
        _check_regular(path, os.stat(path).st_mode)
        # A pipe may take the file's place just now; where the system can, opening does not wait for its other end.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
        try:
            _check_regular(path, os.fstat(file.fileno()).st_mode)
        except BaseException:
            file.close()
            raise
        return file
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {show(os.path.abspath(path))}. Check the name and the folder."
        ) from error
    except PermissionError as error:
        raise PermissionError(f"{show(path)} may not be read. Change its permissions, or copy it elsewhere.") from error
    except IsADirectoryError:
        raise
    except OSError as error:  # a name that is too long, links in a circle, a disk that fails
        raise OSError(error.errno, f"{show(path)} cannot be read ({error.strerror})") from error


def _check_regular(path: str | Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{show(path)} is a folder; a file was expected.")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{show(path)} is a pipe, a socket or a device; a file was expected. Leave it out.")


def read_file(path: str | Path, most: int) -> bytes:
    """Read a whole file of at most `most` bytes; raises what `open_file` raises, and a ValueError for a larger one."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) if size <= most else b""
        if len(content) > size:  # that was a lie, as it is in /proc
            content += file.read(most)
    if max(size, len(content)) > most:
        raise ValueError(f"{show(path)} has {max(size, len(content)):,} bytes; at most {most:,} are read.")
    return content


def begins_with(path: str | Path, *heads: bytes) -> bool:
    """Say whether a file begins with one of `heads`, as those that we wrote do; raises what `open_file` raises."""
    with open_file(path) as file:
        return file.read(max(map(len, heads))).startswith(heads)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path with the name of `path`; on success it is moved into place, on any error it is removed.

    The content reaches the disk before its name does, so that a power cut leaves the old file or the new one. What a
    killed process left half-written is removed when the file is written again.

    Raises:
        OSError: as raised inside the block (disk full, no permission), with the final path and advice added.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.name)
        with _own_folder(path) as folder:
            part = folder / path.name
            part.touch()
            mode = stat.S_IMODE(part.stat().st_mode)  # the usual permissions; some libraries write files of their own
            yield part
            _sync(part)
            os.chmod(part, mode)
            os.replace(part, path)
    except OSError as error:
        # OSError makes a PermissionError and the like of itself, according to the number.
        raise OSError(
            error.errno, f"Could not write {show(path)} ({error.strerror or error}). {_advice(error)}"
        ) from error


def _advice(error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "A file stands where a folder is wanted: choose another folder"
    return "Free some space or choose a folder you may write to; a file that stood there before is untouched"


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside `path` that nobody else uses, locked while this process lives; remove it in the end."""
    for _ in range(10):
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path.name), suffix=".part"))
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:  # somebody takes the new folder for an old one, and is about to remove it
            continue
        except (OSError, NotImplementedError):
            if not folder.exists():  # somebody has removed the new folder as an old one
                continue
            break  # a drive that knows no locks
        if (folder / ".lock").exists():
            break
        lock.release()
    try:
        yield folder
    finally:
        with suppress(OSError):
            lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path, name: str | None = None, age: float = _DAY) -> None:
    """Remove what killed processes left half-written in `folder`: of the file `name`, or of all.

    A living writer holds a lock, and keeps its own. Where there are no locks, what is older than `age` seconds goes.
    """
    try:
        entries = [Path(entry.path) for entry in os.scandir(folder) if not entry.is_symlink()]
    except OSError:
        return
    for part in entries:
        if _HALF_WRITTEN.fullmatch(part.name) and (name is None or part.name.startswith(_prefix(name))):
            with suppress(OSError):
                _remove_if_abandoned(part, age)


def _prefix(name: str) -> str:
    return f".{name[:50]}."  # a name may have 255 bytes, and this one has more to it


def _remove_if_abandoned(part: Path, age: float) -> None:
    since = time.time() - part.stat().st_mtime
    old = since >= age
    if not part.is_dir():  # as earlier versions of this package left them
        if old:
            part.unlink()
        return
    if since < min(age, _GRACE) and not (part / ".lock").exists():
        return  # its writer has made it just now, and is about to take the lock
    lock = FileLock(part / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return  # its writer lives
    except (OSError, NotImplementedError):
        if old:
            shutil.rmtree(part)
        return
    try:
        shutil.rmtree(part, ignore_errors=os.name == "nt")  # Windows removes no file that is open: the lock stays
    finally:
        lock.release()
    shutil.rmtree(part, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with open(path, "rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # some drives have nothing to wait for
                raise


def set_aside(path: Path, why: str) -> Path:
    """Rename a file that cannot be read, so that a new one may begin and nothing is lost; return its new path.

    Raises:
        OSError: nor can it be renamed; the message says `why` it could not be read.
    """
    number = next(n for n in range(1, 10_000) if not path.with_name(f"{path.name}.damaged-{n}").exists())
    aside = path.with_name(f"{path.name}.damaged-{number}")
    try:
        return path.replace(aside)
    except OSError as error:
        raise OSError(error.errno, f"{show(path)} cannot be read ({why}), nor renamed. Remove it") from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes that ask likewise from a file meanwhile, where the drive knows locks; wait ten seconds."""
    lock = FileLock(path.parent / f".{path.name}.lock", timeout=10)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError, Timeout):
        yield
        return
    try:
        yield
    finally:
        lock.release()
