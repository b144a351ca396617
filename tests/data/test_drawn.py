"""Data sets of drawn faces: knobs deliver what they say, splits are honest, nothing but the face tells the label."""

import numpy as np
import pytest
import torch

from emotion_utils.data import drawn as synthetic
from emotion_utils.data.drawn import sample_faces
from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces.action_units import ACTION_UNITS
from emotion_utils.faces.drawing import DRAWING_CODE, drawing_version
from emotion_utils.faces.geometry import LANDMARKS, REGIONS


def test_shape_of_the_data_set():
    faces = sample_faces(70, seed=3)
    assert faces.images.shape == (70, 1, 48, 48)
    assert faces.images.dtype == torch.uint8
    assert faces.classes == EMOTIONS
    assert faces.truth["action_units"].shape == (70, len(ACTION_UNITS))
    assert faces.truth["landmarks"].shape == (70, len(LANDMARKS), 2)
    assert faces.truth["masks"].shape == (70, len(REGIONS), 48, 48)
    assert faces.truth["identity"].unique().numel() == 70


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
        one = sample_faces(260, seed=7, truth=False).images
        torch.set_num_threads(2)
        two = sample_faces(260, seed=7, truth=False).images
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)


def test_one_person_with_several_expressions():
    faces = sample_faces(30, seed=2, faces_per_person=5)
    identity = faces.truth["identity"].view(6, 5)
    assert (identity == identity[:, :1]).all()
    assert identity[:, 0].unique().numel() == 6


def _label_shares(**knobs) -> torch.Tensor:
    faces = sample_faces(2000, seed=11, size=24, truth=False, **knobs)
    return faces.labels.bincount(minlength=7) / 2000


def test_balance_knob():
    assert (_label_shares() - 1 / 7).abs().max() < 0.03
    real = torch.tensor(synthetic.FER2013_COUNTS) / sum(synthetic.FER2013_COUNTS)
    assert (_label_shares(balance="fer2013") - real).abs().max() < 0.03
    assert _label_shares(emotions=["happy", "sad"]).nonzero().flatten().tolist() == [3, 4]


def test_label_noise_knob():
    faces = sample_faces(1500, seed=12, size=24, truth=False, label_noise=0.3)
    flipped = (faces.labels != faces.truth["clean_labels"]).float().mean().item()
    assert flipped == pytest.approx(0.3, abs=0.04)
    clean = sample_faces(1500, seed=12, size=24, truth=False)
    assert torch.equal(clean.labels, faces.truth["clean_labels"])
    assert torch.equal(clean.images, faces.images), "noise is in the labels alone"


def test_duplicates_knob():
    first = sample_faces(1000, seed=13, size=24, truth=False, duplicates=0.2)
    second = sample_faces(1000, seed=13, size=24, truth=False, duplicates=0.2, first=5000)
    originals = {image.numpy().tobytes() for image in first.images}
    shared = np.mean([image.numpy().tobytes() in originals for image in second.images])
    assert shared == pytest.approx(0.2, abs=0.04)
    apart = sample_faces(1000, seed=13, size=24, truth=False, first=5000)
    assert not any(image.numpy().tobytes() in originals for image in apart.images)


def test_strength_and_occlusion_knobs():
    weak, strong = (sample_faces(400, seed=14, size=24, truth=False, strength=s) for s in (0.3, 1.2))
    assert weak.truth["action_units"].mean() < 0.5 * strong.truth["action_units"].mean()
    free = sample_faces(400, seed=14, truth=False, occluded=0.0)
    half = sample_faces(400, seed=14, truth=False, occluded=0.5)
    changed = (free.images != half.images).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(0.5, abs=0.09)


