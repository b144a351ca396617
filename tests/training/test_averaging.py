"""Averages of weights: along a run, and over several networks of one kind."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal, without_seconds
from torch import nn
from torch.nn.utils import prune

from emotion_utils.models.face_net import FaceNet
from emotion_utils.training.averaging import average_weights, moving_average, refresh_batch_norm
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train


def small_net(seed=0, classes=7):
    torch.manual_seed(seed)
    return FaceNet(8, (8, 16), classes=classes, image_size=16)


def test_a_moving_average_follows_the_formula_and_counts_as_the_model_does():
    """The decay is min(decay, (1 + n) / (10 + n)) in update n; running means are averaged, counts are copied."""
    model = small_cnn().train()
    average = moving_average(model, decay=0.2)
    expected = copy.deepcopy(model.state_dict())
    for decay in (2 / 11, 0.2, 0.2):
        model(torch.rand(4, 1, 16, 16))  # changes batch norm's buffers
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        average.update_parameters(model)
        for name, value in model.state_dict().items():
            counts = not value.is_floating_point()
            expected[name] = value.clone() if counts else torch.lerp(expected[name], value, 1 - decay)
    got = average.module.state_dict()
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    assert got["features.block1.norm1.num_batches_tracked"] == 3
    assert not torch.equal(got["classifier.hidden.weight"], model.state_dict()["classifier.hidden.weight"])


class Attends(nn.Module):
    """Rows of an image look at those before them alone: a mask of minus infinity, as transformers have it."""

    def __init__(self):
        super().__init__()
        self.rows, self.out = nn.Linear(16, 8), nn.Linear(8, 7)
        self.register_buffer("mask", torch.full((16, 16), -torch.inf).triu(1))

    def forward(self, x):
        rows = self.rows(x[:, 0])  # (B, 16, 8)
        return self.out(((rows @ rows.mT + self.mask).softmax(-1) @ rows).mean(1))


def test_a_mask_of_minus_infinity_is_copied():
    torch.manual_seed(0)
    model = Attends()
    history = train(model, small_faces(40), small_faces(14), TrainConfig(epochs=2, average=0.9, **QUIET))
    assert torch.equal(model.mask, Attends().mask)
    assert history["val_loss"][-1] < 2.5


class Quantised(nn.Module):
    """A convolution whose weight and output are rounded to 8 bits, in ranges that observers see, one per channel."""

    def __init__(self, kinds):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4 * 14 * 14, 7)
        self.weight, self.map = kinds.default_per_channel_weight_fake_quant(), kinds.FusedMovingAvgObsFakeQuantize()

    def forward(self, x):
        x = nn.functional.conv2d(x, self.weight(self.conv.weight), self.conv.bias)
        return self.out(self.map(x).flatten(1))


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_quantisation_aware_training_is_averaged_and_goes_on(tmp_path, average):
    """Observers grow at the first batch, and begin at infinity."""

    def stop(moment):
        if moment.done > 1.4:
            raise KeyboardInterrupt

    torch.manual_seed(0)
    first = Quantised(pytest.importorskip("torch.ao.quantization.fake_quantize"))
    config = TrainConfig(epochs=3, batch_size=10, average=average, **QUIET)
    unbroken, stopped, resumed = (copy.deepcopy(first) for _ in range(3))
    history = train(unbroken, small_faces(40), small_faces(14), config)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, small_faces(40), small_faces(14), replace(config, watch=stop), run_dir=tmp_path)
    again = train(resumed, small_faces(40), small_faces(14), config, run_dir=tmp_path, resume=True)
    assert without_seconds(again) == without_seconds(history)
    assert weights_equal(unbroken, resumed)
    assert unbroken.weight.scale.shape == (4,)
    assert all(value.isfinite().all() for value in unbroken.state_dict().values())


def test_the_mean_is_the_mean_and_leaves_its_parts_alone():
    models = [small_net(seed) for seed in range(3)]
    before = copy.deepcopy(models[0].state_dict())
    mean = average_weights(models)
    want = sum(model.stem[0].weight for model in models) / 3
    assert torch.allclose(mean.stem[0].weight, want)
    assert all(torch.equal(value, before[name]) for name, value in models[0].state_dict().items())


def test_the_mean_knows_how_common_classes_were_where_all_learnt_the_same_mix():
    one, other = (small_net(seed, classes=("happy", "sad")) for seed in range(2))
    one.frequencies = other.frequencies = (0.9, 0.1)
    assert average_weights([one, other]).frequencies == (0.9, 0.1)
    other.frequencies = (0.5, 0.5)
    assert average_weights([one, other]).frequencies is None
    assert one.frequencies == (0.9, 0.1)


def test_networks_of_another_kind_are_refused():
    one, other = small_net(0), small_net(1)
    with pytest.raises(ValueError, match="models=1"):
        average_weights([one])
    with pytest.raises(ValueError, match=r"Network 2 .*config"):
        average_weights([one, FaceNet(8, (8,), image_size=16)])
    one.set_normalisation(0.5, 0.2)
    other.set_normalisation(0.4, 0.2)
    with pytest.raises(ValueError, match=r"Network 3 .*mean and standard deviation"):
        average_weights([one, one, other])


def test_refreshed_statistics_are_those_of_the_images():
    faces = small_faces(60)
    model = small_net(classes=faces.classes).eval()
    refresh_batch_norm(model, faces, batch_size=60)
    norm = next(layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
    inputs = model.stem[:-2](faces.batch(range(60))[0])  # what batch norm sees
    assert torch.allclose(norm.running_mean, inputs.mean((0, 2, 3)), atol=1e-4)
    assert not model.training


def test_statistics_are_measured_again_to_the_same_bits_and_the_rest_is_left_alone():
    """Dropout before a batch norm is on meanwhile; a layer of another mode, and the random state, stay."""
    faces, nets = small_faces(60), []
    for seed in range(2):
        model = small_cnn()
        model.features.block1.append(nn.Dropout(0.5))
        model.eval()
        model.classifier.train()
        torch.manual_seed(seed)
        state, modes = torch.get_rng_state(), [module.training for module in model.modules()]
        refresh_batch_norm(model, faces, batch_size=20)
        assert torch.equal(torch.get_rng_state(), state)
        assert [module.training for module in model.modules()] == modes
        nets.append(model)
    assert weights_equal(*nets)
    assert not torch.equal(nets[0].features.block2.norm1.running_mean, small_cnn().features.block2.norm1.running_mean)


def test_statistics_of_double_weights_are_measured_as_well():
    plain, double = small_cnn(), small_cnn().double()
    for model in (plain, double):
        refresh_batch_norm(model, small_faces(60))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(double.state_dict()[name].to(value.dtype), value, atol=1e-5, rtol=1e-4)


def test_statistics_do_not_depend_on_what_the_caller_has_chosen_around_it():
    model, twin, third = (small_cnn() for _ in range(3))
    refresh_batch_norm(model, small_faces(60))
    with torch.autocast("cpu", torch.bfloat16):
        refresh_batch_norm(twin, small_faces(60))
    with torch.inference_mode():
        refresh_batch_norm(third, small_faces(60))
    assert weights_equal(model, twin)
    assert weights_equal(model, third)


def test_a_measurement_that_is_interrupted_leaves_everything_as_it_was():
    model, batches = small_cnn(), itertools.count()
    model.features.block1.eval()
    before = copy.deepcopy(model)

    def augment(images, *_):
        if next(batches) == 3:
            raise KeyboardInterrupt
        return images

    with pytest.raises(KeyboardInterrupt):
        refresh_batch_norm(model, small_faces(60).with_augment(augment), batch_size=10)
    assert weights_equal(model, before)
    assert [module.training for module in model.modules()] == [module.training for module in before.modules()]
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda model: setattr(model.stem, "1", nn.GroupNorm(2, 8)), "stem.1"),
        (lambda model: setattr(model, "classifier", nn.Linear(16, 7, bias=False)), "classifier"),
        (lambda model: setattr(model, "classifier", nn.Linear(16, 3)), "classifier"),
        (lambda model: setattr(model.stem, "2", nn.GELU()), "stem.2"),
        (lambda model: model.add_module("more", nn.Linear(2, 2)), "more"),
    ],
)
def test_networks_whose_layers_differ_are_refused_by_the_layer(change, name):
    """Their parameters would be added up one by one as they come, in silence where the shapes agree."""
    one, other = small_net(0), small_net(1)
    change(other)
    with pytest.raises(ValueError, match=rf"Network 2 .*'{name}' is not the same"):
        average_weights([one, other])
    change(one)
    assert type(average_weights([one, other])) is FaceNet


def test_pruned_networks_that_were_run_are_averaged():
    one, other = small_net(0), small_net(1)
    for model in (one, other):
        prune.l1_unstructured(model.classifier, "weight", 0.3)
        model(torch.rand(2, 1, 16, 16)).sum()
    want = (one.classifier.weight_orig + other.classifier.weight_orig) / 2
    torch.testing.assert_close(average_weights([one, other]).classifier.weight_orig, want)
