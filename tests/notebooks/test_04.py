"""What notebook 04 builds in plain sight is what PyTorch and the package compute: its own cells are run here."""

import ast
import itertools
import math
from functools import cache

import nbformat
import pytest
import torch
from places import NOTEBOOKS
from torch.nn import functional

from emotion_utils.data.drawn import sample_faces
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.randomness import seed_everything
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test

NOTEBOOK = NOTEBOOKS / "04_training_with_sgd.ipynb"
WANTED = {
    "cross_entropy",
    "cross_entropy_gradient",
    "two_layers",
    "carry_back",
    "gradient_sizes",
    "sgd_step",
    "train_one_epoch",
    "look",
    "endless_batches",
}


@cache
def built() -> dict:
    """Return the functions of the notebook by name, defined by its own text."""
    namespace = {"torch": torch, "F": functional, "math": math, "itertools": itertools, "SEED": 0}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef) and node.name in WANTED:
                    exec(compile(ast.Module([node], []), str(NOTEBOOK), "exec"), namespace)
    assert set(namespace) >= WANTED, "the notebook no longer defines all of these"
    return namespace


def small_cnn() -> EmotionCNN:
    seed_everything(0)
    return EmotionCNN(widths=(4, 8), pooling="stride", hidden=8, dropout=0.0)


@pytest.fixture(scope="module")
def faces():
    drawn = sample_faces(150, seed=3, truth=False)
    return drawn.subset(range(100)), drawn.subset(range(100, 150))


@pytest.mark.parametrize("scale", [0.01, 1.0, 1e4])
def test_cross_entropy_and_its_gradient(scale):
    generator = torch.Generator().manual_seed(1)
    logits = (scale * torch.randn(33, 7, generator=generator)).requires_grad_()
    labels = torch.randint(7, (33,), generator=generator)
    theirs = functional.cross_entropy(logits, labels)
    assert torch.allclose(built()["cross_entropy"](logits, labels), theirs)
    (gradient,) = torch.autograd.grad(theirs, logits)
    assert torch.allclose(built()["cross_entropy_gradient"](logits.detach(), labels), gradient, atol=1e-7)


def test_the_blame_through_two_layers_is_autograds():
    generator = torch.Generator().manual_seed(4)
    images, labels = torch.randn(20, 9, generator=generator), torch.randint(7, (20,), generator=generator)
    weights = [torch.randn(shape, generator=generator).requires_grad_() for shape in ((9, 5), (5, 7))]
    loss = functional.cross_entropy(built()["two_layers"](images, *weights)[2], labels)
    theirs = torch.autograd.grad(loss, weights)
    ours = built()["carry_back"](images, labels, *(weight.detach() for weight in weights))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


def test_blame_fades_through_sigmoids_and_stays_level_with_the_right_start():
    """What the figure of section 3 shows, on noise instead of faces."""
    generator = torch.Generator().manual_seed(5)
    faces = {
        "pixels": torch.randn(256, 48 * 48, generator=generator),
        "labels": torch.randint(7, (256,), generator=generator),
    }
    sizes = built()["gradient_sizes"]
    sizes = type(sizes)(sizes.__code__, built() | faces, None, sizes.__defaults__)
    he = sizes(torch.relu, lambda n: (2 / n) ** 0.5)
    assert max(he[:-1]) < 10 * min(he[:-1])
    fading = sizes(torch.sigmoid, lambda n: n**-0.5)
    assert fading[0] < 1e-5 * fading[-1]
    assert all(before < after for before, after in itertools.pairwise(fading))
    assert max(sizes(torch.relu, lambda n: 0.01)) < 1e-6 * min(he)
    assert min(sizes(torch.relu, lambda n: 2 * (2 / n) ** 0.5)) > 10 * max(he)


@pytest.mark.parametrize(
    ("momentum", "nesterov", "weight_decay"),
    [(0.0, False, 0.0), (0.9, False, 0.0), (0.9, True, 0.0), (0.5, True, 0.1), (1.0, False, 0.0)],
)
def test_sgd_step_follows_torch(momentum, nesterov, weight_decay):
    generator = torch.Generator().manual_seed(2)
    theirs = [torch.randn(3, 2, generator=generator), torch.randn(4, generator=generator)]
    ours, velocities = [w.clone() for w in theirs], [torch.zeros_like(w) for w in theirs]
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    for _ in range(20):
        gradients = [torch.randn(w.shape, generator=generator) for w in theirs]
        for w, g in zip(theirs, gradients, strict=True):
            w.grad = g.clone()
        optimizer.step()
        built()["sgd_step"](ours, gradients, velocities, 0.1, momentum, nesterov, weight_decay)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def test_the_loop_is_the_package(faces):
    """Same seed, same faces: the notebook's loop and `train` give the same losses, a short last batch included."""
    train_set, val_set = faces
    config = TrainConfig(
        epochs=3,
        batch_size=32,
        learning_rate=0.02,
        weight_decay=0.0,
        schedule="constant",
        channels_last=False,
        device="cpu",
        progress=False,
    )
    history = train(small_cnn(), train_set, val_set, config)
    model = small_cnn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    loader = train_set.loader(32, shuffle=True, seed=0)
    for epoch, row in enumerate(history.rows, start=1):
        train_set.set_epoch(epoch)
        loss, accuracy = built()["train_one_epoch"](model, loader, optimizer)
        val_loss, val_accuracy = built()["look"](model, val_set)
        assert (loss, val_loss) == pytest.approx((row["train_loss"], row["val_loss"]), rel=1e-4)
        assert (accuracy, val_accuracy) == pytest.approx((row["train_accuracy"], row["val_accuracy"]), abs=0.021)


def test_the_range_test_sees_the_same_batches(faces):
    """The first losses of the package's range test, unsmoothed, are those of the notebook's batches."""
    train_set, _ = faces
    config = TrainConfig(batch_size=32, weight_decay=0.0, channels_last=False, device="cpu")
    found = lr_range_test(small_cnn(), train_set, config, start=1e-5, stop=1e-3, steps=9)
    model, losses, running = small_cnn(), [], 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9, nesterov=True)
    namespace = built() | {"train_set": train_set}
    batches = type(built()["endless_batches"])(built()["endless_batches"].__code__, namespace)(32)
    for step, (rate, (images, labels)) in enumerate(zip(found.rates, batches, strict=False), start=1):
        optimizer.param_groups[0]["lr"] = rate
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running = 0.9 * running + 0.1 * loss.item()
        losses.append(running / (1 - 0.9**step))
    assert losses == pytest.approx(found.losses, rel=1e-3)
