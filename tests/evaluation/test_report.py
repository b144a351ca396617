"""The report against scikit-learn and against sums by hand."""

import copy
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
import torch
from network_styles import data_parallel
from small_faces import small_faces
from torch import Tensor, nn
from torch.utils.data import random_split

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.facts import remember
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.views import FlipAverage


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


def permuted(faces: FaceDataset, names: list[str]) -> FaceDataset:
    """Number the same classes in another order."""
    lower = [name.lower() for name in names]
    return faces.with_labels(torch.tensor([lower.index(faces.classes[label]) for label in faces.labels]), names)


@pytest.mark.parametrize("names", [sorted(EMOTIONS), [name.title() for name in sorted(EMOTIONS)], EMOTIONS[::-1]])
@pytest.mark.parametrize("wrap", [lambda model: model, data_parallel, FlipAverage, copy.deepcopy])
def test_classes_in_another_order_are_brought_together(names, wrap):
    faces, model = small_faces(70), LinearModel(image_size=16)
    torch.nn.init.normal_(model.classifier[1].weight, std=0.1)
    model.remember(faces)
    plain, other = evaluate(wrap(model), faces), evaluate(wrap(model), permuted(faces, names))
    assert torch.equal(plain.correct, other.correct)
    assert other.classes == tuple(names)
    assert other.loss == pytest.approx(plain.loss)
    assert other.ece == pytest.approx(plain.ece)
    (note,) = other.notes
    assert "different orders" in note
    assert f"{note}.\n" in str(other)
    assert plain.notes == ()


def test_other_writings_of_the_classes_need_no_note():
    faces, model = small_faces(70), LinearModel(image_size=16)
    model.remember(faces)
    titled = faces.with_labels(faces.labels, [name.title() for name in EMOTIONS])
    assert evaluate(model, titled).notes == ()
    assert torch.equal(evaluate(model, titled).logits, evaluate(model, faces).logits)


def test_other_classes_are_refused():
    faces, model = small_faces(70), LinearModel(image_size=16)
    model.remember(faces)
    with pytest.raises(ValueError, match=r"Different classes.*class a"):
        evaluate(model, faces.with_labels(faces.labels, [f"class {letter}" for letter in "abcdefg"]))


def test_a_guessed_normalisation_is_noted():
    """A network that nobody told anything sees images as the data set says; that may be wrong, so it is said."""
    faces, model = small_faces(20, mean=0.25, std=0.5), nn.Sequential(nn.Flatten(), nn.Linear(256, 7))
    (note,) = evaluate(model, faces).notes
    assert "0.250" in note
    assert "0.500" in note
    remember(model, faces)
    assert evaluate(model, faces).notes == ()


@pytest.mark.parametrize("row", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_refused(row):
    logits = torch.zeros(14, 7)
    logits[3] = row
    model = Oracle(logits).train()
    with pytest.raises(ValueError, match="1 of 14 images are not finite, first of image 3"):
        evaluate(model, numbered_faces(torch.arange(14) % 7))
    assert model.training


def test_a_network_that_ends_in_a_softmax_is_noticed():
    with pytest.warns(UserWarning, match="softmax") as caught:
        evaluate(nn.Sequential(nn.Flatten(), nn.Linear(256, 7), nn.Softmax(1)), small_faces(14))
    assert caught[0].filename == __file__


def test_parts_that_pytorch_cut_are_measured():
    faces, model = small_faces(40), LinearModel(image_size=16)
    model.remember(faces)
    part = random_split(faces, [0.5, 0.5], torch.Generator().manual_seed(0))[1]
    assert torch.equal(evaluate(model, part).logits, evaluate(model, faces.subset(part.indices)).logits)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": LinearModel}, TypeError, r"LinearModel\(\)"),
        ({"model": None}, TypeError, "model=None"),
        ({"dataset": small_faces(5).images}, TypeError, "FaceDataset"),
        ({"dataset": None}, TypeError, "FaceDataset"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"batch_size": 1.5}, ValueError, r"batch_size=1\.5"),
        ({"bootstrap": 0}, ValueError, "bootstrap=0"),
        ({"bootstrap": float("nan")}, ValueError, "bootstrap=nan"),
        ({"seed": "0"}, ValueError, "seed='0'"),
        ({"device": "tpu"}, ValueError, "device='tpu'"),
        ({"device": 3.5}, (ValueError, TypeError), r"3\.5"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        evaluate(**{"model": LinearModel(image_size=16), "dataset": small_faces(7), **arguments})
    assert len(str(caught.value)) <= 400


def test_a_long_name_does_not_widen_the_table():
    faces = small_faces(7).with_labels(torch.arange(7), ["x" * 10_000, "two\nlines", *EMOTIONS[2:]])
    lines = str(evaluate(nn.Sequential(nn.Flatten(), nn.Linear(256, 7)), faces)).splitlines()
    assert len(lines) == 5 + 7
    assert max(map(len, lines[-8:])) < 80
