"""What the charts draw is what the data say: read from the figure's parts, not from its pixels."""

import numpy as np
import pytest
import torch
from every_figure import FIGURES, RATES, history, report
from matplotlib.colors import to_hex
from small_faces import small_faces

from emotion_utils import plots
from emotion_utils.evaluation.confidence import calibration
from emotion_utils.evaluation.report import Report
from emotion_utils.training.lr_range import LRRange


def pictures(fig) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in fig.axes if axis.images]


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_history_draws_loss_and_accuracy_of_both_splits(drawn, capsys):
    rows = history()
    plots.plot_history(rows)
    (fig,) = drawn
    loss, accuracy = fig.axes
    for axis, kind, scale in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for line, split, style in zip(axis.lines, ("train", "val"), ("--", "-"), strict=True):
            assert line.get_xdata().tolist() == [1, 2, 3, 4]
            assert line.get_ydata() == pytest.approx([scale * value for value in rows[f"{split}_{kind}"]])
            assert line.get_linestyle() == style
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("cross-entropy (nats)", "correct (%)")
    assert [text.get_text() for text in fig.legends[0].texts] == ["training", "validation"]
    assert "70%" in fig.get_suptitle()
    assert "4 epochs" in capsys.readouterr().out


def test_several_histories_differ_by_colour(drawn, capsys):
    plots.plot_history({"slow": history(), "fast": history(30, 3.0)})
    (fig,) = drawn
    colours = [to_hex(line.get_color()).upper() for line in fig.axes[0].lines]
    assert colours == [plots.COLOURS[i] for i in (0, 0, 1, 1)]
    assert [text.get_text() for text in fig.legends[0].texts] == ["training", "validation", "slow", "fast"]
    assert fig.get_suptitle().startswith("fast ends best: 87% validation")
    assert "slow: validation accuracy 70%" in capsys.readouterr().out


def test_a_run_without_validation_ends_at_its_training_accuracy(drawn, capsys):
    plots.plot_history(history(1, validation=False))
    assert "Training accuracy ends at 20% after 1 epoch" in drawn[0].get_suptitle()
    assert "over 1 epoch," in capsys.readouterr().out


@pytest.mark.parametrize("normalise", [True, False])
def test_confusion_shows_every_number(drawn, normalise):
    found = report()
    plots.plot_confusion(found, normalise)
    axis, bar = drawn[0].axes
    counts = found.confusion.double().numpy()
    expected = 100 * counts / counts.sum(1, keepdims=True) if normalise else counts
    np.testing.assert_allclose(axis.images[0].get_array(), expected)
    assert texts(axis) == [f"{value:.0f}" for value in expected.flat]
    assert [label.get_text() for label in axis.get_yticklabels()] == list(found.classes)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true")
    assert bar.get_ylabel() == ("% of the true class" if normalise else "images")
    off = 100 * counts / counts.sum(1, keepdims=True)
    np.fill_diagonal(off, 0)
    true, said = np.unravel_index(off.argmax(), off.shape)
    assert axis.get_title().startswith(f"{found.classes[true].capitalize()} is taken for {found.classes[said]}")


@pytest.mark.parametrize(("errors", "ends"), [([1, 2], [(2, 4), (3, 7)]), ([[1, 1], [2, 3]], [(2, 5), (4, 8)])])
def test_bars_have_their_length_number_and_whiskers(drawn, capsys, errors, ends):
    plots.plot_bars(["a", "b"], [3, 5], errors, xlabel="seconds", reference=("chance", 4.0), number="{:.1f}")
    (axis,) = drawn[0].axes
    bars = next(box for box in axis.containers if hasattr(box, "patches"))
    assert [bar.get_width() for bar in bars.patches] == [3, 5]
    whiskers = bars.errorbar.lines[2][0].get_segments()
    assert [(line[0, 0], line[1, 0]) for line in whiskers] == ends
    assert texts(axis) == ["3.0", "5.0"]
    assert axis.get_xlabel() == "seconds"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1], "the first bar is on top"
    assert [line.get_xdata()[0] for line in axis.lines if line.get_label() == "chance"] == [4.0]
    assert capsys.readouterr().out == "Bars of seconds: a 3.0, b 5.0.\n"


def test_bars_need_a_name_each():
    with pytest.raises(ValueError, match="3 names for 2 values"):
        plots.plot_bars(["a", "b", "c"], [1, 2])


def test_class_counts_say_whether_they_are_balanced(drawn):
    plots.plot_class_counts(small_faces(70))
    plots.plot_class_counts(small_faces(70).subset(range(8)))
    even, uneven = (fig.axes[0] for fig in drawn)
    assert [bar.get_width() for bar in even.patches] == [10] * 7
    assert [bar.get_width() for bar in uneven.patches] == [2, 1, 1, 1, 1, 1, 1]
    assert "balanced" in even.get_title()
    assert "Angry has 2.0 times as many images as disgust" in uneven.get_title()


