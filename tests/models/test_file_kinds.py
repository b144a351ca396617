"""Files of other kinds are named for what they are: nothing healthy is called damaged, nothing is run or deleted."""

import io
import os
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from emotion_utils.errors import CheckpointError, WeightsError
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.weight_files import load_weights


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def saved(held, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer, **options)
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def exported() -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), buffer)
    return buffer.getvalue()


LEGACY = {"_use_new_zipfile_serialization": False}
HEALTHY = {
    "whole model": (lambda: saved(nn.Linear(2, 2)), "weights_only=False"),
    "whole model of ours": (lambda: saved(LinearModel(image_size=4)), "LinearModel"),
    "whole model, old format": (lambda: saved(nn.Linear(2, 2), **LEGACY), "weights_only=False"),
    "state_dict": (lambda: saved(nn.Linear(2, 2).state_dict()), "factory="),
    "state_dict, old format": (lambda: saved(nn.Linear(2, 2).state_dict(), **LEGACY), "factory="),
    "checkpoint": (lambda: saved({"format": 2, "sha256": "", "content": {}}), "load_checkpoint"),
    "a tensor": (lambda: saved(torch.zeros(3)), "torch.load"),
    "a dictionary": (lambda: saved({"epoch": 3}), "torch.load"),
    "TorchScript": (scripted, "torch.jit.load"),
    "torch.export": (exported, "torch.export.load"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras"),
    "Keras": (lambda: archive(**{"config_dot_json": b"{}", "model_dot_weights_dot_h5": b""}), "Keras"),
    "TensorFlow Lite": (lambda: b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow"),
    "npz": (arrays, "np.load"),
    "npy": (array, "np.load"),
    "zip": (lambda: archive(**{"a__weights": b"x"}), "unpack"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(20), "gzip"),
    "picture": (picture, "picture"),
    "web page": (lambda: b"<!DOCTYPE html><html>404</html>", "web page"),
    "placeholder": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "empty": (lambda: b"", "empty"),
}


@pytest.mark.parametrize("kind", HEALTHY)
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_other_files_are_named_for_what_they_are(tmp_path, kind, ending):
    """Whatever the file is called."""
    make, word = HEALTHY[kind]
    path, content = tmp_path / f"file{ending}", make()
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"file\{ending} ") as caught:
        load_weights(path)
    text = str(caught.value)
    assert word in text
    assert "damaged" not in text
    assert "delete" not in text
    assert "\x1b" not in text
    assert len(text) <= 400
    assert path.read_bytes() == content


SPOILT = {
    "noise": lambda: bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)),
    "zeros": lambda: bytes(5000),
    "text": lambda: b"angry, disgust, fear\n" * 50,
    "half a zip": lambda: saved(nn.Linear(20, 20).state_dict())[:900],
    "a zip with a hole": lambda: saved(nn.Linear(20, 20).state_dict()).replace(b"weight", b"wei\xff\xffht"),
    "half a pickle": lambda: saved(nn.Linear(2, 2).state_dict(), **LEGACY)[:50],
    "an absurd header": lambda: b"\xff" * 7 + b"\x00{" + bytes(100),
    "a lying header": lambda: (50).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_files_are_refused_in_a_sentence(tmp_path, kind):
    path = tmp_path / "file.pt"
    path.write_bytes(SPOILT[kind]())
    with pytest.raises(WeightsError, match=r"file\.pt ") as caught:
        load_weights(path, factory=lambda: nn.Linear(2, 2))
    assert len(str(caught.value)) <= 400
    assert "delete" not in str(caught.value)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_code_of_a_file_is_run(tmp_path):
    for number, held in enumerate(({"a": Bomb(str(tmp_path / "trace"))}, Bomb(str(tmp_path / "trace")))):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(saved(held))
        with pytest.raises(WeightsError, match="run code"):
            load_weights(path, factory=lambda: nn.Linear(2, 2))
    assert not (tmp_path / "trace").exists()


def test_what_is_no_file_is_refused_at_once(tmp_path):
    with pytest.raises(WeightsError, match="folder"):
        load_weights(tmp_path)
    with pytest.raises(WeightsError, match=r"none\.pt"):
        load_weights(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="NUL"):
        load_weights("a\0b")
    for wrong in (None, 3):
        with pytest.raises(TypeError, match=f"path={wrong}"):
            load_weights(wrong)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(WeightsError, match="pipe"):
            load_weights(tmp_path / "pipe")


