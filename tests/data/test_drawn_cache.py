"""The cache of drawn faces: what went in comes out, a damaged file is no file, nothing unfinished is left."""

import os
import signal
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from obstacles import full_disk, open_folder, ordinary_user

from emotion_utils.data.drawn import sample_faces
from emotion_utils.data.drawn_cache import draw_once, read_faces, write_faces

FACTS = {"name": "synthetic", "split": "test", "mean": 0.5, "std": 0.25}


class Artist:
    """Draws twenty faces, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return sample_faces(20, seed=1)


@pytest.fixture
def draw(own_places):
    return Artist()


def assert_equal(one, other):
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)
    assert set(one.truth) == set(other.truth)
    for key, value in one.truth.items():
        assert torch.equal(value, other.truth[key]), key
        assert value.dtype == other.truth[key].dtype, key
    for name in ("name", "split", "mean", "std", "classes"):
        assert getattr(one, name) == getattr(other, name), name


def test_the_second_time_nothing_is_drawn(draw, tmp_path):
    first, second = (draw_once("faces.npz", draw, tmp_path, **FACTS) for _ in range(2))
    assert draw.calls == 1
    assert (first.name, first.split, first.mean, first.std) == ("synthetic", "test", 0.5, 0.25)
    assert_equal(first, second)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["faces.npz"], "no unfinished files"


def test_another_name_is_drawn_anew(draw, tmp_path):
    for version in (1, 2):
        draw_once(f"faces-v{version}.npz", draw, tmp_path, **FACTS)
    assert draw.calls == 2


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_damaged_file_is_replaced(draw, tmp_path, size):
    good = draw_once("faces.npz", draw, tmp_path, **FACTS)
    path = tmp_path / "faces.npz"
    path.write_bytes(path.read_bytes()[:size])
    assert_equal(draw_once("faces.npz", draw, tmp_path, **FACTS), good)
    assert draw.calls == 2
    assert path.stat().st_size > 5000


def test_no_flipped_bit_gives_other_faces(draw, tmp_path):
    good = draw_once("faces.npz", draw, tmp_path, **FACTS)
    path, random = tmp_path / "faces.npz", np.random.default_rng(0)
    content = path.read_bytes()
    # The descriptions of the arrays lie at the beginning and at the end.
    places = [*range(0, 200, 4), *random.integers(0, len(content), 40), *range(len(content) - 1000, len(content), 20)]
    for place in places:
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << int(random.integers(8))
        path.write_bytes(spoilt)
        faces = read_faces(path, **FACTS)
        if faces is not None:
            assert_equal(faces, good)
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    assert read_faces(path, **FACTS) is None


def killed_while_writing(folder):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the system kills who writes too much
    with full_disk(5000):
        draw_once("faces.npz", Artist(), folder, **FACTS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed process is a fork")
def test_what_killed_processes_left_is_removed(draw, tmp_path):
    for _ in range(2):
        process = get_context("fork").Process(target=killed_while_writing, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGXFSZ
    assert len(list(tmp_path.glob(".*.part"))) == 1  # the second removed that of the first
    draw_once("faces.npz", draw, tmp_path, **FACTS)
    assert [path.name for path in tmp_path.iterdir() if path.name != "user"] == ["faces.npz"]


def test_a_folder_that_may_not_be_entered_leads_to_the_users_cache(draw, monkeypatch):
    with open_folder() as folder:
        (folder / "cache").mkdir()
        (folder / "cache").chmod(0o777)
        (folder / "shut").mkdir()
        (folder / "shut").chmod(0)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with ordinary_user():
            for _ in range(2):
                assert len(draw_once("faces.npz", draw, folder / "shut", **FACTS)) == 20
        (folder / "shut").chmod(0o755)
    assert draw.calls == 1


def test_a_file_of_something_else_is_no_cache(tmp_path):
    path = tmp_path / "faces.npz"
    path.write_text("a letter")
    assert read_faces(path, **FACTS) is None
    torch.save({"images": 1}, path)
    assert read_faces(path, **FACTS) is None
    assert read_faces(tmp_path, **FACTS) is None, "a folder"


def test_a_folder_that_takes_no_files_leads_to_the_users_cache(draw, tmp_path):
    with open_folder() as folder:
        folder.chmod(0o555)
        for _ in range(2):
            assert len(draw_once("faces.npz", draw, folder, **FACTS)) == 20
        assert not list(folder.iterdir())
    assert draw.calls == 1
    assert len(list(tmp_path.rglob("faces.npz"))) == 1


def test_a_full_disk_costs_the_cache_and_not_the_faces(draw, tmp_path):
    with full_disk(5000):
        faces = draw_once("faces.npz", draw, tmp_path / "data", **FACTS)
    assert len(faces) == 20
    assert "faces.npz" in faces.notes[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_interrupted_writing_leaves_nothing(tmp_path):
    faces = sample_faces(2)
    faces.truth["landmarks"].requires_grad_()  # such a tensor does not turn into an array
    with pytest.raises(RuntimeError):
        write_faces(tmp_path / "faces.npz", faces)
    assert not list(tmp_path.iterdir())
