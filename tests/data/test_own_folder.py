"""What folders of one's own hold: colours, photographs of every size, persons, mistakes; and the page on it."""

import numpy as np
import pytest
import torch
from own_images import put, put_all
from PIL import Image

from emotion_utils.data import inspect_folder, load_folder, load_image, to_grey
from emotion_utils.models import EmotionCNN, predict_proba
from emotion_utils.training import TrainConfig, train

PETS = [f"{title}/{i}.png" for title in ("cat", "dog") for i in range(6)]


def test_colours_are_kept_where_they_are_asked_for(tmp_path):
    put_all(tmp_path, PETS, mode="RGB", size=(32, 32))
    pets = load_folder(tmp_path, size=32, colour=True)
    assert pets.images.shape == (12, 3, 32, 32)
    with Image.open(tmp_path / pets.names[4]) as image:
        assert pets.images[4].permute(1, 2, 0).numpy().tobytes() == image.tobytes()
    grey = load_folder(tmp_path, size=32)
    assert torch.equal(grey.images[4, 0], torch.from_numpy(to_grey(tmp_path / pets.names[4])))
    assert torch.equal(load_image(tmp_path / pets.names[4], 32, colour=True)[0], pets.images[4])
    put_all(tmp_path / "grey", PETS)
    assert any("no file holds colours" in note for note in load_folder(tmp_path / "grey", colour=True).notes)


def test_a_network_for_the_data_learns_and_answers_in_colour(tmp_path):
    put_all(tmp_path, PETS, mode="RGB", size=(24, 24))
    pets = load_folder(tmp_path, size=16, colour=True, verbose=False)
    model = EmotionCNN((4,), hidden=0, **pets.model_arguments())
    assert (model.in_channels, model.image_size, model.num_classes) == (3, 16, 2)
    train(model, pets, None, TrainConfig(epochs=1, batch_size=4, progress=False))
    assert model.classes == ("cat", "dog")
    assert predict_proba(model, load_image(tmp_path / PETS[0], 16, colour=True)).shape == (1, 2)


def test_sizes_modes_and_panoramas(tmp_path):
    put_all(tmp_path, PETS)
    put(tmp_path / "cat" / "wide.png", 50, size=(20, 10_000))
    put(tmp_path / "cat" / "clear.png", 51, mode="RGBA")
    put(tmp_path / "dog" / "tiny.png", 52, size=(9, 9))
    put(tmp_path / "dog" / "colour.jpg", 53, mode="RGB", size=(300, 200))
    pets = load_folder(tmp_path)
    assert len(pets) == 16
    notes = "\n".join(pets.notes)
    assert "less than half: cat/wide.png" in notes
    assert "enlarged" in notes
    assert "dog/tiny.png" in notes


