"""What a run is, as its checkpoint says: network, classes, settings, data and loss, each by its content."""

from typing import Any

from torch import nn

from emotion_utils.data.augment import Augment, ShiftAndFlip
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.base import FaceModel
from emotion_utils.models.rebuilding import KINDS, is_one_of_ours
from emotion_utils.training.checkpoint import RunDescription
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.identity import as_plain, identity_of, name_of
from emotion_utils.training.losses import Loss


def describe_run(
    model: nn.Module, train_set: FaceDataset, val_set: FaceDataset | None, config: TrainConfig, loss: Loss | None
) -> RunDescription:
    """Put together what a checkpoint must know of a run to recognise it."""
    augment = config.augment or train_set.augment
    data = {
        "name": train_set.name,
        "images": len(train_set),
        "validation images": 0 if val_set is None else len(val_set),
        "mean": train_set.mean,
        "std": train_set.std,
        "augmentation": name_of(augment),
        "digest of images and labels": train_set.digest(),
        "digest of validation images and labels": None if val_set is None else val_set.digest(),
    }
    if augment is not None and type(augment) not in (Augment, ShiftAndFlip):  # whose names say all
        data["digest of augmentation"] = identity_of(augment)
    as_built = is_one_of_ours(model, dropout=True)
    changed = type(model) in KINDS.values() and not as_built
    return RunDescription(
        network=type(model).__name__ + " with other layers" * changed,
        arguments=_arguments(model, as_built),
        classes=as_plain(list(train_set.classes)),
        settings=config.to_dict(),
        data=as_plain(data),
        loss=identity_of(loss),
    )


def _arguments(model: nn.Module, as_built: bool) -> dict[str, Any]:
    """Give what a network was built with, equal whether it was built by hand or from a file of weights.

    Of any network but ours as they are built, give its layers as well: weights alone do not tell whether a ReLU became
    a Tanh, a stride 2, or a share of dropout 0.1.
    """
    arguments = {}
    if isinstance(model, FaceModel):
        plain = as_plain({**model.config, "classes": model.num_classes})  # the description has their names
        arguments = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    if not as_built:
        arguments["layers"] = {name: _kind(layer) for name, layer in model.named_modules() if name}
    return arguments


def _kind(layer: nn.Module) -> str:
    """Give the class of a layer, and its settings if it is PyTorch's: others may print what differs in each process."""
    known = type(layer).__module__.startswith("torch.nn.") and not any(layer.children())
    return str(layer) if known else type(layer).__qualname__
