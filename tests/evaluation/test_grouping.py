"""Groups of faces: from the truth, a column, file names, masks; and what is none."""

import math

import numpy as np
import pytest
import torch
from small_faces import small_faces
from small_groups import faces_with_truth

from emotion_utils.evaluation import groups_of
from emotion_utils.evaluation.grouping import ASPECTS, as_groups


def test_groups_of_the_truth_share_no_face_and_leave_none_out():
    faces = faces_with_truth(400, difficulty="hard", occluded=0.5)
    for aspect in ASPECTS:
        masks = list(groups_of(faces, aspect).values())
        assert len(masks) > 1
        assert (torch.stack(masks).sum(0) == 1).all(), aspect
        assert all(mask.any() for mask in masks), aspect


def test_groups_say_what_was_drawn():
    faces = faces_with_truth(400)
    groups = groups_of(faces)
    assert faces.truth["age"][groups["60 and older"]].min() >= 60
    assert faces.truth["skin_tone"][groups["dark skin"]].max() < 0.4
    assert (faces.truth["glasses"][groups["glasses"]] == 1).all()
    assert torch.equal(groups["masculine"], faces.truth["sex"] > 0.5)


def test_a_clip_in_the_hair_hides_nothing():
    faces = faces_with_truth(200, mark="happy", occluded=0.0)
    assert not groups_of(faces, "occlusion")["something in front"].any()


def test_groups_of_a_column_with_missing_values():
    faces = small_faces(6)
    found = as_groups(faces, ["b", None, "a", math.nan, "", "a"])
    assert found.names == ("a", "b")
    assert found.masks.tolist() == [[False, False, True, False, False, True], [True] + [False] * 5]
    assert "3 of 6" in found.notes[0]


def test_numbers_are_sorted_as_numbers():
    assert as_groups(small_faces(3), torch.tensor([10, 9, 10])).names == ("9", "10")


def test_groups_of_file_names():
    faces = small_faces(4, names=["ada_1.png", "ada_2.png", "bob_1.png", "cyd_1.png"])
    found = as_groups(faces, lambda name: name.split("_")[0])
    assert found.names == ("ada", "bob", "cyd")
    assert found.masks.sum(1).tolist() == [2, 1, 1]


def test_one_mask_is_a_group_and_all_others():
    found = as_groups(small_faces(4), torch.tensor([True, False, False, True]))
    assert found.masks.sum(1).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ("age", ValueError, "truth"),
        ("hair", ValueError, "hair"),
        ({}, ValueError, "no group"),
        ({"x": torch.ones(3, dtype=torch.bool)}, ValueError, r"\(3,\)"),
        ({"x": torch.ones(6)}, TypeError, "float32"),
        (["a"] * 5, ValueError, "5 values for 6"),
        ([None] * 6, ValueError, "no group"),
        (lambda name: name, ValueError, "file names"),
        (7, TypeError, "7"),
    ],
)
def test_what_is_no_group(groups, error, words):
    with pytest.raises(error, match=words):
        as_groups(small_faces(6), groups)


def test_too_many_groups():
    with pytest.raises(ValueError, match="201 different"):
        as_groups(small_faces(300), list(range(300)))


def test_a_function_that_fails_names_the_file():
    with pytest.raises(ValueError, match=r"odd\.png"):
        as_groups(small_faces(2, names=["a_1.png", "odd.png"]), lambda name: name.split("_")[1])


@pytest.mark.parametrize("kind", ["string", "Int64", "boolean", "Float64", "datetime64[ns]", "category"])
def test_a_column_of_pandas_may_lack_values(kind):
    pandas = pytest.importorskip("pandas")
    found = as_groups(small_faces(4), pandas.Series([1, None, 0, 1]).astype("Int64").astype(kind))
    assert found.masks.sum(1).tolist() == [1, 2]
    assert "1 of 4" in found.notes[0]


def test_a_column_may_have_two_dimensions():
    column = np.array(["b", "a", "b"])[:, None]
    for values in (column, torch.tensor([[2], [1], [2]]), column.astype("S")):
        found = as_groups(small_faces(3), values)
        assert found.names in (("a", "b"), ("1", "2"))
        assert found.masks.sum(1).tolist() == [1, 2]


def test_long_names_that_begin_alike_are_told_apart():
    found = as_groups(small_faces(2), ["folder/" * 20 + "ada", "folder/" * 20 + "bob"])
    assert len(set(found.names)) == 2
