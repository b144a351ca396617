"""`measure` and `compare_with_baseline`: repeatable, honest about luck, and clear about what does not fit."""

import pytest
import torch
from torch import nn

from emotion_utils.data import FaceDataset, keep_classes, resize
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.comparison import compare_with_baseline, measure, milliseconds
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.training.config import TrainConfig

QUICK = TrainConfig(epochs=1, batch_size=32, device="cpu", progress=False)


@pytest.fixture(scope="module")
def faces():
    """Noise with a bright row that tells the class, so that a little training is enough."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(140) % 7
    images = torch.randint(0, 100, (140, 1, 48, 48), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 6 * label : 6 * label + 6] += 120
    both = FaceDataset(images, labels)
    return both.subset(range(105)), both.subset(range(105, 140), split="validation")


def test_measure_leaves_the_model_untrained_and_repeats(faces):
    model = EmotionCNN(widths=(4, 8))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (measure(model, *faces, QUICK) for _ in range(2))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(first.correct, second.correct)
    assert first.history["train_loss"] == second.history["train_loss"]
    assert first.accuracy == pytest.approx(first.history["val_accuracy"][-1])
    assert first.milliseconds > 0
    comparison = compare_with_baseline(second, first)
    assert comparison.same_task
    assert comparison.difference == comparison.margin == 0
    assert "exactly the same" in comparison.verdict


def test_comparison_reports_costs_and_layers(faces):
    base = measure(EmotionCNN(widths=(4, 8)), *faces, QUICK)
    text = str(compare_with_baseline(measure(EmotionCNN(widths=(8, 8), kernel=5), *faces, QUICK), base))
    for piece in ("parameters", "multiply-adds", "milliseconds", "seconds", "accuracy", "features.block1.conv1", "×"):
        assert piece in text


def test_margin_is_paired_and_honest(faces):
    base = measure(LinearModel(), *faces, QUICK)
    other = measure(EmotionCNN(widths=(4,)), *faces, QUICK)
    comparison = compare_with_baseline(other, base)
    assert comparison.difference == pytest.approx(other.accuracy - base.accuracy)
    disagree = (other.correct != base.correct).sum()
    assert comparison.margin <= 1.96 * float(disagree) ** 0.5 / len(base.correct) + 1e-6
    words = "too close" if abs(comparison.difference) <= comparison.margin else "other seeds"
    assert words in comparison.verdict or "exactly the same" in comparison.verdict


def test_other_task_is_not_compared(faces):
    base = measure(LinearModel(), *faces, QUICK)
    three = [keep_classes(part, ("sad", "happy", "neutral")) for part in faces]
    comparison = compare_with_baseline(measure(LinearModel(classes=3), *three, QUICK), base)
    assert not comparison.same_task
    assert "different questions" in comparison.verdict
    assert "another task" in str(comparison)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (LinearModel(classes=3), ["classifier.1", "3 scores", "7 classes", "out_features=7"]),
        (EmotionCNN(image_size=32), ["32, 32", "48, 48", "image_size=48"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(8, 4, 3)), ["'1'", "4 channels", "in_channels=4"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(46, 7)), ["'1'", "(1, 4, 46, 7)", "nn.Flatten()"]),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4 * 46 * 46, 7)), ["'1'", "8464", "nn.Flatten()"]),
    ],
)
def test_misfits_name_layer_shapes_and_fix(faces, model, words):
    with pytest.raises(ShapeError) as caught:
        measure(model, *faces, QUICK)
    for word in words:
        assert word in str(caught.value)


def test_keep_classes(faces):
    training, _ = faces
    kept = keep_classes(training, ("sad", "happy"))
    assert kept.classes == ("sad", "happy")
    assert len(kept) == int(((training.labels == 3) | (training.labels == 4)).sum())
    old = training.labels[(training.labels == 3) | (training.labels == 4)]
    assert torch.equal(kept.labels, (old == 3).long())
    assert training.classes == EMOTIONS
    assert keep_classes(training, EMOTIONS) is training
    for bad in (("sad",), ("sad", "sad"), ("sad", "bored")):
        with pytest.raises(ValueError, match="at least two"):
            keep_classes(training, bad)


def test_resize(faces):
    training, _ = faces
    for size in (24, 32, 64):
        small = resize(training, size)
        assert small.images.shape == (len(training), 1, size, size)
        assert small.images.dtype == torch.uint8
        assert abs(float(small.images.float().mean() - training.images.float().mean())) < 3
    assert resize(training, 48) is training
    assert training.images.shape[-1] == 48
    with pytest.raises(ValueError, match="at least one pixel"):
        resize(training, 0)


def test_milliseconds_keeps_the_mode():
    model = LinearModel().train()
    assert milliseconds(model, repeats=1) > 0
    assert model.training
