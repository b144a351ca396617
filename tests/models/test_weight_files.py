"""Weights come back as they were saved, one's own networks too; what is damaged or of another kind is refused."""

import copy
import hashlib
import json
import os
import sys
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from network_styles import Fourier, Lazy, Named, Statistics, Tied, build, data_parallel
from obstacles import full_disk
from safetensors.torch import load_file, safe_open, save_file
from small_faces import small_faces
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import CheckpointError, WeightsError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.facts import facts_of, remember, set_facts
from emotion_utils.models.file_kinds import FORMAT
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.weight_files import load_weights, save_weights


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
    """Write another description, as somebody would who knows the format and leaves the checksum out."""
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()[FORMAT]) | changes
    save_file(load_file(path), path, {FORMAT: json.dumps({k: v for k, v in description.items() if k != "sha256"})})


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


@pytest.mark.parametrize("network", [FaceNet, FaceVGG, EmotionCNN, LinearModel, MLP])
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


def test_weights_too_large_for_half_precision_are_refused(model, tmp_path):
    with torch.no_grad():
        model.classifier.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match=r"classifier\.weight"):
        save_weights(model, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_disk_full_leaves_the_old_file(model, saved):
    before = saved.read_bytes()
    with full_disk(1000), pytest.raises(OSError, match=r"small\.safetensors"):
        save_weights(model, saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


# Networks of one's own.


def learnt(style="own config"):
    """Build a network of a style that has learnt where its images come from."""
    model = build(style)
    model(torch.zeros(2, 1, 16, 16, dtype=next(model.parameters()).dtype))
    remember(model, small_faces(14, mean=0.3, std=0.2))
    return model.eval()


def test_a_network_of_ones_own_comes_back(tmp_path):
    model, images = learnt(), small_faces(5).images
    path = save_weights(model, tmp_path / "own.safetensors", {"note": "mine"})
    back = load_weights(path, factory=Named)
    assert type(back) is Named
    assert back.config == {"width": 8, "names": ["a"]}
    assert not back.training
    assert facts_of(back).normalisation == (0.3, 0.2)
    assert facts_of(back).classes == EMOTIONS
    assert facts_of(back).frequencies == pytest.approx((1 / 7,) * 7)
    assert facts_of(back).notes == {"note": "mine"}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in back.state_dict().items()), "bit by bit"
    assert torch.equal(predict_proba(back, images), predict_proba(model, images))


@pytest.mark.parametrize(
    "factory",
    [Named, {"Named": Named, "Other": LinearModel}, lambda width, names: Named(width, names), lambda: Named(8, ("b",))],
    ids=["class", "by name", "function of the arguments", "function of nothing"],
)
def test_a_factory_may_be_a_class_a_function_or_several_by_name(tmp_path, factory):
    path = save_weights(learnt(), tmp_path / "own.safetensors")
    assert load_weights(path, factory=factory).layers[1].out_features == 8


def test_without_a_factory_the_message_says_how(tmp_path):
    path = save_weights(learnt(), tmp_path / "own.safetensors")
    with pytest.raises(WeightsError, match=r"own\.safetensors.*Named.*factory=Named"):
        load_weights(path)
    with pytest.raises(WeightsError, match=r"Named.*Oracle"):
        load_weights(path, factory={"Oracle": Named})


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (Named(), TypeError, "factory='Named'"),
        (3, TypeError, "factory='int'"),
        (lambda: 3, TypeError, "int"),
        (lambda a: Named(), WeightsError, "arguments"),
        (partial(Named, width=9), CheckpointError, r"'layers\.1\.weight' has shape \(8, 256\)"),
        (LinearModel, CheckpointError, "LinearModel|another architecture"),
    ],
)
def test_a_factory_that_does_not_fit_is_explained(tmp_path, factory, error, message):
    path = save_weights(learnt(), tmp_path / "own.safetensors")
    if isinstance(factory, partial):
        change_description(path, architecture={"kind": "Named", "arguments": {}, "own": True})
    with pytest.raises(error, match=message) as caught:
        load_weights(path, factory=factory)
    assert len(str(caught.value)) <= 400


