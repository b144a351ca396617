"""People at random: each a function of its number, within bounds, children and old people among them."""

import pytest
import torch

from emotion_utils.faces import sample_identity


def test_each_person_is_a_function_of_seed_and_number():
    people = sample_identity(50, seed=3)
    same = sample_identity(10, seed=3, index=torch.arange(20, 30))
    for name, value in vars(same).items():
        assert torch.equal(value, vars(people)[name][20:30]), name
    assert not torch.equal(people.jaw, sample_identity(50, seed=4).jaw)


def test_people_of_all_ages_within_their_bounds():
    people = sample_identity(1000, seed=5)
    assert people.age.min() < 8
    assert people.age.max() > 75
    assert 20 < people.age.median() < 50
    assert (people.hairline < -2).any(), "some are bald"
    assert people.beard[people.age < 14].max() < 1
    grey = people.hair_tone.where(people.age > 70, torch.tensor(torch.nan)).nanmean()
    assert grey > people.hair_tone[people.age < 40].mean() + 0.2
    for name in ("sex", "iris_tone", "brow_tone", "lip_tone", "beard", "moustache", "glasses", "freckles", "texture"):
        assert vars(people)[name].min() >= 0, name
        assert vars(people)[name].max() <= 1, name
    assert people.rest.min() == 0
    assert people.rest.max() < 0.23, "a resting face is no expression"


def test_bounds_for_all_or_for_each():
    young = sample_identity(200, seed=6, age=(5, 12), skin_tone=(0.2, 0.3))
    assert 5 <= young.age.min() <= young.age.max() <= 12
    assert 0.2 <= young.skin_tone.min() <= young.skin_tone.max() <= 0.3
    bounds = torch.tensor([[20.0, 21.0], [80.0, 81.0]]).repeat(100, 1)
    mixed = sample_identity(200, seed=6, age=bounds)
    assert mixed.age[::2].max() <= 21
    assert mixed.age[1::2].min() >= 80


@pytest.mark.parametrize(("values", "words"), [({"n": 0}, "n=0"), ({"n": 2, "seed": -1}, "seed=-1")])
def test_clear_errors(values, words):
    with pytest.raises(ValueError, match=words):
        sample_identity(**values)
