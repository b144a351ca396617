"""The league: what a file keeps, what a teacher merges from thirty of them, and what of it is believed."""

import csv
import json
from dataclasses import replace

import pytest
from small_entries import entry, hand_in

from emotion_utils.challenge import League, merge_files


def spoil(path, **changes):
    """Change an entry in a file by hand."""
    content = json.loads(path.read_text())
    content["entries"][0].update(changes)
    path.write_text(json.dumps(content))


def test_what_is_written_reads_back(tmp_path):
    entries = [entry(), entry("Bob", 61, seconds=3.0, curve=())]
    hand_in(tmp_path / "league.json", *entries)
    assert League.of_folder(tmp_path).entries == entries


def test_the_best_entry_of_each_name_stands_in_the_table():
    ada, bob, cyd = [entry("Ada", 60), entry("Ada", 72, look=2)], [entry("Bob", 80), entry("Bob", 50)], entry("Cyd", 72)
    league = League([*ada, *bob, replace(cyd, parameters=9000)])
    assert [one.name for one in league.best()] == ["Bob", "Cyd", "Ada"]
    assert [league.place_of(name) for name in ("Bob", "Cyd", "Ada")] == [1, 2, 2]
    assert league.looks("Ada") == 2
    assert "72.0%" in str(league)
    with pytest.raises(KeyError, match="Dan"):
        league.place_of("Dan")


def test_an_empty_league_shows_itself(tmp_path):
    assert "empty" in str(League())
    assert League.of_folder(tmp_path).entries == []


def test_other_rules_and_other_faces_do_not_compare():
    league = League([entry("Ada"), entry("Bob", 60), entry("Eve", 99, rules="of my own"), entry("Fay", 98, faces="g")])
    assert [one.name for one in league.best()] == ["Ada", "Bob"]
    assert "2 entries" in str(league)


def test_same_answers_are_noted():
    league = League([entry("Ada"), entry("Bob"), entry("Cyd", 50)])
    assert league.note_on(league.entries[0]) == "same answers as Bob"
    assert league.note_on(league.entries[2]) == ""


def test_thirty_files_become_one_league(tmp_path):
    files = [hand_in(tmp_path / f"learner{i}.json", entry(f"learner {i}", 40 + i)) for i in range(30)]
    league, problems = merge_files(files)
    assert problems == []
    assert len(league.best()) == 30
    assert league.best()[0].name == "learner 29"


def test_folders_and_patterns_are_looked_through(tmp_path):
    hand_in(tmp_path / "a" / "league.json", entry("Ada"))
    hand_in(tmp_path / "b" / "league.json", entry("Bob"))
    for place in (tmp_path, tmp_path / "*" / "league.json", tmp_path / "*"):
        league, problems = merge_files([place])
        assert problems == []
        assert {one.name for one in league.best()} == {"Ada", "Bob"}
    with pytest.raises(ValueError, match="nothing"):
        merge_files([tmp_path / "nothing*.json"])


def test_the_same_name_in_two_files_is_told_apart(tmp_path):
    files = [hand_in(tmp_path / f"{who}.json", entry("mine", right)) for who, right in (("ada", 60), ("bob", 70))]
    files.append(hand_in(tmp_path / "cyd" / "league.json", entry("mine", 50)))
    league, _ = merge_files(files)
    assert [one.name for one in league.best()] == ["mine (bob)", "mine (ada)", "mine (cyd)"]


def test_learners_of_the_same_name_all_stay_where_only_a_far_folder_tells_them_apart(tmp_path):
    name = "n" * 40
    for who, right in (("ada", 60), ("bob", 70)):
        hand_in(tmp_path / "hand_in" / who / "runs" / "league.json", entry(name, right))
    league, _ = merge_files([tmp_path / "hand_in"])
    assert [one.name for one in league.best()] == [f"{name} (bob/runs)", f"{name} (ada/runs)"]
    again, _ = merge_files([league.write(tmp_path / "merged.json")])
    assert again.best() == league.best()


def test_copies_that_jupyter_keeps_are_no_entries(tmp_path):
    own = hand_in(tmp_path / "ada" / "league.json", entry())
    (tmp_path / "ada" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "ada" / ".ipynb_checkpoints" / "league-checkpoint.json").write_bytes(own.read_bytes())
    assert [one.name for one in merge_files([tmp_path])[0].entries] == ["Ada"]


