"""The cache of FER2013: a second start does not read the source; another content, whatever its looks, is read anew."""

import io
import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from fer2013_tables import make_rows, table, write_export, write_table
from obstacles import full_disk, open_folder, ordinary_user
from PIL import Image

from emotion_utils.data.fer2013 import load_fer2013
from emotion_utils.data.loading import load

pytestmark = pytest.mark.usefixtures("own_places")

CACHE = ".fer2013.csv.cache.safetensors"


@pytest.fixture
def read(capsys):
    """Read the test split; say whether the source itself was read, which shows a bar."""

    def read_test_split(folder):
        capsys.readouterr()
        dataset = load_fer2013(("test",), data_dir=folder)[0]
        return dataset, "Reading" in capsys.readouterr().err

    return read_test_split


def rewrite(path: Path, content: bytes) -> None:
    """Give a file another content, but leave its size and time: only who reads it will notice."""
    state = path.stat()
    assert len(content) == state.st_size
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def other_labels() -> bytes:
    images, labels, usage = make_rows()
    labels[-1] = (labels[-1] + 1) % 7
    return table(images, labels, usage).encode()


def test_the_second_start_does_not_read_the_source(tmp_path, capsys):
    write_table(tmp_path)
    first = load_fer2013(data_dir=tmp_path)
    assert "Reading fer2013.csv" in capsys.readouterr().err
    assert (tmp_path / CACHE).is_file()
    second = load_fer2013(data_dir=tmp_path)
    assert capsys.readouterr().err == ""
    for before, after in zip(first, second, strict=True):
        assert torch.equal(before.images, after.images)
        assert torch.equal(before.labels, after.labels)
        assert (before.names, before.notes, before.mean) == (after.names, after.notes, after.mean)


def test_the_second_start_does_not_read_the_folders_unless_they_changed(tmp_path, read):
    write_export(tmp_path)
    first, was_read = read(tmp_path)
    assert was_read
    assert not read(tmp_path)[1]
    path = next((tmp_path / "test" / "happy").glob("PrivateTest*"))
    content = path.read_bytes()
    rewrite(path, content[:-40] + bytes(38) + content[-2:])
    second, was_read = read(tmp_path)
    assert was_read
    assert not torch.equal(second.images, first.images)
    path.rename(path.with_name("PrivateTest_0.jpg"))
    assert read(tmp_path)[1]
    path.with_name("PrivateTest_0.jpg").unlink()
    third, was_read = read(tmp_path)
    assert was_read
    assert len(third) == len(first) - 1


def test_another_content_of_the_same_size_name_and_time_is_read(tmp_path, read):
    path = write_table(tmp_path)
    read(tmp_path)
    rewrite(path, other_labels())
    dataset, was_read = read(tmp_path)
    assert was_read
    assert dataset.labels[-1] == (make_rows()[1][-1] + 1) % 7
    other = tmp_path / "other.csv"
    write_table(tmp_path / "elsewhere").rename(other)  # as it was at first
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert read(tmp_path)[1]
    os.utime(path, (1e9, 1e9))
    assert not read(tmp_path)[1]  # a copy of the same content is the same


