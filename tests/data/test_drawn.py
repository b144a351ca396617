"""Data sets of drawn faces: knobs deliver what they say, splits are honest, nothing but the face tells the label."""

import numpy as np
import pytest
import torch

from emotion_utils.data.drawn import DEFAULT_SET, PIXEL_STATISTICS, cache_name, load_split, sample_faces
from emotion_utils.data.drawn_cache import write_faces
from emotion_utils.data.splits import SPLITS
from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces import ACTION_UNITS, LANDMARKS, REGIONS, ActionUnits, sample_capture, sample_identity
from emotion_utils.faces.geometry import face_shape
from emotion_utils.faces.truth import landmarks
from emotion_utils.faces.view import head_pose


def test_shape_of_the_data_set():
    faces = sample_faces(70, seed=3)
    assert faces.images.shape == (70, 1, 48, 48)
    assert faces.images.dtype == torch.uint8
    assert faces.classes == EMOTIONS
    assert faces.truth["action_units"].shape == (70, len(ACTION_UNITS))
    assert faces.truth["landmarks"].shape == (70, len(LANDMARKS), 2)
    assert faces.truth["masks"].shape == (70, len(REGIONS), 48, 48)
    assert faces.truth["identity"].unique().numel() == 70
    assert {"landmarks", "masks"}.isdisjoint(sample_faces(1, truth=False).truth)


def test_same_seed_same_faces_whatever_is_drawn_with_them():
    many = sample_faces(300, seed=5, difficulty="hard")
    some = sample_faces(40, seed=5, difficulty="hard", first=200)
    assert torch.equal(many.images[200:240], some.images)
    assert torch.equal(many.labels[200:240], some.labels)
    for key in many.truth:
        assert torch.equal(many.truth[key][200:240], some.truth[key]), key
    assert not torch.equal(many.images[:40], sample_faces(40, seed=6, difficulty="hard").images)


def test_threads_change_nothing():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = sample_faces(140, seed=7, truth=False).images
        torch.set_num_threads(2)
        two = sample_faces(140, seed=7, truth=False).images
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)


# Knobs.


def test_one_person_with_several_expressions():
    faces = sample_faces(30, seed=2, faces_per_person=5)
    identity = faces.truth["identity"].view(6, 5)
    assert (identity == identity[:, :1]).all()
    assert identity[:, 0].unique().numel() == 6


def test_balance_and_emotions_knobs():
    faces = sample_faces(700, seed=11, size=24, truth=False, emotions=["happy", "sad"], balance=(9, 9, 9, 3, 1, 9, 9))
    shares = faces.labels.bincount(minlength=7) / 700
    assert shares.nonzero().flatten().tolist() == [3, 4]
    assert shares[3].item() == pytest.approx(0.75, abs=0.04)


def test_label_noise_knob():
    noisy = sample_faces(700, seed=12, size=24, truth=False, label_noise=0.3)
    flipped = noisy.labels != noisy.truth["clean_labels"]
    assert flipped.float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert noisy.labels[flipped].bincount(minlength=7).min() > 10, "any class may take the place"
    clean = sample_faces(700, seed=12, size=24, truth=False)
    assert torch.equal(clean.labels, noisy.truth["clean_labels"])
    assert torch.equal(clean.images, noisy.images), "noise is in the labels alone"
    assert (clean.labels.bincount(minlength=7) / 700 - 1 / 7).abs().max() < 0.04, "uniform, if not asked otherwise"


def test_duplicates_knob():
    originals, later, apart = (
        {image.numpy().tobytes() for image in sample_faces(n, seed=13, size=24, truth=False, **knobs).images}
        for n, knobs in (
            (1000, {"duplicates": 0.2}),
            (400, {"duplicates": 0.2, "first": 5000}),
            (400, {"first": 5000}),
        )
    )
    assert len(originals) == 1000
    assert len(later & originals) / 400 == pytest.approx(0.2, abs=0.06)
    assert not apart & originals


