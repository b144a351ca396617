"""Light: crops in the dark are brought to the usual levels, others stay as they are."""

import torch
from small_photos import drawn_face

from emotion_utils.photos.levels import lit


def test_usual_crops_stay_and_dark_and_pale_ones_become_usual():
    face = torch.tensor(drawn_face()).float()[None, None]
    usual, dark, pale = face.to(torch.uint8), (face / 8).to(torch.uint8), (face / 8 + 200).to(torch.uint8)
    got = lit(torch.cat([usual, dark, pale]))
    assert got.dtype == torch.uint8
    assert torch.equal(got[:1], usual)
    for crop in got[1:].float():
        assert abs(float(crop.mean()) - 128) < 5
        assert abs(float(crop.std()) - 60) < 8
    assert torch.corrcoef(torch.stack([got[1].float().flatten(), face.flatten()]))[0, 1] > 0.98


def test_one_grey_stays_one_grey():
    wall = torch.full((1, 1, 8, 8), 9, dtype=torch.uint8)
    assert torch.equal(lit(wall), wall)
