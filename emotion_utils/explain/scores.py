"""Is an explanation true? Measures that compare maps with the truth, and curves that ask the network itself.

All take maps of any sign; their size counts.
A map of zeros says nothing, and scores what that deserves: chance for a hit, the
region's own share for the energy, 0 for a correlation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.errors import check_number, check_whole
from emotion_utils.explain.asking import Question, Target, ask, question
from emotion_utils.explain.truth import region
from emotion_utils.randomness import random_bits, stream_key, uniform

BLOB = 0.2  # spread of the blob in the centre, as a share of the picture's width


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability of the class while pixels are taken away, or brought in, in the order of a map and at random."""

    shares: Tensor  # float32 (S,), share of the pixels changed so far, 0 to 1
    ordered: Tensor  # float32 (N, S), probability when the map chooses the order
    random: Tensor  # float32 (N, S), when chance does
    gain: Tensor  # float32 (N,), area between the two; above 0 where the map's order is the better one


def pointing_game(maps: Tensor, truth: Tensor, share: float = 0.25) -> Tensor:
    """Does the strongest pixel lie where the expression is? (Zhang et al. 2016, "Top-down neural attention", ECCV.)

    Args:
        maps: float (N, H, W).
        truth: float (N, H, W), as from `expression_map`; its region is what `region(truth, share)` says.
        share: see `region`.

    Returns:
        float32 (N,): 1 a hit, 0 a miss. Where several pixels are equally strong, the share of them that would hit.

    Raises:
        ValueError: shapes that differ, or maps that are not finite.
    """
    size, truth = _pair(maps, truth)
    inside = region(truth, share).flatten(1)
    best = size == size.amax(1, keepdim=True)
    return ((best & inside).sum(1) / best.sum(1)).float()


def energy_inside(maps: Tensor, truth: Tensor, share: float = 0.25) -> Tensor:
    """Which share of the map lies where the expression is? (Wang et al. 2020, "Score-CAM", CVPR Workshops.)

    Arguments and errors are those of `pointing_game`.

    Returns:
        float32 (N,), 0 to 1; the region's share of the picture for a map of zeros.
    """
    size, truth = _pair(maps, truth)
    inside = region(truth, share).flatten(1)
    total = size.sum(1)
    share_of_map = (size * inside).sum(1) / total.clamp(min=torch.finfo(total.dtype).tiny)
    return torch.where(total > 0, share_of_map, inside.double().mean(1)).float()


def rank_correlation(maps: Tensor, truth: Tensor) -> Tensor:
    """Are the pixels in the right order? Spearman's rank correlation of each map with its truth.

    Returns:
        float32 (N,), -1 to 1; 0 where one of the two is the same everywhere.

    Raises:
        ValueError: shapes that differ, or maps that are not finite.
    """
    from scipy.stats import rankdata  # here, because it takes a second to import

    size, truth = _pair(maps, truth)
    ranks = [torch.from_numpy(rankdata(values.numpy(), axis=1)) for values in (size, truth.flatten(1))]
    a, b = (rank - rank.mean(1, keepdim=True) for rank in ranks)
    spread = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(spread > 0, (a * b).sum(1) / spread.clamp(min=1e-12), 0.0).float()


def deletion(
    model: nn.Module, images: Any, maps: Tensor, target: Target = None, steps: int = 12, fill: float = 0.0,
    seed: int = 0, *, scale: str | None = None,
) -> Curve:  # fmt: skip
    """Take the strongest pixels away first: how fast does the probability fall? (Petsiuk, Das & Saenko 2018, "RISE".)

    Args:
        model: any network that gives logits (N, C).
        images: whatever `predict_proba` takes.
        maps: float (N, H, W), one for each image.
        target: the class, as for `saliency`.
        steps: into how many parts the pixels are cut.
        fill: grey of a pixel that is away, in normalised units: 0 is the training set's mean.
        seed: of the random order.
        scale: as for `predict_proba`.

    Returns:
        A `Curve` whose `gain` is the area by which the map's order lies below the random one.

    Raises:
        ValueError: maps of another shape than the images, and what `question` raises.
    """
    return _curve(model, images, maps, target, steps, fill, seed, scale, removing=True)


