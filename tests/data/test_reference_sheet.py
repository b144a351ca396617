"""The drawing has a version, which names the caches: what that version drew is stored, and must still be drawn."""

import pytest
import torch
from reference_sheet import differences, draw_part, draw_sheet, image_differences, read_sheet

from emotion_utils.data.drawn import DRAWING_VERSION, cache_name
from emotion_utils.faces import render, sample_action_units, sample_capture, sample_identity

ADVICE = (
    "If the drawing was meant to change, raise DRAWING_VERSION in emotion_utils/data/drawn.py, then store the new "
    "sheet: python tests/tools/reference_sheet.py"
)


def test_this_version_still_draws_what_it_drew():
    stored = read_sheet()
    assert stored["version"] == DRAWING_VERSION, f"The stored sheet is of version {stored['version']}. {ADVICE}"
    found = differences(stored, draw_sheet())
    assert not found, f"{'; '.join(found)}. {ADVICE}"


def test_the_version_is_in_the_name_of_the_cache():
    assert f"v{DRAWING_VERSION}-" in cache_name("test")


@pytest.fixture(scope="module")
def easy():
    return {name: value for name, value in read_sheet().items() if name.startswith("easy ")}


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ({"strength": 1.001}, {"images", "action_units", "landmarks"}),
        ({"difficulty": 0.401}, {"images", "action_units", "landmarks"}),
        ({"age": (4, 85.1)}, {"images", "age", "landmarks"}),
        ({"label_noise": 0.1}, {"labels"}),
        ({"first": 1}, {"images", "identity", "labels", "clean_labels"}),
        ({"size": 47}, {"images", "landmarks", "masks"}),
    ],
)
def test_a_small_change_is_noticed(easy, change, noticed):
    found = differences(easy, draw_part("easy", **change))
    assert noticed <= {sentence.split(":")[0].removeprefix("easy ") for sentence in found}


@pytest.mark.parametrize(
    ("name", "step"),
    [("mouth_height", 0.01), ("nose_length", 0.01), ("face_width", 0.01), ("hair_part", 0.01), ("lip_tone", 0.01)],
)
def test_a_hundredth_of_a_standard_score_is_noticed(name, step):
    identity, capture = sample_identity(21, seed=3), sample_capture(21, seed=3)
    units = sample_action_units(torch.arange(21) % 7, seed=3)
    moved = identity.replace(**{name: getattr(identity, name) + step})
    before, now = (render(person, units, capture).numpy() for person in (identity, moved))
    assert image_differences(before, now)
    assert not image_differences(before, before.copy())


def test_rounding_is_not_noticed(easy):
    images = easy["easy images"].copy()
    images[0, 0, 10:14, 10] ^= 1  # four pixels of 48,384 by one grey level
    landmarks = easy["easy landmarks"] + 1e-5
    assert not differences(easy, easy | {"easy images": images, "easy landmarks": landmarks})
    assert differences(easy, easy | {"easy images": images[:, :, ::-1]})
