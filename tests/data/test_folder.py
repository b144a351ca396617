"""A folder of images as a data set."""

import os

import pytest
import torch
from obstacles import open_folder, ordinary_user
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emotion_utils.data.folder import load_folder
from emotion_utils.emotions import EMOTIONS


def make_folder(path, **counts):
    for place, (title, count) in enumerate(counts.items()):
        (path / title).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (60, 50), 10 * number + place).save(path / title / f"{number}.png")
    return path


def test_a_folder_of_classes(tmp_path):
    path = make_folder(tmp_path / "pets", dog=3, cat=2)
    dataset = load_folder(path)
    assert (dataset.name, dataset.classes, dataset.labels.tolist()) == ("pets", ("cat", "dog"), [0, 0, 1, 1, 1])
    assert dataset.names == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    assert dataset.images.shape == (5, 1, 48, 48)
    assert load_folder(path, size=20, classes=["dog", "cat"]).labels.tolist() == [0, 0, 0, 1, 1]


def test_emotions_keep_the_labels_of_trained_models(tmp_path):
    dataset = load_folder(make_folder(tmp_path / "mine", sad=2, happy=1))
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist() == [3, 4, 4]
    assert any("angry, disgust, fear, surprise, neutral" in note for note in dataset.notes)
    assert load_folder(make_folder(tmp_path / "one", happy=2), classes=EMOTIONS).labels.tolist() == [3, 3]


def test_what_cannot_be_read_is_skipped_and_listed(tmp_path):
    path = make_folder(tmp_path / "pets", dog=2, cat=1, fish=1, bird=0)
    (path / "dog" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (path / "dog" / "readme.txt").write_text("about dogs")
    (path / "dog" / ".DS_Store").write_text("hidden, not worth a word")
    dataset = load_folder(path, classes=["dog", "cat", "bird"])
    assert len(dataset) == 3
    notes = "\n".join(dataset.notes)
    assert "skipped 2 files" in notes
    assert "dog/broken.jpg" in notes
    assert "dog/readme.txt" in notes
    assert ".DS_Store" not in notes
    assert "no class were skipped: fish" in notes
    assert "without images: bird" in notes


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        load_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no sub-folders"):
        load_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"one .*'happy'"):
        load_folder(make_folder(tmp_path / "one", happy=3))
    with pytest.raises(ValueError, match=r"hollow .*cat, dog"):
        load_folder(make_folder(tmp_path / "hollow", cat=0, dog=0))
    path = make_folder(tmp_path / "pets", cat=1, dog=1)
    for size in (0, -1, 1.5, "48", None):
        with pytest.raises(ValueError, match=f"size={size!r}"):
            load_folder(path, size=size)
    for classes in ("cat", ["cat", "cat"], [], [1, 2]):
        with pytest.raises(ValueError, match="classes="):
            load_folder(path, classes=classes)
    with pytest.raises(TypeError, match="path=5"):
        load_folder(5)


def test_a_folder_without_one_readable_image_names_the_first_of_its_files(tmp_path):
    path = make_folder(tmp_path / "texts", cat=0, dog=0)
    for number in range(200):
        (path / "dog" / f"{number:03}.txt").write_text("about dogs")
    with pytest.raises(ValueError, match=r"texts .*200 files.*dog/000.txt") as caught:
        load_folder(path)
    assert "001" not in str(caught.value)


def put(path, level: int = 99, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (60, 60), level).save(path, **options)


