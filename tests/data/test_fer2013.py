"""FER2013's splits: what is carved where parts are missing, twins, and all of Training for a final model."""

import re

import pytest
import torch
from fer2013_tables import ROWS, make_rows, pack, table, write_table

from emotion_utils.data.duplicates import find_duplicates
from emotion_utils.data.fer2013 import load_all_training, load_fer2013
from emotion_utils.data.loading import load, load_splits

TRAINING, PUBLIC, PRIVATE = ROWS


@pytest.fixture(autouse=True)
def places(request):
    if not request.node.get_closest_marker("fer2013"):
        request.getfixturevalue("own_places")


@pytest.mark.parametrize(
    ("parts", "sizes", "note"),
    [
        ((TRAINING, PUBLIC), (126, 14, 21), "PrivateTest is missing.*validation.*test = PublicTest"),
        ((TRAINING, PRIVATE), (126, 14, 14), "PublicTest is missing.*validation.*test = PrivateTest"),
        ((TRAINING,), (112, 14, 14), "PublicTest and PrivateTest are missing.*validation and test"),
    ],
)
def test_missing_parts_are_carved_and_it_says_so(tmp_path, capsys, parts, sizes, note):
    images, labels, usage = make_rows(parts)
    images[40:47] = images[:7]  # seven pairs of identical images
    pack("bare", tmp_path, "fer2013.csv", table(images, labels, usage))
    splits = load_splits("fer2013", data_dir=tmp_path)
    assert tuple(map(len, splits)) == sizes
    assert any(re.search(note, line) for line in splits[0].notes)
    assert re.search(note, capsys.readouterr().out)
    assert not find_duplicates(*splits).across
    for split in splits[:2]:
        share = split.class_counts() / len(split)
        assert (share - 1 / 7).abs().max() < 0.08
    again = load("fer2013", "validation", data_dir=tmp_path, verbose=False)
    other = load("fer2013", "validation", data_dir=tmp_path, seed=1, verbose=False)
    assert again.names == splits[1].names != other.names


def test_the_three_parts_of_the_benchmark_are_the_three_splits(tmp_path):
    write_table(tmp_path)
    splits = load_fer2013(data_dir=tmp_path, verbose=False)
    assert [(split.split, len(split)) for split in splits] == [("training", 140), ("validation", 21), ("test", 14)]
    # A number that is not the original's is worth a note.
    assert [re.findall(r"\w+Test|Training|[\d,]+", note) for note in splits[0].notes] == [
        ["Training", "140", "28,709"], ["PublicTest", "21", "3,589"], ["PrivateTest", "14", "3,589"],
    ]  # fmt: skip
    test, training = load_fer2013(("test", "training"), data_dir=tmp_path, verbose=False)
    assert torch.equal(test.images, splits[2].images)
    assert torch.equal(training.images, splits[0].images)
    assert test.mean == training.mean == splits[0].mean


def test_twins_mark_what_could_be_learnt_by_heart(tmp_path):
    images, labels, usage = make_rows((TRAINING, PUBLIC))
    images[140] = images[3]  # a PublicTest image with a twin in Training
    images[141] = images[142]
    pack("bare", tmp_path, "fer2013.csv", table(images, labels, usage))
    for seed in range(4):
        training, validation, test = load_splits("fer2013", data_dir=tmp_path, seed=seed, verbose=False)
        assert training.twins is None
        assert not validation.twins.any()
        # Also where the twin was carved off for validation, which serves to choose a model.
        assert test.twins.nonzero()[:, 0].tolist() == [0]


def test_twins_among_the_official_validation_images_do_not_count(tmp_path):
    images, labels, usage = make_rows()
    images[161] = images[3]  # PrivateTest and Training
    images[162] = images[150]  # PrivateTest and PublicTest
    images[140] = images[5]  # PublicTest and Training
    pack("bare", tmp_path, "fer2013.csv", table(images, labels, usage))
    _, validation, test = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    assert validation.twins.nonzero()[:, 0].tolist() == [0]
    assert test.twins.nonzero()[:, 0].tolist() == [0]


@pytest.mark.parametrize("parts", [(TRAINING, PUBLIC, PRIVATE), (PUBLIC, TRAINING)])
def test_all_of_training_holds_what_would_be_carved(tmp_path, parts):
    write_table(tmp_path, parts)
    whole = load_all_training(tmp_path, verbose=False)
    assert (len(whole), whole.name, whole.split, whole.twins) == (140, "fer2013", "training", None)
    first = 0 if parts[0] == TRAINING else 21
    assert whole.names == [f"fer{row:07d}" for row in range(first, first + 140)]
    some = load_all_training(tmp_path, limit=35, verbose=False)
    assert some.class_counts().tolist() == [5] * 7
    assert torch.equal(some.images, whole.limited(35).images)
    assert (some.mean, some.std) == (whole.mean, whole.std)
    with pytest.raises(ValueError, match="limit=0"):
        load_all_training(tmp_path, limit=0, verbose=False)


def test_all_of_training_leaves_out_a_test_part_carved_from_it(tmp_path):
    write_table(tmp_path, (TRAINING,))
    training, validation, test = load_splits("fer2013", data_dir=tmp_path, verbose=False)
    whole = load_all_training(tmp_path, verbose=False)
    assert whole.names == training.names + validation.names
    assert not set(whole.names) & set(test.names)
    assert torch.equal(whole.labels, torch.cat([training.labels, validation.labels]))


@pytest.mark.parametrize(
    ("parts", "named"),
    [((PUBLIC,), r"fer2013\.csv lacks the Training rows"), ((("Training", 1),), r"fer2013\.csv .* 1 Training rows")],
)
def test_too_little_to_learn_from(tmp_path, parts, named):
    write_table(tmp_path, parts)
    for read in (load_fer2013, load_all_training):
        with pytest.raises(ValueError, match=named):
            read(data_dir=tmp_path, verbose=False)


@pytest.mark.fer2013
def test_the_real_benchmark(capsys):
    """What is known of FER2013, in whatever form `EMOTION_DATA_DIR` holds it."""
    load("fer2013", "test")
    capsys.readouterr()
    training, validation, test = load_splits("fer2013")
    assert "Reading" not in capsys.readouterr().err  # the second start finds a cache
    assert len(test) == 3589
    everything = len(training) + len(validation)
    assert everything in (28_709, 28_709 + 3589)
    assert len(load_all_training()) == 28_709
    assert training.mean == pytest.approx(0.508, abs=0.002)
    assert training.std == pytest.approx(0.255, abs=0.002)
    if everything == 28_709:
        counts = training.class_counts() + validation.class_counts()
        assert counts.tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
        assert not find_duplicates(training, validation).across
        assert 275 <= int(test.twins.sum()) <= 290
