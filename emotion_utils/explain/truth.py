"""Where is the expression? For drawn faces that is known: draw the same face again without it, and compare.

"The same face" is the same person, in the same light, with the same hand before the chin. What differs is what the
action units moved: brows and lips, and also the folds and shadows that come with them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emotion_utils.data.drawn import sample_parameters
from emotion_utils.errors import brief, check_share, check_whole
from emotion_utils.faces.action_units import ACTION_UNITS, ActionUnits
from emotion_utils.faces.capture import Capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.people import Identity

SHOWN = 0.1  # an action unit weaker than this can hardly be seen
VISIBLE = 0.2  # a face no pixel of which changes by more grey (0 to 1) shows no expression: most neutral ones


@dataclass(frozen=True, eq=False)
class KnownFaces:
    """Drawn faces with everything they were drawn from, so that any of it can be changed and the face drawn again."""

    identity: Identity
    action_units: ActionUnits
    capture: Capture
    images: Tensor  # uint8 (N, 1, H, W)
    labels: Tensor  # int64 (N,)
    truth: Tensor  # float32 (N, H, W), what `expression_map` gives

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | list[int] | Tensor) -> "KnownFaces":
        parts = (self.identity, self.action_units, self.capture, self.images, self.labels, self.truth)
        return KnownFaces(*(part[index] for part in parts))

    @property
    def visible(self) -> Tensor:
        """Whether there is an expression to be found, bool (N,): a neutral face shows none."""
        return self.truth.flatten(1).amax(1) > VISIBLE

    def redrawn(self, action_units: ActionUnits) -> Tensor:
        """Draw the same people in the same light with other action units: uint8 (N, 1, H, W)."""
        return render(self.identity, action_units, self.capture, self.images.shape[-1])


def known_faces(
    n: int, seed: int = 0, size: int = 48, difficulty: str | float = "easy", *, first: int = 0, **knobs: Any
) -> KnownFaces:
    """Draw faces of which the truth is known; the pictures are those of `sample_faces` with the same arguments.

    `known_faces(200, first=10_000)` are the first 200 faces of the default set's validation split.

    Args:
        n: how many.
        seed: names all random numbers.
        size: side in pixels, 24 to 192.
        difficulty: as for `sample_faces`.
        first: number of the first face.
        knobs: as for `sample_faces`.

    Raises:
        ValueError, TypeError: as `sample_faces` does.
    """
    size = check_whole(24, 192, size=size)
    drawn = sample_parameters(n, seed, difficulty, first=first, **knobs)
    parts = drawn.identity, drawn.action_units, drawn.capture
    images = render(*parts, size)
    return KnownFaces(*parts, images, drawn.labels, difference(images, render(parts[0], _at_rest(n), parts[2], size)))


def expression_map(identity: Identity, action_units: ActionUnits, capture: Capture, size: int = 48) -> Tensor:
    """Show where the picture changes when the same person, in the same light, drops the expression.

    Args:
        identity: who, N people.
        action_units: what each face does; what the person shows at rest stays.
        capture: how each picture is taken.
        size: side of the pictures in pixels, 24 to 192.

    Returns:
        float32 (N, size, size), absolute change of grey, 0 (none) to 1.

    Raises:
        TypeError: photographs: nobody knows what they would look like without the expression.
        ValueError: as `render` does.
    """
    _check_drawn(identity, action_units, capture)
    shown = render(identity, action_units, capture, size)
    return difference(shown, render(identity, _at_rest(len(identity)), capture, size))


def unit_maps(identity: Identity, action_units: ActionUnits, capture: Capture, size: int = 48) -> Tensor:
    """Show the region of each action unit: where the picture changes when that unit alone is taken away.

    Args:
        identity: as for `expression_map`, as are the other arguments and what is raised.
        action_units: see there.
        capture: see there.
        size: see there.

    Returns:
        float32 (N, K, size, size), K units as in `ACTION_UNITS`; a map of zeros for a unit that a face does not show.
    """
    _check_drawn(identity, action_units, capture)
    shown = render(identity, action_units, capture, size)  # (N, 1, size, size)
    maps = torch.zeros(len(identity), len(ACTION_UNITS), size, size)
    for unit, without in enumerate(ACTION_UNITS):
        rows = (action_units.mean[:, unit] > 0).nonzero()[:, 0]
        if len(rows):
            other = render(identity[rows], take_away(action_units[rows], without), capture[rows], size)
            maps[rows, unit] = difference(shown[rows], other)
    return maps


def region(truth: Tensor, share: float = 0.25) -> Tensor:
    """Give the pixels that change by at least `share` of the largest change: bool, of the shape of `truth` (N, H, W).

    A face without any change has no such pixel.

    Raises:
        ValueError: a share outside 0 to 1.
    """
    most = truth.flatten(1).amax(1)[:, None, None]
    return (truth >= check_share(share=share) * most) & (truth > 0)


def take_away(units: ActionUnits, name: str) -> ActionUnits:
    """Return the action units without the one of that name."""
    keep = torch.tensor([float(other != name) for other in ACTION_UNITS])
    return ActionUnits(units.left * keep, units.right * keep)


def _at_rest(n: int) -> ActionUnits:
    return ActionUnits.of(n)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """Give the absolute difference of two pictures, float32 (N, H, W) in grey levels of 0 to 1."""
    return (one[:, 0].float() - other[:, 0].float()).abs() / 255


def _check_drawn(identity: Any, action_units: Any, capture: Any) -> None:
    for name, given, kind in (
        ("identity", identity, Identity), ("action_units", action_units, ActionUnits), ("capture", capture, Capture),
    ):  # fmt: skip
        if not isinstance(given, kind):
            raise TypeError(
                f"{name}={brief(type(given).__name__)}: photographs have no truth, as nobody knows what they would "
                f"look like without the expression. Of drawn faces it is known from the {kind.__name__} that they were "
                "drawn with; known_faces(…) has it."
            )
