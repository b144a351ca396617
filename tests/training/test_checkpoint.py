"""Checkpoints: read safely, refused when damaged or of another run, never half written, one run to a folder."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from launching import on_unix
from obstacles import full_disk
from small_faces import small_faces
from small_runs import QUIET
from torch import nn

import emotion_utils.training
from emotion_utils.data.augment import Augment
from emotion_utils.errors import CheckpointError, WeightsError
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.training.checkpoint import load_checkpoint, load_run, save_checkpoint
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=2, batch_size=20, **QUIET)


def run(folder, model=None, data=None, config=CONFIG, **options):
    """Train a linear model for two epochs."""
    model, data = model or LinearModel(image_size=16), data or small_faces(40)
    return train(model, data, data, config, run_dir=folder, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> dict[str, bytes]:
    """The files of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A folder with a finished run."""
    for name, content in finished.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_checkpoint_reads_without_running_code_and_rebuilds_the_model(folder):
    """`torch.load(weights_only=True)` is enough; architecture, classes and weights are all there."""
    raw = torch.load(folder / "best.pt", weights_only=True)["content"]
    content = load_checkpoint(folder / "best.pt")
    assert raw.keys() == content.keys()
    assert content["run"]["network"] == "LinearModel"
    model = LinearModel(**content["run"]["arguments"])
    model.load_state_dict(content["weights"])
    assert content["run"]["classes"] == list(small_faces(7).classes)
    assert content["epoch"] in (1, 2)


def test_what_a_run_needs_to_go_on_has_names(folder):
    description, state = load_run(folder / "last.pt")
    assert description.settings["batch_size"] == 20
    assert description.data["images"] == 40
    assert [row["epoch"] for row in state.rows] == [1, 2]
    assert (state.batch, state.sums) == (0, [0, 0, 0])


def test_a_run_of_an_earlier_version_that_kept_no_state_of_a_loss_goes_on(folder):
    content = load_checkpoint(folder / "last.pt")
    del content["state"]["loss"]
    save_checkpoint(content | {"holder": None}, folder / "last.pt")
    assert len(run(folder, resume=True)) == 2


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_cut_file_is_refused(folder, keep):
    """Cut anywhere, it is damaged, and the error says what to do."""
    path = folder / "last.pt"
    os.truncate(path, int(keep if keep > 1 else keep * path.stat().st_size))
    with pytest.raises(CheckpointError, match=r"last\.pt .* it is (empty|incomplete|damaged).*or start anew"):
        run(folder, resume=True)


def test_a_flipped_bit_in_a_weight_is_noticed(folder):
    """PyTorch reads such a file without a word; the checksum finds it."""
    path = folder / "last.pt"
    weight = load_run(path)[1].model["classifier.1.weight"].numpy().tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(weight) + 100] ^= 1
    path.write_bytes(data)
    torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match=r"last\.pt .*checksum"):
        load_checkpoint(path)


def test_other_files_are_no_checkpoints(tmp_path):
    """A file of weights alone, a missing file, a file that would run code."""
    torch.save({"weights": torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt cannot be read as a checkpoint"):
        load_checkpoint(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match=r"b\.pt"):
        load_checkpoint(tmp_path / "b.pt")
    torch.save({"format": 3, "content": small_faces(7)}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=r"c\.pt .*objects of.*FaceDataset"):
        load_checkpoint(tmp_path / "c.pt")


def test_a_checkpoint_of_an_older_version_says_so(folder):
    content = torch.load(folder / "last.pt", weights_only=True)
    torch.save(content | {"format": 2}, folder / "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt has format=2"):
        run(folder, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": MLP(image_size=16)}, "another architecture: 'classifier.1.weight' has shape"),
        ({"model": EmotionCNN(image_size=16)}, r"another architecture: 'features\.\S+' has shape \(not there\)"),
        ({"model": LinearModel(3, 16), "data": small_faces(40, classes=3)}, "another architecture"),
        ({"data": small_faces(60)}, "other data: images was 40 and is 60 now"),
        ({"config": replace(CONFIG, epochs=5)}, "other settings: epochs was 2 and is 5 now"),
        ({"config": replace(CONFIG, augment=Augment())}, "other settings: augment was None"),
        ({"config": replace(CONFIG, epochs=3, seed=4)}, "epochs was 2 and is 3 now; seed was 0 and is 4 now"),
        ({"config": replace(CONFIG, origin="a teacher")}, "other settings: origin was '' and is 'a teacher'"),
        ({"loss": lambda logits, labels, index: logits.sum(1)}, "other loss: it was None and is '<function <lambda>> "),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(folder, changes, message):
    """The error names the first thing that differs; the file is untouched."""
    before = (folder / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match=message) as caught:
        run(folder, resume=True, **changes)
    assert "last.pt" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert (folder / "last.pt").read_bytes() == before


def test_a_run_goes_on_on_another_machine(folder):
    """Where it is computed and what it shows are no part of what it is."""
    config = replace(CONFIG, device="auto", progress=True, tensorboard=None)
    assert len(run(folder, config=config, resume=True)) == 2


def test_an_architecture_that_differs_in_no_shape_is_refused(tmp_path):
    """Dropout has no weights, so only the noted arguments tell."""
    run(tmp_path, EmotionCNN((4,), hidden=8, dropout=0.5, image_size=16))
    with pytest.raises(CheckpointError, match=r"other arguments: dropout was 0\.5 and is 0\.1 now"):
        run(tmp_path, EmotionCNN((4,), hidden=8, dropout=0.1, image_size=16), resume=True)


@pytest.mark.parametrize("ours", [True, False])
def test_a_layer_that_was_exchanged_is_noticed(tmp_path, ours):
    """A Tanh fits wherever a ReLU was; the weights do not tell."""

    def make(layer):
        model = EmotionCNN((4,), hidden=8, image_size=16)
        if not ours:
            return nn.Sequential(*model.features, nn.Flatten(), layer, nn.LazyLinear(7))
        if type(layer) is not nn.ReLU:
            model.classifier.relu = layer
        return model

    run(tmp_path, make(nn.ReLU()))
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match="other network.*other layers" if ours else r"ReLU.*Tanh"):
        run(tmp_path, make(nn.Tanh()), resume=True)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert len(run(tmp_path, make(nn.ReLU()), resume=True)) == 2
    run(tmp_path, make(nn.Tanh()))
    with pytest.raises(CheckpointError, match=r"Tanh.*GELU"):
        run(tmp_path, make(nn.GELU()), resume=True)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2), r"0\.1.*0\.2"),
        (nn.Dropout(0.5), nn.Dropout(0.1), r"0\.5.*0\.1"),
        (nn.MaxPool2d(2), nn.MaxPool2d(4), r"layers\.0 was .*MaxPool2d"),
    ],
)
def test_a_setting_of_a_layer_in_a_network_of_ones_own_is_noticed(tmp_path, before, now, message):
    """No weight tells a slope, a share or a stride, where an adaptive pooling follows."""

    def make(layer):
        return nn.Sequential(layer, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 7))

    run(tmp_path, make(before))
    with pytest.raises(CheckpointError, match=message):
        run(tmp_path, make(now), resume=True)
    assert len(run(tmp_path, make(before), resume=True)) == 2


def test_a_share_of_dropout_in_a_network_of_ours_is_noticed(tmp_path):
    """What it was built with says another one."""

    def make(share):
        model = EmotionCNN((4,), hidden=8, dropout=0.5, image_size=16)
        for layer in model.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = share
        return model

    run(tmp_path, make(0.5))
    assert "layers" not in load_checkpoint(tmp_path / "last.pt")["run"]["arguments"], "as earlier versions wrote it"
    with pytest.raises(CheckpointError, match=r"other network.*other layers"):
        run(tmp_path, make(0.9), resume=True)
    assert len(run(tmp_path, make(0.5), resume=True)) == 2
    run(tmp_path, make(0.9))
    for now, message in ((0.1, r"0\.9.*0\.1"), (0.5, "other network")):
        with pytest.raises(CheckpointError, match=message):
            run(tmp_path, make(now), resume=True)
    assert len(run(tmp_path, make(0.9), resume=True)) == 2


class Wider(EmotionCNN):
    """A class of one's own, made of ours: it has arguments and layers."""


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 7)), lambda: Wider((8,), hidden=8, image_size=16)],
)
def test_a_run_of_an_earlier_version_that_noted_no_layers_goes_on(tmp_path, make):
    run(tmp_path, make())
    content = load_checkpoint(tmp_path / "last.pt")
    del content["run"]["arguments"]["layers"]
    save_checkpoint(content | {"holder": None}, tmp_path / "last.pt")
    assert len(run(tmp_path, make(), resume=True)) == 2


