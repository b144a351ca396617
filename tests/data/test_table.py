"""Tables with paths and labels."""

import pytest
from own_images import put, put_all

from emotion_utils.data import load_table, load_table_splits
from emotion_utils.emotions import EMOTIONS


def table(path, text):
    put_all(path, [f"faces/{i}.png" for i in range(8)])
    (path / "list.csv").write_text(text, "utf-8")
    return path / "list.csv"


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nfaces/0.png,happy\nfaces/1.png,Sadness\n",
        "Emotion;Image Path\nhappy;faces/0.png\nSadness;faces/1.png\n",
        "faces/0.png happy\nfaces/1.png Sadness\n",
        "\ufefffile_name\tclass\nfaces\\0.png\thappy\n\nfaces\\1.png\tSadness\n",
        'path, label\n"faces/0.png", happy\n"faces/1.png", Sadness',
    ],
)
def test_tables_of_every_kind(tmp_path, text):
    faces = load_table(table(tmp_path, text))
    assert (faces.name, faces.classes, faces.labels.tolist()) == ("list", EMOTIONS, [3, 4])
    assert faces.names == ["faces/0.png", "faces/1.png"]


def test_bad_rows_are_skipped_and_told(tmp_path, capsys):
    put(tmp_path / "secret.png", 99)
    rows = ["path,label", "faces/0.png,cat", "faces/1.png,", ",dog", "faces/2.png,dog", "faces/9.png,dog",
            "../secret.png,dog", str(tmp_path / "secret.png") + ",dog", "C:/x.png,dog", "faces/3.png,cat",
            "faces/3.png,dog", "faces/2.png,dog", "faces/4.png"]  # fmt: skip
    path = table(tmp_path / "inner", "\n".join(rows))
    (tmp_path / "inner" / "faces" / "7.png").write_bytes(b"no image")
    with path.open("a") as file:
        file.write("\nfaces/7.png,cat\n")
    faces = load_table(path)
    assert faces.names == ["faces/0.png", "faces/2.png", "faces/3.png", "faces/3.png"]
    notes = "\n".join(faces.notes)
    for what in ("without a label: line 3 (faces/1.png); line 13", "without a path: line 4", "no such file: line 6",
                 "leaves the folder: line 7", "line 8", "line 9", "two labels, one of which is wrong: faces/3.png",
                 "listed once more: line 12", "faces/7.png (no image)"):  # fmt: skip
        assert what in notes
    assert capsys.readouterr().out.count("list: ") >= 4


def test_a_folder_for_a_path_and_a_cell_of_two_lines_are_told_by_their_lines(tmp_path):
    rows = ["path,label", 'faces/0.png,"a', 'cat"', "faces/1.png,dog", ".,dog", "./,dog", "faces/9.png,dog"]
    notes = "\n".join(load_table(table(tmp_path, "\n".join(rows)), verbose=False).notes)
    assert "no such file: line 5 (.); line 6 (./); line 7 (faces/9.png)" in notes


@pytest.mark.parametrize(
    ("persons", "said"),
    [
        ("aaaa", "one person in all images"),
        ("abcd", "4 persons, another in each image"),
        ("aabb", None),
        ("a   ", "4 persons"),  # who has no name is somebody of their own
        ("    ", None),
    ],
)
def test_a_column_of_persons_that_hardly_fits_is_told(tmp_path, persons, said):
    rows = [f"faces/{i}.png,{'cat' if i % 2 else 'dog'},{who.strip()}" for i, who in enumerate(persons)]
    path = table(tmp_path, "\n".join(["path,label,person", *rows]))
    told = [note for note in load_table(path, verbose=False).notes if "column of persons" in note]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]
    faces = load_table(path, columns={"path": "path", "label": "label"}, verbose=False)  # as the note says
    assert faces.groups is None
    assert not [note for note in faces.notes if "persons" in note]
    by_rule = load_table(path, person_of=lambda name: "somebody", verbose=False)
    assert ["person_of finds one person" in note for note in by_rule.notes if "person" in note] == [True]


def test_columns_and_folders_of_ones_own(tmp_path):
    put_all(tmp_path / "elsewhere", ["0.png", "1.png", "2.png"])
    (tmp_path / "t.csv").write_text("was,foto,wer\ncat,0.png,Ann\ndog,1.png,Bob\ndog,2.png,Ann\n")
    with pytest.raises(ValueError, match=r"columns was, foto, wer.*'path': …, 'label': ….*'person': …"):
        load_table(tmp_path / "t.csv")
    (tmp_path / "half.csv").write_text("foto,label\n0.png,cat\n1.png,dog\n")
    with pytest.raises(ValueError, match=r"holds the path.*'path': …, 'label': 'label'"):
        load_table(tmp_path / "half.csv")
    columns = {"path": "foto", "label": "was", "person": "wer"}
    pets = load_table(tmp_path / "t.csv", tmp_path / "elsewhere", columns=columns)
    assert pets.labels.tolist() == [0, 1, 1]
    assert pets.groups[0] == pets.groups[2] != pets.groups[1]
    other_order = load_table(tmp_path / "t.csv", tmp_path / "elsewhere", columns=columns, classes=["dog", "cat"])
    assert other_order.labels.tolist() == [1, 0, 0]
    with pytest.raises(ValueError, match=r"no column 'bild'.*foto"):
        load_table(tmp_path / "t.csv", tmp_path / "elsewhere", columns={"path": "bild", "label": "was"})
    with pytest.raises(ValueError, match=r"columns=.*'path': …, 'label': …"):
        load_table(tmp_path / "t.csv", columns={"path": "foto"})


