"""What a run notes of the mix of classes that it learnt: the mean of its targets, whatever they are."""

import pytest
import torch
import torch.nn.functional as F
from small_faces import small_faces
from small_network import small_network
from torch import nn

from emotion_utils.models import facts_of
from emotion_utils.training import SoftLabelCrossEntropy, TrainConfig, WeightedLoss, train

FACES = small_faces(16)  # three of the first two classes, two of the others
LABELS = FACES.labels
COUNTS = torch.tensor([3.0, 3, 2, 2, 2, 2, 2])
VOTES = torch.rand(16, 7, generator=torch.Generator().manual_seed(0)).softmax(1)


def focal(logits, labels):
    """A loss that nobody here knows."""
    return (F.cross_entropy(logits, labels, reduction="none") ** 2).mean()


@pytest.mark.parametrize(
    ("loss", "smoothing", "wanted"),
    [
        (None, 0.0, COUNTS / 16),
        (None, 0.2, 0.8 * COUNTS / 16 + 0.2 / 7),
        (nn.CrossEntropyLoss(), 0.0, COUNTS / 16),
        (nn.CrossEntropyLoss(label_smoothing=0.2), 0.0, 0.8 * COUNTS / 16 + 0.2 / 7),
        (nn.CrossEntropyLoss(weight=1 / COUNTS), 0.0, torch.ones(7) / 7),
        (WeightedLoss((1 / COUNTS)[LABELS]), 0.0, torch.ones(7) / 7),
        (WeightedLoss((1 / COUNTS)[LABELS]), 0.2, torch.ones(7) / 7),  # smoothing is for cross-entropy alone
        (WeightedLoss((LABELS == 0).float() + 1), 0.2, torch.tensor([6.0, 3, 2, 2, 2, 2, 2]) / 19),
        (WeightedLoss((LABELS == 0).float() + 1), 0.0, torch.tensor([6.0, 3, 2, 2, 2, 2, 2]) / 19),
        (SoftLabelCrossEntropy(VOTES), 0.0, VOTES.mean(0)),
        (focal, 0.0, None),
    ],
)
def test_it_is_the_mean_of_the_targets(loss, smoothing, wanted):
    model = small_network()
    config = TrainConfig(epochs=1, batch_size=8, label_smoothing=smoothing, device="cpu", progress=False)
    train(model, FACES, None, config, loss=loss)
    found = facts_of(model).frequencies
    assert found is None if wanted is None else found == pytest.approx(wanted.tolist())


def test_weights_of_one_through_a_count_where_a_class_has_no_images():
    faces, config = FACES.subset(LABELS > 0), TrainConfig(epochs=1, batch_size=8, device="cpu", progress=False)
    weight = 1 / faces.class_counts()
    assert weight[0].isinf()
    model = small_network()
    train(model, faces, None, config, loss=nn.CrossEntropyLoss(weight=weight))
    assert facts_of(model).frequencies == pytest.approx([0] + [1 / 6] * 6)
    with pytest.raises(ValueError, match=r"loss=CrossEntropyLoss\(\): it is nan for the first batch"):
        train(small_network(), FACES, None, config, loss=nn.CrossEntropyLoss(weight=weight))


def test_after_an_error_it_is_as_it_was():
    model = small_network()
    train(model, FACES, None, TrainConfig(epochs=1, batch_size=8, device="cpu", progress=False))
    before = facts_of(model)

    def broken(logits, labels):
        raise ValueError("a mistake of the reader's")

    with pytest.raises(ValueError, match="a mistake"):
        train(model, small_faces(14), None, TrainConfig(epochs=1, batch_size=8, progress=False), loss=broken)
    assert facts_of(model) == before


def test_labels_in_another_order_are_counted_in_the_models():
    model, order = small_network(), FACES.classes[::-1]
    train(model, FACES, None, TrainConfig(epochs=1, batch_size=8, device="cpu", progress=False))
    turned = FACES.with_labels(6 - LABELS, order)
    with pytest.warns(UserWarning, match="different orders"):
        train(model, turned, None, TrainConfig(epochs=1, batch_size=8, device="cpu", progress=False))
    assert facts_of(model).frequencies == pytest.approx((COUNTS / 16).tolist())


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda n: WeightedLoss(torch.rand(n) + 0.1), r"weights have shape \({}.*\(16,\)"),
        (lambda n: SoftLabelCrossEntropy(torch.full((n, 7), 1 / 7)), r"targets have shape \({}, 7\).*\(16, 7\)"),
    ],
)
@pytest.mark.parametrize("count", [12, 20])
def test_weights_and_soft_labels_of_other_images_are_refused(loss, words, count):
    """Those of the whole would be taken for those of its first images, in silence."""
    model = small_network()
    before = facts_of(model)
    with pytest.raises(ValueError, match=words.format(count)):
        train(model, FACES, None, TrainConfig(epochs=1, device="cpu", progress=False), loss=loss(count))
    assert facts_of(model) == before


def test_soft_labels_of_other_classes_are_refused():
    loss = SoftLabelCrossEntropy(torch.full((16, 6), 1 / 6))
    with pytest.raises(ValueError, match=r"targets have shape \(16, 6\).*\(16, 7\)"):
        train(small_network(), FACES, None, TrainConfig(epochs=1, device="cpu", progress=False), loss=loss)