class Counts(nn.Module):
    """Keeps a count as what PyTorch calls extra state."""

    def __init__(self):
        super().__init__()
        self.count, self.net = 0, nn.Sequential(nn.Flatten(), nn.Linear(256, 7))

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]

    def forward(self, x):
        self.count += self.training
        return self.net(x)


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_extra_state_is_kept_and_goes_on(tmp_path, average):
    model, again = Counts(), Counts()
    history = run(tmp_path, model, config=replace(CONFIG, average=average))
    assert history.best_weights["_extra_state"]["count"] > 0
    assert run(tmp_path, again, config=replace(CONFIG, average=average), resume=True).rows == history.rows
    assert again.count == model.count


def test_a_network_from_a_file_is_the_one_that_was_built_by_hand(tmp_path):
    """A file holds lists for tuples, and the number of classes beside their names."""
    built = EmotionCNN((4,), hidden=8, image_size=16)
    read = load_weights(save_weights(built, tmp_path / "weights.safetensors"))
    run(tmp_path, read.train())
    run(tmp_path, EmotionCNN((4,), hidden=8, image_size=16, classes=small_faces().classes), resume=True)


def test_of_two_augmentations_the_error_names_what_differs(tmp_path):
    run(tmp_path, config=replace(CONFIG, augment=Augment(rotate=5)))
    with pytest.raises(CheckpointError, match=r"other settings: augment\.rotate was 5 and is 7 now"):
        run(tmp_path, config=replace(CONFIG, augment=Augment(rotate=7)), resume=True)


