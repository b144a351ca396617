"""A network of one's own for tests: small, with fixed weights that nobody trained."""

import torch
from torch import nn

from emotion_utils.models.facts import set_facts

NORMALISATION = (0.4, 0.25)


def small_network(seed: int = 3) -> nn.Module:
    """Build a network of one's own: two convolutions, a global mean, a linear head; 7 classes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(8, 7),
        )  # fmt: skip
    set_facts(model, NORMALISATION, None)
    return model.eval()
