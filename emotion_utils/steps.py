"""One step of training, and the order in which an epoch visits the images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.dataset import FaceDataset
from emotion_utils.optimisation import TrainConfig
from emotion_utils.randomness import permutation, stream_key
from emotion_utils.shapes import ShapeError, trace_shapes


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; the message says what to try."""


class Team:
    """The processes that share the work of a run. This one works alone; a team of several overrides all methods."""

    rank, size = 0, 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model whose backward pass averages gradients over the team."""
        return model

    def share(self, batch: Tensor) -> Tensor:
        """Choose this member's part of a batch of indices."""
        return batch[self.rank :: self.size]

    def total(self, sums: Tensor) -> Tensor:
        """Add up each member's sums, in place; all get the result."""
        return sums

    def align(self, model: nn.Module) -> None:
        """Give all members the batch-norm statistics of rank 0; each has its own, from the images that it saw."""


def epoch_batches(count: int, batch_size: int, seed: int, epoch: int, members: int = 1) -> list[Tensor]:
    """Shuffle 0..count-1 and cut it into batches; a pure function of its arguments.

    The order is that of `FaceDataset.loader(batch_size, shuffle=True, seed=seed)` in this epoch. A last batch with
    fewer than two images for each member joins the batch before it, because batch norm cannot learn from one.
    """
    batches = list(permutation(stream_key(seed, "order", epoch), count).split(batch_size))
    if len(batches) > 1 and batch_size >= 2 * members > len(batches[-1]):
        last = batches.pop()
        batches[-1] = torch.cat([batches[-1], last])
    return batches


def resize(images: Tensor, size: int | None) -> Tensor:
    """Scale images, float `(B, 1, H, W)`, to `size` by `size` pixels, smoothed against aliasing; None: leave them."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def check_fit(model: nn.Module, *datasets: FaceDataset | None) -> None:
    """Raise ShapeError or ValueError, before any training, if model and data do not fit together."""
    sets = [dataset for dataset in datasets if dataset is not None]
    names = sets[0].classes
    for dataset in sets:
        if dataset.classes != names:
            raise ValueError(
                f"Training and validation data have different classes: {names} and {dataset.classes}. Load both in "
                "the same way."
            )
        shape = trace_shapes(model, (2, *dataset.images.shape[1:])).output_shape
        if len(shape) != 2 or shape[0] != 2:
            raise ShapeError(
                f"The model gives shape {shape} for a batch of 2 images; a classifier gives (2, {len(names)}). "
                "Probably nn.Flatten() is missing before the linear layers."
            )
        if shape[1] != len(names):
            raise ShapeError(
                f"The model gives {shape[1]} logits per image, and the data have {len(names)} classes "
                f"({', '.join(names)}). Build the model with classes={len(names)}, or give its last layer "
                f"out_features={len(names)}."
            )


def forward_losses(
    model: nn.Module, images: Tensor, labels: Tensor, index: Tensor, config: TrainConfig, loss=None
) -> tuple[Tensor, Tensor]:
    """Compute logits, float32 `(B, C)`, and the loss of each image, float32 `(B,)`.

    `loss(logits, labels, index)` replaces cross-entropy, for instance to learn from soft labels stored by index.

    Raises:
        ValueError: batch norm was given a single value per channel.
    """
    if config.channels_last:
        images = images.to(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        try:
            logits = model(images).float()
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                "Batch norm compares the values of a channel over the batch, and here a batch has only one. Use a "
                "batch_size of 2 or more, fewer pooling layers, or batch_norm=False."
            ) from error
    if loss is not None:
        return logits, loss(logits, labels, index)
    return logits, F.cross_entropy(logits, labels, reduction="none", label_smoothing=config.label_smoothing)