def darker(by):
    return lambda images, *_: images * by


class Darker:
    def __init__(self, by):
        self.by = by

    def __call__(self, images, index, seed, epoch):
        return images * self.by


@dataclass
class Applies:
    function: Callable

    def __call__(self, images, index, seed, epoch):
        return self.function(images)


@pytest.mark.parametrize("make", [darker, Darker, lambda by: Applies(darker(by))])
@pytest.mark.parametrize("of_data", [True, False])
def test_an_augmentation_of_ones_own_is_known_by_its_content(tmp_path, make, of_data):
    """Two lambdas have one name."""

    def start(by, **options):
        data = small_faces(40).with_augment(make(by) if of_data else None)
        return run(tmp_path, data=data, config=replace(CONFIG, augment=None if of_data else make(by)), **options)

    history = start(0.5)
    assert start(0.5, resume=True)["val_loss"] == history["val_loss"]
    with pytest.raises(CheckpointError, match=r"other data: digest of augmentation was '.*' and is '"):
        start(0.6, resume=True)
    content = load_checkpoint(tmp_path / "last.pt")
    del content["run"]["data"]["digest of augmentation"]  # as an earlier version left it
    save_checkpoint(content | {"holder": None}, tmp_path / "last.pt")
    assert start(0.5, resume=True)["val_loss"] == history["val_loss"]


def test_the_advice_for_the_weights_of_best_works(folder, tmp_path):
    """`load_weights` names what reads the file, and from where."""
    with pytest.raises(WeightsError, match=r"load_checkpoint\(path\) from emotion_utils\.training.*load_state_dict"):
        load_weights(folder / "best.pt", factory=lambda: LinearModel(image_size=16))
    model = LinearModel(image_size=16)
    model.load_state_dict(emotion_utils.training.load_checkpoint(folder / "best.pt")["weights"])
    back = load_weights(save_weights(model, tmp_path / "best"))
    torch.testing.assert_close(back.classifier[1].weight, model.classifier[1].weight, rtol=1e-3, atol=1e-4)


def test_best_is_no_run_that_can_go_on(folder):
    """It holds weights without an optimiser."""
    (folder / "best.pt").replace(folder / "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt holds the weights of a best\.pt"):
        run(folder, resume=True)


def test_other_class_names_are_refused(folder):
    """The same number of classes under other names is another task."""
    data = small_faces(40)
    with pytest.raises(CheckpointError, match=r"other classes: it was .'angry'"):
        run(folder, data=data.with_labels(data.labels, list("abcdefg")), resume=True)


def test_a_new_run_sets_the_old_one_aside(folder):
    """Without `resume` nothing mixes, and the last run can still be found."""
    old = (folder / "last.pt").read_bytes()
    run(folder)
    assert (folder / "previous-1" / "last.pt").read_bytes() == old
    assert (folder / "last.pt").read_bytes() != old


def test_a_full_disk_leaves_the_good_file(folder):
    """The error says what to do; the old checkpoint stands, no half of a new one beside it."""
    good = (folder / "last.pt").read_bytes()
    with full_disk(room=2000), pytest.raises(OSError, match=r"last\.pt"):
        save_checkpoint({"weights": torch.zeros(100_000)}, folder / "last.pt")
    assert (folder / "last.pt").read_bytes() == good
    assert not list(folder.glob(".*.part"))


