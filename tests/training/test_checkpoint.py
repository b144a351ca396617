"""Checkpoints: read safely, refused when damaged or of another run, never half written, one run to a folder."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import torch
from small_faces import small_faces

from emotion_utils.data.augment import Augment
from emotion_utils.errors import CheckpointError, FolderInUseError
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.training import checkpoint
from emotion_utils.training.checkpoint import load_checkpoint, lock_folder, save_checkpoint
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=2, batch_size=20, progress=False, device="cpu")


def run(folder, model=None, data=None, config=CONFIG, **options):
    """Train a linear model for two epochs."""
    model, data = model or LinearModel(image_size=16), data or small_faces(40)
    return train(model, data, data, config, run_dir=folder, **options)


@pytest.fixture
def folder(tmp_path):
    """A folder with a finished run."""
    run(tmp_path)
    return tmp_path


def test_a_checkpoint_reads_without_running_code_and_rebuilds_the_model(folder):
    """`torch.load(weights_only=True)` is enough; architecture, classes and weights are all there."""
    raw = torch.load(folder / "best.pt", weights_only=True)["content"]
    content = load_checkpoint(folder / "best.pt")
    assert raw.keys() == content.keys()
    model = LinearModel(**content["architecture"]["arguments"])
    model.load_state_dict(content["weights"])
    assert content["architecture"]["kind"] == "LinearModel"
    assert content["classes"] == list(small_faces(7).classes)
    assert content["epoch"] in (1, 2)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_cut_file_is_refused(folder, keep):
    """Cut anywhere, it is damaged, and the error says what to do."""
    path = folder / "last.pt"
    os.truncate(path, int(keep if keep > 1 else keep * path.stat().st_size))
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged .* or delete it"):
        run(folder, resume=True)


def test_a_flipped_bit_in_a_weight_is_noticed(folder):
    """PyTorch reads such a file without a word; the checksum finds it."""
    path = folder / "last.pt"
    weight = load_checkpoint(path)["model"]["classifier.1.weight"].numpy().tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(weight) + 100] ^= 1
    path.write_bytes(data)
    torch.load(path, weights_only=True)
    with pytest.raises(CheckpointError, match="checksum does not match"):
        load_checkpoint(path)


def test_other_files_are_no_checkpoints(tmp_path):
    """A file of weights alone, a missing file, a file that would run code."""
    torch.save({"weights": torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of this package"):
        load_checkpoint(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "b.pt")
    torch.save({"format": 1, "content": small_faces(7)}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": MLP(image_size=16)}, "another architecture: 'classifier.1.weight' has shape"),
        ({"model": EmotionCNN(image_size=16)}, r"another architecture: 'features\.\S+' has shape \(not there\)"),
        ({"model": LinearModel(3, 16), "data": small_faces(40, classes=3)}, "another architecture"),
        ({"data": small_faces(60)}, "other data: images was 40 and is 60 now"),
        ({"model": LinearModel(image_size=16), "facts": {"teacher": "x"}}, "other facts: teacher was None"),
        ({"config": TrainConfig(**CONFIG.__dict__ | {"epochs": 5})}, "other settings: epochs was 2 and is 5 now"),
        ({"config": TrainConfig(**CONFIG.__dict__ | {"augment": Augment()})}, "other settings: augment was None"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(folder, changes, message):
    """The error names the first thing that differs; the file is untouched."""
    before = (folder / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match=message):
        run(folder, resume=True, **changes)
    assert (folder / "last.pt").read_bytes() == before


def test_an_architecture_that_differs_in_no_shape_is_refused(tmp_path):
    """Dropout has no weights, so only the noted arguments tell."""
    run(tmp_path, EmotionCNN((4,), hidden=8, dropout=0.5, image_size=16))
    with pytest.raises(CheckpointError, match=r"other architecture: dropout was 0\.5 and is 0\.1 now"):
        run(tmp_path, EmotionCNN((4,), hidden=8, dropout=0.1, image_size=16), resume=True)


def test_best_is_no_run_that_can_go_on(folder):
    """It holds weights without an optimiser."""
    (folder / "best.pt").replace(folder / "last.pt")
    with pytest.raises(CheckpointError, match="holds weights"):
        run(folder, resume=True)


def test_a_function_that_augments_has_the_same_name_in_each_process():
    """A function's `repr` holds an address, with which no other process could go on."""
    config = TrainConfig(augment=lambda images, index, seed, epoch: images)
    assert "0x" not in str(config.to_dict()["augment"])


def test_other_class_names_are_refused(folder):
    """The same number of classes under other names is another task."""
    data = small_faces(40)
    data.classes = ("a", "b", "c", "d", "e", "f", "g")
    with pytest.raises(CheckpointError, match="other classes"):
        run(folder, data=data, resume=True)


def test_a_new_run_sets_the_old_one_aside(folder):
    """Without `resume` nothing mixes, and the last run can still be found."""
    old = (folder / "last.pt").read_bytes()
    run(folder)
    assert (folder / "previous" / "last.pt").read_bytes() == old
    assert (folder / "last.pt").read_bytes() != old


def test_resume_needs_a_folder():
    """Asking for it without one is a mistake worth a sentence."""
    with pytest.raises(ValueError, match="need run_dir"):
        run(None, resume=True)


def test_a_full_disk_leaves_the_good_file(folder, monkeypatch):
    """The error says what to do; the old checkpoint stands, no half of a new one beside it."""
    good = (folder / "last.pt").read_bytes()

    def write_half(content, path):
        with open(path, "wb") as file:
            file.write(b"half a checkpoint")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", write_half)
    with pytest.raises(OSError, match=r"Could not write .*last\.pt .*No space left.*Free some space"):
        save_checkpoint({"a": 1}, folder / "last.pt")
    assert (folder / "last.pt").read_bytes() == good
    assert not list(folder.glob(".*.part"))


def test_a_full_disk_inside_torch_is_an_os_error(tmp_path, monkeypatch):
    """PyTorch's writer reports a full disk as RuntimeError; it reaches the reader as what it is."""

    def fail(content, path):
        raise RuntimeError("[enforce fail at inline_container.cc:783] . PytorchStreamWriter failed writing file")

    monkeypatch.setattr(checkpoint.torch, "save", fail)
    with pytest.raises(OSError, match="Could not write"):
        save_checkpoint({"a": 1}, tmp_path / "last.pt")


def test_two_runs_into_one_folder(tmp_path):
    """The second is refused and told who holds the folder; after the first ends it may go on."""
    held = rf"Another run is writing into .*process {os.getpid()} on"
    with lock_folder(tmp_path), pytest.raises(FolderInUseError, match=held):
        run(tmp_path)
    run(tmp_path)


def test_a_drive_that_knows_no_locks(tmp_path, monkeypatch):
    """Some network drives don't. Training goes on, with a warning."""

    def no_locks(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(checkpoint, "_lock", no_locks)
    with pytest.warns(UserWarning, match="cannot be locked"):
        run(tmp_path)
    assert (tmp_path / "last.pt").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_the_lock_of_a_killed_process_is_free(tmp_path):
    """The operating system drops the lock with the process, so nobody has to delete a stale file."""
    code = (
        "import os, signal\nfrom emotion_utils.checkpoint import lock_folder\n"
        f"with lock_folder({str(tmp_path)!r}):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert (tmp_path / ".lock").read_text().startswith("process ")
    with lock_folder(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} ")
