"""Made-up logits with labels, of a network that is often right and too sure of itself."""

import torch
from torch import Tensor


def scores(count: int = 300, classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Make float32 logits `(count, classes)` and int64 labels `(count,)`."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    logits = 3 * torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), labels] += 3
    return logits, labels
