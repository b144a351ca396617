"""The blind search finds what was planted, and nothing where nothing was."""

from itertools import combinations

import pytest
import torch
from small_faces import small_faces
from small_groups import Fails, faces_with_truth, report_of

from emotion_utils.evaluation import find_weak_groups, groups_of

COUNT, SEEDS = 2000, 10


def planted(faces, seed: int):
    """Choose a condition, or a pair, that holds 6 to 30 % of the faces: its mask."""
    groups = groups_of(faces)
    pool = [*groups.values(), *(a & b for a, b in combinations(groups.values(), 2))]
    pool = [mask for mask in pool if 0.06 <= mask.double().mean() <= 0.3]
    return pool[int(torch.randint(len(pool), (1,), generator=torch.Generator().manual_seed(seed)))]


def overlap(one, other) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_planted_weaknesses_are_found_and_none_where_there_is_none():
    found = clean = 0
    for seed in range(SEEDS):
        faces = faces_with_truth(COUNT, seed=seed)
        mask = planted(faces, seed)
        weak = find_weak_groups(report_of(faces, torch.where(mask, 0.6, 0.85), seed), faces, seed=seed)
        found += any(overlap(group.mask, mask) > 0.5 for group in weak)
        clean += not len(find_weak_groups(report_of(faces, torch.full((COUNT,), 0.85), seed), faces, seed=seed))
    assert found >= 9
    assert clean >= 9


def test_a_hard_class_is_no_weak_group():
    faces = faces_with_truth(COUNT, seed=3)
    assert not len(find_weak_groups(report_of(faces, torch.where(faces.labels == 2, 0.4, 0.9)), faces))


def test_one_class_of_one_group_is_found_by_name():
    faces = faces_with_truth(COUNT, seed=4)
    mask = (faces.labels == 3) & (faces.truth["sex"] > 0.5)
    (weak,) = find_weak_groups(report_of(faces, torch.where(mask, 0.3, 0.85)), faces)
    assert set(weak.name.split(" and ")) == {"masculine", "label happy"}
    assert torch.equal(weak.mask, mask)
    assert weak.shortfall == pytest.approx(0.55, abs=0.15)
    assert weak.others == pytest.approx(weak.accuracy.value + weak.shortfall)


def test_conditions_of_your_own_and_a_network():
    faces = faces_with_truth(800, seed=5)
    odd = torch.arange(800) % 5 == 0
    model = Fails(faces.labels, torch.where(odd, 0.4, 0.9))
    (weak,) = find_weak_groups(model, faces, {"odd": odd, "half": torch.arange(800) < 400})
    assert weak.name == "odd"


def test_the_same_seed_finds_the_same():
    faces = faces_with_truth(800, seed=6)
    found = report_of(faces, torch.where(faces.truth["glasses"] > 0, 0.3, 0.9))
    assert str(find_weak_groups(found, faces, seed=1)) == str(find_weak_groups(found, faces, seed=1))


def test_people_stay_in_one_half():
    faces = faces_with_truth(400, seed=7, faces_per_person=200)  # one person makes up each half
    ada = faces.truth["identity"] == 0
    weak = find_weak_groups(report_of(faces, torch.where(ada, 0.2, 0.9)), faces, {"Ada": ada})
    assert not len(weak)  # the other half has no face of hers, so nothing can be confirmed


def test_perfect_and_constant_networks():
    faces = faces_with_truth(400, seed=8)
    assert not len(find_weak_groups(report_of(faces, torch.ones(400)), faces))
    assert not len(find_weak_groups(report_of(faces, torch.zeros(400)), faces))


@pytest.mark.parametrize(
    ("count", "conditions", "error", "words"),
    [
        (80, None, ValueError, "truth"),
        (20, {"x": torch.ones(20, dtype=torch.bool)}, ValueError, "20 faces"),
        (80, {"x": torch.ones(5, dtype=torch.bool)}, ValueError, r"\(5,\)"),
        (80, {}, ValueError, "no group"),
    ],
)
def test_what_cannot_be_searched(count, conditions, error, words):
    faces = small_faces(count)
    with pytest.raises(error, match=words):
        find_weak_groups(report_of(faces, torch.ones(count)), faces, conditions)


def test_conditions_that_all_or_none_meet_are_left_out():
    faces = small_faces(80)
    every = torch.ones(80, dtype=torch.bool)
    weak = find_weak_groups(report_of(faces, torch.full((80,), 0.5)), faces, {"all": every, "none": ~every})
    assert weak.searched == 0
    assert not len(weak)
