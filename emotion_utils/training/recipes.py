"""The recipes behind `python -m emotion_utils train`: a network and its settings for each data set, by name.

Settings for FER2013 come from validation data carved from its Training part (short probes, and the plan for a GPU in
`tests/benchmarks/accelerator_plan.py`) and from common practice, never from its test parts. Notebook 09 goes from
`EmotionCNN` to `fast` one change at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.augment import Augment, ShiftAndFlip
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.duplicates import identical
from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.data.ferplus import with_votes
from emotion_utils.data.loading import load
from emotion_utils.models.base import FaceModel
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.training.config import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A network and how to train it.

    Attributes:
        build: makes the network; give it `classes`.
        config: the settings of the training.
        all_training: learn from all labelled images that are not test images, with none left to validate on.
        votes: learn the shares of FER+'s votes instead of FER2013's labels.
        teacher_share: weight of a teacher's probabilities against the labels, where there is one.
        judged: learn also from what five teachers said of FER2013's Training images (`load_judgements`), unless the
            command names another teacher.
        patches: let the first convolution begin with the principal components of patches of training images.
    """

    build: Callable[..., FaceModel]
    config: TrainConfig
    all_training: bool = False
    votes: bool = False
    teacher_share: float = 0.7
    judged: bool = False
    patches: bool = False

    def make(self, training: FaceDataset) -> FaceModel:
        """Build the untrained network for these training images."""
        model = self.build(classes=training.classes)
        if self.patches:
            some = torch.arange(len(training))[:3000]
            model.start_from_patches(training.with_augment(None).batch(some)[0])
        return model


_quick = partial(FaceNet, widths=(48, 96, 192), identity_start=True)

_mild = Augment(flip=0.5, rotate=5, scale=(0.95, 1.05), shift=0.04, brightness=0.0, contrast=0.0)
_strong = Augment(flip=0.5, rotate=12, scale=(0.85, 1.15), shift=0.08, brightness=0.1, contrast=0.2, erase=0.5)

_sprint = TrainConfig(
    epochs=20, batch_size=128, learning_rate=0.3, weight_decay=5e-4, label_smoothing=0.1, average=0.998,
    augment=ShiftAndFlip(2), sizes=(32, 40, 48),
)  # fmt: skip
_fast = TrainConfig(
    epochs=28, batch_size=64, learning_rate=0.08, weight_decay=1e-3, label_smoothing=0.1, average=0.999, augment=_mild,
    sizes=(32, 40, 48),
)  # fmt: skip
_first = TrainConfig(
    epochs=40, batch_size=128, learning_rate=0.1, warmup=0.1, weight_decay=5e-4, label_smoothing=0.1, average=0.999,
    augment=_strong,
)  # fmt: skip
# Faces that fill more or less of the picture than FER2013's do, as a face finder's box on a photograph may.
_framings = replace(_strong, scale=(0.75, 1.3), shift=0.12)
_best = replace(_first, epochs=250, augment=_framings)
_votes = replace(_first, epochs=10, learning_rate=0.04, augment=_framings)
_drawn = TrainConfig(epochs=8, batch_size=128, learning_rate=0.05, average=0.995, augment=_mild)

# For each data set from the quickest to the most accurate.
RECIPES = {
    # About human level in five minutes on two CPU cores with bfloat16 (tests/benchmarks/time_to_accuracy.py).
    ("fer2013", "sprint"): Recipe(_quick, _sprint, patches=True, teacher_share=0.5),
    # As accurate over three seeds, and slower: notebook 09 builds it up from EmotionCNN, one change at a time.
    ("fer2013", "fast"): Recipe(_quick, _fast, patches=True, teacher_share=0.5),
    # Labels alone: about an hour on two CPU cores with bfloat16.
    ("fer2013", "first"): Recipe(FaceVGG, _first, all_training=True),
    # With what five teachers said, for long: three minutes on a large GPU, a night on two cores.
    ("fer2013", "best"): Recipe(FaceVGG, _best, all_training=True, judged=True),
    # Goes on from fer2013's best, with FER+'s votes: name it with --start-from.
    ("ferplus", "best"): Recipe(FaceVGG, _votes, all_training=True, votes=True),
    # Drawn faces in a minute.
    ("synthetic", "fast"): Recipe(EmotionCNN, _drawn),
}
PRESETS = tuple(dict.fromkeys(preset for _, preset in RECIPES))


def find_recipe(data: str, preset: str | None = None) -> Recipe:
    """Find a recipe by name; None takes the most accurate one for this data set.

    Raises:
        ValueError: no preset of this name for this data set.
    """
    known = [name for where, name in RECIPES if where == data]
    preset = known[-1] if preset is None else preset
    if preset not in known:
        raise ValueError(f"preset={preset!r}: for {data} choose {' or '.join(known)}.")
    return RECIPES[data, preset]


@dataclass(frozen=True)
class RecipeData:
    """What a recipe learns from and is measured on.

    Attributes:
        training: the images to learn from.
        validation: those to measure on; None where a recipe takes all.
        soft_labels: float32 `(N, C)`, shares of votes on the training images, or None.
        load_test: loads the test split when it is called, not before.
    """

    training: FaceDataset
    validation: FaceDataset | None
    soft_labels: Tensor | None
    load_test: Callable[[], FaceDataset]


def load_recipe_data(
    recipe: Recipe,
    name: str,
    data_dir: Path | None = None,
    limit: int | None = None,
    drop_twins: bool = False,
    verbose: bool = True,
) -> RecipeData:
    """Load what a recipe learns from and is measured on; with `limit`, that many images of each split.

    `drop_twins` takes those images out of the training set that are identical to a test image, to see what they are
    worth. That is the only thing that test images are looked at for before the end. The test split still says which of
    its images have (or had) a twin, so that both runs are measured on the same two groups.
    """
    source = "fer2013" if recipe.votes else name
    whole = recipe.all_training and source == "fer2013"
    quiet = {"data_dir": data_dir, "limit": limit, "verbose": False}
    training = load_all_training(data_dir, limit, verbose) if whole else load(source, **quiet | {"verbose": verbose})
    validation = None if recipe.all_training else load(source, "validation", **quiet)
    available = training.images  # with the twins
    if drop_twins:
        test_images = load(source, "test", **quiet | {"limit": None}).images
        training = training.subset(~identical(training.images, test_images))
    soft_labels = None
    if recipe.votes:
        training, soft_labels = with_votes(training, data_dir)
        validation = None if validation is None else with_votes(validation, data_dir)[0]

    def load_test() -> FaceDataset:
        test = load(source, "test", **quiet)
        if whole:  # `load` marks twins in its own training part; this recipe takes all of Training
            test = test.with_twins(identical(test.images, available))
        return with_votes(test, data_dir)[0] if recipe.votes else test

    return RecipeData(training, validation, soft_labels, load_test)
