"""`compare_with_baseline`: honest about luck, and clear about what does not fit."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import stats
from small_faces import small_faces

from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.comparison import compare_with_baseline
from emotion_utils.evaluation.margins import seed_margin
from emotion_utils.evaluation.measuring import Measured, measure
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History

CONFIG = TrainConfig(epochs=2, batch_size=35, device="cpu", progress=False)


@pytest.fixture(scope="module")
def faces():
    return small_faces(140), small_faces(35, seed=2, split="validation", mean=0.2, std=0.9)


def measured(
    right: list[int] | torch.Tensor, model: LinearModel | EmotionCNN | None = None, classes=EMOTIONS
) -> Measured:
    """Make up a result for 100 validation faces; `right` are the ones that were recognised."""
    model, history = model or LinearModel(), History()
    history.append(
        epoch=1, learning_rate=0.1, train_loss=1.25, train_accuracy=0.5, val_loss=1.0, val_accuracy=0.5, seconds=1.0
    )
    correct = torch.zeros(100, dtype=torch.bool)
    correct[right] = True
    labels = torch.arange(100) % len(classes)
    return Measured(model, trace_shapes(model), history, correct, labels, 2.0, 0.5, classes, CONFIG)


def test_equal_answers_are_no_difference():
    comparison = compare_with_baseline(measured(range(60)), measured(range(60)))
    assert comparison.same_task
    assert comparison.difference == comparison.margin == 0
    assert "exactly the same" in comparison.verdict
    assert "all as in the baseline" in str(comparison)


@pytest.mark.parametrize(
    ("mine", "baseline", "word"),
    [
        (range(60), range(58), "too close"),
        (range(3, 63), range(60), "too close"),  # others are recognised, equally many
        (range(80), range(40), "more accurate"),
        (range(40), range(80), "less accurate"),
    ],
)
def test_margin_is_paired_and_honest(mine, baseline, word):
    comparison = compare_with_baseline(measured(mine), measured(baseline))
    assert comparison.difference == pytest.approx((len(mine) - len(baseline)) / 100, abs=1e-6)
    gains, losses = len({*mine} - {*baseline}) / 100, len({*baseline} - {*mine}) / 100
    variance = gains + losses - (gains - losses) ** 2
    assert comparison.margin == pytest.approx(1.96 * math.sqrt(variance / 100), abs=1e-6)
    assert word in comparison.verdict
    assert f"{100 * comparison.difference:+.1f} points" in str(comparison)


def test_a_difference_is_one_seeds_word():
    assert "other seeds" in compare_with_baseline(measured(range(80)), measured(range(40))).verdict


def test_comparison_reports_costs_and_layers():
    wide = measured(range(50), EmotionCNN(widths=(8, 8), kernel=5))
    base = measured(range(50), EmotionCNN(widths=(4, 8)))
    text = str(compare_with_baseline(wide, base))
    for one in (wide, base):
        assert f"{one.trace.total_parameters:,}" in text
        assert f"{one.trace.total_multiply_adds:,}" in text
    assert "  - features.block1.conv1: Conv2d, output shape (1, 4, 48, 48)" in text
    assert "  + features.block1.conv1: Conv2d, output shape (1, 8, 48, 48)" in text
    assert f"× {wide.trace.total_parameters / base.trace.total_parameters:.2f}" in text
    for piece in ("2.0", "1.250", "50.0%"):  # seconds, loss, accuracy
        assert piece in text


def test_times_are_taken_anew_and_those_of_the_results_do_not_matter():
    """Each result brings a time of its own, from a moment of its own."""
    mine, base = measured(range(50), EmotionCNN(widths=(4, 8))), measured(range(50), EmotionCNN(widths=(4, 8)))
    comparison = compare_with_baseline(replace(mine, milliseconds=1e6), replace(base, milliseconds=1e-6))
    assert all(1e-5 < time < 1e5 for time in comparison.milliseconds)
    new, old = comparison.milliseconds
    assert f"{old:.2f}" in str(comparison)
    assert f"× {new / old:.2f}" in str(comparison)


@pytest.mark.parametrize("classes", [("sad", "happy", "neutral"), EMOTIONS[::-1]])
def test_another_task_is_not_compared(classes):
    comparison = compare_with_baseline(measured(range(70), classes=classes), measured(range(50)))
    assert not comparison.same_task
    assert math.isnan(comparison.margin)
    assert f"{len(classes)} classes" in comparison.verdict
    assert "another task" in str(comparison)


def test_validation_faces_numbered_in_another_order_are_brought_together(faces):
    training, validation = faces
    names = EMOTIONS[::-1]
    model = EmotionCNN(widths=(4, 8), image_size=16)
    plain = measure(model, training, validation, CONFIG)
    other = measure(model, training, validation.with_labels(6 - validation.labels, names), CONFIG)
    assert torch.equal(plain.correct, other.correct)
    assert compare_with_baseline(other, plain).same_task


@pytest.mark.parametrize("classes", [[name.title() for name in EMOTIONS], ["anger", *EMOTIONS[1:]]])
def test_the_same_classes_in_another_writing_are_the_same_task(classes):
    assert compare_with_baseline(measured(range(70), classes=tuple(classes)), measured(range(50))).same_task


# --- several seeds ---------------------------------------------------------------------------------------------------


def runs(counts, model=None, first_seed=0, **options):
    """Make up results of one network with a seed each, which recognise so many of the 100 faces."""
    made = []
    for seed, count in enumerate(counts, start=first_seed):
        one = measured(torch.randperm(100, generator=torch.Generator().manual_seed(seed))[:count], model, **options)
        made.append(replace(one, config=replace(one.config, seed=seed)))
    return made


BASELINES = runs([50, 53, 47, 52, 51])


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (54, "no difference that this can tell"),
        (46, "no difference that this can tell"),
        (70, "more accurate"),
        (30, "less accurate"),
    ],
)
def test_a_single_run_is_held_against_the_band_of_several_seeds(count, words):
    comparison = compare_with_baseline(runs([count], first_seed=9)[0], BASELINES)
    low, high = comparison.band
    assert ("more accurate" in words) == (count / 100 > high)
    assert ("less accurate" in words) == (count / 100 < low)
    assert words in comparison.verdict
    assert f"{100 * comparison.difference:+.1f} points" in str(comparison)
    assert "5 seeds" in str(comparison)


def test_the_band_holds_a_run_of_the_same_network_nineteen_times_in_twenty():
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(4000, 6, dtype=torch.float64, generator=generator)
    inside = [abs(row[5] - sum(row[:5]) / 5) <= seed_margin(row[5:], row[:5]) for row in draws.tolist()]
    assert sum(inside) / len(inside) == pytest.approx(0.95, abs=0.01)


def test_the_margin_of_several_runs_is_students():
    mine, baseline = [0.51, 0.55, 0.52], [0.47, 0.5, 0.49, 0.46]
    interval = stats.ttest_ind(mine, baseline).confidence_interval(0.95)
    assert seed_margin(mine, baseline) == pytest.approx((interval.high - interval.low) / 2)


@pytest.mark.parametrize("sides", [([0.5], [0.5]), ([], [0.4, 0.5]), ([0.4, 0.5], [])])
def test_a_margin_needs_scatter(sides):
    with pytest.raises(ValueError, match="mine="):
        seed_margin(*sides)


def test_several_unchanged_networks_make_no_difference():
    assert "With each seed" in compare_with_baseline(BASELINES[:2], BASELINES[:3]).verdict
    other = compare_with_baseline([BASELINES[0], replace(BASELINES[1], correct=~BASELINES[1].correct)], BASELINES)
    assert "exactly the same" not in other.verdict


def test_an_unchanged_network_makes_no_difference():
    """With the seed of one of the baseline's runs it recognises the same faces, and that is said."""
    for mine in BASELINES:
        comparison = compare_with_baseline(mine, BASELINES)
        assert "exactly the same" in comparison.verdict
        assert "no difference" in comparison.verdict
        assert "all as in the baseline" in str(comparison)


