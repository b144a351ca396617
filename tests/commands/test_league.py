"""`python -m emotion_utils league FILES`: the table, what was left out, the CSV and the merged file."""

import csv
import json

import pytest
from small_entries import entry, hand_in

from emotion_utils.challenge import League, merge_files
from emotion_utils.commands import main


@pytest.fixture
def files(tmp_path):
    """Three learners; the third one's file was edited by hand."""
    made = [hand_in(tmp_path / f"{name}.json", entry(name, right)) for name, right in (("ada", 60), ("bob", 80))]
    eve = hand_in(tmp_path / "eve.json", entry("eve", 50))
    content = json.loads(eve.read_text())
    content["entries"][0]["correct"] = "f" * 400
    eve.write_text(json.dumps(content))
    return [str(path) for path in [*made, eve]]


def test_the_table_and_what_was_left_out_are_printed(files, capsys):
    assert main(["league", *files]) == 0
    out = capsys.readouterr().out
    assert out.index("bob") < out.index("ada")
    assert "eve.json is left out" in out


def test_csv_and_merged_file_are_written(files, tmp_path, capsys):
    table, merged = tmp_path / "out" / "league.csv", tmp_path / "out" / "all.json"
    assert main(["league", *files, "--csv", str(table), "--output", str(merged)]) == 0
    with open(table, newline="", encoding="utf-8-sig") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["bob", "ada"]
    league, problems = merge_files([merged])
    assert [one.name for one in league.best()] == ["bob", "ada"]
    assert problems == []
    assert "Written" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gone.json", "*.nothing", "bad.json", "empty.json"])
def test_no_entry_at_all_is_one_sentence(name, tmp_path, capsys):
    (tmp_path / "bad.json").write_text("{")
    League().write(tmp_path / "empty.json")
    assert main(["league", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert name in error
    assert error.count("\n") == 1


def test_a_file_is_asked_for(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["league"])
    assert ended.value.code == 2


def test_what_the_command_wrote_is_written_again(files, tmp_path):
    command = ["league", *files, "--csv", str(tmp_path / "t.csv"), "--output", str(tmp_path / "out" / "all.json")]
    assert main(command) == 0
    (tmp_path / "bob.json").unlink()
    hand_in(tmp_path / "bob.json", entry("bob", 90))
    assert main(command) == 0
    assert merge_files([tmp_path / "out" / "all.json"])[0].best()[0].accuracy == 0.9


@pytest.mark.parametrize("option", ["--csv", "--output"])
@pytest.mark.parametrize("there", ["notes.txt", "thesis.json", "zoe.json", "ada.json"])
def test_nothing_else_is_written_over(option, there, files, tmp_path, capsys):
    """Notes, other JSON, the entries of a learner who is not asked for, and of one who is."""
    for name in ("notes.txt", "thesis.json"):
        (tmp_path / name).write_text('{"my": "thesis"}')
    hand_in(tmp_path / "zoe.json", entry("zoe", 10))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["league", *files, option, str(tmp_path / there)]) == 1
    error = capsys.readouterr().err
    assert option in error
    assert there in error
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_merged_league_that_is_among_the_files_is_not_merged_into_itself(files, tmp_path, capsys):
    command = ["league", str(tmp_path), "--output", str(tmp_path / "all.json")]
    assert main(command) == 0
    assert main(command) == 1
    assert "all.json" in capsys.readouterr().err


def test_nor_where_a_pattern_finds_the_folder_that_it_lies_in(tmp_path, capsys):
    """The shell of Windows leaves patterns alone."""
    hand_in(tmp_path / "ada" / "league.json", entry("ada"))
    command = ["league", str(tmp_path / "*"), "--output", str(tmp_path / "ada" / "all.json")]
    assert main(command) == 0
    assert main(command) == 1
    assert "all.json" in capsys.readouterr().err


def test_two_files_are_not_one(files, tmp_path, capsys):
    both = str(tmp_path / "both.txt")
    assert main(["league", *files, "--csv", both, "--output", both]) == 1
    assert "both.txt" in capsys.readouterr().err
    assert not (tmp_path / "both.txt").exists()


def test_a_table_is_not_written_over_somebodys_entries(files, tmp_path, capsys):
    """As by `--csv *.json`, of which the shell makes the first learner's file the table's name."""
    before = (tmp_path / "ada.json").read_bytes()
    assert main(["league", "--csv", *files]) == 1
    assert "ada.json" in capsys.readouterr().err
    assert (tmp_path / "ada.json").read_bytes() == before
