"""What a run is, as its checkpoint says: network, classes, settings, data and loss, each by its content."""

from typing import Any

from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.base import FaceModel
from emotion_utils.training.checkpoint import RunDescription
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.identity import as_plain, identity_of, name_of
from emotion_utils.training.losses import Loss


def describe_run(
    model: nn.Module, train_set: FaceDataset, val_set: FaceDataset | None, config: TrainConfig, loss: Loss | None
) -> RunDescription:
    """Put together what a checkpoint must know of a run to recognise it."""
    data = {
        "name": train_set.name,
        "images": len(train_set),
        "validation images": 0 if val_set is None else len(val_set),
        "mean": train_set.mean,
        "std": train_set.std,
        "augmentation": name_of(config.augment or train_set.augment),
        "digest of images and labels": train_set.digest(),
        "digest of validation images and labels": None if val_set is None else val_set.digest(),
    }
    return RunDescription(
        network=type(model).__name__,
        arguments=_arguments(model) if isinstance(model, FaceModel) else {},
        classes=as_plain(list(train_set.classes)),
        settings=config.to_dict(),
        data=as_plain(data),
        loss=identity_of(loss),
    )


def _arguments(model: FaceModel) -> dict[str, Any]:
    """Give what a network was built with, equal whether it was built by hand or from a file of weights."""
    arguments = as_plain({**model.config, "classes": model.num_classes})  # the description has their names
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
