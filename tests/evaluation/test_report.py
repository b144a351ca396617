"""The report against scikit-learn and against sums by hand."""

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
import torch
from small_faces import small_faces
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import EmotionCNN


class Oracle(nn.Module):
    """Gives logits that were written down before: image i has the number i in its first two pixels."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        high, low = (255 * images[:, 0, 0, :2]).round().long().unbind(1)
        return self.logits[256 * high + low]


def numbered_faces(labels: Tensor, twins: Tensor | None = None) -> FaceDataset:
    """Make images for an `Oracle`."""
    images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = torch.arange(len(labels)) // 256, torch.arange(len(labels)) % 256
    return FaceDataset(images, labels, mean=0.0, std=1.0, twins=twins)


@pytest.fixture(scope="module")
def measured():
    """A report on 700 images, with logits that are right somewhat more often than chance, and the logits."""
    data = numbered_faces(torch.arange(700) % 7, twins=torch.arange(700) < 100)
    logits = torch.randn(700, 7, generator=torch.Generator().manual_seed(3)) * 2
    logits[torch.arange(700), data.labels] += 1.5
    return evaluate(Oracle(logits), data, batch_size=64), logits, data


def test_report_equals_scikit_learn(measured):
    """Confusion, precision, recall, F1, accuracy, balanced accuracy, loss."""
    report, logits, data = measured
    labels, guess = data.labels.numpy(), logits.argmax(1).numpy()
    assert report.confusion.tolist() == sklearn.metrics.confusion_matrix(labels, guess).tolist()
    precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(labels, guess, zero_division=0)
    np.testing.assert_allclose(report.precision, precision, rtol=1e-12)
    np.testing.assert_allclose(report.recall, recall, rtol=1e-12)
    np.testing.assert_allclose(report.f1, f1, rtol=1e-12)
    assert report.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, guess))
    assert report.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, guess, average="macro"))
    assert report.balanced_accuracy == pytest.approx(sklearn.metrics.balanced_accuracy_score(labels, guess))
    probabilities = logits.double().softmax(1).numpy()
    assert report.loss == pytest.approx(sklearn.metrics.log_loss(labels, probabilities), rel=1e-6)
    torch.testing.assert_close(report.probabilities, logits.softmax(1))
    assert report.confusion.dtype == torch.int64


def test_report_with_classes_that_never_occur():
    """A class without images or predictions counts 0 and makes nothing nan; scikit-learn leaves it out as well."""
    labels, guess = [0, 1, 2, 3], [0, 1, 1, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = evaluate(Oracle(5 * torch.eye(7)[guess]), numbered_faces(torch.tensor(labels)))
        printed = str(report)
    assert report.precision.tolist() == [1, 0.5, 0, 0, 0, 0, 0]
    assert report.recall.tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert report.f1.tolist() == pytest.approx([1, 2 / 3, 0, 0, 0, 0, 0])
    assert report.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, guess, average="macro", zero_division=0))
    assert report.balanced_accuracy == pytest.approx(0.5)
    assert not math.isnan(report.loss)
    assert "neutral" in printed


def test_a_report_prints_a_table(measured):
    report, _, _ = measured
    lines = str(report).splitlines()
    assert lines[0] == "faces, training split: 700 images"
    assert lines[1].startswith(f"accuracy {report.accuracy:.1%} (95 % interval ")
    assert [line.split()[0] for line in lines[-7:]] == list(report.classes)
    for i, line in enumerate(lines[-7:]):
        numbers = [float(word) for word in line.split()[1:]]
        expected = [report.precision[i], report.recall[i], report.f1[i], report.confusion[i].sum()]
        assert numbers == pytest.approx([float(x) for x in expected], abs=5e-4)


def test_a_report_cannot_be_changed_and_computes_once(measured):
    report, _, _ = measured
    assert report.confusion is report.confusion
    with pytest.raises(AttributeError):
        report.name = "better"


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


def test_normalisation_of_training_is_used():
    """A model trained elsewhere brings its own mean and std; the data set's are not used, and stay."""
    data = small_faces(30, mean=0.1, std=0.9)
    model = EmotionCNN(widths=(4,), image_size=16)
    unknown = evaluate(model, data).probabilities  # nobody told this model, so the data set's are used
    torch.testing.assert_close(unknown, model.predict_proba(data.batch(range(30))[0]))
    model.set_normalisation(0.4, 0.2)
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
        with pytest.raises(ValueError, match="cuda"):
            evaluate(EmotionCNN(image_size=16), small_faces(10), device="cuda")
