"""Who is drawn: the parameters of a person, each a number per face, and how to draw people at random.

Nothing in here knows the emotion.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from emotion_utils.errors import check_whole
from emotion_utils.faces.action_units import ACTION_UNITS, AU_INDEX
from emotion_utils.faces.parameters import MOST_FACES, Parameters, as_floats, as_numbers
from emotion_utils.randomness import normal, stream_key, uniform


@dataclass(frozen=True)
class Identity(Parameters):
    """A person. Shapes are standard scores (0 is average, ±1 usual, ±2 rare) unless a unit is given."""

    age: Tensor  # years, 4 to 85
    sex: Tensor  # 0 feminine to 1 masculine, of the features, not of the person
    skin_tone: Tensor  # reflectance, 0.12 (dark) to 0.85 (light)
    face_width: Tensor
    face_length: Tensor
    jaw: Tensor  # pointed to square
    cheeks: Tensor  # hollow to full
    eye_size: Tensor
    eye_spacing: Tensor
    eye_tilt: Tensor
    eye_depth: Tensor  # how dark the sockets are
    lid_fold: Tensor
    iris_tone: Tensor  # 0 black to 1 pale
    brow_thickness: Tensor
    brow_height: Tensor
    brow_arch: Tensor
    brow_tone: Tensor  # darkness, 0 to 1
    nose_length: Tensor
    nose_width: Tensor
    nose_bridge: Tensor
    mouth_height: Tensor
    mouth_width: Tensor
    lip_fullness: Tensor
    lip_tone: Tensor  # darkness, 0 to 1
    hair_tone: Tensor  # 0 black to 1 white
    hair_length: Tensor  # 0 cropped to 1 past the chin
    hairline: Tensor  # height on the forehead, -1 high to 1 low; below -2 bald
    hair_part: Tensor  # where the parting is, -1 to 1
    fringe: Tensor  # 0 none to 1 down to the brows
    hair_volume: Tensor
    hair_curl: Tensor  # 0 straight to 1 curly
    beard: Tensor  # 0 shaved to 1 full
    moustache: Tensor  # 0 to 1
    glasses: Tensor  # 0 none, 1 worn
    lens_tint: Tensor  # 0 clear to 1 sunglasses
    freckles: Tensor  # 0 to 1
    texture: Tensor  # 0 to 1, names the person's skin and hair pattern
    rest: Tensor  # (N, K) what this face's action units show at rest

    _columns: ClassVar[dict[str, int]] = {"rest": len(ACTION_UNITS)}


@dataclass(frozen=True)
class _Draws:
    """Independent random numbers, by columns of (N,): each column serves one purpose, or purposes that exclude."""

    uniform: tuple[Tensor, ...]  # 0 to 1
    normal: tuple[Tensor, ...]  # standard scores, cut off at ±2.3


@dataclass(frozen=True)
class _Life:
    """What many features depend on, each (N,)."""

    years: Tensor
    child: Tensor  # 1 at 4 years, 0 from 18
    old: Tensor  # 0 up to 45 years, 1 from 80
    sex: Tensor  # 0 feminine to 1 masculine
    man: Tensor  # `sex`, fading in children
    skin_tone: Tensor


def sample_identity(
    n: int,
    seed: int = 0,
    *,
    index: Tensor | None = None,
    skin_tone: tuple[float, float] | Tensor = (0.15, 0.85),
    age: tuple[float, float] | Tensor = (4.0, 85.0),
    masculine: float | Tensor = 0.5,
) -> Identity:
    """Draw n people; person i is a pure function of `seed` and `index[i]` (0 to n-1 by default).

    Args:
        n: how many.
        seed: names the random numbers.
        index: int64 (n,), which people.
        skin_tone: lowest and highest reflectance, or one row (low, high) per person as float (n, 2).
        age: youngest and oldest in years, likewise.
        masculine: share of people with masculine features, or the probability of each person as float (n,).

    Raises:
        ValueError: n < 1, a negative seed, bounds that are none, or a share outside 0 to 1.
        TypeError: something that is no number.
    """
    n, seed = check_whole(1, MOST_FACES, n=n), check_whole(0, seed=seed)
    index = torch.arange(n) if index is None else as_numbers(index, "index", n)
    skin_tone, age = _bounds("skin_tone", skin_tone, n, 0, 1), _bounds("age", age, n, 0, 120)
    masculine = _shares("masculine", masculine, n)
    draws = _Draws(
        uniform(stream_key(seed, "identity"), index, 32).unbind(1),
        normal(stream_key(seed, "shape"), index, 32).clamp(-2.3, 2.3).unbind(1),
    )
    life = _sample_life(draws, age, skin_tone, masculine)
    return Identity(
        age=life.years,
        sex=life.sex,
        skin_tone=life.skin_tone,
        freckles=draws.uniform[27] ** 4,
        texture=draws.uniform[28],
        rest=_sample_rest(seed, index),
        **_sample_head(draws, life),
        **_sample_eyes(draws, life),
        **_sample_nose_and_mouth(draws, life),
        **_sample_hair(draws, life),
        **_sample_beard_and_glasses(draws, life),
    )


def _bounds(name: str, bounds: tuple[float, float] | Tensor, n: int, least: float, most: float) -> Tensor:
    """Check bounds, one pair for all or one per face: float32 (n, 2)."""
    rows = as_floats(bounds, name)
    if rows.shape not in ((2,), (n, 2)):
        raise ValueError(f"{name} has shape {tuple(rows.shape)}: give a pair (low, high), or {n} of them.")
    fitting = (rows[..., 0] >= least) & (rows[..., 0] <= rows[..., 1]) & (rows[..., 1] <= most)
    if not fitting.all():
        wrong = rows.expand(n, 2)[int((~fitting.expand(n)).nonzero()[0])]
        raise ValueError(f"{name}=({wrong[0]:g}, {wrong[1]:g}): needs {least} <= low <= high <= {most}.")
    return rows.expand(n, 2)


def _shares(name: str, shares: float | Tensor, n: int) -> Tensor:
    """Check shares, one for all or one per face: float32 (n,)."""
    values = as_floats(shares, name)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{name} has shape {tuple(values.shape)}: give one share, or {n} of them.")
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        raise ValueError(f"{name}={values.flatten()[wrong.flatten()][0]:g}: choose a share from 0 to 1.")
    return values.expand(n)


def _between(bounds: Tensor, position: Tensor) -> Tensor:
    """Turn positions of 0 to 1, (N,), into values between bounds, float32 (N, 2)."""
    return bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * position


def _sample_life(draws: _Draws, age: Tensor, skin_tone: Tensor, masculine: Tensor) -> _Life:
    u = draws.uniform
    # Mostly adults, some children, some old people.
    years = _between(age, torch.where(u[0] < 0.18, 0.16 * u[1], 0.16 + 0.84 * u[1] ** 1.5))
    child = ((18 - years) / 14).clamp(0, 1)
    old = ((years - 45) / 35).clamp(0, 1)
    feminine = u[3] < 1 - masculine
    sex = torch.where(feminine, 0.3 * u[4], 1 - 0.3 * u[4])  # two groups that do not meet: 0 to 0.3 and 0.7 to 1
    return _Life(years, child, old, sex, man=sex * (1 - child), skin_tone=_between(skin_tone, 1 - u[2] ** 1.5))


def _sample_head(draws: _Draws, life: _Life) -> dict[str, Tensor]:
    z = draws.normal
    return {
        "face_width": z[0] + 0.4 * life.child,
        "face_length": z[1] - 1.2 * life.child,
        "jaw": z[2] + 1.2 * (life.man - 0.5),
        "cheeks": z[3] + 0.8 * life.child - 0.3 * life.old,
    }


def _sample_eyes(draws: _Draws, life: _Life) -> dict[str, Tensor]:
    u, z = draws.uniform, draws.normal
    return {
        "eye_size": z[4] + 1.3 * life.child - 0.5 * life.old,
        "eye_spacing": z[5],
        "eye_tilt": z[6],
        "eye_depth": z[7] + 0.5 * life.old + 0.4 * life.man,
        "lid_fold": z[8],
        "iris_tone": torch.where(u[11] < 0.7, 0.25 * u[12], 0.25 + 0.5 * u[12]),  # most are dark
        "brow_thickness": z[9] + 0.9 * (life.man - 0.4),
        "brow_height": z[10] - 0.5 * (life.man - 0.5),
        "brow_arch": z[11] - 0.5 * (life.sex - 0.5),
    }


def _sample_nose_and_mouth(draws: _Draws, life: _Life) -> dict[str, Tensor]:
    u, z = draws.uniform, draws.normal
    return {
        "nose_length": z[12] - 1.3 * life.child + 0.4 * life.old,
        "nose_width": z[13] + 0.5 * (life.man - 0.5),
        "nose_bridge": z[14] - 1.0 * life.child,
        "mouth_height": z[15] - 0.6 * life.child,
        "mouth_width": z[16] - 0.5 * life.child,
        "lip_fullness": z[17] - 0.9 * life.old - 0.4 * (life.man - 0.5),
        "lip_tone": (0.35 + 0.3 * u[14] - 0.25 * (life.sex - 0.5)).clamp(0.1, 0.8),
    }


def _sample_hair(draws: _Draws, life: _Life) -> dict[str, Tensor]:
    u, z = draws.uniform, draws.normal
    # The darker the skin, the more often the hair is dark; with age it turns grey.
    tone = torch.where(u[5] < (1.15 - life.skin_tone).clamp(0.25, 1), 0.04 + 0.16 * u[6], 0.2 + 0.55 * u[6])
    tone = torch.where(u[7] < life.old, 0.5 + 0.4 * u[6], tone)
    bald = (u[9] < 0.08 + 0.25 * life.old * life.sex) & (life.man > 0.5)
    curly = u[19] < 0.3 + 0.4 * (0.5 - life.skin_tone).clamp(min=0)
    return {
        "hair_tone": tone,
        "hair_length": torch.where(life.sex < 0.5, 0.35 + 0.65 * u[8], 0.3 * u[8] ** 2),
        "hairline": torch.where(bald, -3.0, z[18] * 0.6 - 0.9 * life.old * life.sex),
        "hair_part": 2 * u[15] - 1,
        "fringe": torch.where(u[16] < 0.3, 0.3 + 0.7 * u[17], 0.0),
        "hair_volume": 0.3 + 0.7 * u[18],
        "hair_curl": torch.where(curly, 0.4 + 0.6 * u[20], 0.2 * u[20]),
        "brow_tone": (0.75 - 0.5 * tone + 0.2 * u[13]).clamp(0.15, 0.95),
    }


def _sample_beard_and_glasses(draws: _Draws, life: _Life) -> dict[str, Tensor]:
    u = draws.uniform
    bearded = (u[10] < 0.38 * life.man).float()
    return {
        "beard": bearded * (0.15 + 0.85 * u[21]),
        "moustache": bearded * (u[22] < 0.8) * (0.3 + 0.7 * u[23]),
        "glasses": (u[24] < 0.1 + 0.15 * life.old).float(),
        "lens_tint": torch.where(u[25] < 0.08, 0.6 + 0.4 * u[26], 0.1 * u[26]),
    }


def _sample_rest(seed: int, index: Tensor) -> Tensor:
    """Draw resting faces, (N, K): a quarter of the units show a little, those that open the mouth or wrinkle less."""
    chosen = uniform(stream_key(seed, "rest"), index, len(ACTION_UNITS)) < 0.25
    size = uniform(stream_key(seed, "rest size"), index, len(ACTION_UNITS))
    limit = torch.full((len(ACTION_UNITS),), 0.22)
    for name in ("AU25", "AU26", "AU27", "AU9", "AU16", "AU18"):
        limit[AU_INDEX[name]] = 0.08
    return torch.where(chosen, limit * size, 0.0)