@pytest.mark.parametrize(
    "names",
    [
        [name.title() for name in EMOTIONS],
        ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"],
        ["ANGRY", "Disgusted", "fearful", "joy", "Sad", "suprise", "6_neutral"],
    ],
)
def test_other_names_of_emotions_have_the_labels_of_trained_models(tmp_path, names):
    for label, name in enumerate(names):
        put(tmp_path / name / "a.png", 30 * label)
    dataset = load_folder(tmp_path)
    assert dataset.classes == EMOTIONS
    assert dataset.labels.tolist() == [int(image.float().mean()) // 30 for image in dataset.images]
    taken = next(note for note in dataset.notes if "emotions" in note)
    assert all(f"{name} → {title}" in taken for name, title in zip(names, EMOTIONS, strict=True) if name != title)
    assert load_folder(tmp_path, classes=EMOTIONS, verbose=False).labels.tolist() == dataset.labels.tolist()


def test_two_folders_of_one_emotion_are_one_class(tmp_path):
    for number, name in enumerate(("Happiness", "happy", "sad", "Sadness")):
        put(tmp_path / name / "a.png", number)
    dataset = load_folder(tmp_path)
    assert dataset.names == ["Happiness/a.png", "happy/a.png", "Sadness/a.png", "sad/a.png"]
    assert dataset.labels.tolist() == [3, 3, 4, 4]
    assert any("Happiness, happy → happy" in note for note in dataset.notes)


def test_emotions_beside_others_are_told_to_have_another_order(tmp_path):
    for name in ("Anger", "contempt", "happy"):
        put(tmp_path / name / "a.png")
    dataset = load_folder(tmp_path)
    assert dataset.classes == ("angry", "contempt", "happy")
    assert any("order angry, contempt, happy" in note and "EMOTIONS" in note for note in dataset.notes)
    assert not load_folder(make_folder(tmp_path / "pets", cat=2, dog=2)).notes
    make_folder(tmp_path / "mixed", cat=1, dog=1)
    put(tmp_path / "mixed" / "Cat" / "a.png")
    if len(os.listdir(tmp_path / "mixed")) == 3:  # else this system makes no such difference
        assert "Cat, cat" in "".join(load_folder(tmp_path / "mixed").notes)


def test_images_below_belong_to_the_class_above_them(tmp_path):
    for name in ("happy/a.png", "sad/a.png", "happy/batch2/b.png", "happy/batch2/x/y/c.png", "happy/z.png"):
        put(tmp_path / name)
    dataset = load_folder(tmp_path)
    assert dataset.names == ["happy/a.png", "happy/batch2/b.png", "happy/batch2/x/y/c.png", "happy/z.png", "sad/a.png"]
    assert any("happy/batch2; happy/batch2/x/y" in note for note in dataset.notes)


def test_what_is_left_out_is_named(tmp_path, capsys):
    for name in (
        "_fear/a.png",
        ".hidden/a.png",
        "happy/a.png",
        "sad/a.png",
        "happy/.x.png",
        "happy/_old/b.png",
        "loose.png",
    ):
        put(tmp_path / name)
    for name in (".DS_Store", "happy/Thumbs.db", "sad/._a.png", "sad/desktop.ini"):
        (tmp_path / name).write_text("not worth a word")
    dataset = load_folder(tmp_path)
    notes = "\n".join(dataset.notes)
    for name in ("_fear", ".hidden", "happy/.x.png", "happy/_old/", "loose.png"):
        assert name in notes
    for name in ("DS_Store", "Thumbs", "._a", "desktop"):
        assert name not in notes
    assert capsys.readouterr().out == "".join(f"{tmp_path.name}: {note}.\n" for note in dataset.notes)
    load_folder(tmp_path, verbose=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "test"),
        ("Train", "Test"),
        ("train", "valid", "samples"),
        ("Training", "PublicTest"),
        ("VAL_set", "x"),
        ("train",),
    ],
)
def test_splits_are_no_classes(tmp_path, parts):
    for part in parts:
        for name in ("happy", "sad"):
            put(tmp_path / part / name / "a.png")
    with pytest.raises(ValueError, match=r"holds splits .*load_folder\('.*load_splits") as caught:
        load_folder(tmp_path)
    advised = str(caught.value).split("load_folder('")[1].split("')")[0]
    assert len(load_folder(advised)) == 2
    with pytest.raises(ValueError, match="splits"):
        load_folder(tmp_path, classes=EMOTIONS)