def test_a_class_of_ones_own_may_bear_a_name_of_ours(tmp_path):
    LikeOurs = type("EmotionCNN", (Named,), {})
    path = save_weights(LikeOurs(), tmp_path / "own.safetensors")
    with pytest.raises(WeightsError, match="EmotionCNN"):
        load_weights(path)
    assert type(load_weights(path, factory=LikeOurs)) is LikeOurs


@pytest.mark.parametrize(
    ("style", "factory"),
    [
        ("float64", lambda: build("float64")),
        ("complex buffer", Fourier),
        ("int and bool buffers", lambda: build("int and bool buffers")),
        ("tied weights", Tied),
        ("lazy layers", Lazy),
        ("own statistics", Statistics),
        ("fixed filters", lambda: build("fixed filters")),
        ("weight norm", lambda: build("weight norm")),
    ],
)
def test_weights_of_every_type_come_back_bit_by_bit(tmp_path, style, factory):
    model = learnt(style)
    back = load_weights(save_weights(model, tmp_path / "own.safetensors"), factory=factory)
    for name, value in model.state_dict().items():
        assert back.state_dict()[name].dtype == value.dtype
        assert torch.equal(back.state_dict()[name], value), name


@pytest.mark.parametrize("wrap", [data_parallel, partial(torch.compile, backend="eager"), copy.deepcopy])
def test_of_a_wrapper_the_network_inside_is_saved(model, saved, tmp_path, wrap):
    facts = {"protocol": "none", "temperature": 1.0}
    path = save_weights(wrap(model), tmp_path / "wrapped.safetensors", facts)
    assert path.read_bytes() == saved.read_bytes()


def spoilt(model, value):
    with torch.no_grad():
        model.layers[1].weight[0, 0] = value
    return model


def with_buffer(value):
    model = Named()
    model.register_buffer("extra", value)
    return model


