"""Distillation: a network learns from what others said about many views of each image.

A label names one class. A trained network's probabilities also say which classes an image nearly shows, and how sure
one can be; where a label is a slip, they disagree with it. A student that is taught by a mixture of both learns less by
heart (Hinton, Vinyals & Dean 2015, arXiv:1503.02531; born-again networks: Furlanello et al. 2018, arXiv:1805.04770).
No other data take part.

A teacher that knows an image by heart repeats its label, right or wrong. One that never saw the image cannot: divide
the images into folds, train a teacher for each fold on all others, and let it judge that fold (cross-fitting). Such a
teacher has seen fewer images, so it has to be strong: of the student's own size and with a short training it brought
nothing on FER2013's validation images, three times as wide and trained for 60 epochs a point; see weights/README.md.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.data.augment import Augment
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.splits import group_identical, merge_groups, split
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, check_share, check_whole
from emotion_utils.models.base import FaceModel
from emotion_utils.models.classes import match_classes
from emotion_utils.models.handling import check_model
from emotion_utils.models.inference import compute_logits, normalised_for, predict_proba
from emotion_utils.randomness import random_state_kept, seed_everything, stream_key
from emotion_utils.tensors import as_tensor

VIEWS = 8
FOLDS = 4


def view_probabilities(model: nn.Module, dataset: FaceDataset, augment: Augment, views: int = VIEWS) -> Tensor:
    """Average a network's probabilities over differently augmented views of each image.

    Views matter. The teacher knows the very images that it learnt by heart, and would only repeat their labels.

    Args:
        model: the teacher.
        dataset: the images.
        augment: how the views differ; with a flip probability above 0, mirror images are among them.
        views: how many.

    Returns:
        float32 `(N, C)` on the CPU; each row adds up to 1.

    Raises:
        TypeError: no network, or no data set.
        ValueError: no views, or no augmentation.
    """
    views, dataset = check_whole(1, views=views), as_face_dataset(dataset)
    check_model(model, values=True)
    if not callable(augment):
        raise ValueError(f"augment={brief(augment)}: give an Augment; views that do not differ say the same.")
    known = normalised_for(model, dataset)  # as the teacher is used to seeing images
    # A method of that name in a network of somebody else's may take other arguments.
    ask = model.predict_proba if isinstance(model, FaceModel) else partial(predict_proba, model)
    total = torch.zeros(len(dataset), len(dataset.classes))
    with random_state_kept([known.images.device]):
        for view in range(views):
            seen = known.with_augment(augment, seed=view)
            for index in torch.arange(len(seen)).split(512):
                # For an augmentation of one's own that draws from a global generator.
                seed_everything(stream_key(view, "view", int(index[0])))
                images = seen.batch(index)[0]
                total[index] += ask(images, scale="normalised", classes=dataset.classes).cpu()
    return total / views


def judge_by_folds(
    dataset: FaceDataset,
    teach: Callable[[FaceDataset, int], FaceModel],
    augment: Augment | None = None,
    folds: int = FOLDS,
    views: int = VIEWS,
) -> Tensor:
    """Let each image be judged by a teacher that has not learnt it.

    Identical images, and images of one of the data set's `groups`, stay in one fold, so a teacher has not seen a twin
    of what it judges either.

    Args:
        dataset: the images and their labels.
        teach: gets the images to learn from and the number of the fold, from 1, that was left out; returns a teacher.
        augment: how the views that a teacher judges differ; None lets it judge the image as it is, once.
        folds: how many teachers; each learns from `(folds - 1) / folds` of the images.
        views: how many.

    Returns:
        float32 `(N, C)` on the CPU; each row adds up to 1.

    Raises:
        ValueError: fewer than two folds, more than there are images, or no views.
    """
    dataset, views = as_face_dataset(dataset), check_whole(1, views=views)
    folds = check_whole(2, len(dataset), ", so that each teacher has images to learn from", folds=folds)
    together = group_identical(dataset.images)
    together = together if dataset.groups is None else merge_groups(together, dataset.groups)
    parts = split(dataset.labels, [1 / folds] * folds, together)
    if not all(map(len, parts)):
        raise ValueError(f"folds={folds}: the images fall into {len(together.unique())} groups; choose fewer folds.")
    judged = torch.empty(len(dataset), len(dataset.classes))
    for number, part in enumerate(parts, 1):
        others = torch.ones(len(dataset), dtype=torch.bool)
        others[part] = False
        teacher = teach(dataset.subset(others), number)
        left_out = dataset.subset(part)
        if augment is None:
            logits = compute_logits(teacher, left_out)
            judged[part] = match_classes(teacher, left_out).columns(logits).softmax(1).cpu()
        else:
            judged[part] = view_probabilities(teacher, left_out, augment, views)
    return judged


def mix_targets(probabilities: Tensor, targets: Tensor, share: float) -> Tensor:
    """Mix a teacher's probabilities into the targets.

    Args:
        probabilities: the teacher's, float32 `(N, C)`.
        targets: labels, int64 `(N,)`, or soft labels, float32 `(N, C)`.
        share: the teacher's weight, 0 (labels alone) to 1 (teacher alone).

    Returns:
        float32 `(N, C)`; each row adds up to 1.

    Raises:
        ValueError: a share outside 0 to 1, numbers that are no probabilities, or labels that have none.
    """
    share, probabilities = check_share(share=share), _check_probabilities(probabilities=probabilities)
    count, classes = probabilities.shape
    targets = as_tensor(targets, "targets").to(probabilities.device)
    if not targets.numel():
        raise ValueError(f"targets have shape {tuple(targets.shape)}: there are none.")
    if targets.ndim == 2:
        soft_labels = _check_probabilities(targets=targets)
    elif targets.is_floating_point() or targets.dtype == torch.bool or int(targets.min()) < 0:
        raise ValueError(f"targets={brief(targets)}: give labels, whole numbers from 0, or soft labels (N, C).")
    else:
        soft_labels = F.one_hot(targets.long(), max(classes, int(targets.max()) + 1))
    if soft_labels.shape != probabilities.shape:
        raise ValueError(
            f"targets make soft labels {tuple(soft_labels.shape)}, and probabilities have shape {(count, classes)}: "
            "give one row for each image, with the same classes."
        )
    return share * probabilities + (1 - share) * soft_labels


def _check_probabilities(**named: Tensor) -> Tensor:
    """Return the one tensor that is named if it is float `(N, C)` with no image without one and nothing below 0."""
    ((name, value),) = named.items()
    value = as_tensor(value, name)
    if value.ndim != 2 or not value.is_floating_point() or not value.numel():
        raise ValueError(
            f"{name} are {value.dtype} of shape {tuple(value.shape)}; give floats (N, C), a row per image."
        )
    bad = ~(value.isfinite().all(1) & (value >= 0).all(1) & ((value.sum(1) - 1).abs() < 1e-2))
    if bad.any():
        row = int(bad.nonzero()[0])
        raise ValueError(f"{name}, row {row}: {brief(value[row].tolist())}; give probabilities that add up to 1.")
    return value


class SoftLabelCrossEntropy:
    """Cross-entropy against soft labels, such as shares of votes: a `loss` for `train`.

    Args:
        targets: float32 `(N, C)`, one row for each training image, adding up to 1.

    Raises:
        ValueError: numbers that are no probabilities.
    """

    def __init__(self, targets: Tensor) -> None:
        self.targets = _check_probabilities(targets=targets)

    def __call__(self, logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Give the loss of each image, `(B,)`, whose target is row `index` of the targets; `labels` are not used."""
        targets = self.targets[index.to(self.targets.device)].to(logits.device)  # (B, C)
        return F.cross_entropy(logits, targets, reduction="none")
