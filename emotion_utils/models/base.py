"""What all networks here share: how images are normalised, the classes, probabilities, checked input."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.pixels import normalise
from emotion_utils.errors import CheckpointError, ShapeError

FIRST_MEAN, FIRST_STD = 0.5, 0.25  # near those of most faces; a network normalises with them until it knows better


class FaceModel(nn.Module):
    """What all networks here share: how to normalise, the names of the classes, probabilities, checked input.

    Args:
        classes: how many, or their names.
        image_size: height and width in pixels.
        in_channels: 1 for grey images.
        arguments: the other arguments that the network is built with, by name.

    Attributes:
        mean, std: buffers of one float32 each, so that they travel with the weights; see `set_normalisation`.
        classes: names of the classes, or None until `remember` sets them.
        config: all arguments, so that a file can rebuild the network: `type(model)(**model.config)`.
        facts: what was noted when the weights were saved (data, protocol, figures); empty for a new network.
        num_classes, image_size, in_channels: int.

    Raises:
        ValueError: fewer than two classes.
    """

    def __init__(self, classes: int | Sequence[str], image_size: int, in_channels: int, **arguments: Any) -> None:
        super().__init__()
        self.config = {**arguments, "classes": classes, "image_size": image_size, "in_channels": in_channels}
        self.facts: dict[str, Any] = {}
        self.register_buffer("mean", torch.tensor(FIRST_MEAN))
        self.register_buffer("std", torch.tensor(FIRST_STD))
        self._normalisation_was_set = False
        self.classes = None if isinstance(classes, int) else tuple(classes)
        self.num_classes = classes if isinstance(classes, int) else len(self.classes)
        self.image_size, self.in_channels = image_size, in_channels
        if self.num_classes < 2:
            raise ValueError(f"classes={self.num_classes}: a classifier chooses between at least two classes.")

    def set_normalisation(self, mean: float, std: float) -> None:
        """Set mean and standard deviation of the training set's pixels, scaled to [0, 1]; images are normalised so.

        Raises:
            ValueError: a mean that is no finite number, or a standard deviation that is not above 0.
        """
        if not math.isfinite(mean) or not 0 < std < math.inf:
            raise ValueError(f"mean={mean}, std={std}: give two finite numbers, the second above 0.")
        self.mean.fill_(mean)
        self.std.fill_(std)
        self._normalisation_was_set = True

    @property
    def normalisation_known(self) -> bool:
        """Whether `mean` and `std` are those of a training set: they were set, or came with weights."""
        # A state_dict brings the two numbers, yet not this answer. Numbers other than the first ones give it.
        return self._normalisation_was_set or (float(self.mean), float(self.std)) != (FIRST_MEAN, FIRST_STD)

    def normalisation(self) -> tuple[float, float] | None:
        """Return mean and standard deviation that images are normalised with, or None while nobody has set them."""
        return (float(self.mean), float(self.std)) if self.normalisation_known else None

    def remember(self, dataset: FaceDataset) -> None:
        """Remember how the images of a training set are normalised, and what its classes are called."""
        self.set_normalisation(dataset.mean, dataset.std)
        self.classes = tuple(dataset.classes)

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
                "model.std) from emotion_utils.data, or model.predict_proba(images), which normalises."
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
        parts = [torch.empty(0, self.num_classes, device=self.mean.device)]
        with eval_mode(self), torch.no_grad():
            for chunk in images.split(batch_size):
                chunk = chunk.to(self.mean.device)
                if chunk.dtype == torch.uint8:
                    chunk = normalise(chunk, self.mean, self.std)
                parts.append(self(chunk).float().softmax(1))  # (B, C)
        return torch.cat(parts)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode for a while; afterwards each of its layers is in the mode it was in before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


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
    there = {name: tuple(value.shape) for name, value in weights.items()}
    here = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in dict.fromkeys([*here, *there]):
        if there.get(name) != here.get(name):
            raise CheckpointError(
                f"{path} holds another architecture: '{name}' has shape {there.get(name, '(not there)')} in the file "
                f"and {here.get(name, '(not there)')} in the model. Build the model as it was when the file was "
                "written, or use another folder."
            )
