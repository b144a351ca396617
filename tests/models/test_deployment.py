"""An exported file made smaller, and asked by a program that has no PyTorch."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from small_faces import small_faces

from emotion_utils.data.pixels import as_images
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError, WeightsError
from emotion_utils.models.deployment import quantise_onnx, write_runner
from emotion_utils.models.export import export_onnx
from emotion_utils.models.facts import remember
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.onnx_model import OnnxModel

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
FACES = small_faces(140, size=24)
# What the page of Python must do without.
BLOCKED = ("torch", "torchvision", "emotion_utils", "onnx", "onnxscript", "scipy", "sklearn", "matplotlib")
BLOCKER = f"""
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is not here")

sys.meta_path.insert(0, Blocker())"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network with weights that matter, and its file."""
    torch.manual_seed(0)
    model = EmotionCNN((8, 16), image_size=24, hidden=32)
    remember(model, FACES)
    torch.nn.init.normal_(model.classifier[-1].weight, std=6)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    path = export_onnx(model.eval(), tmp_path_factory.mktemp("onnx") / "model.onnx", pixels="uint8", licence="mine")
    return model, path


def test_int8_is_smaller_and_says_nearly_the_same(exported, tmp_path):
    model, path = exported
    before = path.read_bytes()
    small = OnnxModel(quantise_onnx(path, tmp_path / "small.onnx", FACES.images[:64]))
    assert small.path.stat().st_size < 0.5 * len(before)
    assert path.read_bytes() == before
    wanted, got = model.predict_proba(FACES.images), small.predict_proba(FACES.images)
    assert wanted.amax(1).mean() > 0.5, "the probabilities are so flat that the comparison would prove nothing"
    assert 0 < float((wanted - got).abs().mean()) < 0.05
    assert small.metadata == OnnxModel(path).metadata | {"weights": "int8"}
    assert small.classes == EMOTIONS


def test_products_of_8_bits_cannot_overflow_on_any_processor(exported, tmp_path):
    small = quantise_onnx(exported[1], tmp_path / "small.onnx", FACES.images)
    tensors = [onnx.numpy_helper.to_array(each) for each in onnx.load(small).graph.initializer]
    weights = [each for each in tensors if each.dtype == np.int8 and each.ndim > 1]  # not the zero points
    assert len(weights) == 4  # two convolutions, two linear layers
    assert all(np.abs(each.astype(int)).max() == 64 for each in weights)


def test_what_cannot_be_quantised_is_refused_and_leaves_no_file(exported, tmp_path):
    _, path = exported
    (tmp_path / "text.onnx").write_text("no network")
    cases = [
        ((path, tmp_path / "a.onnx", FACES.images[:3]), ValueError, "images holds 3"),
        ((path, tmp_path / "a.onnx", small_faces(40).images), ShapeError, r"\(40, 1, 16, 16\)"),
        ((path, tmp_path / "a.onnx", "nowhere.png"), FileNotFoundError, r"nowhere\.png"),
        ((path, path, FACES.images), ValueError, r"target=.*model\.onnx"),
        ((tmp_path / "none.onnx", tmp_path / "a.onnx", FACES.images), FileNotFoundError, r"none\.onnx"),
        ((tmp_path / "text.onnx", tmp_path / "a.onnx", FACES.images), WeightsError, r"text\.onnx"),
        ((path, 5, FACES.images), TypeError, "target=5"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message) as caught:
            quantise_onnx(*arguments)
        assert len(str(caught.value)) <= 400
    assert [each.name for each in tmp_path.iterdir()] == ["text.onnx"]


def test_what_is_int8_already_is_refused(exported, tmp_path):
    small = quantise_onnx(exported[1], tmp_path / "small.onnx", FACES.images)
    with pytest.raises(ValueError, match=r"small\.onnx.*int8"):
        quantise_onnx(small, tmp_path / "smaller.onnx", FACES.images)


def run_without_pytorch(script, *arguments, folder):
    """Run a script in an interpreter that can import neither PyTorch nor this package."""
    asked = [str(script), *map(str, arguments)]
    code = f"{BLOCKER}\nsys.argv = {asked!r}\nrunpy.run_path({asked[0]!r}, run_name='__main__')"
    env = os.environ | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
    )


def test_the_page_of_python_needs_no_pytorch_and_says_the_same(exported, tmp_path):
    model, path = exported
    runner = write_runner(tmp_path / "somewhere")
    assert len(runner.read_text(encoding="utf-8").splitlines()) < 40
    pictures = [tmp_path / "ä face.png", tmp_path / "wide.png"]
    Image.fromarray(FACES.images[0, 0].numpy()).save(pictures[0])
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(pictures[1])
    done = run_without_pytorch(runner, path, *pictures, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for line, picture in zip(done.stdout.splitlines(), pictures, strict=True):
        probabilities = model.predict_proba(as_images(picture, 24))[0]
        assert line == f"{picture}: {EMOTIONS[int(probabilities.argmax())]}, {float(probabilities.max()):.0%}"


def test_the_blocked_interpreter_has_no_pytorch(tmp_path):
    (tmp_path / "asks.py").write_text("import torch")
    assert "torch is not here" in run_without_pytorch(tmp_path / "asks.py", folder=tmp_path).stderr


def test_without_arguments_the_page_explains_itself(tmp_path):
    done = run_without_pytorch(write_runner(tmp_path), folder=tmp_path)
    assert done.returncode == 1
    assert "model.onnx" in done.stderr


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing_is_named(name, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(ImportError, match=rf"{name}.*pip install {name}`"):
        quantise_onnx(exported[1], tmp_path / "small.onnx", FACES.images)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(TypeError, match="folder=5"):
        write_runner(5)


def test_a_page_that_somebody_changed_is_not_written_over(tmp_path):
    runner = write_runner(tmp_path)
    assert write_runner(tmp_path) == runner  # the same again
    mine = runner.read_text(encoding="utf-8").replace("BICUBIC", "BILINEAR")
    runner.write_text(mine, encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"run_onnx\.py.*something else"):
        write_runner(tmp_path)
    assert runner.read_text(encoding="utf-8") == mine
