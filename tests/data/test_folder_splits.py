"""Folders that hold splits."""

import shutil

import pytest
import torch
from own_images import put, put_all

from emotion_utils.data import load_folder_splits
from emotion_utils.emotions import EMOTIONS


def names(*parts, titles=("cat", "dog"), count=3):
    return [f"{part}/{title}/{part}{i}.png" for part in parts for title in titles for i in range(count)]


def test_three_splits_fit_together(tmp_path, capsys):
    put_all(tmp_path / "pets", names("Train", "valid", "test"))
    shutil.rmtree(tmp_path / "pets" / "valid" / "dog")
    training, validation, test = load_folder_splits(tmp_path / "pets")
    assert [part.split for part in (training, validation, test)] == ["training", "validation", "test"]
    assert [len(part) for part in (training, validation, test)] == [6, 3, 6]
    assert training.classes == validation.classes == test.classes == ("cat", "dog")
    assert validation.labels.tolist() == [0, 0, 0]
    assert {(part.mean, part.std) for part in (training, validation, test)} == {(training.mean, training.std)}
    assert training.twins is None
    assert not validation.twins.any()
    assert "validation: classes without images: dog" in capsys.readouterr().out


def test_emotions_in_another_writing_have_one_order_in_all_splits(tmp_path):
    put_all(tmp_path, [*names("train", titles=("Happiness", "sadness")), *names("test", titles=("sad", "Anger"))])
    training, _, test = load_folder_splits(tmp_path, share=0.3, verbose=False)
    assert training.classes == test.classes == EMOTIONS
    assert sorted(set(test.labels.tolist())) == [0, 4]


@pytest.mark.parametrize(("there", "sizes"), [(("train", "test"), (16, 4, 20)), (("train",), (12, 4, 4))])
def test_a_missing_split_is_cut_from_training(tmp_path, there, sizes):
    put_all(tmp_path, names(*there, count=10))
    parts = load_folder_splits(tmp_path, share=0.2, verbose=False)
    assert tuple(map(len, parts)) == sizes
    assert any("set aside" in note for note in parts[0].notes)
    seen = [set(map(bytes, part.images.numpy())) for part in parts]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]


def test_images_that_splits_share_are_marked_and_told(tmp_path):
    put_all(tmp_path, names("train", "val", "test"))
    shutil.copy(tmp_path / "train/cat/train0.png", tmp_path / "test/cat/copy.png")
    shutil.copy(tmp_path / "val/dog/val0.png", tmp_path / "test/dog/copy.png")
    _, validation, test = load_folder_splits(tmp_path, verbose=False)
    assert [test.names[i] for i in test.twins.nonzero()[:, 0]] == ["cat/copy.png"]
    assert not validation.twins.any()
    assert any("1 images of test are in training" in note for note in test.notes)
    assert any("1 images of test are in validation" in note for note in test.notes)


def test_persons_that_splits_share_are_told(tmp_path):
    people = {"train": "abc", "val": "de", "test": "cf"}
    put_all(tmp_path, [f"{part}/{title}/{who}.png" for part in people for title in "xy" for who in people[part]])
    sets = load_folder_splits(tmp_path, person_of=lambda name: name.split("/")[1][0], verbose=False)
    told = [note for note in sets[0].notes if "persons" in note]
    assert len(told) == 1
    assert "1 persons of test are in training" in told[0]
    assert torch.isin(sets[2].groups, sets[0].groups).sum() == 2


def test_folders_without_splits(tmp_path):
    put_all(tmp_path / "pets", ["cat/0.png", "dog/0.png"])
    with pytest.raises(ValueError, match=r"pets holds no split for training.*cat, dog.*load_folder"):
        load_folder_splits(tmp_path / "pets")
    put_all(tmp_path / "two", names("train", "Training"))
    with pytest.raises(ValueError, match=r"Training, train|train, Training"):
        load_folder_splits(tmp_path / "two")
    put(tmp_path / "one" / "train" / "cat" / "0.png")
    with pytest.raises(ValueError, match="one class"):
        load_folder_splits(tmp_path / "one")
    for share in (0, 0.6, "a"):
        with pytest.raises(ValueError, match="share="):
            load_folder_splits(tmp_path / "pets", share=share)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder_splits(tmp_path / "nowhere")


def test_a_splits_folder_in_a_folder_of_its_name(tmp_path):
    """As train.zip and test.zip are unpacked."""
    inside = [
        f"{part}/{part}/{title}/{part}{i}.png"
        for part in ("train", "test")
        for title in ("cat", "dog")
        for i in range(9)
    ]
    put_all(tmp_path / "archive", inside)
    training, validation, test = load_folder_splits(tmp_path / "archive", share=0.3, verbose=False)
    assert training.classes == ("cat", "dog")
    assert len(training) + len(validation) == len(test) == 18
    assert test.labels.tolist() == [0] * 9 + [1] * 9
    with pytest.raises(ValueError, match=r"lie in .*archive.*instead"):
        load_folder_splits(tmp_path)
    put_all(tmp_path / "mixed", names("train/train", "train/test"))
    with pytest.raises(ValueError, match=r"train holds splits"):
        load_folder_splits(tmp_path / "mixed")
    put_all(
        tmp_path / "persons", ["train/A/happy/0.png", "train/A/sad/0.png", "train/B/happy/0.png", "train/B/sad/0.png"]
    )
    with pytest.raises(ValueError, match=r"lie in A, B"):
        load_folder_splits(tmp_path / "persons")
