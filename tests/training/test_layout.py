"""The channel lies innermost in memory where the network takes that, and nowhere else; nothing else depends on it."""

from dataclasses import replace

import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal, without_seconds
from torch import Tensor, nn

from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.inference import predict_proba
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.layout import take_channels_last
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test

CONFIG = TrainConfig(epochs=2, batch_size=14, **QUIET)
USUAL = replace(CONFIG, channels_last=False)
FACES = small_faces(42)


class Double(torch.autograd.Function):
    """Double what comes in; the way back takes the usual order for granted."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return (2 * gradient.view(-1)).view(gradient.shape)


class Doubles(nn.Sequential):
    """Two convolutions, and between them something that only fails on the way back."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 12 * 12, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self[3](self[2](self[1](Double.apply(self[0](x)))))


class ByHand(nn.Module):
    """A small network that flattens a map of features itself."""

    def __init__(self, how: str) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4 * 7 * 7, 7)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.norm(self.conv(x)), 2)  # (B, 4, 7, 7)
        use_view = {"view": True, "view in training": self.training, "view in use": not self.training}
        return self.out(x.view(x.size(0), -1) if use_view.get(self.how) else x.flatten(1))


def innermost(model: nn.Module) -> bool:
    conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    return conv.weight.stride(1) == 1


@pytest.mark.parametrize("how", ["view", "view in training", "view in use"])
def test_a_network_that_wants_the_usual_order_keeps_it(how, tmp_path):
    """`x.view(x.size(0), -1)` is how many write it; the run is that with channels_last=False, bit for bit."""
    model, usual = ByHand(how), ByHand(how)
    history = train(model, FACES, FACES, CONFIG, run_dir=tmp_path)
    plain = train(usual, FACES, FACES, USUAL)
    assert without_seconds(history) == without_seconds(plain)
    assert weights_equal(model, usual)
    assert predict_proba(model, FACES.images).shape == (42, 7)
    assert evaluate(model, FACES).accuracy == pytest.approx(history["val_accuracy"][-1])
    again = ByHand(how)
    assert without_seconds(train(again, FACES, FACES, CONFIG, run_dir=tmp_path, resume=True)) == without_seconds(plain)
    assert weights_equal(again, usual)


def test_the_way_back_counts_as_well():
    assert not take_channels_last(model := Doubles(), FACES, CONFIG).channels_last
    assert len(train(model, FACES, FACES, CONFIG)) == 2


def test_the_rates_of_such_a_network_can_be_tried():
    assert len(lr_range_test(ByHand("view"), FACES, CONFIG, steps=12).losses) > 3


def test_other_networks_take_the_fast_order():
    for model in (small_cnn(), ByHand("flatten")):
        assert take_channels_last(model, FACES, CONFIG) == CONFIG
        assert innermost(model)
    assert take_channels_last(model := small_cnn(), FACES, USUAL) == USUAL
    assert not innermost(model)


def test_both_orders_learn_the_same():
    """Results differ in rounding alone."""
    fast, usual = small_cnn(), small_cnn()
    train(fast, FACES, None, CONFIG)
    train(usual, FACES, None, USUAL)
    torch.testing.assert_close(predict_proba(fast, FACES.images), predict_proba(usual, FACES.images), atol=1e-4, rtol=0)


@pytest.mark.parametrize("how", ["view", "flatten"])
def test_trying_leaves_everything_else_as_it_was(how):
    """Modes, statistics of batch norm, gradients and random numbers."""
    model = ByHand(how)
    model.norm.eval()
    model.out.weight.grad = torch.ones_like(model.out.weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    take_channels_last(model, FACES, CONFIG)
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model.out.weight.grad, torch.ones_like(model.out.weight))
    assert model.conv.weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_fails_for_another_reason_is_told_that_reason():
    """Batch norm behind four halvings and a batch of one."""
    model = small_cnn(widths=(4, 4, 4, 4))
    with pytest.raises(ValueError, match="batch_size of 2 or more"):
        train(model, small_faces(3), None, TrainConfig(epochs=1, batch_size=1, **QUIET))


def stopped_after(epochs: int):
    def watch(moment):
        if len(moment.rows) == epochs:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, average=0.9), replace(CONFIG, watch=stopped_after(1))])
def test_after_a_run_the_weights_lie_as_they_lay_and_where_they_lay(config):
    """What a reader wrote before training works after it: `view`, and an array that shares the weights' memory."""
    model = small_cnn()
    conv = model.features.block2.conv1
    kept, statistics = conv.weight.detach().numpy(), model.features.block2.norm1.running_mean
    before = kept.copy()
    try:
        history = train(model, FACES, FACES, config)
    except KeyboardInterrupt:
        history = None
    assert conv.weight.view(len(conv.weight), -1).shape == (8, conv.weight[0].numel())
    assert conv.weight.grad.view(-1).shape == (conv.weight.numel(),)
    assert (kept == conv.weight.detach().numpy()).all()
    assert (kept != before).any()
    assert statistics is model.features.block2.norm1.running_mean
    assert history is None or all(value.is_contiguous() for value in history.best_weights.values())


def test_a_network_that_was_laid_out_channels_last_stays_so():
    model = small_cnn().to(memory_format=torch.channels_last)
    train(model, FACES, FACES, CONFIG)
    assert innermost(model)


class Masked(nn.Module):
    """Filters times a mask of four dimensions, which is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4 * 12 * 12, 7)
        self.register_buffer("mask", torch.ones(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.conv2d(self.first(x), self.second.weight * self.mask).flatten(1))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
@pytest.mark.parametrize("dress", [lambda model: model, torch.jit.script])
def test_buffers_and_scripted_networks_lie_as_they_lay(dress):
    model = dress(Masked())
    where = model.mask.data_ptr()
    train(model, FACES, FACES, replace(CONFIG, average=0.9))
    assert model.mask.view(-1).sum() == 144
    assert model.mask.data_ptr() == where
    assert model.second.weight.view(4, -1).shape == (4, 36)
