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


def nearest_expression(mine: Tensor) -> tuple[str, float]:
    """Find the emotion whose textbook recipe points in the most similar direction.

    Args:
        mine: intensities, float `(K,)`, as `ACTION_UNITS`.

    Returns:
        its name, and the cosine of the angle between the two.
    """
    nearest, best = "", -1.0
    for emotion, variants in EMOTION_TO_AUS.items():
        for variant in variants:
            textbook = torch.tensor([variant.units.get(name, 0.0) for name in ACTION_UNITS])
            likeness = float(cosine_similarity(mine, textbook, dim=0))
            if likeness > best:
                nearest, best = emotion, likeness
    return nearest, best


def require_expression(mine: Tensor, wanted: str, enough: float) -> None:
    """Stop a check unless action units make an expression of one emotion that can be seen.

    Args:
        mine: intensities, float `(K,)`, as `ACTION_UNITS`.
        wanted: the emotion; its textbook recipes are to be the nearest ones, and no smile may mix with them.
        enough: smallest likeness (cosine) to the nearest of them.
    """
    strongest = float(mine.max())
    require(strongest >= FAINT, f"your strongest unit is at {strongest:g}; hardly anyone would see it")
    nearest, likeness = nearest_expression(mine)
    require(nearest == wanted, f"the textbook expression that comes closest to yours is one of {nearest}")
    require(mine[AU_INDEX["AU12"]] == 0, f"a smile (AU12) mixes with the {wanted}")
    require(
        likeness >= enough,
        f"{wanted} is the closest, and yet main units are missing, or others too many (likeness {likeness:.2f} of 1; "
        f"{enough} is enough)",
    )
