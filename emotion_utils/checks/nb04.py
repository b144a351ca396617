"""Checks for notebook 04: counting updates, averaging, smoothed loss, Adam, early stopping, rates, checkpoints."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion_utils.checks import check, number, require, unfinished, whole


@check(
    hints=(
        "Count one epoch first. What happens to the faces that are left over when the batches are full?",
        "A short last batch is a batch too, unless drop_last is set. And every epoch starts a fresh pass.",
    )
)
def count_updates(answer: Callable[[int, int, int, bool], int]) -> None:
    """Check `answer(faces, batch_size, epochs, drop_last) -> int` against a count over a real loader."""
    generator = torch.Generator().manual_seed(4)
    for trial in range(24):
        faces = int(torch.randint(1, 400, (), generator=generator))
        batch_size = faces if trial % 6 > 3 else int(torch.randint(1, 64, (), generator=generator))
        if trial > 21:
            batch_size = faces + 1  # no batch is ever full
        epochs = int(torch.randint(1, 5, (), generator=generator))
        drop_last = trial % 2 == 1
        loader = torch.utils.data.DataLoader(range(faces), batch_size=batch_size, drop_last=drop_last)
        truth = sum(1 for _ in range(epochs) for _ in loader)
        got = whole(answer(faces, batch_size, epochs, drop_last), "the count")
        case = f"{faces} faces in batches of {batch_size}, {epochs} epoch(s), drop_last={drop_last}"
        require(got == truth, f"for {case} your count is too {'large' if got > truth else 'small'}")


@check(
    hints=(
        "A batch of 4 faces and a batch of 64 faces should not weigh the same. What is the average over the faces?",
        "The mean of a batch times its size gives back the sum over its faces. Sums may be added.",
    )
)
def epoch_mean(answer: Callable[[list[float], list[int]], float]) -> None:
    """Check `answer(batch_means, batch_sizes) -> float` against the mean over all single values."""
    generator = torch.Generator().manual_seed(5)
    for trial in range(12):
        count = int(torch.randint(1, 6, (), generator=generator))
        sizes = [64] * count if trial == 0 else torch.randint(1, 65, (count,), generator=generator).tolist()
        values = [3 * torch.rand(size, generator=generator) for size in sizes]
        truth = float(torch.cat(values).mean())
        got = number(answer([float(v.mean()) for v in values], list(sizes)), "the mean")
        require(
            abs(got - truth) < 1e-5,
            f"with batches of {sizes} your mean is too {'large' if got > truth else 'small'}",
        )


@check(
    hints=(
        "Write the target as a distribution over the classes: every row sums to 1. Which class gets what?",
        "The share `smoothing` is spread evenly over all classes, the right one included.",
        "Take the logarithm of the softmax in one step (largest logit first), so that nothing overflows.",
    )
)
def smoothed_cross_entropy(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `answer(logits, labels, smoothing) -> scalar` on random logits, large logits, and its gradient."""
    generator = torch.Generator().manual_seed(6)
    for trial in range(16):
        faces, classes = (int(torch.randint(low, 9, (), generator=generator)) for low in (1, 2))
        scale = (1.0, 4.0, 1000.0)[trial % 3]
        smoothing = 0.0 if trial < 3 else float(torch.rand((), generator=generator)) * 0.9
        logits = (scale * torch.randn(faces, classes, generator=generator)).requires_grad_()
        labels = torch.randint(classes, (faces,), generator=generator)
        truth = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        got = unfinished(answer(logits, labels, smoothing))
        case = f"{faces} face(s), {classes} classes, smoothing {smoothing:.2f}, logits of size {scale:g}"
        require(isinstance(got, Tensor), f"the loss should be a tensor, so that autograd can follow; got {type(got)}")
        require(got.ndim == 0, f"the loss should be one number, and its shape is {tuple(got.shape)}")
        require(bool(torch.isfinite(got)), f"for {case} your loss is {got.item()}")
        require(
            torch.allclose(got.to(truth.dtype), truth, rtol=1e-4, atol=1e-5),
            f"for {case} your loss is too {'large' if got.item() > truth.item() else 'small'}",
        )
        require(got.requires_grad, "your loss has lost its connection to the logits, so autograd can't follow")
        mine, theirs = (torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (got, truth))
        require(torch.allclose(mine, theirs, rtol=1e-3, atol=1e-5), f"for {case} the gradient of your loss is off")


