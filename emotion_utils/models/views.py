"""Look at an image more than once: the mean over its mirror image and over shifted copies (test-time augmentation)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.errors import check_whole
from emotion_utils.models.arguments import MOST_PIXELS
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, unwrap


class FlipAverage(nn.Module):
    """A network that looks at each image and at its mirror image and averages the two lists of probabilities.

    Args:
        model: maps normalised images `(N, 1, H, W)` to logits `(N, C)`.
        shift: 0, or a number of pixels: then each image is also moved so far left, right, up and down, which makes ten
            views, at ten times the cost. Pixels at the border are repeated.
    """

    def __init__(self, model: nn.Module, shift: int = 0) -> None:
        super().__init__()
        check_model(model)
        self.model, self.shift = model, check_whole(0, MOST_PIXELS, shift=shift)

    @property
    def image_size(self) -> int | None:
        """Height and width of the images that the network is built for, None if it does not say."""
        return getattr(unwrap(self.model), "image_size", None)

    def normalisation(self) -> tuple[float, float] | None:
        """Return the mean and standard deviation that the network was trained with, None if it does not know them."""
        return facts_of(self.model).normalisation

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images `(N, 1, H, W)` to the logarithms of mean probabilities, float32 `(N, C)`."""
        views = [self.model(x).float().log_softmax(1) for view in self.shifted(images) for x in (view, view.flip(3))]
        return torch.stack(views).logsumexp(0) - math.log(len(views))  # (V, N, C) -> (N, C)

    def shifted(self, images: Tensor) -> list[Tensor]:
        """Return the images, and with a shift their four moved copies, each of the shape of `images`."""
        if not self.shift:
            return [images]
        k, (height, width) = self.shift, images.shape[2:]
        wide = F.pad(images, (k, k, k, k), mode="replicate")  # (N, 1, H + 2k, W + 2k)
        corners = ((k, k), (k, 0), (k, 2 * k), (0, k), (2 * k, k))
        # Copies, as the parts overlap and a network may work in place; a clone keeps the order in memory, see
        # `order_in_memory`.
        return [wide[:, :, y : y + height, x : x + width].clone() for y, x in corners]
