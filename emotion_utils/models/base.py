"""What all networks here share: how images are normalised, the classes, probabilities, checked input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import CheckpointError, ShapeError, brief, check_number, check_whole, show
from emotion_utils.models.arguments import check_classes, check_image_size, plain
from emotion_utils.models.facts import ModelFacts, as_names, remember
from emotion_utils.models.inference import predict_proba

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
        frequencies: how common each class was in what the network learnt, in their order; None while that is unknown.
        num_classes, image_size, in_channels: int.

    Raises:
        ValueError: fewer than two classes.
    """

    frequencies: tuple[float, ...] | None = None  # here, for networks that an earlier version has pickled

    def __init__(self, classes: int | Sequence[str], image_size: int, in_channels: int, **arguments: Any) -> None:
        super().__init__()
        self.num_classes, self.classes = check_classes(classes)
        self.image_size, self.in_channels = check_image_size(image_size), check_whole(1, 1024, in_channels=in_channels)
        given = {**arguments, "classes": classes, "image_size": self.image_size, "in_channels": self.in_channels}
        self.config = {name: plain(value) for name, value in given.items()}
        self.facts: dict[str, Any] = {}
        self.register_buffer("mean", torch.tensor(FIRST_MEAN))
        self.register_buffer("std", torch.tensor(FIRST_STD))
        self._normalisation_was_set = False

    def set_normalisation(self, mean: float, std: float) -> None:
        """Set mean and standard deviation of the training set's pixels, scaled to [0, 1]; images are normalised so.

        Raises:
            ValueError: a mean that is no finite number, or a standard deviation that is not above 0.
        """
        mean, std = check_number(mean=mean), check_number(above=0, std=std)
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

    def known_facts(self) -> ModelFacts:
        """Say what the network knows of the data that it learnt from."""
        classes, frequencies = as_names(self.classes), plain(self.frequencies)
        if not isinstance(frequencies, tuple) or len(classes or ()) != len(frequencies):
            frequencies = None  # other classes were set, which the network is to learn
        return ModelFacts(*(self.normalisation() or (None, None)), classes, self.facts, frequencies)

    def remember(self, dataset: FaceDataset) -> None:
        """Remember how the images of a training set are normalised, what its classes are called, and their mix."""
        remember(self, dataset)

    @property
    def smallest_size(self) -> int:
        """Side of the smallest square image that the network takes in training, for progressive resizing.

        A network whose last map is averaged needs no other weights for it: convolutions take maps of any size.
        """
        return self.image_size

    def takes_size(self, height: int, width: int) -> bool:
        """Say whether the network computes images of this size: the one that it was built for, in training smaller."""
        smallest = self.smallest_size if self.training else self.image_size
        return smallest <= height == width <= self.image_size

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
                f"{tuple(images.shape)}. {_advise_on_images(tuple(images.shape), self.in_channels)}"
            )
        if images.device != self.mean.device:
            raise RuntimeError(
                f"The model lies on {self.mean.device} and the images on {images.device}. Bring them together: "
                f'images.to("{self.mean.device}") or model.to("{images.device}").'
            )

    def predict_proba(self, images: Any, batch_size: int = 512, **options: Any) -> Tensor:
        """Compute the probability of each class: float32 `(N, C)` on the model's device; each row adds up to 1.

        `images` are uint8 `(N, 1, H, W)`, or anything else that `emotion_utils.models.predict_proba` takes. It does the
        work for every network, and takes the other arguments as well (`scale`, `size`, `bgr`, `classes`).
        """
        return predict_proba(self, images, batch_size, **options)


def _advise_on_images(shape: tuple[int, ...], channels: int) -> str:
    frames = len(shape) in (3, 4) and shape[-1] in (1, 3, 4) and shape[-3] == shape[-2]
    if frames:
        return "Channels come last, as in a camera's frames: model.predict_proba(images) takes them as they are."
    if len(shape) == 2:
        return "Two dimensions are missing: images[None, None] makes a batch of one grey image."
    if len(shape) == 3 and shape[0] == channels:
        return "The batch is missing: images[None] makes a batch of one image."
    if len(shape) == 3:
        return "The channel is missing: images[:, None] adds it."
    if len(shape) == 4 and shape[1] != channels:
        return f"Build it with in_channels={shape[1]}, or turn the images to {channels} channel{'s' * (channels > 1)}."
    if len(shape) == 4 and shape[2] == shape[3]:
        return f"Build it with image_size={shape[2]}, or resize the images: resize(data, …), predict_proba(…, size=…)."
    return "Images are square here; crop or resize them: predict_proba(images, size=…) takes the middle square."


def check_same_weights(weights: dict[str, Tensor], model: nn.Module, path: str | Path) -> None:
    """Raise CheckpointError, naming the first difference, unless `weights` fit `model`."""
    there = {name: _shape_of(value) for name, value in weights.items()}
    here = {name: _shape_of(value) for name, value in model.state_dict().items()}
    here |= {name: None for name in _growing(model) if name in here}
    for name in dict.fromkeys([*here, *there]):
        if name not in here or name not in there or (here[name] is not None and here[name] != there[name]):
            raise CheckpointError(
                f"{show(path)} holds another architecture: {brief(name)} has shape {there.get(name, '(not there)')} in "
                f"the file and {here.get(name, '(not there)')} in the model. Build the model as it was when the file "
                "was written, or use another folder."
            )


def _growing(model: nn.Module) -> list[str]:
    """Name the buffers of observers, as quantisation-aware training has them: they take the shape of what they saw."""
    observers = [(n, module) for n, module in model.named_modules() if type(module).__module__.startswith("torch.ao.")]
    return [f"{n}.{own}" for n, module in observers for own, _ in module.named_buffers(recurse=False)]


def _shape_of(value: Any) -> tuple[int, ...] | None:
    """Give the shape of a weight; None for one that takes the shape of what is loaded into it."""
    return None if not isinstance(value, Tensor) or is_lazy(value) else tuple(value.shape)
