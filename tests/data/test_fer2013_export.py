"""FER2013 as folders of images: which part and which class each belongs to, and what is said of the rest."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fer2013_tables import make_rows, write_export
from PIL import Image

from emotion_utils.data.fer2013_files import fer2013_is_there, find_source
from emotion_utils.data.loading import load, load_splits
from emotion_utils.emotions import EMOTIONS

pytestmark = pytest.mark.usefixtures("own_places")


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


def sizes(folder: Path) -> list[int]:
    return [len(split) for split in load_splits("fer2013", data_dir=folder, verbose=False)]


def notes(folder: Path) -> str:
    return "\n".join(load("fer2013", data_dir=folder, verbose=False).notes)


def put(path: Path, size: int = 48, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size, size), 77).save(path, **options)


@pytest.mark.parametrize(
    "folders", [("train", "validation", "test"), ("Train", "VAL", "Test"), ("Training", "PublicTest", "PrivateTest")]
)
@pytest.mark.parametrize("name", ["{number}.png", "{part}_{number}.png", "Training_{number}.png"])
def test_three_folders_are_the_three_splits(tmp_path, folders, name):
    if name.startswith("Training") and folders[0] == "Training":
        pytest.skip("a contradiction")
    write_export(tmp_path, name, folders=folders)
    training, validation, test = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    images = torch.from_numpy(make_rows()[0])
    for split, of in ((training, slice(0, 140)), (validation, slice(140, 161)), (test, slice(161, 175))):
        assert {image.numpy().tobytes() for image in split.images} == {image.numpy().tobytes() for image in images[of]}
    assert "21 images of the validation folder" in notes(tmp_path)


def test_without_a_test_folder_the_validation_folder_is_the_test(tmp_path):
    write_export(tmp_path, "{number}.png", folders=("train", "validation", "validation"))
    assert sizes(tmp_path) == [126, 14, 35]
    assert "35 images of the validation folder" in notes(tmp_path)


def test_test_images_in_the_training_folder_are_told(tmp_path):
    write_export(tmp_path, folders=("train", "train", "train"))
    assert sizes(tmp_path) == [140, 21, 14]
    assert "35 images in the training folder are named as test images" in notes(tmp_path)


def test_other_names_of_classes_and_classes_of_others(tmp_path):
    write_export(tmp_path, fear="Scared")
    for part in ("train", "test"):
        for number in range(4):
            put(tmp_path / part / "contempt" / f"{number}.png")
    put(tmp_path / "train" / "_bad" / "1.png")
    put(tmp_path / "train" / "loose.png")
    put(tmp_path / "train" / "happy" / ".hidden.png")
    put(tmp_path / "other" / "happy" / "1.png")
    assert sizes(tmp_path) == [140, 21, 14]
    said = notes(tmp_path)
    names = ["train/contempt (4 files)", "test/contempt (4 files)", "Scared → fear"]
    for name in [*names, "train/_bad", "train/loose.png", "train/happy/.hidden.png"]:
        assert name in said
    assert all(len(note) <= 400 for note in said.splitlines())


def test_images_of_another_size_are_resized_and_said(tmp_path):
    write_export(tmp_path)
    put(tmp_path / "train" / "happy" / "Training_900.png", 100)
    put(tmp_path / "train" / "happy" / "deeper" / "Training_901.png", 20)
    training, _, _ = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    assert len(training) == 142
    assert {"Training_900.png", "deeper/Training_901.png"} <= set(training.names)
    said = notes(tmp_path)
    assert "2 images were resized to 48×48" in said
    assert "train/happy/Training_900.png (100×100)" in said


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_pixels_of_16_bits_keep_their_meaning(tmp_path, form):
    images, labels, usage = make_rows()
    folder = tmp_path / "data"
    folder.mkdir()
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        for number, (image, label, part) in enumerate(zip(images, labels, usage, strict=True)):
            name = f"{'train' if part == 'Training' else 'test'}/{EMOTIONS[label]}/{part}_{number}.png"
            with io.BytesIO() as file:
                Image.fromarray(image.astype(np.uint16) * 257).save(file, "PNG")
                archive.writestr(f"deep/er/{name}", file.getvalue())
    if form == "folder":
        with zipfile.ZipFile(folder / "archive.zip") as archive:
            archive.extractall(folder)
        (folder / "archive.zip").unlink()
        folder = folder / "deep" / "er"
    test = load("fer2013", "test", data_dir=folder, verbose=False)
    for name, image in zip(test.names, test.images, strict=True):
        assert torch.equal(image[0], torch.from_numpy(images[int(name[12:-4])]))


def test_many_bad_images_make_a_short_note(tmp_path):
    write_export(tmp_path)
    for number in range(300):
        (tmp_path / "train" / "sad" / f"{'x' * 90}{number}.jpg").write_bytes(b"no image")
    for note in load("fer2013", data_dir=tmp_path, verbose=False).notes:
        assert len(note) <= 400
    assert "300 unreadable images" in notes(tmp_path)
    assert "and 295 more" in notes(tmp_path)


def test_an_export_without_an_image_says_why(tmp_path):
    for name in EMOTIONS:
        (tmp_path / "train" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=f"{tmp_path} holds no images in train/"):
        load("fer2013", data_dir=tmp_path)
    (tmp_path / "train" / "sad" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"holds no images .*train/sad/a.jpg \(no image\)"):
        load("fer2013", data_dir=tmp_path)


def test_folders_that_are_no_export(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    put(tmp_path / "train" / "cat" / "1.png")
    put(tmp_path / "happy" / "1.png")
    assert not fer2013_is_there()
    put(tmp_path / "fer2013" / "Train" / "Happiness" / "1.png")
    assert find_source() == tmp_path / "fer2013"


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights before it makes a link")
def test_links_in_an_export(tmp_path):
    write_export(tmp_path)
    (tmp_path / "train" / "happy" / "circle").symlink_to(tmp_path / "train")
    (tmp_path / "train" / "Joy").symlink_to(tmp_path / "train" / "happy")
    (tmp_path / "Test").symlink_to(tmp_path / "test")
    assert sizes(tmp_path) == [140, 21, 14]
    assert "train/happy/circle/" in notes(tmp_path)
