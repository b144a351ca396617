"""What all networks here share: how images are normalised, the classes, probabilities, checked input."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from emotion_utils.data.pixels import normalise
from emotion_utils.errors import CheckpointError, ShapeError

UNKNOWN_MEAN, UNKNOWN_STD = 0.5, 0.25  # how images are normalised as long as nobody has said so


class FaceModel(nn.Module):
    """What all networks here share: how to normalise, the names of the classes, probabilities, checked input.

    Attributes:
        mean, std: buffers of one float each; 0.5 and 0.25 until `train` copies them from the training set.
        classes: names of the classes, or None until `train` sets them.
        config: the arguments that the network was built with, so that a file can rebuild it.
        num_classes, image_size, in_channels: int.
    """

    def __init__(self, classes: int | Sequence[str], image_size: int, in_channels: int, arguments: dict) -> None:
        super().__init__()
        self.config = {name: value for name, value in arguments.items() if name not in ("self", "__class__")}
        self.register_buffer("mean", torch.tensor(UNKNOWN_MEAN))
        self.register_buffer("std", torch.tensor(UNKNOWN_STD))
        self.classes = None if isinstance(classes, int) else tuple(classes)
        self.num_classes = classes if isinstance(classes, int) else len(self.classes)
        self.image_size, self.in_channels = image_size, in_channels
        if self.num_classes < 2:
            raise ValueError(f"classes={self.num_classes}: a classifier chooses between at least two classes.")

    def normalisation(self) -> tuple[float, float] | None:
        """Return mean and standard deviation that images are normalised with, or None while nobody has set them."""
        known = (float(self.mean), float(self.std))
        return None if known == (UNKNOWN_MEAN, UNKNOWN_STD) else known

    def takes_size(self, height: int, width: int) -> bool:
        """Say whether the network computes images of this size; most take the one that they were built for."""
        return height == width == self.image_size

    def check_input(self, images: Tensor) -> None:
        """Raise an error in plain words if `images` are not what this network was built for.

        Raises:
            TypeError: not floating point.
            ShapeError: not `(N, in_channels, image_size, image_size)`.
            RuntimeError: not on the device of the weights.
        """
        name, size = type(self).__name__, self.image_size
        if not images.is_floating_point():
            raise TypeError(
                f"{name} takes normalised float images, not {images.dtype}. Use normalise(images, model.mean, "
                "model.std) from emotion_utils.augment, or model.predict_proba(images), which normalises."
            )
        if images.ndim != 4 or images.shape[1] != self.in_channels or not self.takes_size(*images.shape[2:]):
            raise ShapeError(
                f"{name} was built for images of shape (N, {self.in_channels}, {size}, {size}) and got "
                f"{tuple(images.shape)}. {_advise_on_images(images.shape, self.in_channels)}"
            )
        if images.device != self.mean.device:
            raise RuntimeError(
                f"The model lies on {self.mean.device} and the images on {images.device}. Bring them together: "
                f'images.to("{self.mean.device}") or model.to("{images.device}").'
            )

    def predict_proba(self, images: Tensor, batch_size: int = 512) -> Tensor:
        """Compute the probability of each class: float32 `(N, C)` on the model's device; each row adds up to 1.

        Args:
            images: uint8 `(N, 1, H, W)`, normalised here, or float, taken to be normalised already.
            batch_size: how many images to treat at once; smaller needs less memory.

        Dropout is off and no gradient is kept; afterwards the model is in the mode it was in before.
        """
        was_training = self.training
        self.eval()
        parts = [torch.empty(0, self.num_classes, device=self.mean.device)]
        with torch.no_grad():
            for chunk in images.split(batch_size):
                chunk = chunk.to(self.mean.device)
                if chunk.dtype == torch.uint8:
                    chunk = normalise(chunk, self.mean, self.std)
                parts.append(self(chunk).float().softmax(1))
        self.train(was_training)
        return torch.cat(parts)


def _advise_on_images(shape: torch.Size, channels: int) -> str:
    if len(shape) == 3:
        return "One dimension is missing: images[None] makes a batch of one image, images[:, None] adds a channel."
    if len(shape) == 4 and shape[1] != channels:
        return f"Build it with in_channels={shape[1]}, or turn the images to {channels} channel{'s' * (channels > 1)}."
    if len(shape) == 4 and shape[2] == shape[3]:
        return f"Build it with image_size={shape[2]}, or resize the images."
    return "Images are square here; crop or resize them."


def check_same_weights(weights: dict[str, Tensor], model: nn.Module, path: str | Path) -> None:
    """Raise CheckpointError, naming the first difference, unless `weights` fit `model`."""
    there, here = (
        {k: tuple(v.shape) for k, v in weights.items()},
        {k: tuple(v.shape) for k, v in model.state_dict().items()},
    )
    for name in dict.fromkeys([*here, *there]):
        if there.get(name) != here.get(name):
            raise CheckpointError(
                f"{path} holds another architecture: '{name}' has shape {there.get(name, '(not there)')} in the file "
                f"and {here.get(name, '(not there)')} in the model. Build the model as it was when the file was "
                "written, or use another folder."
            )
