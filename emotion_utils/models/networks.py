"""Networks you can read: a linear model, a multi-layer perceptron and a convolutional network for small grey faces.

All take normalised images, float32 `(N, 1, H, W)`, and give logits, float32 `(N, C)`: one number per class, of which
softmax makes probabilities. All remember how their images are to be normalised (buffers `mean` and `std`).
"""

import warnings
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from emotion_utils.errors import brief, check_whole
from emotion_utils.models.arguments import MOST_LAYERS, MOST_UNITS, check_dropout, check_sizes, check_yes
from emotion_utils.models.base import FaceModel

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


MOST_KERNEL = 1023  # side of a convolution's window


# An even kernel cannot be centred on a pixel, so PyTorch pads one side more than the other and mentions the cost.
warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")


def _head(inputs: int, classes: int) -> nn.Linear:
    """Make the last layer, with weights so small that all classes start out almost equally likely.

    The loss then starts at ln C (1.946 for seven classes), and the first steps are not spent on unlearning a guess.
    """
    layer = nn.Linear(inputs, classes)
    if not layer.weight.is_meta:  # there, normal_ imports PyTorch's compiler, which takes seconds
        nn.init.normal_(layer.weight, std=0.05 / inputs**0.5)
    nn.init.zeros_(layer.bias)
    return layer


