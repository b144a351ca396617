"""An error leaves everything as it was: the model, the data, the world outside. What was learnt is kept."""

import copy
import random

import numpy as np
import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, full_run, small_cnn, weights_equal
from torch import nn

from emotion_utils.errors import DivergedError
from emotion_utils.training.checkpoint import load_run
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test

CONFIG = TrainConfig(epochs=2, batch_size=10, augment=lambda images, *_: images, **QUIET)


class Stop(Exception):
    pass


def snapshot(model: nn.Module, data) -> dict:
    """Note what can be seen of a model, its data and the random state."""
    return {
        "weights": copy.deepcopy(model.state_dict()),
        "layout": [value.stride() for value in model.state_dict().values()],
        "memory": [value.data_ptr() for value in model.state_dict().values()],
        "modes": [module.training for module in model.modules()],
        "gradients": [(p.requires_grad, p.grad) for p in model.parameters()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "attributes": sorted(vars(model)),
        "classes": getattr(model, "classes", None),
        "data": (data.epoch, data.augment, data.seed, data.mean, data.digest()),
        "random": (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
        "threads": (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()),
    }


def same(one, other) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def fails_in_the_loss(logits, labels):
    raise Stop


def fails_in_augmentation(images, index, seed, epoch):
    raise Stop


def interrupted(images, index, seed, epoch):
    raise KeyboardInterrupt


FAULTS = {
    "the loss": {"loss": fails_in_the_loss},
    "what the loss returns": {"loss": lambda logits, labels: logits},
    "augmentation": {"config": TrainConfig(augment=fails_in_augmentation, **QUIET)},
    "device": {"config": TrainConfig(device="cuda:99", progress=False)},
    "sizes": {"config": TrainConfig(sizes=(8,), **QUIET)},
    "a batch of one": {"config": TrainConfig(batch_size=1, **QUIET), "widths": (4, 4, 4, 4)},
    "a checkpoint of another run": {"resume": True},
    "interrupted at once": {"config": TrainConfig(augment=interrupted, **QUIET)},
    "divergence": {"config": TrainConfig(learning_rate=1e20, batch_size=5, schedule="constant", **QUIET)},
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("mode", [True, False])
def test_before_the_first_step_ends_nothing_has_changed(tmp_path, name, mode):
    fault = dict(FAULTS[name])
    if fault.get("resume"):
        train(small_cnn(), small_faces(20), None, TrainConfig(epochs=1, **QUIET), run_dir=tmp_path)
        fault["run_dir"] = tmp_path
    widths, config = fault.pop("widths", (4, 8)), fault.pop("config", CONFIG)
    model, data = small_cnn(widths=widths).train(mode), small_faces(20)
    model.features.eval()  # a part in another mode
    model.features.block1.requires_grad_(False)
    model.classifier.hidden.weight.grad = torch.ones_like(model.classifier.hidden.weight)
    before = snapshot(model, data)
    with pytest.raises((Exception, KeyboardInterrupt)):
        train(model, data, small_faces(7), config, **fault)
    after = snapshot(model, data)
    for what, value in before.items():
        assert same(value, after[what]), what


def test_after_divergence_a_smaller_rate_learns_on_the_same_model():
    model, data = small_cnn(), small_faces(50)
    with pytest.raises(DivergedError, match="gives the model back"):
        train(model, data, data, TrainConfig(batch_size=5, learning_rate=1e12, **QUIET))
    assert weights_equal(model, small_cnn())
    history = train(model, data, data, TrainConfig(epochs=3, batch_size=5, learning_rate=0.02, **QUIET))
    assert history["val_accuracy"][-1] > 0.3


def test_interrupted_in_mid_epoch_the_checkpoint_is_whole_and_the_model_knows_what_it_learnt(tmp_path):
    """As by the stop button of a notebook."""

    def interrupt(step):
        if step == 4:
            raise KeyboardInterrupt

    model, data = small_cnn(), small_faces(39)
    steps = iter(range(100))
    config = TrainConfig(epochs=3, batch_size=13, augment=lambda images, *_: interrupt(next(steps)) or images, **QUIET)
    with pytest.raises(KeyboardInterrupt):
        train(model, data, None, config, run_dir=tmp_path)
    assert not weights_equal(model, small_cnn()), "four steps were taken"
    assert model.classes == data.classes
    assert model.predict_proba(data.images).shape == (39, 7)
    assert len(load_run(tmp_path / "last.pt")[1].rows) == 1
    assert model.training, "as it was"
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "last.pt", "best.pt", "history.csv"}


def test_a_range_test_changes_nothing_whether_it_ends_or_fails():
    model, data = small_cnn(), small_faces(40)
    model.eval()
    before = snapshot(model, data)
    lr_range_test(model, data, TrainConfig(batch_size=10, **QUIET), steps=5)
    with pytest.raises(Stop):
        lr_range_test(model, data, TrainConfig(augment=fails_in_augmentation, **QUIET))
    after = snapshot(model, data)
    for what, value in before.items():
        assert same(value, after[what]), what


def test_a_run_that_was_interrupted_goes_on_in_the_same_session(tmp_path):
    def interrupt(step):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full_run(tmp_path, interrupt)
    model, history = full_run(tmp_path, resume=True)
    unbroken, _ = full_run()
    assert len(history) == 3
    assert weights_equal(model, unbroken)
