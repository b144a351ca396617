"""The recipes behind `python -m emotion_utils train`: a network and its settings for each data set, by name.

Settings for FER2013 come from short probes on validation data carved from its Training part and from common
practice, never from its test parts. Notebook 09 goes from `EmotionCNN` to these recipes one change at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.augment import Augment
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.duplicates import identical
from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.data.ferplus import with_votes
from emotion_utils.data.loading import load
from emotion_utils.models.base import FaceModel
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.training.config import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A network and how to train it.

    Attributes:
        build: makes the network; give it `classes`.
        config: the settings of the training.
        everything: train on all labelled images that are not test images, with nothing left to validate on.
        purpose: one line for the reader.
        soft: learn the shares of FER+'s votes instead of FER2013's labels.
        teacher_share: weight of a teacher's probabilities against the labels, if the command names a teacher.
        patches: let the first convolution begin with the principal components of patches of training images.
        temperature: what logits are divided by after training where no image is left to fit it on; 1 leaves them.
    """

    build: Callable[..., FaceModel]
    config: TrainConfig
    everything: bool
    purpose: str
    soft: bool = False
    teacher_share: float = 0.7
    patches: bool = False
    temperature: float = 1.0

    def make(self, training: FaceDataset) -> FaceModel:
        """Build the untrained network for these training images."""
        model = self.build(classes=training.classes)
        if self.patches:
            some = torch.arange(len(training))[:3000]
            model.start_from_patches(training.with_augment(None).batch(some)[0])
        return model


_deep = partial(FaceNet, residuals=2, dropout=0.2)


_quick = partial(FaceNet, widths=(48, 96, 192), identity_start=True)


_mild = Augment(flip=0.5, rotate=5, scale=(0.95, 1.05), shift=0.04, brightness=0.0, contrast=0.0)


_strong = Augment(flip=0.5, rotate=12, scale=(0.85, 1.15), shift=0.08, brightness=0.1, contrast=0.2, erase=0.5)


_fast = TrainConfig(
    epochs=28, batch_size=64, learning_rate=0.08, weight_decay=1e-3, label_smoothing=0.1, average=0.999, augment=_mild,
    sizes=(32, 40, 48),
)  # fmt: skip


_first = TrainConfig(
    epochs=75, batch_size=128, learning_rate=0.1, warmup=0.1, weight_decay=5e-4, label_smoothing=0.1, average=0.999,
    augment=_strong,
)  # fmt: skip


# The second generation starts from the weights of the first and is taught by it.
_best = replace(_first, epochs=40, learning_rate=0.08)


_votes = replace(_first, epochs=14, learning_rate=0.04)


_drawn = TrainConfig(epochs=8, batch_size=128, learning_rate=0.05, average=0.995, augment=_mild)


RECIPES = {
    ("fer2013", "fast"): Recipe(
        _quick, _fast, False, "about human level in minutes on two CPU cores", patches=True, teacher_share=0.5
    ),
    ("fer2013", "first"): Recipe(_deep, _first, True, "from scratch; where best starts, and its teacher"),
    ("fer2013", "best"): Recipe(
        _deep, _best, True, "goes on from first, and is taught by it: name it with --start-from and --teacher"
    ),
    ("ferplus", "best"): Recipe(_deep, _votes, True, "goes on from fer2013's best with FER+'s votes", soft=True),
    ("synthetic", "fast"): Recipe(EmotionCNN, _drawn, False, "drawn faces in a minute"),
    ("synthetic", "best"): Recipe(EmotionCNN, _drawn, False, "the shipped weights for drawn faces"),
}


@dataclass(frozen=True)
class Data:
    """What a recipe learns from and is measured on.

    Attributes:
        training, validation: data sets; validation is None where a recipe takes everything.
        targets: float32 `(N, C)`, soft labels of the training images, or None.
        test: loads the test split when it is called, not before.
    """

    training: FaceDataset
    validation: FaceDataset | None
    targets: Tensor | None
    test: Callable[[], FaceDataset]


def load_for(
    recipe: Recipe,
    name: str,
    data_dir: Path | None = None,
    limit: int | None = None,
    drop_twins: bool = False,
    verbose: bool = True,
) -> Data:
    """Load the data of a recipe; with `limit`, that many images of each split.

    `drop_twins` takes those images out of the training set that are identical to a test image, to see what they are
    worth. That is the only thing that test images are looked at for before the end. The test split still says which of
    its images have (or had) a twin, so that both runs are measured on the same two groups.
    """
    source = "fer2013" if recipe.soft else name
    options = {"data_dir": data_dir, "limit": limit, "verbose": False}
    if recipe.everything and source == "fer2013":
        training, validation = load_all_training(data_dir, limit), None
    else:
        training = load(source, "training", **options | {"verbose": verbose})
        validation = None if recipe.everything else load(source, "validation", **options)
    available = training.images  # with the twins
    if drop_twins:
        training = training.subset(
            ~identical(training.images, load(source, "test", **options | {"limit": None}).images)
        )
    targets = None
    if recipe.soft:
        training, targets = with_votes(training, data_dir)
        validation = None if validation is None else with_votes(validation, data_dir)[0]

    def test() -> FaceDataset:
        loaded = load(source, "test", **options)
        if recipe.everything and source == "fer2013":
            # `load` marks twins in its own training part; this recipe takes all of Training.
            loaded.twins = identical(loaded.images, available)
        return with_votes(loaded, data_dir)[0] if recipe.soft else loaded

    return Data(training, validation, targets, test)
