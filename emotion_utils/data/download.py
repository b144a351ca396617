"""Get FER2013 from the public mirror: 90 MB, checked, and never left half done."""

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path

from tqdm.std import tqdm

from emotion_utils.errors import DownloadError
from emotion_utils.files import atomic_write, data_dir, user_cache_dir, writable_dir

# The mirror that R's torchvision downloads from.
MIRROR = "https://huggingface.co/datasets/JimmyUnleashed/FER-2013/resolve/main/fer2013.tar.gz"


MD5 = "ca95d94fe42f6ce65aaae694d18c628a"


BY_HAND = (
    "To do it by hand, put one of these, packed as it is, into {folder}: fer2013.tar.gz from {url}; fer2013.csv or "
    "icml_face_data.csv from the Kaggle competition 'Challenges in Representation Learning: Facial Expression "
    "Recognition Challenge'; or the Kaggle data set msambare/fer2013. Until then all notebooks run on drawn faces."
)


def fetch_fer2013(folder: str | Path | None = None, url: str = MIRROR, md5: str = MD5, verbose: bool = True) -> Path:
    """Download FER2013 unless it is there already, and return the path of `fer2013.tar.gz`.

    The data is written beside its place and moved there once its checksum is right. So an interrupted download leaves
    nothing that `load` could mistake for the data set, and the next one starts afresh.

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
    for leftover in folder.glob(f".{target.name}.*.part"):  # of a download that was killed
        leftover.unlink(missing_ok=True)
    advice = BY_HAND.format(url=url, folder=folder)
    with atomic_write(target) as part:
        digest = hashlib.md5(usedforsecurity=False)
        request = urllib.request.Request(url, headers={"User-Agent": "emotion_utils"})
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except (OSError, HTTPException) as error:
            raise DownloadError(f"{url} could not be opened ({getattr(error, 'reason', error)}). {advice}") from error
        expected = int(response.headers.get("Content-Length") or 0)
        with (
            response,
            part.open("wb") as file,
            tqdm(total=expected or None, unit="B", unit_scale=True, desc=target.name, disable=not verbose) as bar,
        ):
            while chunk := _read(response, url, advice):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        received = part.stat().st_size
        if received < expected:
            raise DownloadError(f"{url} broke off after {received:,} of {expected:,} bytes. Try again. {advice}")
        if digest.hexdigest() != md5:
            raise DownloadError(
                f"{url} sent another file than expected (MD5 {digest.hexdigest()} instead of {md5}). Nothing was kept. "
                f"Try again later. {advice}"
            )
    return target


def _read(response, url: str, advice: str) -> bytes:
    """Read the next piece; errors of the network become a DownloadError, apart from those of the disk."""
    try:
        return response.read(1 << 20)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{url} broke off ({error!r}). Try again. {advice}") from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
