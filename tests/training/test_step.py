"""One step: what is decayed, which images make a batch, and how large they are."""

import pytest
import torch
from small_runs import small_cnn

from emotion_utils.training.config import TrainConfig
from emotion_utils.training.step import (
    epoch_batches,
    forward_losses,
    make_optimizer,
    resize_images,
    sgd_parameter_groups,
)


def test_weight_decay_is_for_weights_only():
    """Every parameter lies in one group; biases and batch norm are not pulled to zero."""
    model = small_cnn()
    pulled, free = sgd_parameter_groups(model, 0.1)
    assert (pulled["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim >= 2 for p in pulled["params"])
    assert all(p.ndim == 1 for p in free["params"])
    assert len(pulled["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out_and_something_must_be_left():
    model = small_cnn()
    model.features.requires_grad_(False)
    optimizer = make_optimizer(model, TrainConfig())
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert trained == {id(p) for p in model.parameters() if p.requires_grad}
    with pytest.raises(ValueError, match="no parameter to train"):
        make_optimizer(model.requires_grad_(False), TrainConfig())


@pytest.mark.parametrize(("count", "sizes"), [(50, [7] * 6 + [8]), (49, [7] * 7), (5, [5]), (51, [7] * 7 + [2])])
def test_an_epoch_visits_each_image_once_and_no_batch_has_a_single_image(count, sizes):
    batches = epoch_batches(count, 7, seed=0, epoch=1)
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(count))
    assert not torch.equal(torch.cat(batches), torch.cat(epoch_batches(count, 7, seed=0, epoch=2)))


def test_batches_of_one_are_as_asked():
    assert [len(batch) for batch in epoch_batches(3, 1, seed=0, epoch=1)] == [1, 1, 1]


def test_images_are_scaled_and_smoothed():
    images = torch.rand(2, 1, 16, 16)
    assert resize_images(images, None) is images
    assert resize_images(images, 16) is images
    small = resize_images(images, 8)
    assert small.shape == (2, 1, 8, 8)
    assert float(small.mean()) == pytest.approx(float(images.mean()), abs=0.02)


def test_one_value_per_channel_is_explained():
    """Batch norm behind four halvings and a batch of one: nothing to normalise."""
    model = small_cnn(widths=(4, 4, 4, 4)).train()
    one = torch.zeros(1, 1, 16, 16)
    with pytest.raises(ValueError, match="batch_size of 2 or more"):
        forward_losses(model, one, torch.tensor([0]), torch.tensor([0]), TrainConfig())
