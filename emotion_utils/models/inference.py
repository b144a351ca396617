"""From images to logits and probabilities, batch by batch, with dropout off and nothing recorded for gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import ShapeError, brief, check_whole, listed, reason
from emotion_utils.models.arguments import check_yes
from emotion_utils.models.classes import match_classes
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, eval_mode, place_of, unwrap, warn
from emotion_utils.models.pictures import as_pixels
from emotion_utils.models.shapes import trace_shapes

HUGE = 1e6  # no weight of a network that learnt something gets there
ANY_ORDER = ("torch.nn.", "emotion_utils.")  # layers from here take images in any order in memory


def compute_logits(model: nn.Module, dataset: FaceDataset, batch_size: int = 512, precision: str = "fp32") -> Tensor:
    """Compute float32 logits `(N, C)` for all images, unaugmented, in order, on the device of the model.

    Images that lie elsewhere are brought there by the batch. They are normalised as the model is used to seeing them,
    and as the data set says if it does not know that. The columns are in the order of the model's own classes. The
    model's mode (training or not) is kept.

    Raises:
        TypeError: no network, or no FaceDataset.
        ValueError: another precision, or a batch size that is none.
        ShapeError: a layer does not fit, or the model does not give one row of logits per image.
    """
    check_model(model, values=True)
    batch_size = check_whole(1, batch_size=batch_size)
    if not isinstance(precision, str) or precision not in ("fp32", "bf16"):
        raise ValueError(f"precision={brief(precision)}: choose fp32 or bf16.")
    dataset = as_face_dataset(dataset)
    plain = normalised_for(model, dataset).with_augment(None)
    (device, dtype), order = place_of(model), order_in_memory(model)
    parts = []
    with (
        eval_mode(model),
        torch.no_grad(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        for index in torch.arange(len(plain)).split(batch_size):
            images = plain.batch(index)[0].to(device, dtype, memory_format=order)
            parts.append(_rows(model, images, len(dataset.classes)))  # (B, C)
    return torch.cat(parts)


def predict_proba(
    model: nn.Module,
    images: Any,
    batch_size: int = 512,
    *,
    scale: str | None = None,
    size: int | None = None,
    bgr: bool | None = None,
    classes: Sequence[str] | None = None,
) -> Tensor:
    """Compute the probability of each class: float32 `(N, C)` on the model's device; each row adds up to 1.

    Dropout is off and no gradient is kept; afterwards the model is in the mode it was in before.

    Args:
        model: any network from normalised images `(N, 1, H, W)` to logits.
        images: uint8 `(N, 1, H, W)`; or whatever `emotion_utils.data.as_images` takes: arrays and frames (H, W),
            (H, W, 3), (N, H, W, 3), Pillow images, paths, a list of these; or float images, see `scale`.
        batch_size: how many images to treat at once; smaller needs less memory.
        scale: what float images hold: "unit" 0 … 1, "grey" 0 … 255, "normalised" as the network sees them. None looks
            at their range, and asks where that does not tell.
        size: height and width to bring the images to; None takes them as they are.
        bgr: colours are blue, green, red, as in OpenCV's frames; None takes red, green, blue, and says so.
        classes: names that the columns are to have, in this order; None keeps the model's order.

    Raises:
        TypeError: no network, or no images.
        ShapeError: images that the network does not take.
        ValueError: pixels that are no picture's, float images of unclear range, a network that does not know how
            images are normalised, other classes than the network's, or logits that are not finite.
    """
    check_model(model, values=True)
    batch_size = check_whole(1, batch_size=batch_size)
    bgr = None if bgr is None else check_yes(bgr=bgr)
    match = None if classes is None else match_classes(model, classes)
    pixels, count = as_pixels(model, images, scale=scale, size=size, bgr=bgr), _count_classes(model)
    (device, dtype), order = place_of(model), order_in_memory(model)
    parts = [torch.empty(0, count or 0, device=device)]
    with eval_mode(model), torch.no_grad():
        for chunk in pixels.images.split(batch_size) if len(pixels.images) else ():
            given = pixels.normalised(chunk, device).to(dtype, memory_format=order)  # (B, 1, H, W)
            parts.append(_rows(model, given, count))  # (B, C)
    if len(parts) == 1 and count is None:
        raise ValueError(f"images of shape {tuple(pixels.images.shape)}: there are none.")
    logits = torch.cat(parts[1:] or parts)  # whose layer may have been replaced, so that it gives another number
    check_finite(logits, model)
    warn_if_probabilities(logits)
    probabilities = logits.softmax(1)
    if match is None:
        return probabilities
    if logits.shape[1] != len(match.data):
        raise ValueError(f"classes={listed(match.data, 7, 120)}: the model gives {logits.shape[1]} probabilities.")
    return match.columns(probabilities)


def _rows(model: nn.Module, images: Tensor, count: int | None) -> Tensor:
    """Run the network: float32 `(B, C)`; raise ShapeError unless there is a row for each image."""
    try:
        logits = model(images)
    except (ShapeError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        trace_shapes(model, tuple(images.shape))  # names the layer that does not fit, if that is the reason
        raise ShapeError(
            f"{type(model).__name__} fails on these images of shape {tuple(images.shape)}: {reason(error, 200)}"
        ) from error
    return as_rows(logits, len(images), count)


def as_rows(logits: Any, number: int, count: int | None = None) -> Tensor:
    """Return what a network gave for a batch as float32 `(B, C)`; raise ShapeError unless there is a row per image."""
    if not isinstance(logits, Tensor) or logits.layout != torch.strided or logits.is_meta:
        kind = type(logits).__name__
        if isinstance(logits, Tensor):
            kind = f"tensor ({logits.layout}, on {logits.device.type})"
        raise ShapeError(f"The model returned a {kind}: return the logits alone, one tensor (N, C) of the usual kind.")
    if logits.ndim != 2 or len(logits) != number:
        raise ShapeError(
            f"The model gives shape {tuple(logits.shape)} for {number} images; a classifier gives "
            f"({number}, {count or 'C'}). A forgotten nn.Flatten()?"
        )
    return logits.float()


def order_in_memory(model: nn.Module) -> torch.memory_format:
    """Say in which order images are to lie in memory: with the channel innermost on a CPU, where all layers take that.

    Convolutions are up to three times as fast then. A layer of your own may count on the usual order, as
    `x.view(len(x), -1)` does, and so images come to it in the order in which they are. (Training tries it out instead,
    see `emotion_utils/training/layout.py`.)
    """
    known = all(
        type(module).__module__.startswith(ANY_ORDER) and "forward" not in vars(module) for module in model.modules()
    )
    return torch.channels_last if known and place_of(model)[0].type == "cpu" else torch.preserve_format


def _count_classes(model: nn.Module) -> int | None:
    """Say how many classes a network tells apart, if that can be seen."""
    count, names = getattr(unwrap(model), "num_classes", None), facts_of(model).classes
    return len(names) if names is not None else count if isinstance(count, int) else None


def normalised_for(model: nn.Module, dataset: FaceDataset) -> FaceDataset:
    """Return the same images, normalised as `model` is used to seeing them; as they are if it does not know that."""
    known = facts_of(model).normalisation
    return dataset.with_normalisation(*known) if known else dataset


def check_finite(logits: Tensor, model: nn.Module) -> None:
    """Raise a ValueError, naming the likely reason, if logits are NaN or infinite: their largest one means nothing.

    Minus infinity is allowed where a row has something else: it rules a class out.
    """
    good = (logits.isfinite() | logits.isneginf()).all(1) & logits.isfinite().any(1)  # (N,)
    if good.all():
        return
    bad, spoilt = (~good).nonzero()[:, 0], spoilt_weights(model)
    why = (
        f"{spoilt}: the training went wrong, build a new model"
        if spoilt
        else "the weights are in order: look at these images, and for a division by zero in the model"
    )
    raise ValueError(
        f"Logits of {len(bad):,} of {len(logits):,} images are not finite, first of image {bad[0]}; {why}."
    )


def spoilt_weights(model: nn.Module) -> str | None:
    """Name the first weights that are not finite, or so large that training must have gone wrong; None without any."""
    for name, parameter in model.named_parameters():
        value = parameter.detach()
        if not value.isfinite().all():
            return f"{brief(name)} holds NaN or infinity"
        if value.numel() and value.abs().max() > HUGE:
            return f"{brief(name)} holds values up to {float(value.abs().max()):.1g}"
    return None


def warn_if_probabilities(logits: Tensor) -> bool:
    """Warn if a network ends in a softmax, so that its outputs are probabilities; say whether it does."""
    rows = logits.detach().float()
    ends_in_softmax = len(rows) > 0 and bool((rows >= 0).all() and (rows.sum(1) - 1).abs().max() < 1e-3)
    if ends_in_softmax:
        warn(
            "The network ends in a softmax: each row of its output is positive and adds up to 1. Logits are wanted, of "
            "which a softmax is taken here; taken twice, it makes training slow and probabilities flat. Leave the "
            "network's own softmax out."
        )
    return ends_in_softmax
