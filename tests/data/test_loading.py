"""The one door: names and splits, folders of images, and images of every kind."""

import os
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

import emotion_utils
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.folder import load_folder
from emotion_utils.data.loading import load, load_splits
from emotion_utils.data.pixels import load_image
from emotion_utils.emotions import EMOTIONS


@pytest.fixture(autouse=True)
def default_data(monkeypatch):
    monkeypatch.delenv("EMOTION_DATA", raising=False)


@pytest.fixture
def drawn(monkeypatch):
    """Stand in for the module that draws faces, and record how it is called."""
    calls = []

    def load_split(split, *, data_dir=None, progress=True):
        calls.append((split, data_dir, progress))
        images = torch.arange(140, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 48, 48)
        return FaceDataset(images, torch.arange(140) % 7, name="synthetic", split=split, notes=["drawn for a test"])

    stub = types.ModuleType("emotion_utils.synthetic")
    stub.load_split = load_split
    monkeypatch.setitem(sys.modules, "emotion_utils.synthetic", stub)
    monkeypatch.setattr(emotion_utils, "synthetic", stub, raising=False)
    return calls


def test_drawn_faces_are_the_default(drawn, capsys):
    dataset = load()
    assert (dataset.name, dataset.split, len(dataset)) == ("synthetic", "training", 140)
    assert capsys.readouterr().out == "synthetic: drawn for a test.\n"
    load("synthetic", "test", verbose=False)
    assert capsys.readouterr().out == ""
    assert drawn == [("training", None, True), ("test", None, False)]
    assert [split.split for split in load_splits("synthetic", verbose=False)] == ["training", "validation", "test"]


def test_the_environment_chooses_the_data(drawn, monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTION_DATA", "fer2013")
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="FER2013 was not found"):
        load()
    assert load("synthetic", verbose=False).name == "synthetic"


def test_limit_keeps_the_class_balance(drawn):
    dataset = load(limit=35, verbose=False)
    assert len(dataset) == 35
    assert dataset.class_counts().tolist() == [5] * 7
    assert torch.equal(load(limit=35, verbose=False).images, dataset.images)
    assert len(load(limit=1000, verbose=False)) == 140


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "imagenet"}, "no data set 'imagenet'; choose one of synthetic, fer2013.*load_folder"),
        ({"split": "train"}, "no split 'train'; choose one of training, validation, test"),
        ({"limit": 0}, "limit=0 leaves no images"),
    ],
)
def test_wrong_arguments_are_named(drawn, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments, verbose=False)


