"""The drawing: action units move what they should, truth matches the picture, same seed same faces."""

import pytest
import torch

from emotion_utils.data import drawn as synthetic
from emotion_utils.emotions import EMOTIONS
from emotion_utils.faces.action_units import (
    ACTION_UNITS,
    AU_REGION,
    EMOTION_TO_AUS,
    ActionUnits,
    prototype,
    sample_action_units,
)
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import render, render_with_truth
from emotion_utils.faces.geometry import LANDMARKS, REGIONS
from emotion_utils.faces.people import Identity, sample_identity

PEOPLE = 24


@pytest.fixture(scope="module")
def studio():
    """People with resting faces at rest, photographed from the front, so that only the expression differs."""
    identity = sample_identity(PEOPLE, seed=2, age=(20.0, 60.0))
    identity = identity.replace(rest=torch.zeros_like(identity.rest), beard=0.0, moustache=0.0, glasses=0.0, fringe=0.0)
    capture = sample_capture(PEOPLE, seed=2, difficulty=0.2, occluded=0.0)
    return identity, capture.replace(yaw=0.0, pitch=0.0, roll=0.0, noise=0.0, blur=0.004, contrast=0.2)


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_a_unit_changes_its_own_region_most(studio, unit):
    identity, capture = studio
    rest, known = render_with_truth(identity, ActionUnits.of(PEOPLE), capture)
    acting, moved = render_with_truth(identity, ActionUnits.of(PEOPLE, **{unit: 1.0}), capture)
    change = (acting.float() - rest.float()).abs()[:, 0]
    masks = known["masks"] | moved["masks"]
    density = {r: (change * masks[:, k]).sum() / masks[:, k].sum() for k, r in enumerate(REGIONS)}
    assert max(density, key=density.get) == AU_REGION[unit]
    assert density[AU_REGION[unit]] > 2.0, "the unit hardly shows"


def test_intensity_zero_is_the_resting_face_and_more_is_more(studio):
    identity, capture = studio
    rest = render(identity, ActionUnits.of(PEOPLE), capture).float()
    assert torch.equal(rest, render(identity, ActionUnits.of(PEOPLE, AU12=0.0), capture).float())
    change = [
        (render(identity, ActionUnits.of(PEOPLE, AU12=level), capture).float() - rest).abs().mean()
        for level in (0.25, 0.5, 1.0)
    ]
    assert 0 < change[0] < change[1] < change[2]


def test_one_half_of_the_face_can_act_alone(studio):
    identity, capture = studio
    rest = render(identity, ActionUnits.of(PEOPLE), capture, size=96).float()
    left = render(identity, ActionUnits.of(PEOPLE, AU2=(1.0, 0.0)), capture, size=96).float()
    change = (left - rest).abs().mean((0, 1, 2))
    # The person's left is on the right of the picture.
    assert change[52:].mean() > 3 * change[:44].mean()


def _named(points: torch.Tensor, name: str) -> torch.Tensor:
    return points[:, LANDMARKS.index(name)]


