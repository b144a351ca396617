"""What a network makes of images, and by which rules one of several is taken."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.data.augment import Augment
from emotion_utils.data.pixels import normalise, to_unit

from .networks import StemNet

ZOOMS = (0.75, 0.9, 1.1, 1.3)  # how much larger a face is than in the benchmark: crops that are not quite right
BATCH = 2048


@torch.no_grad()
def probabilities(network: StemNet, images: Tensor, half: bool = False) -> Tensor:
    """Compute probabilities, float32 `(N, C)`, of images in [0, 1], float32 `(N, 1, 48, 48)`, on the same device."""
    tuned, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False  # not worth it for a few batches
    found = []
    for part in normalise(images, float(network.mean), float(network.std)).split(BATCH):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
            found.append(network(part).float().softmax(1))
    torch.backends.cudnn.benchmark = tuned
    return torch.cat(found)


def with_mirror(network: StemNet, images: Tensor) -> Tensor:
    """Average the probabilities of images and of their mirror images."""
    return (probabilities(network, images) + probabilities(network, images.flip(3))) / 2


def over_views(network: StemNet, images: Tensor, augment: Augment, views: int, half: bool = False) -> Tensor:
    """Average the probabilities of uint8 images over seeded views, as `view_probabilities` of the package does."""
    index, total = torch.arange(len(images), device=images.device), torch.zeros((), device=images.device)
    for view in range(views):
        total = total + probabilities(network, augment(to_unit(images), index, view, 0), half)
    return total / views


def zoomed(images: Tensor, factor: float) -> Tensor:
    """Make faces larger (or smaller) by a factor; beyond the border, its pixels are repeated. float32 in and out."""
    theta = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]]).to(images).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def judge(network: StemNet, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Measure a network on uint8 images that it has not learnt.

    Returns:
        Accuracies in [0, 1] with one view (`single`) and with the mirror image (`mirror`), the latter also of zoomed
        faces; the mirror's cross-entropy; and the class predicted for each image, as a line of digits.
    """
    seen = to_unit(images)
    mirror = with_mirror(network, seen)

    def accuracy(found: Tensor) -> float:
        return round(float((found.argmax(1) == labels).float().mean()), 5)

    return {
        "single": accuracy(probabilities(network, seen)),
        "mirror": accuracy(mirror),
        "loss": round(float(F.nll_loss(mirror.clamp_min(1e-9).log(), labels)), 5),
        "zoomed": {str(zoom): accuracy(with_mirror(network, zoomed(seen, zoom))) for zoom in ZOOMS},
        "predicted": "".join(map(str, mirror.argmax(1).tolist())),
    }


def standard_error(one: dict[str, Any], other: dict[str, Any], labels: Sequence[int]) -> float:
    """Give the standard error of the difference between two accuracies that were measured on the same images."""
    answers = zip(one["predicted"], other["predicted"], map(str, labels), strict=True)
    difference = torch.tensor([(a == label) - (b == label) for a, b, label in answers]).double()
    return float(difference.std(correction=0)) / len(difference) ** 0.5


def choose_shape(rows: Sequence[dict[str, Any]], labels: Sequence[int]) -> dict[str, Any]:
    """Take the best accuracy with the mirror image; within half a standard error of it, the fewest multiply-adds."""
    best = max(rows, key=lambda row: row["mirror"])
    close = [row for row in rows if best["mirror"] - row["mirror"] <= standard_error(best, row, labels) / 2]
    return min(close, key=lambda row: row["multiply_adds"])


def framing_pays(framed: dict[str, Any], plain: dict[str, Any], labels: Sequence[int]) -> bool:
    """Say whether training with more kinds of framing costs nothing (half a standard error) and helps zoomed faces."""
    costs = plain["mirror"] - framed["mirror"] > standard_error(plain, framed, labels) / 2
    return not costs and sum(framed["zoomed"].values()) > sum(plain["zoomed"].values())


def choose_student(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take the best mean of the accuracies with one view and with the mirror image; of equals, the first."""
    return max(rows, key=lambda row: row["single"] + row["mirror"])