def test_calibration_draws_the_bins_that_hold_images(drawn, capsys):
    before, after = report(), report(1)
    plots.plot_calibration({"before": before, "after": after}, bins=10)
    axis, counts = drawn[0].axes
    assert sum(bar.get_height() for bar in counts.patches) == len(before.labels) + len(after.labels)
    diagonal, *lines = axis.lines
    assert [*diagonal.get_xdata()] == [*diagonal.get_ydata()] == [0, 100]
    for line, one, name in zip(lines, (before, after), ("before", "after"), strict=True):
        result = calibration(one.probabilities, one.labels, bins=10)
        some = result.count > 0
        np.testing.assert_allclose(line.get_xdata(), 100 * result.confidence[some], rtol=1e-6)
        np.testing.assert_allclose(line.get_ydata(), 100 * result.accuracy[some], rtol=1e-6)
        assert line.get_label() == f"{name} (error {100 * result.ece:.1f} points)"
    closest = "before" if before.ece < after.ece else "after"
    assert f"{closest} comes closer".capitalize() in axis.get_title()
    assert "over-confident" in capsys.readouterr().out


def test_learning_rates_mark_the_suggestion(drawn):
    FIGURES["learning rates"]()
    (axis,) = drawn[0].axes
    curve, mark = axis.lines
    assert axis.get_xscale() == "log"
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == (list(RATES.rates), list(RATES.losses))
    assert mark.get_xdata()[0] == RATES.suggestion
    assert "0.01" in axis.get_title()


@pytest.mark.parametrize(
    ("labels", "title"),
    [([0, 0, 0, 2], "Angry has 3 images, disgust none"), ([1], "Disgust has 1 image, angry none")],
)
def test_a_class_without_images_is_no_part_of_a_ratio(drawn, labels, title):
    faces = small_faces(7)
    plots.plot_class_counts(faces.subset(labels))
    assert drawn[0].axes[0].get_title() == title


def test_a_report_may_have_a_comma_in_its_name(drawn):
    plots.plot_calibration({"T = 1, as learnt": report()})
    assert drawn[0].axes[0].get_title().replace("\n", " ").startswith("T = 1, as learnt is ")


def test_a_loss_that_falls_to_the_end_is_not_said_to_climb(drawn, capsys):
    FIGURES["learning rates"]()
    assert "lowest near 0.1, then it climbs" in capsys.readouterr().out
    plots.plot_lr_range(LRRange(RATES.rates, [1.9, 1.5, 1.2, 1.1], 0.01))
    told = capsys.readouterr().out
    assert "lowest near 1;" in told
    assert "climbs" not in told


def test_steps_lie_in_rows(drawn):
    """Columns, such as lists of passes, losses and accuracies, would be drawn as something else."""
    with pytest.raises(ValueError, match=r"steps of shape \(3, 4\)"):
        plots.plot_training(history(), steps=np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"steps of shape \(1, 2\)"):
        plots.plot_training(history(), steps=[(0.1, 2.0)])
    plots.plot_training(history(), steps=np.zeros((0, 3)))
    assert len(drawn) == 1


def of_one_confidence(confidence, right, count):
    """Make a report in which the network is always equally sure, and right so many times of `count`."""
    logits = torch.tensor([confidence, 1 - confidence]).log().repeat(count, 1)
    labels = (torch.arange(count) >= right).long()
    return Report(logits.exp(), logits, labels, ("yes", "no"), "made up", (0.0, 1.0))


@pytest.mark.parametrize(
    ("confidence", "right", "count", "said"),
    [
        (0.9, 1, 1, "not to be judged by 1 image,"),
        (0.9, 0, 1, "not to be judged by 1 image,"),
        (0.9, 5, 5, "not to be judged by 5 images,"),
        (0.95, 20, 20, "calibrated on average"),  # as happens in a third of all cases, were it calibrated
        (0.9, 180, 200, "calibrated on average"),
        (0.9, 199, 200, "under-confident"),
        (0.9, 150, 200, "over-confident"),
    ],
)
def test_calibration_says_a_side_only_beyond_chance(confidence, right, count, said, drawn, capsys):
    plots.plot_calibration({"net": of_one_confidence(confidence, right, count)})
    assert f"net is {said}" in capsys.readouterr().out


def test_a_confusion_without_any_right_answer_has_no_best_class(drawn, capsys):
    plots.plot_confusion(of_one_confidence(0.9, 0, 4))
    assert "none is recognised" in capsys.readouterr().out