@pytest.mark.parametrize("size", [48, 96])
def test_landmarks_lie_on_the_features_they_name(size):
    n = 64
    identity = sample_identity(n, seed=4).replace(glasses=0.0, beard=0.0, moustache=0.0)
    capture = sample_capture(n, seed=4, difficulty=0.6, occluded=0.0)
    units = ActionUnits.of(n, AU26=0.8, AU25=0.8, AU5=0.5)
    images, truth = render_with_truth(identity, units, capture, size)
    points, masks = truth["landmarks"], truth["masks"]
    assert points.shape == (n, len(LANDMARKS), 2)
    where = {"brow_mid": "brows", "lid_upper": "eyes", "pupil": "eyes", "nose_tip": "nose", "lip_lower": "mouth"}
    inside_all = []
    for start, region in where.items():
        for name in (x for x in LANDMARKS if x.startswith(start)):
            x, y = _named(points, name).round().long().clamp(0, size - 1).unbind(1)
            inside_all.append(masks[torch.arange(n), REGIONS.index(region), y, x].float().mean())
    assert torch.stack(inside_all).mean() > 0.95
    # The middle of an open mouth is darker than the cheeks beside the nose, the brows darker than the forehead.
    pixels = images[:, 0].float()

    def grey(at: torch.Tensor) -> torch.Tensor:
        x, y = at.round().long().clamp(0, size - 1).unbind(1)
        return pixels[torch.arange(n), y, x]

    inside = (_named(points, "lip_upper") + _named(points, "lip_lower")) / 2
    below_eye = 0.5 * (_named(points, "lid_lower_left") + _named(points, "mouth_left"))
    assert (grey(inside) < grey(below_eye)).float().mean() > 0.8
    frontal = capture.yaw.abs() < 15
    left, right = _named(points, "mouth_left"), _named(points, "mouth_right")
    assert (left[:, 0] > right[:, 0])[frontal].all(), "the person's left is on the right of the picture"


def test_landmarks_follow_pose_and_framing():
    identity = sample_identity(1, seed=5)
    straight = sample_capture(1, seed=5, difficulty=0.0).replace(
        yaw=0.0, pitch=0.0, roll=0.0, scale=1.0, shift_x=0.0, shift_y=0.0
    )

    def tip(**changes):
        _, truth = render_with_truth(identity, ActionUnits.of(1), straight.replace(**changes))
        return _named(truth["landmarks"], "nose_tip")[0]

    x, y = tip()
    assert x.item() == pytest.approx(23.5, abs=0.1)
    assert tip(yaw=20.0)[0] > x + 1
    assert tip(pitch=15.0)[1] < y - 0.3
    assert tip(shift_x=0.25)[0] == pytest.approx(x.item() + 6, abs=0.01)


def test_regions_do_not_overlap(studio):
    identity, capture = studio
    _, truth = render_with_truth(identity, ActionUnits.of(PEOPLE), capture)
    assert truth["masks"].dtype == torch.bool
    assert truth["masks"].sum(1).max() == 1
    assert (truth["masks"].flatten(2).sum(-1) > 20).all(), "every face shows every region"


def test_same_face_whatever_the_batch():
    identity, capture = sample_identity(150, seed=1), sample_capture(150, seed=1, difficulty=1.0)
    units = sample_action_units(torch.arange(150) % 7, seed=1)
    together = render(identity, units, capture)
    for i in (0, 77, 149):
        assert torch.equal(together[i : i + 1], render(identity[i], units[i], capture[i]))
    assert torch.equal(together[40:51], render(identity[40:51], units[40:51], capture[40:51]))


@pytest.mark.parametrize("size", [24, 33, 48, 96, 192])
def test_any_size_shows_the_same_face(size):
    identity, capture = sample_identity(6, seed=8), sample_capture(6, seed=8, difficulty=0.3, occluded=0.0)
    images = render(identity, ActionUnits.of(6, AU12=0.8), capture, size)
    assert images.shape == (6, 1, size, size)
    assert images.dtype == torch.uint8
    reference = render(identity, ActionUnits.of(6, AU12=0.8), capture, 96)
    small = [torch.nn.functional.interpolate(x.float(), (24, 24), mode="area").flatten() for x in (images, reference)]
    assert torch.corrcoef(torch.stack(small))[0, 1] > 0.93


def test_pictures_vary_and_use_the_grey_scale():
    faces = synthetic.sample_faces(256, seed=6, truth=False).images.float()
    assert faces.mean().item() == pytest.approx(0.508 * 255, abs=8), "FER2013's Training rows have 0.508"
    assert faces.flatten(1).std(1).mean().item() == pytest.approx(0.212 * 255, abs=8)
    assert (faces.flatten(1).std(1) > 15).all()


