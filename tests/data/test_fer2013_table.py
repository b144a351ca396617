"""FER2013 as a table: every way to write it is read, and a bad one gives one clear sentence, whatever it holds."""

import os

import numpy as np
import pytest
import torch
from fer2013_tables import ROWS, make_rows, pack, table, write_table

from emotion_utils.data.loading import load, load_splits

pytestmark = pytest.mark.usefixtures("own_places")

PIXELS = " ".join(["7"] * 2304)
DIGITS = ",".join(f"pixel{i}" for i in range(784))
WIDE = ",".join(f"pixel{i}" for i in range(2304))


def written(change) -> str:
    """Change the lines of a good table."""
    return "\n".join(change(table(*make_rows()).splitlines())) + "\n"


def cells(change):
    """Change the cells of each row, given as emotion, pixels, usage."""
    return lambda lines: [lines[0], *(",".join(change(*line.split(","))) for line in lines[1:])]


@pytest.mark.parametrize(
    "make",
    [
        lambda: written(
            cells(lambda emotion, pixels, usage: (emotion, " ".join(p + ".0" for p in pixels.split()), usage))
        ),
        lambda: written(cells(lambda emotion, pixels, usage: (emotion + ".0", f" {pixels} ", f" {usage} "))),
        lambda: written(cells(lambda emotion, pixels, usage: (f'"{emotion}"', f'"{pixels}"', usage.upper()))),
        lambda: written(
            cells(lambda emotion, pixels, usage: (emotion, "  ".join(f"{int(p):03}" for p in pixels.split()), usage))
        ),
        lambda: written(lambda lines: [line.replace(",", ";") for line in lines]),
        lambda: written(lambda lines: [line.replace(",", "\t") for line in lines]),
        lambda: written(lambda lines: ["\ufeff" + lines[0].upper(), "", *lines[1:], ""]),
        lambda: written(lambda lines: [f"{line},more" for line in lines]),
        lambda: written(lambda lines: [f"{line}\r" for line in lines]),
        lambda: written(lambda lines: lines).replace("\n", "\r"),
        lambda: written(
            cells(
                lambda emotion, pixels, usage: (
                    ["Anger", "disgust", "FEAR", "happy", "sadness", "surprise", "neutral"][int(emotion)],
                    pixels,
                    usage,
                )
            )
        ),
        lambda: written(lambda lines: lines).encode("utf-16"),
    ],
    ids=[
        "12.0",
        "3.0 and blanks",
        "quotes",
        "007",
        "semicolons",
        "tabs",
        "BOM",
        "a fourth column",
        "CRLF",
        "CR",
        "names",
        "UTF-16",
    ],
)
def test_ways_to_write_a_table(tmp_path, make):
    images, labels, _ = make_rows()
    pack("bare", tmp_path, "fer2013.csv", make())
    splits = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    assert [len(split) for split in splits] == [140, 21, 14]
    assert torch.equal(torch.cat([split.images for split in splits])[:, 0], torch.from_numpy(images))
    assert torch.cat([split.labels for split in splits]).tolist() == labels


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_for_each_pixel(tmp_path, first):
    images, labels, _ = make_rows()
    order = np.random.default_rng(0).permutation(2304)
    header = ",".join(["emotion", *(f"Pixel{i + first}" for i in order)])
    rows = [",".join(map(str, [label, *image.ravel()[order]])) for image, label in zip(images, labels, strict=True)]
    (tmp_path / "fer2013.csv").write_text("\n".join([header, *rows]))
    splits = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    found = {image.numpy().tobytes() for split in splits for image in split.images}
    assert found == {image.tobytes() for image in images}
    assert any("no Usage column" in note for note in splits[0].notes)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is empty"),
        ("label,image\n0,1 2 3\n", r"columns \['label', 'image'\]"),
        (f"label,{DIGITS}\n", r"columns \['label', 'pixel0'"),
        (f"emotion,{DIGITS}\n", r"columns \['emotion', 'pixel0'"),
        ("emotion,Usage\n0,Training\n", r"columns \['emotion', 'usage'\]"),
        ("<!DOCTYPE html><html><head><title>Sign in</title>", r"columns \['<!doctype html><h"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1234\n", r"columns \['version https"),
        ("x" * 90_000 + "\n", "data"),
        ("x," * 40_000 + "\n", r"columns \['x', 'x'"),
        (f"0,{PIXELS},Training\n", "begins with a row of data.*emotion,pixels,Usage"),
        (f"0,{PIXELS.replace(' ', ',')}\n", "begins with a row of data"),
        ("emotion,pixels,Usage\n", "no rows"),
        ("emotion,pixels,pixels\n", "2 columns called 'pixels'"),
        ("emotion,pixels,Usage,usage, Emotion\n", "2 columns called 'emotion'"),
        (f"emotion,pixels\n0,{PIXELS}\n1,{PIXELS[:-2]}\n", r"row 2 \(line 3\).* 2,303 .*2,304"),
        (f"emotion,pixels\n0,{PIXELS} 7\n", "row 1 .*2,305"),
        ("emotion,pixels\n0,\n", "row 1 .* 0 pixels"),
        ("emotion,pixels,Usage\n,,\n", "row 1 .* 0 pixels"),
        (f"emotion,pixels\n0,{PIXELS}\n,{PIXELS}\n", "row 2 .*emotion is ''"),
        (f"emotion,pixels,Usage\n0,{PIXELS},\n", "row 1 .*usage is ''"),
        *(
            (f"emotion,pixels\n0,{PIXELS[:-2]} {pixel}\n", rf"row 1 .*pixel 2,304 is '{shown}'; .* 0 to 255")
            for pixel, shown in {
                "256": "256", "-1": "-1", "+12": r"\+12", "-0": "-0", "x": "x", "1.5": "1.5", "0x0c": "0x0c",
                "1e2": "1e2", "1e400": "1e400", "nan": "nan", "inf": "inf", "4294967297": "4294967297",
                "1" * 30: "1" * 27 + "…", "9" * 5000: "9" * 27 + "…", "１２": "１２", "1_0": "1_0", "²": "²",
            }.items()
        ),
        (f"emotion,pixels\n0,\"[{PIXELS.replace(' ', ', ')}]\"\n", r"row 1 .*pixel 1 is '\[7,'"),
        (f"emotion,pixels\n7,{PIXELS}\n", r"row 1 .*emotion.*'7'"),
        (f"emotion,pixels\n3.5,{PIXELS}\n", "row 1 .*emotion.*'3.5'"),
        (f"emotion,pixels\ncontempt,{PIXELS}\n", "row 1 .*emotion.*'contempt'"),
        (f"emotion,pixels,Usage\n{PIXELS},{PIXELS},Training\n", r"row 1 .*emotion.*'7 7 7 .*…"),
        (f"emotion,pixels,Usage\n3,{PIXELS},Test\n", "row 1 .*usage.*'Test'.*PublicTest"),
        (f"emotion,pixels,Usage\n3,{PIXELS},\x1b[31mTraining\n", "row 1 .*usage"),
        (f"emotion,pixels,Usage\n3,{PIXELS},Training\n4,{PIXELS[:1000]}", "row 2 .*2 fields .*3 columns"),
        ("emotion,pixels\n0," + "1" * 200_000 + "\n", "line 2 has more than 100,000 characters"),
        ("emotion,pixels\n0,\"" + f"{PIXELS}\n" * 200, "damaged or incomplete .*field larger"),
        ("emotion,pixels\n0,1\0 2\n", "row 1 .*pixel 1 is"),
    ],
)  # fmt: skip
def test_a_bad_table_gives_one_clear_error_and_no_cache(tmp_path, text, named):
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"fer2013\.csv.* {named}") as caught:
        load("fer2013", data_dir=tmp_path, verbose=False)
    assert len(str(caught.value)) <= 400
    assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == ["fer2013.csv"]


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(b"emotion,pixels\n\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"fer2013\.csv is damaged"):
        load("fer2013", data_dir=tmp_path, verbose=False)


def test_a_table_without_training_rows_is_a_sentence_of_its_own(tmp_path):
    write_table(tmp_path, ROWS[1:])
    with pytest.raises(ValueError, match=r"fer2013\.csv lacks the Training rows"):
        load("fer2013", data_dir=tmp_path, verbose=False)


@pytest.mark.parametrize("change", [lambda text: "\n \n" + text, lambda text: text + "\n \n\t\n"])
def test_lines_of_blanks_say_nothing(tmp_path, change):
    file = pack("bare", tmp_path, "fer2013.csv", table(*make_rows()))
    whole = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    file.write_text(change(table(*make_rows())))
    for one, other in zip(whole, load_splits("fer2013", data_dir=tmp_path, verbose=False), strict=True):
        assert torch.equal(one.images, other.images)


def test_the_line_is_that_of_the_file_below_blank_lines(tmp_path):
    lines = table(*make_rows()).splitlines()
    lines[3] = lines[3].replace(lines[3][0], "9", 1)
    pack("bare", tmp_path, "fer2013.csv", "\n".join(["", "", *lines]))
    with pytest.raises(ValueError, match=r"row 3 \(line 6\): the emotion is '9'"):
        load_splits("fer2013", data_dir=tmp_path, verbose=False)


@pytest.mark.parametrize("text", ["", "\n\n", "\0" * 5000])
def test_a_file_without_anything(tmp_path, text):
    pack("bare", tmp_path, "fer2013.csv", text)
    with pytest.raises(ValueError, match=r"fer2013\.csv is empty"):
        load_splits("fer2013", data_dir=tmp_path, verbose=False)
