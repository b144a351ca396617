"""Folders that are called as those of well-known collections; the images are made up."""

import pytest
import torch
from own_images import put, put_all

from emotion_utils.data import load_folder, load_folder_splits, load_table
from emotion_utils.emotions import EMOTIONS

CODES = {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}


def test_kdef_says_who_shows_what_in_the_names_of_files(tmp_path):
    persons = ("AF01", "AM02", "BF01", "BM30")
    put_all(tmp_path, [f"{who}/{who}{code}{angle}.JPG" for who in persons for code in CODES for angle in ("S", "HL")])
    with pytest.raises(ValueError, match=r"KDEF.*layout='kdef'.*AF01, AM02"):
        load_folder(tmp_path)  # the folders are persons
    faces = load_folder(tmp_path, layout="kdef")
    assert faces.classes == EMOTIONS
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        assert EMOTIONS[label] == CODES[name.rpartition("/")[2][4:6]]
    assert len(faces.groups.unique()) == 3  # AF01 and BF01 are two sessions of one person
    parts = faces.divide((0.6, 0.4))
    assert not torch.isin(parts[0].groups, parts[1].groups).any()


def test_kdef_sorted_into_folders_of_classes(tmp_path):
    put_all(tmp_path, [f"{CODES[code]}/A{who}{code}S.JPG" for who in ("F01", "M02", "M03") for code in CODES])
    faces = load_folder(tmp_path)
    assert len(faces) == 21
    assert len(faces.groups.unique()) == 3
    assert any("KDEF" in note and "3 persons" in note for note in faces.notes)


def test_jaffe_is_one_flat_folder(tmp_path):
    codes = ("AN", "DI", "FE", "HA", "NE", "SA", "SU")
    put_all(tmp_path, [f"{who}.{code}{i}.{39 + i}.tiff" for who in ("KA", "YM") for code in codes for i in (1, 2)])
    (tmp_path / "README.txt").write_text("about the faces")
    with pytest.raises(ValueError, match=r"JAFFE.*layout='jaffe'"):
        load_folder(tmp_path)
    faces = load_folder(tmp_path, layout="jaffe")
    assert faces.classes == EMOTIONS
    assert faces.class_counts().tolist() == [4] * 7
    assert len(faces.groups.unique()) == 2
    assert any("README.txt" in note for note in faces.notes)


def test_ck48_keeps_the_frames_of_a_person_together(tmp_path):
    titles = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    names = [
        f"{title}/S{who:03}_00{k}_000000{9 + k}.png" for title in titles for who in (10, 22, 37) for k in (1, 2, 3)
    ]
    faces = load_folder(put_all(tmp_path / "CK+48", names, size=(48, 48)))
    assert faces.classes == ("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
    assert any("order" in note and "contempt" in note for note in faces.notes)
    assert len(faces.groups.unique()) == 3
    without = load_folder(tmp_path / "CK+48", classes=EMOTIONS)
    assert without.classes == EMOTIONS
    assert any("contempt" in note and "skipped" in note for note in without.notes)


def test_raf_db_counts_from_one_and_in_an_order_of_its_own(tmp_path):
    order = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
    names = [f"{part}/{n}/{part}_0000{n}_aligned.jpg" for part in ("train", "test") for n in range(1, 8)]
    put_all(tmp_path, names, mode="RGB", size=(100, 100))
    numbers = load_folder(tmp_path / "train")
    assert numbers.classes == tuple("1234567")
    assert any("numbers" in note and "meaning" in note for note in numbers.notes)
    faces = load_folder(tmp_path / "train", meaning="raf-db")
    assert faces.classes == EMOTIONS
    assert {name[0]: EMOTIONS[label] for name, label in zip(faces.names, faces.labels.tolist(), strict=True)} == dict(
        zip("1234567", order, strict=True)
    )
    (tmp_path / "list.txt").write_text("".join(f"train_0000{n}.jpg {n}\n" for n in range(1, 8)))
    for n in range(1, 8):  # as in the collection itself: all in one folder
        put(tmp_path / "aligned" / f"train_0000{n}_aligned.jpg", n, mode="RGB")
    listed = load_table(tmp_path / "list.txt", tmp_path / "aligned", meaning="raf-db")
    assert listed.classes == EMOTIONS
    assert [EMOTIONS[label] for label in listed.labels.tolist()] == list(order)


def test_affectnet_lists_paths_and_numbers(tmp_path):
    lines = ["subDirectory_filePath,face_x,face_y,expression,valence,arousal"]
    for n in range(11):
        put(tmp_path / "689" / f"{n}.jpg", n, mode="RGB")
        lines.append(f"689/{n}.jpg,1,2,{n},0.1,0.2")
    (tmp_path / "training.csv").write_text("\n".join(lines))
    faces = load_table(tmp_path / "training.csv", meaning="affectnet")
    assert len(faces) == 8  # none, uncertain and no face are no emotions
    assert faces.classes == ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert faces.classes[faces.labels[faces.names.index("689/0.jpg")]] == "neutral"
    assert any("skipped: 8, 9, 10" in note for note in faces.notes)
    seven = load_table(tmp_path / "training.csv", meaning="affectnet", classes=EMOTIONS)
    assert seven.classes == EMOTIONS
    assert len(seven) == 7


def test_fer2013_and_ferplus_as_folders(tmp_path):
    titles = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "suprise")
    names = [f"{part}/{title}/fer00{k}{i}.png" for k, part in enumerate(("train", "test")) for i, title in
             enumerate(titles * 10)]  # fmt: skip
    put_all(tmp_path, names, size=(48, 48))
    training, validation, test = load_folder_splits(tmp_path, verbose=False)
    assert training.classes == validation.classes == test.classes
    assert "surprise" in training.classes
    assert (len(training), len(validation), len(test)) == (72, 8, 80)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"layout": "imagenet"}, r"layout='imagenet'.*kdef"),
        ({"layout": 3}, "layout=3"),
        ({"layout": "jaffe"}, r"JAFFE.*happy/0.png"),
        ({"meaning": "celeba"}, r"meaning='celeba'.*raf-db"),
        ({"meaning": {}}, "meaning="),
        ({"meaning": {"happy": 3}}, "meaning="),
        ({"person_of": lambda name: None}, r"person_of.*None.*happy/0.png"),
        ({"person_of": lambda name: name.split("_")[1]}, r"person_of.*happy/0.png.*list index"),
    ],
)
def test_what_is_asked_for_and_not_there(tmp_path, options, named):
    put_all(tmp_path, ["happy/0.png", "happy/1.png", "sad/0.png", "sad/1.png"])
    with pytest.raises(ValueError, match=named):
        load_folder(tmp_path, **options)
    with pytest.raises(TypeError, match="person_of="):
        load_folder(tmp_path, person_of="happy")


