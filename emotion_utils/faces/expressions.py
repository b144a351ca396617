"""What emotions do to a face: recipes of action units, and how to draw expressions at random.

An emotion is not one face but many, so each is a list of variants here, drawn with varying strength and with stray
units. The variants follow

* EMFACS: Ekman & Friesen (1983), *EMFACS-7: Emotional Facial Action Coding System*, and the table of prototypes and
  major variants in the FACS Investigator's Guide (Ekman, Friesen & Hager 2002, table 10-2);
* CK+: Lucey et al. (2010), "The Extended Cohn-Kanade dataset", table 1 (criteria per emotion);
* Du: Du, Tao & Martinez (2014), "Compound facial expressions of emotion", PNAS 111 (15), table 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, check_whole
from emotion_utils.faces.action_units import ACTION_UNITS, AU_INDEX, ActionUnits
from emotion_utils.faces.parameters import as_numbers, check_range
from emotion_utils.randomness import stream_key, uniform


@dataclass(frozen=True)
class Variant:
    """One way to show an emotion: relative intensities of units at full strength, how common it is, and its source."""

    name: str
    weight: float
    units: Mapping[str, float]
    source: str


EMOTION_TO_AUS: dict[str, tuple[Variant, ...]] = {
    "angry": (
        Variant("tight-lipped", 3, {"AU4": 1.0, "AU5": 0.2, "AU7": 0.9, "AU23": 0.8, "AU24": 0.8, "AU17": 0.5},
                "EMFACS 4+5+7+23/24; CK+ (23 and 24); Du 4, 7, 24 (17)"),
        Variant("glare", 2, {"AU4": 1.0, "AU5": 0.7, "AU7": 0.6, "AU23": 0.6}, "EMFACS 4+5+7+23"),
        Variant("snarl", 4, {"AU4": 1.0, "AU7": 0.8, "AU10": 0.9, "AU16": 0.7, "AU25": 0.8, "AU9": 0.4, "AU20": 0.2},
                "EMFACS variant 4+5+7+10+23+25; Du 4, 7, 24 (10)"),
        Variant("shout", 4, {"AU4": 1.0, "AU5": 0.3, "AU7": 0.7, "AU10": 0.7, "AU16": 0.6, "AU25": 0.9, "AU26": 1.0},
                "EMFACS variant 4+5+7+23+25+26; FACS Investigator's Guide 4+5+7+10+23+25/26"),
    ),
    "disgust": (
        Variant("nose wrinkle", 3, {"AU9": 1.0, "AU4": 0.7, "AU7": 0.6, "AU17": 0.5, "AU15": 0.2},
                "EMFACS 9+16, 9+17; CK+ (9 or 10); Du 9, 10, 17 (4)"),
        Variant("lip curl", 2, {"AU10": 1.0, "AU9": 0.4, "AU17": 0.5, "AU7": 0.4, "AU4": 0.5}, "EMFACS 10*; 10+17"),
        Variant("retch", 2, {"AU9": 0.8, "AU10": 0.8, "AU16": 0.6, "AU25": 0.6, "AU26": 0.4, "AU7": 0.6, "AU4": 0.8},
                "EMFACS 9+16+25+26; 10+16+25"),
    ),
    "fear": (
        Variant("terror", 3, {"AU1": 1.0, "AU2": 0.5, "AU4": 0.7, "AU5": 0.7, "AU20": 0.9, "AU25": 0.8, "AU26": 0.4},
                "EMFACS 1+2+4+5+20+25; Du 1, 4, 20, 25 (2, 5, 26)"),
        Variant("gasp", 2, {"AU1": 0.9, "AU2": 0.5, "AU4": 0.5, "AU5": 0.8, "AU25": 0.7, "AU26": 0.7, "AU20": 0.4},
                "EMFACS 1+2+4+5+25+26"),
        Variant("scream", 2, {"AU1": 0.9, "AU2": 0.4, "AU4": 0.7, "AU5": 0.6, "AU20": 0.8, "AU25": 0.9, "AU27": 0.6},
                "EMFACS 1+2+4+5+20+25 or 26 or 27"),
        Variant("dread", 3, {"AU1": 1.0, "AU4": 0.7, "AU5": 0.6, "AU20": 0.7, "AU15": 0.2, "AU25": 0.3},
                "EMFACS 1+2+4+5+L/R20; CK+ (1+2+4 with 5)"),
    ),
    "happy": (
        Variant("toothy smile", 4, {"AU6": 0.8, "AU12": 1.0, "AU25": 0.8}, "EMFACS 6+12; CK+ (12); Du 12, 25 (6)"),
        Variant("closed smile", 2, {"AU6": 0.5, "AU12": 0.9}, "EMFACS 12*, 6+12"),
        Variant("laugh", 2, {"AU6": 1.0, "AU12": 1.0, "AU25": 0.9, "AU26": 0.8, "AU7": 0.4}, "EMFACS 6+12 with 25/26"),
    ),
    "sad": (
        Variant("grief", 3, {"AU1": 1.0, "AU4": 0.7, "AU15": 0.9, "AU17": 0.6, "AU43": 0.25},
                "EMFACS 1+4+15, 1+4+15B+17"),
        Variant("downcast", 4, {"AU1": 0.8, "AU4": 0.5, "AU15": 0.7, "AU43": 0.75},
                "EMFACS 1+4+15B with 54+64; Du 4, 15"),
        Variant("pout", 2, {"AU4": 0.6, "AU15": 0.8, "AU17": 0.9, "AU24": 0.2, "AU1": 0.5, "AU43": 0.25},
                "EMFACS 11+15, 15+17; CK+ 15"),
        Variant("quiet", 2, {"AU1": 0.5, "AU4": 0.3, "AU15": 0.5, "AU43": 0.35}, "EMFACS 1+4+15B; CK+ 15"),
        Variant("weeping", 3, {"AU1": 0.9, "AU4": 0.8, "AU6": 0.6, "AU15": 0.7, "AU20": 0.5, "AU25": 0.8, "AU26": 0.4,
                               "AU43": 0.7},
                "EMFACS 6+15, 1+4+11+15; FACS Investigator's Guide, with 25/26"),
    ),
    "surprise": (
        Variant("astonished", 4, {"AU1": 0.9, "AU2": 1.0, "AU5": 0.8, "AU25": 0.7, "AU26": 1.0},
                "EMFACS 1+2+5B+26; Du 1, 2, 25, 26 (5)"),
        Variant("mouth agape", 2, {"AU1": 1.0, "AU2": 1.0, "AU5": 0.9, "AU25": 0.7, "AU27": 0.9}, "EMFACS 1+2+5B+27"),
        Variant("raised brows", 1, {"AU1": 0.9, "AU2": 1.0, "AU5": 0.8, "AU25": 0.3}, "EMFACS 1+2+5B; CK+ (1+2 or 5)"),
    ),
    "neutral": (Variant("at rest", 1, {}, "FACS: no unit above trace level"),),
}  # fmt: skip

# Units that, together, a face does not show or that would undo each other: the second yields to the first.
_YIELDS = (("AU27", "AU26"), ("AU25", "AU24"), ("AU26", "AU24"), ("AU12", "AU15"), ("AU43", "AU5"))

# Units that some people show on one side only.
_ONE_SIDED = ("AU1", "AU2", "AU10", "AU12", "AU14", "AU15", "AU20")


def prototype(emotion: str, strength: float = 1.0, variant: int | str = 0) -> ActionUnits:
    """Return one textbook expression (a single face) at a strength of 0 to 1.

    Raises:
        ValueError: an unknown emotion or variant, or a strength outside 0 to 1.
    """
    if not isinstance(emotion, str) or emotion not in EMOTION_TO_AUS:
        raise ValueError(f"emotion={brief(emotion)}: choose one of {', '.join(EMOTIONS)}.")
    variants = EMOTION_TO_AUS[emotion]
    names = [v.name for v in variants]
    if isinstance(variant, str) and variant not in names:
        raise ValueError(f"variant={brief(variant)}: {emotion} has {', '.join(names)}, or 0 to {len(names) - 1}.")
    otherwise = f", or one of {', '.join(names)}"
    number = names.index(variant) if isinstance(variant, str) else variant
    number = check_whole(0, len(names) - 1, otherwise, variant=number)
    strength = check_range("strength", strength)
    return ActionUnits.of(**{name: value * strength for name, value in variants[number].units.items()})


def sample_action_units(
    labels: Tensor,
    index: Tensor | None = None,
    *,
    seed: int = 0,
    strength: float = 1.0,
    faint: float = 0.35,
    blend: float = 0.15,
    stray: float = 0.15,
) -> ActionUnits:
    """Draw an expression for each label: a variant, a strength, asymmetry, a blend and stray units.

    Args:
        labels: int64 (N,), numbers of `EMOTIONS`.
        index: int64 (N,), the number of each face, which alone with `seed` decides its random draws.
        seed: names the random numbers.
        strength: factor on all intensities, 0 to 1.5.
        faint: weakest overall intensity; strengths are spread from here to 1.
        blend: share of faces with a second emotion mixed in.
        stray: mean intensity of units that have nothing to do with the label.

    Raises:
        ValueError, TypeError: labels or indices that are none, or a number out of its range.
    """
    labels, seed = as_numbers(labels, "labels", most=len(EMOTIONS) - 1), check_whole(0, seed=seed)
    index = torch.arange(len(labels)) if index is None else as_numbers(index, "index", len(labels))
    strength, faint = check_range("strength", strength, 1.5), check_range("faint", faint)
    blend, stray = check_range("blend", blend), check_range("stray", stray)
    u = uniform(stream_key(seed, "expression"), index, 8)  # (N, 8)
    overall = (faint + (1 - faint) * u[:, 1].sqrt())[:, None]  # (N, 1)
    jitter = uniform(stream_key(seed, "jitter"), index, len(ACTION_UNITS))  # (N, K)
    units = _variants_of(labels, u[:, 0]) * overall * (0.55 + 0.7 * jitter)  # (N, K)
    # Some faces mix in a little of a second emotion.
    other = (u[:, 2] * len(EMOTIONS)).long().clamp_(max=len(EMOTIONS) - 1)
    share = torch.where(u[:, 3] < blend, 0.15 + 0.3 * u[:, 4], 0.0)[:, None]
    units = units + _variants_of(other, u[:, 5]) * (share * overall)
    units = units + _strays(seed, index) * stray
    units = (units * strength).clamp_(0, 1)
    for stronger, weaker in _YIELDS:
        units[:, AU_INDEX[weaker]] *= 1 - 0.8 * units[:, AU_INDEX[stronger]]
    tilt = _asymmetry(seed, index, left_weaker=u[:, 6:7] < 0.5)
    return ActionUnits((units * (1 + tilt)).clamp_(0, 1), (units * (1 - tilt)).clamp_(0, 1))


def _variants_of(emotions: Tensor, draw: Tensor) -> Tensor:
    """Choose a variant per face by its weight: intensities (N, K).

    Args:
        emotions: int64 (N,), numbers of `EMOTIONS`.
        draw: (N,), uniform in 0 to 1.
    """
    table = torch.zeros(sum(map(len, EMOTION_TO_AUS.values())), len(ACTION_UNITS))  # (V, K), all variants in a row
    first = []  # row of each emotion's first variant
    edges = torch.full((len(EMOTIONS), 5), 2.0)  # cumulative weights; 2 is never reached
    row = 0
    for number, emotion in enumerate(EMOTIONS):
        variants = EMOTION_TO_AUS[emotion]
        first.append(row)
        total, running = sum(variant.weight for variant in variants), 0.0
        for position, variant in enumerate(variants):
            running += variant.weight / total
            if position < len(variants) - 1:
                edges[number, position] = running
            for name, value in variant.units.items():
                table[row, AU_INDEX[name]] = value
            row += 1
    return table[torch.tensor(first)[emotions] + (draw[:, None] >= edges[emotions]).sum(1)]


def _strays(seed: int, index: Tensor) -> Tensor:
    """Draw units that have nothing to do with the label, (N, K): a few strong ones, all others weak."""
    k = len(ACTION_UNITS)
    strong = uniform(stream_key(seed, "stray"), index, k) < 0.15
    size = uniform(stream_key(seed, "stray size"), index, k)
    return torch.where(strong, size, 0.25 * size)


def _asymmetry(seed: int, index: Tensor, left_weaker: Tensor) -> Tensor:
    """Draw by how much the left half is stronger than the mean, as a share, (N, K); a few faces are half one-sided.

    `left_weaker`, bool (N, 1), says which half of those few.
    """
    tilt = 0.12 * (2 * uniform(stream_key(seed, "asymmetry"), index, len(ACTION_UNITS)) - 1)
    one_sided = (uniform(stream_key(seed, "one side"), index, 1) < 0.06).float()  # (N, 1)
    lopsided = torch.zeros(len(ACTION_UNITS))
    lopsided[[AU_INDEX[name] for name in _ONE_SIDED]] = 0.5
    return tilt + one_sided * lopsided * torch.where(left_weaker, -1.0, 1.0)
