"""What every explanation begins with: images as the network sees them, one class for each, logits, gradients.

An explanation asks a network about *its own* answer, so the network is run as in use: in evaluation mode, on logits. A
softmax would let the other classes into the map: its gradient vanishes where the network is sure.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import ShapeError, brief, check_whole, listed
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import check_model, copied, place_of, undisturbed, unwrap
from emotion_utils.models.inference import check_finite, warn_if_probabilities
from emotion_utils.models.pictures import as_pixels
from emotion_utils.models.shapes import explained
from emotion_utils.tensors import as_whole

BATCH = 128  # images explained at once
Target = int | str | Tensor | Sequence[int] | None


@dataclass(frozen=True, eq=False)
class Question:
    """A network, what it is shown, and the class whose logit is to be explained."""

    model: nn.Module
    images: Tensor  # (N, C, H, W), normalised, on the device and in the precision of the model
    target: Tensor  # int64 (N,), the class of each image

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int = BATCH) -> Iterator["Question"]:
        """Cut into parts of at most `size` images."""
        for images, target in zip(self.images.split(size), self.target.split(size), strict=True):
            yield replace(self, images=images, target=target)

    def maps(self, explain: Callable[["Question"], Tensor], size: int = BATCH) -> Tensor:
        """Explain batch by batch: float32 (N, H, W); refuse what is not finite."""
        made = torch.cat([explain(part).detach().float() for part in self.batches(size)])
        bad = (~made.flatten(1).isfinite()).any(1).nonzero()[:, 0]
        if len(bad):
            raise ValueError(
                f"The explanation of image {int(bad[0])} is not finite, though its logits are: look for a square root "
                "or a logarithm of 0 in the network, whose slope is infinite. occlusion needs no gradient."
            )
        return made


@contextmanager
def question(model: nn.Module, images: Any, target: Target = None, scale: str | None = None) -> Iterator[Question]:
    """Get a network and images ready for an explanation; afterwards the network is as it was.

    Args:
        model: any network that maps normalised images to logits (N, C). One in half precision is explained by a copy in
            float32 with the same weights: gradients are small numbers, and half precision has none below 6e-8.
        images: whatever `predict_proba` takes: uint8 (N, 1, H, W), one image (H, W), floats, files.
        target: the class to explain: its number or name, one number for each image, or None for the predicted class.
        scale: what float images hold, as for `predict_proba`.

    Raises:
        TypeError: no network, or no images.
        ValueError: no images, a class that there is not, images that nobody can normalise, logits that are not finite.
        ShapeError: images that the network does not take, or an output that is not (N, C).
    """
    check_model(model, values=True)
    if isinstance(images, FaceDataset):
        raise TypeError("images is a FaceDataset: give its images, faces.images[:10].")
    pixels = as_pixels(model, images, scale=scale)
    if len(pixels.images) == 0:
        raise ValueError(f"images of shape {tuple(pixels.images.shape)}: there are none to explain.")
    classes = facts_of(model).classes
    with torch.inference_mode(False):
        inner = _fit_for_gradients(unwrap(model))
    device, dtype = place_of(inner)
    with torch.inference_mode(False), torch.no_grad(), undisturbed(inner):
        shown = pixels.normalised(pixels.images, device).to(dtype).clone()
        logits = torch.cat([ask(inner, part) for part in shown.split(BATCH)])  # (N, C)
        check_finite(logits.float(), inner)
        warn_if_probabilities(logits)
        yield Question(inner, shown, _as_target(target, logits, classes))


def ask(model: nn.Module, images: Tensor) -> Tensor:
    """Give the logits (N, C), with the record for gradients if that is switched on.

    Raises:
        ShapeError: a layer does not fit, or the output is no (N, C).
    """
    with explained(model):
        logits = model(images.clone())  # it may work in place, and what it is shown is needed again
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ShapeError(f"The model gives {what} for {len(images)} images: an explanation needs logits, (N, C).")
    return logits


def ask_for_target(part: Question, images: Tensor | None = None, target: Tensor | None = None) -> Tensor:
    """Give the logit of each image's class, (N,); `images` and `target` stand in for those of the question."""
    target = part.target if target is None else target
    return ask(part.model, part.images if images is None else images).gather(1, target[:, None])[:, 0]


def slope(part: Question, images: Tensor | None = None, target: Tensor | None = None) -> Tensor:
    """Give the gradient of each image's logit by its pixels, (N, C, H, W); the network's own gradients stay alone."""
    pixels = (part.images if images is None else images).detach().clone().requires_grad_()
    with torch.enable_grad():
        return derivative(ask_for_target(part, pixels, target), pixels, "the images")


def derivative(logits: Tensor, by: Tensor, what: str) -> Tensor:
    """Differentiate the sum of logits; each depends on its own image alone, so this gives all gradients at once.

    Raises:
        ValueError: the logits do not depend on `by`, as far as autograd has seen.
    """
    recorded = logits.requires_grad and by.requires_grad
    (gradient,) = torch.autograd.grad(logits.sum(), by, allow_unused=True) if recorded else (None,)
    if gradient is None:
        raise ValueError(
            f"The logits have no gradient by {what}: the network does not use them, or its forward cuts the record "
            "(torch.no_grad, detach, argmax, rounding). occlusion needs no gradient."
        )
    return gradient


def _fit_for_gradients(model: nn.Module) -> nn.Module:
    """Return the network, or a copy: in float32 of one in half precision, plain of one made under inference mode."""
    if place_of(model)[1] in (torch.float16, torch.bfloat16):
        return copied(model).float()
    made_for_inference = any(tensor.is_inference() for tensor in [*model.parameters(), *model.buffers()])
    return copied(model) if made_for_inference else model


def _as_target(target: Target, logits: Tensor, classes: tuple[str, ...] | None) -> Tensor:
    """Turn whatever names a class into one number for each image, int64 (N,)."""
    count, (images, known) = logits.shape[1], (len(logits), f" ({listed(classes, 7, 90)})" if classes else "")
    if target is None:
        return logits.argmax(1)
    if isinstance(target, str):
        if classes is None or target not in classes or classes.index(target) >= count:
            knows = f"choose one of {listed(classes, 10)}" if classes else "the model knows no names; give a number"
            raise ValueError(f"target={brief(target)}: {knows}.")
        target = classes.index(target)
    if isinstance(target, Tensor | Sequence) and getattr(target, "ndim", 1) > 0:
        chosen = as_whole(target, "target").to(logits.device)
        if len(chosen) != images:
            raise ValueError(
                f"target holds {len(chosen)} classes for {images} images: give one for each, or one number."
            )
    else:
        chosen = torch.full((images,), check_whole(target=target), device=logits.device)
    wrong = chosen[(chosen < 0) | (chosen >= count)]
    if len(wrong):
        raise ValueError(
            f"target={int(wrong[0])}: the model gives {count} logits, so choose 0 to {count - 1}{known}, or None for "
            "the predicted class."
        )
    return chosen
