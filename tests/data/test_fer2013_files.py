"""FER2013 in every form in which people have it, and what happens when a file is bad."""

import os
import tarfile
import zipfile

import pytest
import torch
from fer2013_tables import make_rows, pack, table, write_export, write_table

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


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_kaggle_folders_are_told_apart_by_file_name(tmp_path, form):
    images, labels, _ = make_rows()
    source = tmp_path / "files"
    write_export(source)
    (source / "train" / "happy" / "Training_999.jpg").write_bytes(b"not an image")
    (source / "train" / "contempt").mkdir()
    (source / "train" / "contempt" / "Training_998.jpg").write_bytes(b"of no class")
    data = source
    if form == "zip":
        data = tmp_path / "data"
        data.mkdir()
        with zipfile.ZipFile(data / "archive.zip", "w") as archive:
            for file in source.rglob("*.jpg"):
                archive.write(file, file.relative_to(source))
    training, validation, test = load_splits("fer2013", data_dir=data, verbose=False)
    assert (len(training), len(validation), len(test)) == (140, 21, 14)
    assert all(name.startswith("PrivateTest_") for name in test.names)
    skipped = next(note for note in training.notes if "skipped" in note)
    assert "train/happy/Training_999.jpg" in skipped
    assert "998" not in skipped
    number = int(test.names[3].removesuffix(".jpg").split("_")[1])
    assert (test.images[3, 0].int() - torch.from_numpy(images[number]).int()).abs().max() < 12  # JPEG
    assert test.labels[3] == labels[number]


def test_a_renamed_export_counts_as_public_test_and_says_so(tmp_path):
    write_export(tmp_path, "im{number}.png", fear="Fearful")
    training, _, test = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    assert len(test) == 35
    assert test.class_counts().tolist() == [5] * 7
    assert any("35 test images" in note and "PublicTest" in note for note in training.notes)


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


PIXELS = " ".join(["7"] * 2304)
DIGITS = ",".join(f"pixel{i}" for i in range(784))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", r"columns \[\]"),
        ("label,image\n0,1 2 3\n", r"columns \['label', 'image'\]"),
        (f"label,{DIGITS}\n", r"columns \['label', 'pixel0'"),
        ("emotion,Usage\n0,Training\n", r"columns \['emotion', 'usage'\]"),
        ("emotion,pixels,Usage\n", "no rows"),
        (f"emotion,pixels\n0,{PIXELS}\n1,{PIXELS[:-2]}\n", r"row 2 \(line 3\).* 2,303 .*2,304"),
        (f"emotion,pixels\n0,{PIXELS} 7\n", "row 1 .*2,305"),
        (f"emotion,pixels\n0,{PIXELS[:-2]} 256\n", "row 1 .* 256"),
        (f"emotion,pixels\n0,{PIXELS[:-2]} -1\n", "row 1 .* -1"),
        (f"emotion,pixels\n0,{PIXELS[:-2]} x\n", "row 1 .*not a number"),
        (f"emotion,pixels\n0,{PIXELS[:-2]} 1.5\n", "row 1 .*not a number"),
        (f"emotion,pixels\n7,{PIXELS}\n", r"row 1 .*emotion.*'7'"),
        (f"emotion,pixels\n3.0,{PIXELS}\n", "row 1 .*emotion.*'3.0'"),
        (f"emotion,pixels,Usage\n{PIXELS},{PIXELS},Training\n", r"row 1 .*emotion.*'7 7 7 .*\.\.\."),
        (f"emotion,pixels,Usage\n3,{PIXELS},Test\n", "row 1 .*usage.*'Test'.*PublicTest"),
        (f"emotion,pixels,Usage\n3,{PIXELS},Training\n4,{PIXELS[:1000]}", "row 2 .*2 fields .*3 columns"),
    ],
)
def test_a_bad_table_gives_one_clear_error_and_no_cache(tmp_path, text, named):
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"fer2013\.csv.* {named}") as caught:
        load("fer2013", data_dir=tmp_path, verbose=False)
    assert len(str(caught.value)) - len(str(tmp_path)) <= 400
    assert os.listdir(tmp_path) == ["fer2013.csv"]


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_cut_in_the_middle(tmp_path, form):
    path = pack(form, tmp_path, "fer2013.csv", table(*make_rows()))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(ValueError, match=f"{path} is damaged.*python -m emotion_utils fetch fer2013"):
        load("fer2013", data_dir=tmp_path, verbose=False)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(b"emotion,pixels\n\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"fer2013\.csv is damaged"):
        load("fer2013", data_dir=tmp_path, verbose=False)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}.*fetch fer2013.*fer2013\.csv.*EMOTION_DATA_DIR"):
        load("fer2013", data_dir=tmp_path)


def test_a_folder_with_the_name_of_the_table(tmp_path):
    (tmp_path / "fer2013.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=rf"{tmp_path}/fer2013\.csv"):
        load("fer2013", data_dir=tmp_path)


def test_an_archive_without_a_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("holiday/beach.jpg", b"sand")
    with pytest.raises(ValueError, match=r"archive\.zip"):
        load("fer2013", data_dir=tmp_path, verbose=False)
    (tmp_path / "archive.zip").unlink()
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"fer2013\.tar\.gz"):
        load("fer2013", data_dir=tmp_path, verbose=False)
