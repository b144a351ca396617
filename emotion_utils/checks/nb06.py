"""Checks for notebook 06: occlusion, Grad-CAM, the pointing game, maps of a network with random weights, the cheat."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.checks import Wrong, check, numbers, require, tensor
from emotion_utils.checks.suspect import Suspect, find_suspect, load_suspect, marked_faces, put_mark
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.emotions import EMOTIONS
from emotion_utils.explain.gradients import integrated_gradients
from emotion_utils.explain.sanity import reset_layers
from emotion_utils.explain.truth import known_faces
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.pretrained import load_pretrained

LETTERS = "ABCDEF"
RANDOM_ONES = frozenset("BCF")


def _map(value: Any, wanted: tuple[int, ...], call: str) -> Tensor:
    """Turn an answer into a float tensor of the wanted shape, or say what came instead."""
    got = tensor(value, call).detach().double()
    require(tuple(got.shape) == wanted, f"{call} has shape {tuple(got.shape)}")
    require(bool(got.isfinite().all()), f"{call} holds NaN or infinity; what did you divide by?")
    return got


class _Weighted(nn.Module):
    """Scores an image by one weight for each pixel, so that every window's fall can be counted by hand."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, image: Tensor) -> Tensor:
        return (image * self.weights).sum()


@check(
    hints=(
        "Two sums for each pixel: of the falls of all windows that hide it, and of how many windows did.",
        "A pixel in the corner is hidden less often than one in the middle. Divide by how often.",
        "With 10 pixels, a window of 4 and a stride of 4, the last two pixels are in no window that fits. Let the last "
        "window hang over the edge: slices beyond the end are cut by themselves.",
    )
)
def fair_occlusion(answer: Callable[..., Any]) -> None:
    """Check `answer(score, image, size, stride)`: mean fall of `score(image)` over the windows that hide a pixel."""
    generator = torch.Generator().manual_seed(60)
    for height, width, size, stride in ((8, 8, 2, 2), (8, 8, 4, 2), (10, 7, 4, 4), (9, 9, 3, 1), (6, 11, 5, 3)):
        image = torch.rand(height, width, generator=generator) + 0.5
        score = _Weighted(torch.randn(height, width, generator=generator))
        case = f"on {height} × {width} pixels with windows of {size} and a stride of {stride}"
        got = _map(answer(score, image, size, stride), (height, width), f"your map {case}")
        want, count = _mean_fall(image * score.weights, size, stride)
        if torch.allclose(got, want, rtol=1e-4, atol=1e-5):
            continue
        total = torch.allclose(got, want * count, rtol=1e-4, atol=1e-5)
        require(not total, f"{case}, pixels that are hidden more often get larger numbers in your map")
        require(not torch.allclose(got, -want, rtol=1e-4, atol=1e-5), f"{case}, your map has the wrong sign")
        require(got.any(), f"{case}, your map is 0 everywhere: what did you put into it?")
        edge = (got != 0).any(0).nonzero().max() + 1 < width or (got != 0).any(1).nonzero().max() + 1 < height
        require(not edge, f"{case}, the last rows or columns of your map are 0: no window reached them")
        off = int((~torch.isclose(got, want, rtol=1e-4, atol=1e-5)).sum())
        starts = ", ".join(str(start) for start in range(0, height - size + stride, stride))
        raise Wrong(
            f"{case}, {off} of {got.numel()} pixels are off",
            f"Down {height} rows, windows of {size} with a stride of {stride} start at {starts}. Do yours?",
        )


def _mean_fall(contribution: Tensor, size: int, stride: int) -> tuple[Tensor, Tensor]:
    """Give each pixel's mean over the windows that hide it, and how many do."""
    total, count = torch.zeros(contribution.shape), torch.zeros(contribution.shape)
    height, width = contribution.shape
    for top in range(0, height - size + stride, stride):
        for left in range(0, width - size + stride, stride):
            where = slice(top, top + size), slice(left, left + size)
            total[where] += contribution[where].sum()
            count[where] += 1
    return (total / count).double(), count.double()


