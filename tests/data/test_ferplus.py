"""FER+: votes follow the images, and become soft labels."""

from pathlib import Path

import pytest
import torch
from fer2013_tables import ROWS, write_export, write_table

from emotion_utils.data.ferplus import FERPLUS_COLUMNS, load_ferplus_votes, soft_labels, with_votes
from emotion_utils.data.loading import load, load_splits

pytestmark = pytest.mark.usefixtures("own_places")


def write_votes(folder: Path, count: int, columns=FERPLUS_COLUMNS) -> Path:
    """Write fer2013new.csv: all people vote for column i modulo 10 on image i."""
    lines = [",".join(["Usage", "Image name", *columns])]
    for i in range(count):
        votes = [0] * 10
        votes[i % 10] = 10
        lines.append(",".join(["Training", f"fer{i:07d}.png", *map(str, votes)]))
    (folder / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    return folder / "fer2013new.csv"


def test_votes_follow_the_images_into_each_split(tmp_path, monkeypatch):
    write_table(tmp_path, ROWS[:2])
    file = write_votes(tmp_path, 161)
    for split in load_splits("fer2013", data_dir=tmp_path, verbose=False):
        votes = load_ferplus_votes(split, tmp_path)
        assert votes.argmax(1).tolist() == [int(name[3:]) % 10 for name in split.names]
    assert torch.equal(load_ferplus_votes(split, file), votes)
    (tmp_path / "fer2013").mkdir()
    file.rename(tmp_path / "fer2013" / file.name)
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path))
    assert torch.equal(load_ferplus_votes(split), votes)


def test_soft_labels_leave_out_contempt_unknown_and_not_a_face():
    #                      neu hap sur sad ang dis fea con unk NF
    votes = torch.tensor([[2, 0, 0, 1, 3, 2, 2, 0, 0, 0], [0, 5, 0, 0, 0, 0, 0, 3, 1, 1], [0] * 9 + [10]])
    probabilities, keep = soft_labels(votes)
    expected = torch.tensor([[0.3, 0.2, 0.2, 0, 0.1, 0, 0.2], [0, 0, 0, 1, 0, 0, 0], [1 / 7] * 7])
    torch.testing.assert_close(probabilities, expected)
    assert keep.tolist() == [True, False, False]


def test_faces_with_the_labels_that_got_most_votes(tmp_path):
    write_table(tmp_path)
    write_votes(tmp_path, 175)
    dataset = load("fer2013", "test", data_dir=tmp_path, verbose=False)
    before = dataset.labels.clone()
    relabelled, shares = with_votes(dataset, tmp_path)
    columns = [int(name[3:]) % 10 for name in dataset.names]
    kept = [column for column in columns if column < 7]  # beyond are contempt, unknown and NF
    assert relabelled.labels.tolist() == [[6, 3, 5, 4, 0, 1, 2][column] for column in kept]
    assert relabelled.names == [name for name, column in zip(dataset.names, columns, strict=True) if column < 7]
    assert shares.shape == (len(kept), 7)
    assert torch.equal(shares.argmax(1), relabelled.labels)
    assert torch.equal(dataset.labels, before)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace(",10,", ",ten,"), r"row 1 has the vote 'ten'"),
        (lambda text: text.replace(",10,", ",-1,"), "row 1 has the vote '-1'"),
        (lambda text: text.replace(",10,", ",1.5,"), "row 1 has the vote '1.5'"),
        (lambda text: text.replace(",10,", f",{2**63},"), "row 1 has the vote '9223372036854775808'"),
        (lambda text: text.replace(",10,", ",,"), "row 1 has the vote ''"),
        (lambda text: text.replace(",10,", ",10,0,"), "row 1 has 11 votes"),
        (lambda text: text.replace("neutral", "x" * 50_000), r"columns \['Usage', 'Image name', 'xxx"),
        (lambda text: "", r"has the columns \[\]"),
        (lambda text: text.splitlines()[0], "no rows"),
        (lambda text: "\xff\xfe" * 100, "no table|columns"),
        (lambda text: text.splitlines()[0] + '\n"' + "x" * 200_000, "no table"),
    ],
)
def test_bad_votes(tmp_path, change, named):
    write_table(tmp_path)
    dataset = load("fer2013", "test", data_dir=tmp_path, verbose=False)
    with pytest.raises(FileNotFoundError, match=r"fer2013new\.csv"):
        load_ferplus_votes(dataset, tmp_path)
    file = write_votes(tmp_path, 175)
    file.write_text(change(file.read_text()), encoding="latin-1")
    with pytest.raises(ValueError, match=rf"fer2013new\.csv.*{named}") as caught:
        load_ferplus_votes(dataset, tmp_path)
    assert len(str(caught.value)) <= 400


