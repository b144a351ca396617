"""The drawing: action units change what they should, any batch and size shows the same face, nothing breaks it."""

import pytest
import torch

from emotion_utils.faces import (
    ACTION_UNITS,
    AU_REGION,
    REGIONS,
    ActionUnits,
    Identity,
    render,
    render_with_truth,
    sample_action_units,
    sample_capture,
    sample_identity,
)


@pytest.fixture(scope="module")
def at_rest(studio):
    """The people of the studio without any expression: images and truth."""
    identity, capture = studio
    return render_with_truth(identity, ActionUnits.of(len(identity)), capture)


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_a_unit_changes_its_own_region_most(studio, at_rest, unit):
    identity, capture = studio
    rest, known = at_rest
    acting, moved = render_with_truth(identity, ActionUnits.of(len(identity), **{unit: 1.0}), capture)
    change = (acting.float() - rest.float()).abs()[:, 0]
    masks = known["masks"] | moved["masks"]
    density = {r: (change * masks[:, k]).sum() / masks[:, k].sum() for k, r in enumerate(REGIONS)}
    assert max(density, key=density.get) == AU_REGION[unit]
    assert density[AU_REGION[unit]] > 2.0, "the unit hardly shows"


def test_intensity_zero_is_the_resting_face_and_more_is_more(studio, at_rest):
    identity, capture = studio
    n, rest = len(identity), at_rest[0].float()
    assert torch.equal(rest, render(identity, ActionUnits.of(n, AU12=0.0), capture).float())
    change = [
        (render(identity, ActionUnits.of(n, AU12=level), capture).float() - rest).abs().mean()
        for level in (0.25, 0.5, 1.0)
    ]
    assert 0 < change[0] < change[1] < change[2]


def test_one_half_of_the_face_can_act_alone(studio):
    identity, capture = studio
    n = len(identity)
    rest = render(identity, ActionUnits.of(n), capture, size=96).float()
    left = render(identity, ActionUnits.of(n, AU2=(1.0, 0.0)), capture, size=96).float()
    change = (left - rest).abs().mean((0, 1, 2))
    # The person's left is on the right of the picture.
    assert change[52:].mean() > 3 * change[:44].mean()


@pytest.mark.parametrize("name", ["beard", "moustache", "glasses", "fringe", "hair_curl", "lens_tint"])
def test_what_a_person_wears_shows(studio, at_rest, name):
    identity, capture = studio
    if name == "lens_tint":
        identity = identity.replace(glasses=1.0)
    faces = [render(identity.replace(**{name: x}), ActionUnits.of(len(identity)), capture).float() for x in (0.0, 1.0)]
    assert (faces[0] - faces[1]).abs().mean() > 0.2


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
    n = 256
    units = sample_action_units(torch.arange(n) % 7, seed=6)
    faces = render(sample_identity(n, seed=6), units, sample_capture(n, seed=6, difficulty=0.4)).float()
    assert faces.mean().item() == pytest.approx(0.508 * 255, abs=8), "FER2013's Training rows have 0.508"
    assert faces.flatten(1).std(1).mean().item() == pytest.approx(0.212 * 255, abs=8)
    assert (faces.flatten(1).std(1) > 15).all()


def test_no_truth_without_asking(studio):
    identity, capture = studio
    images, known = render_with_truth(identity[:2], ActionUnits.of(2), capture[:2], truth=False)
    assert known == {}
    assert torch.equal(images, render(identity[:2], ActionUnits.of(2), capture[:2]))


def test_extreme_parameters_draw_without_nan():
    identity = sample_identity(40, seed=9)
    extreme = {
        name: getattr(identity, name) * 1.6
        for name in ("face_width", "face_length", "jaw", "eye_size", "nose_length", "mouth_width", "lip_fullness")
    }
    identity = Identity(**{**vars(identity), **extreme})
    capture = sample_capture(40, seed=9, difficulty=1.0, occluded=1.0)
    turned = capture.replace(yaw=torch.linspace(-60, 60, 40), pitch=torch.linspace(-40, 40, 40))
    images = render(identity, ActionUnits.of(40, **dict.fromkeys(ACTION_UNITS, 1.0)), turned)
    assert (images.flatten(1).float().std(1) > 3).all()


@pytest.mark.parametrize(
    ("error", "call", "words"),
    [
        (ValueError, lambda: render(sample_identity(2), ActionUnits.of(3), sample_capture(2)), "2, 3 and 2 faces"),
        (ValueError, lambda: render(sample_identity(1), ActionUnits.of(1), sample_capture(1), size=500), "size=500"),
        (ValueError, lambda: render(sample_identity(1), ActionUnits.of(1), sample_capture(1), size=23), "size=23"),
        (TypeError, lambda: render(sample_identity(1), torch.zeros(1, 21), sample_capture(1)), "Tensor.*ActionUnits"),
    ],
)  # fmt: skip
def test_clear_errors(error, call, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_within_one_grey_level():
    identity, capture = sample_identity(32, seed=1), sample_capture(32, seed=1)
    units = ActionUnits.of(32, AU12=0.7, AU6=0.5)
    here = render(identity, units, capture).int()
    there = render(identity.to("cuda"), units.to("cuda"), capture.to("cuda")).cpu().int()
    assert ((here - there).abs() > 1).float().mean() < 1e-3
