"""The truth about drawn faces: landmarks lie on the features they name, regions on the face and apart."""

import pytest
import torch

from emotion_utils.faces import LANDMARKS, REGIONS, ActionUnits, render_with_truth, sample_capture, sample_identity


def named(points: torch.Tensor, name: str) -> torch.Tensor:
    return points[:, LANDMARKS.index(name)]


def grey(images: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    x, y = at.round().long().clamp(0, images.shape[-1] - 1).unbind(1)
    return images[torch.arange(len(images)), 0, y, x].float()


@pytest.fixture(scope="module", params=[48, 96])
def gasping(request):
    """Sixty-four people with open mouths, without hair in their faces: images, truth, photographs."""
    n, size = 64, request.param
    identity = sample_identity(n, seed=4).replace(glasses=0.0, beard=0.0, moustache=0.0)
    capture = sample_capture(n, seed=4, difficulty=0.6, occluded=0.0)
    return *render_with_truth(identity, ActionUnits.of(n, AU26=0.8, AU25=0.8, AU5=0.5), capture, size), capture


def test_landmarks_lie_in_the_regions_of_their_features(gasping):
    images, truth, _ = gasping
    n, size = len(images), images.shape[-1]
    assert truth["landmarks"].shape == (n, len(LANDMARKS), 2)
    inside = []
    where = {"brow_mid": "brows", "lid_upper": "eyes", "pupil": "eyes", "nose_tip": "nose", "lip_lower": "mouth"}
    for start, region in where.items():
        for name in (name for name in LANDMARKS if name.startswith(start)):
            x, y = named(truth["landmarks"], name).round().long().clamp(0, size - 1).unbind(1)
            inside.append(truth["masks"][torch.arange(n), REGIONS.index(region), y, x].float().mean())
    assert torch.stack(inside).mean() > 0.95


def test_an_open_mouth_is_darker_than_the_cheek(gasping):
    images, truth, _ = gasping
    points = truth["landmarks"]
    inside = (named(points, "lip_upper") + named(points, "lip_lower")) / 2
    cheek = (named(points, "lid_lower_left") + named(points, "mouth_left")) / 2
    assert (grey(images, inside) < grey(images, cheek)).float().mean() > 0.8


def test_the_persons_left_is_on_the_right_of_the_picture(gasping):
    _, truth, capture = gasping
    frontal = capture.yaw.abs() < 15
    for name in ("brow_mid", "eye_outer", "lid_lower", "nose", "mouth"):
        left, right = named(truth["landmarks"], f"{name}_left"), named(truth["landmarks"], f"{name}_right")
        assert (left[:, 0] > right[:, 0])[frontal].all(), name


def test_landmarks_are_in_anatomical_order(gasping):
    _, truth, capture = gasping
    upright = (capture.roll.abs() < 10) & (capture.yaw.abs() < 15)
    order = ("brow_mid_left", "lid_upper_left", "pupil_left", "lid_lower_left", "nose_tip", "nose_base", "lip_upper",
             "mouth_center", "lip_lower", "chin")  # fmt: skip
    heights = torch.stack([named(truth["landmarks"], name)[:, 1] for name in order], 1)[upright]
    assert (heights.diff(dim=1) > 0).all()


def test_landmarks_follow_pose_and_framing():
    identity = sample_identity(1, seed=5)
    straight = sample_capture(1, seed=5, difficulty=0.0).replace(
        yaw=0.0, pitch=0.0, roll=0.0, scale=1.0, shift_x=0.0, shift_y=0.0
    )

    def tip(**changes):
        _, truth = render_with_truth(identity, ActionUnits.of(1), straight.replace(**changes))
        return named(truth["landmarks"], "nose_tip")[0]

    x, y = tip()
    assert x.item() == pytest.approx(23.5, abs=0.1)
    assert tip(yaw=20.0)[0] > x + 1
    assert tip(pitch=15.0)[1] < y - 0.3
    assert tip(shift_x=0.25)[0] == pytest.approx(x.item() + 6, abs=0.01)
    assert tip(shift_y=0.25)[1] == pytest.approx(y.item() + 6, abs=0.01)


@pytest.mark.parametrize(
    ("unit", "point", "up"),
    [("AU12", "mouth", True), ("AU15", "mouth", False), ("AU1", "brow_inner", True), ("AU4", "brow_inner", False),
     ("AU5", "lid_upper", True), ("AU43", "lid_upper", False), ("AU2", "brow_outer", True)],
)  # fmt: skip
def test_landmarks_follow_action_units_on_one_half(studio, unit, point, up):
    identity, capture = studio
    n = len(identity)
    rest = render_with_truth(identity, ActionUnits.of(n), capture)[1]["landmarks"]
    acting = render_with_truth(identity, ActionUnits.of(n, **{unit: (1.0, 0.0)}), capture)[1]["landmarks"]
    moved = (acting - rest)[..., 1] * (-1 if up else 1)
    left, right = moved[:, LANDMARKS.index(f"{point}_left")], moved[:, LANDMARKS.index(f"{point}_right")]
    assert (left > 0.3).all()
    assert (right.abs() < left / 4).all(), "some units also move the middle of the mouth, a little"


def test_regions_do_not_overlap(studio):
    identity, capture = studio
    masks = render_with_truth(identity, ActionUnits.of(len(identity)), capture)[1]["masks"]
    assert masks.dtype == torch.bool
    assert masks.shape == (len(identity), len(REGIONS), 48, 48)
    assert masks.sum(1).max() == 1
    assert (masks.flatten(2).sum(-1) > 20).all(), "every face shows every region"