def test_the_same_network_from_another_start_is_not_called_better(faces):
    """Really trained: the seed's luck is larger than the margin over the faces tells."""
    trained = []
    for seed in range(6):
        torch.manual_seed(seed)
        trained.append(measure(EmotionCNN(widths=(4, 8), image_size=16), *faces, replace(CONFIG, seed=seed)))
    comparison = compare_with_baseline(trained[5], trained[:5])
    assert "no difference that this can tell" in comparison.verdict
    assert comparison.band[0] <= trained[5].accuracy <= comparison.band[1]


def test_several_runs_of_mine_narrow_the_margin():
    one, three = (compare_with_baseline(runs(counts, first_seed=20), BASELINES) for counts in ([56], [56, 55, 57]))
    assert three.margin < one.margin
    assert three.difference == pytest.approx(one.difference, abs=1e-6)
    assert "3 seeds" in three.verdict


def test_a_run_of_each_has_no_band():
    assert compare_with_baseline(measured(range(60)), measured(range(50))).band is None
    other = compare_with_baseline(measured(range(60), classes=EMOTIONS[::-1]), BASELINES)
    assert other.band is None
    assert not other.same_task


@pytest.mark.parametrize(
    ("baseline", "error", "words"),
    [
        ([], ValueError, "baseline is empty"),
        ([BASELINES[0], None], TypeError, "NoneType"),
        ("abc", TypeError, "baseline='str'"),
        ([BASELINES[0], BASELINES[0]], ValueError, r"seeds \[0, 0\]"),
        ([*BASELINES, runs([50], EmotionCNN(widths=(4,)), 9)[0]], ValueError, "seed=0 and seed=9.*their layers"),
        ([*BASELINES, runs([50], first_seed=9, classes=EMOTIONS[::-1])[0]], ValueError, "their validation faces"),
        (
            [BASELINES[0], replace(BASELINES[1], config=replace(CONFIG, epochs=9, seed=1))],
            ValueError,
            "how they were trained",
        ),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(baseline, error, words):
    with pytest.raises(error, match=words):
        compare_with_baseline(BASELINES[0], baseline)
