"""A threshold for each group makes one rate equal, and says who is in no group or in two."""

import pytest
import torch

from emotion_utils.evaluation import fit_group_thresholds


def scored(seed: int = 0, count: int = 2000):
    """Make scores that are lower for positive faces of the second group."""
    generator = torch.Generator().manual_seed(seed)
    positive = torch.rand(count, generator=generator) < 0.3
    second = torch.rand(count, generator=generator) < 0.4
    scores = (0.35 * torch.rand(count, generator=generator) + 0.5 * positive - 0.25 * (positive & second)).clamp(0, 1)
    return scores, positive, {"first": ~second, "second": second}


@pytest.mark.parametrize("measure", ["recall", "false positives"])
def test_the_rate_is_equal_in_all_groups(measure):
    scores, positive, groups = scored()
    fitted = fit_group_thresholds(scores, positive, groups, 0.8 if measure == "recall" else 0.1, measure)
    alarms = fitted.alarms(scores, groups)
    among = positive if measure == "recall" else ~positive
    for mask in groups.values():
        assert float(alarms[mask & among].double().mean()) == pytest.approx(fitted.target, abs=0.01)
    if measure == "recall":
        assert fitted.thresholds[0] > fitted.thresholds[1]


def test_a_target_of_nothing_gives_no_alarm():
    scores, positive, groups = scored()
    fitted = fit_group_thresholds(torch.ones_like(scores), positive, groups, 0.0)
    assert not fitted.alarms(torch.ones_like(scores), groups).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": 1.2}, "target=1.2"),
        ({"measure": "luck"}, "luck"),
        ({"scores": torch.full((2000,), 1.5)}, "0 to 1"),
        ({"positive": torch.ones(3, dtype=torch.bool)}, r"\(3,\)"),
        ({"positive": torch.zeros(2000, dtype=torch.bool)}, "0 faces"),
        ({"groups": {}}, "there are none"),
        ({"groups": {"a": torch.ones(2000)}}, "bool masks"),
        ({"groups": {"a": torch.ones(2000, dtype=torch.bool), "b": torch.ones(2000, dtype=torch.bool)}}, "2,000 faces"),
    ],
)
def test_bad_input(change, words):
    scores, positive, groups = scored()
    given = {"scores": scores, "positive": positive, "groups": groups, "target": 0.8} | change
    with pytest.raises(ValueError, match=words):
        fit_group_thresholds(**given)


def test_other_groups_than_were_fitted():
    scores, positive, groups = scored()
    fitted = fit_group_thresholds(scores, positive, groups, 0.8)
    with pytest.raises(ValueError, match="third"):
        fitted.alarms(scores, {"third": groups["first"], "second": groups["second"]})


def test_groups_come_by_name():
    scores, positive, groups = scored()
    with pytest.raises(TypeError, match="by name"):
        fit_group_thresholds(scores, positive, list(groups.values()), 0.8)
    numbered = dict(enumerate(groups.values()))
    fitted = fit_group_thresholds(scores, positive, numbered, 0.8)
    assert fitted.alarms(scores, numbered).any()
    with pytest.raises(ValueError, match="groups are 1"):
        fitted.alarms(scores, {1: groups["first"], 2: groups["second"]})
