"""Checks for notebook 04: smoothed loss, gradients, Adam, counting, averaging, rates, early stopping, checkpoints."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from emotion_utils.checks import check, is_list, number, require, unfinished, whole
from emotion_utils.checks.answers import as_written, without
from emotion_utils.checks.range_tests import START, range_tests
from emotion_utils.checks.resuming import HINTS, some_steps, start
from emotion_utils.checks.training_mistakes import (
    CUT,
    MEAN,
    OVERFLOW,
    adam_hint,
    count_hint,
    gradient_hint,
    loss_hint,
    shape_hint,
    stopping_hint,
    stopping_point,
)

# PyTorch loads much with the first optimiser of a process, some seconds long; no check's clock may run meanwhile.
torch.optim.SGD([torch.zeros(1)], lr=1.0)


@check(hints=("Count the batches of one epoch first, on paper, for 10 faces in batches of 4. Then with drop_last.",))
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
        hint = count_hint(got, faces, batch_size, epochs, drop_last)
        require(got == truth, f"for {case} your count is too {'large' if got > truth else 'small'}", hint)


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
        means = [float(v.mean()) for v in values]
        hint = None
        if abs(got - sum(means) / count) < 1e-5:
            hint = (
                "Each of your batches weighs the same, whatever its size. A face in a short batch then counts for more."
            )
        elif abs(got - sum(means)) < 1e-5 or abs(got - sum(float(v.sum()) for v in values)) < 1e-3:
            hint = "That is a sum. How many faces does it run over?"
        told = f"with batches of {sizes} your mean is too {'large' if got > truth else 'small'}"
        require(abs(got - truth) < 1e-5, told, hint)


@check(
    hints=(
        "Write the target of one face as a row of numbers: every row sums to 1. Which class gets what?",
        "Try smoothing=0 first and compare with `cross_entropy` of section 1; then two classes and smoothing=0.5.",
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
        with without("cross_entropy", "cross_entropy_loss", "nll_loss", "nll_loss_nd", "kl_div"):
            got = unfinished(answer(logits, labels, smoothing))
        case = f"{faces} face(s), {classes} classes, smoothing {smoothing:.2f}, logits of size {scale:g}"
        require(isinstance(got, Tensor), f"the loss should be a tensor, so that autograd can follow; got {type(got)}")
        require(got.ndim == 0, f"the loss should be one number, and its shape is {tuple(got.shape)}", MEAN)
        require(bool(torch.isfinite(got)), f"for {case} your loss is {got.item()}", OVERFLOW)
        require(
            torch.allclose(got.to(truth.dtype), truth, rtol=1e-4, atol=1e-5),
            f"for {case} your loss is too {'large' if got.item() > truth.item() else 'small'}",
            loss_hint(got.item(), logits.detach(), labels, smoothing),
        )
        require(got.requires_grad, "your loss has lost its connection to the logits, so autograd can't follow", CUT)
        mine, theirs = (
            torch.autograd.grad(loss, logits, retain_graph=True, allow_unused=True)[0] for loss in (got, truth)
        )
        close = mine is not None and torch.allclose(mine, theirs, rtol=1e-3, atol=1e-5)
        require(
            close, f"for {case} the gradient of your loss by the logits is {'off' if mine is not None else 'none'}", CUT
        )


@check(
    hints=(
        "Print the shapes on the way back: each gradient has the shape of its weights. Then compare one at a time.",
        "Follow the table of section 3 from the last line to the first, with another slope and one row more.",
    )
)
def tanh_gradients(answer: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
    """Check `answer(images, labels, first, bias, second)` against autograd: the gradients by first, bias and second."""
    generator = torch.Generator().manual_seed(11)
    for faces, inputs, hidden, classes in ((5, 4, 3, 2), (1, 6, 2, 7), (12, 3, 8, 5)):
        images = torch.randn(faces, inputs, generator=generator)
        labels = torch.randint(classes, (faces,), generator=generator)
        shapes = ((inputs, hidden), (hidden,), (hidden, classes))
        weights = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
        units = (images @ weights[0] + weights[1]).tanh()
        loss = functional.cross_entropy(units @ weights[2], labels)
        truth = dict(zip(("first", "bias", "second"), torch.autograd.grad(loss, weights), strict=True))
        # Autograd can't do the exercise here, nor can the functions that differentiate for it.
        with torch.inference_mode(), without("torch.func", "grad", "backward"):
            given = [tensor.detach().clone() for tensor in (images, labels, *weights)]
            result = unfinished(answer(*given))
        case = f"with {faces} face(s) of {inputs} pixels, {hidden} hidden units and {classes} classes"
        require(
            isinstance(result, list | tuple) and len(result) == 3,
            "your function should return three gradients: by first, by bias and by second",
        )
        for (name, right), mine in zip(reversed(truth.items()), reversed(result), strict=True):
            require(isinstance(mine, Tensor), f"the gradient by {name} should be a tensor, not {type(mine).__name__}")
            told = f"{case}, your gradient by {name} has shape {tuple(mine.shape)}, and {name} has {tuple(right.shape)}"
            require(mine.shape == right.shape, told, shape_hint(name))
            close = torch.allclose(mine.to(right.dtype), right, rtol=1e-3, atol=1e-5)
            require(close, f"{case}, your gradient by {name} is off", gradient_hint(name, mine, right, faces))


@check(
    hints=(
        "Print all three results after step 1 and after step 2. Which is the first to go wrong?",
        "Write each formula on a line of its own, in the order of the text, and give the hats names of their own.",
    ),
    in_place=True,
)
def adam_step(answer: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
    """Check `answer(weight, gradient, mean, square, step, learning_rate)` against Adam, step by step.

    It should return `(weight, mean, square)`; working in place is fine too. Tiny gradients tell where the 1e-8 goes.
    """
    generator = torch.Generator().manual_seed(7)
    for learning_rate, size in ((0.1, 1.0), (0.001, 1.0), (0.3, 10.0), (0.1, 1e-6), (0.1, 1e-8)):
        weight = torch.randn(3, 2, generator=generator)
        mean, square = torch.zeros(3, 2), torch.zeros(3, 2)
        truth = (weight, mean, square)
        for step in range(1, 6):
            gradient = size * torch.randn(3, 2, generator=generator)
            before, truth = truth[0], torch_adam(*truth, gradient, step, learning_rate)
            given = (weight.clone(), gradient.clone(), mean.clone(), square.clone())
            result = unfinished(answer(*given, step, learning_rate))
            require(
                isinstance(result, list | tuple) and len(result) == 3,
                "your function should return three things: weight, mean and square",
            )
            weight, mean, square = result
            case = f"at step {step}, with learning rate {learning_rate} and gradients of size {size:g}"
            for name, mine, right in (
                ("mean", mean, truth[1]),
                ("square", square, truth[2]),
                ("weight", weight, truth[0]),
            ):
                require(isinstance(mine, Tensor), f"{name} should be a tensor, not {type(mine).__name__}")
                require(mine.shape == right.shape, f"{name} has shape {tuple(mine.shape)}, not the weight's")
                scale = float(right.abs().max()) if name != "weight" else 1.0
                require(
                    torch.allclose(mine.detach().to(right.dtype), right, rtol=1e-3, atol=1e-4 * scale),
                    f"{case}, your {name} leaves the path of torch.optim.Adam",
                    adam_hint(name, mine.detach(), right, before, step),
                )


def torch_adam(
    weight: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, step: int, learning_rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Take the step that `torch.optim.Adam` takes (a test compares them): its first use loads much, and waits long."""
    mean, square = torch.lerp(mean, gradient, 0.1), torch.lerp(square, gradient.square(), 0.001)
    root = square.sqrt() / math.sqrt(1 - 0.999**step) + 1e-8
    return weight - learning_rate / (1 - 0.9**step) * mean / root, mean, square


