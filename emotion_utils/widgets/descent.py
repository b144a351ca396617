"""Gradient descent on two valleys that one can see: the path, and how it ends.

The browser computes the same paths in JavaScript (`static/descent_lab.js`); a test holds the two equal.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from emotion_utils.errors import brief, check_number, check_whole

STEPS = 60
MOST_STEPS = 1000
ENOUGH = 0.01  # of the first loss: a path has arrived where it stays at or below it,
FOR_LONG = 5  # for at least so many steps, the last ones
RUNAWAY = 1e6  # times the first loss: there a path is ended
SMALLEST_RATE, LARGEST_RATE = 0.001, 1.0  # of the slider


@dataclass(frozen=True)
class Valley:
    """A loss over two weights.

    Attributes:
        loss: from weights `(2,)`, float64, to a number `()`.
        start: where every path begins.
        width, height: half sides of the map that is drawn; the minimum, 0 at (0, 0), is its middle.
        told: what it looks like, in words.
    """

    loss: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    width: float
    height: float
    told: str


def _long(w: Tensor) -> Tensor:
    return 0.5 * (w[0] ** 2 + 20 * w[1] ** 2)


def _plateau(w: Tensor) -> Tensor:
    return 8 * w[0] ** 2 / (1 + w[0] ** 2) + 5 * w[1] ** 2


VALLEYS = {
    "long valley": Valley(_long, (-4.0, 1.0), 4.8, 1.6, "20 times as steep across as along"),
    "plateau": Valley(_plateau, (-4.0, 1.0), 4.8, 1.6, "nearly flat far from the minimum, steep near it"),
}


@dataclass(frozen=True)
class Preset:
    """A rate and a momentum worth a look."""

    valley: str
    learning_rate: float
    momentum: float


PRESETS = {
    "too small": Preset("long valley", 0.004, 0.0),
    "good": Preset("long valley", 0.08, 0.0),
    "zig-zag": Preset("long valley", 0.097, 0.0),
    "momentum cures it": Preset("long valley", 0.097, 0.4),
    "too large": Preset("long valley", 0.104, 0.0),
    "momentum 1": Preset("long valley", 0.01, 1.0),
    "lost on the plateau": Preset("plateau", 0.05, 0.0),
    "momentum crosses it": Preset("plateau", 0.05, 0.8),
}


@dataclass(frozen=True, eq=False)
class Path:
    """What `path` found.

    Attributes:
        weights: float64 `(steps + 1, 2)`, the start first; fewer rows where the path ran away.
        losses: float64 `(steps + 1,)`.
        outcome: "arrives", "is still on its way", "runs away", or "never settles", which momentum 1 does not.
        step: at which it arrived or ran away; else the last one.
    """

    weights: Tensor
    losses: Tensor
    outcome: str
    step: int


def path(learning_rate: float, momentum: float = 0.0, valley: str = "long valley", steps: int = STEPS) -> Path:
    """Walk down a valley as `torch.optim.SGD` does, by gradients that have no noise.

    Args:
        learning_rate: 0 or more.
        momentum: share of the velocity that stays from step to step, 0 to 1.
        valley: a key of `VALLEYS`.
        steps: how many, if the path does not run away before.

    Raises:
        ValueError: a valley that is not there, or numbers out of bounds.
    """
    rate, momentum = check_number(0, 1e6, learning_rate=learning_rate), check_number(0, 1, momentum=momentum)
    steps, place = check_whole(1, MOST_STEPS, steps=steps), find_valley(valley)
    weights, losses = [], []
    with torch.inference_mode(False), torch.enable_grad():  # also where the caller has switched gradients off
        w = torch.tensor(place.start, dtype=torch.double, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=rate, momentum=momentum)
        for step in range(steps + 1):
            loss = place.loss(w)
            weights.append(w.detach().clone())
            losses.append(loss.item())
            if step == steps or not losses[-1] <= RUNAWAY * losses[0]:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    outcome, at = tell_outcome(losses, momentum)
    return Path(torch.stack(weights), torch.tensor(losses, dtype=torch.double), outcome, at)


def find_valley(name: str) -> Valley:
    """Return a valley by its name; a ValueError lists those that there are."""
    if not isinstance(name, str) or name not in VALLEYS:
        raise ValueError(f"valley={brief(name)}: choose {' or '.join(VALLEYS)}.")
    return VALLEYS[name]


def tell_outcome(losses: list[float], momentum: float) -> tuple[str, int]:
    """Say how a path ends, and at which step: see `Path`."""
    last = len(losses) - 1
    if not losses[-1] <= 2 * losses[0]:
        return "runs away", last
    above = [step for step, loss in enumerate(losses) if loss > ENOUGH * losses[0]]
    if not above or above[-1] + FOR_LONG <= last:
        return "arrives", above[-1] + 1 if above else 0
    return ("never settles" if momentum == 1 else "is still on its way"), last


def tell(found: Path, learning_rate: float, momentum: float) -> str:
    """Say in a sentence what a path does."""
    losses, last = found.losses, len(found.losses) - 1
    factor = float(losses[-1] / losses[0])
    ends = {
        "arrives": f"arrives: from step {found.step} on, the loss stays under 1 % of the first",
        "is still on its way": f"is still on its way: after {last} steps the loss is {factor:.0%} of the first",
        "runs away": f"runs away: at step {last} the loss is {factor:.3g} times the first, and no step brings it back",
        "never settles": f"never settles: nothing brakes, and after {last} steps the loss is {factor:.0%} of the first",
    }
    return f"Rate {learning_rate:.3g}, momentum {momentum:.2g}: the path {ends[found.outcome]}."
