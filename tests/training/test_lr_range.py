"""The range test finds a rate that works, and leaves the model alone."""

import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal

from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test


def test_it_leaves_the_model_alone_and_finds_a_rate():
    """Weights, buffers, mode, random state stay; a run at the suggested rate learns."""
    data, model, twin = small_faces(200), small_cnn(), small_cnn()
    model.train()
    state = torch.get_rng_state()
    result = lr_range_test(model, data, TrainConfig(batch_size=20, **QUIET), steps=60)
    assert weights_equal(model, twin)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert len(result.rates) == len(result.losses)
    assert 1e-5 < result.suggestion < 10
    config = TrainConfig(epochs=3, batch_size=20, learning_rate=result.suggestion, **QUIET)
    assert train(model, data, data, config)["val_accuracy"][-1] > 0.5


@pytest.mark.parametrize("rates", [{"start": 1.0, "stop": 0.1}, {"start": 0.0}, {"steps": 2}])
def test_rates_that_do_not_grow_are_refused(rates):
    name, value = next(iter(rates.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        lr_range_test(small_cnn(), small_faces(20), TrainConfig(**QUIET), **rates)


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="cuda:99"):
        lr_range_test(small_cnn(), small_faces(20), TrainConfig(device="cuda:99"))


def test_the_suggestion_is_where_the_loss_falls_fastest():
    """One rule, the one that notebook 04 teaches: not the lowest point, which is the edge."""
    config = TrainConfig(batch_size=20, **QUIET)
    found = lr_range_test(small_cnn(), small_faces(200), config, start=1e-4, stop=10, steps=60)
    lowest = found.losses.index(min(found.losses))
    place = found.rates.index(found.suggestion)
    assert 5 <= place <= lowest - 5
    falls = [found.losses[i - 5] - found.losses[i + 5] for i in range(5, lowest - 4)]
    assert found.losses[place - 5] - found.losses[place + 5] == max(falls)


@pytest.mark.parametrize("steps", [3, 4, 12])
def test_a_short_test_has_a_suggestion_before_the_edge(steps):
    found = lr_range_test(small_cnn(), small_faces(60), TrainConfig(batch_size=20, **QUIET), steps=steps)
    assert found.suggestion in found.rates
    assert found.suggestion <= found.rates[found.losses.index(min(found.losses))]
