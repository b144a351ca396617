"""Self-distillation: a network learns from what an earlier one of its kind said about many views of each image.

A label names one class. A trained network's probabilities also say which classes an image nearly shows, and how sure
one can be; where a label is a slip, they disagree with it. A student that is taught by a mixture of both learns less by
heart (Hinton, Vinyals & Dean 2015, arXiv:1503.02531; born-again networks: Furlanello et al. 2018, arXiv:1805.04770).
No other data take part.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.augment import Augment
from emotion_utils.dataset import FaceDataset
from emotion_utils.models import FaceModel

VIEWS = 8


def view_probabilities(model: FaceModel, dataset: FaceDataset, augment: Augment, views: int = VIEWS) -> Tensor:
    """Average a network's probabilities over differently augmented views of each image.

    Views matter. The teacher knows the very images that it learnt by heart, and would only repeat their labels.

    Args:
        model: the teacher.
        dataset: the images.
        augment: how the views differ; with a flip probability above 0, mirror images are among them.
        views: how many.

    Returns:
        float32 `(N, C)` on the CPU; each row adds up to 1.
    """
    total = torch.zeros(len(dataset), len(dataset.classes))
    for view in range(views):
        seen = dataset.with_augment(augment, seed=view)
        seen.mean, seen.std = float(model.mean), float(model.std)  # as the teacher is used to seeing images
        parts = [model.predict_proba(seen.batch(index)[0]) for index in torch.arange(len(seen)).split(512)]
        total += torch.cat(parts).cpu()
    return total / views


def mix_targets(probabilities: Tensor, targets: Tensor, share: float) -> Tensor:
    """Mix what the teacher says with what the labels say.

    Args:
        probabilities: the teacher's, float `(N, C)`; each row adds up to 1.
        targets: labels, int64 `(N,)`, or shares of votes, float `(N, C)`.
        share: the teacher's weight, 0 (labels alone) to 1 (teacher alone).

    Returns:
        float32 `(N, C)`; each row adds up to 1.

    Raises:
        ValueError: a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} is the teacher's part of the targets; choose a number from 0 to 1.")
    told = targets if targets.ndim == 2 else F.one_hot(targets, probabilities.shape[1])
    return share * probabilities + (1 - share) * told
