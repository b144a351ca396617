"""People to draw in tests."""

import pytest
import torch

from emotion_utils.faces import Capture, Identity, sample_capture, sample_identity

PEOPLE = 24


@pytest.fixture(scope="session")
def studio() -> tuple[Identity, Capture]:
    """People with resting faces at rest, photographed from the front, so that only the expression differs."""
    identity = sample_identity(PEOPLE, seed=2, age=(20.0, 60.0))
    identity = identity.replace(rest=torch.zeros_like(identity.rest), beard=0.0, moustache=0.0, glasses=0.0, fringe=0.0)
    capture = sample_capture(PEOPLE, seed=2, difficulty=0.2, occluded=0.0)
    return identity, capture.replace(yaw=0.0, pitch=0.0, roll=0.0, noise=0.0, blur=0.004, contrast=0.2)
