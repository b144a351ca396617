"""A race that takes a second: 210 training faces, 140 test faces, a small network."""

import pytest
from torch import nn

from emotion_utils.challenge import Rules
from emotion_utils.training import TrainConfig


@pytest.fixture
def rules() -> Rules:
    return Rules(faces=210, test_faces=140, parameters=3000, seconds=20.0)


@pytest.fixture
def quick() -> TrainConfig:
    return TrainConfig(epochs=2, batch_size=32, learning_rate=0.03, progress=False, device="cpu")


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(4), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 6 * 6, 7),
    )  # fmt: skip
