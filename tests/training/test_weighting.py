"""A loss in which some faces count more."""

import pytest
import torch
import torch.nn.functional as F
from small_faces import small_faces
from small_network import small_network

from emotion_utils.training import TrainConfig, WeightedLoss, train


def test_each_loss_times_its_weight():
    logits, labels = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])
    loss = WeightedLoss([1.0, 3.0, 0.0, 4.0, 2.0])
    index = torch.tensor([4, 1, 2, 0])
    expected = F.cross_entropy(logits, labels, reduction="none") * torch.tensor([1.0, 1.5, 0.0, 0.5])
    assert torch.allclose(loss(logits, labels, index), expected)


def test_equal_weights_change_nothing_in_training():
    results = []
    for loss in (None, WeightedLoss(torch.full((70,), 5.0))):
        model = small_network()
        train(model, small_faces(70), None, TrainConfig(epochs=1, device="cpu", progress=False), loss=loss)
        results.append(model.state_dict())
    assert all(torch.allclose(results[0][key], results[1][key], atol=1e-5) for key in results[0])


def test_faces_of_weight_0_teach_nothing():
    faces = small_faces(70)
    other = faces.with_labels(torch.where(torch.arange(70) < 35, faces.labels, (faces.labels + 1) % 7))
    results = []
    for labels in (faces, other):
        model = small_network()
        loss = WeightedLoss((torch.arange(70) < 35).float())
        train(model, labels, None, TrainConfig(epochs=1, device="cpu", progress=False), loss=loss)
        results.append(model.state_dict())
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@pytest.mark.parametrize("weights", [[], [[1.0]], [-1.0, 1.0], [float("nan")], [0.0, 0.0]])
def test_what_are_no_weights(weights):
    with pytest.raises(ValueError, match="weights"):
        WeightedLoss(weights)


def test_too_few_weights_are_told_of():
    with pytest.raises(ValueError, match="weights hold 3"):
        WeightedLoss([1, 2, 3])(torch.zeros(2, 7), torch.tensor([0, 1]), torch.tensor([0, 5]))
    with pytest.raises(ValueError, match=r"weights have shape \(3,\)"):
        train(
            small_network(), small_faces(70), None, TrainConfig(epochs=1, progress=False), loss=WeightedLoss([1, 2, 3])
        )
