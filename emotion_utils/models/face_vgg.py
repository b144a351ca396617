"""The network of the shipped weights for photographs: blocks of 3 × 3 convolutions at full size, as in VGG."""

from collections.abc import Sequence

from torch import Tensor, nn

from emotion_utils.errors import brief
from emotion_utils.models.arguments import check_dropout, check_sizes, plain
from emotion_utils.models.base import FaceModel
from emotion_utils.models.face_net import conv_bn_relu, start_undecided


class FaceVGG(FaceModel):
    """Blocks of 3 × 3 convolutions, each block at one size of the map; its last convolution pools.

    The plan of VGG (Simonyan & Zisserman 2015, arXiv:1409.1556): the first block sees all pixels, each further one half
    the height and width. Batch norm follows each convolution, and the mean over the last map takes the place of VGG's
    large linear layers, so that nearly all weights are filters. With the arguments as they are, 1.76 million weights
    and 139 million multiply-adds for an image of 48 × 48 pixels.

    Args:
        blocks: for each block, the channels of its convolutions.
        dropout: share of the features set to zero before the last layer, in training only.
        classes: how many, or their names.
        image_size: height and width in pixels.
        in_channels: 1 for grey images.

    Raises:
        ValueError: more blocks than the image size allows, or a block without a convolution.
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128), (256, 256, 256)),
        dropout: float = 0.2,
        classes: int | Sequence[str] = 7,
        image_size: int = 48,
        in_channels: int = 1,
    ) -> None:
        blocks, dropout = _check_blocks(blocks), check_dropout(dropout)
        super().__init__(classes, image_size, in_channels, blocks=blocks, dropout=dropout)
        if self.image_size >> len(blocks) < 1:
            raise ValueError(
                f"blocks={brief(blocks)}: {len(blocks)} blocks halve {self.image_size} pixels {len(blocks)} times, "
                "which leaves none. Use fewer blocks or larger images."
            )
        self.blocks = nn.Sequential()
        channels = self.in_channels
        for widths in blocks:
            block = nn.Sequential()
            for place, width in enumerate(widths, 1):
                block.append(conv_bn_relu(channels, width, pool=place == len(widths)))
                channels = width
            self.blocks.append(block)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, self.num_classes)
        start_undecided(self.classifier)

    @property
    def smallest_size(self) -> int:
        """Side of the smallest image that leaves one number per channel after the last block."""
        return 2 ** len(self.blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, in_channels, H, W)`, to logits, float `(N, C)`."""
        self.check_input(images)
        features = self.blocks(images).mean((2, 3))  # (N, K, h, w) -> (N, K)
        return self.classifier(self.dropout(features))


def _check_blocks(blocks: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return the channels of each block as tuples of ints."""
    blocks = plain(blocks)
    if not isinstance(blocks, tuple) or not blocks:
        raise ValueError(f"blocks={brief(blocks)}: give the channels of each block, such as ((32, 32), (64, 64)).")
    return tuple(check_sizes("blocks", widths) for widths in blocks)
