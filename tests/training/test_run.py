"""A run, driven epoch by epoch: what it keeps, when it ends, and that it is what `train` does."""

import math

import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal, without_seconds
from torch import nn

from emotion_utils.errors import DivergedError
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.run import Run


def test_driven_by_hand_it_does_what_train_does():
    """A benchmark drives a run epoch by epoch, and looks at its network in between."""
    data, config = small_faces(40), TrainConfig(epochs=2, batch_size=13, average=0.5, **QUIET)
    model, other = small_cnn(), small_cnn()
    history = train(model, data, data, config)
    run, accuracies = Run(other, data, data, config), []
    while not run.finished:
        run.finish_epoch()
        accuracies.append(run.validate()[1])
    assert accuracies == history["val_accuracy"]
    assert without_seconds(run.history) == without_seconds(history)
    assert weights_equal(run.eval_model, model)
    assert run.eval_model is not other


def test_single_steps_can_be_timed():
    run = Run(small_cnn(), small_faces(40), None, TrainConfig(batch_size=10, **QUIET))
    for number, batch in enumerate(run.batches(1)):
        run.step(batch, number)
    assert run.progress.sums[2] == 40
    assert all(map(math.isnan, run.validate())), "without validation images there are no numbers"


class Scripted(nn.Module):
    """A network that in epoch k is right on a given share of the validation images."""

    def __init__(self, images: int, shares: list[float]) -> None:
        super().__init__()
        self.layer, self.images, self.shares = nn.Linear(256, 7), images, iter(shares)

    def forward(self, x):
        if self.training or len(x) != self.images:  # a step, or a look at the shapes
            return self.layer(x.flatten(1))
        truth = torch.arange(len(x)) % 7
        wrong = torch.arange(len(x)) >= round(next(self.shares) * len(x))
        return nn.functional.one_hot((truth + wrong) % 7, 7).float()


def test_it_stops_when_patience_has_run_out_and_the_best_weights_are_those_of_the_best_epoch():
    shares = [0.3, 0.5, 0.4, 0.5, 0.45, 0.9]
    model, data = Scripted(20, shares), small_faces(30)
    validation = data.subset(range(20))
    twin = Scripted(20, shares)
    twin.load_state_dict(model.state_dict())
    settings = {"batch_size": 10, "schedule": "constant", **QUIET}
    history = train(model, data, validation, TrainConfig(epochs=10, patience=3, **settings))
    assert history["val_accuracy"] == shares[:5]
    assert history.best_epoch == 2
    train(twin, data, validation, TrainConfig(epochs=2, **settings))
    assert all(torch.equal(twin.state_dict()[name], value) for name, value in history.best_weights.items())
    assert not torch.equal(model.layer.weight, twin.layer.weight), "the model itself went on"


def test_averaged_weights_are_validated_and_kept():
    """With `average`, the model ends with the running mean of its weights, batch norm's buffers included."""
    data, config = small_faces(40), TrainConfig(epochs=1, batch_size=20, schedule="constant", average=0.9, **QUIET)
    start, plain, averaged = small_cnn(), small_cnn(), small_cnn()
    seen = [{k: v.clone() for k, v in start.state_dict().items()}]

    def watch(logits, labels, index):
        seen.append({k: v.clone() for k, v in plain.state_dict().items()})  # before the step
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    train(plain, data, data, TrainConfig(**vars(config) | {"average": 0.0}), loss=watch)
    train(averaged, data, data, config)
    first, second, third = seen[0], seen[2], plain.state_dict()
    # The decays of the first two updates are 2/11 and 3/12.
    name = "classifier.hidden.weight"
    mean = torch.lerp(torch.lerp(first[name], second[name], 9 / 11), third[name], 9 / 12)
    torch.testing.assert_close(averaged.state_dict()[name], mean)
    buffer = averaged.state_dict()["features.block1.norm1.running_mean"]
    assert not torch.equal(buffer, third["features.block1.norm1.running_mean"])


def test_own_loss_is_told_which_images():
    """`loss` gets logits, labels and the indices of the images, and replaces cross-entropy."""
    data, visited = small_faces(30), []

    def loss(logits, labels, index):
        assert torch.equal(data.labels[index], labels)
        visited.extend(index.tolist())
        return logits.sum(1) * 0

    model, before = small_cnn(batch_norm=False), small_cnn(batch_norm=False)
    train(model, data, None, TrainConfig(epochs=1, batch_size=7, weight_decay=0.0, **QUIET), loss=loss)
    assert sorted(visited) == list(range(30))
    torch.testing.assert_close(model.classifier.hidden.weight, before.classifier.hidden.weight)


def test_divergence_stops_with_advice():
    """Far too high a rate ends in an error that says what to try, not in a run of nan."""
    with pytest.raises(DivergedError, match=r"in epoch 1, step \d+ of 10.*learning_rate=0.1; lr_range_test"):
        train(small_cnn(), small_faces(50), None, TrainConfig(batch_size=5, learning_rate=1e12, **QUIET))


def test_divergence_in_the_last_step_is_noticed():
    """The last update spoils the weights after the last loss of training; validation finds out."""
    data = small_faces(20)
    config = TrainConfig(epochs=1, batch_size=20, learning_rate=1e30, momentum=0, schedule="constant", **QUIET)
    with pytest.raises(DivergedError, match="validation images of epoch 1"):
        train(small_cnn(), data, data, config)
