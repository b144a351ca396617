"""Taking an action unit away is an intervention: its effect is what the redrawn face gives."""

import pytest
import torch
from torch import nn

from emotion_utils.data import sample_faces
from emotion_utils.explain import agreement, knock_out
from emotion_utils.faces import ACTION_UNITS, AU_INDEX, ActionUnits
from emotion_utils.models import predict_proba, set_facts


def test_the_fall_is_what_the_redrawn_face_gives(faces, face_model):
    knocked = knock_out(face_model, faces, 3)
    assert torch.equal(knocked.target, torch.full((12,), 3))
    torch.testing.assert_close(knocked.before, predict_proba(face_model, faces.images)[:, 3])
    face, unit = knocked.shown.nonzero()[0].tolist()
    keep = torch.ones(len(ACTION_UNITS))
    keep[unit] = 0
    without = faces.redrawn(ActionUnits(faces.action_units.left * keep, faces.action_units.right * keep))
    fall = knocked.before[face] - predict_proba(face_model, without)[face, 3]
    torch.testing.assert_close(knocked.fall[face, unit], fall)
    assert (knocked.fall[~knocked.shown] == 0).all()
    torch.testing.assert_close(
        knocked.regions[face, unit], (faces.images[face, 0].float() - without[face, 0].float()).abs() / 255
    )
    assert (knocked.regions[~knocked.shown] == 0).all()


class Mouth(nn.Module):
    """Says class 1 the more, the darker the lower half of the picture is."""

    def forward(self, x):
        dark = -3 * x[:, 0, 28:, 12:36].mean((1, 2))
        return torch.stack([-dark, dark], 1)


def test_ranking_and_agreement(faces):
    model = Mouth()
    set_facts(model, (0.5, 0.25), None)
    knocked = knock_out(model, faces, 1)
    ranking = knocked.ranking(faces=2)
    assert [row[1] for row in ranking] == sorted((row[1] for row in ranking), reverse=True)
    assert all(row[2] >= 2 for row in ranking)
    falls = {name: fall for name, fall, _ in knocked.ranking()}
    assert abs(falls["AU25"]) > abs(falls["AU1"])
    maps = torch.zeros(12, 48, 48)
    maps[:, 28:, 12:36] = 1
    found = agreement(maps, knocked)
    few = knocked.shown.sum(1) < 3
    assert found[few].isnan().all()
    assert found[~few].abs().max() <= 1
    assert AU_INDEX["AU25"] > 0


def test_photographs_cannot_be_drawn_again(face_model, faces):
    with pytest.raises(TypeError, match="off a photograph"):
        knock_out(face_model, sample_faces(2))
    with pytest.raises(TypeError, match="Tensor"):
        knock_out(face_model, faces.images)
    with pytest.raises(ValueError, match=r"\(12, 48, 48\)"):
        agreement(torch.zeros(2, 48, 48), knock_out(face_model, faces))
    with pytest.raises(ValueError, match="target=9"):
        knock_out(face_model, faces, 9)
    with pytest.raises(ValueError, match="faces=0"):
        knock_out(face_model, faces).ranking(0)
