"""The network for real faces: `EmotionCNN` rearranged so that a CPU computes it fast, and made deeper by residuals."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emotion_utils.errors import brief, check_whole
from emotion_utils.models.arguments import MOST_LAYERS, MOST_UNITS, check_dropout, check_sizes, check_yes
from emotion_utils.models.base import FaceModel


def conv_bn_relu(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, pool: bool = False
) -> nn.Sequential:
    """Chain convolution, max-pooling if asked for, batch norm and ReLU.

    Batch norm has a bias of its own, so the convolution needs none. Pooling first leaves the other two a quarter of
    the numbers.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, (kernel - stride + 1) // 2, bias=False),
        *([nn.MaxPool2d(2)] if pool else []),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Stage(nn.Module):
    """A convolution that widens and halves the map, then convolutions that each add to what comes in.

    Adding instead of replacing is a residual connection (He et al. 2016): the gradient has a straight way back, and a
    layer only has to learn what is missing.
    """

    def __init__(self, channels_in: int, channels_out: int, residuals: int = 1) -> None:
        super().__init__()
        self.widen = conv_bn_relu(channels_in, channels_out, pool=True)
        self.residuals = nn.ModuleList(conv_bn_relu(channels_out, channels_out) for _ in range(residuals))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, channels_in, H, W)` to `(N, channels_out, H / 2, W / 2)`."""
        x = self.widen(x)
        for residual in self.residuals:
            x = x + residual(x)
        return x


def _full_size_stem(channels_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Chain 3 × 3 convolutions that see all pixels; the last one pools."""
    pairs = zip([channels_in, *widths], widths, strict=False)
    return nn.Sequential(*(conv_bn_relu(a, b, pool=place == len(widths)) for place, (a, b) in enumerate(pairs, 1)))


def start_undecided(classifier: nn.Linear) -> None:
    """Draw weights so small that all classes start out about equally likely."""
    if not classifier.weight.is_meta:  # there, normal_ imports PyTorch's compiler, which takes seconds
        nn.init.normal_(classifier.weight, std=0.1 / classifier.in_features**0.5)
    nn.init.zeros_(classifier.bias)


class FaceNet(FaceModel):
    """A network that spends its arithmetic where a CPU is fast: on small maps with many channels.

    The stem halves the picture, in one of two ways. One convolution with a 6 × 6 window that moves by two pixels is
    the quick way: nothing else runs at 48 × 48, where maps are large and channels few, and where moving the numbers
    takes longer than multiplying them. Several 3 × 3 convolutions that see all pixels, and pooling after the last, are
    the accurate way. Stages with ever more channels follow, then the mean over the last map and one linear layer.

    Args:
        stem: channels of the one convolution that moves by two pixels; or, as a sequence, of each convolution that
            sees all pixels, such as (24, 32).
        widths: channels of each stage; each stage halves height and width.
        residuals: residual convolutions of each stage.
        dropout: share of the features set to zero before the last layer, in training only.
        identity_start: let each convolution after the first one begin as a copy of its input channels, with random
            filters for the channels that it adds, so that the image's structure reaches the last layer from the start.
        classes: how many, or their names.
        image_size: height and width in pixels.
        in_channels: 1 for grey images.

    Raises:
        ValueError: more stages than the image size allows.
    """

    def __init__(
        self,
        stem: int | Sequence[int] = 32,
        widths: Sequence[int] = (64, 128, 256),
        residuals: int = 1,
        dropout: float = 0.0,
        identity_start: bool = False,
        classes: int | Sequence[str] = 7,
        image_size: int = 48,
        in_channels: int = 1,
    ) -> None:
        several = isinstance(stem, Sequence) and not isinstance(stem, str)
        stem = check_sizes("stem", stem) if several else check_whole(1, MOST_UNITS, stem=stem)
        widths = check_sizes("widths", widths, least=0)
        residuals, dropout = check_whole(0, MOST_LAYERS, residuals=residuals), check_dropout(dropout)
        identity_start = check_yes(identity_start=identity_start)
        super().__init__(
            classes, image_size, in_channels,
            stem=stem, widths=widths, residuals=residuals, dropout=dropout, identity_start=identity_start,
        )  # fmt: skip
        if self.image_size >> (len(widths) + 1) < 1:
            raise ValueError(
                f"widths={brief(widths)}: {len(widths)} stages after the stem halve {self.image_size} pixels "
                f"{len(widths) + 1} times, which leaves none. Use fewer stages or larger images."
            )
        self.stem = _full_size_stem(self.in_channels, stem) if several else conv_bn_relu(self.in_channels, stem, 6, 2)
        self.stages = nn.Sequential()
        channels = stem[-1] if several else stem
        for width in widths:
            self.stages.append(Stage(channels, width, residuals))
            channels = width
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, self.num_classes)
        start_undecided(self.classifier)
        if identity_start:
            for layer in self.stages.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.dirac_(layer.weight[: layer.in_channels])

    @torch.no_grad()
    def start_from_patches(self, images: Tensor) -> None:
        """Let the first convolution begin with what varies most in small patches of images, scaled to vary equally.

        Half of its filters are the leading principal components of patches, each divided by its standard deviation
        ("whitening"); the other half are their negatives, since ReLU keeps only what is positive. Random filters have
        to find this out by training. After Jordan 2024, *94% on CIFAR-10 in 3.29 seconds* (arXiv:2404.00498), who keeps
        these filters fixed; here they go on learning.

        Args:
            images: normalised, float `(N, in_channels, H, W)`, unaugmented; some thousand are enough.
        """
        first = next(layer for layer in self.stem.modules() if isinstance(layer, nn.Conv2d))
        weight = first.weight
        side, half = weight.shape[-1], len(weight) // 2
        patches = images.unfold(2, side, 2).unfold(3, side, 2).movedim(1, 3)  # (N, h, w, channels, side, side)
        patches = patches.reshape(-1, weight[0].numel())  # (P, channels · side²)
        variance, directions = torch.linalg.eigh(patches.T @ patches / len(patches))  # smallest first
        filters = (directions / (variance + 0.01).sqrt()).T.flip(0)[:half].view(-1, *weight.shape[1:])  # (K/2, …)
        weight[: len(filters)] = filters
        weight[half : half + len(filters)] = -filters

    @property
    def smallest_size(self) -> int:
        """Side of the smallest image that leaves one number per channel after the last stage."""
        return 2 ** (len(self.stages) + 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, 1, H, W)`, to logits, float `(N, C)`."""
        self.check_input(images)
        features = self.stages(self.stem(images)).mean((2, 3))  # (N, K, h, w) -> (N, K)
        return self.classifier(self.dropout(features))