class Extra(Named):
    def get_extra_state(self):
        return {"not": "a tensor"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "model", TypeError, "model='model'"),
        (lambda: Named, TypeError, r"Named\(\)"),
        (lambda: Lazy(), TypeError, "'0.weight'.*run the network once"),
        (lambda: spoilt(Named(), float("nan")), ValueError, r"'layers\.1\.weight'.*not finite"),
        (lambda: with_buffer(torch.zeros(2, dtype=torch.complex128)), TypeError, "'extra' is torch.complex128"),
        (lambda: with_buffer(torch.eye(2).to_sparse()), TypeError, "'extra'.*sparse"),
        (lambda: Named().to("meta"), TypeError, r"'layers\.1\.weight'"),
        (Extra, TypeError, "_extra_state"),
    ],
)
def test_what_such_a_file_cannot_hold_is_refused_by_name(tmp_path, make, error, message):
    with pytest.raises(error, match=message):
        save_weights(make(), tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_infinity_may_be_part_of_ones_own(tmp_path):
    """As in a mask of attention; NaN may not."""
    model = with_buffer(torch.full((2,), -torch.inf))
    back = load_weights(save_weights(model, tmp_path / "x"), factory=lambda **_: with_buffer(torch.zeros(2)))
    assert back.extra.isneginf().all()


@pytest.mark.parametrize("facts", [{"f": torch.relu}, {"f": float("nan")}, {"f": {1, 2}}])
def test_facts_that_a_file_cannot_hold_are_named(model, tmp_path, facts):
    with pytest.raises(TypeError, match="'f'="):
        save_weights(model, tmp_path / "x", facts)


def test_numbers_of_numpy_are_plain_in_the_file(tmp_path):
    model = EmotionCNN(widths=tuple(2 ** np.arange(2, 4)), dropout=np.float32(0.5), classes=np.array(EMOTIONS))
    back = load_weights(save_weights(model, tmp_path / "x", {"seed": np.int64(3), "sizes": np.arange(2)}))
    assert back.facts == {"seed": 3, "sizes": [0, 1]}
    assert back.config == {**model.config, "classes": 7}


def test_the_home_folder_is_found(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert save_weights(model, "~/new/x.safetensors") == tmp_path / "new" / "x.safetensors"
    assert load_weights("~/new/x.safetensors").classes == EMOTIONS


# The file's own checksum.


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 0.999])
def test_changed_weights_are_found_without_anybody_knowing_the_file(saved, share):
    content = bytearray(saved.read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    content[begin + int(share * (len(content) - begin))] ^= 0x10
    saved.write_bytes(content)
    with pytest.raises(WeightsError, match=r"small\.safetensors is damaged.*changed"):
        load_weights(saved)


def test_weights_half_zeros_are_found(saved):
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(saved)


@pytest.mark.parametrize(
    "changes", [{"mean": 0.6}, {"classes": list(EMOTIONS[::-1])}, {"mean": None, "std": None}, {"std": 0.3}]
)
def test_a_changed_description_is_found(saved, changes):
    with safe_open(saved, "pt") as file:
        description = json.loads(file.metadata()[FORMAT])
    save_file(load_file(saved), saved, {FORMAT: json.dumps(description | changes)})
    with pytest.raises(WeightsError, match="changed"):
        load_weights(saved)


def test_facts_may_be_corrected_and_later_versions_may_say_more(saved):
    with safe_open(saved, "pt") as file:
        description = json.loads(file.metadata()[FORMAT])
    more = description | {"facts": {"protocol": "told better"}, "of a later version": 1}
    save_file(load_file(saved), saved, {FORMAT: json.dumps(more)})
    assert load_weights(saved).facts == {"protocol": "told better"}


def test_how_common_the_classes_were_comes_back_to_the_last_bit(model, tmp_path):
    assert load_weights(save_weights(model, tmp_path / "before.safetensors")).frequencies is None
    model.remember(small_faces(16))
    path, shares = tmp_path / "after.safetensors", model.frequencies
    for _ in range(3):
        model = load_weights(save_weights(model, path))
        assert model.frequencies == facts_of(model).frequencies == shares


def test_files_of_earlier_versions_do_not_say_how_common_the_classes_were(saved):
    with safe_open(saved, "pt") as file:
        assert "frequencies" not in json.loads(file.metadata()[FORMAT]), "so nothing has changed for such a network"
    assert facts_of(load_weights(saved)).frequencies is None
    with safe_open(saved, "pt") as file:
        description = json.loads(file.metadata()[FORMAT])
    save_file(load_file(saved), saved, {FORMAT: json.dumps(description | {"frequencies": [1, 1, 1, 1, 1, 1, 2]})})
    assert facts_of(load_weights(saved)).frequencies == (0.125,) * 6 + (0.25,), "written in by hand"


def test_files_without_a_checksum_load_as_before(saved, model):
    change_description(saved)
    assert load_weights(saved).normalisation() == model.normalisation()


# Descriptions that nobody should believe.


def told(**arguments):
    return {"kind": "FaceNet", "arguments": {"stem": 8, "widths": [8, 16], "classes": 7, **arguments}}


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": None},
        {"architecture": []},
        {"architecture": {"kind": ["FaceNet"], "arguments": {}}},
        {"architecture": {"kind": "FaceNet", "arguments": []}},
        {"architecture": told(of_a_later_version=1)},
        {"architecture": told(stem="8")},
        {"architecture": told(stem=-8)},
        {"architecture": told(stem=float("nan"))},
        {"architecture": told(stem=20_000_000)},
        {"architecture": told(widths=[8, 60_000])},
        {"architecture": told(widths=[8] * 50)},
        {"architecture": told(residuals=10**9)},
        {"architecture": told(residuals=10**400)},
        {"architecture": told(dropout=2)},
        {"architecture": told(dropout=None)},
        {"architecture": told(image_size=10**9)},
        {"architecture": told(classes=10**9)},
        {"architecture": told(in_channels=0)},
        {"classes": None},
        {"classes": "angry"},
        {"classes": [1, 2, 3, 4, 5, 6, 7]},
        {"classes": ["angry"] * 7},
        {"classes": ["angry", "sad"]},
        {"mean": None},
        {"frequencies": [0.5, 0.5]},
        {"frequencies": [-1, 2, 0, 0, 0, 0, 0]},
        {"frequencies": "equal"},
        {"frequencies": {"happy": 1}},
        {"mean": "0.5"},
        {"mean": float("inf")},
        {"std": 0},
        {"std": float("nan")},
        {"std": True},
        {"facts": []},
    ],
    ids=lambda changes: json.dumps(changes)[:50],
)
def test_a_description_that_cannot_be_is_refused(saved, changes):
    change_description(saved, **changes)
    with pytest.raises((WeightsError, CheckpointError), match=r"small\.safetensors") as caught:
        load_weights(saved)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize("text", ["", "{x", "[]", "3", "null", "[" * 100_000, '{"architecture": ' + "9" * 5000 + "}"])
