"""The table of what each cure costs whom."""

import pytest
import torch
from small_groups import faces_with_truth, report_of

from emotion_utils.evaluation import compare_cures, evaluate_groups


def measured(chance_of_men: float, seed: int = 0, count: int = 800):
    faces = faces_with_truth(count)
    chance = torch.where(faces.truth["sex"] > 0.5, chance_of_men, 0.85)
    return evaluate_groups(report_of(faces, chance, seed), faces, "sex")


def test_changes_are_those_of_the_accuracies():
    before, after = measured(0.4), measured(0.8)
    table = compare_cures({"none": before, "cured": after})
    assert table.groups == ("everyone", "feminine", "masculine")
    for g, name in enumerate(table.groups[1:], 1):
        change = after[name].accuracy.value - before[name].accuracy.value
        assert table.changes[1][g].value == pytest.approx(change)
    assert table.changes[1][2].value > 3 * table.changes[1][2].margin
    assert table.gaps[0].value > table.gaps[1].value
    assert table.changes[0][0].value == table.changes[0][0].margin == 0
    assert "cured" in str(table)


def test_what_cannot_be_compared():
    before = measured(0.4)
    with pytest.raises(ValueError, match="two or more"):
        compare_cures({"none": before})
    with pytest.raises(TypeError, match="cured"):
        compare_cures({"none": before, "cured": 3})
    with pytest.raises(ValueError, match="other faces"):
        compare_cures({"none": before, "cured": measured(0.8, count=400)})
