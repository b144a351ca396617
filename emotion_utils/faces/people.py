"""Who is drawn: the parameters of a person, each a number per face, and how to draw people at random.

Nothing in here knows the emotion. Every field is a float32 tensor of shape (N,), so that a batch of faces is a
handful of short tensors.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from emotion_utils.faces.action_units import ACTION_UNITS, AU_INDEX
from emotion_utils.randomness import normal, stream_key, uniform


class Parameters:
    """What `Identity` and `Capture` share: length, indexing, change of device."""

    def __post_init__(self) -> None:
        n = None
        for field in fields(self):
            value = torch.as_tensor(getattr(self, field.name), dtype=torch.float32)
            value = value[None] if value.ndim == 0 else value
            n = len(value) if n is None else n
            if len(value) != n:
                raise ValueError(f"{type(self).__name__}.{field.name} has {len(value)} faces where others have {n}.")
            if not torch.isfinite(value).all():
                raise ValueError(f"{type(self).__name__}.{field.name} holds a number that is not finite.")
            object.__setattr__(self, field.name, value)

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index):
        index = slice(index, index + 1 or None) if isinstance(index, int) else index
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def to(self, device: torch.device | str):
        """Move all fields to a device."""
        return type(self)(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def replace(self, **changes: float | Tensor):
        """Return a copy with some fields changed; a plain number is given to every face."""
        known = {f.name for f in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(sorted(known))}.")
            value = torch.as_tensor(value, dtype=torch.float32)
            device = getattr(self, name).device
            changes[name] = value.expand(len(self)).clone() if value.ndim == 0 else value
            changes[name] = changes[name].to(device)
        return replace(self, **changes)


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


def _check(n: int, seed: int) -> None:
    if n < 1:
        raise ValueError(f"n = {n}: ask for at least one face.")
    if seed < 0:
        raise ValueError(f"seed = {seed}: seeds are whole numbers from 0 up.")


def sample_identity(
    n: int,
    seed: int = 0,
    *,
    index: Tensor | None = None,
    skin_tone: tuple[float, float] | Tensor = (0.15, 0.85),
    age: tuple[float, float] | Tensor = (4.0, 85.0),
) -> Identity:
    """Draw n people; person i is a pure function of `seed` and `index[i]` (0 to n-1 by default).

    Args:
        n: how many.
        seed: names the random numbers.
        index: int64 (n,), which people.
        skin_tone: lowest and highest reflectance, or one row (low, high) per person as float (n, 2).
        age: youngest and oldest in years, likewise.

    Raises:
        ValueError: n < 1 or a negative seed.
    """
    _check(n, seed)
    index = torch.arange(n) if index is None else index
    key = stream_key(seed, "identity")
    u = uniform(key, index, 32).unbind(1)
    z = normal(stream_key(seed, "shape"), index, 32).clamp(-2.3, 2.3).unbind(1)

    def between(bounds: tuple[float, float] | Tensor, position: Tensor) -> Tensor:
        bounds = torch.as_tensor(bounds, dtype=torch.float32).expand(n, 2)
        return bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * position

    # Mostly adults, some children, some old people.
    years = between(age, torch.where(u[0] < 0.18, 0.16 * u[1], 0.16 + 0.84 * u[1] ** 1.5))
    child = ((18 - years) / 14).clamp(0, 1)
    old = ((years - 45) / 35).clamp(0, 1)
    tone = between(skin_tone, 1 - u[2] ** 1.5)
    sex = torch.where(u[3] < 0.5, 0.3 * u[4], 1 - 0.3 * u[4])
    adult_man = sex * (1 - child)
    dark_hair = (1.15 - tone).clamp(0.25, 1)
    hair = torch.where(u[5] < dark_hair, 0.04 + 0.16 * u[6], 0.2 + 0.55 * u[6])
    hair = torch.where(u[7] < old, 0.5 + 0.4 * u[6], hair)
    long_hair = torch.where(sex < 0.5, 0.35 + 0.65 * u[8], 0.3 * u[8] ** 2)
    bald = (u[9] < 0.08 + 0.25 * old * sex) & (adult_man > 0.5)
    receding = -0.9 * old * sex
    bearded = (u[10] < 0.38 * adult_man).float()
    rest = uniform(stream_key(seed, "rest"), index, len(ACTION_UNITS))
    size = uniform(stream_key(seed, "rest size"), index, len(ACTION_UNITS))
    limit = torch.full((len(ACTION_UNITS),), 0.22)
    for name in ("AU25", "AU26", "AU27", "AU9", "AU16", "AU18"):
        limit[AU_INDEX[name]] = 0.08
    return Identity(
        age=years,
        sex=sex,
        skin_tone=tone,
        face_width=z[0] + 0.4 * child,
        face_length=z[1] - 1.2 * child,
        jaw=z[2] + 1.2 * (adult_man - 0.5),
        cheeks=z[3] + 0.8 * child - 0.3 * old,
        eye_size=z[4] + 1.3 * child - 0.5 * old,
        eye_spacing=z[5],
        eye_tilt=z[6],
        eye_depth=z[7] + 0.5 * old + 0.4 * adult_man,
        lid_fold=z[8],
        iris_tone=torch.where(u[11] < 0.7, 0.25 * u[12], 0.25 + 0.5 * u[12]),
        brow_thickness=z[9] + 0.9 * (adult_man - 0.4),
        brow_height=z[10] - 0.5 * (adult_man - 0.5),
        brow_arch=z[11] - 0.5 * (sex - 0.5),
        brow_tone=(0.75 - 0.5 * hair + 0.2 * u[13]).clamp(0.15, 0.95),
        nose_length=z[12] - 1.3 * child + 0.4 * old,
        nose_width=z[13] + 0.5 * (adult_man - 0.5),
        nose_bridge=z[14] - 1.0 * child,
        mouth_height=z[15] - 0.6 * child,
        mouth_width=z[16] - 0.5 * child,
        lip_fullness=z[17] - 0.9 * old - 0.4 * (adult_man - 0.5),
        lip_tone=(0.35 + 0.3 * u[14] - 0.25 * (sex - 0.5)).clamp(0.1, 0.8),
        hair_tone=hair,
        hair_length=long_hair,
        hairline=torch.where(bald, torch.tensor(-3.0), z[18] * 0.6 + receding),
        hair_part=2 * u[15] - 1,
        fringe=torch.where(u[16] < 0.3, 0.3 + 0.7 * u[17], torch.zeros(())),
        hair_volume=0.3 + 0.7 * u[18],
        hair_curl=torch.where(u[19] < 0.3 + 0.4 * (0.5 - tone).clamp(min=0), 0.4 + 0.6 * u[20], 0.2 * u[20]),
        beard=bearded * (0.15 + 0.85 * u[21]),
        moustache=bearded * (u[22] < 0.8) * (0.3 + 0.7 * u[23]),
        glasses=(u[24] < 0.1 + 0.15 * old).float(),
        lens_tint=torch.where(u[25] < 0.08, 0.6 + 0.4 * u[26], 0.1 * u[26]),
        freckles=u[27] ** 4,
        texture=u[28],
        rest=torch.where(rest < 0.25, limit * size, torch.zeros(())),
    )