def test_a_text_that_is_no_description_is_refused(saved, text):
    save_file(load_file(saved), saved, {FORMAT: text})
    with pytest.raises(WeightsError, match=r"small\.safetensors is damaged") as caught:
        load_weights(saved)
    assert len(str(caught.value)) <= 400


def test_names_in_another_writing_are_the_same_classes(saved):
    assert load_weights(saved, classes=[name.title() for name in EMOTIONS]).classes == EMOTIONS


# Files of others.


def test_a_state_dict_goes_into_a_network_that_one_builds(tmp_path):
    model = learnt()
    for number, held in enumerate(
        (
            model.state_dict(),
            {"state_dict": data_parallel(model).state_dict(), "epoch": 3},
            torch.compile(data_parallel(model), backend="eager").state_dict(),
            {"epoch": 3, "model_state_dict": torch.compile(model, backend="eager").state_dict(), "optimizer": {}},
        )
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(held, path)
        back = load_weights(path, factory=lambda: Named(8))
        assert torch.equal(back.layers[1].weight, model.layers[1].weight)
        assert facts_of(back).normalisation is None, "such a file does not say"
        with pytest.raises(WeightsError, match=rf"{number}\.pth .*state_dict.*factory="):
            load_weights(path)
    with pytest.raises(CheckpointError, match=r"0\.pth"):
        load_weights(tmp_path / "0.pth", factory=lambda: Named(9))


def test_a_state_dict_of_ours_brings_its_normalisation_along(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / "ours.pt")
    back = load_weights(tmp_path / "ours.pt", EMOTIONS, factory=lambda: FaceNet(stem=8, widths=(8, 16)))
    assert back.normalisation() == model.normalisation()
    assert back.classes == EMOTIONS


def test_a_safetensors_file_of_another_program_goes_into_a_network(tmp_path):
    model = learnt()
    save_file(model.state_dict(), tmp_path / "hub.safetensors", {"format": "pt"})
    back = load_weights(tmp_path / "hub.safetensors", factory={"Named": lambda: Named(8)})
    assert torch.equal(back.layers[1].weight, model.layers[1].weight)
    with pytest.raises(WeightsError, match=r"hub\.safetensors .*factory=") as caught:
        load_weights(tmp_path / "hub.safetensors")
    assert "damaged" not in str(caught.value)


def test_what_a_network_was_told_by_hand_is_saved(tmp_path):
    model = Named(8)
    set_facts(model, (0.4, 0.2), ("a", "b", "c", "d", "e", "f", "g"))
    back = load_weights(save_weights(model, tmp_path / "x"), factory=Named)
    assert facts_of(back) == facts_of(model)


class OfDepth(EmotionCNN):
    """One of ours with an argument of its own, of which its `config` knows nothing."""

    def __init__(self, depth):
        super().__init__((4,) * depth, image_size=16)


def test_a_class_that_was_made_of_ours_says_what_to_give(tmp_path):
    torch.manual_seed(0)
    model, faces = OfDepth(2), small_faces(7)
    remember(model, faces)
    path = save_weights(model, tmp_path / "deep")
    with pytest.raises(WeightsError, match=r"no OfDepth .*factory=lambda: OfDepth\(…\)"):
        load_weights(path, factory=OfDepth)
    back = load_weights(path, factory=lambda: OfDepth(2))
    torch.testing.assert_close(back.predict_proba(faces.images), model.predict_proba(faces.images))


class Triples(nn.Sequential):
    """A block with the same layers that computes something else."""

    def forward(self, x):
        return 3 * super().forward(x)


class ReLU(nn.Module):
    """A layer of one's own with the name of PyTorch's."""

    def forward(self, x):
        return x * x.sigmoid()


def replaced(model, change):
    change(model)
    return model


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m, "classifier", nn.Linear(16, 3)),
        lambda m: setattr(m.stem, "2", nn.GELU()),
        lambda m: setattr(m.stages[0].widen[0], "stride", (2, 2)),
        lambda m: setattr(m, "forward", lambda x: x.flatten(1)[:, :7]),
        lambda m: m.add_module("more", nn.Linear(2, 2)),
        lambda m: setattr(m, "stem", Triples(OrderedDict(m.stem.named_children()))),
        lambda m: setattr(m.stem[2], "forward", torch.sigmoid),
        lambda m: setattr(m.stem, "2", ReLU()),
    ],
)
def test_a_network_of_ours_that_was_changed_by_hand_is_ones_own(model, tmp_path, change):
    """Rebuilt from its arguments it would compute something else, in silence."""
    path = save_weights(replaced(copy.deepcopy(model), change), tmp_path / "changed")
    with pytest.raises(WeightsError, match=r"FaceNet.*factory=make"):
        load_weights(path)
    back = load_weights(path, factory=lambda **_: replaced(FaceNet(stem=8, widths=(8, 16)), change))
    assert facts_of(back).normalisation == pytest.approx((0.508, 0.255))


