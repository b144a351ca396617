"""What readers bring: networks of every style, parts of data sets, classes in another order."""

import copy
import os
import random
import threading
import warnings

import numpy as np
import pytest
import torch
from network_styles import build, data_parallel
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal
from torch import nn
from torch.utils.data import Subset, random_split

from emotion_utils.errors import CheckpointError, ShapeError
from emotion_utils.models.facts import facts_of, set_facts
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.views import FlipAverage
from emotion_utils.randomness import seed_everything
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import lr_range_test
from emotion_utils.training.weighting import WeightedLoss

CONFIG = TrainConfig(epochs=2, batch_size=10, learning_rate=0.02, **QUIET)


def plain_linear() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 7))


class ByHand(nn.Module):
    """Parameters without layers; dropout by a function."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(plain_linear()[1].weight.detach())])

    def forward(self, x):
        return nn.functional.dropout(x.flatten(1), 0.1, self.training) @ self.weights[0].T


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain_linear()

    def forward(self, x):
        return self.net(x), x


def compiled_in_place():
    model = small_cnn()
    model.compile(backend="eager")
    return model


BRINGS = {
    "by hand": ByHand,
    "compiled": lambda: torch.compile(small_cnn(), backend="eager"),
    "compiled in place": compiled_in_place,
    "double": lambda: small_cnn().double(),
    "wrapped": lambda: data_parallel(small_cnn()),
    "in eval mode": lambda: small_cnn().eval(),
    "partly frozen": lambda: nn.Sequential(small_cnn().requires_grad_(False), nn.Linear(7, 7)),
    "lazy": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(7)),
    "group norm": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(784, 7)),
}  # fmt: skip


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("name", BRINGS)
def test_networks_of_every_style_train_stop_and_go_on(tmp_path, name, average):
    config = TrainConfig(**vars(CONFIG) | {"average": average})
    torch.manual_seed(0)
    model, data = BRINGS[name](), small_faces(40)
    lr_range_test(model, data, config, steps=3)
    history = train(model, data, small_faces(14), config, run_dir=tmp_path)
    assert not model.training
    assert history.best_weights.keys() == {
        key.removeprefix("_orig_mod.").removeprefix("module.") for key in model.state_dict()
    }
    torch.manual_seed(0)
    other = BRINGS[name]()
    again = train(other, data, small_faces(14), config, run_dir=tmp_path, resume=True)
    assert again.rows == history.rows
    assert weights_equal(model, other)
    logits = compute_logits(model, small_faces(14).with_normalisation(data.mean, data.std))
    accuracy = (logits.argmax(1) == small_faces(14).labels).double().mean().item()
    assert accuracy == pytest.approx(history["val_accuracy"][-1])


def test_a_compiled_network_learns_what_the_plain_one_does():
    plain, compiled = small_cnn(), torch.compile(small_cnn(), backend="eager")
    histories = [train(model, small_faces(40), None, CONFIG)["train_loss"] for model in (plain, compiled)]
    assert histories[0] == pytest.approx(histories[1])


def test_double_weights_stay_double():
    model = small_cnn().double()
    train(model, small_faces(20), small_faces(7), CONFIG)
    assert {p.dtype for p in model.parameters()} == {torch.float64}


def exported():
    return torch.export.export(plain_linear(), (torch.zeros(2, 1, 16, 16),)).module()


def made_for_inference():
    with torch.inference_mode():
        return small_cnn()


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        (made_for_inference, ValueError, r"inference_mode\(\).*deepcopy"),
        (TwoOutputs, ShapeError, "tuple of 2"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 6)), ShapeError, "6 logits"),
        (lambda: nn.Flatten(), ShapeError, "256 logits"),
        (lambda: small_cnn().requires_grad_(False), ValueError, "no parameter to train"),
        (lambda: nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), Chosen()), ValueError, "no parameter to train"),
        (lambda: LinearModel, TypeError, "that is the class"),
        (lambda: len, TypeError, "model="),
        (lambda: small_cnn().to("meta"), ValueError, "'meta'"),
        (exported, TypeError, "exported"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_step(tmp_path, model, kind, words):
    made = model()
    with pytest.raises(kind, match=words) as caught:
        train(made, small_faces(40), None, CONFIG, run_dir=tmp_path / "run")
    assert len(str(caught.value)) <= 400
    if made_for_inference is model:
        assert len(train(copy.deepcopy(made), small_faces(40), None, CONFIG)) == 2
    assert not (tmp_path / "run").exists()


class Chosen(nn.Module):
    def forward(self, x):
        return x[:, :7]


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.Sigmoid(), nn.ReLU()])
def test_an_end_after_which_cross_entropy_learns_badly_is_said_once(end):
    with pytest.warns(UserWarning, match="network ends in a") as caught:
        train(nn.Sequential(*plain_linear(), end), small_faces(40), small_faces(14), CONFIG)
    assert len([each for each in caught if "network ends" in str(each.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(nn.Sequential(*plain_linear(), nn.LogSoftmax(1)), small_faces(40), small_faces(14), CONFIG)


class InAList(nn.Module):
    """The layers of a plain list are no part of a network, nor is a tensor that is no parameter."""

    def __init__(self, keep=list):
        super().__init__()
        self.layers, self.head = keep([nn.Flatten(), nn.Linear(256, 9)]), nn.Linear(9, 7)
        self.shift = torch.zeros(9, requires_grad=keep is list)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x + self.shift)


def test_layers_that_pytorch_does_not_see_are_noticed():
    model = InAList()
    before = model.layers[1].weight.clone()
    with pytest.warns(UserWarning, match=r"InAList.*no parameters.*\(9, 256\).*ModuleList") as caught:
        train(model, small_faces(40), small_faces(14), CONFIG)
    assert "(9,)" in str(caught[0].message)
    assert torch.equal(model.layers[1].weight, before)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(InAList(nn.ModuleList), small_faces(40), small_faces(14), CONFIG)


class Wrapper(nn.Module):
    """Files are to hold the network inside alone, and its last layer alone is to learn."""

    def __init__(self):
        super().__init__()
        self.net = small_cnn()

    def forward(self, x):
        return self.net(x)

    def parameters(self, recurse=True):
        return self.net.classifier.parameters(recurse)

    def state_dict(self, *args, **options):
        return self.net.state_dict(*args, **options)

    def load_state_dict(self, *args, **options):
        return self.net.load_state_dict(*args, **options)


@pytest.mark.filterwarnings("ignore:.*no parameters")
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_wrapper_says_what_learns_and_what_files_hold(tmp_path, average):
    def stop(moment):
        if moment.done > 1.4:
            raise KeyboardInterrupt

    config = TrainConfig(**vars(CONFIG) | {"average": average})
    whole, stopped = Wrapper(), Wrapper()
    history = train(whole, small_faces(40), small_faces(14), config)
    watched = TrainConfig(**vars(config) | {"watch": stop})
    with pytest.raises(KeyboardInterrupt):
        train(stopped, small_faces(40), small_faces(14), watched, run_dir=tmp_path)
    again = train(stopped, small_faces(40), small_faces(14), config, run_dir=tmp_path, resume=True)
    assert again["val_loss"] == history["val_loss"]
    assert weights_equal(whole, stopped)
    assert history.best_weights.keys() == whole.net.state_dict().keys()
    fresh = dict(small_cnn().named_parameters())
    for name, value in whole.net.named_parameters():
        assert torch.equal(value, fresh[name]) == (not name.startswith("classifier")), name


def test_parts_that_pytorch_cut_are_data_sets():
    data = small_faces(50)
    parts = random_split(data, [0.8, 0.2], torch.Generator().manual_seed(0))
    model, twin = plain_linear(), plain_linear()
    history = train(model, *parts, CONFIG)
    again = train(twin, data.subset(parts[0].indices), data.subset(parts[1].indices), CONFIG)
    assert history["val_loss"] == again["val_loss"]
    assert weights_equal(model, twin)
    assert lr_range_test(plain_linear(), Subset(parts[0], range(20)), CONFIG, steps=3).rates
    with pytest.raises(TypeError, match=r"train_set=.*FaceDataset"):
        train(model, [(torch.zeros(1, 16, 16), 0)], None, CONFIG)
    with pytest.raises(TypeError, match=r"val_set=.*FaceDataset"):
        train(model, data, torch.utils.data.TensorDataset(torch.zeros(2)), CONFIG)


def test_classes_in_another_order_are_brought_to_that_of_the_model():
    """Fine-tuning: the logits keep their meaning."""
    data = small_faces(40, classes=3)
    reversed_data = data.with_labels(2 - data.labels, tuple(reversed(data.classes)))
    model, twin = LinearModel(data.classes, 16), LinearModel(data.classes, 16)
    twin.load_state_dict(model.state_dict())
    train(model, data, data, CONFIG)
    with pytest.warns(UserWarning, match="order of the model"):
        history = train(twin, reversed_data, reversed_data, CONFIG)
    assert weights_equal(model, twin)
    assert twin.classes == data.classes
    assert len(history) == 2
    with pytest.raises(ValueError, match="loss of your own"):
        train(twin, reversed_data, None, CONFIG, loss=nn.CrossEntropyLoss(weight=torch.ones(3)))
    with pytest.raises(ValueError, match="only to the data"):
        train(LinearModel(("x", "y", "z"), 16), data, None, CONFIG)


def other_labels(data):
    return data.with_labels((data.labels + 1) % 7)


def one_pixel(data):
    images = data.images.clone()
    images[3, 0, 2, 2] ^= 1
    return data.with_images(images)


@pytest.mark.parametrize("change", [other_labels, one_pixel])
@pytest.mark.parametrize("part", [0, 1])
def test_a_run_goes_on_with_the_same_data_only(tmp_path, change, part):
    data = [small_faces(40), small_faces(14, seed=3)]
    train(plain_linear(), *data, CONFIG, run_dir=tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    train(plain_linear(), *data, CONFIG, run_dir=tmp_path, resume=True)
    data[part] = change(data[part])
    with pytest.raises(CheckpointError, match=r"last\.pt belongs to a run with other data: digest of"):
        train(plain_linear(), *data, CONFIG, run_dir=tmp_path, resume=True)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_fewer_images_than_a_batch_or_than_processes():
    train(plain_linear(), small_faces(3), small_faces(1), CONFIG)
    train(plain_linear(), small_faces(1), None, CONFIG)


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_that_the_caller_has_switched_off(switched_off):
    """As in a cell that was indented too far."""
    model, twin, third, data = plain_linear(), plain_linear(), plain_linear(), small_faces(40)
    wanted = train(twin, data, data, CONFIG)
    with switched_off():
        assert train(model, data, data, CONFIG)["val_loss"] == wanted["val_loss"]
        assert lr_range_test(third, data, CONFIG, steps=3).rates
        assert not torch.is_grad_enabled()
    assert weights_equal(model, twin)


def test_a_precision_that_the_caller_has_chosen_around_it():
    """Only that of the settings holds; otherwise the backward pass would have had the caller's."""
    model, twin, data = plain_linear(), plain_linear(), small_faces(40)
    train(twin, data, data, CONFIG)
    rates = lr_range_test(plain_linear(), data, CONFIG, steps=5)
    with torch.autocast("cpu", torch.bfloat16):
        train(model, data, data, CONFIG)
        assert lr_range_test(plain_linear(), data, CONFIG, steps=5) == rates
    assert weights_equal(model, twin)