def save(path, image: Image.Image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def gradient(width: int = 48, height: int = 48) -> np.ndarray:
    return np.linspace(0, 255, width).round().astype(np.uint8)[None].repeat(height, 0)


def test_a_grey_image_of_the_right_size_stays_as_it_is(tmp_path):
    path = save(tmp_path / "face.png", Image.fromarray(gradient()))
    image = load_image(path)
    assert (image.dtype, image.shape) == (torch.uint8, (1, 1, 48, 48))
    assert np.array_equal(image[0, 0].numpy(), gradient())


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK", "LA", "I;16", "I", "F"])
def test_images_of_every_mode_become_grey(tmp_path, mode):
    grey = Image.fromarray(gradient())
    if mode == "I;16":
        image = Image.fromarray(gradient().astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(gradient().astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(gradient().astype(np.float32) / 255)
    elif mode in ("CMYK", "P"):
        image = grey.convert("RGB").convert(mode)
    else:
        image = grey.convert(mode)
    path = save(tmp_path / ("face.tif" if mode in ("CMYK", "F", "I") else "face.png"), image)
    pixels = load_image(path)[0, 0].int().numpy()
    if mode not in ("1", "P"):  # these two have few colours and dither
        assert np.abs(pixels - gradient().astype(int)).max() <= 2
    assert abs(pixels.mean() - gradient().mean()) < 5


def test_a_dark_16_bit_image_stays_dark(tmp_path):
    image = load_image(save(tmp_path / "dark.png", Image.fromarray(np.full((48, 48), 3000, np.uint16))))
    assert image.unique().tolist() == [3000 * 255 // 65535]


def test_transparent_pixels_become_white(tmp_path):
    clear = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    assert load_image(save(tmp_path / "clear.png", clear)).unique().tolist() == [255]
    palette = Image.new("P", (48, 48), 0)
    assert load_image(save(tmp_path / "palette.png", palette, transparency=0)).unique().tolist() == [255]


def test_a_photo_lying_on_its_side_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    sideways = Image.fromarray(np.rot90(gradient()).copy())
    path = save(tmp_path / "side.png", sideways, exif=exif)
    assert np.array_equal(load_image(path)[0, 0].numpy(), gradient())


def test_any_size_becomes_a_square_from_the_middle(tmp_path):
    wide = np.zeros((100, 300), np.uint8)
    wide[:, 100:200] = 200
    assert load_image(save(tmp_path / "wide.png", Image.fromarray(wide)), size=32)[0, 0, :, 2:-2].unique() == 200
    tiny = load_image(save(tmp_path / "tiny.png", Image.new("L", (1, 1), 77)))
    assert tiny.shape == (1, 1, 48, 48)
    assert tiny.unique().tolist() == [77]


def test_images_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing.png. Check the name"):
        load_image(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError, match="is a folder; load_image reads one file"):
        load_image(tmp_path)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ValueError, match=r"text.jpg is not a readable image .*leave it out"):
        load_image(tmp_path / "text.jpg")
    path = save(tmp_path / "cut.jpg", Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut.jpg is not a readable image \(image file is truncated"):
        load_image(path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(PermissionError, match=r"cut.jpg may not be read. Change its permissions"):
        load_image(path)


def make_folder(path, **counts):
    for title, count in counts.items():
        (path / title).mkdir(parents=True)
        for number in range(count):
            save(path / title / f"{number}.png", Image.new("L", (60, 50), 10 * number))
    return path


def test_a_folder_of_classes(tmp_path):
    path = make_folder(tmp_path / "pets", dog=3, cat=2)
    dataset = load_folder(path)
    assert (dataset.name, dataset.classes, dataset.labels.tolist()) == ("pets", ("cat", "dog"), [0, 0, 1, 1, 1])
    assert dataset.names == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    assert dataset.images.shape == (5, 1, 48, 48)
    assert load_folder(path, size=20, classes=["dog", "cat"]).labels.tolist() == [0, 0, 0, 1, 1]


def test_emotions_keep_the_labels_of_trained_models(tmp_path):
    dataset = load_folder(make_folder(tmp_path / "mine", sad=2, happy=1))
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist() == [3, 4, 4]
    assert any("classes without images: angry, disgust, fear, surprise, neutral" in note for note in dataset.notes)
    assert load_folder(make_folder(tmp_path / "one", happy=2), classes=EMOTIONS).labels.tolist() == [3, 3]


def test_what_cannot_be_read_is_skipped_and_listed(tmp_path):
    path = make_folder(tmp_path / "pets", dog=2, cat=1, fish=1, bird=0)
    (path / "dog" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (path / "dog" / "readme.txt").write_text("about dogs")
    (path / "dog" / ".DS_Store").write_text("hidden, not worth a word")
    dataset = load_folder(path, classes=["dog", "cat", "bird"])
    assert len(dataset) == 3
    notes = "\n".join(dataset.notes)
    assert "2 files could not be read and were skipped: dog/broken.jpg (" in notes
    assert "dog/readme.txt" in notes
    assert ".DS_Store" not in notes
    assert "sub-folders that are no class were skipped: fish" in notes
    assert "classes without images: bird" in notes


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file is a file; load_folder wants a folder"):
        load_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no sub-folders. Make one for each class"):
        load_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"has only one class, 'happy'; a classifier needs two"):
        load_folder(make_folder(tmp_path / "one", happy=3))
    with pytest.raises(ValueError, match="hollow holds no readable image in cat, dog"):
        load_folder(make_folder(tmp_path / "hollow", cat=0, dog=0))
    with pytest.raises(ValueError, match=r"holds splits \(test, train\). Load each"):
        load_folder(make_folder(tmp_path / "export", train=0, test=0))


def test_the_folder_of_the_data_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "not there"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="not there"):
        load("fer2013")
    assert not os.listdir(tmp_path)
