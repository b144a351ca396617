"""Noise tiles: standardised, without seams, the same on every call."""

import pytest
import torch

from emotion_utils.faces import noise


@pytest.mark.parametrize("kind", ["white", "smooth", "fine", "strand"])
def test_tiles_are_standardised_and_close_on_themselves(kind):
    tile = noise.tile(kind)
    assert tile.shape == (256, 256)
    assert tile.mean().item() == pytest.approx(0, abs=0.02)
    assert tile.std().item() == pytest.approx(1, abs=0.02)
    inside, seam = (tile[:, 1:] - tile[:, :-1]).abs().mean(), (tile[:, 0] - tile[:, -1]).abs().mean()
    assert seam < 1.3 * inside


def test_reading_wraps_around():
    across, down = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    here = noise.sample("smooth", across, down)
    assert torch.allclose(here, noise.sample("smooth", across + 2, down - 3), atol=1e-3)


def test_each_face_has_a_window_of_its_own():
    windows = noise.cut("white", torch.tensor([0.1, 0.2, 0.1]), 48)
    assert windows.shape == (3, 48, 48)
    assert torch.equal(windows[0], windows[2])
    assert not torch.equal(windows[0], windows[1])
