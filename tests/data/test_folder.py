"""A folder of images as a data set."""

import pytest
from PIL import Image

from emotion_utils.data.folder import load_folder
from emotion_utils.emotions import EMOTIONS


def make_folder(path, **counts):
    for title, count in counts.items():
        (path / title).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (60, 50), 10 * number).save(path / title / f"{number}.png")
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
    assert any("angry, disgust, fear, surprise, neutral" in note for note in dataset.notes)
    assert load_folder(make_folder(tmp_path / "one", happy=2), classes=EMOTIONS).labels.tolist() == [3, 3]


def test_what_cannot_be_read_is_skipped_and_listed(tmp_path):
    path = make_folder(tmp_path / "pets", dog=2, cat=1, fish=1, bird=0)
    (path / "dog" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (path / "dog" / "readme.txt").write_text("about dogs")
    (path / "dog" / ".DS_Store").write_text("hidden, not worth a word")
    dataset = load_folder(path, classes=["dog", "cat", "bird"])
    assert len(dataset) == 3
    notes = "\n".join(dataset.notes)
    assert "2 files" in notes
    assert "dog/broken.jpg" in notes
    assert "dog/readme.txt" in notes
    assert ".DS_Store" not in notes
    assert "no class were skipped: fish" in notes
    assert "without images: bird" in notes


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        load_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no sub-folders"):
        load_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"one .*'happy'"):
        load_folder(make_folder(tmp_path / "one", happy=3))
    with pytest.raises(ValueError, match=r"hollow .*cat, dog"):
        load_folder(make_folder(tmp_path / "hollow", cat=0, dog=0))
    with pytest.raises(ValueError, match=r"export .*test, train"):
        load_folder(make_folder(tmp_path / "export", train=0, test=0))
    with pytest.raises(ValueError, match="size=0"):
        load_folder(make_folder(tmp_path / "pets", cat=1, dog=1), size=0)


def test_a_folder_without_one_readable_image_names_the_first_of_its_files(tmp_path):
    path = make_folder(tmp_path / "texts", cat=0, dog=0)
    for number in range(200):
        (path / "dog" / f"{number:03}.txt").write_text("about dogs")
    with pytest.raises(ValueError, match=r"texts .*200 files.*dog/000.txt") as caught:
        load_folder(path)
    assert "001" not in str(caught.value)
