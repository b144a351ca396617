"""Odd values at the doors of this room: each is used rightly, or named in one sentence, and nothing is changed."""

import hashlib

import numpy as np
import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.models.classes import match_classes, with_classes_of
from emotion_utils.models.export import export_onnx
from emotion_utils.models.facts import facts_of, set_facts
from emotion_utils.models.inference import compute_logits, predict_proba
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.receptive import influence
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.views import FlipAverage
from emotion_utils.models.weight_files import load_weights, save_weights


def linear():
    torch.manual_seed(0)
    model = LinearModel(image_size=16)
    model.set_normalisation(0.5, 0.25)
    return model


def sizes(**changes):
    return export_onnx(linear(), "nothing.onnx", **changes)


FACES, MAPS = small_faces(14), EmotionCNN((4,), image_size=16).features
FLOATS = FACES.images[:2].float()

ODD = [
    (lambda: facts_of(5), TypeError, "model=5"),
    (lambda: set_facts("x", None, None), TypeError, "model='x'"),
    (lambda: set_facts(linear(), 5, None), ValueError, "normalisation=5"),
    (lambda: set_facts(linear(), (1, 2, 3), None), ValueError, r"normalisation=\(1, 2, 3\)"),
    (lambda: set_facts(linear(), ("a", 1), None), ValueError, "mean='a'"),
    (lambda: set_facts(linear(), (0.5, 0), None), ValueError, "std=0"),
    (lambda: set_facts(linear(), None, "happy"), ValueError, "classes='happy'"),
    (lambda: set_facts(linear(), None, [1, 2]), ValueError, r"classes=\[1, 2\]"),
    (lambda: set_facts(linear(), None, ["a", "a"]), ValueError, "'a' is there twice"),
    (lambda: set_facts(linear(), None, None, 5), TypeError, "notes=5"),
    (lambda: match_classes(linear(), 5), ValueError, "classes=5"),
    (lambda: match_classes(5, FACES), ValueError, "classes=5"),
    (lambda: match_classes(linear(), "angry"), ValueError, "classes='angry'"),
    (lambda: with_classes_of([1], EMOTIONS), TypeError, "FaceDataset"),
    (lambda: with_classes_of(FACES, 3), ValueError, "classes=3"),
    (lambda: LinearModel(torch.zeros(3, device="meta")), ValueError, "classes="),
    (lambda: MLP(torch.eye(3).to_sparse()), ValueError, "hidden="),
    (lambda: MLP(activation=np.zeros(2)), ValueError, "activation="),
    (lambda: FlipAverage(linear(), 10**30), ValueError, "shift=1"),
    (lambda: compute_logits(linear(), FACES, 10**30), ValueError, "batch_size=1"),
    (lambda: set_facts(linear(), torch.zeros(2, device="meta"), None), ValueError, "normalisation="),
    (lambda: with_classes_of(FACES, nn.Flatten()), ValueError, "classes=Flatten"),
    (lambda: trace_shapes(linear(), (1, 1, 10**7, 10**7)), ValueError, "input_shape=.*memory"),
    (lambda: influence(MAPS, None), TypeError, "images=None"),
    (lambda: influence(MAPS, torch.zeros(0, 1, 16, 16)), ShapeError, r"\(0, 1, 16, 16\)"),
    (lambda: compute_logits(linear(), FACES, precision="fp16"), ValueError, "precision='fp16'"),
    (lambda: compute_logits(linear(), FACES, precision=np.zeros(2)), ValueError, "precision="),
    (lambda: predict_proba(linear(), FLOATS, scale=np.zeros(2)), ValueError, "scale="),
    (lambda: predict_proba(linear(), FLOATS, bgr="yes"), ValueError, "bgr='yes'"),
    (lambda: predict_proba(linear(), FLOATS, bgr=np.zeros(2)), ValueError, "bgr="),
    (lambda: predict_proba(linear(), FLOATS, classes="happy"), ValueError, "classes='happy'"),
    (lambda: predict_proba(linear(), FLOATS.to("meta")), TypeError, "images.*meta"),
    (lambda: predict_proba(linear(), FLOATS.to_sparse()), TypeError, "images.*sparse"),
    (lambda: predict_proba(linear(), FLOATS.to(torch.complex64)), TypeError, "images.*complex64"),
    (lambda: save_weights(linear(), "nothing", 5), TypeError, "facts=5"),
    (lambda: save_weights(linear(), "nothing", {1: 2}), TypeError, "facts: 1"),
    (lambda: load_weights("nothing", sha256=5), TypeError, "sha256=5"),
    (lambda: load_weights("nothing", classes="happy"), ValueError, "classes='happy'"),
    (lambda: sizes(image_size=0), ValueError, "image_size=0"),
    (lambda: sizes(in_channels=0), ValueError, "in_channels=0"),
    (lambda: sizes(in_channels="1"), ValueError, "in_channels='1'"),
]  # fmt: skip


@pytest.mark.parametrize(("door", "kind", "words"), ODD)
def test_an_odd_value_is_named(door, kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        door()
    assert len(str(caught.value)) <= 400
    assert not list(tmp_path.iterdir())


def test_facts_of_any_kind_of_list_are_kept():
    model = nn.Linear(2, 2)
    set_facts(model, np.array([0.5, 0.25]), np.array(["a", "b"]), {"x": 1})
    assert facts_of(model).normalisation == (0.5, 0.25)
    assert facts_of(model).classes == ("a", "b")
    set_facts(model, torch.tensor([0.5, 0.25]), ())
    assert facts_of(model).classes is None


def test_a_checksum_may_be_written_in_capitals(tmp_path):
    path = save_weights(linear(), tmp_path / "w.safetensors")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_weights(path, sha256=f" {digest.upper()}\n")


def test_images_that_carry_gradients_or_share_memory_are_images():
    wanted = predict_proba(linear(), FLOATS, scale="grey")
    for images in (
        FLOATS.clone().requires_grad_(),
        FLOATS.double(),
        FLOATS.transpose(2, 3).contiguous().transpose(2, 3),
        FLOATS.numpy()[:, :, :, ::-1][:, :, :, ::-1],
    ):
        found = predict_proba(linear(), images, scale="grey")
        assert not found.requires_grad
        torch.testing.assert_close(found, wanted)


def test_a_network_whose_last_layer_was_replaced_gives_what_it_gives():
    model = linear()
    set_facts(model, (0.5, 0.25), EMOTIONS)
    model.classifier = nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
    assert predict_proba(model, FACES.images[:3]).shape == (3, 5)
    with pytest.raises(ValueError, match="5 probabilities"):
        predict_proba(model, FACES.images[:3], classes=EMOTIONS)