@check(
    hints=(
        "Print all three results after step 1 and after step 2. Which is the first to go wrong?",
        "The hats are for this step alone: what you return as memory has none. Steps count from 1.",
        "Look at the denominator: the square root covers the corrected square alone, and the 1e-8 comes after it.",
    )
)
def adam_step(answer: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
    """Check `answer(weight, gradient, mean, square, step, learning_rate)` against `torch.optim.Adam`, step by step.

    It should return `(weight, mean, square)`; working in place is fine too. Tiny gradients tell where the 1e-8 goes.
    """
    generator = torch.Generator().manual_seed(7)
    for learning_rate, size in ((0.1, 1.0), (0.001, 1.0), (0.3, 10.0), (0.1, 1e-6), (0.1, 1e-8)):
        theirs = nn.Parameter(torch.randn(3, 2, generator=generator))
        weight, mean, square = theirs.detach().clone(), torch.zeros(3, 2), torch.zeros(3, 2)
        optimizer = torch.optim.Adam([theirs], lr=learning_rate, foreach=False)
        for step in range(1, 6):
            gradient = size * torch.randn(3, 2, generator=generator)
            theirs.grad = gradient.clone()
            optimizer.step()
            result = unfinished(answer(weight, gradient, mean, square, step, learning_rate))
            require(
                isinstance(result, list | tuple) and len(result) == 3,
                "your function should return three things: weight, mean and square",
            )
            weight, mean, square = result
            case = f"at step {step}, with learning rate {learning_rate} and gradients of size {size:g}"
            memory = optimizer.state[theirs]
            wanted = (theirs.detach(), memory["exp_avg"], memory["exp_avg_sq"])
            for name, mine, right in zip(("weight", "mean", "square"), result, wanted, strict=True):
                require(isinstance(mine, Tensor), f"{name} should be a tensor, not {type(mine).__name__}")
                require(mine.shape == right.shape, f"{name} has shape {tuple(mine.shape)}, not the weight's")
                scale = float(right.abs().max()) if name != "weight" else 1.0
                require(
                    torch.allclose(mine.detach().to(right.dtype), right, rtol=1e-3, atol=1e-4 * scale),
                    f"{case}, your {name} leaves the path of torch.optim.Adam",
                )


def _stopping_point(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Walk through the losses as a training would: the best epoch so far, and the last epoch trained."""
    best, last = 0, 0
    for last, loss in enumerate(losses):  # `last` is the answer, also after the loop
        if loss < losses[best]:
            best = last
        if last - best >= patience:
            break
    return best, last


@check(
    hints=(
        "Compare each epoch with the best one so far, not with the one before.",
        "Training can't look past the epoch at which it stops: what comes later was never trained.",
        "Patience counts the epochs in a row since the best one. An equal loss is no improvement.",
    )
)
def early_stop(answer: Callable[[list[float], int], tuple[int, int]]) -> None:
    """Check `answer(val_losses, patience) -> (best_epoch, last_epoch)` on random curves, ties included."""
    generator = torch.Generator().manual_seed(8)
    for trial in range(60):
        epochs = int(torch.randint(1, 15, (), generator=generator))
        steps = torch.randint(5, 20, (epochs,), generator=generator)  # few different values, so that ties occur
        losses = [round(float(step) / 10, 1) for step in steps]
        patience = 1 + trial % 4
        truth = _stopping_point(losses, patience)
        got = unfinished(answer(list(losses), patience))
        case = f"losses {losses} with patience {patience}"
        require(hasattr(got, "__len__") and len(got) == 2, "your function should return two epochs")
        best, last = (whole(epoch, "each epoch") for epoch in got)
        require(last == truth[1], f"for {case} your training stops too {'late' if last > truth[1] else 'early'}")
        require(best == truth[0], f"for {case} your best epoch is not the first epoch with the lowest loss seen")


def _range_curve(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw one range test: rates (100,), losses without noise and with it; some end in infinity or NaN."""
    position = torch.linspace(-5, 1, 100)
    draw = torch.rand(7, generator=generator)
    middle = -3.8 + 2 * draw[0]
    fall = 1.9 - (0.5 + 0.7 * draw[1]) * torch.sigmoid((2.5 + 1.5 * draw[2]) * (position - middle))
    clean = fall + torch.exp((4 + 3 * draw[3]) * (position - (middle + 1.9 + 0.5 * draw[4]))) * 0.3
    noisy = clean + 0.05 * torch.randn(100, generator=generator)
    if draw[5] < 0.5:
        noisy = torch.where(clean > 6, torch.tensor(math.inf if draw[5] < 0.25 else math.nan), noisy)
    # Each network has rates of its own, so that no fixed rate and no fixed place in the list fits them all.
    return 10 ** (position + 2 * draw[6] - 1), clean, noisy


@check(
    hints=(
        "Draw one of your picks into the curve. Is the loss falling there, or has it just begun to climb?",
        "Single losses are noisy: smooth them over a few neighbours on both sides, then look for a minimum or a slope.",
        "The lowest point is already the edge. Losses may also be infinite or not a number: leave those out.",
    )
)
def pick_rate(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Check `answer(rates, losses) -> rate`: on random range tests it must lie where the loss falls, off the edge.

    Many rules pass: the rate should be high enough that a tenth of the fall is done, and at most half of the rate
    at which the noise-free loss is lowest.
    """
    generator = torch.Generator().manual_seed(9)
    for curve in range(1, 31):
        rates, clean, noisy = _range_curve(generator)
        lowest = int(clean.argmin())
        fall = float(clean[0] - clean[lowest])
        smallest = float(rates[int((clean[0] - clean > 0.1 * fall).nonzero()[0])])
        rate = number(answer(rates.clone(), noisy.clone()), "the rate")
        require(math.isfinite(rate) and rate > 0, f"on random curve {curve} of 30 your rate is {rate}")
        require(rate >= smallest, f"on random curve {curve} of 30 your rate is so low that the loss hardly falls")
        require(
            rate <= float(rates[lowest]) / 2,
            f"on random curve {curve} of 30 your rate is at or past the edge, where the loss stops falling",
        )


def _start(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small network with batch norm, and an optimiser with momentum."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def _some_steps(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    for inputs, labels in batches:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@check(
    hints=(
        "What does the optimiser know that the network does not? Look at optimizer.state_dict().",
        "A batch norm keeps running averages, which are no parameters. state_dict() holds them too.",
        "state_dict() hands out the live tensors. If training goes on, they change. What could you store instead?",
    )
)
def checkpoint(pack: Callable[..., Any], unpack: Callable[..., int]) -> None:
    """Check `pack(model, optimizer, epoch) -> state` and `unpack(state, model, optimizer) -> epoch`.

    A run that is packed, goes on, and is then unpacked into a fresh network must end where the unbroken run ends.
    """
    generator = torch.Generator().manual_seed(10)
    batches = [(torch.randn(5, 6, generator=generator), torch.randint(3, (5,), generator=generator)) for _ in range(12)]
    for epoch, before in ((3, 4), (7, 1), (11, 8)):
        model, optimizer = _start(epoch)
        _some_steps(model, optimizer, batches[:before])
        state = pack(model, optimizer, epoch)
        # Not `unfinished(state)`: an optimiser's state holds a None here and there, which is no stub.
        parts = state.values() if isinstance(state, dict) else [state]
        if any(part is None or part is ... for part in parts):
            unfinished(None)
        at_pack = copy.deepcopy(model.state_dict())
        _some_steps(model, optimizer, batches[before:])  # the first run goes on after it was packed

        fresh, fresh_optimizer = _start(epoch + 100)
        back = number(unpack(state, fresh, fresh_optimizer), "the epoch")
        restored = fresh.state_dict()
        for name, value in at_pack.items():
            kind = "running average" if "running" in name or "num_batches" in name else "parameter"
            require(
                torch.equal(restored[name], value),
                f"right after unpacking, the {kind} {name} differs from what it was when you packed it",
            )
        require(back == epoch, f"the epoch went in as {epoch} and came out as {back:g}")
        _some_steps(fresh, fresh_optimizer, batches[before:])
        for (name, a), b in zip(model.state_dict().items(), fresh.state_dict().values(), strict=True):
            require(torch.equal(a, b), f"the network starts right but then leaves the unbroken run: {name} differs")
