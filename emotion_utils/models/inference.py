"""Logits for a whole data set, batch by batch, with dropout off and nothing recorded for gradients."""

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import device_of
from emotion_utils.errors import ShapeError
from emotion_utils.models.base import eval_mode


def compute_logits(model: nn.Module, dataset: FaceDataset, batch_size: int = 512, precision: str = "fp32") -> Tensor:
    """Compute float32 logits `(N, C)` for all images, unaugmented, in order, on the device of the model.

    Images that lie elsewhere are brought there by the batch. They are normalised as the data set says; see
    `normalised_for`. The model's mode (training or not) is kept.

    Raises:
        ShapeError: the model does not give one row of logits per image.
    """
    device = device_of(model)
    plain = dataset.with_augment(None)
    parts = []
    with (
        eval_mode(model),
        torch.no_grad(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        for index in torch.arange(len(plain)).split(batch_size):
            logits = model(plain.batch(index)[0].to(device)).float()  # (B, C)
            if logits.ndim != 2 or len(logits) != len(index):
                raise ShapeError(
                    f"The model gives shape {tuple(logits.shape)} for {len(index)} images; a classifier gives "
                    f"({len(index)}, {len(dataset.classes)}). A forgotten nn.Flatten()?"
                )
            parts.append(logits)
    return torch.cat(parts)


def normalised_for(model: nn.Module, dataset: FaceDataset) -> FaceDataset:
    """Return the same images, normalised as `model` is used to seeing them; as they are if it does not know that."""
    known = model.normalisation() if hasattr(model, "normalisation") else None
    return dataset.with_normalisation(*known) if known else dataset
