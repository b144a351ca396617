"""Typical mistakes in the exercises of notebook 04, told by the numbers that they give, and a hint for each."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

MEAN = "Each face has a price; the loss is their mean."
OVERFLOW = "exp(1000) is infinite. What did `cross_entropy` of section 1 do to the logits first?"
CUT = "`.item()`, `.detach()`, `float(…)` and `torch.tensor(…)` leave autograd's record."


def count_hint(got: int, faces: int, batch_size: int, epochs: int, drop_last: bool) -> str | None:
    """Tell a typical miscount by its number."""
    across = (faces * epochs // batch_size, math.ceil(faces * epochs / batch_size))
    if batch_size > faces and drop_last:
        return "Here no batch is ever full. What is left of an epoch when short batches are left out?"
    if got in (faces // batch_size, math.ceil(faces / batch_size)) and epochs > 1:
        return "That is the count of a single epoch."
    if got == epochs * (faces // batch_size + 1) and faces % batch_size == 0:
        return "When the batches come out even, no face is left over, so there is no short batch."
    if got == epochs * (faces // batch_size):
        return "A short last batch is a batch too, unless drop_last is set."
    if got == epochs * math.ceil(faces / batch_size):
        return "With drop_last, the faces left over at the end of an epoch make no update."
    if got in across:
        return "Every epoch starts a fresh pass: faces left over are not carried into the next epoch."
    return None


def loss_hint(got: float, logits: Tensor, labels: Tensor, smoothing: float) -> str | None:
    """Tell a typical mistake by the loss that it gives."""
    log_p = logits.log_softmax(1)
    hard, classes = -log_p[torch.arange(len(labels)), labels], logits.shape[1]
    others = -(log_p.sum(1) + hard) / (classes - 1)
    spread = (1 - smoothing) * hard - smoothing * log_p.mean(1)
    typical = {
        "Your loss is plain cross-entropy: where does `smoothing` come in?": hard.mean(),
        "Your loss gives the share `smoothing` to the other classes alone; it is spread over *all* of them.": (
            ((1 - smoothing) * hard + smoothing * others).mean()
        ),
        MEAN: spread.sum(),
    }
    for hint, value in typical.items():
        if math.isclose(got, float(value), rel_tol=1e-4, abs_tol=1e-5):
            return hint
    return None


def shape_hint(name: str) -> str:
    if name == "bias":
        return "Every face has the same bias, so the blame of all the faces adds up in it."
    return "In a product, the inner sizes meet: which of the two factors has to be transposed?"


def gradient_hint(name: str, mine: Tensor, right: Tensor, faces: int) -> str | None:
    """Tell a typical mistake by what it does to one gradient; the last layer is looked at first."""
    for factor, hint in (
        (-1, "It is the right one with the wrong sign: the gradient points uphill, and the step takes the minus."),
        (faces, "It is too long by the number of faces: the loss is a mean over them. Divide once."),
        (1 / faces, "It is too short by the number of faces: `cross_entropy_gradient` has divided already."),
    ):
        if (faces > 1 or factor < 0) and torch.allclose(mine.to(right.dtype), factor * right, rtol=1e-3, atol=1e-5):
            return hint
    if name == "second":
        return "Only the blame of the logits and the hidden units meet here, and the hidden units are those after tanh."
    return (
        "The gradient by second is right, so the mistake lies between: is the blame carried through the weights "
        "`second` first, then multiplied by the slope of tanh, taken at the hidden units?"
    )


def adam_hint(name: str, mine: Tensor, right: Tensor, before: Tensor, step: int) -> str | None:
    """Tell what is wrong with the memory or weight `name` after a step from the weight `before`."""
    if name != "weight":
        hat = right / (1 - (0.9 if name == "mean" else 0.999) ** step)
        if torch.allclose(mine.to(hat.dtype), hat, rtol=1e-3):
            return f"At the first step {name} must be a small share of what came. The hats serve the step alone."
        return f"Compare your line for {name} with its formula: which share of the old one stays, and what is added?"
    if torch.allclose(mine.to(right.dtype), 2 * before - right, rtol=1e-3, atol=1e-6):
        return "Your step has the right length and goes uphill."
    return (
        "Both memories are right, so the mistake is in the step: do the hats use this step's number, counted from 1, "
        "does the root cover the corrected square alone, and does 1e-8 come after the root?"
    )


def stopping_point(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Walk through the losses as a training would: the best epoch so far, and the last epoch trained."""
    best, last = 0, 0
    for last, loss in enumerate(losses):  # `last` is the answer, also after the loop
        if loss < losses[best]:
            best = last
        if last - best >= patience:
            break
    return best, last


def stopping_hint(got: tuple[int, int], losses: Sequence[float], patience: int) -> str | None:
    """Tell a typical mistake by where it stops."""
    (best, last), (right_best, right_last) = got, stopping_point(losses, patience)
    if best != last and (last, best) == (right_best, right_last):
        return "Both epochs are right, and they have changed places."
    if best > last or (last == right_last and best > right_last):
        return "Training can't look past the epoch at which it stops: what comes later was never trained."
    if last == right_last:
        return "Among equal losses the first counts: an equal loss is no improvement."
    ties = any(losses[epoch] == losses[right_best] for epoch in range(right_best + 1, min(last, len(losses) - 1) + 1))
    if last > right_last and ties and best != right_best:
        return "An equal loss is no improvement, so it does not start the count anew."
    if last > right_last and (best, last) == stopping_point(losses, patience + 1):
        return "Stop *after* the epoch that uses up the patience: count how many epochs have brought nothing better."
    if last > right_last:
        return "Compare each epoch with the best one so far, not with the one before."
    return "Patience counts the epochs in a row since the best one: an improvement starts the count anew."
