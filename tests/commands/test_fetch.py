"""`python -m emotion_utils fetch fer2013`: it says where the file is, or in one sentence what went wrong."""

import hashlib

import pytest

from emotion_utils.commands.command_line import main


def test_it_says_where_the_file_is(tmp_path, capsys):
    (tmp_path / "mirror").write_bytes(b"photographs")
    md5 = hashlib.md5(b"photographs").hexdigest()
    command = ["fetch", "fer2013", "--into", str(tmp_path / "data"), "--md5", md5, "--url"]
    assert main([*command, (tmp_path / "mirror").as_uri()]) == 0
    assert str(tmp_path / "data" / "fer2013.tar.gz") in capsys.readouterr().out
    assert main([*command, "http://127.0.0.1:1/closed"]) == 0  # it is there, so nobody is asked
    assert (tmp_path / "data" / "fer2013.tar.gz").read_bytes() == b"photographs"


def test_an_error_is_one_sentence(tmp_path, capsys):
    url = "http://127.0.0.1:1/closed"
    assert main(["fetch", "fer2013", "--into", str(tmp_path), "--url", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {url} ")
    assert error.count("\n") == 1


def test_a_file_in_place_of_the_folder_is_named(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert main(["fetch", "fer2013", "--into", str(tmp_path / "taken"), "--url", "file:///nowhere"]) == 1
    told = capsys.readouterr().err
    assert "taken" in told
    assert "choose another folder" in told
    assert "Errno" not in told
    assert (tmp_path / "taken").read_text() == "mine"


def test_there_is_no_other_data_set_to_fetch(capsys):
    with pytest.raises(SystemExit):
        main(["fetch", "imagenet"])
    assert "imagenet" in capsys.readouterr().err
