"""Which files are taken of folders, in which order, and that none is looked at before its turn."""

from pathlib import Path

import pytest

from emotion_utils.commands.picture_files import check_places, find_pictures


def test_names_of_pictures_in_order_files_as_they_are_named(tmp_path):
    for name in ("b.JPG", "a.png", "c.txt", "d.heic", ".e.png", "f"):
        (tmp_path / name).touch()
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa" / "x.webp").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures([tmp_path])]
    assert found == ["a.png", "aa/x.webp", "b.JPG", "d.heic"]
    assert list(find_pictures([tmp_path / "c.txt"])) == [tmp_path / "c.txt"]
    assert list(find_pictures([tmp_path, tmp_path / "aa"], leave_out=tmp_path / "aa")) == [
        tmp_path / name for name in ("a.png", "b.JPG", "d.heic")
    ]


def test_folders_are_read_when_their_turn_comes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    found = find_pictures([tmp_path])
    assert next(found) == tmp_path / "one" / "x.png"
    (tmp_path / "two" / "y.png").touch()
    assert [path.name for path in found] == ["x.png", "y.png"]


def test_a_place_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        check_places([Path("/"), Path("nowhere")])
