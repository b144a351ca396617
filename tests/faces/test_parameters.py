"""What people and photographs share: equal lengths, finite numbers, copies instead of changes."""

import pytest
import torch

from emotion_utils.faces import Identity, sample_capture, sample_identity


def test_faces_are_picked_by_number_slice_and_list():
    people = sample_identity(5, seed=1)
    assert [len(people), len(people[2]), len(people[-1]), len(people[1:3]), len(people[[0, 4]])] == [5, 1, 1, 2, 2]
    assert torch.equal(people[-1].rest, people.rest[4:])
    assert torch.equal(people[[4, 0]].age, people.age[[4, 0]])


def test_replace_leaves_the_original_alone():
    people = sample_identity(3, seed=1)
    older = people.replace(age=people.age + 10, beard=0.5)
    assert torch.equal(older.age, people.age + 10)
    assert older.beard.tolist() == [0.5] * 3
    assert torch.equal(people.age, sample_identity(3, seed=1).age)
    with pytest.raises(AttributeError):
        people.age = older.age


def test_fields_for_pixels_spread_over_a_picture():
    capture = sample_capture(3, seed=1).for_pixels()
    assert capture.yaw.shape == (3, 1, 1)
    assert sample_identity(3, seed=1).for_pixels().rest.shape == (3, 21, 1, 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_identity(1).replace(nose=1.0), "Identity.*'nose'.*nose_length"),
        (lambda: sample_identity(1).replace(age=float("nan")), "age.*not finite"),
        (lambda: sample_capture(2).replace(yaw=torch.zeros(3)), "pitch has 2 faces.* 3|yaw has 3 faces.* 2"),
        (lambda: Identity(**{**vars(sample_identity(2)), "jaw": torch.zeros(3)}), "jaw has 3 faces.* 2"),
    ],
)
def test_clear_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
