"""The truth about drawn faces: where the picture changes without the expression; of photographs there is none."""

import pytest
import torch

from emotion_utils.data import sample_faces
from emotion_utils.explain import KnownFaces, expression_map, known_faces, region, unit_maps
from emotion_utils.faces import ACTION_UNITS, AU_INDEX, ActionUnits, render, sample_capture, sample_identity


def test_known_faces_are_those_of_the_data_set():
    known = known_faces(5, seed=2, size=32, difficulty=0.8, first=40, mark="sad", balance="fer2013")
    faces = sample_faces(5, seed=2, size=32, difficulty=0.8, first=40, mark="sad", balance="fer2013")
    assert torch.equal(known.images, faces.images)
    assert torch.equal(known.labels, faces.labels)
    assert torch.equal(known.action_units.mean, faces.truth["action_units"])


def test_truth_is_the_difference_to_the_face_at_rest(faces):
    rest = faces.redrawn(ActionUnits.of(len(faces)))
    wanted = (faces.images.float() - rest.float()).abs()[:, 0] / 255
    assert torch.equal(faces.truth, wanted)
    assert torch.equal(expression_map(faces.identity, faces.action_units, faces.capture), wanted)


def test_a_raised_brow_changes_the_picture_around_the_brow_and_a_smile_around_the_mouth():
    who, photo = sample_identity(4, seed=1, age=(25, 50)), sample_capture(4, seed=1, difficulty=0.0)
    brow = expression_map(who, ActionUnits.of(4, AU4=1.0), photo)
    smile = expression_map(who, ActionUnits.of(4, AU12=1.0, AU25=0.8), photo)
    assert (brow[:, :24].sum((1, 2)) > 3 * brow[:, 24:].sum((1, 2))).all()
    assert (smile[:, 24:].sum((1, 2)) > 3 * smile[:, :24].sum((1, 2))).all()
    assert expression_map(who, ActionUnits.of(4), photo).abs().max() == 0


def test_unit_maps_take_away_one_unit_at_a_time(faces):
    maps = unit_maps(faces.identity, faces.action_units, faces.capture)
    assert maps.shape == (12, len(ACTION_UNITS), 48, 48)
    units = faces.action_units.mean
    assert (maps[units == 0] == 0).all()
    strong = (units > 0.5).nonzero()
    assert len(strong)
    face, unit = strong[0].tolist()
    left = faces.action_units.left.clone()
    left[face, unit] = 0
    right = faces.action_units.right.clone()
    right[face, unit] = 0
    without = render(faces.identity, ActionUnits(left, right), faces.capture)
    assert torch.equal(maps[face, unit], (faces.images[face, 0].float() - without[face, 0].float()).abs() / 255)


def test_region_holds_what_changes_most():
    truth = torch.zeros(2, 4, 4)
    truth[0, 1, 1], truth[0, 2, 2], truth[0, 3, 3] = 1.0, 0.5, 0.1
    assert region(truth)[0].nonzero().tolist() == [[1, 1], [2, 2]]
    assert region(truth, 0.05)[0].sum() == 3
    assert region(truth, 0).sum() == 3  # what does not change at all never belongs to it
    assert not region(truth)[1].any()
    with pytest.raises(ValueError, match="share=2"):
        region(truth, 2)


def test_neutral_faces_show_nothing_to_find():
    neutral, happy = (known_faces(12, seed=3, emotions=[name]) for name in ("neutral", "happy"))
    assert neutral.visible.float().mean() < 0.5
    assert happy.visible.all()


def test_parts_of_known_faces(faces):
    part = faces[faces.labels == faces.labels[0]]
    assert isinstance(part, KnownFaces)
    assert torch.equal(part.images, faces.images[faces.labels == faces.labels[0]])
    assert len(part.identity) == len(part) == len(part.capture)


def test_photographs_have_no_truth(faces):
    photographs = torch.zeros(3, 1, 48, 48, dtype=torch.uint8)
    for function in (expression_map, unit_maps):
        with pytest.raises(TypeError, match=r"identity='?Tensor'?: photographs have no truth"):
            function(photographs, faces.action_units, faces.capture)
        with pytest.raises(TypeError, match="action_units"):
            function(faces.identity, None, faces.capture)
        with pytest.raises(TypeError, match="capture"):
            function(faces.identity, faces.action_units, "a photo")


def test_units_that_do_not_fit(faces):
    assert AU_INDEX["AU1"] == 0
    with pytest.raises(ValueError, match="12, 3 and 12"):
        expression_map(faces.identity, ActionUnits.of(3, AU1=1.0), faces.capture)
    with pytest.raises(TypeError, match="no such knob"):
        known_faces(3, colour="red")