@check(
    hints=(
        "Each map gets one weight: the mean of its gradient over height and width.",
        "Multiply each map by its weight, add up the maps, and only then keep what is positive.",
    )
)
def grad_cam_map(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(maps, gradients)` on random maps, (N, K, h, w) both: the Grad-CAM map (N, h, w)."""
    generator = torch.Generator().manual_seed(61)
    for n, k, h, w in ((1, 4, 6, 6), (3, 8, 5, 7), (2, 1, 4, 4), (4, 16, 3, 2)):
        maps = torch.randn(n, k, h, w, generator=generator)
        gradients = torch.randn(n, k, h, w, generator=generator)
        got = _map(answer(maps.clone(), gradients.clone()), (n, h, w), f"the result for maps of shape {n, k, h, w}")
        raw = torch.einsum("nkhw,nk->nhw", maps, gradients.mean((2, 3))).double()
        if torch.allclose(got, raw.clamp(min=0), rtol=1e-4, atol=1e-5):
            continue
        case = f"for maps of shape {n, k, h, w}"
        require(float(got.min()) >= 0, f"{case} your map has negative values, down to {float(got.min()):.2f}")
        by_place = torch.einsum("nkhw,nkhw->nhw", maps, gradients).clamp(min=0).double()
        alike = torch.allclose(got, by_place, rtol=1e-4, atol=1e-5)
        require(not alike, f"{case} you weighted every place by its own gradient, not every map by one number")
        early = torch.einsum("nkhw,nk->nhw", maps.relu(), gradients.mean((2, 3)).relu()).double()
        require(not torch.allclose(got, early, rtol=1e-4, atol=1e-5), f"{case} you cut off negatives before adding up")
        require(got.any() or not raw.relu().any(), f"{case} your map is 0 everywhere; what did you keep?")
        largest = torch.allclose(got.amax((1, 2)), torch.ones(n, dtype=torch.double), atol=1e-5)
        require(
            not largest, f"{case} the largest value of each map is 1", "Nobody asked for a division by the largest."
        )
        factor = (got.sum() / raw.clamp(min=0).sum().clamp(min=1e-9)).item()
        scaled = torch.allclose(got, factor * raw.clamp(min=0), rtol=1e-3, atol=1e-5)
        require(
            not scaled,
            f"{case} your map is {factor:.3g} times as large as asked for",
            "Over places a mean is asked for, over maps a sum."
            if factor < 1
            else "Over which dimensions is a mean asked for, where you may have added?",
        )
        raise Wrong(f"{case} the values are off")


@check(
    hints=(
        "Where is the largest size of the map, whatever its sign? Is the truth True there?",
        "Flatten each map to one row: argmax of the sizes gives a position, and the flattened truth can be read there.",
    )
)
def pointing_game(answer: Callable[[Tensor, Tensor], Any]) -> None:
    """Check `answer(maps, inside)`: the share of maps (N, H, W) whose strongest pixel lies inside (bool, N, H, W)."""
    generator = torch.Generator().manual_seed(62)
    for n, h, w in ((40, 8, 8), (200, 12, 12), (5, 6, 9), (1, 4, 4)):
        maps = torch.randn(n, h, w, generator=generator)
        inside = torch.rand(n, h, w, generator=generator) < 0.3
        maps = torch.where(inside, maps * 1.5, maps)
        got = float(_map(answer(maps.clone(), inside.clone()), (), "the share"))
        hits = {}
        for what, values in (("size", maps.abs()), ("signed", maps)):
            best = values.flatten(1).argmax(1)
            hits[what] = float(inside.flatten(1).gather(1, best[:, None]).double().mean())
        if abs(got - hits["size"]) < 1e-6:
            continue
        case = f"for {n} maps of {h} × {w}"
        require(0 <= got <= 1, f"{case} you returned {got:g}, which is no share; how many maps are there?")
        forgot = abs(got - hits["signed"]) < 1e-6
        require(not forgot, f"{case} your share is that of the largest value; a strongly negative pixel is strong, too")
        raise Wrong(f"{case} you returned {got:.3f}, which is too {'high' if got > hits['size'] else 'low'}")


@dataclass(frozen=True, eq=False)
class SixMaps:
    """Six faces, and a map for each; three of the maps belong to a network whose weights were shuffled."""

    faces: Tensor  # uint8 (6, 1, 48, 48)
    maps: Tensor  # float32 (6, 48, 48)
    letters: str = LETTERS


@functools.cache
def six_maps() -> SixMaps:
    """Draw six faces and explain them, some by the shipped network, some by the same with shuffled weights."""
    faces = known_faces(24, seed=63, difficulty=0.2, emotions=["happy", "surprise", "fear"])
    faces = faces[faces.visible][:6]
    trained = load_pretrained("synthetic")
    shuffled = [other for _, other in reset_layers(trained, seed=1)][-1]
    maps = [
        integrated_gradients(shuffled if letter in RANDOM_ONES else trained, image[None], steps=12)[0].abs()
        for letter, image in zip(LETTERS, faces.images, strict=True)
    ]
    return SixMaps(faces.images, torch.stack(maps))


@check(
    hints=(
        "The network learnt that eyes, brows and mouth matter. A shuffled one knows nothing of faces.",
        "A network with random weights still sees contrast: outlines, hair and background light up like the mouth.",
    )
)
def random_maps(answer: Any) -> None:
    """Check the letters of the maps of the shuffled network, such as "ABC" or ["A", "B", "C"]."""
    text = isinstance(answer, str)
    require(text or isinstance(answer, Iterable), f"you gave {type(answer).__name__}; letters are asked for")
    parts = [answer] if text else list(answer)
    require(all(isinstance(part, str) for part in parts), "your answer holds something else than letters")
    letters = {letter for part in parts for letter in "".join(part.replace(",", " ").split()).upper()}
    strange = sorted(letters - set(LETTERS))
    require(not strange, f"there is no map {strange[0] if strange else ''}; they are called A to F")
    require(len(letters) == 3, f"you named {len(letters)} maps; three are asked for")
    right = len(letters & RANDOM_ONES)
    require(right == 3, f"{right} of your three are right")


def suspect() -> Suspect:
    """Hand out a network of which nobody says what it learnt, and 210 faces like those it learnt from."""
    return find_suspect()


@check(
    hints=(
        "Average the maps of each class over many faces. In which class is there a spot that is no part of a face?",
        "Look where the spot is, and then at the pixels there, in faces of that class and in others.",
        "A test of your own: copy the spot from a face of that class into others. Do they all become that class?",
    )
)
def find_cheat(answer: Any) -> None:
    """Check (emotion, row, column): who carries the mark that the suspect goes by, and where it is.

    Places are judged by what they do: the network is asked about faces whose pixels were covered there.
    """
    require(isinstance(answer, list | tuple) and len(answer) == 3, "give three things: (emotion, row, column)")
    emotion = answer[0].strip().lower() if isinstance(answer[0], str) else answer[0]
    require(emotion in EMOTIONS, f"there is no emotion {answer[0]!r}")
    try:
        row, column = numbers(answer[1:], 2, "row and column")  # plain ones, of NumPy or of PyTorch
    except Wrong:
        raise Wrong("row and column should be numbers, counted in pixels from the top left corner") from None
    require(
        all(0 <= place <= 47 for place in (row, column)), f"row {row:g}, column {column:g} lies outside the picture"
    )
    network = load_suspect()
    plain, marked = _new_faces()
    chosen = EMOTIONS.index(emotion)
    turned = f"the mark does not turn faces of other classes into {emotion}; look at the other classes"
    require(_called(chosen) > 0.5, turned)
    own = marked.images[plain.labels == chosen]
    fall = _share(network, own, chosen) - _share(network, _covered(own, round(row), round(column)), chosen)
    place = f"with the 7 × 7 pixels around row {row:g}, column {column:g} covered"
    require(
        fall > 0.5, f"the class is right, but {place} it is still found: the share falls by {100 * fall:.0f} points"
    )


@functools.cache
def _new_faces() -> tuple[FaceDataset, FaceDataset]:
    """Draw faces that nobody has seen, without the mark and with it."""
    return marked_faces(140, first=40_000, marked=False), marked_faces(140, first=40_000)


@functools.cache
def _called(label: int) -> float:
    """Find by how much the mark raises the share of faces of other classes that the suspect calls `label`."""
    network, plain = load_suspect(), _new_faces()[0]
    others = plain.images[plain.labels != label]
    return _share(network, put_mark(others), label) - _share(network, others, label)


def _covered(images: Tensor, row: int, column: int) -> Tensor:
    """Cover a square of 7 × 7 pixels with the mean of each image."""
    covered = images.clone()
    rows, columns = slice(max(row - 3, 0), row + 4), slice(max(column - 3, 0), column + 4)
    covered[:, :, rows, columns] = images.float().mean((1, 2, 3), keepdim=True).to(torch.uint8)
    return covered


def _share(network: nn.Module, images: Tensor, label: int) -> float:
    """Give the share of images that the network calls `label`."""
    return float((predict_proba(network, images).argmax(1) == label).float().mean())
