"""Where does the logit of a class depend on the picture? Explanations that follow gradients.

All take any network that gives logits (N, C), run it in evaluation mode, leave it as it was, and give one float32 map
(N, H, W) for N images. A map of zeros stays a map of zeros.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.errors import check_number, check_whole
from emotion_utils.explain.asking import BATCH, Question, Target, ask_for_target, derivative, question, slope
from emotion_utils.explain.layers import Layer, find_layer, maps_of, recorded
from emotion_utils.randomness import normal, stream_key


def saliency(model: nn.Module, images: Any, target: Target = None, *, scale: str | None = None) -> Tensor:
    """How steep is the logit at each pixel? The size of the gradient (Simonyan et al. 2013, arXiv 1312.6034).

    Args:
        model: any network that gives logits (N, C).
        images: whatever `predict_proba` takes, such as uint8 (N, 1, H, W) or one image (H, W).
        target: the class to explain: a number, a name, one number for each image; None for the predicted class.
        scale: what float images hold, as for `predict_proba`.

    Returns:
        float32 (N, H, W), logits per standard deviation of the pixels, 0 or more; of several channels the largest.

    Raises:
        ValueError: no images, a class that there is not, a network whose output has no gradient.
        ShapeError: images that the network does not take, or an output that is not (N, C).
    """
    with question(model, images, target, scale) as asked:
        return asked.maps(lambda part: slope(part).abs().amax(1))


def smooth_grad(
    model: nn.Module, images: Any, target: Target = None, samples: int = 16, spread: float = 0.15, seed: int = 0,
    *, scale: str | None = None,
) -> Tensor:  # fmt: skip
    """Average the gradient over noisy copies of the image (Smilkov et al. 2017, arXiv 1706.03825), then take its size.

    Args:
        model: as for `saliency`, as are `images`, `target`, `scale`, what is returned and what is raised.
        images: see there.
        target: see there.
        samples: how many copies.
        spread: standard deviation of the noise, as a share of the image's own range of values.
        seed: of the noise; that of image i depends on the seed and i alone.
        scale: see there.
    """
    samples, spread = check_whole(1, 10_000, samples=samples), check_number(0, 10, spread=spread)
    key = [stream_key(seed, "smooth_grad", number) for number in range(samples)]
    with question(model, images, target, scale) as asked:
        done = 0

        def explain(part: Question) -> Tensor:
            nonlocal done
            index = torch.arange(done, done + len(part))
            done += len(part)
            flat = part.images.flatten(1)
            wide = spread * (flat.amax(1) - flat.amin(1))[:, None, None, None]  # (B, 1, 1, 1)
            total = torch.zeros_like(part.images)
            for stream in key:
                noise = normal(stream, index, flat.shape[1]).view(part.images.shape).to(part.images)
                total += slope(part, part.images + wide * noise)
            return (total / samples).abs().amax(1)

        return asked.maps(explain)


def integrated_gradients(
    model: nn.Module, images: Any, target: Target = None, steps: int = 32, baseline: float = 0.0,
    *, scale: str | None = None,
) -> Tensor:  # fmt: skip
    """Share the logit out among the pixels (Sundararajan, Taly & Yan 2017, arXiv 1703.01365).

    Gradients are averaged along the straight way from a plain picture to the image, and multiplied by how far each
    pixel went. The map adds up to what the logit gained on the way, up to the error of `steps` steps (midpoint rule).

    Args:
        model: as for `saliency`, as are `images`, `target`, `scale` and what is raised.
        images: see there.
        target: see there.
        steps: how many points on the way.
        baseline: grey of the plain picture, in normalised units: 0 is the training set's mean.
        scale: see there.

    Returns:
        float32 (N, H, W), logits: above 0 where a pixel speaks for the class, below 0 where against it.
    """
    steps, baseline = check_whole(1, 100_000, steps=steps), check_number(baseline=baseline)

    def explain(part: Question) -> Tensor:
        way = part.images - baseline
        total = torch.zeros_like(way)
        for number in range(steps):
            total += slope(part, baseline + way * ((number + 0.5) / steps))
        return (way * total / steps).sum(1)

    with question(model, images, target, scale) as asked:
        return asked.maps(explain)


def grad_cam(
    model: nn.Module, images: Any, target: Target = None, layer: Layer = None, *, upsample: bool = True,
    scale: str | None = None,
) -> Tensor:  # fmt: skip
    """Weigh a layer's maps by their mean gradients, add them, keep what is positive (Selvaraju et al. 2017, ICCV).

    Args:
        model: as for `saliency`, as are `images`, `target`, `scale` and what is raised.
        images: see there.
        target: see there.
        layer: name of the layer, or the layer itself; None takes the last one that gives maps.
        upsample: bring the map to the image's size, bilinearly; False leaves it at the size of the layer's.
        scale: see there.

    Returns:
        float32 (N, H, W), or (N, h, w) without `upsample`; 0 or more.

    Raises:
        ValueError: also a layer that there is not, or one without maps.
    """
    with question(model, images, target, scale) as asked:
        name = find_layer(asked.model, layer, asked.images[:1], model)

        def explain(part: Question) -> Tensor:
            with torch.enable_grad(), recorded(part.model, name) as record:
                # The gradient of the images keeps the record going where no weight asks for one.
                logits = ask_for_target(part, part.images.detach().clone().requires_grad_())
                maps = maps_of(record, name)  # (B, K, h, w)
                gradient = derivative(logits, maps, f"the maps of layer '{name}'")
            weights = gradient.mean((2, 3), keepdim=True)  # (B, K, 1, 1)
            cam = (weights * maps).sum(1).relu()  # (B, h, w)
            return resized(cam, part.images.shape[-2:]) if upsample else cam

        return asked.maps(explain, BATCH)


def resized(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bring maps (N, h, w) to `size`, bilinearly."""
    return functional.interpolate(maps[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]
