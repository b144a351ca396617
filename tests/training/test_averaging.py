"""Averaging siblings: when it helps, when it must be refused, and what it says about bad input."""

import copy

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.commands import average as soup
from emotion_utils.commands.main import main
from emotion_utils.data.augment import Augment
from emotion_utils.data.loading import load
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.pretrained import load_weights, save_weights
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train


def small_net(seed=0, classes=7):
    torch.manual_seed(seed)
    return FaceNet(16, (32, 64), classes=classes)


@pytest.fixture(scope="module")
def learnt():
    """Train a start and two siblings of it on drawn faces, and one stranger from scratch."""
    faces = load("synthetic", "training", limit=700, verbose=False)
    config = TrainConfig(epochs=4, batch_size=32, learning_rate=0.1, progress=False, device="cpu")
    start, stranger = small_net(0, faces.classes), small_net(1, faces.classes)
    train(start, faces, None, config)
    train(stranger, faces, None, config)
    siblings = []
    for seed in (1, 2):
        sibling = copy.deepcopy(start).train()
        changes = {"epochs": 2, "learning_rate": 0.05, "seed": seed, "augment": Augment(rotate=5, brightness=0)}
        train(sibling, faces, None, TrainConfig(**(vars(config) | changes)))
        siblings.append(sibling)
    return faces, start, siblings, stranger


def test_the_mean_is_the_mean_and_leaves_its_parts_alone():
    models = [small_net(seed) for seed in range(3)]
    before = copy.deepcopy(models[0].state_dict())
    mean = soup.average_weights(models)
    want = sum(model.stem[0].weight for model in models) / 3
    assert torch.allclose(mean.stem[0].weight, want)
    assert all(torch.equal(value, before[name]) for name, value in models[0].state_dict().items())


def test_networks_that_know_other_images_are_refused():
    one, other = small_net(0), small_net(1)
    one.mean.fill_(0.5), one.std.fill_(0.2)
    other.mean.fill_(0.4), other.std.fill_(0.2)
    with pytest.raises(ValueError, match=r"another kind .*mean and standard deviation"):
        soup.average_weights([one, other])


def test_refreshed_statistics_are_those_of_the_images():
    faces = small_faces(60, size=48)
    model = small_net(classes=faces.classes).eval()
    soup.refresh_batch_norm(model, faces, batch_size=60)
    norm = next(layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
    inputs = model.stem[:-2](faces.batch(range(60))[0])  # what batch norm sees
    assert torch.allclose(norm.running_mean, inputs.mean((0, 2, 3)), atol=1e-4)
    assert not model.training


def test_siblings_lie_in_one_valley_and_strangers_do_not(learnt):
    faces, start, siblings, stranger = learnt
    mean = soup.average_weights(siblings)
    soup.refresh_batch_norm(mean, faces)
    mine, theirs = soup.check_valley(mean, siblings, faces)
    assert mine >= theirs - 0.02
    assert evaluate(mean, faces).accuracy == mine
    mixed = soup.average_weights([start, stranger])
    soup.refresh_batch_norm(mixed, faces)
    with pytest.raises(soup.ValleyError, match="valley"):
        soup.check_valley(mixed, [start, stranger], faces)


def test_the_command_writes_one_network(learnt, tmp_path, capsys):
    siblings, stranger = learnt[2:]
    files = [save_weights(model, tmp_path / f"{n}.safetensors", {"seed": n}) for n, model in enumerate(siblings)]
    made = tmp_path / "made.safetensors"
    assert main(["average", "synthetic", *map(str, files), "--output", str(made), "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "the average is right on" in text
    assert "validation, with mirror image" in text
    assert load_weights(made).facts["seed"] == [0, 1]
    strange = save_weights(stranger, tmp_path / "stranger.safetensors")
    arguments = ["synthetic", str(files[0]), str(strange), "--output", str(tmp_path / "none.safetensors")]
    assert main(["average", *arguments]) == 1
    assert "one valley" in capsys.readouterr().err
    assert not (tmp_path / "none.safetensors").exists()


def test_bad_input_is_one_sentence(tmp_path, capsys):
    one = save_weights(small_net(), tmp_path / "one.safetensors")
    other = save_weights(FaceNet(8, (16,)), tmp_path / "other.safetensors")
    for files, words in (
        ([one], "two or more"),
        ([one, other], "another kind"),
        ([one, tmp_path / "missing.safetensors"], "cannot be read"),
    ):
        assert main(["average", "synthetic", *map(str, files), "--output", str(tmp_path / "x")]) == 1
        assert words in capsys.readouterr().err
    assert main(["average", "ferplus", str(one), "--preset", "fast"]) == 1
    assert "no preset 'fast'" in capsys.readouterr().err