@on_unix
def test_an_interruption_while_a_file_is_written_is_no_full_disk(tmp_path):
    """PyTorch's zip writer makes another error of Ctrl-C."""
    content = {"weights": torch.zeros(2_000_000)}
    save_checkpoint(content, tmp_path / "last.pt")
    good, interrupted = (tmp_path / "last.pt").read_bytes(), 0
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for number in range(12):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.002 * (number + 1))
                save_checkpoint(content, tmp_path / "last.pt")
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert interrupted
    assert (tmp_path / "last.pt").read_bytes() == good


# --- other files -----------------------------------------------------------------------------------------------------


def a_whole_model(path):
    torch.save(EmotionCNN(widths=(4,), hidden=0), path)


def weights_of_the_package(path):
    save_weights(EmotionCNN(widths=(4,), hidden=0), path)


def an_old_state_dict(path):
    torch.save(EmotionCNN(widths=(4,)).state_dict(), path, _use_new_zipfile_serialization=False)


def a_pipe(path):
    os.mkfifo(path)


def half_of_a_checkpoint(path):
    save_checkpoint({"weights": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


OTHERS = [
    (a_whole_model, "weights_only=False"),
    (weights_of_the_package, "load_weights"),
    (lambda path: torch.save(EmotionCNN(widths=(4,)).state_dict(), path), "load_state_dict"),
    (an_old_state_dict, "state_dict"),
    (lambda path: torch.save({"epoch": 3, "note": "mine"}, path), "torch.load"),
    (lambda path: torch.save(torch.zeros(3), path), "torch.load"),
    (lambda path: torch.jit.script(torch.nn.Linear(2, 2)).save(str(path)), "torch.jit.load"),
    (lambda path: np.save(path, np.zeros(3)), "it is"),
    (lambda path: path.write_text("epoch,loss\n1,2\n"), "it is no file of weights"),
    (lambda path: path.write_text("<!DOCTYPE html><title>404</title>"), "web page"),
    (lambda path: path.write_bytes(b""), "it is empty"),
    (half_of_a_checkpoint, "incomplete"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "words"), OTHERS)
@pytest.mark.parametrize("read", [load_checkpoint, load_run])
def test_of_another_file_it_is_said_what_it_is_and_what_reads_it(tmp_path, write, words, read):
    """Nothing healthy is called damaged, and no advice deletes anything."""
    path = tmp_path / "some.file"
    write(path)
    path = next(tmp_path.iterdir())  # NumPy adds an ending
    with pytest.raises(CheckpointError, match=r"some\.file") as caught:
        read(path)
    message = str(caught.value)
    assert words in message
    assert "\x1b" not in message
    assert "delete" not in message
    assert ("damaged" in message or "incomplete" in message) == (
        write is half_of_a_checkpoint
    ) or "no file of" in message
    assert len(message) <= 400


def test_what_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError):
        load_checkpoint(tmp_path)
    with pytest.raises(TypeError, match="path=None"):
        load_checkpoint(None)
    if hasattr(os, "mkfifo"):
        a_pipe(tmp_path / "pipe")
        with pytest.raises(ValueError, match="pipe"):
            load_checkpoint(tmp_path / "pipe")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["run"].pop("data"),
        lambda content: content["state"].update(more=1),
        lambda content: content.update(run="x"),
        lambda content: content["state"].update(optimizer={}),
        lambda content: content["state"].update(model=None),
        lambda content: content["state"].update(rows=None),
        lambda content: content["state"].update(sums="a"),
        lambda content: content["state"].update(batch=-1),
        lambda content: content["state"].update(best_weights=3),
        lambda content: content["state"].update(loss=3),
        lambda content: content["state"].update(loss={"identity": "x", "buffers": None}),
    ],
)
def test_contents_that_no_run_wrote(folder, change):
    """The checksum is right, so somebody else made them."""
    content = load_checkpoint(folder / "last.pt")
    change(content)
    save_checkpoint(content | {"holder": None}, folder / "last.pt")
    before = (folder / "last.pt").read_bytes()
    model, twin = LinearModel(image_size=16), LinearModel(image_size=16)
    twin.load_state_dict(model.state_dict())
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        run(folder, model, resume=True)
    assert (folder / "last.pt").read_bytes() == before
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