@pytest.mark.parametrize("damage", ["empty", "cut", "half zeros", "no header", "foreign", "names", "pipe"])
def test_a_damaged_cache_is_made_anew_in_silence(tmp_path, read, damage):
    write_table(tmp_path)
    good, _ = read(tmp_path)
    cache = tmp_path / CACHE
    content = cache.read_bytes()
    spoilt = {
        "empty": b"", "cut": content[:-100], "half zeros": content[: len(content) // 2].ljust(len(content), b"\0"),
        "no header": bytes(8) + content[8:], "foreign": b"\2\0\0\0\0\0\0\0{}",
        "names": content.replace(b"fer0000173", b"fer0000172"),
    }  # fmt: skip
    cache.unlink()
    if damage == "pipe":
        if os.name == "nt":
            pytest.skip("Windows has no pipes with names")
        os.mkfifo(cache)
    else:
        cache.write_bytes(spoilt[damage])
        assert spoilt[damage] != content
    dataset, was_read = read(tmp_path)
    assert was_read
    assert torch.equal(dataset.images, good.images)
    assert (dataset.names, dataset.notes) == (good.names, good.notes)
    assert not read(tmp_path)[1]


@pytest.mark.slow
def test_no_flipped_bit_gives_other_pixels(tmp_path):
    write_table(tmp_path, (("Training", 40),))
    good = load_fer2013(data_dir=tmp_path, verbose=False)
    cache, random = tmp_path / CACHE, np.random.default_rng(0)
    content = cache.read_bytes()
    places = [*random.integers(0, 1500, 40), *random.integers(0, len(content), 20)]  # the first of them are the header
    for place in places:
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << int(random.integers(8))
        cache.write_bytes(spoilt)
        for split, whole in zip(load_fer2013(data_dir=tmp_path, verbose=False), good, strict=True):
            assert torch.equal(split.images, whole.images)
            assert torch.equal(split.labels, whole.labels)
            assert (split.names, split.notes) == (whole.names, whole.notes)


def test_a_read_only_folder_puts_the_cache_into_the_users_folder(tmp_path, read):
    write_table(tmp_path / "data")
    (tmp_path / "data").chmod(0o555)
    read(tmp_path / "data")
    assert os.listdir(tmp_path / "data") == ["fer2013.csv"]
    assert [file.suffix for file in (tmp_path / "user").rglob("fer2013.csv.*")] == [".safetensors"]
    assert not read(tmp_path / "data")[1]
    (tmp_path / "data").chmod(0o755)


def test_two_sources_of_one_name_have_two_caches_in_the_users_folder(tmp_path, read):
    for folder, label in (("one", 3), ("two", 4)):
        images, labels, usage = make_rows()
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fer2013.csv").write_text(table(images, [label] * len(labels), usage))
        (tmp_path / folder).chmod(0o555)
    for _ in range(2):
        assert set(read(tmp_path / "one")[0].labels.tolist()) == {3}
        assert set(read(tmp_path / "two")[0].labels.tolist()) == {4}
    assert not read(tmp_path / "one")[1]


def test_a_folder_in_the_place_of_the_cache_is_left_alone(tmp_path, read):
    write_table(tmp_path)
    (tmp_path / CACHE).mkdir()
    assert len(read(tmp_path)[0]) == 14
    assert not read(tmp_path)[1]  # it lies in the user's folder
    assert sorted(os.listdir(tmp_path)) == [CACHE, "fer2013.csv", "user"]
    assert os.listdir(tmp_path / CACHE) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    write_table(tmp_path)
    with full_disk(100_000):
        dataset = load_fer2013(("test",), data_dir=tmp_path, verbose=False)[0]
    assert len(dataset) == 14
    assert any("cache could not be written" in note and len(note) <= 400 for note in dataset.notes)
    assert os.listdir(tmp_path) == ["fer2013.csv"] or os.listdir(tmp_path / "user" / "emotion_utils") == []
    assert not list(tmp_path.rglob("*.part"))


def killed_while_writing(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the system kills who writes too much
    with full_disk(100_000):
        load_fer2013(("test",), data_dir=folder, verbose=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed process is a fork")
def test_what_killed_processes_left_is_removed(tmp_path, read):
    write_table(tmp_path)
    for _ in range(2):
        process = get_context("fork").Process(target=killed_while_writing, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGXFSZ
    assert len(list(tmp_path.glob(".*.part"))) == 1  # the second removed that of the first
    assert read(tmp_path)[1]
    assert not list(tmp_path.glob(".*.part"))
    assert not read(tmp_path)[1]


def test_a_source_that_may_not_be_read(read):
    with open_folder() as folder:
        path = write_table(folder)
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError, match=f"{path} may not be read"):
            read(folder)


def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    with open_folder() as folder:
        write_table(folder / "shut")
        write_table(folder / "cache" / "emotion_utils")
        (folder / "cache" / "emotion_utils").chmod(0o777)
        (folder / "shut").chmod(0)
        monkeypatch.setenv("EMOTION_DATA_DIR", str(folder / "shut"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with ordinary_user():
            assert len(load("fer2013", "test", verbose=False)) == 14  # the user's cache folder stands in
            with pytest.raises(FileNotFoundError, match="shut"):
                load("fer2013", "test", data_dir=folder / "shut", verbose=False)
        (folder / "shut").chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_text(tmp_path, read):
    odd = os.fsdecode(b"\xff\n")
    write_table(tmp_path / odd)
    write_export(tmp_path / "export", name=f"{{part}}_{{number}}{odd}.jpg")
    for folder in (tmp_path / odd, tmp_path / "export"):
        first, was_read = read(folder)
        assert was_read
        second, was_read = read(folder)
        assert not was_read
        assert first.names == second.names
        assert len(first) == 14
    assert first.names[0].endswith(f"{odd}.jpg")  # the file can be found by it


def test_an_image_that_cannot_be_read_is_no_obstacle(tmp_path, read):
    write_export(tmp_path)
    with io.BytesIO() as file:
        Image.new("L", (48, 48)).save(file, "PNG")
        (tmp_path / "test" / "happy" / "PrivateTest_1.png").write_bytes(file.getvalue()[:50])
    dataset, _ = read(tmp_path)
    assert len(dataset) == 14
    assert any("test/happy/PrivateTest_1.png" in note for note in dataset.notes)
    assert read(tmp_path)[0].notes == dataset.notes
    if os.name != "nt":
        os.mkfifo(tmp_path / "test" / "happy" / "PrivateTest_2.png")
        dataset, was_read = read(tmp_path)
        assert was_read
        assert any("PrivateTest_2.png" in note for note in dataset.notes)
