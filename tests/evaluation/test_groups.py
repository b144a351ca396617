"""The same measures for each group: equal to a count by hand and to fairlearn, honest about small groups and gaps."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from small_faces import small_faces
from small_groups import Fails, faces_with_truth, report_of

from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation import Report, calibration, evaluate, evaluate_groups, groups_of

COUNT = 700


def with_gap(seed: int = 0, gap: float = 0.3, count: int = COUNT):
    """Make faces and a report of a network that fails for men."""
    faces = faces_with_truth(count, seed=seed)
    return faces, report_of(faces, torch.where(faces.truth["sex"] > 0.5, 0.85 - gap, 0.85), seed)


def report(labels, predictions, sure: float = 3.0) -> Report:
    logits = sure * torch.nn.functional.one_hot(torch.as_tensor(predictions), 7).float()
    return Report(logits.softmax(1), logits, torch.as_tensor(labels), EMOTIONS, "made up", (0.0, 1.0))


def test_rates_equal_a_count_by_hand():
    faces, found = with_gap()
    masks = groups_of(faces, "age", "sex")
    groups = evaluate_groups(found, faces, masks)
    said, labels = found.predictions.tolist(), found.labels.tolist()
    for row in groups.rows:
        mine = [i for i, inside in enumerate(masks[row.name].tolist()) if inside]
        assert row.count == len(mine)
        assert row.accuracy.value == pytest.approx(sum(said[i] == labels[i] for i in mine) / len(mine))
        for c in range(7):
            there, others = [i for i in mine if labels[i] == c], [i for i in mine if labels[i] != c]
            assert row.recall[c].count == len(there)
            assert row.recall[c].value == pytest.approx(sum(said[i] == c for i in there) / len(there))
            assert row.false_positives[c].value == pytest.approx(sum(said[i] == c for i in others) / len(others))
        own = calibration(found.probabilities[masks[row.name]], found.labels[masks[row.name]])
        assert row.calibration_error == pytest.approx(own.ece, abs=1e-6)


def test_rates_equal_fairlearn():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    faces, found = with_gap()
    names = np.where(groups_of(faces, "sex")["masculine"], "masculine", "feminine")
    groups = evaluate_groups(found, faces, names)
    labels, said = found.labels.numpy(), found.predictions.numpy()
    frame = fairlearn.MetricFrame(
        metrics=metrics.accuracy_score, y_true=labels, y_pred=said, sensitive_features=names
    )  # fmt: skip
    for name, value in frame.by_group.items():
        assert groups[name].accuracy.value == pytest.approx(value)
    assert groups.gap().value == pytest.approx(frame.difference())
    for c in range(7):
        each = {"recall": fairlearn.true_positive_rate, "false_positives": fairlearn.false_positive_rate}
        frame = fairlearn.MetricFrame(metrics=each, y_true=labels == c, y_pred=said == c, sensitive_features=names)
        for name, row in frame.by_group.iterrows():
            assert groups[name].recall[c].value == pytest.approx(row["recall"])
            assert groups[name].false_positives[c].value == pytest.approx(row["false_positives"])


def test_a_network_and_its_report_give_the_same():
    faces = faces_with_truth(200)
    model = Fails(faces.labels, torch.full((200,), 0.7))
    one, other = (evaluate_groups(what, faces, "sex") for what in (model, evaluate(model, faces)))
    assert one.rows == other.rows
    assert str(one) == str(other)


def test_the_largest_gap_is_found_and_its_interval_is_wider_than_that_of_one():
    faces, found = with_gap()
    gap = evaluate_groups(found, faces, groups_of(faces, "sex", "age", "skin", "glasses")).gap()
    assert (gap.high, gap.low) == ("feminine", "masculine")
    assert gap.clear
    assert gap.p_value < 0.01
    assert gap.interval[0] < gap.single[0] < gap.value < gap.single[1] < gap.interval[1]
    assert gap.interval[0] < 0.3 < gap.interval[1]


def test_two_groups_chosen_beforehand_get_the_usual_interval():
    faces, found = with_gap()
    gap = evaluate_groups(found, faces, "sex", draws=20_000).gap()
    shares = [(r.accuracy.value * r.count + 1) / (r.count + 2) for r in evaluate_groups(found, faces, "sex").rows]
    counts = [row.count + 2 for row in evaluate_groups(found, faces, "sex").rows]
    error = math.sqrt(sum(p * (1 - p) / n for p, n in zip(shares, counts, strict=True)))
    assert gap.interval[1] - gap.value == pytest.approx(1.96 * error, rel=0.03)
    assert gap.single[1] - gap.value == pytest.approx(1.96 * error, rel=1e-3)


@pytest.mark.slow
def test_without_a_gap_the_largest_of_many_seldom_looks_real():
    clear = alone = 0
    for seed in range(30):
        faces = faces_with_truth(600, seed=seed)
        gap = evaluate_groups(
            report_of(faces, torch.full((600,), 0.7), seed), faces, groups_of(faces, "age", "skin", "pose"), draws=500
        ).gap()
        clear += gap.clear
        alone += gap.single[0] > 0
    assert clear <= 4  # 5 % of 30 are 1.5
    assert alone > clear  # what an interval that does not know would claim


def test_gaps_of_recall_and_false_positives():
    labels, said = [0] * 40 + [1] * 40, [0] * 20 + [1] * 20 + [1] * 40
    first = torch.arange(80) % 40 < 20
    faces = small_faces(80).with_labels(torch.tensor(labels))
    groups = evaluate_groups(report(labels, said), faces, {"a": first, "b": ~first})
    gap = groups.gap("recall", "angry")
    assert (gap.value, gap.high, gap.low, gap.measure) == (1.0, "a", "b", "recall of angry")
    assert groups.gap("false positives", "disgust").high == "b"
    assert groups.gap("recall").value == 1.0
    assert groups.gap("recall", "happy") is None  # nobody is happy


def test_abstentions():
    faces, found = with_gap()
    sure = found.probabilities.amax(1)
    groups = evaluate_groups(found, faces, "sex", abstain_below=0.8)
    men = groups_of(faces, "sex")["masculine"]
    assert groups["masculine"].abstentions.value == pytest.approx(float((sure[men] < 0.8).double().mean()))
    assert evaluate_groups(found, faces, "sex")["masculine"].abstentions.value == 0
    assert "no answer" in str(groups)


def test_overlapping_groups_are_told_of():
    faces, found = with_gap()
    old, men = groups_of(faces, "age")["60 and older"], groups_of(faces, "sex")["masculine"]
    groups = evaluate_groups(found, faces, {"old": old, "men": men})
    assert f"{int((old & men).sum()):,} faces belong to more than one" in str(groups)
    assert groups.gap().compared == 1
    assert evaluate_groups(found, faces, {"all": torch.ones_like(men), "again": torch.ones_like(men)}).gap() is None


def test_empty_tiny_and_whole_groups():
    faces, found = with_gap()
    one, every = torch.arange(COUNT) == 3, torch.ones(COUNT, dtype=torch.bool)
    groups = evaluate_groups(found, faces, {"none": ~every, "one": one, "every": every})
    assert math.isnan(groups["none"].accuracy.value)
    assert groups["every"].accuracy.value == pytest.approx(found.accuracy)
    assert any("none has no face" in warning for warning in groups.warnings)
    assert any("one is too small" in warning and "1 face" in warning for warning in groups.warnings)
    assert not any(warning.startswith("every") for warning in groups.warnings)
    assert groups.gap() is None  # only one group is large enough
    assert "none" in str(groups)


def test_a_class_absent_from_a_group():
    faces, found = with_gap()
    groups = evaluate_groups(found, faces, {"no joy": found.labels != 3, "joy": found.labels == 3})
    assert math.isnan(groups["no joy"].recall[3].value)
    assert math.isnan(groups["joy"].false_positives[3].value)
    assert any("no joy" in warning and "happy" in warning for warning in groups.warnings)


def test_a_perfect_network_is_not_certain_about_few_faces():
    faces = faces_with_truth(300)
    groups = evaluate_groups(report(faces.labels, faces.labels), faces, "glasses")
    row = groups["glasses"]
    assert row.accuracy.value == row.accuracy.high == 1
    assert 0.85 < row.accuracy.low < 1
    gap = groups.gap()
    assert gap.value == 0
    assert gap.interval[0] < 0 < gap.interval[1] < 0.1
    assert not gap.clear


def test_a_constant_network():
    faces = faces_with_truth(300)
    groups = evaluate_groups(report(faces.labels, torch.full((300,), 3)), faces, "sex")
    assert groups["masculine"].recall[3].value == groups["masculine"].false_positives[3].value == 1
    assert groups["masculine"].recall[0].value == 0
    assert groups.gap("recall", "happy").value == 0


def test_calibration_knows_what_chance_gives_a_small_group():
    faces = faces_with_truth(600)
    sure = torch.full((600, 7), 0.3 / 6)
    sure[torch.arange(600), faces.labels] = 0.7
    right = torch.rand(600, generator=torch.Generator().manual_seed(0)) < 0.7
    labels = torch.where(right, faces.labels, (faces.labels + 1) % 7)
    groups = evaluate_groups(
        Report(sure, sure.log(), labels, EMOTIONS, "made up", (0.0, 1.0)),
        faces.with_labels(labels),
        {"few": torch.arange(600) < 30, "many": torch.arange(600) >= 30},
    )
    few, many = groups.rows
    assert few.calibration_by_chance > 2 * many.calibration_by_chance
    assert many.calibration_interval[0] <= many.calibration_error <= many.calibration_interval[1] < 0.1


def test_no_truth_is_known():
    with pytest.raises(ValueError, match="truth"):
        evaluate_groups(report([0, 1], [0, 1]), small_faces(2), "age")


def test_a_report_on_other_faces_is_refused():
    faces, found = with_gap()
    with pytest.raises(ValueError, match="other labels"):
        evaluate_groups(found, faces.subset(torch.arange(10)), "sex")


@pytest.mark.parametrize(("measure", "emotion", "words"), [("luck", None, "luck"), ("recall", "joy", "joy")])
def test_unknown_measures_and_classes(measure, emotion, words):
    faces, found = with_gap()
    with pytest.raises(ValueError, match=words):
        evaluate_groups(found, faces, "sex").gap(measure, emotion)


def test_an_unknown_group_is_named():
    faces, found = with_gap()
    with pytest.raises(KeyError, match="cats"):
        evaluate_groups(found, faces, "sex")["cats"]
