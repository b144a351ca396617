"""The cache of FER2013: a second start does not read the source, and a changed source is read anew."""

import os
import time
from pathlib import Path

import pytest
import torch
from fer2013_tables import make_rows, table, write_export, write_table
from obstacles import full_disk, open_folder, ordinary_user

from emotion_utils.data.fer2013 import load_fer2013

pytestmark = pytest.mark.usefixtures("own_places")


def read(folder):
    return load_fer2013(("test",), data_dir=folder, verbose=False)[0]


def garble(path: Path) -> None:
    """Overwrite a file, but leave its size and time: only who reads it will notice."""
    state = path.stat()
    path.write_bytes(b"x" * state.st_size)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_the_second_start_does_not_read_the_source(tmp_path, capsys):
    path = write_table(tmp_path)
    first = load_fer2013(data_dir=tmp_path)
    assert "Reading fer2013.csv" in capsys.readouterr().err
    assert (tmp_path / ".fer2013.csv.cache.safetensors").is_file()
    garble(path)
    second = load_fer2013(data_dir=tmp_path)
    assert capsys.readouterr().err == ""
    for before, after in zip(first, second, strict=True):
        assert torch.equal(before.images, after.images)
        assert torch.equal(before.labels, after.labels)
        assert (before.names, before.notes, before.mean) == (after.names, after.notes, after.mean)


def test_the_second_start_does_not_read_the_folders(tmp_path):
    write_export(tmp_path)
    first = read(tmp_path)
    for file in tmp_path.rglob("*.jpg"):
        garble(file)
    assert torch.equal(read(tmp_path).images, first.images)
    next((tmp_path / "test").rglob("*.jpg")).unlink()
    with pytest.raises(ValueError, match=f"{tmp_path} holds no images"):
        read(tmp_path)


def test_a_changed_source_and_a_damaged_cache_are_read_anew(tmp_path):
    path = write_table(tmp_path)
    read(tmp_path)
    images, labels, usage = make_rows()
    labels[-1] = (labels[-1] + 1) % 7  # same size, other content
    path.write_text(table(images, labels, usage))
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert read(tmp_path).labels[-1] == labels[-1]
    (tmp_path / ".fer2013.csv.cache.safetensors").write_bytes(b"cut")
    assert read(tmp_path).labels[-1] == labels[-1]
    garble(path)
    assert read(tmp_path).labels[-1] == labels[-1]  # and the cache is whole again


def test_a_read_only_folder_puts_the_cache_into_the_users_folder(tmp_path):
    path = write_table(tmp_path / "data")
    (tmp_path / "data").chmod(0o555)
    first = read(tmp_path / "data")
    assert os.listdir(tmp_path / "data") == ["fer2013.csv"]
    assert [file.suffix for file in (tmp_path / "user").rglob("fer2013.csv.*")] == [".safetensors"]
    garble(path)
    assert torch.equal(read(tmp_path / "data").images, first.images)
    (tmp_path / "data").chmod(0o755)


def test_two_sources_of_one_name_have_two_caches_in_the_users_folder(tmp_path):
    for folder, label in (("one", 3), ("two", 4)):
        images, labels, usage = make_rows()
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fer2013.csv").write_text(table(images, [label] * len(labels), usage))
        os.utime(tmp_path / folder / "fer2013.csv", (1e9, 1e9))
        (tmp_path / folder).chmod(0o555)
    assert set(read(tmp_path / "one").labels.tolist()) == {3}
    assert set(read(tmp_path / "two").labels.tolist()) == {4}


@pytest.mark.parametrize("obstacle", ["full disk", "a folder in its place"])
def test_a_cache_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, obstacle):
    path = write_table(tmp_path)
    if obstacle == "full disk":
        with full_disk(100_000):
            dataset = read(tmp_path)
        assert os.listdir(tmp_path) == ["fer2013.csv"]
    else:
        (tmp_path / ".fer2013.csv.cache.safetensors").mkdir()
        dataset = read(tmp_path)
        assert sorted(os.listdir(tmp_path)) == [".fer2013.csv.cache.safetensors", "fer2013.csv"]
    assert len(dataset) == 14
    assert any("cache could not be written" in note for note in dataset.notes)
    garble(path)
    with pytest.raises(ValueError, match=r"fer2013\.csv"):  # nothing but the source to read
        read(tmp_path)


def test_a_source_that_may_not_be_read():
    with open_folder() as folder:
        path = write_table(folder)
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError, match=f"{path} .*Permission denied"):
            read(folder)
