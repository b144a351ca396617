"""Faces that differ from those that were learnt in one respect."""

import pytest
import torch

from emotion_utils.data import SHIFTS, sample_faces, sample_shifted


@pytest.fixture(scope="module")
def sets():
    return {shift: sample_shifted(24, shift, seed=5, size=32) for shift in SHIFTS}


def test_the_same_emotions_and_movements_in_every_shift(sets):
    home = sets["none"]
    for faces in sets.values():
        assert torch.equal(faces.labels, home.labels)
        assert torch.equal(faces.truth["action_units"], home.truth["action_units"])
        assert torch.equal(faces.truth["skin_tone"], home.truth["skin_tone"])
        assert faces is home or not torch.equal(faces.images, home.images)


def test_each_shift_changes_what_it_says(sets):
    home = sets["none"]
    assert (home.truth["occluder"] == 0).all()
    assert home.truth["age"].min() >= 20
    assert home.truth["age"].max() <= 50
    assert sets["children"].truth["age"].max() <= 10
    assert sets["old"].truth["age"].min() >= 65
    assert (sets["covered"].truth["occluder"] > 0).all()
    assert sets["turned"].truth["yaw"].abs().min() >= 30
    assert torch.equal(sets["turned"].truth["yaw"] > 0, home.truth["yaw"] >= 0)
    assert sets["dark"].images.float().mean() < 0.5 * home.images.float().mean()


def test_face_i_is_a_function_of_seed_shift_and_number():
    part = sample_shifted(3, "dark", 5, first=7, size=32)
    assert torch.equal(part.images, sample_shifted(10, "dark", 5, size=32).images[7:])


@pytest.mark.parametrize("shift", ["upside down", 3, None])
def test_unknown_shifts(shift):
    with pytest.raises(ValueError, match=f"shift={shift!r}.*turned"):
        sample_shifted(3, shift)


def test_several_faces_of_a_person_stay_in_one_part():
    faces = sample_faces(24, 1, 24, faces_per_person=4, truth=False)
    assert len(faces.groups.unique()) == 6
    parts = faces.divide((0.5, 0.5))
    assert not torch.isin(parts[0].truth["identity"], parts[1].truth["identity"]).any()
    assert sample_faces(5, 1, 24, truth=False).groups is None
