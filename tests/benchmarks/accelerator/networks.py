"""The networks that the plan compares: `FaceNet` with more ways to begin, and blocks of two kinds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.models.base import FaceModel
from emotion_utils.models.face_net import Stage, conv_bn_relu, start_undecided
from emotion_utils.models.shapes import trace_shapes

MOST_PARAMETERS = 2_000_000


class StemNet(FaceModel):
    """`FaceNet` whose stem has any number of layers, and whose stages may differ.

    A stage halves height and width. With `plain=False` it is a `Stage`: a convolution that widens and pools, then
    `blocks` more that each add to what comes in. With `plain=True` it is a block as in VGG (Simonyan & Zisserman 2015):
    `blocks` convolutions at full size, then one more that pools.

    Args:
        stem: channels, kernel and stride of each layer before the first stage; `((32, 6, 2),)` is FaceNet's.
        widths: channels of each stage.
        blocks: for each stage, the convolutions beside the one that pools.
        plain: blocks that replace instead of adding.
        dropout: share of the features set to zero before the last layer, in training only.
        classes, image_size, in_channels: as in `FaceNet`.
    """

    def __init__(
        self,
        stem: Sequence[Sequence[int]] = ((32, 6, 2),),
        widths: Sequence[int] = (64, 128, 256),
        blocks: Sequence[int] = (2, 2, 2),
        plain: bool = False,
        dropout: float = 0.2,
        classes: int | Sequence[str] = 7,
        image_size: int = 48,
        in_channels: int = 1,
    ) -> None:
        arguments = {"stem": stem, "widths": widths, "blocks": blocks, "plain": plain, "dropout": dropout}
        super().__init__(classes, image_size, in_channels, **arguments)
        self.stem, self.stages = nn.Sequential(), nn.Sequential()
        channels = self.in_channels
        for width, kernel, stride in stem:
            self.stem.append(conv_bn_relu(channels, width, kernel, stride))
            channels = width
        for width, more in zip(widths, blocks, strict=True):
            self.stages.append(_plain_stage(channels, width, more) if plain else Stage(channels, width, more))
            channels = width
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, self.num_classes)
        start_undecided(self.classifier)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, 1, H, W)`, to logits `(N, C)`."""
        features = self.stages(self.stem(images)).mean((2, 3))  # (N, K, h, w) -> (N, K)
        return self.classifier(self.dropout(features))


def _plain_stage(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    layers, channels = [], channels_in
    for _ in range(blocks):
        layers.append(conv_bn_relu(channels, channels_out))
        channels = channels_out
    return nn.Sequential(*layers, conv_bn_relu(channels, channels_out, pool=True))


@dataclass(frozen=True)
class Shape:
    """The arguments of a `StemNet`: `StemNet(**shape.arguments())` is the network, before it learns."""

    stem: tuple[tuple[int, int, int], ...] = ((24, 3, 1),)  # channels, kernel, stride
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: tuple[int, ...] = (0, 2, 2, 2)
    plain: bool = False
    dropout: float = 0.2

    def arguments(self) -> dict[str, Any]:
        """Give the arguments by name, as they stand in the results."""
        return asdict(self)

    def times(self, stem: float, widths: float) -> "Shape":
        """Make all layers wider or narrower; none gets fewer than four channels."""
        layers = tuple((max(4, round(channels * stem)), *rest) for channels, *rest in self.stem)
        return replace(self, stem=layers, widths=tuple(max(4, round(width * widths)) for width in self.widths))

    def cost(self) -> dict[str, int]:
        """Count parameters, and multiply-adds for one image."""
        trace = trace_shapes(StemNet(**self.arguments()))
        return {"parameters": trace.total_parameters, "multiply_adds": trace.total_multiply_adds}

    def build(self, seed: int, mean: float, std: float) -> StemNet:
        """Draw the starting weights from `seed`."""
        torch.manual_seed(seed)
        network = StemNet(**self.arguments())
        network.set_normalisation(mean, std)
        return network


HALVING = Shape(stem=((32, 6, 2),), widths=(64, 128, 256), blocks=(2, 2, 2))
# All have at most two million parameters, and their first two convolutions see all 48 × 48 pixels. `HALVING` was
# behind such a stem in `stems.py`, so the time goes to what comes after it.
SHAPES = {
    "full 24": Shape(),
    "full 32": Shape(stem=((32, 3, 1),)),
    "full 24, twice": Shape(stem=((24, 3, 1), (24, 3, 1))),
    "full 24, deeper and narrower": Shape(widths=(32, 64, 128, 192), blocks=(0, 3, 3, 3)),
    "VGG": Shape(stem=((32, 3, 1),), widths=(32, 64, 128, 256), blocks=(0, 1, 1, 2), plain=True),
}