def test_skin_tone_and_age_per_class_build_a_bias():
    faces = sample_faces(
        700, seed=15, skin_tone={"angry": (0.1, 0.2), "happy": (0.7, 0.85)}, age={"sad": (60, 80)}, occluded=0.0
    )
    tone = faces.truth["skin_tone"]
    assert tone[faces.labels == 0].max() <= 0.2
    assert tone[faces.labels == 3].min() >= 0.7
    assert faces.truth["age"][faces.labels == 4].min() >= 60
    assert faces.truth["age"][faces.labels == 6].min() < 20


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"n": 0}, "n = 0"),
        ({"n": 5, "seed": -1}, "seed = -1"),
        ({"n": 5, "difficulty": "brutal"}, "difficulty = 'brutal'"),
        ({"n": 5, "difficulty": 2.0}, "difficulty = 2.0"),
        ({"n": 5, "label_noise": 1.2}, "label_noise = 1.2"),
        ({"n": 5, "duplicates": -0.1}, "duplicates = -0.1"),
        ({"n": 5, "strength": 9.0}, "strength = 9.0"),
        ({"n": 5, "size": 12}, "size = 12"),
        ({"n": 5, "balance": "odd"}, "balance = 'odd'"),
        ({"n": 5, "balance": (1, 2)}, "7 weights"),
        ({"n": 5, "emotions": ["bored"]}, "Unknown emotion 'bored'"),
        ({"n": 5, "skin_tone": {"bored": (0.1, 0.2)}}, "unknown emotion 'bored'"),
        ({"n": 5, "age": (50, 20)}, "low <= high"),
        ({"n": 5, "faces_per_person": 0}, "faces_per_person = 0"),
    ],
)
def test_clear_errors(knobs, words):
    with pytest.raises(ValueError, match=words):
        sample_faces(**knobs)


# No shortcuts: nothing but action units depends on the label.


def test_people_and_photographs_do_not_know_the_label():
    """Drawn with other emotions, the same numbers give the same people in the same photographs."""
    a = sample_faces(50, seed=16, emotions=["happy"], strength=0.0, truth=False, difficulty=0.0)
    b = sample_faces(50, seed=16, emotions=["angry"], strength=0.0, truth=False, difficulty=0.0)
    assert torch.equal(a.images, b.images)


def _ridge_accuracy(train_x, train_y, test_x, test_y) -> float:
    """Accuracy of the best linear classifier by least squares, with some ridge."""
    mean, std = train_x.mean(0), train_x.std(0) + 1e-3
    x, t = (train_x - mean) / std, (test_x - mean) / std
    target = torch.nn.functional.one_hot(train_y, 7).float()
    weights = torch.linalg.solve(x.T @ x + 0.3 * len(x) * torch.eye(x.shape[1]), x.T @ (target - 1 / 7))
    return ((t @ weights).argmax(1) == test_y).float().mean().item()


def test_everything_but_the_face_stays_at_chance():
    """Blank the face (a generous ellipse that follows the pose); what is left must not tell the emotion."""
    faces = sample_faces(3000, seed=17, size=24, truth=False)
    # Where the face would be at rest: the blanked place itself must not tell.
    at_rest = sample_faces(3000, seed=17, size=24, strength=0.0)
    points = at_rest.truth["landmarks"]
    low, high = points.min(1).values, points.max(1).values
    centre, half = (low + high) / 2, (high - low) / 2 * 1.4 + 1.5
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    outside = ((x - centre[:, 0, None, None]) / half[:, 0, None, None]) ** 2 + (
        (y - centre[:, 1, None, None]) / half[:, 1, None, None]
    ) ** 2 > 1
    pixels = faces.images[:, 0].float() / 255
    rest = ((pixels - 0.5) * outside).flatten(1)
    accuracy = _ridge_accuracy(rest[:2000], faces.labels[:2000], rest[2000:], faces.labels[2000:])
    assert accuracy < 0.19, "chance is 0.143; 1,000 faces give ±0.022 (two standard deviations)"
    seen = pixels.flatten(1)
    assert _ridge_accuracy(seen[:2000], faces.labels[:2000], seen[2000:], faces.labels[2000:]) > accuracy + 0.05