def insertion(
    model: nn.Module, images: Any, maps: Tensor, target: Target = None, steps: int = 12, fill: float = 0.0,
    seed: int = 0, *, scale: str | None = None,
) -> Curve:  # fmt: skip
    """Bring the strongest pixels in first, on a plain picture: how fast does the probability rise? See `deletion`.

    `gain` is the area by which the map's order lies above the random one.
    """
    return _curve(model, images, maps, target, steps, fill, seed, scale, removing=False)


def random_map(images: Tensor, seed: int = 0) -> Tensor:
    """Give maps that know nothing: float32 (N, H, W), uniform, for images (N, 1, H, W); map i depends on seed and i."""
    height, width = images.shape[-2:]
    return uniform(stream_key(seed, "random map"), torch.arange(len(images)), height * width).view(-1, height, width)


def centre_blob(images: Tensor) -> Tensor:
    """Give maps that know that faces are in the middle: a bell there, float32 (N, H, W), for images (N, 1, H, W)."""
    height, width = images.shape[-2:]
    y, x = ((torch.arange(n) - (n - 1) / 2) / (BLOB * width) for n in (height, width))
    return torch.exp(-(y[:, None] ** 2 + x**2) / 2).expand(len(images), -1, -1).clone()


def edge_map(images: Tensor) -> Tensor:
    """Give maps that know the image and no network: the size of its slope (Sobel), float32 (N, H, W)."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    padded = functional.pad(images.float().mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    slopes = functional.conv2d(padded, torch.stack([sobel, sobel.T])[:, None])  # (N, 2, H, W)
    return slopes.square().sum(1).sqrt()


BASELINES: dict[str, Callable[[Tensor], Tensor]] = {
    "random map": random_map,
    "blob in the centre": centre_blob,
    "edges of the image": edge_map,
}


def _pair(maps: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return the size of maps, float64 (N, H * W), and the truth (N, H, W), both on the CPU."""
    maps, truth = torch.as_tensor(maps).detach().cpu(), torch.as_tensor(truth).detach().cpu()
    if maps.ndim != 3 or maps.shape != truth.shape:
        raise ValueError(
            f"maps have shape {tuple(maps.shape)} and the truth {tuple(truth.shape)}: give (N, H, W) for both."
        )
    bad = (~maps.flatten(1).isfinite()).any(1).nonzero()[:, 0]
    if len(bad):
        raise ValueError(f"maps hold numbers that are not finite, first in map {int(bad[0])}: look how it was made.")
    return maps.flatten(1).double().abs(), truth


def _curve(
    model: nn.Module, images: Any, maps: Tensor, target: Target, steps: int, fill: float, seed: int,
    scale: str | None, *, removing: bool,
) -> Curve:  # fmt: skip
    steps, fill = check_whole(1, 10_000, steps=steps), check_number(fill=fill)
    with question(model, images, target, scale) as asked:
        wanted = (len(asked), *asked.images.shape[-2:])
        if tuple(maps.shape) != wanted:
            raise ValueError(f"maps have shape {tuple(maps.shape)}: give one for each image, {wanted}.")
        size = _pair(maps, maps)[0].to(asked.images.device)
        chance = random_bits(stream_key(seed, "random order"), torch.arange(len(asked)), size.shape[1])
        orders = [size.argsort(dim=1, descending=True, stable=True), chance.to(size.device).argsort(dim=1)]
        shares = torch.linspace(0, 1, steps + 1)
        lines = [_follow(asked, order, shares, fill, removing) for order in orders]
    area = torch.trapezoid(lines[0] - lines[1], shares)
    return Curve(shares, *lines, -area if removing else area)


def _follow(asked: Question, order: Tensor, shares: Tensor, fill: float, removing: bool) -> Tensor:
    """Give the probability of each image's class after each share of the pixels, float32 (N, S) on the CPU."""
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    line, done = [], 0
    for part in asked.batches():
        ranks = rank[done : done + len(part)].view(len(part), 1, *part.images.shape[2:])
        done += len(part)
        points = []
        for share in shares.tolist():
            chosen = ranks < round(share * order.shape[1])
            shown = torch.where(chosen, fill, part.images) if removing else torch.where(chosen, part.images, fill)
            probabilities = ask(part.model, shown.to(part.images.dtype)).float().softmax(1)
            points.append(probabilities.gather(1, part.target[:, None])[:, 0])
        line.append(torch.stack(points, 1))
    return torch.cat(line).cpu()