def test_strength_knob():
    weak, strong = (sample_faces(300, seed=14, size=24, truth=False, strength=s) for s in (0.3, 1.2))
    assert weak.truth["action_units"].mean() < 0.5 * strong.truth["action_units"].mean()


def test_occlusion_knob():
    free, half = (sample_faces(300, seed=14, size=24, truth=False, occluded=share) for share in (0.0, 0.5))
    changed = (free.images != half.images).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(0.5, abs=0.09)


def test_masculine_knob_builds_a_bias():
    usual, faces = (
        sample_faces(300, seed=16, size=24, truth=False, **knobs)
        for knobs in ({}, {"masculine": {"happy": 0.0, "angry": 1.0}})
    )
    man = faces.truth["sex"] > 0.5
    assert not man[faces.labels == 3].any()
    assert man[faces.labels == 0].all()
    others = (faces.labels != 3) & (faces.labels != 0)
    assert torch.equal(faces.images[others], usual.images[others])
    assert man[others].float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_truth_tells_who_and_how():
    faces = sample_faces(60, seed=17, size=24, truth=False, occluded=0.5, difficulty="hard")
    capture = sample_capture(60, 17, difficulty=1.0, occluded=0.5)
    identity = sample_identity(60, 17)
    for name in ("yaw", "pitch", "light_azimuth", "light_elevation", "light_hardness", "occluder"):
        assert torch.equal(faces.truth[name], getattr(capture, name)), name
    for name in ("age", "sex", "skin_tone", "glasses"):
        assert torch.equal(faces.truth[name], getattr(identity, name)), name


def test_skin_tone_and_age_per_class_build_a_bias():
    faces = sample_faces(
        700, seed=15, size=24, truth=False, occluded=0.0,
        skin_tone={"angry": (0.1, 0.2), "happy": (0.7, 0.85)}, age={"sad": (60, 80)},
    )  # fmt: skip
    tone = faces.truth["skin_tone"]
    assert tone[faces.labels == 0].max() <= 0.2
    assert tone[faces.labels == 3].min() >= 0.7
    assert faces.truth["age"][faces.labels == 4].min() >= 60
    assert faces.truth["age"][faces.labels == 6].min() < 20


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"n": 5, "seed": -1}, "seed=-1"),
        ({"n": 5, "first": -1}, "first=-1"),
        ({"n": 2.5}, "n=2.5"),
        ({"n": "5"}, "n='5'"),
        ({"n": 5, "seed": 0.5}, "seed=0.5"),
        ({"n": 5, "seed": float("nan")}, "seed=nan"),
        ({"n": 5, "size": 12}, "size=12"),
        ({"n": 5, "difficulty": "brutal"}, "difficulty='brutal'"),
        ({"n": 5, "label_noise": 1.2}, "label_noise=1.2"),
    ],
)
def test_clear_errors(values, words):
    with pytest.raises(ValueError, match=words):
        sample_faces(**values)


def test_numpy_s_numbers_are_the_same_numbers():
    plain = sample_faces(3, seed=5, first=7, size=24, truth=False)
    other = sample_faces(np.int64(3), seed=np.int64(5), first=np.uint8(7), size=24, truth=False)
    assert torch.equal(plain.images, other.images)


def test_an_unknown_knob_is_an_error_that_names_the_known_ones():
    with pytest.raises(TypeError, match=r"strenght=1.2.*strength"):
        sample_faces(5, strenght=1.2)


# No shortcuts: nothing but action units depends on the label.


def test_people_and_photographs_do_not_know_the_label():
    """Drawn with other emotions, the same numbers give the same people in the same photographs."""
    a = sample_faces(50, seed=16, emotions=["happy"], strength=0.0, truth=False, difficulty=0.0)
    b = sample_faces(50, seed=16, emotions=["angry"], strength=0.0, truth=False, difficulty=0.0)
    assert torch.equal(a.images, b.images)


