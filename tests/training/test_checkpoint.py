"""Checkpoints: read safely, refused when damaged or of another run, never half written, one run to a folder."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from obstacles import full_disk
from small_faces import small_faces
from small_runs import QUIET

from emotion_utils.data.augment import Augment
from emotion_utils.errors import CheckpointError
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
