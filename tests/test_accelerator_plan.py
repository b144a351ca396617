"""The plan for a GPU, rehearsed: tiny networks, made faces, a clock that can be set."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.accelerator.bench import RECIPE, SHARES, Bench, Settings, Trial
from benchmarks.accelerator.faces import Faces, read_faces
from benchmarks.accelerator.group import Group
from benchmarks.accelerator.judging import choose_shape, choose_student, framing_pays, judge, over_views
from benchmarks.accelerator.ledger import Ledger
from benchmarks.accelerator.networks import MOST_PARAMETERS, SHAPES, Shape, StemNet
from benchmarks.accelerator.speed import speeds
from benchmarks.accelerator.stages import run
from benchmarks.accelerator.training import Trainer
from PIL import Image
from safetensors.torch import load_file
from small_faces import small_faces
from small_fer2013 import write_small_fer2013

from emotion_utils.data import Augment, load
from emotion_utils.models import FaceNet
from emotion_utils.training import TrainConfig, train
from emotion_utils.training.distillation import view_probabilities

SETTINGS = Settings(minutes=5, epochs=1, batch=16, shrink=32, views=2, folds=2, seeds=(0, 1), device="cpu")
TINY = Shape(stem=((4, 3, 2),), widths=(8,), blocks=(1,), dropout=0.0)
STAGES = ("shapes", "teachers", "students", "final")


class Clock:
    """A clock on which each look takes `step` seconds; it may stop the program, or jump, at a given look."""

    def __init__(self, step: float = 1.0, stop_at: int | None = None, jump_at: int | None = None) -> None:
        self.step, self.stop_at, self.jump_at = step, stop_at, jump_at
        self.looks, self.now = 0, 0.0

    def __call__(self) -> float:
        self.looks += 1
        if self.looks == self.stop_at:
            raise KeyboardInterrupt
        self.now += 36_000 if self.looks == self.jump_at else self.step
        return self.now


class Listening(Bench):
    """Remembers what was trained."""

    def train(self, stage: str, trials: list[Trial], *rest, **more) -> bool:
        self.__dict__.setdefault("heard", {})[stage] = trials
        return super().train(stage, trials, *rest, **more)


def write_mosaic(folder, columns=10):
    """Write 100 faces as one picture; every tenth is a copy of the one before it, with its label."""
    faces = small_faces(100, size=48)
    images, labels = faces.images.clone(), faces.labels.clone()
    images[9::10], labels[9::10] = images[8::10], labels[8::10]
    rows = images.view(-1, columns, 48, 48).transpose(1, 2).reshape(-1, columns * 48)
    folder.mkdir(exist_ok=True)
    Image.fromarray(rows.numpy()).save(folder / "training.webp", lossless=True)
    labels.numpy().astype(np.uint8).tofile(folder / "training-labels.u8")
    return images, labels


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Faces:
    folder = tmp_path_factory.mktemp("mosaic")
    write_mosaic(folder)
    return read_faces(folder)


def bench(faces, folder, clock=None, settings=SETTINGS, kind=Bench):
    return kind(faces, Ledger(folder, settings.deciding()), settings, clock or Clock(0.01))


@pytest.fixture(scope="module")
def finished(faces, tmp_path_factory):
    """A plan that ran through, the folder of its results, and how often it looked at the clock."""
    folder, clock = tmp_path_factory.mktemp("plan"), Clock(0.01)
    done = bench(faces, folder, clock, kind=Listening)
    assert run(done) is None
    return done, folder, clock.looks


def results(folder):
    """What was found, without speeds and the log."""
    found = json.loads((folder / "results.json").read_text())
    for stage in STAGES:
        for row in found.get(stage, {"rows": []})["rows"]:
            del row["images_per_second"]
    return found | {"log": None}


def contents(images):
    return {image.tobytes() for image in images.cpu().numpy()}


@pytest.mark.slow
def test_each_stage_leaves_its_results(finished):
    done, folder, _ = finished
    found = json.loads((folder / "results.json").read_text())
    assert [row["name"] for row in found["shapes"]["rows"]] == [*SHAPES]
    assert [len(found[stage]["rows"]) for stage in STAGES[1:]] == [2, 3, 2]
    assert all(row["images_per_second"] > 0 and row["epochs"] == 1 for stage in STAGES for row in found[stage]["rows"])
    assert found["shape"] in SHAPES
    with np.load(folder / "teachers.npz") as file:
        assert file["probabilities"].dtype == np.float16
        assert np.allclose(file["probabilities"].astype(float).sum(1), 1, atol=0.01)
        assert (file["fold"][done.faces.held_out] == -1).all()
        assert np.allclose(file["probabilities"][done.faces.held_out], file["held_out"].mean(0), atol=0.01)
    names = {"shape", "student", "final-0", "final-1"}
    assert {path.stem for path in folder.glob("*.safetensors")} == names
    assert len(list(folder.iterdir())) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "winner"), [("shapes", "shape"), ("students", "student")])
def test_weights_are_those_of_the_winner(finished, stage, winner):
    done, folder, _ = finished
    row = done.ledger.row(stage, done.ledger.found[winner])
    network = StemNet(**row["network"])
    network.load_state_dict(load_file(folder / f"{winner}.safetensors"))
    assert judge(network.eval(), done.held_out, done.held_out_labels)["predicted"] == row["predicted"]


@pytest.mark.slow
def test_a_second_call_repeats_nothing(finished, faces):
    _, folder, _ = finished
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "results.json"}
    found, clock = results(folder), Clock()
    assert run(bench(faces, folder, clock)) is None
    assert results(folder) == found
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "results.json"} == before
    assert clock.looks < 10


@pytest.mark.slow
def test_other_settings_want_another_folder(finished):
    with pytest.raises(ValueError, match="'views': 2"):
        Ledger(finished[1], replace(SETTINGS, views=3).deciding())


@pytest.mark.slow
def test_what_was_killed_goes_on_with_the_same_results(finished, faces, tmp_path):
    _, folder, looks = finished
    with pytest.raises(KeyboardInterrupt):
        run(bench(faces, tmp_path, Clock(0.01, stop_at=int(0.6 * looks))))
    kept, clock = results(tmp_path), Clock(0.01)
    assert len(kept["shapes"]["rows"]) == len(SHAPES)
    assert "final" not in kept
    assert run(bench(faces, tmp_path, clock)) is None
    assert clock.looks < looks / 2, "what was there was trained again"
    assert results(tmp_path) == results(folder)


def test_a_call_ends_when_its_time_is_over(finished, faces, tmp_path):
    """The network that is in training then is dropped; another call trains it."""
    _, folder, _ = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    found = json.loads((tmp_path / "results.json").read_text())
    del found["final"]
    (tmp_path / "results.json").write_text(json.dumps(found))
    clock = Clock(0.01, jump_at=12)  # the run of the first network has begun
    assert run(bench(faces, tmp_path, clock)) == "final"
    assert clock.now > 36_000
    assert not results(tmp_path)["final"]["rows"]
    assert run(bench(faces, tmp_path)) is None
    assert results(tmp_path) == results(folder)


def test_held_out_images_are_never_learnt(finished, faces):
    """By content: neither the images themselves nor others that look the same."""
    done, folder, _ = finished
    held_out = contents(faces.images[faces.held_out])
    assert len(held_out) > 3
    for stage in STAGES[:3]:
        for trial in done.heard[stage]:
            assert not held_out & contents(faces.images[trial.rows])
    with np.load(folder / "teachers.npz") as file:
        folds = torch.from_numpy(file["fold"])
    for trial in done.heard["teachers"]:
        judged = contents(faces.images[folds == int(trial.name)])
        assert judged
        assert not judged & contents(faces.images[trial.rows])
    assert all(len(trial.rows) == len(faces.images) for trial in done.heard["final"])


def test_epochs_fit_into_the_share(faces, tmp_path):
    settings = replace(SETTINGS, minutes=6, epochs=None)
    work = bench(faces, tmp_path, Clock(1), settings)
    trial = replace(work.trial("one", TINY), shape=TINY)
    assert work.train("shapes", [trial], lambda trial, network: {})
    # A step and the images of an epoch take a look at the clock each, so an epoch is expected to cost this:
    cost = len(faces.training) // settings.batch + 1
    fitting = 0.9 * SHARES["shapes"] * 350 / cost  # some ten seconds of six minutes go by before
    assert abs(work.ledger.row("shapes", "one")["epochs"] - fitting) < 1


@pytest.mark.parametrize("minutes", [1, 10])
def test_a_stage_without_time_for_it_is_not_begun(faces, tmp_path, minutes):
    clock = Clock(20)
    assert run(bench(faces, tmp_path, clock, replace(SETTINGS, minutes=minutes, epochs=6))) == "shapes"
    assert not results(tmp_path)["shapes"]["rows"]


def test_a_call_leaves_to_later_calls_what_is_theirs(faces, tmp_path):
    """The last stage gets its full share of all calls: none of it in this one, if it does not fit."""
    settings = replace(SETTINGS, minutes=0.5, later=60, epochs=6)
    work = bench(faces, tmp_path, Clock(1), settings)
    trial = replace(work.trial("one", TINY), shape=TINY)
    assert not work.train("final", [trial], lambda trial, network: {})
    later = bench(faces, tmp_path, Clock(1), replace(settings, minutes=10, later=0))
    assert later.train("final", [trial], lambda trial, network: {})
    assert later.ledger.row("final", "one")["epochs"] == 6


def test_the_fast_loop_learns_what_the_packages_loop_learns():
    """Order, augmentation, schedule, momentum, weight decay and averages: the same weights but for rounding."""
    data = small_faces(48, size=48)
    config = TrainConfig(
        epochs=3, batch_size=16, learning_rate=0.1, weight_decay=0.01, warmup=0.3, label_smoothing=0.1, average=0.9,
        seed=5, augment=Augment(erase=0.5), device="cpu", progress=False,
    )  # fmt: skip
    package = FaceNet(stem=4, widths=(8, 8), residuals=1)
    ours = StemNet(stem=((4, 6, 2),), widths=(8, 8), blocks=(1, 1), dropout=0.0)
    values = dict(zip(ours.state_dict(), package.state_dict().values(), strict=True))
    ours.load_state_dict(values)
    ours.set_normalisation(data.mean, data.std)
    train(package, data, None, config)

    smoothed = torch.nn.functional.one_hot(data.labels, 7) * 0.9 + 0.1 / 7
    group = Group([Trainer(ours, data.images, smoothed, config)], Clock())
    group.prepare()
    assert group.run(3, deadline=1e9)
    learnt = group.trainers[0].averaged().state_dict()
    for (name, value), expected in zip(learnt.items(), package.state_dict().values(), strict=True):
        if "num_batches" not in name:
            assert torch.allclose(value, expected, rtol=1e-3, atol=1e-4), name


def test_what_trains_beside_a_network_changes_nothing():
    data = small_faces(40, size=48)
    targets = torch.nn.functional.one_hot(data.labels, 7).float()

    def trainers(seeds):
        config = replace(RECIPE, batch_size=16, epochs=2)
        shape = replace(TINY, dropout=0.5)
        return [Trainer(shape.build(s, 0.5, 0.25), data.images, targets, replace(config, seed=s)) for s in seeds]

    together, alone = Group(trainers([1, 2]), Clock()), Group(trainers([2]), Clock())
    for group in (together, alone):
        group.prepare()
        group.run(2, deadline=1e9)
    one, two, same = (t.averaged().state_dict() for t in (*together.trainers, *alone.trainers))
    assert all(torch.equal(two[name], same[name]) for name in two)
    assert not torch.equal(one["classifier.weight"], two["classifier.weight"])


def test_all_ways_of_taking_steps_are_measured_and_lead_to_the_same_weights(faces, tmp_path, capsys):
    found = speeds(bench(faces, tmp_path, Clock(1)))
    assert set(found["images_per_second"]) == {"step by step", "graph", "graph, tuned", "2 at once", "4 at once"}
    assert min(found["images_per_second"].values()) > 0
    assert found["at_once"] == 4, "on this clock, networks that train at once cost no more than one"
    assert capsys.readouterr().out.count("like step by step: 1.000") == 4


def test_views_are_those_of_the_package():
    data = small_faces(20, size=48)
    network = TINY.build(0, data.mean, data.std).eval()
    expected = view_probabilities(network, data, RECIPE.augment, views=3)
    torch.testing.assert_close(over_views(network, data.images, RECIPE.augment, 3), expected)


def test_both_sources_give_the_same_faces_and_hold_out_the_loaders_validation_images(tmp_path):
    folder = write_small_fer2013(tmp_path)
    read = read_faces(folder)
    validation = load("fer2013", "validation", data_dir=folder, verbose=False)
    assert torch.equal(read.images[read.held_out], validation.images)
    assert torch.equal(read.labels[read.held_out], validation.labels)
    images, labels = write_mosaic(tmp_path / "mosaic")
    mosaic = read_faces(tmp_path / "mosaic")
    assert torch.equal(mosaic.images, images)
    assert torch.equal(mosaic.labels, labels)


def test_shapes_are_small_enough():
    for name, shape in SHAPES.items():
        assert shape.cost()["parameters"] <= MOST_PARAMETERS, name


def test_rules():
    labels = [0] * 100

    def row(right, adds=0, name="", zoomed=0.5):
        predicted = "0" * right + "1" * (100 - right)
        found = {"name": name, "mirror": right / 100, "single": right / 100, "predicted": predicted}
        return found | {"multiply_adds": adds, "zoomed": {"0.75": zoomed}}

    assert choose_shape([row(60, 1, "far"), row(80, 9, "best")], labels)["name"] == "best"
    # The two networks disagree on one image, so the standard error of their difference is 0.01.
    assert choose_shape([row(79, 1, "one less"), row(80, 9, "best")], labels)["name"] == "best"
    assert choose_shape([row(80, 1, "equal"), row(80, 9, "best")], labels)["name"] == "equal"
    assert framing_pays(row(80, zoomed=0.6), row(80), labels)
    assert not framing_pays(row(80, zoomed=0.4), row(80), labels)
    assert not framing_pays(row(60, zoomed=0.6), row(80), labels)
    assert choose_student([row(60, name="a"), row(70, name="b")])["name"] == "b"
