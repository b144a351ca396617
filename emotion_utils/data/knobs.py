"""The knobs of a data set of drawn faces: each says one thing about all its faces, and checks itself."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, check_number, check_whole
from emotion_utils.faces.parameters import check_range

DIFFICULTIES = {"easy": 0.4, "hard": 1.0}

# How often each class occurs among FER2013's Training rows (Goodfellow et al. 2013).
FER2013_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Knobs:
    """What `sample_faces` lets a reader choose about the faces.

    Raises:
        ValueError: a knob out of its range.
    """

    # "easy" (0.4), "hard" (1.0: faint expressions, strong pose and light, flaws) or 0 to 1
    difficulty: str | float = "easy"
    # how often each class occurs: "uniform", "fer2013" (as there) or seven weights
    balance: str | Sequence[float] = "uniform"
    # draw only these (names); labels keep their numbers
    emotions: Sequence[str] | None = None
    # share of labels replaced by another class; `truth["clean_labels"]` keeps the right ones
    label_noise: float = 0.0
    # factor on the intensity of all expressions, 0 to 1.5
    strength: float = 1.0
    # share of faces with something in front of them; None: it grows with difficulty
    occluded: float | None = None
    # (low, high) reflectance, or a dictionary emotion -> (low, high) to build a bias
    skin_tone: Bounds | Mapping[str, Bounds] | None = None
    # (low, high) in years, or a dictionary likewise
    age: Bounds | Mapping[str, Bounds] | None = None
    # share of faces with masculine features (all others are feminine), or a dictionary likewise
    masculine: float | Mapping[str, float] = 0.5
    # share of faces that are copies of one of this seed's faces 0 to 999, whichever the split
    duplicates: float = 0.0
    # this many faces in a row show the same person
    faces_per_person: int = 1
    # emotions (a name, or several) whose faces carry a small clip in the hair, and nothing in front of them
    mark: str | Sequence[str] | None = None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Set knobs by name.

        Raises:
            TypeError: there is no such knob.
            ValueError: a knob out of its range.
        """
        known = [field.name for field in fields(cls)]
        for name, value in values.items():
            if name not in known:
                raise TypeError(f"{name}={value!r}: there is no such knob; known are {', '.join(known)}.")
        return cls(**values)

    def __post_init__(self) -> None:
        check_range("difficulty", self.level)
        for name in ("label_noise", "duplicates"):
            check_range(name, getattr(self, name))
        if self.occluded is not None:
            check_range("occluded", self.occluded)
        check_range("strength", self.strength, 1.5)
        object.__setattr__(self, "faces_per_person", check_whole(1, 2**31, faces_per_person=self.faces_per_person))
        # Making these tables checks what they are made from.
        self.class_shares()
        self.marked()
        self.masculine_shares()
        self._skin_tone_table()
        self._age_table()

    @property
    def level(self) -> float:
        """Difficulty as a number, 0 to 1."""
        if not isinstance(self.difficulty, str):
            return float(check_number(0, 1, difficulty=self.difficulty))
        if self.difficulty not in DIFFICULTIES:
            names = " or ".join(f'"{name}"' for name in DIFFICULTIES)
            raise ValueError(f"difficulty={brief(self.difficulty)}: it is {names} or a number from 0 to 1.")
        return DIFFICULTIES[self.difficulty]

    def class_shares(self) -> Tensor:
        """Return the probability of each class, float64 (7,)."""
        weights = self.balance
        if isinstance(weights, str):
            named = {"uniform": (1,) * len(EMOTIONS), "fer2013": FER2013_COUNTS}
            if weights not in named:
                raise ValueError(f'balance={brief(weights)}: it is "uniform", "fer2013" or one weight per class.')
            weights = named[weights]
        try:
            shares = torch.as_tensor(weights, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            shares = torch.zeros(0)
        if shares.shape != (len(EMOTIONS),) or (shares < 0).any() or not 0 < shares.sum() < float("inf"):
            raise ValueError(
                f"balance={brief(self.balance)}: give {len(EMOTIONS)} weights, none negative and not all 0."
            )
        shares = shares / shares.sum()
        if self.emotions is None:
            return shares
        if not isinstance(self.emotions, Sequence | Set) or isinstance(self.emotions, str):
            raise ValueError(f"emotions={brief(self.emotions)}: give a list of names, such as ['happy', 'sad'].")
        for emotion in self.emotions:
            _check_emotion("emotions", emotion)
        shares = shares * torch.tensor([emotion in self.emotions for emotion in EMOTIONS])
        if not shares.sum() > 0:
            raise ValueError(
                f"emotions={brief(self.emotions)}: name at least one to which `balance` gives some weight."
            )
        return shares / shares.sum()

    def marked(self) -> Tensor:
        """Say which classes carry the mark, bool (7,)."""
        names = () if self.mark is None else (self.mark,) if isinstance(self.mark, str) else self.mark
        if not isinstance(names, Sequence | Set):
            raise ValueError(f"mark={brief(self.mark)}: give the name of an emotion, or a list of names.")
        for emotion in names:
            _check_emotion("mark", emotion)
        return torch.tensor([emotion in names for emotion in EMOTIONS])

    def masculine_shares(self) -> Tensor:
        """Return the share of masculine features in each class, float32 (7,)."""
        table = torch.full((len(EMOTIONS),), 0.5)
        value = self.masculine
        for emotion, share in (value if isinstance(value, Mapping) else dict.fromkeys(EMOTIONS, value)).items():
            _check_emotion("masculine", emotion)
            table[EMOTIONS.index(emotion)] = check_range("masculine", share)
        return table

    def skin_tones(self, labels: Tensor) -> Tensor:
        """Return lowest and highest reflectance for faces with these labels, float32 (N, 2)."""
        return self._skin_tone_table()[labels]

    def ages(self, labels: Tensor) -> Tensor:
        """Return lowest and highest age for faces with these labels, float32 (N, 2)."""
        return self._age_table()[labels]

    def _skin_tone_table(self) -> Tensor:
        return _bounds_per_class("skin_tone", self.skin_tone, usual=(0.15, 0.85), limits=(0.1, 0.9))

    def _age_table(self) -> Tensor:
        return _bounds_per_class("age", self.age, usual=(4.0, 85.0), limits=(4.0, 90.0))


def _bounds_per_class(name: str, value: Bounds | Mapping[str, Bounds] | None, usual: Bounds, limits: Bounds) -> Tensor:
    """Turn `(low, high)` or `{emotion: (low, high)}` into one row per class, float32 (7, 2)."""
    table = torch.tensor(usual).repeat(len(EMOTIONS), 1)
    per_class = value if isinstance(value, Mapping) else dict.fromkeys(EMOTIONS, usual if value is None else value)
    for emotion, bounds in per_class.items():
        _check_emotion(name, emotion)
        try:
            low, high = (check_number(bound=bound) for bound in bounds)
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(f"{name}={brief(bounds)}: give a pair of numbers, (low, high).") from None
        if not limits[0] <= low <= high <= limits[1]:
            raise ValueError(f"{name}={brief(bounds)}: needs {limits[0]:g} <= low <= high <= {limits[1]:g}.")
        table[EMOTIONS.index(emotion)] = torch.tensor([float(low), float(high)])
    return table


def _check_emotion(name: str, emotion: str) -> None:
    if emotion not in EMOTIONS:
        raise ValueError(f"{name}: there is no emotion {brief(emotion)}; choose from {', '.join(EMOTIONS)}.")
