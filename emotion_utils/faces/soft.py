"""Soft edges and bells: what all shapes of the drawing are made of.

Everything is drawn once at its final size, so edges must be soft by about a pixel, or they would look like stairs.
All functions are cheap and take their arguments elementwise, pixels (N, H, W) and numbers per face (N, 1, 1).
"""

from torch import Tensor


def ramp(distance: Tensor, width: Tensor | float) -> Tensor:
    """Soft edge: 0 outside, 1 inside, linear over `width` around distance 0."""
    return (distance * (1 / width) + 0.5).clamp_(0, 1)


def bell(q: Tensor) -> Tensor:
    """A bell close to exp(-q / 2) for q = (distance / spread)²: cheap, and exactly 0 far away (no denormals)."""
    b = (q * (-1 / 6) + 1).clamp_(min=0)
    return b * b * b


def ridge(distance: Tensor, spread: Tensor | float) -> Tensor:
    """A bell across a line: 1 where the distance is 0."""
    return bell((distance * (1 / spread)) ** 2)


def spot(
    u: Tensor, v: Tensor, u0: Tensor | float, v0: Tensor | float, su: Tensor | float, sv: Tensor | float
) -> Tensor:
    """A bell at (u0, v0) with spreads su and sv."""
    du, dv = (u - u0) * (1 / su), (v - v0) * (1 / sv)
    return bell(du * du + dv * dv)


def blend(under: Tensor | float, over: Tensor | float, mask: Tensor) -> Tensor:
    """Lay one colour over another where the mask is 1."""
    return under + (over - under) * mask
