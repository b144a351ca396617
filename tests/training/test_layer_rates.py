"""Parts of a network that learn more slowly than others, or not at all."""

import copy
from dataclasses import replace

import pytest
import torch
from network_styles import Tied
from small_faces import small_faces
from small_runs import QUIET, small_cnn
from torch import nn

from emotion_utils.data import Augment, FaceDataset
from emotion_utils.errors import CheckpointError
from emotion_utils.training import TrainConfig, judge_by_folds, refresh_batch_norm, train
from emotion_utils.training.checkpoint import load_checkpoint, save_checkpoint
from emotion_utils.training.step import make_optimizer, set_learning_rate, sgd_parameter_groups


def changes(model, **options):
    """Train for one step without momentum and weight decay; say how far each parameter moved."""
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    config = TrainConfig(epochs=1, batch_size=64, momentum=0, weight_decay=0, schedule="constant", **options, **QUIET)
    train(model, small_faces(14), None, config)
    return {name: value.detach() - before[name] for name, value in model.named_parameters()}


def test_a_factor_scales_the_steps_of_its_part():
    plain = changes(small_cnn(dropout=0.0))
    slowed = changes(small_cnn(dropout=0.0), layer_rates={"features": 0.1, "features.block2": 0.5, "classifier": 2})
    for name, step in plain.items():
        factor = 0.5 if "block2" in name else 0.1 if "features" in name else 2
        assert torch.allclose(slowed[name], factor * step, atol=1e-6), name
        assert step.abs().max() > 0


def test_groups_keep_weight_decay_and_factors_apart():
    model = small_cnn()
    groups = sgd_parameter_groups(model, 0.1, (("features", 0.1),))
    assert [(group["factor"], group["weight_decay"]) for group in groups] == [(1, 0.1), (1, 0), (0.1, 0.1), (0.1, 0)]
    counted = sum(parameter.numel() for group in groups for parameter in group["params"])
    assert counted == sum(parameter.numel() for parameter in model.parameters())
    optimizer = make_optimizer(model, TrainConfig(layer_rates={"features": 0.1}))
    set_learning_rate(optimizer, 2.0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2, 2, 0.2, 0.2])


def test_a_weight_of_two_layers_has_the_rate_of_either():
    model = Tied()  # its layers `into` and `out` share a weight, and have a bias each
    for part in ("into", "out"):
        groups = sgd_parameter_groups(model, 0.1, ((part, 0.1),))
        slow = {id(parameter) for group in groups if group["factor"] == 0.1 for parameter in group["params"]}
        assert slow == {id(model.into.weight), id(getattr(model, part).bias)}


def test_frozen_layers_stay_as_they_are_statistics_included():
    model = small_cnn()
    model.features.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, small_faces(28), None, TrainConfig(epochs=2, batch_size=7, **QUIET))
    after = model.state_dict()
    for name in before.keys() - {"mean", "std"}:  # which tell how the new data are normalised
        value = before[name]
        moved = not torch.equal(value, after[name])
        assert moved == name.startswith("classifier"), name
    model.features.requires_grad_(True)
    train(model, small_faces(28), None, TrainConfig(epochs=1, batch_size=7, **QUIET))
    assert not torch.equal(before["features.block1.norm1.running_mean"], model.features.block1.norm1.running_mean)


def test_a_frozen_instance_norm_keeps_its_statistics_too():
    backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4, affine=True, track_running_stats=True))
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))
    config = TrainConfig(epochs=1, batch_size=7, **QUIET)
    for learns in (False, True):
        backbone.requires_grad_(learns)
        before = backbone[1].running_mean.clone()
        train(model, small_faces(28), None, config)
        assert torch.equal(before, backbone[1].running_mean) == (not learns)


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_a_norm_without_parameters_is_frozen_with_the_part_that_it_is_of(kind):
    def norm(channels):
        return kind(channels, affine=False, track_running_stats=True)

    backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(norm(4)))
    model = nn.Sequential(norm(1), backbone, norm(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))
    config = TrainConfig(epochs=1, batch_size=7, **QUIET)
    for learns in (False, True):
        backbone.requires_grad_(learns)
        before = copy.deepcopy(model)
        train(model, small_faces(28), None, config)
        norms = [("0", True), ("1.1.0", learns), ("2", True)]
        for name, moves in norms:
            old, new = (net.get_submodule(name).running_mean for net in (before, model))
            assert torch.equal(old, new) == (not moves), name


def test_a_run_goes_on_only_with_the_same_rates(tmp_path):
    config = {"epochs": 2, "batch_size": 7, **QUIET}
    train(small_cnn(), small_faces(14), None, TrainConfig(**config), run_dir=tmp_path)
    assert "layer_rates" not in TrainConfig(**config).to_dict()  # as in checkpoints of earlier versions
    with pytest.raises(RuntimeError, match="layer_rates"):
        train(small_cnn(), small_faces(14), None, TrainConfig(layer_rates={"features": 0.1}, **config),
              run_dir=tmp_path, resume=True)  # fmt: skip
    assert hash(TrainConfig(layer_rates={"features": 0.1})) == hash(TrainConfig(layer_rates={"features": 0.1}))


