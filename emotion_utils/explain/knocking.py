"""What if this action unit were not there? Take it away, draw the face again, and ask the network once more.

A map says where the network looks. This says what a change does: a true intervention, which photographs do not allow.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import brief, check_whole
from emotion_utils.explain.asking import Target, question
from emotion_utils.explain.scores import rank_correlation
from emotion_utils.explain.truth import SHOWN, KnownFaces, difference, take_away
from emotion_utils.faces.action_units import ACTION_UNITS
from emotion_utils.models.inference import predict_proba


@dataclass(frozen=True, eq=False)
class KnockOut:
    """What became of the class's probability when one action unit was taken away."""

    target: Tensor  # int64 (N,), the class that was asked for
    before: Tensor  # float32 (N,), its probability for the whole face
    fall: Tensor  # float32 (N, K), by how much it fell without the unit; columns as `ACTION_UNITS`, 0 if not shown
    shown: Tensor  # bool (N, K), whether the face shows the unit
    regions: Tensor  # float32 (N, K, H, W), how far each pixel changed without the unit, 0 to 1

    def ranking(self, faces: int = 1) -> list[tuple[str, float, int]]:
        """List the units that at least `faces` faces show, the most important first: (name, mean fall, faces)."""
        faces = check_whole(1, faces=faces)
        counts = self.shown.sum(0)
        means = (self.fall * self.shown).sum(0) / counts.clamp(min=1)
        rows = zip(ACTION_UNITS, means.tolist(), counts.tolist(), strict=True)
        return sorted((row for row in rows if row[2] >= faces), key=lambda row: -row[1])


def knock_out(model: nn.Module, faces: KnownFaces, target: Target = None) -> KnockOut:
    """Take each action unit away, redraw, and measure how far the probability of a class falls.

    Args:
        model: any network that gives logits (N, C) and knows how images are normalised.
        faces: from `known_faces`.
        target: the class, as for `saliency`; None for the one that is predicted for the whole face.

    Raises:
        TypeError: photographs, of which nobody can take an action unit away.
        ValueError: a class that there is not; and what `predict_proba` raises.
    """
    _check(faces)
    with question(model, faces.images, target) as asked:
        chosen = asked.target.cpu()
    before = _probability(model, faces.images, chosen)
    shown = faces.action_units.mean > SHOWN  # (N, K)
    fall = torch.zeros(len(faces), len(ACTION_UNITS))
    regions = torch.zeros(*fall.shape, *faces.images.shape[-2:])
    for unit, name in enumerate(ACTION_UNITS):
        rows = shown[:, unit].nonzero()[:, 0]
        if len(rows):
            some = faces[rows]
            without = some.redrawn(take_away(some.action_units, name))
            fall[rows, unit] = before[rows] - _probability(model, without, chosen[rows])
            regions[rows, unit] = difference(some.images, without)
    return KnockOut(chosen, before, fall, shown, regions)


def agreement(maps: Tensor, knocked: KnockOut) -> Tensor:
    """Does a map rank the action units as the interventions do? Spearman's correlation over the units of each face.

    A map's opinion of a unit is the mean size of the map over the unit's region, weighted by how far pixels change.

    Args:
        maps: float (N, H, W).
        knocked: what `knock_out` gave for the same faces.

    Returns:
        float32 (N,), -1 to 1; NaN for a face that shows fewer than three units, of which no order can be told.

    Raises:
        ValueError: maps of another shape.
    """
    wanted = (len(knocked.fall), *knocked.regions.shape[2:])
    if tuple(maps.shape) != wanted:
        raise ValueError(f"maps have shape {tuple(maps.shape)}: give one for each face, {wanted}.")
    weight = knocked.regions / knocked.regions.sum((2, 3), keepdim=True).clamp(min=1e-12)
    opinion = (weight * maps.detach().cpu().abs()[:, None]).sum((2, 3))  # (N, K)
    found = torch.full((len(maps),), torch.nan)
    for i, shown in enumerate(knocked.shown):
        if int(shown.sum()) >= 3:
            found[i] = _order(opinion[i, shown], knocked.fall[i, shown])
    return found


def _order(one: Tensor, other: Tensor) -> Tensor:
    """Correlate two lists (K,) by rank; `other` may fall below 0."""
    return rank_correlation(one[None, None], (other - other.min())[None, None])[0]


def _probability(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    return predict_proba(model, images).cpu().gather(1, target[:, None])[:, 0]


def _check(faces: KnownFaces) -> None:
    if not isinstance(faces, KnownFaces):
        whose = " Nobody can take an action unit off a photograph." if isinstance(faces, FaceDataset) else ""
        raise TypeError(
            f"faces={brief(type(faces).__name__)}: known_faces(…) draws faces that can be drawn again.{whose}"
        )
