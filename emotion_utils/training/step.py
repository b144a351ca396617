"""One step of stochastic gradient descent, and the order in which an epoch visits the images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.errors import CheckpointError, ShapeError, brief, check_whole, listed, show
from emotion_utils.models.arguments import MOST_PIXELS
from emotion_utils.models.handling import as_input, unwrap
from emotion_utils.models.inference import as_rows
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.randomness import permutation, stream_key
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.losses import CheckedLoss, cross_entropy_of_each


def sgd_parameter_groups(
    model: nn.Module, weight_decay: float, layer_rates: Sequence[tuple[str, float]] = ()
) -> list[dict[str, Any]]:
    """Sort parameters for `torch.optim.SGD`: weight decay for weights, none for biases and batch norm.

    Weights have two or more dimensions. A bias or a batch norm's scale has one, and pulling it to zero would not make
    the function that the network computes any simpler. Parts with a learning rate of their own are groups with a
    `factor`; see `TrainConfig.layer_rates`. Each group names its parameters, in `param_names` as PyTorch does.

    Raises:
        ValueError: a name in `layer_rates` that no part of the network has.
    """
    sorted_: dict[tuple[float, bool], dict[str, nn.Parameter]] = {}
    factors = dict(layer_rates)
    names: dict[nn.Parameter, list[str]] = {}  # a weight may be part of two layers, and has two names then
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    every = [name for each in names.values() for name in each]
    if unknown := [part for part in factors if not any(_is_in(name, part) for name in every)]:
        parts = dict.fromkeys(name.partition(".")[0] for name in every)
        raise ValueError(
            f"layer_rates={brief(factors)}: the network has no part {brief(unknown[0])}; it has "
            f"{listed(list(parts), 8)}, and what named_modules() lists in these."
        )
    offered = set(model.parameters())  # a network of one's own may hold some back
    for parameter, own in names.items():
        if parameter.requires_grad and parameter in offered:
            part = max((part for part in factors if any(_is_in(name, part) for name in own)), key=len, default=None)
            factor = 1.0 if part is None else factors[part]
            sorted_.setdefault((factor, parameter.ndim >= 2), {})[own[0]] = parameter
    return [
        {
            "params": list(own.values()),
            "weight_decay": weight_decay if pulled else 0.0,
            "factor": factor,
            "param_names": list(own),
        }
        for (factor, pulled), own in sorted(sorted_.items(), key=lambda item: (-item[0][0], -item[0][1]))
    ]


def _is_in(name: str, part: str) -> bool:
    """Say whether a parameter of this name belongs to a part of the network."""
    return name == part or name.startswith(f"{part}.")


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group of parameters the rate, times the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


@contextmanager
def as_in_training(device: torch.device) -> Iterator[None]:
    """Record gradients, also where the caller has switched that off, and leave precision to the settings.

    An `autocast` of the caller's would hold for the backward pass alone.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        yield


def set_training_mode(model: nn.Module) -> None:
    """Bring a network into training mode, but for norms that are frozen: these keep their statistics.

    A layer is frozen by `requires_grad_(False)`. The means and variances of a batch norm, or of an instance norm that
    tracks them, are no parameters, and would go on to follow the new data while the weights around them stand still.
    A norm without parameters (`affine=False`) is frozen if the smallest part around it that has some is.
    """
    model.train()
    for norm in _frozen_norms(model, False):
        norm.eval()


def _frozen_norms(module: nn.Module, frozen: bool) -> Iterator[nn.Module]:
    """Give the norms of a part that are frozen; `frozen` says whether what is around it is."""
    learns = [parameter.requires_grad for parameter in module.parameters()]
    frozen = not any(learns) if learns else frozen
    if frozen and isinstance(module, nn.modules.batchnorm._NormBase):
        yield module
    for child in module.children():
        yield from _frozen_norms(child, frozen)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    """Build SGD from the settings; Nesterov's look-ahead needs momentum, so without momentum it is left out."""
    groups = sgd_parameter_groups(model, config.weight_decay, config.layer_rates)
    if not groups:
        raise ValueError(
            "The model has no parameter to train: all are frozen (requires_grad=False), or there are none."
        )
    nesterov = config.nesterov and config.momentum > 0
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov)