def test_a_column_of_splits(tmp_path):
    usages = ["Training", "Training", "train", "train", "PublicTest", "val", "PrivateTest", "test"]
    rows = [f"faces/{i}.png,{'cat' if i % 2 else 'dog'},{usage}" for i, usage in enumerate(usages)]
    path = table(tmp_path, "\n".join(["image,label,Usage", *rows]))
    parts = load_table_splits(path, verbose=False)
    assert [len(part) for part in parts] == [4, 2, 2]
    assert len({part.classes for part in parts}) == 1
    whole = load_table(path)
    assert len(whole) == 8
    assert any("load_table_splits" in note for note in whole.notes)
    path.write_text(path.read_text().replace("PublicTest", "maybe"))
    with pytest.raises(ValueError, match=r"'maybe'.*train"):
        load_table_splits(path)
    path.write_text("image,label,split\nfaces/0.png,cat,test\nfaces/1.png,dog,test\n")
    with pytest.raises(ValueError, match="no row is for training"):
        load_table_splits(path)


def test_what_is_no_table(tmp_path):
    for text, named in [
        ("", "holds no rows"), ("path,label\n", "no rows"),
        ("path,label\nfaces/0.png,cat\nfaces/1.png,cat\n", "one class"),
        ("path,label\nx/0.png,cat\nx/1.png,dog\n", "no readable image"), ("faces/0.png\nfaces/1.png\n", "no label"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=named):
            load_table(table(tmp_path, text))
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00p")
    with pytest.raises(ValueError, match="no table of text"):
        load_table(tmp_path / "list.csv")
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        load_table(tmp_path / "nothing.csv")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_table(tmp_path / "list.csv", tmp_path / "nowhere")


def rows(labels, form="faces/{}.png,{}"):
    return "".join(form.format(i, label) + "\n" for i, label in enumerate(labels))


def test_numbers_with_a_fraction_of_nothing_are_whole_numbers(tmp_path):
    """As pandas writes a column of numbers in which one is missing."""
    path = table(tmp_path, "path,label\n" + rows(["0.0", "10.0", "2.0", "", "nan", "2", "2.00", "<NA>"]))
    faces = load_table(path, verbose=False)
    assert (faces.classes, faces.labels.tolist()) == (("0", "2", "10"), [0, 2, 1, 1, 1])
    assert any("without a label: line 5 (faces/3.png); line 6" in note for note in faces.notes)
    meant = load_table(path, meaning={0: "anger", 2: "fear"}, verbose=False)
    assert (meant.classes, meant.labels.tolist()) == (EMOTIONS, [0, 2, 2, 2])
    assert any("labels that are no class were skipped: 10.0" in note for note in meant.notes)


def test_columns_without_names_by_their_numbers(tmp_path, capsys):
    """ExpW lists path, number of the face, four sides, confidence, emotion."""
    path = table(tmp_path, rows("01234506", "faces/{}.png 0 28 113 226 141 22.9 {}"))
    with pytest.raises(ValueError, match="only one class, 0"):
        load_table(path)
    faces = load_table(path, columns={"path": 0, "label": 7}, meaning="fer2013")
    assert (faces.classes, faces.labels.tolist()) == (EMOTIONS, [0, 1, 2, 3, 4, 5, 0, 6])
    for wrong in (8, -1, True):
        with pytest.raises(ValueError, match=r"columns\['label'\]="):
            load_table(path, columns={"path": 0, "label": wrong})
    path = table(tmp_path, "was,foto\n" + rows("abab", "{1},faces/{0}.png"))
    assert load_table(path, columns={"path": 1, "label": 0}).labels.tolist() == [0, 1, 0, 1]
    path = table(tmp_path, rows("abab", "faces/{},{}"))  # endings may be left out
    assert load_table(path, columns={"path": 0, "label": 1}).labels.tolist() == [0, 1, 0, 1]
    path = table(tmp_path, "foto,a\n" + rows("abab"))  # a column may be called as a class is
    assert load_table(path, columns={"path": "foto", "label": "a"}).labels.tolist() == [0, 1, 0, 1]
    capsys.readouterr()
    load_table(table(tmp_path, rows("abab", "faces/{}.png,{},more")))
    assert "'a', and 1 more for nothing" in capsys.readouterr().out


def test_paths_from_the_disks_root_and_without_endings(tmp_path):
    root = tmp_path / "own faces"
    faces = load_table(table(root, "path,label\n" + rows("abab", f"{root}/faces/{{}}.png,{{}}")), verbose=False)
    assert faces.names == [f"faces/{i}.png" for i in range(4)]
    short = load_table(table(root, "image_id,label\n" + rows("abab", "{},{}")), root / "faces", verbose=False)
    assert short.names == [f"{i}.png" for i in range(4)]
    assert short.labels.tolist() == [0, 1, 0, 1]


def test_paths_that_start_elsewhere_are_told(tmp_path):
    path = table(tmp_path, "path,label\n" + rows("abab", "data/faces/{}.png,{}"))
    with pytest.raises(ValueError, match=r"no such file: line 2 \(data/faces/0\.png\).*start at .*folder=") as caught:
        load_table(path)
    assert len(str(caught.value)) <= 400


def test_a_table_without_splits_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"has no column of splits.*'split': ….*load_table\("):
        load_table_splits(table(tmp_path, "path,label\n" + rows("abab")))
