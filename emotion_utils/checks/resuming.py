"""A run that is cut in two: for the check of notebook 04's exercise 8, on checkpoints."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

HINTS = {
    "parameter": "state_dict() hands out the live tensors, and training goes on with them. What could you store?",
    "running average": "A batch norm keeps running averages, which are no parameters. state_dict() holds them too.",
    "path": "What does the optimiser know that the network does not? See optimizer.state_dict(): live tensors again.",
}


def start(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small network with batch norm, and an optimiser with momentum."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def some_steps(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    for inputs, labels in batches:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