def ridge_accuracy(pixels: torch.Tensor, labels: torch.Tensor, training: int) -> float:
    """Accuracy of the best linear classifier by least squares, with some ridge, on the rows after the first ones."""
    x = (pixels - pixels[:training].mean(0)) / (pixels[:training].std(0) + 1e-3)
    train, test = x[:training], x[training:]
    target = torch.nn.functional.one_hot(labels[:training], 7) - 1 / 7
    weights = torch.linalg.solve(train.T @ train + 0.3 * training * torch.eye(x.shape[1]), train.T @ target)
    return ((test @ weights).argmax(1) == labels[training:]).float().mean().item()


@pytest.mark.slow
def test_everything_but_the_face_stays_at_chance():
    """Blank the face (a generous ellipse that follows the pose); what is left must not tell the emotion."""
    n = 3000
    faces = sample_faces(n, seed=17, size=24, truth=False)
    # Where the face would be at rest: the blanked place itself must not tell.
    at_rest = face_shape(sample_identity(n, seed=17), ActionUnits.of(n))
    points = landmarks(at_rest, head_pose(sample_capture(n, seed=17, difficulty=0.4).for_pixels()), 24)
    low, high = points.min(1).values, points.max(1).values
    centre, half = ((low + high) / 2)[..., None, None], ((high - low) / 2 * 1.4 + 1.5)[..., None, None]
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    outside = ((x - centre[:, 0]) / half[:, 0]) ** 2 + ((y - centre[:, 1]) / half[:, 1]) ** 2 > 1  # (N, 24, 24)
    pixels = faces.images[:, 0].float() / 255
    accuracy = ridge_accuracy(((pixels - 0.5) * outside).flatten(1), faces.labels, 2000)
    assert accuracy < 0.19, "chance is 0.143; 1,000 faces give ±0.022 (two standard deviations)"
    assert ridge_accuracy(pixels.flatten(1), faces.labels, 2000) > accuracy + 0.05
    assert 0.2 < outside.float().mean() < 0.5, "something is left to look at"


# The default set.


def test_the_default_set_has_disjoint_people():
    assert tuple(DEFAULT_SET) == SPLITS
    assert [len(numbers) for numbers in DEFAULT_SET.values()] == [10_000, 2_000, 2_000]
    assert len(set().union(*DEFAULT_SET.values())) == 14_000
    later = sample_faces(20, first=11_990, truth=False)  # on both sides of the border between validation and test
    assert later.truth["identity"].tolist() == list(range(11_990, 12_010))


@pytest.mark.slow
def test_the_stated_pixel_statistics_are_those_of_the_default_set():
    sample = sample_faces(700, seed=0, truth=False)
    assert sample.mean == pytest.approx(PIXEL_STATISTICS[0], abs=0.01)
    assert sample.std == pytest.approx(PIXEL_STATISTICS[1], abs=0.01)


def test_all_splits_come_from_their_files_with_the_normalisation_of_training(own_places, tmp_path):
    kept = sample_faces(20, first=3)
    for split in SPLITS:
        write_faces(tmp_path / "data" / cache_name(split), kept)
        faces = load_split(split, data_dir=tmp_path / "data")
        assert torch.equal(faces.images, kept.images)
        assert (faces.name, faces.split, faces.mean, faces.std) == ("synthetic", split, *PIXEL_STATISTICS)


def test_the_data_folder_may_be_named_in_the_environment(own_places, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "elsewhere"))
    write_faces(tmp_path / "elsewhere" / cache_name("test"), sample_faces(7))
    assert len(load_split("test")) == 7


def test_unknown_split():
    with pytest.raises(ValueError, match=r"split='train'.*training"):
        load_split("train")


@pytest.mark.slow
def test_the_default_set_is_drawn_where_there_is_no_file(own_places, tmp_path):
    faces = load_split("validation", data_dir=tmp_path, progress=False)
    assert len(faces) == 2000
    assert faces.truth["identity"].tolist() == list(DEFAULT_SET["validation"])
    assert np.array_equal(faces.images[:50], sample_faces(50, first=10_000).images)
    assert torch.equal(load_split("validation", data_dir=tmp_path).images, faces.images)
