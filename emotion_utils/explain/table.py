"""A table of explanations: how true each is, with intervals over faces, beside baselines that know no network."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from emotion_utils.errors import brief
from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.explain.scores import BASELINES, deletion, energy_inside, insertion, pointing_game, rank_correlation
from emotion_utils.explain.truth import KnownFaces

MEASURES = ("pointing", "energy", "correlation", "deletion", "insertion")
Method = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class MethodScores:
    """What one method scored, face by face, and what it took."""

    values: dict[str, Tensor]  # by measure, float32 (N,)
    seconds: float  # for one face

    def mean(self, measure: str) -> float:
        """Give the mean over faces."""
        return float(self.values[measure].mean())

    def interval(self, measure: str) -> tuple[float, float]:
        """Give the 95 % bootstrap interval of the mean, over faces."""
        return bootstrap_interval(self.values[measure])


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """What `score_explanations` found; `print(table)` shows it."""

    methods: dict[str, MethodScores]  # by name, the baselines last
    faces: int  # how many were scored
    left_out: int  # how many show no expression, such as neutral ones

    @property
    def measures(self) -> tuple[str, ...]:
        """Which measures there are; deletion and insertion only where a model was given."""
        return tuple(next(iter(self.methods.values())).values)

    def difference(self, one: str, other: str, measure: str) -> tuple[float, tuple[float, float]]:
        """Give the mean difference of two methods on the same faces, and its 95 % interval.

        Raises:
            KeyError: no such method or measure.
        """
        gap = self.methods[one].values[measure] - self.methods[other].values[measure]
        return float(gap.mean()), bootstrap_interval(gap)

    def __str__(self) -> str:
        width = max(len("method"), *map(len, self.methods))
        lines = [f"{'method':{width}}" + "".join(f"{measure:>24}" for measure in self.measures) + f"{'ms a face':>12}"]
        for name, scores in self.methods.items():
            cells = []
            for measure in self.measures:
                low, high = scores.interval(measure)
                cells.append(f"{f'{scores.mean(measure):.2f} ({low:.2f} to {high:.2f})':>24}")
            lines.append(f"{name:{width}}{''.join(cells)}{1000 * scores.seconds:12.1f}")
        return "\n".join(lines)

    __repr__ = __str__


def score_explanations(
    methods: Mapping[str, Method], faces: KnownFaces, model: nn.Module | None = None, share: float = 0.25
) -> ScoreTable:
    """Score explanations against the truth, beside three baselines: chance, a blob in the centre, the image's edges.

    Args:
        methods: by name, a function from images, uint8 (N, 1, H, W), to maps, float (N, H, W):
            `{"gradient": lambda images: saliency(model, images)}`.
        faces: drawn faces of which the truth is known, from `known_faces`. Those without a visible expression are left
            out; the table says how many.
        model: for the deletion and insertion curves of the predicted class, which need no truth; None leaves them out.
        share: which pixels count as changed, see `region`.

    Returns:
        A `ScoreTable`: pointing game, energy inside, rank correlation, and with a model deletion and insertion (area
        gained over a random order); each by face.

    Raises:
        TypeError: photographs or other images without truth, or methods that are no functions.
        ValueError: no method, none of the faces shows an expression, or a method's maps have another shape.
    """
    if not isinstance(faces, KnownFaces):
        raise TypeError(
            f"faces={brief(type(faces).__name__)}: known_faces(…) draws faces of which the truth is known; photographs "
            "and other images have none."
        )
    if not isinstance(methods, Mapping) or not methods or not all(callable(method) for method in methods.values()):
        raise TypeError(
            f"methods={brief(methods)}: give functions by name, each from images (N, 1, H, W) to maps (N, H, W)."
        )
    taken = [brief(name) for name in methods if name in BASELINES]
    if taken:
        raise ValueError(f"methods hold {taken[0]}: that is the name of a baseline, which is added by itself.")
    seen = faces.visible
    if not seen.any():
        raise ValueError(f"None of the {len(faces)} faces shows an expression, so there is nothing to find.")
    some = faces[seen]
    scored = {name: _score(name, method, some, model, share) for name, method in {**methods, **BASELINES}.items()}
    return ScoreTable(scored, len(some), int((~seen).sum()))


def _score(name: str, method: Method, faces: KnownFaces, model: nn.Module | None, share: float) -> MethodScores:
    begun = time.perf_counter()
    maps = method(faces.images)
    seconds = (time.perf_counter() - begun) / len(faces)
    if not isinstance(maps, Tensor) or maps.shape != faces.truth.shape:
        what = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(
            f"Method {brief(name)} gives {what}: {tuple(faces.truth.shape)} is wanted, a map for each face."
        )
    maps = maps.detach().cpu()
    values = {
        "pointing": pointing_game(maps, faces.truth, share),
        "energy": energy_inside(maps, faces.truth, share),
        "correlation": rank_correlation(maps, faces.truth),
    }
    if model is not None:
        values |= {"deletion": deletion(model, faces.images, maps).gain}
        values |= {"insertion": insertion(model, faces.images, maps).gain}
    return MethodScores({measure: values[measure] for measure in MEASURES if measure in values}, seconds)