def test_every_prototype_names_a_source_and_real_units():
    assert tuple(EMOTION_TO_AUS) == EMOTIONS
    for emotion in EMOTIONS:
        for number, variant in enumerate(EMOTION_TO_AUS[emotion]):
            assert variant.source
            assert set(variant.units) <= set(ACTION_UNITS)
            shown = prototype(emotion, 1.0, variant.name).mean[0]
            assert torch.equal(shown, prototype(emotion, 1.0, number).mean[0])
            assert (shown > 0).sum() == len(variant.units)


def test_expressions_run_from_faint_to_strong_and_overlap():
    labels = torch.full((2000,), EMOTIONS.index("happy"))
    smile = sample_action_units(labels, seed=3).mean[:, ACTION_UNITS.index("AU12")]
    assert smile.quantile(0.02) < 0.4
    assert smile.quantile(0.98) > 0.85
    neutral = sample_action_units(torch.full((2000,), EMOTIONS.index("neutral")), seed=3).mean
    assert (neutral.max(1).values > 0.1).float().mean() > 0.1, "stray units and blends"


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), float("inf")])
def test_intensity_out_of_range(value):
    with pytest.raises(ValueError, match=r"AU12.*intensities run from 0"):
        ActionUnits.of(2, AU12=value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ActionUnits.of(1, AU99=0.5), "Unknown action unit 'AU99'"),
        (lambda: ActionUnits.of(0), "n = 0"),
        (lambda: ActionUnits(torch.zeros(2, 3)), r"\(N, 21\)"),
        (lambda: prototype("bored"), "Unknown emotion 'bored'"),
        (lambda: prototype("happy", 2.0), "strength = 2"),
        (lambda: prototype("happy", 1.0, "grin"), "no variant 'grin'"),
        (lambda: sample_identity(0), "n = 0"),
        (lambda: sample_identity(2, seed=-1), "seed = -1"),
        (lambda: sample_capture(-3), "n = -3"),
        (lambda: sample_capture(1, difficulty=1.5), "difficulty = 1.5"),
        (lambda: sample_capture(1, occluded=2.0), "occluded = 2"),
        (lambda: render(sample_identity(2), ActionUnits.of(3), sample_capture(2)), "2, 3 and 2 faces"),
        (lambda: render(sample_identity(1), ActionUnits.of(1), sample_capture(1), size=500), "size = 500"),
        (lambda: sample_identity(1).replace(nose=1.0), "no field 'nose'"),
        (lambda: sample_identity(1).replace(age=float("nan")), "age.*not finite"),
    ],
)
def test_clear_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_action_units_must_be_action_units():
    with pytest.raises(TypeError, match=r"ActionUnits\.of"):
        render(sample_identity(1), torch.zeros(1, 21), sample_capture(1))


def test_extreme_parameters_draw_without_nan():
    identity = sample_identity(40, seed=9)
    extreme = {
        name: getattr(identity, name) * 1.6
        for name in ("face_width", "face_length", "jaw", "eye_size", "nose_length", "mouth_width", "lip_fullness")
    }
    identity = Identity(**{**identity.__dict__, **extreme})
    capture = sample_capture(40, seed=9, difficulty=1.0, occluded=1.0)
    turned = capture.replace(yaw=torch.linspace(-60, 60, 40), pitch=torch.linspace(-40, 40, 40))
    images = render(identity, ActionUnits.of(40, **dict.fromkeys(ACTION_UNITS, 1.0)), turned)
    assert (images.flatten(1).float().std(1) > 3).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_within_one_grey_level():
    identity, capture = sample_identity(32, seed=1), sample_capture(32, seed=1)
    units = ActionUnits.of(32, AU12=0.7, AU6=0.5)
    here = render(identity, units, capture).int()
    there = render(identity.to("cuda"), units.to("cuda"), capture.to("cuda")).cpu().int()
    assert ((here - there).abs() > 1).float().mean() < 1e-3
