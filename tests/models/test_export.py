"""The exported network gives the same probabilities in ONNX Runtime as in PyTorch."""

import json
import sys

import numpy as np
import pytest
import torch
from network_styles import build
from small_faces import small_faces
from torch import nn

from emotion_utils.data.pixels import normalise
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.models.export import export_onnx
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.facts import remember, set_facts
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.onnx_model import OnnxModel
from emotion_utils.models.priors import adjust_priors, prior_change

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
OWN_STYLES = [
    "ends in a function", "transformer", "float64", "DataParallel of ours", "pruned", "weight norm", "AveragedModel",
    "low rank, as in LoRA", "torchvision vgg", "channels last",
]  # fmt: skip


def spoil_batch_norm(model):
    """Give batch norm's statistics values that matter, as training would."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(model.classifier[-1].weight if isinstance(model, EmotionCNN) else model.classifier.weight)
    return model


@pytest.mark.parametrize("build", [FaceNet, FaceVGG, EmotionCNN])
@pytest.mark.slow
def test_onnx_runtime_agrees_with_pytorch(build, tmp_path):
    torch.manual_seed(0)
    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    model = spoil_batch_norm(build(classes=classes)).train()
    model.set_normalisation(0.508, 0.255)
    path = export_onnx(model, tmp_path / "model.onnx")
    assert model.training, "the export changes the model's mode"

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.randint(0, 256, (count, 1, 48, 48), dtype=torch.uint8)
        (got,) = session.run(None, {"pixels": images.numpy().astype(np.float32)})
        expected = model.predict_proba(images).numpy()
        assert expected.max() > 0.5, "the probabilities are so flat that the comparison would prove nothing"
        assert np.abs(got - expected).max() <= 1e-4
    assert session.get_modelmeta().custom_metadata_map["classes"].split(",") == list(classes)


def pixels(count, size=16):
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)


@pytest.mark.slow
def test_a_file_for_deployment_takes_grey_levels_and_says_what_it_is(tmp_path):
    model = spoil_batch_norm(EmotionCNN((4, 8), image_size=16, classes=EMOTIONS))
    model.set_normalisation(0.4, 0.2)
    path = export_onnx(model, tmp_path / "model.onnx", pixels="uint8", temperature=2.5, licence="for teaching")
    exported = OnnxModel(path)
    model.eval()
    for count in (1, 6):
        images = pixels(count)
        logits = model(normalise(images, 0.4, 0.2)).detach()
        (got,) = onnxruntime.InferenceSession(path).run(None, {"pixels": images.numpy()})
        np.testing.assert_allclose(got, (logits / 2.5).softmax(1), atol=1e-5)
        np.testing.assert_allclose(exported.predict_proba(images), got, atol=1e-6)
    told = exported.metadata
    assert b".py" not in path.read_bytes(), "code, and with it paths of this computer"
    assert json.loads(told["names"]) == list(EMOTIONS) == list(exported.classes)
    assert (told["licence"], told["pixels"], told["image_size"]) == ("for teaching", "uint8", "16")
    assert [float(told[name]) for name in ("mean", "std", "temperature")] == pytest.approx([0.4, 0.2, 2.5])
    assert int(told["opset"]) == next(each.version for each in onnx.load(path).opset_import if not each.domain)


@pytest.mark.parametrize("style", OWN_STYLES)
@pytest.mark.slow
def test_networks_of_ones_own_agree_with_pytorch(style, tmp_path):
    """Each takes any number of images, also where PyTorch's first way to read its code would fix the number."""
    model = build(style)
    remember(model, small_faces(14, mean=0.4, std=0.2))
    state = torch.get_rng_state()
    path = export_onnx(model, tmp_path / "model.onnx", image_size=16)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.backends.mha.get_fastpath_enabled()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = pixels(count)
        (got,) = session.run(None, {"pixels": images.numpy().astype(np.float32)})
        np.testing.assert_allclose(got, predict_proba(model, images), atol=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["names"]) == list(EMOTIONS)


