"""Which pixels can one unit of a feature map see? Notebook 02 derives the rule that this module applies layer by layer.

Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (arXiv 1603.07285), and
Luo et al., "Understanding the effective receptive field" (NeurIPS 2016) for the difference between what a unit can
see and what it uses, which `influence` measures.
"""

from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from emotion_utils.errors import ShapeError, listed
from emotion_utils.models.handling import as_input, check_model, place_of, undisturbed, unwrap
from emotion_utils.models.pictures import image_size_of
from emotion_utils.models.shapes import explained
from emotion_utils.models.wiring import FUNCTION, IMAGE, Step, follow_steps
from emotion_utils.tensors import as_tensor

SIDES = (48, 28, 32, 64, 16, 96, 224)  # of the images that most networks are built for
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
    and any `nn.Sequential`, and where a layer adds to what comes in. Zeros are sent through, where they can be, to see
    that it is so. Layers that work on single pixels (ReLU, batch norm, dropout) change nothing and give no row. The
    walk ends at the first flatten, linear or adaptive-pooling layer, from where on a unit sees everything.

    Raises:
        TypeError: not a network.
        ValueError: a kernel, stride, padding or dilation that is not the same on both axes; a layer that cannot be
            followed, such as a transposed convolution; or layers that are no chain: branches, another order than that
            of their definition, `F.max_pool2d(x, 2)` between them.
    """
    check_model(model)
    fields = _defined_fields(unwrap(model))
    _check_chain(unwrap(model), [field.name for field in fields])
    return fields


def _defined_fields(model: nn.Module) -> list[Field]:
    """Give the receptive fields of a chain of the layers in the order of their definition."""
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


def _check_chain(model: nn.Module, names: list[str]) -> None:
    """Raise a ValueError unless the layers `names`, each fed by the one before, are what runs between image and head.

    A network that cannot be run, or not be looked into, is believed.
    """
    modules = dict(model.named_modules())
    side, steps = _steps_of(model)
    met: list[str] = []
    last: dict[int, set[str]] = {IMAGE: {""}}  # of each step: through which of the layers its numbers came last
    for number, step in enumerate(steps):
        name, came = step.name or step.kind, set().union(*(last.get(source, set()) for source in step.sources))
        shape = step.output_shape[2:]
        given = {(side, side) if source == IMAGE else steps[source].output_shape[2:] for source in step.sources}
        layer = modules.get(step.name)
        followed = isinstance(layer, (nn.Conv2d, *_POOLS))
        shrinks_to_one = shape == (1, 1) and shape not in given and not followed  # by a mean over all places
        if isinstance(layer, _GLOBAL) or len(shape) != 2 or shrinks_to_one:
            break
        if followed:
            before = met[-1] if met else ""
            if came and before not in came:
                others = listed(sorted(came - {""}), 3, 120) or "the image"
                raise ValueError(f"Layer '{name}' takes from {others}, not from {before}: branches cannot be followed.")
            met.append(name)
            last[number] = {name}
        elif (given and shape not in given) or (step.kind == FUNCTION and step.multiply_adds):
            what = "multiplies" if shape in given else "changes the size of the map"
            raise ValueError(
                f"'{name}', {step.kind}, {what}: only layers such as nn.Conv2d and nn.MaxPool2d can be followed."
            )
        else:
            last[number] = came
    if steps and met != names:
        raise ValueError(
            f"What runs before the head is {listed(met, 4, 90)}, and what is defined before it is "
            f"{listed(names, 4, 90) or 'nothing'}: define layers in the order in which they run, each once."
        )


def _steps_of(model: nn.Module) -> tuple[int, list[Step]]:
    """Follow zeros through a network, or a part of one: the side of the image, and the steps; none if none is taken."""
    device, dtype = place_of(model)
    first = next((layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), 1)
    if not any(model.children()) or any(is_lazy(tensor) for tensor in [*model.parameters(), *model.buffers()]):
        return 0, []  # one layer alone, or weights that are still to be drawn
    for side, channels in product(dict.fromkeys((image_size_of(model), *SIDES)), {first, 1}):
        with suppress(ShapeError):
            return side, follow_steps(model, torch.zeros(1, channels, side, side, device=device, dtype=dtype))
    return 0, []


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
        maps = model(images.clone())  # (N, K, h, w); it may begin with a step in place
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            what = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ShapeError(f"The model gives {what}: give a part of it that ends in feature maps, (N, K, h, w).")
        unit = maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(unit, images)  # (N, C, H, W)
    return gradient.abs().mean(dim=(0, 1))
