"""Where files lie, and how they are written so that a good file is never replaced by half of a new one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

REPOSITORY = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Return the folder of the data: `EMOTION_DATA_DIR`, else `data/` of the repository (may be read-only)."""
    return Path(os.environ.get("EMOTION_DATA_DIR") or REPOSITORY / "data").expanduser()


def user_cache_dir() -> Path:
    """Return the folder `emotion_utils` in what the operating system sets aside for this user's caches."""
    # No folder of an author around it and none called Cache in it, which only Windows would have.
    return user_cache_path("emotion_utils", appauthor=False, opinion=False)


def writable_dir(*candidates: Path) -> Path:
    """Return the first folder that can be made and written to, falling back to the system's temporary folder.

    Raises:
        PermissionError: none of them, not even the temporary folder, takes a file.
    """
    tried = [*candidates, Path(tempfile.gettempdir()) / "emotion_utils"]
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
        f"No folder takes a file; tried {', '.join(map(str, tried))}. Make one of them writable, or set "
        "EMOTION_DATA_DIR to a folder that is."
    )


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is renamed into place, on any error it is removed.

    Raises:
        OSError: as raised inside the block (disk full, no permission), with the final path and advice added.
    """
    path, part = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        part = Path(name)
        yield part
        # mkstemp makes files that only their owner can read; give the usual permissions instead.
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, path)
    except OSError as error:
        # OSError makes a PermissionError and the like of itself, according to the number.
        raise OSError(
            error.errno,
            f"Could not write {path} ({error.strerror or error}). Free some space or choose a folder you may write "
            "to; a file that stood there before is untouched",
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