# The default set and its cache.


@pytest.fixture
def small_splits(monkeypatch, tmp_path):
    """The default set in miniature, cached in a folder of its own."""
    monkeypatch.setattr(synthetic, "SPLITS", {"training": (0, 60), "validation": (60, 20), "test": (80, 20)})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return tmp_path / "data"


def test_the_default_set_has_disjoint_people():
    ranges = [range(first, first + n) for first, n in synthetic.SPLITS.values()]
    assert [len(r) for r in ranges] == [10_000, 2_000, 2_000]
    assert len(set().union(*ranges)) == 14_000


def test_cache_gives_the_same_faces_back(small_splits, monkeypatch):
    drawn = synthetic.load_split("training", data_dir=small_splits, progress=False)
    monkeypatch.setattr(synthetic, "sample_faces", lambda *a, **k: pytest.fail("drew again"))
    cached = synthetic.load_split("training", data_dir=small_splits, progress=False)
    assert torch.equal(drawn.images, cached.images)
    assert torch.equal(drawn.labels, cached.labels)
    assert set(drawn.truth) == set(cached.truth)
    for key in drawn.truth:
        assert torch.equal(drawn.truth[key], cached.truth[key]), key
        assert drawn.truth[key].dtype == cached.truth[key].dtype, key
    assert not list(small_splits.glob(".*")), "no unfinished files are left"


def test_splits_share_no_identity_and_one_normalisation(small_splits):
    splits = [synthetic.load_split(s, data_dir=small_splits, progress=False) for s in synthetic.SPLITS]
    people = [set(s.truth["identity"].tolist()) for s in splits]
    assert len(set().union(*people)) == sum(len(s) for s in splits)
    assert {(s.mean, s.std) for s in splits} == {(splits[0].mean, splits[0].std)}


def test_the_stated_pixel_statistics_are_those_of_the_default_set():
    sample = sample_faces(1500, seed=0, truth=False)
    assert sample.mean == pytest.approx(synthetic.PIXEL_STATISTICS[0], abs=0.01)
    assert sample.std == pytest.approx(synthetic.PIXEL_STATISTICS[1], abs=0.01)


def test_a_new_version_is_drawn_anew(small_splits, monkeypatch):
    synthetic.load_split("test", data_dir=small_splits, progress=False)
    monkeypatch.setattr(synthetic, "GENERATOR_VERSION", "01234567")
    synthetic.load_split("test", data_dir=small_splits, progress=False)
    assert len(list(small_splits.glob("synthetic-v*-test.npz"))) == 2


def test_the_version_follows_the_code_and_not_its_line_ends(tmp_path):
    assert drawing_version() == synthetic.GENERATOR_VERSION
    assert all(file.is_file() for file in DRAWING_CODE)
    code = tmp_path / "face_code.py"
    versions = []
    for text in (b"a = 1\nb = 2\n", b"a = 1\r\nb = 2\r\n", b"a = 1\nb = 3\n"):
        code.write_bytes(text)
        versions.append(drawing_version([code]))
    assert versions[0] == versions[1] != versions[2]


def test_a_damaged_cache_is_replaced(small_splits):
    good = synthetic.load_split("test", data_dir=small_splits, progress=False)
    (path,) = small_splits.glob("synthetic-v*-test.npz")
    path.write_bytes(path.read_bytes()[:5000])
    assert torch.equal(synthetic.load_split("test", data_dir=small_splits, progress=False).images, good.images)
    assert path.stat().st_size > 5000


def test_an_interrupted_first_use_leaves_nothing(small_splits, monkeypatch):
    def broken(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic.np, "savez", broken)
    with pytest.raises(KeyboardInterrupt):
        synthetic.load_split("test", data_dir=small_splits, progress=False)
    assert not [p for p in small_splits.rglob("*") if p.is_file()]


def test_unknown_split():
    with pytest.raises(ValueError, match="split = 'train'"):
        synthetic.load_split("train")