@pytest.mark.slow
def test_a_file_answers_as_predict_photo_does(tmp_path):
    model = LinearModel(EMOTIONS, image_size=16)
    set_facts(model, (0.5, 0.25), EMOTIONS, None, (4, 1, 4, 7, 5, 3, 5))
    images, told = pixels(6), {}
    for frequencies in ("learnt", "equal", dict.fromkeys(EMOTIONS, 1) | {"happy": 4}):
        path = export_onnx(model, tmp_path / "m.onnx", image_size=16, pixels="uint8", frequencies=frequencies)
        exported = OnnxModel(path)
        wanted = predict_proba(model, images)
        if change := prior_change(model, frequencies):
            wanted = adjust_priors(wanted, *change)
        assert torch.allclose(exported.predict_proba(images), wanted, atol=1e-5)
        told[str(frequencies)] = exported.metadata["frequencies"]
    assert told["learnt"] == "learnt"
    assert json.loads(told["equal"]) == pytest.approx(dict.fromkeys(EMOTIONS, 1 / 7))


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [("equal", "Linear.*does not know"), ("even", "frequencies='even'"), (dict.fromkeys(EMOTIONS, 1), "does not know")],
)
def test_frequencies_need_a_network_that_knows_its_own(tmp_path, frequencies, message):
    model = LinearModel(EMOTIONS, image_size=16)
    model.set_normalisation(0.5, 0.25)
    with pytest.raises(ValueError, match=message) as caught:
        export_onnx(model, tmp_path / "m.onnx", frequencies=frequencies)
    assert len(str(caught.value)) <= 400
    assert not list(tmp_path.iterdir())


class LooksAtPixels(nn.Module):
    """Goes one way or another, as the brightness of the batch is."""

    def __init__(self):
        super().__init__()
        self.net = build("Sequential")

    def forward(self, x):
        return self.net(x if x.mean() > 0 else -x)


@pytest.mark.slow
def test_what_onnx_cannot_say_is_one_sentence(tmp_path, capsys):
    for model in (build("distances"), build("torch.jit.script"), LooksAtPixels()):
        capsys.readouterr()
        remember(model, small_faces(14))
        with pytest.raises(ValueError, match="cannot be written as ONNX") as caught:
            export_onnx(model, tmp_path / "model.onnx", image_size=16)
        assert len(str(caught.value)) <= 400
        assert capsys.readouterr() == ("", ""), "pages of what PyTorch has found out"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (lambda: build("Sequential"), {}, ValueError, r"Sequential.*normalised.*train\(\)"),
        (lambda: EmotionCNN, {}, TypeError, r"EmotionCNN\(\)"),
        (lambda: EmotionCNN((4,), image_size=16), {"image_size": 48}, ShapeError, "48, 48"),
        (lambda: EmotionCNN((4,)), {"image_size": -1}, ValueError, "image_size=-1"),
        (lambda: EmotionCNN((4,)), {"in_channels": 2.5}, ValueError, r"in_channels=2\.5"),
        (lambda: EmotionCNN((4,)), {"pixels": "int8"}, ValueError, "pixels='int8'"),
        (lambda: EmotionCNN((4,)), {"pixels": torch.uint8}, ValueError, r"pixels=torch\.uint8"),
        (lambda: EmotionCNN((4,)), {"temperature": 0}, ValueError, "temperature=0"),
        (lambda: EmotionCNN((4,)), {"temperature": float("nan")}, ValueError, "temperature=nan"),
        (lambda: EmotionCNN((4,)), {"licence": " "}, ValueError, "licence=' '"),
        (lambda: EmotionCNN((4,)), {"licence": 5}, ValueError, "licence=5"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(make, options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        export_onnx(make(), tmp_path / "model.onnx", **options)


def test_a_package_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"pip install.*onnxscript"):
        export_onnx(FaceNet(8, (8,)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