def test_a_class_may_be_called_train(tmp_path):
    assert load_folder(make_folder(tmp_path / "traffic", plane=1, train=1)).classes == ("plane", "train")
    assert load_folder(
        make_folder(tmp_path / "groups", test=1, train=1), classes=["test", "train"]
    ).labels.tolist() == [0, 1]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights before it makes a link")
def test_links(tmp_path):
    root = make_folder(tmp_path / "root", cat=2, dog=1)
    make_folder(tmp_path / "elsewhere", birds=2)
    (root / "bird").symlink_to(tmp_path / "elsewhere" / "birds")  # a class may lie elsewhere
    (root / "cat" / "2.png").symlink_to(root / "cat" / "1.png")
    (root / "cat" / "circle").symlink_to(root / "cat")
    (root / "cat" / "up").symlink_to(root)
    (root / "dog" / "self.png").symlink_to(root / "dog" / "self.png")
    (root / "dog" / "gone.png").symlink_to(root / "nothing.png")
    (root / "everything").symlink_to(root)
    (root / "kitten").symlink_to(root / "cat")
    dataset = load_folder(root)
    assert dataset.classes == ("bird", "cat", "dog")
    assert dataset.labels.tolist() == [0, 0, 1, 1, 1, 2]
    notes = "\n".join(dataset.notes)
    for name in ("cat/circle", "cat/up", "dog/self.png", "dog/gone.png", "everything", "kitten"):
        assert name in notes


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes with names")
def test_a_pipe_among_the_images_is_skipped(tmp_path):
    path = make_folder(tmp_path / "pets", cat=1, dog=1)
    os.mkfifo(path / "cat" / "x.jpg")
    dataset = load_folder(path)
    assert len(dataset) == 2
    assert any("cat/x.jpg" in note and "pipe" in note for note in dataset.notes)


def test_three_hundred_bad_files_make_a_few_short_lines(tmp_path, capsys):
    path = make_folder(tmp_path / "pets", cat=1, dog=1)
    for number in range(300):
        (path / "cat" / f"{number:03}{'x' * 100}.jpg").write_bytes(b"\xff\xd8\xff no more")
    dataset = load_folder(path)
    assert len(dataset) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 5
    assert max(map(len, lines)) <= 400
    assert "300 files" in lines[0]
    assert "and 295 more" in lines[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_text_and_names_with_line_breaks(tmp_path, capsys):
    root = tmp_path / os.fsdecode(b"faces\xff\n")
    odd = os.fsdecode(b"a\n\xff\x1b[31m.png")
    for name in ("happy", "sad", os.fsdecode(b"\xffangry")):
        put(tmp_path / "a.png")
        (root / name).mkdir(parents=True)
        os.replace(tmp_path / "a.png", root / name / odd)
    (root / "happy" / os.fsdecode(b"\xff\n.txt")).write_text("no image")
    dataset = load_folder(root)
    assert sorted(dataset.names)[0] == f"happy/{odd}"  # the file can be found by it
    assert len(dataset) == 3
    for text in (str(dataset), *dataset.describe().splitlines(), *capsys.readouterr().out.splitlines()):
        assert text.isprintable()
    assert dataset.name == r"faces\udcff\n"


def test_damaged_exif_data_is_told(tmp_path):
    path = make_folder(tmp_path / "pets", cat=1, dog=1)
    about = PngInfo()
    about.add_text("Raw profile type exif", "\nexif\n 8\nno hexadecimal digits")
    put(path / "cat" / "lying.png", pnginfo=about)
    dataset = load_folder(path)
    assert len(dataset) == 3
    assert any("EXIF" in note and "cat/lying.png" in note for note in dataset.notes)


def test_folders_that_may_not_be_read():
    with open_folder() as folder:
        path = make_folder(folder / "pets", cat=1, dog=1)
        make_folder(path / "cat", private=1)
        (path / "cat" / "private").chmod(0)
        with ordinary_user():
            dataset = load_folder(path)
            assert len(dataset) == 2
            assert any("cat/private/" in note for note in dataset.notes)
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError, match=r"pets may not be read"):
            load_folder(path)
        path.chmod(0o755)
        (path / "cat" / "private").chmod(0o755)


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    make_folder(tmp_path / "pets", cat=1, dog=1)
    monkeypatch.chdir(tmp_path / "pets")
    dataset = load_folder(".")
    assert dataset.name == "pets"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert torch.equal(load_folder("~/pets").images, dataset.images)


