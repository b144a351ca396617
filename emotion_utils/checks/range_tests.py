"""Small trainings with real range tests (notebook 04): a rate that somebody picks is judged by training at it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

STEPS = 60  # of a training
RATES = 100  # of a range test
TRIED = 9  # rates that are trained at, to learn what the problem allows
HIDDEN, INPUTS, CLASSES, POINTS = 32, 24, 7, 512
START = math.log(CLASSES)  # loss of a network that knows nothing
RUNAWAY = 10 * START  # a run whose loss gets so high is broken off


@dataclass(frozen=True)
class Problem:
    """Seven clouds of points and a network with one hidden layer, which starts as a guess among the seven.

    Attributes:
        points: float (512, 24); labels: int64 (512,); weights: where the network starts.
        order: int64, which points the batches take, one after the other.
        batch_size: points in a batch.
        rates: float (100,), of the range test, growing by equal factors.
    """

    points: Tensor
    labels: Tensor
    weights: tuple[Tensor, ...]
    order: Tensor
    batch_size: int
    rates: Tensor

    def run(self, rates: Sequence[float]) -> tuple[list[float], list[Tensor]]:
        """Take a step of SGD with momentum 0.9 at each rate; return the losses (nan once one ran away) and weights."""
        weights = [weight.clone() for weight in self.weights]
        velocities, losses = [torch.zeros_like(weight) for weight in weights], []
        for step, rate in enumerate(rates):
            pick = self.order[step * self.batch_size :][: self.batch_size]
            points, labels = self.points[pick], self.labels[pick]
            hidden, log_p = _forward(points, weights)
            losses.append(-float(log_p[torch.arange(len(labels)), labels].mean()))
            if not losses[-1] < RUNAWAY:
                return losses + [math.nan] * (len(rates) - len(losses)), weights
            blame = log_p.exp()  # (B, 7)
            blame[torch.arange(len(labels)), labels] -= 1
            blame /= len(labels)
            below = (blame @ weights[2].T) * (hidden > 0)  # (B, 32)
            gradients = (points.T @ below, below.sum(0), hidden.T @ blame, blame.sum(0))
            for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                velocity.mul_(0.9).add_(gradient)
                weight.sub_(rate * velocity)
        return losses, weights

    def train(self, rate: float) -> float:
        """Return the loss on all points after 60 steps at one rate; infinite where the training ran away."""
        losses, weights = self.run([rate] * STEPS)
        if math.isnan(losses[-1]):
            return math.inf
        log_p = _forward(self.points, weights)[1]
        loss = -float(log_p[torch.arange(len(self.labels)), self.labels].mean())
        return loss if math.isfinite(loss) else math.inf


def _forward(points: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return hidden units (N, 32) and logarithms of probabilities (N, 7)."""
    hidden = (points @ weights[0] + weights[1]).clamp(min=0)
    return hidden, (hidden @ weights[2] + weights[3]).log_softmax(1)


def _draw(generator: torch.Generator) -> Problem:
    """Draw a problem. The scale of its points decides which rates are good: a factor of ten, a hundred times lower."""
    first, second, third = torch.rand(3, generator=generator).tolist()
    scale, batch_size = 10 ** (first - 0.5), (16, 32, 64)[int(3 * second)]
    centres = 0.55 * torch.randn(CLASSES, INPUTS, generator=generator)
    labels = torch.randint(CLASSES, (POINTS,), generator=generator)
    points = scale * (centres[labels] + torch.randn(POINTS, INPUTS, generator=generator))
    weights = (
        torch.randn(INPUTS, HIDDEN, generator=generator) * (2 / INPUTS) ** 0.5,
        torch.zeros(HIDDEN),
        torch.randn(HIDDEN, CLASSES, generator=generator) * 0.05 / HIDDEN**0.5,
        torch.zeros(CLASSES),
    )
    epochs = math.ceil(RATES * batch_size / POINTS)
    order = torch.cat([torch.randperm(POINTS, generator=generator) for _ in range(epochs)])
    # Tests start at very different distances below the good rates, so no fixed place in the list is right.
    rates = 10 ** (-3.5 - 2 * third + 6.5 * torch.linspace(0, 1, RATES)) / scale**2
    return Problem(points, labels, weights, order, batch_size, rates)


@cache
@torch.no_grad()
def range_tests(count: int = 8) -> tuple[tuple[Problem, Tensor, float, float], ...]:
    """Draw problems; give each with the losses of its range test (100,), the best of nine rates, and its loss."""
    generator = torch.Generator().manual_seed(9)
    found = []
    for _ in range(count):
        problem = _draw(generator)
        losses = torch.tensor(problem.run(problem.rates.tolist())[0])
        tried = problem.rates[torch.linspace(0, RATES - 1, TRIED + 2).long()[1:-1]].tolist()
        loss, rate = min((problem.train(rate), rate) for rate in tried)
        found.append((problem, losses, rate, loss))
    return tuple(found)