class Places(nn.Module):
    """Works out where each pixel is when it first sees an image, and keeps it."""

    def __init__(self):
        super().__init__()
        self.net, self.scale, self.places = (
            nn.Sequential(nn.Flatten(), nn.LazyLinear(7)),
            nn.Parameter(torch.ones(1)),
            None,
        )

    def forward(self, x):
        if self.places is None:
            self.places = torch.linspace(1, 2, x.shape[3])
        return self.net(x * self.scale * self.places)


def test_what_a_network_makes_at_its_first_image_can_learn_in_inference_mode():
    model, other = Places(), Places()
    with torch.inference_mode():
        assert len(train(model, small_faces(40), small_faces(14), CONFIG)) == 2
        assert lr_range_test(other, small_faces(40), CONFIG, steps=3).rates


@pytest.mark.parametrize(
    "make",
    [plain_linear, lambda: nn.Sequential(LinearModel(image_size=16), nn.Linear(7, 7)),
     lambda: FlipAverage(LinearModel(image_size=16)), lambda: LinearModel(image_size=16)],
)  # fmt: skip
def test_the_advice_for_other_classes_works(make):
    faces, model = small_faces(40), make()
    others = faces.with_labels(faces.labels, tuple("abcdefg"))
    train(model, faces, None, CONFIG)
    with pytest.raises(ValueError, match="Different classes") as caught:
        train(model, others, None, CONFIG)
    if "set_facts(model, None, None)" in str(caught.value):
        set_facts(model, None, None)
    else:
        assert "model.classes = None" in str(caught.value)
        model.classes = None
    train(model, others, None, CONFIG)
    assert facts_of(model).classes == tuple("abcdefg")


