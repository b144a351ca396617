"""Faces with a truth and a network that fails where it is told to: nothing is rendered, nothing trained."""

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.drawn import PHOTOGRAPH, sample_parameters
from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.report import Report


def faces_with_truth(count: int = 2000, seed: int = 0, **knobs) -> FaceDataset:
    """Make drawn people without their pictures: the truth of `sample_faces`, and an image that holds its own number."""
    drawn = sample_parameters(count, seed, **knobs)
    number = torch.arange(count)
    images = torch.stack([number % 256, number // 256], 1).view(count, 1, 1, 2).to(torch.uint8)
    truth = {
        "identity": drawn.person, "age": drawn.identity.age, "sex": drawn.identity.sex,
        "skin_tone": drawn.identity.skin_tone, "glasses": drawn.identity.glasses,
        **{name: getattr(drawn.capture, name) for name in PHOTOGRAPH},
    }  # fmt: skip
    return FaceDataset(images, drawn.labels, EMOTIONS, truth=truth, mean=0.0, std=1.0, name="numbered", split="test")


class Fails(nn.Module):
    """Right with the probability that each face was given; else it says one of the other classes. As sure as that."""

    def __init__(self, labels: Tensor, chance: Tensor, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        right = torch.rand(len(labels), generator=generator) < chance
        other = (labels + torch.randint(1, 7, labels.shape, generator=generator)) % 7
        said = torch.where(right, labels, other)
        logits = torch.randn(len(labels), 7, generator=generator) * 0.3
        logits[torch.arange(len(labels)), said] = 1.5 + 3 * torch.rand(len(labels), generator=generator)
        self.register_buffer("logits", logits)

    def forward(self, images: Tensor) -> Tensor:
        pixels = (images * 255).round().long().flatten(1)
        return self.logits[pixels[:, 0] + 256 * pixels[:, 1]]


def report_of(dataset: FaceDataset, chance: Tensor, seed: int = 0) -> Report:
    """Report on such a network without running it."""
    logits = Fails(dataset.labels, chance, seed).logits
    return Report(logits.softmax(1), logits, dataset.labels, EMOTIONS, "numbered, test split", (0.0, 1.0))