def test_files_that_were_changed_anywhere_never_raise_anything_else(tmp_path):
    """A few hundred files with a changed byte: each loads, or is refused by name."""
    path = tmp_path / "own.safetensors"
    save_file(nn.Linear(4, 4).state_dict(), path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for content in (good, saved(nn.Linear(4, 4).state_dict())):
        for place in rng.integers(0, len(content), 150):
            changed = bytearray(content)
            changed[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            with suppress(WeightsError, CheckpointError):
                load_weights(path, factory=lambda: nn.Linear(4, 4))


def flipped(data: bytes, value: float) -> bytes:
    """Flip one bit of the first number of that value."""
    place = data.index(struct.pack("<f", value))
    return data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]


def test_a_flipped_bit_in_a_weight_is_noticed_by_the_checksums_beside_it(tmp_path):
    model = LinearModel(classes=2, image_size=4)
    torch.nn.init.constant_(model.classifier[1].weight, 0.123)
    path = tmp_path / "weights.pt"
    path.write_bytes(flipped(saved(model.state_dict()), 0.123))
    with pytest.raises(WeightsError, match=r"weights\.pt.*damaged.*checksums"):
        load_weights(path, factory=lambda: LinearModel(classes=2, image_size=4))


@pytest.mark.parametrize("old", [False, True])
def test_files_without_checksums_are_read(tmp_path, old):
    model = LinearModel(classes=2, image_size=4)
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        (tmp_path / "weights.pt").write_bytes(saved(model.state_dict(), _use_new_zipfile_serialization=not old))
    finally:
        torch.serialization.set_crc32_options(before)
    read = load_weights(tmp_path / "weights.pt", factory=lambda: LinearModel(classes=2, image_size=4))
    assert torch.equal(read.classifier[1].weight, model.classifier[1].weight)


def small():
    return LinearModel(classes=2, image_size=4)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def below(prefix, weights):
    return {f"{prefix}{name}": value for name, value in weights.items()}


ADAM = {"state": {0: {"step": torch.ones(1), "exp_avg": torch.ones(2, 16)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize("place", ["model_state", "params", "network", "best"])
def test_weights_under_any_name_are_found_beside_an_optimizer(tmp_path, place):
    model = small()
    (tmp_path / "a.pt").write_bytes(saved({"epoch": 3, place: weights_of(model), "optimizer": ADAM}))
    assert torch.equal(load_weights(tmp_path / "a.pt", factory=small).classifier[1].weight, model.classifier[1].weight)


def test_weights_of_several_networks_are_not_guessed(tmp_path):
    (tmp_path / "a.pt").write_bytes(saved({"student": weights_of(small()), "teacher": weights_of(small())}))
    with pytest.raises(WeightsError, match=r"several networks' weights \(student, teacher\).*load_state_dict"):
        load_weights(tmp_path / "a.pt", factory=small)
    two = below("model.", weights_of(small())) | below("teacher.", weights_of(small()))
    (tmp_path / "b.pt").write_bytes(saved({"state_dict": two}))
    with pytest.raises(WeightsError, match=r"model\., teacher\."):
        load_weights(tmp_path / "b.pt", factory=small)


@pytest.mark.parametrize("prefix", ["model.", "net.module.", "model._orig_mod."])
def test_weights_below_a_name_of_lightnings_are_found(tmp_path, prefix):
    model = small()
    held = {"state_dict": below(prefix, weights_of(model)) | {"criterion.weight": torch.ones(2)}, "epoch": 3}
    (tmp_path / "a.ckpt").write_bytes(saved(held))
    assert torch.equal(
        load_weights(tmp_path / "a.ckpt", factory=small).classifier[1].weight, model.classifier[1].weight
    )
    held["state_dict"][f"{prefix}more"] = torch.ones(1)
    (tmp_path / "a.ckpt").write_bytes(saved(held))
    with pytest.raises(CheckpointError, match=r"a\.ckpt holds another architecture"):
        load_weights(tmp_path / "a.ckpt", factory=small)
