"""Which textbook expression do action units come closest to? Shared by the checks of notebooks 00 and 01."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from emotion_utils.checks import Wrong, require
from emotion_utils.faces.action_units import ACTION_UNITS, AU_INDEX, ActionUnits
from emotion_utils.faces.expressions import EMOTION_TO_AUS

FAINT = 0.3  # intensities below this one are hard to see


def read_units(answer: Any) -> Tensor:
    """Turn a reader's dictionary into intensities, float `(K,)`, mean of both halves; or say what is wrong with it."""
    require(isinstance(answer, Mapping), f"your answer is of type {type(answer).__name__}; a dictionary is asked for")
    for name, value in answer.items():
        one_or_two = not isinstance(value, tuple) or len(value) == 2
        require(one_or_two, f"{name} has {value}; give one intensity, or a pair for the two halves")
    try:
        return ActionUnits.of(**answer).mean[0]
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong(f"these units cannot be drawn: {error}") from None


def likenesses(mine: Tensor) -> dict[str, float]:
    """Compare with the textbook recipes of each emotion, of which the most similar one counts.

    Args:
        mine: intensities, float `(K,)`, as `ACTION_UNITS`.

    Returns:
        for each emotion the cosine of the angle between the two, the most similar emotion first.
    """
    found = {}
    for emotion, variants in EMOTION_TO_AUS.items():
        textbook = torch.tensor([[v.units.get(name, 0.0) for name in ACTION_UNITS] for v in variants])  # (V, K)
        found[emotion] = float(cosine_similarity(mine[None], textbook, dim=1).max())
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def require_expression(mine: Tensor, wanted: str, enough: float, rival: str | None = None, margin: float = 0.0) -> None:
    """Stop a check unless action units make an expression of one emotion that can be seen.

    Args:
        mine: intensities, float `(K,)`, as `ACTION_UNITS`.
        wanted: the emotion; its textbook recipes are to be the nearest ones, and no smile may mix with them.
        enough: smallest likeness (cosine) to the nearest of them.
        rival: the emotion that it is not to be taken for.
        margin: how much less the likeness to the rival must be.
    """
    strongest = float(mine.max())
    require(strongest >= FAINT, f"your strongest unit is at {strongest:g}; hardly anyone would see it")
    likeness = likenesses(mine)
    nearest = next(iter(likeness))
    require(nearest == wanted, f"the textbook expression that comes closest to yours is one of {nearest}")
    require(mine[AU_INDEX["AU12"]] == 0, f"a smile (AU12) mixes with the {wanted}")
    require(
        likeness[wanted] >= enough,
        f"{wanted} is the closest, and yet main units are missing, or others too many (likeness "
        f"{likeness[wanted]:.2f} of 1; {enough} is enough)",
    )
    if rival is not None:
        require(
            likeness[wanted] >= likeness[rival] + margin,
            f"{wanted} is the closest (likeness {likeness[wanted]:.2f}), but {rival} comes near "
            f"({likeness[rival]:.2f}), and many people would say that",
            f"Which of your units do {wanted} and {rival} share? Weaken those, or strengthen one of {wanted} alone.",
        )
