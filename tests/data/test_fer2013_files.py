"""Where FER2013 is looked for, and what its forms give."""

import os

import pytest
import torch
from fer2013_tables import make_rows, pack, table, write_table

from emotion_utils.data.fer2013_files import fer2013_is_there, find_source
from emotion_utils.data.loading import load, load_splits
from emotion_utils.emotions import EMOTIONS

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.mark.parametrize("form", ["bare", "zip", "tar.gz", "archive in archive"])
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("fer2013.csv", ("emotion", "pixels", "Usage")),
        ("icml_face_data.csv", ("emotion", " Usage", " pixels")),
        ("train.csv", ("emotion", "pixels")),
    ],
)
def test_every_form_of_the_table(tmp_path, form, name, columns):
    images, labels, usage = make_rows()
    if name == "train.csv":
        images, labels, usage = images[:140], labels[:140], usage[:140]
    pack(form, tmp_path / "data", name, table(images, labels, usage, columns))
    training, validation, test = load_splits("fer2013", data_dir=tmp_path / "data", verbose=False)
    if name == "train.csv":
        assert (len(training), len(validation), len(test)) == (112, 14, 14)
        assert any("no Usage column" in note for note in training.notes)
        rows = [int(row[3:]) for split in (training, validation, test) for row in split.names]
        assert sorted(rows) == list(range(140))
    else:
        assert (len(training), len(validation), len(test)) == (140, 21, 14)
        assert torch.equal(test.images[:, 0], torch.from_numpy(images[161:]))
        assert validation.names[0] == "fer0000140"
    assert training.labels.dtype == torch.int64
    for split in (training, validation, test):
        row = int(split.names[-1][3:])
        assert torch.equal(split.images[-1, 0], torch.from_numpy(images[row]))
        assert split.labels[-1] == labels[row]
        assert (split.name, split.classes, split.mean) == ("fer2013", EMOTIONS, training.mean)


def test_it_is_looked_for_in_the_data_folder_and_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "data"))
    assert not fer2013_is_there()
    inner = write_table(tmp_path / "user" / "emotion_utils" / "fer2013")
    assert fer2013_is_there()
    assert find_source() == inner
    outer = write_table(tmp_path / "data")
    assert find_source() == outer  # the data folder comes first
    assert find_source(tmp_path / "user" / "emotion_utils") == inner
    assert find_source(inner) == inner  # the file itself will do


def test_the_whole_benchmark_goes_before_its_training_part(tmp_path):
    for name in ("train.csv", "icml_face_data.csv.zip", "fer2013.tar.gz", "fer2013.csv"):
        (tmp_path / name).write_text("")
        assert find_source(tmp_path).name == name
    (tmp_path / "fer2013.csv").unlink()
    (tmp_path / "fer2013.csv").mkdir()  # as some programs unpack it
    (tmp_path / "fer2013.csv" / "fer2013.csv").write_text("")
    assert find_source(tmp_path).parent.name == "fer2013.csv"


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}.*fetch fer2013.*fer2013\.csv.*EMOTION_DATA_DIR"):
        load("fer2013", data_dir=tmp_path)


def test_a_folder_with_the_name_of_the_table(tmp_path):
    (tmp_path / "fer2013.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=rf"{tmp_path}/fer2013\.csv"):
        load("fer2013", data_dir=tmp_path)


def test_the_environment_may_name_the_table_itself(tmp_path, monkeypatch):
    path = write_table(tmp_path / "data")
    write_table(tmp_path / "data" / "fer2013", (("Training", 20),))
    for named in (path, pack("gz", tmp_path, "mine.csv", path.read_text())):
        monkeypatch.setenv("EMOTION_DATA_DIR", str(named))
        assert find_source() == named
        assert len(load("fer2013", verbose=False)) == 140
        assert fer2013_is_there()


@pytest.mark.parametrize(
    "name",
    ["FER2013.CSV", "fer2013 (1).csv", "fer2013(2).csv.zip", "archive (1).zip", "Icml_Face_Data.csv.gz", "train.txz"],
)
def test_names_as_browsers_and_people_write_them(tmp_path, name):
    assert not fer2013_is_there()
    (tmp_path / name).write_text("")
    assert find_source(tmp_path).name == name


@pytest.mark.parametrize(
    "name", ["fer2013.txt", "test.csv", "fer2013.csv.part", "fer2013new.csv", "training.csv", "fer2013"]
)
def test_names_of_other_files_and_folders(tmp_path, name):
    (tmp_path / name).mkdir() if name == "fer2013" else (tmp_path / name).write_text("")
    with pytest.raises(FileNotFoundError):
        find_source(tmp_path)


@pytest.mark.parametrize("where", [5, ["a"], b"x"])
def test_what_is_no_folder_is_named(where):
    with pytest.raises(TypeError, match="data_dir="):
        load("fer2013", data_dir=where, verbose=False)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fer2013.csv")
    with pytest.raises(FileNotFoundError, match="FER2013"):
        load("fer2013", data_dir=tmp_path, verbose=False)


def test_a_long_path_makes_a_short_message(tmp_path):
    folder = tmp_path / ("x" * 200) / ("y" * 200)
    with pytest.raises(FileNotFoundError, match="yyy") as caught:
        load("fer2013", data_dir=folder, verbose=False)
    assert len(str(caught.value)) <= 400
    path = write_table(folder, (("Training", 1),))
    with pytest.raises(ValueError, match=r"yyy/fer2013\.csv") as caught:
        load("fer2013", data_dir=folder, verbose=False)
    assert len(str(caught.value)) <= 400
    path.write_text("")
    with pytest.raises(ValueError, match=r"yyy/fer2013\.csv") as caught:
        load("fer2013", data_dir=folder, verbose=False)
    assert len(str(caught.value)) <= 400
