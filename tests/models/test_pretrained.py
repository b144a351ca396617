"""The weights that ship: small, complete, as accurate as the model card says, and refused when damaged."""

import json

import pytest
from places import RESULTS

from emotion_utils.data.drawn import sample_faces
from emotion_utils.data.loading import load
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import WeightsError
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER, load_pretrained

LIMITS = {"synthetic": 1_000_000, "fer2013": 4_000_000, "ferplus": 4_000_000}  # bytes


@pytest.mark.parametrize("name", ["imagenet", "", None, 3, ["fer2013"], "x" * 10_000, "fer2013 ", "FERPLUS"])
def test_unknown_name(name):
    with pytest.raises(ValueError, match=r"name=.*choose one of synthetic, fer2013, ferplus") as caught:
        load_pretrained(name)
    assert len(str(caught.value)) <= 400
    near = {"fer2013 ": "fer2013", "FERPLUS": "ferplus"}.get(name if isinstance(name, str) else "")
    assert (f"mean '{near}'" in str(caught.value)) == (near is not None)


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
    assert (model.frequencies is None) == (name == "ferplus"), "which learnt votes and not labels"


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
    with pytest.raises(WeightsError, match=r"synthetic\.safetensors is damaged.*git pull"):
        load_pretrained("synthetic", tmp_path)