@pytest.mark.parametrize("rates", [{"features": -1}, {"features": "slow"}, {1: 0.1}, "features", 0.1, ["features"]])
def test_rates_that_are_none(rates):
    with pytest.raises(ValueError, match="layer_rates="):
        TrainConfig(layer_rates=rates)


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ("features", None, r"'features\.\S+' and \d+ more did not learn then and does now"),
        (None, "features", r"'features\.\S+' and \d+ more learnt then and not now"),
        ("features.block1", "features.block2", ".*learnt then and not now; .* did not learn then and does now"),
    ],
)
def test_a_run_goes_on_only_with_the_same_parts_frozen(tmp_path, then, now, words):
    """Their velocities would be taken for those of others."""

    def start(frozen, **options):
        model = small_cnn(widths=(4, 4))
        if frozen:
            model.get_submodule(frozen).requires_grad_(False)
        return train(
            model, small_faces(28), None, TrainConfig(epochs=2, batch_size=14, **QUIET), run_dir=tmp_path, **options
        )

    start(then)
    assert len(start(then, resume=True)) == 2
    with pytest.raises(CheckpointError, match=rf"last\.pt.*other parts learn: {words}") as caught:
        start(now, resume=True)
    assert len(str(caught.value)) <= 400 + len(str(tmp_path))
    content = load_checkpoint(tmp_path / "last.pt")
    for group in content["state"]["optimizer"]["param_groups"]:
        del group["param_names"]  # as an earlier version left it
    save_checkpoint(content | {"holder": None}, tmp_path / "last.pt")
    assert len(start(then, resume=True)) == 2


def test_a_run_that_an_earlier_version_began_notes_from_then_on_what_learns(tmp_path):
    def stop(moment):
        if moment.done > 1:
            raise KeyboardInterrupt

    def groups():
        return content["state"]["optimizer"]["param_groups"]

    model, config = small_cnn(widths=(4, 4)), TrainConfig(epochs=2, batch_size=14, **QUIET)
    with pytest.raises(KeyboardInterrupt):
        train(copy.deepcopy(model), small_faces(28), None, replace(config, watch=stop), run_dir=tmp_path)
    content = load_checkpoint(tmp_path / "last.pt")
    for group in groups():
        del group["param_names"]
    save_checkpoint(content | {"holder": None}, tmp_path / "last.pt")
    train(model, small_faces(28), None, config, run_dir=tmp_path, resume=True)
    content = load_checkpoint(tmp_path / "last.pt")
    assert {name for group in groups() for name in group["param_names"]} == dict(model.named_parameters()).keys()


def test_a_part_that_the_network_does_not_have():
    model = small_cnn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"layer_rates=.*'feature'.*features, classifier"):
        train(model, small_faces(14), None, TrainConfig(layer_rates={"feature": 0.1}, **QUIET))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_folds_judge_faces_that_they_have_not_learnt_one_person_in_one_fold():
    faces = small_faces(24)
    faces = faces.with_groups([i // 4 for i in range(24)])
    seen = []

    def teach(part, number):
        seen.append(set(part.groups.tolist()))
        return small_cnn()

    judged = judge_by_folds(faces, teach, folds=3)
    assert judged.shape == (24, 7)
    assert torch.allclose(judged.sum(1), torch.ones(24))
    assert all(len(groups) < 6 for groups in seen)
    assert [sum(group in part for part in seen) for group in range(6)] == [2] * 6
    assert judge_by_folds(faces, teach, Augment(), folds=2, views=2).shape == (24, 7)
    with pytest.raises(ValueError, match=r"folds=8.*6 groups"):
        judge_by_folds(faces, teach, folds=8)


def test_a_teacher_that_knows_the_classes_in_another_order_judges_by_name():
    faces, model = small_faces(24), small_cnn(hidden=0)
    turned = copy.deepcopy(model)
    with torch.no_grad():
        for values in turned.classifier.parameters():  # (7, …)
            values.copy_(values.flip(0))
    model.classes, turned.classes = faces.classes, faces.classes[::-1]
    for augment in (None, Augment()):
        judged, others = (judge_by_folds(faces, lambda *_, n=net: n, augment, 2, 1) for net in (model, turned))
        torch.testing.assert_close(judged, others)
        assert judged.std(0).max() > 0


def test_batch_norm_is_measured_on_images_as_the_model_sees_them():
    """Another source has another mean; in use its images are normalised as those that were learnt."""
    model, other = small_cnn(), small_cnn()
    learnt, dark = small_faces(28), small_faces(28, seed=3)
    dark = FaceDataset(dark.images // 3, dark.labels, dark.classes)
    for each in (model, other):
        train(each, learnt, None, TrainConfig(epochs=1, batch_size=7, **QUIET))
    refresh_batch_norm(model, dark)
    refresh_batch_norm(other, dark.with_normalisation(learnt.mean, learnt.std))
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    assert (dark.mean, dark.std) != (learnt.mean, learnt.std)
