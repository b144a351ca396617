"""The exported network gives the same probabilities in ONNX Runtime as in PyTorch."""

import sys

import numpy as np
import pytest
import torch

from emotion_utils.models.export import export_onnx
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import EmotionCNN

onnxruntime = pytest.importorskip("onnxruntime")


def spoil_batch_norm(model):
    """Give batch norm's statistics values that matter, as training would."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(model.classifier[-1].weight if isinstance(model, EmotionCNN) else model.classifier.weight)
    return model


@pytest.mark.parametrize("build", [FaceNet, EmotionCNN])
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


def test_a_package_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"pip install.*onnxscript"):
        export_onnx(FaceNet(8, (8,)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
