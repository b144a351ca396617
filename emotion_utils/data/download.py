"""Get FER2013 from the public mirror: 90 MB, checked, in limited time, and never left half done.

The network is read by a thread of its own. Whatever it waits for (a name, a connection, a header, a byte a second),
the one who waits for the thread can give up.
"""

import hashlib
import os
import queue
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from tqdm.std import tqdm

from emotion_utils.errors import DownloadError, brief, check_number, one_line, reason, say, show
from emotion_utils.files import (
    as_path,
    atomic_write,
    data_dir,
    is_file,
    open_file,
    remove_leftovers,
    user_cache_dir,
    writable_dir,
)  # fmt: skip

# The mirror that R's torchvision downloads from.
MIRROR = "https://huggingface.co/datasets/JimmyUnleashed/FER-2013/resolve/main/fer2013.tar.gz"
MD5 = "ca95d94fe42f6ce65aaae694d18c628a"

MOST_BYTES = 2**30
SLOWEST = 1000  # bytes per second
PIECE = 1 << 16


def fetch_fer2013(
    folder: str | Path | None = None, url: str = MIRROR, md5: str = MD5, verbose: bool = True, *,
    patience: float = 30, time_limit: float = 2 * 60 * 60,
) -> Path:  # fmt: skip
    """Download FER2013 unless it is there already, and return the path of `fer2013.tar.gz`.

    Several processes may download into one folder at once. A file of that name with another content is kept, under
    another name.

    Args:
        folder: where to put it; None takes the data folder, or the user's cache folder if that is read-only.
        url: the file's address.
        md5: the file's MD5 checksum, 32 hexadecimal digits.
        verbose: show a progress bar.
        patience: seconds in which something has to come, 1,000 bytes for each of them.
        time_limit: seconds that all of it may take.

    Raises:
        DownloadError: no connection, an error of the server, too slow, too large, incomplete or a wrong checksum.
        OSError: the file cannot be written (disk full, no permission).
        ValueError: `patience` or `time_limit` is no number above 0.
    """
    for name, value in {"url": url, "md5": md5}.items():
        if not isinstance(value, str):
            raise TypeError(f"{name}={brief(value)}: give a text.")
    patience, time_limit = check_number(above=0, patience=patience), check_number(above=0, time_limit=time_limit)
    folder = writable_dir(data_dir(), user_cache_dir()) if folder is None else as_path(folder, "folder")
    target = folder / "fer2013.tar.gz"
    if is_file(target) and _md5(target) == md5.lower():
        remove_leftovers(folder, target.name)
        return target
    try:
        # Written beside its place and moved there once the checksum is right: an interrupted download leaves nothing
        # that `load` could mistake for the data set, and the next one starts afresh.
        with atomic_write(target) as part:
            received = _download(url, part, target, verbose, patience, time_limit)
            if received != md5.lower():
                raise DownloadError(
                    f"{one_line(url, 100)} sent another file than expected (MD5 {received} instead of "
                    f"{one_line(md5, 40)}). Nothing was kept. {_by_hand(folder)}"
                )
            if is_file(target) and _md5(target) != received:
                _set_aside(target, verbose)
    except OSError:
        if not (is_file(target) and _md5(target) == md5.lower()):  # another process was faster
            raise
    return target


def _set_aside(target: Path, verbose: bool) -> None:
    """Give a file with another content another name."""
    names = (target.with_name(f"{target.name}.old{number or ''}") for number in range(1000))
    other = next(name for name in names if not os.path.lexists(name))
    os.replace(target, other)
    if verbose:
        say(f"{show(target)} had another checksum than the original, and is now {other.name}.")


def _download(url: str, part: Path, target: Path, verbose: bool, patience: float, time_limit: float) -> str:
    """Write what lies at `url` to `part`; return its MD5 checksum."""
    digest, received = hashlib.md5(usedforsecurity=False), 0
    try:
        with closing(_receive(url, patience, time_limit)) as pieces:
            size = _length(next(pieces))
            if (size or 0) > MOST_BYTES:
                raise _Failed(f"promises {size:,} bytes; FER2013 has 90 million")
            with (
                part.open("wb") as file,
                tqdm(total=size, unit="B", unit_scale=True, desc=target.name, disable=not verbose) as bar,
            ):
                for piece in pieces:
                    file.write(piece)
                    digest.update(piece)
                    received += len(piece)
                    bar.update(len(piece))
                    if received > MOST_BYTES:
                        raise _Failed(f"sends more than {MOST_BYTES:,} bytes; FER2013 has 90 million")
            if received < (size or 0):
                raise _Failed(f"broke off after {received:,} of {size:,} bytes")
    except _Failed as error:
        advice = f"Try again. {_by_hand(target.parent)}"
        raise DownloadError(f"{one_line(url, 100)} {error}. {advice}") from error.__cause__
    return digest.hexdigest()


class _Failed(Exception):
    """The network did not give what was asked of it; the text goes on after the address."""


def _receive(url: str, patience: float, time_limit: float) -> Iterator[Message | bytes]:
    """Give the headers of what lies at `url`, then its pieces, as long as they come fast enough."""
    pieces: queue.Queue = queue.Queue(maxsize=16)
    stopped = threading.Event()
    threading.Thread(target=_read, args=(url, pieces, stopped, patience), daemon=True).start()
    end = time.monotonic() + time_limit
    begun, came = time.monotonic(), 0
    try:
        while True:
            now = time.monotonic()
            if now >= end:
                raise _Failed(f"takes more than {time_limit:g} seconds")
            if now - begun >= patience:
                if came < SLOWEST * patience:
                    raise _Failed(f"sent {came:,} bytes in {patience:g} seconds")
                begun, came = now, 0
            try:
                piece = pieces.get(timeout=min(begun + patience, end) - now)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise _Failed(f"could not be read ({reason(getattr(piece, 'reason', None) or piece)})") from piece
            came += len(piece)
            yield piece
    finally:
        stopped.set()


def _read(url: str, pieces: queue.Queue, stopped: threading.Event, patience: float) -> None:
    """Put the headers, the pieces and None, or an error, into a queue until it is stopped."""

    def put(piece: Message | bytes | Exception | None) -> None:
        while not stopped.is_set():
            try:
                return pieces.put(piece, timeout=0.2)
            except queue.Full:
                continue

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "emotion_utils"})
        with urllib.request.build_opener(_WebOnly).open(request, timeout=patience) as response:
            put(response.headers)
            read = getattr(response, "read1", response.read)  # read1 gives what is there and waits for no more
            while not stopped.is_set() and (piece := read(PIECE)):
                put(piece)
        put(None)
    except Exception as error:
        put(error)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a server to another one, but not to this machine's own files."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Refuse what is not on the web."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise URLError(f"it leads to {one_line(newurl, 60)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _length(headers: Message) -> int | None:
    """Return how many bytes a server promises; None where it says nothing, or nonsense."""
    text = headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _by_hand(folder: Path) -> str:
    return f"Or put fer2013.tar.gz or Kaggle's fer2013.csv into {show(folder, 80)} by hand (see data/README.md)."


def _md5(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "md5").hexdigest()
