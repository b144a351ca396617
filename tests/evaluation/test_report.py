"""The report against scikit-learn and against sums by hand."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.confidence import bootstrap_interval, calibration, fit_temperature
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import EmotionCNN


class Oracle(nn.Module):
    """Gives logits that were written down before, in order, whatever the images are."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.place = logits, 0

    def forward(self, images):
        if not len(self.logits[self.place :]):
            self.place = 0
        rows = self.logits[self.place : self.place + len(images)]
        self.place += len(rows)
        return rows


@pytest.fixture
def measured():
    """A report on 700 images, with logits that are right somewhat more often than chance, and the logits."""
    data = small_faces(700, twins=torch.arange(700) < 100)
    logits = torch.randn(700, 7, generator=torch.Generator().manual_seed(3)) * 2
    logits[torch.arange(700), data.labels] += 1.5
    model = Oracle(torch.cat([torch.zeros(2, 7), logits]))  # two rows for the check of shapes
    return evaluate(model, data, batch_size=64), logits, data


def test_report_equals_scikit_learn(measured):
    """Confusion, precision, recall, F1, accuracy, balanced accuracy, loss."""
    report, logits, data = measured
    labels, guess = data.labels.numpy(), logits.argmax(1).numpy()
    assert report.confusion.tolist() == sklearn.metrics.confusion_matrix(labels, guess).tolist()
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(labels, guess, zero_division=0)
    np.testing.assert_allclose(report.precision, precision)
    np.testing.assert_allclose(report.recall, recall)
    np.testing.assert_allclose(report.f1, f1)
    assert report.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, guess))
    assert report.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, guess, average="macro"))
    assert report.balanced_accuracy == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, guess))
    probabilities = logits.double().softmax(1).numpy()
    assert report.loss == pytest.approx(sklearn.metrics.log_loss(labels, probabilities), rel=1e-6)
    torch.testing.assert_close(report.probabilities, logits.softmax(1))
    assert report.confusion.dtype == torch.int64


def test_report_with_classes_that_never_occur():
    """A class without images or predictions counts 0 and makes nothing nan; scikit-learn leaves it out as well."""
    data = small_faces(4)  # classes 0 to 3 of 7
    logits = torch.eye(7)[[0, 1, 1, 5]]
    report = evaluate(Oracle(torch.cat([logits[:2], logits])), data)
    labels, guess = [0, 1, 2, 3], [0, 1, 1, 5]
    assert report.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, guess, average="macro", zero_division=0))
    assert report.balanced_accuracy == pytest.approx(0.5)
    assert not math.isnan(float(report.f1.sum()))
    assert "neutral" in str(report)


def test_twins_and_mistakes(measured):
    """Accuracy splits at the twins; the surest mistakes come first and are mistakes."""
    report, logits, data = measured
    right = logits.argmax(1) == data.labels
    assert report.accuracy_with_twins == pytest.approx(right[:100].float().mean().item())
    assert report.accuracy_without_twins == pytest.approx(right[100:].float().mean().item())
    worst = report.confident_mistakes(10)
    assert len(worst) == 10
    assert not right[worst].any()
    sure = report.probabilities.amax(1)
    assert sure[worst].tolist() == sorted(sure[~right].tolist(), reverse=True)[:10]
    assert "100 images have an identical twin" in str(report)


def test_without_twins_known():
    """Unknown twins give None, not a number."""
    report = evaluate(EmotionCNN(widths=(4,), image_size=16), small_faces(20))
    assert report.accuracy_with_twins is None
    assert report.accuracy_without_twins is None


def test_calibration_by_hand():
    """Two bins, four images: the error is worked out by hand."""
    confidence = torch.tensor([0.55, 0.75, 0.9, 1.0])
    probabilities = torch.stack([confidence, 1 - confidence], 1)
    labels = torch.tensor([0, 1, 0, 0])
    result = calibration(probabilities, labels, bins=5)
    # Bins end at 0.2, 0.4, 0.6, 0.8 and 1.
    assert result.count.tolist() == [0, 0, 1, 1, 2]
    torch.testing.assert_close(result.accuracy, torch.tensor([0, 0, 1.0, 0, 1]))
    assert result.ece == pytest.approx((0.45 + 0.75 + 0.1) / 4, abs=1e-6)


def test_calibration_against_a_loop(measured):
    """The sums over bins equal those of a plain loop."""
    report, _, data = measured
    sure, guess = report.probabilities.max(1)
    total = 0.0
    for i in range(15):
        inside = (sure > i / 15) & (sure <= (i + 1) / 15)
        if inside.any():
            right = (guess == data.labels)[inside].double().mean()
            total += float(inside.sum() * (sure[inside].double().mean() - right).abs())
    assert report.ece == pytest.approx(total / len(sure), abs=1e-6)


@pytest.mark.parametrize(
    "values", [torch.arange(400) % 4 > 0, torch.rand(400, generator=torch.Generator().manual_seed(0))]
)
def test_bootstrap_interval_has_the_width_of_theory(values):
    """For a mean of 400 values it is about 1.96 standard errors either way; the same seed gives the same interval."""
    low, high = bootstrap_interval(values, draws=4000, seed=1)
    mean, error = values.double().mean().item(), values.double().std().item() / 20
    assert low == pytest.approx(mean - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.3 * error)
    assert bootstrap_interval(values, draws=4000, seed=1) == (low, high)
    assert bootstrap_interval(values, draws=4000, seed=2) != (low, high)


def test_bootstrap_interval_edges():
    """All right is an interval of a point; no values are refused."""
    assert bootstrap_interval(torch.ones(10, dtype=torch.bool)) == (1.0, 1.0)
    assert bootstrap_interval(torch.zeros(10, dtype=torch.bool)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="0 values"):
        bootstrap_interval(torch.zeros(0))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_is_found(temperature):
    """Labels drawn from softmax(z), logits z times T: the fit finds T, and it is the minimum of the loss."""
    z = torch.randn(20_000, 7, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.multinomial(z.softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    logits = z * temperature
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    loss = [float(nn.functional.cross_entropy(logits / t, labels)) for t in (found * 0.95, found, found * 1.05)]
    assert loss[1] == min(loss)


def test_normalisation_of_training_is_used():
    """A model trained elsewhere brings its own mean and std; the data set's are not used, and stay."""
    data = small_faces(30, mean=0.1, std=0.9)
    model = EmotionCNN(widths=(4,), image_size=16)
    unknown = evaluate(model, data).probabilities  # nobody told this model, so the data set's are used
    torch.testing.assert_close(unknown, model.predict_proba(data.batch(range(30))[0]))
    model.mean.fill_(0.4)
    known = evaluate(model, data).probabilities
    torch.testing.assert_close(known, model.predict_proba(data.images))
    assert not torch.allclose(known, unknown)
    assert (data.mean, data.std) == (0.1, 0.9)


def test_misfits_are_explained():
    """Another image size, another number of classes, a device that is not there."""
    with pytest.raises(ShapeError, match="image_size=16"):
        evaluate(EmotionCNN(), small_faces(10))
    with pytest.raises(ShapeError, match="classes=7"):
        evaluate(EmotionCNN(image_size=16, classes=3), small_faces(10))
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="this machine has none"):
            evaluate(EmotionCNN(image_size=16), small_faces(10), device="cuda")
