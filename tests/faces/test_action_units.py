"""Action units: named, within bounds, on one half of the face or both."""

import pytest
import torch

from emotion_utils.faces import ACTION_UNITS, AU_DESCRIPTIONS, AU_INDEX, AU_REGION, REGIONS, ActionUnits


def test_every_unit_has_a_column_a_description_and_a_region():
    assert [AU_INDEX[name] for name in ACTION_UNITS] == list(range(21))
    assert set(AU_DESCRIPTIONS) == set(AU_REGION) == set(ACTION_UNITS)
    assert set(AU_REGION.values()) == set(REGIONS)


def test_units_are_named_for_both_halves_or_for_each():
    units = ActionUnits.of(3, AU12=0.8, AU6=(0.2, 0.6), AU4=torch.tensor([0.0, 0.5, 1.0]))
    assert units.left[:, AU_INDEX["AU6"]].tolist() == pytest.approx([0.2] * 3)
    assert units.right[:, AU_INDEX["AU6"]].tolist() == pytest.approx([0.6] * 3)
    assert units.mean[:, AU_INDEX["AU6"]].tolist() == pytest.approx([0.4] * 3)
    assert units.left[:, AU_INDEX["AU4"]].tolist() == [0.0, 0.5, 1.0]
    assert (units.mean > 0).sum() == 3 + 3 + 2


def test_one_face_or_several_are_picked():
    units = ActionUnits.of(3, AU4=torch.tensor([0.0, 0.5, 1.0]))
    assert [len(units), len(units[1]), len(units[-1]), len(units[1:]), len(units[[0, 2]])] == [3, 1, 1, 2, 2]
    assert units[-1].left[0, AU_INDEX["AU4"]] == 1.0
    assert torch.equal(units[[2, 0]].right[:, AU_INDEX["AU4"]], torch.tensor([1.0, 0.0]))


def test_one_tensor_stands_for_both_halves():
    left = torch.rand(2, 21)
    assert torch.equal(ActionUnits(left).right, left)


def test_units_do_not_change():
    with pytest.raises(AttributeError):
        ActionUnits.of(1).left = torch.ones(1, 21)


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), float("inf")])
def test_intensity_out_of_range(value):
    with pytest.raises(ValueError, match=rf"AU12={value:g}.* 1 "):
        ActionUnits.of(2, AU12=torch.tensor([0.5, value]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ActionUnits.of(1, AU99=0.5), "AU99.*AU43"),
        (lambda: ActionUnits.of(0), "n=0"),
        (lambda: ActionUnits(torch.zeros(2, 3)), r"\(N, 21\).*\(2, 3\)"),
        (lambda: ActionUnits(torch.zeros(2, 21), torch.zeros(3, 21)), r"\(2, 21\).*\(3, 21\)"),
    ],
)
def test_clear_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()
