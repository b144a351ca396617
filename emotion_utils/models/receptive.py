"""Which pixels can one unit of a feature map see? Notebook 02 derives the rule that this module applies layer by layer.

Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (arXiv 1603.07285), and
Luo et al., "Understanding the effective receptive field" (NeurIPS 2016) for the difference between what a unit can
see and what it uses, which `influence` measures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion_utils.errors import ShapeError
from emotion_utils.models.handling import as_input, check_model, undisturbed, unwrap
from emotion_utils.models.shapes import explained
from emotion_utils.tensors import as_tensor

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
# They move numbers about in ways that this walk does not follow.
_OTHERS = (
    nn.ConvTranspose2d, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.Unfold, nn.Fold, nn.MaxUnpool2d,
    nn.FractionalMaxPool2d, nn.MultiheadAttention, nn.RNNBase, nn.TransformerEncoderLayer,
)  # fmt: skip


# After one of these, a unit sees the whole image: the walk ends there.
_GLOBAL = (nn.Flatten, nn.Linear, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Field:
    """The receptive field of the units after one layer, all in pixels of the input image."""

    name: str  # of the layer, as in `model.named_modules()`
    size: int  # width and height of the square that one unit sees
    jump: int  # distance between the squares of two neighbouring units
    first: int  # left-most column (and top row) that unit 0 sees; negative where the square hangs over the edge

    def window(self, index: int) -> tuple[int, int]:
        """Return (first, last + 1) of the columns, or rows, that the unit at `index` sees."""
        start = self.first + index * self.jump
        return start, start + self.size


def _single(value: int | tuple[int, ...], what: str, name: str) -> int:
    """Return the one number that stands for both axes."""
    if isinstance(value, int):
        return value
    if len(set(value)) != 1:
        raise ValueError(
            f"{what}={tuple(value)} of layer '{name}': height and width differ, and only squares are handled; make "
            "them equal."
        )
    return value[0]


def receptive_field(model: nn.Module) -> list[Field]:
    """Compute the receptive field after each convolution and pooling layer of `model`.

    Layers are taken in the order in which `model` defines them, each fed by the one before: right for `EmotionCNN`
    and any `nn.Sequential`, not for networks with branches. Layers that work on single pixels (ReLU, batch norm,
    dropout) change nothing and give no row. The walk ends at the first flatten, linear or adaptive-pooling layer,
    from where on a unit sees everything.

    Raises:
        TypeError: not a network.
        ValueError: a kernel, stride, padding or dilation that is not the same on both axes, or a layer that cannot be
            followed, such as a transposed convolution.
    """
    check_model(model)
    model = unwrap(model)
    size, jump, first = 1, 1, 0
    fields = []
    for name, layer in model.named_modules():
        if isinstance(layer, _GLOBAL):
            break
        if isinstance(layer, _OTHERS):
            raise ValueError(
                f"Layer '{name}', {type(layer).__name__}: only convolutions and pooling can be followed. Take the part "
                "of the network before it."
            )
        if not isinstance(layer, (nn.Conv2d, *_POOLS)):
            continue
        kernel = _single(layer.kernel_size, "kernel_size", name)
        stride = kernel if layer.stride is None else _single(layer.stride, "stride", name)
        dilation = _single(getattr(layer, "dilation", 1), "dilation", name)
        reach = dilation * (kernel - 1)
        padding = getattr(layer, "padding", 0)
        if isinstance(padding, str):
            padding = reach // 2 if padding == "same" else 0
        else:
            padding = _single(padding, "padding", name)
        size += reach * jump
        first -= padding * jump
        jump *= stride
        fields.append(Field(name or type(layer).__name__, size, jump, first))
    return fields


def influence(model: nn.Module, images: Tensor) -> Tensor:
    """Measure how much each pixel moves the middle unit of the output: mean absolute gradient, float32 `(H, W)`.

    `model` maps float images `(N, C, H, W)` to feature maps `(N, K, h, w)`. The gradient of the unit in the middle
    (row `h // 2`, column `w // 2`), summed over its channels, is averaged over images and input channels. It is zero
    outside the receptive field, and inside it shows what the unit uses (the *effective* receptive field). The model
    is run in eval mode and put back as it was; its own gradients are left alone.

    Raises:
        TypeError: not a network, or no images.
        ShapeError: images that it does not take, or an output that is no map.
    """
    check_model(model, values=True)
    model, images = unwrap(model), as_tensor(images, "images")
    if not images.numel() or not images.is_floating_point() or images.ndim != 4:
        raise ShapeError(f"images are {images.dtype} {tuple(images.shape)}: give floats, (N, channels, height, width).")
    images = as_input(images.detach(), model).clone().requires_grad_(True)
    with explained(model), undisturbed(model), torch.enable_grad():
        maps = model(images)  # (N, K, h, w)
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            what = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ShapeError(f"The model gives {what}: give a part of it that ends in feature maps, (N, K, h, w).")
        unit = maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(unit, images)  # (N, C, H, W)
    return gradient.abs().mean(dim=(0, 1))
