"""Made-up image files, each different from the next, for folders that are called as those that people have."""

from pathlib import Path

import numpy as np
from PIL import Image


def put(path: Path, seed: int = 0, size: tuple[int, int] = (60, 60), mode: str = "L", **options) -> Path:
    """Write an image of noise, `size` = (height, width); another seed gives another image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if mode == "L" else (*size, {"RGB": 3, "RGBA": 4}[mode])
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels, mode).save(path, **options)
    return path


def put_all(root: Path, names, **options) -> Path:
    """Write an image for each name."""
    for seed, name in enumerate(names):
        put(root / name, seed, **options)
    return root
