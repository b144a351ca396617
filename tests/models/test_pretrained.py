"""Weights come back as they were saved; what is damaged, missing or of another kind is refused with advice."""

import hashlib
import json

import pytest
import torch
from obstacles import full_disk
from places import RESULTS
from safetensors.torch import load_file, safe_open, save_file

from emotion_utils.data.drawn import sample_faces
from emotion_utils.data.loading import load
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import CheckpointError, WeightsError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER, FORMAT, load_pretrained, load_weights, save_weights

LIMITS = {"synthetic": 1_000_000, "fer2013": 4_000_000, "ferplus": 4_000_000}  # bytes


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = FaceNet(stem=8, widths=(8, 16), classes=EMOTIONS)
    made.set_normalisation(0.508, 0.255)
    return made.eval()


@pytest.fixture
def saved(model, tmp_path):
    return save_weights(model, tmp_path / "small.safetensors", {"protocol": "none", "temperature": 1.0})


def change_description(path, **changes):
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()[FORMAT]) | changes
    save_file(load_file(path), path, {FORMAT: json.dumps(description)})


def test_round_trip(model, saved):
    back = load_weights(saved)
    assert type(back) is FaceNet
    assert not back.training
    assert back.classes == EMOTIONS
    assert back.facts == {"protocol": "none", "temperature": 1.0}
    assert back.normalisation() == model.normalisation()
    assert back.stem[0].weight.dtype == torch.float32
    images = torch.randint(0, 256, (4, 1, 48, 48), dtype=torch.uint8)
    assert torch.allclose(back.predict_proba(images), model.predict_proba(images), atol=1e-3)
    for name, value in back.state_dict().items():
        # Half precision has 11 significant bits.
        assert torch.allclose(value.double(), model.state_dict()[name].double(), rtol=2**-11, atol=1e-7), name


@pytest.mark.parametrize("values", [None, (0.4, 0.2), (0.5, 0.25)])  # the last are the values of a new network
def test_whether_the_normalisation_is_known_comes_back_too(model, tmp_path, values):
    model = LinearModel(classes=EMOTIONS, image_size=4)
    if values:
        model.set_normalisation(*values)
    back = load_weights(save_weights(model, tmp_path / "linear.safetensors"))
    assert back.normalisation() == model.normalisation()
    assert back.normalisation_known == (values is not None)


@pytest.mark.parametrize("network", [FaceNet, EmotionCNN, LinearModel, MLP])
def test_every_network_of_the_package_can_be_saved(tmp_path, network):
    model = network(classes=("yes", "no"), image_size=16)
    back = load_weights(save_weights(model, tmp_path / "any.safetensors"), classes=("yes", "no"))
    assert type(back) is network
    assert back.num_classes == 2


def test_equal_weights_make_equal_files(model, saved, tmp_path):
    facts = {"protocol": "none", "temperature": 1.0}
    again = [save_weights(model, tmp_path / f"{i}.safetensors", facts).read_bytes() for i in range(4)]
    assert set(again) == {saved.read_bytes()}


def test_file_is_in_half_precision(model, saved):
    numbers = sum(p.numel() for p in model.parameters())
    assert saved.stat().st_size < 2.5 * numbers + 6000


def test_missing(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\xff" * len(b)])
def test_damaged(saved, spoil):
    saved.write_bytes(spoil(saved.read_bytes()))
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(saved)


def test_one_flipped_bit_is_found_by_the_checksum(saved):
    content = bytearray(saved.read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    load_weights(saved, sha256=digest)
    content[-5] ^= 1
    saved.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(saved, sha256=digest)


def test_other_classes(saved):
    with pytest.raises(WeightsError, match=r"angry, .*yes, no"):
        load_weights(saved, classes=("yes", "no"))
    with pytest.raises(WeightsError, match=r"angry, .*neutral, "):
        load_weights(saved, classes=EMOTIONS[::-1])


def test_other_architecture(saved):
    change_description(saved, architecture={"kind": "FaceNet", "arguments": {"stem": 8, "widths": [8, 32]}})
    with pytest.raises(CheckpointError, match=r"small\.safetensors.*'stages\.1\."):
        load_weights(saved)


def test_unknown_kind_and_foreign_file(saved):
    change_description(saved, architecture={"kind": "Oracle", "arguments": {}})
    with pytest.raises(WeightsError, match="Oracle"):
        load_weights(saved)
    save_file(load_file(saved), saved, {"format": "something else"})
    with pytest.raises(WeightsError, match=r"small\.safetensors.*save_weights"):
        load_weights(saved)


def test_saving_refuses_what_could_not_be_loaded(model, tmp_path):
    with pytest.raises(TypeError, match="Linear"):
        save_weights(torch.nn.Linear(2, 2), tmp_path / "x.safetensors")
    with torch.no_grad():
        model.classifier.weight[0, 0] = 1e6  # more than half precision can hold
    with pytest.raises(ValueError, match=r"classifier\.weight"):
        save_weights(model, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_disk_full_leaves_the_old_file(model, saved):
    before = saved.read_bytes()
    with full_disk(1000), pytest.raises(OSError, match=r"small\.safetensors"):
        save_weights(model, saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_unknown_name():
    with pytest.raises(ValueError, match="name='imagenet'"):
        load_pretrained("imagenet")


def test_every_shipped_file_is_listed():
    assert {file.stem for file in FOLDER.glob("*.safetensors")} == set(CHECKSUMS)


@pytest.mark.parametrize("name", CHECKSUMS)
def test_shipped_weights(name):
    path = FOLDER / f"{name}.safetensors"
    assert path.stat().st_size <= LIMITS[name]
    model = load_pretrained(name)
    assert model.classes == EMOTIONS
    assert sum(p.numel() for p in model.parameters()) <= 2_000_000
    assert "protocol" in model.facts
    assert model.normalisation_known


def test_the_weights_for_drawn_faces_know_new_drawn_faces():
    faces = sample_faces(280, seed=99, truth=False)
    model = load_pretrained("synthetic")
    accuracy = (model.predict_proba(faces.images).argmax(1) == faces.labels).float().mean()
    assert accuracy > 0.7, "chance is a seventh, the test split gives over 80 %"


@pytest.mark.fer2013
@pytest.mark.parametrize("name", [name for name in CHECKSUMS if name != "synthetic"])
def test_shipped_figures_are_what_the_shipped_weights_reach(name):
    shipped = json.loads((RESULTS / "shipped.json").read_text())
    row = next(r for r in shipped["rows"] if (r["weights"], r["views"]) == (name, "single"))
    test = load("fer2013", "test", verbose=False)
    if len(test) != row["images"]:
        pytest.skip("this copy's test split is not PublicTest")
    logits = compute_logits(load_pretrained(name), test)
    assert (logits.argmax(1) == test.labels).float().mean() == pytest.approx(row["accuracy"], abs=0.002)


def test_a_damaged_shipped_file_is_refused(tmp_path):
    content = bytearray((FOLDER / "synthetic.safetensors").read_bytes())
    copied = tmp_path / "synthetic.safetensors"
    copied.write_bytes(content)
    assert load_pretrained("synthetic", tmp_path).classes == EMOTIONS
    content[-5] ^= 1
    copied.write_bytes(content)
    with pytest.raises(WeightsError, match=r"synthetic\.safetensors is damaged"):
        load_pretrained("synthetic", tmp_path)