def test_the_same_file_twice_counts_once(tmp_path):
    path = hand_in(tmp_path / "ada.json", entry())
    league, _ = merge_files([path, path])
    assert len(league.entries) == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"correct": "ff"}, "digits"),
        ({"correct": "zz" * 13}, "hexadecimal"),
        ({"correct": "ff" * 13}, "more faces"),
        ({"correct": "ff" + " " * 24}, "hexadecimal"),  # eight faces, all of them right
        ({"correct": "FF" * 12 + "0f"}, "hexadecimal"),  # the answers of somebody else, written otherwise
        ({"parameters": 10**300}, "parameters"),
        ({"seconds": 10**400}, "seconds"),
        ({"seconds": 1e300}, "seconds"),
        ({"parameters": -1}, "parameters"),
        ({"parameters": "few"}, "parameters"),
        ({"parameters": True}, "parameters"),
        ({"seconds": float("nan")}, "seconds"),
        ({"curve": [2.0]}, "curve"),
        ({"curve": "high"}, "curve"),
        ({"name": " "}, "name"),
        ({"accuracy": 0.99}, "entry"),  # accuracy is counted, so nobody can write it in
        ({"look": 0}, "look"),
    ],
)
def test_entries_that_do_not_add_up_are_left_out(changes, match, tmp_path):
    good, bad = hand_in(tmp_path / "ada.json", entry()), hand_in(tmp_path / "eve.json", entry("Eve", 90))
    spoil(bad, **changes)
    league, problems = merge_files([good, bad])
    assert [one.name for one in league.best()] == ["Ada"]
    (problem,) = problems
    assert "eve.json" in problem
    assert match in problem


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"entries": 3, "format": 1}', '{"format": 99, "entries": []}', "[" * 100_000]
)
def test_files_that_are_no_league_are_left_out(text, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    league, problems = merge_files([bad, hand_in(tmp_path / "ada.json", entry())])
    assert len(league.entries) == 1
    assert "bad.json" in problems[0]


def test_files_that_are_not_there_are_said(tmp_path):
    league, problems = merge_files([tmp_path / "gone.json"])
    assert league.entries == []
    assert "gone.json" in problems[0]


def test_a_damaged_league_of_ones_own_is_set_aside(tmp_path):
    (tmp_path / "league.json").write_text("{")
    with pytest.warns(UserWarning, match="league.json.damaged-1"):
        league = League.of_folder(tmp_path)
    assert league.entries == []
    assert (tmp_path / "league.json.damaged-1").read_text() == "{"


def test_csv_holds_every_entry_with_curve_and_code_and_no_formula(tmp_path):
    league = League([entry("=HYPERLINK(1)", 60), entry("Bob", 70), entry("Bob", 65, look=2)])
    path = league.to_csv(tmp_path / "league.csv")
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == pytest.approx([0.7, 0.65, 0.6])
    assert [row["place"] for row in rows] == ["1", "", "2"]
    assert rows[2]["name"].startswith("'=")
    assert rows[0]["curve"] == "0.3000 0.7000"
    assert rows[0]["code"] == "class Net: ..."
    assert {row["note"] for row in rows} == {""}


def test_one_entry_with_half_a_letter_spoils_no_table(tmp_path):
    bad = hand_in(tmp_path / "eve.json", entry("Eve"))
    spoil(bad, code="\ud83d", when="\udc00")
    league, _ = merge_files([bad, hand_in(tmp_path / "ada.json", entry("Ada", 80))])
    with open(league.to_csv(tmp_path / "t.csv"), newline="", encoding="utf-8-sig") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["Ada", "Eve"]
    again, problems = merge_files([league.write(tmp_path / "all.json")])
    assert problems == []
    assert again.entries == league.entries


def test_an_entry_counts_its_accuracy():
    one = entry(right=37, count=101)
    assert one.accuracy == pytest.approx(37 / 101)
    low, high = one.interval
    assert low < 37 / 101 < high
    assert one.same_result(replace(one, name="Bob", seconds=1.0))
    assert not one.same_result(replace(one, parameters=1))