def test_phone_photographs_are_turned_upright_in_colour_too(tmp_path):
    put_all(tmp_path, PETS)
    lying = Image.new("RGB", (60, 60), "red")
    lying.paste("blue", (0, 0, 60, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "cat" / "phone.png", exif=exif)
    pets = load_folder(tmp_path, size=60, colour=True, verbose=False)
    turned = pets.images[pets.names.index("cat/phone.png")]  # upright, its blue half is on the right
    assert turned[:, 30, 59].tolist() == [0, 0, 255]
    assert turned[:, 30, 0].tolist() == [255, 0, 0]


def test_an_image_in_two_classes_and_classes_of_one_image_are_told(tmp_path):
    put_all(tmp_path, PETS)
    put(tmp_path / "cat" / "same.png", 11)
    put(tmp_path / "dog" / "again.png", 8)
    put(tmp_path / "fish" / "one.png", 60)
    notes = "\n".join(load_folder(tmp_path).notes)
    assert "two classes" in notes
    assert "cat/same.png = dog/5.png" in notes
    assert "more than once (1 times): dog/2.png = dog/again.png" in notes
    assert "one image" in notes
    assert "fish" in notes


def test_division_keeps_identical_images_and_persons_together(tmp_path):
    put_all(tmp_path, [f"{title}/{who}{i}.png" for title in ("cat", "dog") for who in "abcdef" for i in range(3)])
    put(tmp_path / "cat" / "b9.png", 0)  # the first of a: so a and b must stay together
    pets = load_folder(tmp_path, person_of=lambda name: name.split("/")[1][0])
    for seed in range(5):
        parts = pets.divide((0.5, 0.25, 0.25), seed)
        people = [{name.split("/")[1][0] for name in part.names} for part in parts]
        assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
        assert any({"a", "b"} <= group for group in people)
    with pytest.raises(ValueError, match=r"all 37 images show 2 people.*3 parts.*person_of"):
        pets.with_groups([int(name.split("/")[1][0] in "ab") for name in pets.names]).divide((0.4, 0.3, 0.3))
    with pytest.raises(ValueError, match=r"all 37 images show 1 person"):
        pets.with_groups([7] * 37).divide((0.5, 0.5))
    with pytest.raises(ValueError, match=r"2 that may be torn apart"):
        pets.subset([0, 3]).with_groups(None).divide((0.4, 0.3, 0.3))
    with pytest.raises(ValueError, match="groups has 2 entries"):
        pets.with_groups([1, 2])


def test_a_part_without_a_class_says_so(tmp_path):
    put_all(tmp_path, [*PETS, "fish/0.png"])
    parts = load_folder(tmp_path, verbose=False).divide((0.5, 0.5))
    assert sum("has no image of fish" in note for part in parts for note in part.notes) == 1


def test_the_page_on_a_folder(tmp_path, capsys):
    put_all(tmp_path / "pets", PETS, mode="RGB")
    put(tmp_path / "pets" / "cat" / "same.png", 11, mode="RGB")
    put(tmp_path / "pets" / "dog" / "again.png", 11, mode="RGB", size=(60, 60))
    put(tmp_path / "pets" / "dog" / "large.png", 70, size=(90, 120))
    (tmp_path / "pets" / "dog" / "<b>bold.jpg").write_bytes(b"\xff\xd8 no more")
    for number in range(30):
        (tmp_path / "pets" / "cat" / f"{number}.txt").write_text("no image")
    report = inspect_folder(tmp_path / "pets", person_of=lambda name: name[0])
    assert capsys.readouterr().out == ""
    assert torch.equal(report.dataset.images, load_folder(tmp_path / "pets", verbose=False).images)
    assert len(report.skipped) == 31
    assert report.conflicts == (("cat/same.png", "dog/5.png", "dog/again.png"),)
    assert (report.smallest, report.largest, report.coloured, report.persons) == ((60, 60), (90, 120), 14, 2)
    text = str(report)
    assert "files skipped: 31" in text
    assert "… and 19 more" in text
    page = report.save(tmp_path / "page.html").read_text("utf-8")
    assert "&lt;b&gt;bold.jpg" in page
    assert "<b>bold" not in page + report._repr_html_()
    assert "29.txt: no image" in page
    assert "different labels: 1 group\n" in text
    with pytest.raises(ValueError, match="no sub-folders"):
        inspect_folder(tmp_path / "pets" / "cat")


def test_a_rule_for_persons_that_hardly_fits_is_told(tmp_path, capsys):
    put_all(tmp_path, [f"{title}/IMG_{i}{title}.png" for title in ("cat", "dog") for i in range(3)])
    doubts = {
        "IMG": (lambda name: name.split("/")[1].partition("_")[0], "one person in all images"),
        "whole name": (lambda name: name, "6 persons, another in each image"),
        "title": (lambda name: name.split("/")[0], None),
        "unknown": (None, None),
    }
    for name, (person_of, said) in doubts.items():
        report = inspect_folder(tmp_path, person_of=person_of)
        told = [note for note in report.notes if "person_of" in note]
        assert len(told) == (said is not None), name
        assert said is None or said in told[0]
        assert said is None or said in str(report)
        capsys.readouterr()
        assert load_folder(tmp_path, person_of=person_of).notes == report.dataset.notes == list(report.notes)
        printed = capsys.readouterr().out
        assert "person_of finds" not in printed if said is None else said in printed


def test_folders_of_nearly_black_images_are_told(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (4, 48, 48)).astype(np.uint16)  # 12 bits, saved as 16
    for i, image in enumerate(pixels):
        (tmp_path / "dim" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "dim" / "ab"[i % 2] / f"{i}.png")
    assert any("brightest of all pixels is 15 of 255" in note for note in load_folder(tmp_path / "dim").notes)
    put_all(tmp_path / "usual", PETS)
    assert not any("brightest" in note for note in load_folder(tmp_path / "usual").notes)
