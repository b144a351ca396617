"""The one door: names and splits, where the data comes from, what is printed."""

import os

import pytest
import torch
from fer2013_tables import ROWS, write_table

from emotion_utils.data.loading import load, load_splits
from emotion_utils.files import data_dir

# The drawn faces come from the data folder, as for a user: the first run draws 2,000, later ones read them.


def test_drawn_faces_are_the_default(capsys):
    faces = load(split="test", verbose=False)
    assert (faces.name, faces.split, len(faces)) == ("synthetic", "test", 2000)
    assert torch.equal(load("synthetic", "test", seed=3).labels, faces.labels)  # the seed chooses none of them
    assert capsys.readouterr().out == ""
    some = load("synthetic", "test", limit=35, verbose=False)
    assert (some.class_counts() - faces.class_counts() * 35 / 2000).abs().max() < 1
    assert torch.equal(some.images, faces.limited(35).images)
    assert not torch.equal(load("synthetic", "test", limit=35, seed=1, verbose=False).images, some.images)


def test_data_dir_names_the_folder_of_the_drawn_faces(monkeypatch, tmp_path):
    load("synthetic", "test", verbose=False)
    cache = data_dir()
    if not list(cache.glob("synthetic-*")):
        pytest.skip("the data folder takes no files, so the faces lie in the user's cache")
    for variable in ("EMOTION_DATA_DIR", "XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert len(load("synthetic", "test", data_dir=str(cache), verbose=False)) == 2000
    assert os.listdir(tmp_path) == []  # else they would have been drawn anew, and kept there


@pytest.mark.usefixtures("own_places")
def test_the_environment_chooses_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA", "fer2013")
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "faces"))
    with pytest.raises(FileNotFoundError, match="faces"):
        load()
    assert not os.listdir(tmp_path)  # the folder of the data need not exist, and nobody makes it
    write_table(tmp_path / "faces")
    faces = load(verbose=False)
    assert (faces.name, faces.split, len(faces)) == ("fer2013", "training", 140)


def test_a_name_counts_more_than_the_environment(monkeypatch):
    monkeypatch.setenv("EMOTION_DATA", "fer2013")
    assert load("synthetic", "test", verbose=False).name == "synthetic"


@pytest.mark.usefixtures("own_places")
def test_notes_are_printed_once_unless_nobody_wants_them(tmp_path, capsys):
    write_table(tmp_path, ROWS[:1])
    splits = load_splits("fer2013", data_dir=tmp_path)
    assert [split.split for split in splits] == ["training", "validation", "test"]
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"fer2013: {note}." for note in splits[0].notes]
    assert len(printed) == 2  # how many images there are, and what was carved
    load_splits("fer2013", data_dir=tmp_path, verbose=False)
    load("fer2013", data_dir=tmp_path, verbose=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("own_places")
def test_limit_counts_for_each_split(tmp_path):
    write_table(tmp_path)
    whole = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    some = load_splits("fer2013", data_dir=tmp_path, limit=14, seed=2, verbose=False)
    for few, all_ in zip(some, whole, strict=True):
        assert few.class_counts().tolist() == [2] * 7
        assert torch.equal(few.images, all_.limited(14, seed=2).images)
        assert (few.mean, few.std) == (whole[0].mean, whole[0].std)
        alone = load("fer2013", few.split, data_dir=tmp_path, limit=14, seed=2, verbose=False)
        assert torch.equal(alone.images, few.images)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": "imagenet"}, "name='imagenet': .*synthetic, fer2013"),
        ({"split": "train"}, "split='train': .*training, validation, test"),
        ({"limit": 0}, "limit=0"),
        ({"limit": 1.5}, "limit=1.5"),
        ({"limit": "10"}, "limit='10'"),
        ({"limit": float("nan")}, "limit=nan"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"seed": "a"}, "seed='a'"),
        ({"name": ["synthetic"]}, r"name=\['synthetic'\]"),
        ({"name": "x" * 1000}, "name='xxx"),
        ({"split": None}, "split=None"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_drawn(arguments, named, monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=named) as caught:
        load(**arguments, verbose=False)
    assert len(str(caught.value)) <= 400
    assert os.listdir(tmp_path) == []
    with pytest.raises(TypeError, match="data_dir=5"):
        load(data_dir=5, verbose=False)