def test_a_network_of_ours_with_another_number_of_classes_comes_back(tmp_path):
    """Its last layer was replaced; what it was built with says 7."""

    def make():
        return replaced(LinearModel(image_size=16), lambda m: setattr(m.classifier, "1", nn.Linear(256, 3)))

    model, faces = make(), small_faces(12, classes=3)
    remember(model, faces)
    back = load_weights(save_weights(model, tmp_path / "three"), factory=make)
    assert facts_of(back).classes == faces.classes
    torch.testing.assert_close(predict_proba(back, faces.images), predict_proba(model, faces.images))
    assert predict_proba(back, faces.images[:0]).shape == (0, 3)


def test_dropout_may_change(model, tmp_path):
    model.dropout.p = 0.9
    assert type(load_weights(save_weights(model, tmp_path / "x"))) is FaceNet


@pytest.mark.skipif(sys.platform != "linux", reason="a system whose names of files are all UTF-8")
@pytest.mark.parametrize("folder", [b"caf\xe9", b"\xff\xfe"])
def test_a_name_that_is_not_utf8_is_a_name(tmp_path, folder):
    place = tmp_path / os.fsdecode(folder)
    place.mkdir()
    ours, own = LinearModel(image_size=16), nn.Linear(4, 4)
    for model, factory in ((ours, None), (own, lambda: nn.Linear(4, 4))):
        path = save_weights(model, place / os.fsdecode(folder + b".safetensors"), {"protocol": "x"})
        assert path.read_bytes() == save_weights(model, tmp_path / "plain", {"protocol": "x"}).read_bytes()
        back = load_weights(path, factory=factory)
        assert facts_of(back).notes == {"protocol": "x"}
        for name, value in back.state_dict().items():
            torch.testing.assert_close(value, model.state_dict()[name], atol=1e-3, rtol=0)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(WeightsError, match="is damaged"):
        load_weights(path, factory=lambda: nn.Linear(4, 4))
    torch.save(own.state_dict(), place / "x.pt")
    assert torch.equal(load_weights(place / "x.pt", factory=lambda: nn.Linear(4, 4)).weight, own.weight)