class HoldsAFile(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.log = plain_linear(), threading.Lock()

    def forward(self, x):
        return self.net(x)


def test_a_network_that_cannot_be_copied_is_not_averaged():
    train(HoldsAFile(), small_faces(40), small_faces(14), CONFIG)
    with pytest.raises(ValueError, match="average=0"):
        train(HoldsAFile(), small_faces(40), None, TrainConfig(**vars(CONFIG) | {"average": 0.9}))


@pytest.mark.parametrize("style", ["pruned", "weight norm, as of old", "spectral norm, as of old", "hooks"])
def test_a_network_that_keeps_what_it_computed_is_copied_all_the_same(style):
    model, config = build(style), TrainConfig(**vars(CONFIG) | {"average": 0.5})
    model(torch.rand(2, 1, 16, 16)).sum()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert lr_range_test(model, small_faces(40), config, steps=3).rates
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    history = train(model, small_faces(40), small_faces(14), config)
    accuracy = (compute_logits(model, small_faces(14)).argmax(1) == small_faces(14).labels).double().mean().item()
    assert accuracy == pytest.approx(history["val_accuracy"][-1])


@pytest.mark.parametrize(
    ("augment", "kind", "words"),
    [
        (lambda images, *_: None, TypeError, "augment=.*None"),
        (lambda images, *_: images.numpy(), TypeError, "augment=.*tensor"),
        (lambda images, *_: images[:3], ValueError, "augment=.*3 images for 10"),
        (lambda images, *_: images[:, 0], ValueError, r"augment=.*\(10, 16, 16\)"),
        (lambda images, *_: images.expand(-1, 3, -1, -1), ValueError, r"augment=.*\(10, 3, 16, 16\)"),
        (lambda images, *_: images[:, :, :0], ValueError, r"augment=.*\(10, 1, 0, 16\)"),
        (lambda images, *_: (255 * images).byte(), ValueError, r"augment=.*uint8"),
        (lambda images, *_: 255 * images, ValueError, "augment=.*from .* to 2"),
        (lambda images, *_: images * float("nan"), ValueError, "augment=.*nan"),
        (lambda images, *_: images / 0, ValueError, "augment=.*(inf|nan)"),
        (nn.Dropout(0.1), TypeError, r"augment='Dropout'.*lambda images, \*_"),
        (lambda images: images, TypeError, r"augment=.*lambda images, \*_"),
        (lambda images, *_: images[:, :, 2:], ShapeError, "in_features=224"),
    ],
)
def test_an_augmentation_that_goes_wrong(augment, kind, words):
    model = plain_linear()
    config = TrainConfig(**vars(CONFIG) | {"augment": augment})
    for begin in (
        lambda: train(model, small_faces(40), None, config),
        lambda: lr_range_test(model, small_faces(40), config),
    ):
        with pytest.raises(kind, match=words) as caught:
            begin()
        assert len(str(caught.value)) <= 400
    assert weights_equal(model, plain_linear())


def test_an_augmentation_may_compute_in_other_floats_and_crop():
    plain, double = plain_linear(), plain_linear()
    train(plain, small_faces(40), None, TrainConfig(**vars(CONFIG) | {"augment": lambda images, *_: images * 0.5}))
    train(double, small_faces(40), None, TrainConfig(**vars(CONFIG) | {"augment": lambda x, *_: x.double() * 0.5}))
    assert weights_equal(plain, double)
    pooled = nn.Sequential(nn.Conv2d(1, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    train(pooled, small_faces(40), None, TrainConfig(**vars(CONFIG) | {"augment": lambda images, *_: images[:, :, 2:]}))


def test_an_augmentation_that_works_in_place_changes_neither_images_nor_labels():
    def in_place(images, index, *_):
        index.zero_()
        return images.mul_(0.5)

    models, data = [plain_linear(), plain_linear()], small_faces(40)
    for model, augment in zip(models, (in_place, lambda images, *_: images * 0.5), strict=True):
        weighted = WeightedLoss(torch.arange(1.0, 41))
        train(model, data, None, TrainConfig(**vars(CONFIG) | {"augment": augment}), loss=weighted)
    assert weights_equal(*models)
    assert torch.equal(data.images, small_faces(40).images)


def test_an_augmentation_that_normalises_is_noticed():
    config = TrainConfig(**vars(CONFIG) | {"augment": lambda images, *_: (images - 0.5) / 0.2})
    with pytest.warns(UserWarning, match="augment=.*normalises afterwards"):
        train(plain_linear(), small_faces(40), None, config)


def by_python(images, *_):
    return images * random.random()


def by_numpy(images, *_):
    return images * torch.from_numpy(np.random.rand(len(images), 1, 1, 1))


def by_torch(images, *_):
    return images * torch.rand(len(images), 1, 1, 1)


@pytest.mark.parametrize("augment", [by_python, by_numpy, by_torch])
def test_an_augmentation_that_draws_from_a_global_generator_repeats_and_goes_on(augment, tmp_path):
    """As those of torchvision and albumentations do; and the generators of the reader stay as they are."""

    def stop(moment):
        if moment.done > 1.4:
            raise KeyboardInterrupt

    def states():
        return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]

    models, tried = [plain_linear() for _ in range(4)], plain_linear()
    config = TrainConfig(**vars(CONFIG) | {"augment": augment})
    seed_everything(1)
    before = states()
    history = train(models[0], small_faces(40), None, config)
    rates = lr_range_test(tried, small_faces(40), config, steps=3)
    assert states() == before
    seed_everything(2)
    assert lr_range_test(tried, small_faces(40), config, steps=3) == rates
    train(models[1], small_faces(40), None, config)
    watched = TrainConfig(**vars(config) | {"watch": stop})
    with pytest.raises(KeyboardInterrupt):
        train(models[2], small_faces(40), None, watched, run_dir=tmp_path, checkpoint_every=3)
    again = train(models[2], small_faces(40), None, config, run_dir=tmp_path, resume=True)
    assert weights_equal(models[0], models[1])
    assert weights_equal(models[0], models[2])
    assert again["train_loss"] == history["train_loss"]
    train(models[3], small_faces(40), None, TrainConfig(**vars(config) | {"seed": 1}))
    assert not weights_equal(models[0], models[3])


def test_somebody_goes_to_another_folder_meanwhile(tmp_path, monkeypatch):
    """As `%cd` does in another cell while a thread trains."""
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(**vars(CONFIG) | {"watch": lambda moment: os.chdir("/")})
    train(plain_linear(), small_faces(40), None, config, run_dir="runs/one")
    assert {path.name for path in (tmp_path / "runs" / "one").iterdir()} >= {"last.pt", "best.pt", "history.csv"}


@pytest.mark.parametrize("run_dir", ["", 5, "a\0b", "/tmp/" + "x" * 300])
def test_what_is_no_folder(run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError, OSError), match="run_dir="):
        train(plain_linear(), small_faces(20), None, CONFIG, run_dir=run_dir)
    assert not list(tmp_path.iterdir())


class DropsImages(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain_linear()

    def forward(self, x):
        return self.net(x)[:8]


def test_a_network_that_drops_images_of_a_larger_batch_is_named():
    for begin in (train, lr_range_test):
        with pytest.raises(ShapeError, match=r"\(8, 7\) for 10 images"):
            begin(DropsImages(), small_faces(40), *([None] if begin is train else []), CONFIG)


def test_a_scripted_network_is_copied():
    scripted = torch.jit.script(plain_linear())
    scripted(torch.zeros(2, 1, 16, 16)).sum()
    assert lr_range_test(scripted, small_faces(40), CONFIG, steps=3).rates
