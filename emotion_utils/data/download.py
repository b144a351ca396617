"""Get FER2013 from the public mirror: 90 MB, checked, and never left half done."""

import hashlib
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm.std import tqdm

from emotion_utils.errors import DownloadError
from emotion_utils.files import atomic_write, data_dir, user_cache_dir, writable_dir

# The mirror that R's torchvision downloads from.
MIRROR = "https://huggingface.co/datasets/JimmyUnleashed/FER-2013/resolve/main/fer2013.tar.gz"
MD5 = "ca95d94fe42f6ce65aaae694d18c628a"


def fetch_fer2013(folder: str | Path | None = None, url: str = MIRROR, md5: str = MD5, verbose: bool = True) -> Path:
    """Download FER2013 unless it is there already, and return the path of `fer2013.tar.gz`.

    Args:
        folder: where to put it; None takes the data folder, or the user's cache folder if that is read-only.
        url: the file's address.
        md5: the file's MD5 checksum, 32 hexadecimal digits.
        verbose: show a progress bar.

    Raises:
        DownloadError: no connection, an error of the server, an incomplete download or a wrong checksum.
        OSError: the file cannot be written (disk full, no permission).
    """
    folder = writable_dir(data_dir(), user_cache_dir()) if folder is None else Path(folder).expanduser()
    target = folder / "fer2013.tar.gz"
    if target.exists():
        if _md5(target) == md5:
            return target
        if verbose:
            print(f"{target} has another checksum than the original, and is downloaded anew.")
    # Written beside its place and moved there once the checksum is right: an interrupted download leaves nothing that
    # `load` could mistake for the data set, and the next one starts afresh.
    with atomic_write(target) as part:
        received = _download(url, part, target, verbose)
        if received != md5:
            raise DownloadError(
                f"{url} sent another file than expected (MD5 {received} instead of {md5}). Nothing was kept. "
                f"{_by_hand(folder)}"
            )
    return target


def _download(url: str, part: Path, target: Path, verbose: bool) -> str:
    """Write what lies at `url` to `part`; return its MD5 checksum."""
    request = urllib.request.Request(url, headers={"User-Agent": "emotion_utils"})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url} could not be opened ({reason}). {_by_hand(target.parent)}") from error
    size = int(response.headers.get("Content-Length") or 0)
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with (
        response,
        part.open("wb") as file,
        tqdm(total=size or None, unit="B", unit_scale=True, desc=target.name, disable=not verbose) as bar,
    ):
        while chunk := _read(response, url, target.parent):
            file.write(chunk)
            digest.update(chunk)
            bar.update(len(chunk))
            received += len(chunk)
    if received < size:
        raise DownloadError(
            f"{url} broke off after {received:,} of {size:,} bytes. Try again. {_by_hand(target.parent)}"
        )
    return digest.hexdigest()


def _read(response: HTTPResponse, url: str, folder: Path) -> bytes:
    """Read the next piece; errors of the network become a DownloadError, apart from those of the disk."""
    try:
        return response.read(1 << 20)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{url} broke off ({error!r}). Try again. {_by_hand(folder)}") from error


def _by_hand(folder: Path) -> str:
    return f"Or put fer2013.tar.gz or Kaggle's fer2013.csv into {folder} by hand (data/README.md says where it is)."


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
