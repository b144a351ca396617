"""A small network and small images for explanations, and faces of which the truth is known, drawn once."""

import pytest
import torch
from small_faces import small_faces
from small_network import NORMALISATION, small_network
from torch import Tensor, nn

from emotion_utils.data.pixels import normalise, to_unit
from emotion_utils.explain.truth import KnownFaces, known_faces
from emotion_utils.models.networks import EmotionCNN


@pytest.fixture
def model() -> nn.Module:
    return small_network()


@pytest.fixture(scope="session")
def images() -> Tensor:
    """uint8 (6, 1, 16, 16)."""
    return small_faces(6).images


@pytest.fixture
def seen(images) -> Tensor:
    """The same as the network sees them, float32."""
    return normalise(to_unit(images), *NORMALISATION)


@pytest.fixture(scope="session")
def faces() -> KnownFaces:
    """Drawn faces with their truth, 12 of 48 × 48 pixels."""
    return known_faces(12, first=10_000)


@pytest.fixture(scope="session")
def face_model() -> nn.Module:
    """An untrained network for faces of 48 × 48 pixels that knows classes and normalisation."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EmotionCNN(
            widths=(4, 6), hidden=8, classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
        )
    net.set_normalisation(0.5, 0.24)
    return net.eval()