def _he(layer: nn.Conv2d | nn.Linear, activation: str) -> nn.Conv2d | nn.Linear:
    """Draw weights so that signals keep their size from layer to layer (He et al. 2015); biases start at zero.

    PyTorch's own start shrinks them by a factor of about 2.4 in each layer with ReLU, so that a network without batch
    norm sees hardly any difference between faces in its first hundreds of steps. Batch norm undoes the shrinking, and
    small weights before it even learn faster, because a step changes them more in proportion to their size.
    """
    kind = activation if isinstance(activation, str) and activation in ("tanh", "sigmoid") else "relu"
    if not layer.weight.is_meta:
        nn.init.kaiming_normal_(layer.weight, nonlinearity=kind)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class LinearModel(FaceModel):
    """One weight per pixel and class: the simplest classifier, softmax regression."""

    def __init__(self, classes: int | Sequence[str] = 7, image_size: int = 48, in_channels: int = 1) -> None:
        super().__init__(classes, image_size, in_channels)
        self.classifier = nn.Sequential(nn.Flatten(), _head(self.in_channels * self.image_size**2, self.num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, 1, H, W)`, to logits, float `(N, C)`."""
        self.check_input(images)
        return self.classifier(images)


class MLP(FaceModel):
    """Fully connected layers: every pixel is joined to every unit, and neighbours mean nothing to it."""

    def __init__(
        self,
        hidden: Sequence[int] = (256, 128),
        activation: str = "relu",
        dropout: float = 0.25,
        classes: int | Sequence[str] = 7,
        image_size: int = 48,
        in_channels: int = 1,
    ) -> None:
        hidden, dropout = check_sizes("hidden", hidden, least=0), check_dropout(dropout)
        super().__init__(classes, image_size, in_channels, hidden=hidden, activation=activation, dropout=dropout)
        inputs = self.in_channels * self.image_size**2
        layers: list[nn.Module] = [nn.Flatten()]
        for units in hidden:
            layers += [_he(nn.Linear(inputs, units), activation), _activation(activation), nn.Dropout(dropout)]
            inputs = units
        self.classifier = nn.Sequential(*layers, _head(inputs, self.num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, 1, H, W)`, to logits, float `(N, C)`."""
        self.check_input(images)
        return self.classifier(images)


class EmotionCNN(FaceModel):
    """Blocks of convolution and pooling, then fully connected layers.

    Each block has `convs_per_block` convolutions and halves height and width. Pooling comes straight after the
    block's last convolution: batch norm and activation then work on a quarter of the numbers. (Max-pooling and an
    activation that never falls, such as ReLU, give the same result in either order.)

    Args:
        widths: channels of each block; their number is the depth. The default trains in seconds an epoch on two
            cores; (32, 64, 128) costs three times as much.
        kernel: side of the convolutions' windows, odd or even. Padding keeps the size ("same").
        convs_per_block: convolutions before each halving.
        activation: "relu", "leaky_relu", "elu", "gelu", "silu", "tanh" or "sigmoid".
        pooling: "max", "avg", or "stride", where the block's last convolution moves by two pixels instead.
        batch_norm: normalise each channel over the batch (Ioffe & Szegedy 2015).
        dropout: share of the features set to zero before each fully connected layer, in training only.
        hidden: units of the fully connected layer before the last; 0 leaves it out.
        classes: how many, or their names.
        image_size: height and width in pixels.
        in_channels: 1 for grey images.

    `features` holds the blocks (`block1`, `block2`, …), `classifier` what follows.

    Raises:
        ValueError: an argument that no network can be built from, in words that say which.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64),
        kernel: int = 3,
        convs_per_block: int = 1,
        activation: str = "relu",
        pooling: str = "max",
        batch_norm: bool = True,
        dropout: float = 0.25,
        hidden: int = 128,
        classes: int | Sequence[str] = 7,
        image_size: int = 48,
        in_channels: int = 1,
    ) -> None:
        widths, dropout = check_sizes("widths", widths), check_dropout(dropout)
        batch_norm = check_yes(batch_norm=batch_norm)
        kernel = check_whole(1, MOST_KERNEL, kernel=kernel)
        convs_per_block = check_whole(1, MOST_LAYERS, convs_per_block=convs_per_block)
        hidden = check_whole(0, MOST_UNITS, hidden=hidden)
        super().__init__(
            classes, image_size, in_channels, widths=widths, kernel=kernel, convs_per_block=convs_per_block,
            activation=activation, pooling=pooling, batch_norm=batch_norm, dropout=dropout, hidden=hidden,
        )  # fmt: skip
        _check_blocks(widths, self.image_size)
        _check_pooling(pooling)

        self.features = nn.Sequential()
        channels, size = self.in_channels, self.image_size
        for number, width in enumerate(widths, start=1):
            block = _block(channels, width, kernel, convs_per_block, activation, pooling, batch_norm)
            self.features.add_module(f"block{number}", block)
            # Moving by two, an odd kernel also visits the last of an odd number of columns.
            channels, size = width, (size + kernel % 2) // 2 if pooling == "stride" else size // 2

        self.classifier = nn.Sequential(OrderedDict(flatten=nn.Flatten()))  # (N, K, h, w) -> (N, K * h * w)
        inputs = channels * size * size
        if hidden:
            self.classifier.add_module("dropout1", nn.Dropout(dropout))
            units = nn.Linear(inputs, hidden)
            self.classifier.add_module("hidden", units if batch_norm else _he(units, activation))
            self.classifier.add_module(activation, _activation(activation))
            inputs = hidden
        self.classifier.add_module("dropout2", nn.Dropout(dropout))
        self.classifier.add_module("logits", _head(inputs, self.num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float `(N, 1, H, W)`, to logits, float `(N, C)`."""
        self.check_input(images)
        return self.classifier(self.features(images))


def _block(
    channels: int, width: int, kernel: int, convs: int, activation: str, pooling: str, batch_norm: bool
) -> nn.Sequential:
    """Chain `convs` convolutions, each with batch norm and activation; the last one halves height and width."""
    block = nn.Sequential()
    for i in range(1, convs + 1):
        halve = i == convs
        stride, padding = (2, (kernel - 1) // 2) if halve and pooling == "stride" else (1, "same")
        # Batch norm subtracts the mean, so a bias before it would be lost.
        conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=not batch_norm)
        block.add_module(f"conv{i}", conv if batch_norm else _he(conv, activation))
        if halve and pooling != "stride":
            block.add_module("pool", nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2))
        if batch_norm:
            block.add_module(f"norm{i}", nn.BatchNorm2d(width))
        block.add_module(f"{activation}{i}", _activation(activation))
        channels = width
    return block


def _activation(name: str) -> nn.Module:
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(f"activation={brief(name)}: choose one of {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()


def _check_pooling(pooling: str) -> None:
    if not isinstance(pooling, str) or pooling not in ("max", "avg", "stride"):
        raise ValueError(f'pooling={brief(pooling)}: choose "max", "avg" or "stride".')


def _check_blocks(widths: tuple[int, ...], image_size: int) -> None:
    if image_size >> len(widths) < 1:
        most = image_size.bit_length() - 1
        raise ValueError(
            f"widths={brief(widths)}: {len(widths)} blocks halve {image_size} pixels {len(widths)} times, which leaves "
            f"none. Use at most {most} blocks for this image_size, or larger images."
        )