@check(hints=("Walk through the list of the message on paper, epoch by epoch: best so far, epochs since then.",))
def early_stop(answer: Callable[[list[float], int], tuple[int, int]]) -> None:
    """Check `answer(val_losses, patience) -> (best_epoch, last_epoch)` on random curves, ties included."""
    generator = torch.Generator().manual_seed(8)
    for trial in range(60):
        epochs = int(torch.randint(1, 15, (), generator=generator))
        steps = torch.randint(5, 20, (epochs,), generator=generator)  # few different values, so that ties occur
        losses = [round(float(step) / 10, 1) for step in steps]
        patience = 1 + trial % 4
        truth = stopping_point(losses, patience)
        got = unfinished(answer(list(losses), patience))
        case = f"losses {losses} with patience {patience}"
        require(is_list(got, 2), "your function should return two epochs")
        best, last = (whole(epoch, "each epoch") for epoch in got)
        hint = stopping_hint((best, last), losses, patience)
        require(last == truth[1], f"for {case} your training stops too {'late' if last > truth[1] else 'early'}", hint)
        require(best == truth[0], f"for {case} your best epoch is not the first epoch with the lowest loss seen", hint)


ENOUGH = 0.7  # of the way that the loss can fall


@check(
    hints=(
        "Draw the curve of the range test with your pick in it. Does the loss fall there?",
        "Print rates and losses of one curve to the end. Are all of them numbers that can be compared?",
    )
)
def pick_rate(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Check `answer(rates, losses) -> rate` by training: eight small networks, each with a range test of its own.

    A training at the rate must get at least 70 % of the way down that the best of nine rates gets in as many steps.
    """
    tests = range_tests()
    with torch.no_grad():
        for curve, (problem, losses, best_rate, lowest) in enumerate(tests, start=1):
            rate = number(answer(problem.rates, losses), "the rate")
            case = f"on range test {curve} of {len(tests)} your rate is {rate:.2g}"
            require(math.isfinite(rate) and rate > 0, case, "Some losses are infinite or nan: leave those out.")
            loss = problem.train(rate)
            way = (START - loss) / (START - lowest)
            got = f"a training at it got to a loss of {loss:.2f}, from {START:.2f}, where {lowest:.2f} can be reached"
            hint = (
                "Your rate is too high. The lowest point of the curve is already the edge; single losses are noisy, "
                "so smooth them over a few neighbours on both sides before you look for a minimum or a slope."
                if rate > best_rate
                else "Your rate is too low: steps at it are safe, but too short. Where does the loss fall fastest?"
            )
            require(way >= ENOUGH, f"{case}, and {got}", hint)


@check(
    hints=(
        "Print what `pack` returns before and after one more step of training. What has changed, and what is missing?",
    )
)
def checkpoint(pack: Callable[..., Any], unpack: Callable[..., int]) -> None:
    """Check `pack(model, optimizer, epoch) -> state` and `unpack(state, model, optimizer) -> epoch`.

    A run that is packed, goes on, and is then unpacked into a fresh network must end where the unbroken run ends.
    """
    generator = torch.Generator().manual_seed(10)
    batches = [(torch.randn(5, 6, generator=generator), torch.randint(3, (5,), generator=generator)) for _ in range(12)]
    for epoch, before in ((3, 4), (7, 1), (11, 8)):
        model, optimizer = start(epoch)
        some_steps(model, optimizer, batches[:before])
        state = as_written(pack)(model, optimizer, epoch)
        # Not `unfinished(state)`: an optimiser's state holds a None here and there, which is no stub.
        parts = state.values() if isinstance(state, dict) else [state]
        for part in parts:
            if part is None or part is ...:
                unfinished(part, "pack")
        at_pack = copy.deepcopy(model.state_dict())
        some_steps(model, optimizer, batches[before:])  # the first run goes on after it was packed

        fresh, fresh_optimizer = start(epoch + 100)
        back = number(unpack(state, fresh, fresh_optimizer), "the epoch")
        restored = fresh.state_dict()
        for name, value in at_pack.items():
            kind = "running average" if "running" in name or "num_batches" in name else "parameter"
            require(
                torch.equal(restored[name], value),
                f"right after unpacking, the {kind} {name} differs from what it was when you packed it",
                HINTS[kind],
            )
        require(back == epoch, f"the epoch went in as {epoch} and came out as {back:g}")
        some_steps(fresh, fresh_optimizer, batches[before:])
        for (name, a), b in zip(model.state_dict().items(), fresh.state_dict().values(), strict=True):
            told = f"the network starts right but then leaves the unbroken run: {name} differs"
            require(torch.equal(a, b), told, HINTS["path"])