def check_same_layers_learn(optimizer: torch.optim.Optimizer, kept: dict[str, Any], path: Path) -> None:
    """Raise CheckpointError unless the same parameters learn as in the run whose optimiser a checkpoint kept."""
    here, there = _names_in(optimizer.param_groups), _names_in(kept.get("param_groups", []))
    if not there or here == there:  # earlier versions did not note the names
        return
    said = [
        f"{names[0]!r}{f' and {len(names) - 1} more' * (len(names) > 1)} {what}"
        for names, what in (
            ([name for name in there if name not in here], "learnt then and not now"),
            ([name for name in here if name not in there], "did not learn then and does now"),
        )
        if names
    ]
    raise CheckpointError(
        f"{show(path, 100)} belongs to a run of which other parts learn: {'; '.join(said) or 'in another order'}. "
        "Freeze the same ones, or start a new run in another folder."
    )


def _names_in(groups: list[dict[str, Any]]) -> list[str]:
    return [name for group in groups for name in group.get("param_names", [])]


def epoch_batches(count: int, batch_size: int, seed: int, epoch: int, world_size: int = 1) -> list[Tensor]:
    """Shuffle 0..count-1 and cut it into batches; a pure function of its arguments.

    The order is that of `FaceDataset.loader(batch_size, shuffle=True, seed=seed)` in this epoch. A last batch with
    fewer than two images for each process joins the batch before it, because batch norm cannot learn from one.

    Raises:
        ValueError: no whole numbers, or fewer images in a batch than there are processes.
    """
    world_size, epoch, seed = check_whole(1, world_size=world_size), check_whole(0, epoch=epoch), check_whole(seed=seed)
    count = check_whole(world_size, None, ", an image for each process", count=count)
    batch_size = check_whole(world_size, None, ", an image for each process", batch_size=batch_size)
    batches = list(permutation(stream_key(seed, "order", epoch), count).split(batch_size))
    too_small = batch_size >= 2 * world_size > len(batches[-1]) or len(batches[-1]) < world_size
    if len(batches) > 1 and too_small:
        last = batches.pop()
        batches[-1] = torch.cat([batches[-1], last])
    return batches


def resize_images(images: Tensor, size: int | None) -> Tensor:
    """Scale images, float `(B, 1, H, W)`, to `size` by `size` pixels, smoothed against aliasing; None: leave them."""
    if size is None:
        return images
    size = check_whole(1, MOST_PIXELS, size=size)
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def forward_losses(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    index: Tensor,
    config: TrainConfig,
    loss: CheckedLoss | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute logits, float32 `(B, C)`, and the loss of each image, float32 `(B,)`.

    `loss` replaces cross-entropy, and may give the mean over the batch, `()`, instead.

    Raises:
        ShapeError: images of a size that the network does not take, such as from `config.sizes` or an augmentation.
        ValueError: batch norm was given a single value per channel, or the loss is none.
    """
    if config.channels_last:
        images = images.to(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        try:
            logits = as_rows(model(as_input(images, model)), len(images))
        except ShapeError:
            raise
        except (ValueError, RuntimeError) as error:
            if "more than 1 value per channel" not in str(error):
                _explain(model, images, error)
                raise
            raise ValueError(
                "Batch norm compares the values of a channel over the batch, and here a batch has only one. Use a "
                "batch_size of 2 or more, fewer pooling layers, or batch_norm=False."
            ) from error
    if loss is not None:
        return logits, loss(logits, labels, index)
    return logits, cross_entropy_of_each(logits, labels, config.label_smoothing)


def _explain(model: nn.Module, images: Tensor, error: Exception) -> None:
    """Raise a ShapeError that names the layer if it is the size of the images that the network does not take."""
    if not isinstance(error, torch.OutOfMemoryError):
        trace_shapes(unwrap(model), tuple(images.shape))
