"""What does a network cost, and how well does it do? Train a copy and measure it, so that others can be compared."""

import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import ShapeError, check_whole, reason
from emotion_utils.models.arguments import check_image_size
from emotion_utils.models.classes import match_classes, with_classes_of
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import as_input, check_model, copied, eval_mode, undisturbed
from emotion_utils.models.inference import check_finite, compute_logits
from emotion_utils.models.pictures import channels_of
from emotion_utils.models.shapes import Trace, trace_shapes
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train

MOST_REPEATS = 10**6


@dataclass(frozen=True, eq=False)
class Measured:
    """What `measure` found for one network."""

    model: nn.Module = field(repr=False)  # the trained copy
    trace: Trace = field(repr=False)  # shapes, parameters and multiply-adds of each layer
    history: History = field(repr=False)  # of the training
    correct: Tensor = field(repr=False)  # (N,) bool: which validation faces were recognised
    labels: Tensor = field(repr=False)  # (N,) int64, of the validation faces
    seconds: float  # for training, validation after each epoch included; first calls are not
    milliseconds: float  # for one face in a batch of 16, without training
    classes: tuple[str, ...]
    config: TrainConfig  # how it was trained

    @property
    def accuracy(self) -> float:
        """Share of the validation faces that were recognised."""
        return float(self.correct.float().mean())


def milliseconds(model: nn.Module, image_size: int = 48, faces: int = 16, repeats: int = 30) -> float:
    """Time the network on a batch of `faces` random images; return the fastest run, in milliseconds a face.

    The images have as many channels as the network takes. A small batch takes about a millisecond, so at least one run
    is not interrupted by what else the computer does.

    Raises:
        TypeError, ValueError: no network, or numbers that are none.
        ShapeError: a network that does not take such images.
    """
    check_model(model, values=True)
    image_size = check_image_size(image_size)
    channels = channels_of(model, image_size, image_size)
    return milliseconds_on(model, (channels, image_size, image_size), faces, repeats)


def milliseconds_on(model: nn.Module, image_shape: Sequence[int], faces: int = 16, repeats: int = 30) -> float:
    """Time the network as `milliseconds` does, on images of a shape (C, H, W)."""
    faces, repeats = check_whole(1, 100_000, faces=faces), check_whole(1, MOST_REPEATS, repeats=repeats)
    batch_shape = (faces, *image_shape)
    if not trace_shapes(model, batch_shape).output_shape:  # which says what layer does not fit
        raise ShapeError(f"model={type(model).__name__}: it returned no tensor (N, C); return the logits alone.")
    images = torch.randn(batch_shape, generator=torch.Generator().manual_seed(0))
    images, best = as_input(images, model), float("inf")
    with eval_mode(model), torch.no_grad():
        model(images.clone())  # the first run is slower: memory is fetched, kernels are chosen
        for _ in range(repeats):
            given = images.clone()  # a network that works in place would shrink them to numbers that take longer
            start = time.perf_counter()
            model(given).cpu()  # .cpu() waits for an accelerator to finish
            best = min(best, time.perf_counter() - start)
    return 1000 * best / faces


def measure(model: nn.Module, train_set: FaceDataset, val_set: FaceDataset, config: TrainConfig) -> Measured:
    """Train a copy of `model` as `config` says and measure it; `model` itself stays untrained.

    So this can be run again, with the same result (times apart).

    Raises:
        TypeError: no network, or no data set of faces.
        ShapeError: layers that do not fit together, or a last layer that does not fit the classes; see `check_fit`.
        ValueError: data sets with different classes, or the network knows others.
        DivergedError: the loss stopped being a number; the message names the learning rate and a better one.
    """
    train_set = as_face_dataset(train_set)
    val_set = with_classes_of(as_face_dataset(val_set), train_set.classes)
    trace = check_fit(model, train_set, val_set)
    trained = _copy(model)
    _warm_up(_copy(model), train_set, val_set, config)
    start = time.perf_counter()
    history = train(trained, train_set, val_set, config)
    seconds = time.perf_counter() - start
    labels, logits = val_set.labels.cpu(), compute_logits(trained, val_set).cpu()
    check_finite(logits, trained)
    correct = match_classes(trained, val_set).columns(logits).argmax(1) == labels
    speed = milliseconds_on(trained, val_set.images.shape[1:])
    return Measured(trained, trace, history, correct, labels, seconds, speed, val_set.classes, config)


def _warm_up(trial: nn.Module, train_set: FaceDataset, val_set: FaceDataset, config: TrainConfig) -> None:
    """Train a network that nobody keeps for one step, before any clock runs.

    The first training of a process imports modules and chooses kernels, which takes seconds: without this, the first of
    two equal networks would seem several times as slow as the second.
    """
    short = replace(config, epochs=1, progress=False, tensorboard=None, watch=None)
    parts = [faces.subset(range(min(len(faces), config.batch_size))) for faces in (train_set, val_set)]
    # The training itself will say what is wrong, and warn, once and of all the faces.
    with undisturbed(trial, training=True), warnings.catch_warnings(action="ignore"), suppress(Exception):
        train(trial, *parts, short)


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copied(model)
    except Exception as error:  # a network may hold anything
        raise TypeError(
            f"model={type(model).__name__}: a copy is trained, and it cannot be copied ({reason(error)})."
        ) from error