def test_too_few_votes_and_votes_of_another_shape(tmp_path):
    write_table(tmp_path)
    write_votes(tmp_path, 20)
    with pytest.raises(ValueError, match=r"fer2013new\.csv has 20 rows.* 174"):
        load_ferplus_votes(load("fer2013", "test", data_dir=tmp_path, verbose=False), tmp_path)
    for votes in (torch.ones(3, 7), torch.ones(10), -torch.ones(3, 10), torch.full((3, 10), torch.nan)):
        with pytest.raises(ValueError, match="votes have shape"):
            soft_labels(votes)


def test_votes_need_to_know_the_row_of_each_image(tmp_path):
    write_export(tmp_path)
    write_votes(tmp_path, 175)
    dataset = load("fer2013", "test", data_dir=tmp_path, verbose=False)
    with pytest.raises(ValueError, match=r"fer2013\.csv"):
        load_ferplus_votes(dataset, tmp_path)


def change_rows(file, change):
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header, *change(rows)]) + "\n")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rows: rows[:50] + rows[51:], r"row 51 is called 'fer0000051\.png'"),
        (lambda rows: rows[:50] + rows[49:], r"row 51 is called 'fer0000049\.png'"),
        (lambda rows: rows[::-1], r"row 1 is called 'fer0000175\.png'"),
        (lambda rows: sorted(rows, key=lambda row: row[14:18][::-1]), r"row \d+ is called"),
        (lambda rows: [row.replace("fer00", "fer01") for row in rows], r"row 1 is called 'fer0100000\.png'"),
        (lambda rows: [row.replace("fer00", "face") for row in rows], r"row 1 is called 'face00000\.png'"),
        (lambda rows: [row.replace(row.split(",")[1], "") for row in rows], "names no image"),
    ],
)
def test_votes_in_another_order_than_the_table_are_refused(tmp_path, change, named):
    write_table(tmp_path)
    dataset = load("fer2013", "test", data_dir=tmp_path, verbose=False)
    change_rows(write_votes(tmp_path, 176), change)
    with pytest.raises(ValueError, match=rf"fer2013new\.csv.*{named}") as caught:
        load_ferplus_votes(dataset, tmp_path)
    assert len(str(caught.value)) <= 400


def test_rows_without_a_name_may_or_may_not_be_counted(tmp_path):
    """As in the original: row 17 is no face, and row 18 is fer0000018; after row 59, row 60 is fer0000059."""
    write_table(tmp_path)
    dataset = load("fer2013", "test", data_dir=tmp_path, verbose=False)

    def unname(rows):
        numbers = [*range(60), *range(59, 174)]
        names = ["" if row in (17, 59) else f"fer{number:07d}.png" for row, number in enumerate(numbers)]
        return [row.replace(row.split(",")[1], name) for row, name in zip(rows, names, strict=True)]

    whole = load_ferplus_votes(dataset, write_votes(tmp_path, 175))
    change_rows(tmp_path / "fer2013new.csv", unname)
    assert torch.equal(load_ferplus_votes(dataset, tmp_path), whole)