def test_persons_by_a_function_of_ones_own(tmp_path):
    put_all(tmp_path, [f"{title}/{who}-{i}.png" for title in ("happy", "sad") for who in "abcd" for i in range(3)])
    faces = load_folder(tmp_path, person_of=lambda name: name.split("/")[1].split("-")[0])
    assert len(faces.groups.unique()) == 4
    parts = faces.divide((0.5, 0.25, 0.25))
    assert [len(part.groups.unique()) for part in parts] == [2, 1, 1]
    assert sum(len(part) for part in parts) == 24


def test_meaning_is_found_in_any_writing(tmp_path):
    put_all(tmp_path / "german", ["WUT/0.png", "u\u0308berraschung/0.png", "Neutral/0.png", "Ekel/0.png"])
    faces = load_folder(
        tmp_path / "german", meaning={"Wut": "angry", "\u00fcberraschung": "surprise", "ekle": "disgust"}
    )
    assert faces.classes == ("Ekel", "angry", "neutral", "surprise")
    assert any("meaning says nothing of Ekel" in note for note in faces.notes)
    put_all(tmp_path / "numbers", ["01/0.png", "02/0.png", "3.0/0.png"])
    faces = load_folder(tmp_path / "numbers", meaning="raf-db")
    assert faces.labels.tolist() == [EMOTIONS.index(name) for name in ("disgust", "fear", "surprise")]
    assert not any("meaning says" in note for note in faces.notes)


def test_persons_above_emotions_are_no_classes(tmp_path):
    """As in Oulu-CASIA and CK+."""
    names = [f"P00{who}/{title}/{i}.png" for who in (1, 2) for title in ("Anger", "Happiness") for i in range(2)]
    put_all(tmp_path / "oulu", names)
    with pytest.raises(
        ValueError, match=r"oulu: .*Anger, Happiness.* lie in P001, P002.*load_table.*classes="
    ) as caught:
        load_folder(tmp_path / "oulu")
    assert len(str(caught.value)) <= 400
    assert load_folder(tmp_path / "oulu", classes=["P001", "P002"]).labels.tolist() == [0] * 4 + [1] * 4
    put_all(tmp_path / "one", ["images/happy/0.png", "images/sad/0.png", "annotations/0.png"])
    with pytest.raises(ValueError, match="lie in images"):
        load_folder(tmp_path / "one")
    put_all(tmp_path / "ck", [f"S{who:03}/00{k}/S{who:03}_00{k}_00000001.png" for who in (5, 10) for k in (1, 2)])
    with pytest.raises(ValueError, match=r"ck: .*S005, S010.*persons of CK\+.*load_table"):
        load_folder(tmp_path / "ck")
    put_all(tmp_path / "fine", ["happy/faint/0.png", "happy/sad/0.png", "sad/happy/0.png"])
    assert load_folder(tmp_path / "fine").labels.tolist() == [3, 3, 4]


def test_names_in_small_letters_are_the_same_names(tmp_path):
    put_all(
        tmp_path / "kdef", [f"{who}/{who}{code.lower()}s.jpg" for who in ("af01", "bf01", "am02") for code in CODES]
    )
    with pytest.raises(ValueError, match=r"KDEF.*layout='kdef'"):
        load_folder(tmp_path / "kdef")
    faces = load_folder(tmp_path / "kdef", layout="kdef")
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        assert EMOTIONS[label] == CODES[name.rpartition("/")[2][4:6].upper()]
    assert len(faces.groups.unique()) == 2
    put_all(tmp_path / "ck", [f"s{who:03}/001/S{who:03}_001_00000001.png" for who in (5, 10)])
    with pytest.raises(ValueError, match=r"s005, s010.*persons of CK\+"):
        load_folder(tmp_path / "ck")
