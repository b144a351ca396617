"""What a face does: action units, and the emotions as recipes of action units.

The Facial Action Coding System (FACS; Ekman & Friesen 1978; Ekman, Friesen & Hager 2002) takes an expression apart into
*action units* (AUs), each the visible work of one muscle or a few. An emotion is not one face but many, so each is a
list of variants here, drawn with varying strength and with stray units. The variants follow

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
from emotion_utils.randomness import stream_key, uniform

# Name and the anatomical description of FACS, in the order of the columns of every action-unit tensor.
AU_DESCRIPTIONS: dict[str, str] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU16": "lower lip depressor",
    "AU17": "chin raiser",
    "AU18": "lip pucker",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU27": "mouth stretch",
    "AU43": "eyes closed",
}


ACTION_UNITS: tuple[str, ...] = tuple(AU_DESCRIPTIONS)


AU_INDEX: dict[str, int] = {name: column for column, name in enumerate(ACTION_UNITS)}


# The region of `synthetic.REGIONS` in which each unit shows most.
AU_REGION: dict[str, str] = {
    "AU1": "brows", "AU2": "brows", "AU4": "brows", "AU5": "eyes", "AU6": "eyes", "AU7": "eyes", "AU9": "nose",
    "AU10": "mouth", "AU12": "mouth", "AU14": "mouth", "AU15": "mouth", "AU16": "mouth", "AU17": "mouth",
    "AU18": "mouth", "AU20": "mouth", "AU23": "mouth", "AU24": "mouth", "AU25": "mouth", "AU26": "mouth",
    "AU27": "mouth", "AU43": "eyes",
}  # fmt: skip


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


_ONE_SIDED = ("AU1", "AU2", "AU10", "AU12", "AU14", "AU15", "AU20")


class ActionUnits:
    """Intensities of all action units on both halves of N faces.

    Attributes:
        left: float32 (N, K), 0 to 1, the person's left half (on the right of the image); columns as `ACTION_UNITS`.
        right: float32 (N, K), the person's right half.

    Raises:
        ValueError: an intensity outside 0 to 1 or not finite, or shapes that do not fit.
    """

    def __init__(self, left: Tensor, right: Tensor | None = None) -> None:
        left = torch.as_tensor(left, dtype=torch.float32)
        right = left if right is None else torch.as_tensor(right, dtype=torch.float32)
        if left.ndim != 2 or left.shape[1] != len(ACTION_UNITS) or right.shape != left.shape:
            raise ValueError(
                f"Action units need two tensors of shape (N, {len(ACTION_UNITS)}), a column per name in ACTION_UNITS; "
                f"got {tuple(left.shape)} and {tuple(right.shape)}."
            )
        for side in (left, right):
            bad = ~((side >= 0) & (side <= 1))
            if bad.any():
                row, column = bad.nonzero()[0].tolist()
                raise ValueError(
                    f"The intensity of {ACTION_UNITS[column]} in face {row} is {side[row, column].item():g}; "
                    "intensities run from 0 (absent) to 1 (maximal)."
                )
        self.left, self.right = left, right

    @classmethod
    def of(cls, n: int = 1, **intensities: float | tuple[float, float] | Tensor) -> "ActionUnits":
        """Name the units: `ActionUnits.of(AU12=0.8, AU6=(0.2, 0.6))`; a pair is (person's left, right).

        Raises:
            ValueError: an unknown unit, n < 1, or an intensity outside 0 to 1.
        """
        if n < 1:
            raise ValueError(f"n = {n}: ask for at least one face.")
        left = torch.zeros(n, len(ACTION_UNITS))
        right = torch.zeros(n, len(ACTION_UNITS))
        for name, value in intensities.items():
            column = _column(name)
            pair = value if isinstance(value, tuple) else (value, value)
            left[:, column] = torch.as_tensor(pair[0], dtype=torch.float32)
            right[:, column] = torch.as_tensor(pair[1], dtype=torch.float32)
        return cls(left, right)

    @property
    def mean(self) -> Tensor:
        """The mean of both halves, float32 (N, K): what `truth["action_units"]` holds."""
        return (self.left + self.right) / 2

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, index) -> "ActionUnits":
        index = slice(index, index + 1 or None) if isinstance(index, int) else index
        return ActionUnits(self.left[index], self.right[index])

    def to(self, device: torch.device | str) -> "ActionUnits":
        """Move both halves to a device."""
        return ActionUnits(self.left.to(device), self.right.to(device))


def _column(name: str) -> int:
    if name not in AU_INDEX:
        raise ValueError(f"Unknown action unit {name!r}; known are {', '.join(ACTION_UNITS)}.")
    return AU_INDEX[name]


def prototype(emotion: str, strength: float = 1.0, variant: int | str = 0) -> ActionUnits:
    """Return one textbook expression (a single face) at a strength of 0 to 1.

    Raises:
        ValueError: an unknown emotion or variant, or a strength outside 0 to 1.
    """
    if emotion not in EMOTION_TO_AUS:
        raise ValueError(f"Unknown emotion {emotion!r}; known are {', '.join(EMOTIONS)}.")
    variants = EMOTION_TO_AUS[emotion]
    names = [v.name for v in variants]
    if isinstance(variant, str):
        if variant not in names:
            raise ValueError(f"{emotion!r} has no variant {variant!r}; it has {', '.join(names)}.")
        variant = names.index(variant)
    if not 0 <= variant < len(variants):
        raise ValueError(f"{emotion!r} has variants 0 to {len(variants) - 1} ({', '.join(names)}), not {variant}.")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength = {strength}: it runs from 0 to 1.")
    return ActionUnits.of(**{name: value * strength for name, value in variants[variant].units.items()})


def _tables() -> tuple[Tensor, Tensor, Tensor]:
    """Stack the variants: intensities (V, K), first row and cumulative probability per emotion."""
    rows, starts, edges = [], [], torch.full((len(EMOTIONS), 5), 2.0)
    for number, emotion in enumerate(EMOTIONS):
        variants = EMOTION_TO_AUS[emotion]
        starts.append(len(rows))
        total = sum(v.weight for v in variants)
        running = 0.0
        for position, v in enumerate(variants):
            running += v.weight / total
            edges[number, position] = running if position < len(variants) - 1 else 2.0
            row = torch.zeros(len(ACTION_UNITS))
            for name, value in v.units.items():
                row[_column(name)] = value
            rows.append(row)
    return torch.stack(rows), torch.tensor(starts), edges


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
        strength: factor on all intensities, 0 to about 1.3.
        faint: weakest overall intensity; strengths are spread from here to 1.
        blend: share of faces with a second emotion mixed in.
        stray: mean intensity of units that have nothing to do with the label.
    """
    index = torch.arange(len(labels)) if index is None else index
    k = len(ACTION_UNITS)
    table, starts, edges = _tables()
    u = uniform(stream_key(seed, "expression"), index, 8)

    def variant_of(emotion: Tensor, draw: Tensor) -> Tensor:
        return table[starts[emotion] + (draw[:, None] >= edges[emotion]).sum(1)]

    units = variant_of(labels, u[:, 0])
    overall = faint + (1 - faint) * u[:, 1].sqrt()
    jitter = uniform(stream_key(seed, "jitter"), index, k)
    units = units * overall[:, None] * (0.55 + 0.7 * jitter)

    other = (u[:, 2] * len(EMOTIONS)).long().clamp_(max=len(EMOTIONS) - 1)
    share = torch.where(u[:, 3] < blend, 0.15 + 0.3 * u[:, 4], torch.zeros(()))
    units = units + variant_of(other, u[:, 5]) * (share * overall)[:, None]

    strays = uniform(stream_key(seed, "stray"), index, k)
    odd = uniform(stream_key(seed, "stray size"), index, k)
    units = units + torch.where(strays < 0.15, odd, 0.25 * odd) * stray
    units = (units * strength).clamp_(0, 1)
    for stronger, weaker in _YIELDS:
        units[:, AU_INDEX[weaker]] *= 1 - 0.8 * units[:, AU_INDEX[stronger]]

    tilt = 0.12 * (2 * uniform(stream_key(seed, "asymmetry"), index, k) - 1)
    one_sided = (uniform(stream_key(seed, "one side"), index, 1) < 0.06).float()
    lopsided = torch.zeros(k)
    for name in _ONE_SIDED:
        lopsided[AU_INDEX[name]] = 0.5
    tilt = tilt + one_sided * lopsided * torch.where(u[:, 6:7] < 0.5, -1.0, 1.0)
    return ActionUnits((units * (1 + tilt)).clamp_(0, 1), (units * (1 - tilt)).clamp_(0, 1))
