"""Photographs at random: each a function of its number, the harder the more they differ."""

import pytest
import torch

from emotion_utils.faces import sample_capture


def test_each_photograph_is_a_function_of_seed_and_number():
    photos = sample_capture(50, seed=3)
    same = sample_capture(10, seed=3, index=torch.arange(20, 30))
    for name, value in vars(same).items():
        assert torch.equal(value, vars(photos)[name][20:30]), name
    assert not torch.equal(photos.yaw, sample_capture(50, seed=4).yaw)


def test_difficulty_spreads_pose_and_flaws():
    easy, hard = (sample_capture(2000, seed=5, difficulty=d) for d in (0.0, 1.0))
    for name in ("yaw", "pitch", "roll", "light_azimuth", "exposure", "contrast", "blur", "noise", "clutter"):
        assert vars(hard)[name].std() > 1.2 * vars(easy)[name].std(), name
    assert (easy.occluder > 0).sum() == 0
    assert (hard.occluder > 0).float().mean().item() == pytest.approx(0.12, abs=0.03)


def test_all_kinds_of_things_are_in_front():
    occluder = sample_capture(500, seed=6, occluded=1.0).occluder
    assert occluder.unique().tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n": -3}, "n=-3"),
        ({"n": 1, "seed": -1}, "seed=-1"),
        ({"n": 1, "difficulty": 1.5}, "difficulty=1.5"),
        ({"n": 1, "occluded": 2.0}, "occluded=2.0"),
    ],
)
def test_clear_errors(values, words):
    with pytest.raises(ValueError, match=words):
        sample_capture(**values)
