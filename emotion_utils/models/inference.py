"""Logits for a whole data set, batch by batch, with dropout off and nothing recorded for gradients."""

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import device_of


def compute_logits(model: nn.Module, dataset: FaceDataset, batch_size: int = 512, precision: str = "fp32") -> Tensor:
    """Compute float32 logits `(N, C)` for all images, unaugmented, in order, on the device of the model.

    Images that lie elsewhere are brought there by the batch. The model's mode (training or not) is kept.

    Raises:
        ValueError: the model does not give one row of logits per image.
    """
    device, was_training = device_of(model), model.training
    plain = dataset.with_augment(None)
    model.eval()
    parts = []
    try:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            for index in torch.arange(len(plain)).split(batch_size):
                logits = model(plain.batch(index)[0].to(device)).float()
                if logits.ndim != 2 or len(logits) != len(index):
                    raise ValueError(
                        f"The model gives shape {tuple(logits.shape)} for {len(index)} images; a classifier gives "
                        f"({len(index)}, {len(dataset.classes)}). A forgotten nn.Flatten()?"
                    )
                parts.append(logits)
    finally:
        model.train(was_training)
    return torch.cat(parts)