def test_an_archive_that_was_unpacked_into_a_folder_of_its_own(tmp_path):
    make_folder(tmp_path / "archive" / "pets", cat=1, dog=1)
    with pytest.raises(ValueError, match=r"archive/pets instead|archive.pets instead"):
        load_folder(tmp_path / "archive")


def test_the_folders_of_disks_and_systems_are_no_classes(tmp_path):
    path = make_folder(tmp_path / "faces", happy=1, sad=1)
    for name in ("$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir", "__MACOSX", ".git"):
        (path / name).mkdir()
        (path / "sad" / name).mkdir()
        Image.new("L", (9, 9)).save(path / "sad" / name / "thumbnail.png")
    dataset = load_folder(path)
    assert dataset.classes == EMOTIONS
    assert len(dataset) == 2
    assert not any("RECYCLE" in note for note in dataset.notes)
    assert any("__MACOSX" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("folders", "classes"),
    [(("happy", "sad"), ("Happy", "SAD")), (("happy", "sad"), ("joy", "sadness")), (("joy", "Sad"), ("happy", "sad")),
     (("Cat", "dog"), ("cat", "DOG")), (("caf\u00e9", "bar"), ("cafe\u0301", "bar"))],
)  # fmt: skip
def test_classes_are_found_in_any_writing(tmp_path, folders, classes):
    dataset = load_folder(make_folder(tmp_path / "mine", **{folders[0]: 1, folders[1]: 2}), classes=classes)
    assert dataset.classes == classes
    assert dataset.labels.tolist() == [0, 1, 1]
    assert any(f"{folders[0]} → {classes[0]}" in note for note in dataset.notes)


def test_no_folder_of_the_classes_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"happy, sad.*cat, dog"):
        load_folder(make_folder(tmp_path / "mine", happy=1, sad=1), classes=["cat", "dog"])


def test_classes_that_are_numbers_or_look_alike_are_said(tmp_path):
    numbers = load_folder(make_folder(tmp_path / "numbers", **{"0": 1, "1": 1}))
    assert numbers.classes == ("0", "1")
    assert any("numbers" in note and "FER2013" in note for note in numbers.notes)
    (tmp_path / "accents" / "e\u0301").mkdir(parents=True)
    if not (tmp_path / "accents" / "\u00e9").exists():  # a Mac's disk takes both for one
        assert any("writing" in note for note in load_folder(make_accents(tmp_path / "accents")).notes)


def make_accents(path):
    for name in ("e\u0301", "\u00e9"):
        (path / name).mkdir(exist_ok=True)
        Image.new("L", (9, 9)).save(path / name / "0.png")
    return path


def test_a_folder_in_disorder_prints_a_few_lines(tmp_path, capsys):
    path = make_folder(tmp_path / "mess", Happy=1, cat=1, Cat=1, bird=0)
    (path / "cat" / "deep").mkdir()
    (path / "cat" / ".hidden").write_text("")
    Image.new("L", (9, 9)).save(path / "cat" / "deep" / "0.png")
    for number in range(300):
        (path / "cat" / f"{number}.txt").write_text("")
    (path / "list.csv").write_text("")
    dataset = load_folder(path)
    lines = capsys.readouterr().out.splitlines()
    assert len(dataset.notes) > 5
    assert len(lines) == 5
    assert all(len(line) <= 400 for line in lines)
    assert f"{len(dataset.notes) - 4} notes more" in lines[-1]
