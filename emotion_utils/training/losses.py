"""What a run may learn from instead of cross-entropy: any `nn.Module` or function, told apart by what it takes.

Two forms are taken. A function of `(logits, labels)`, such as `nn.CrossEntropyLoss(weight=…)`, gives one number, the
mean over the batch, or one loss per image, `(B,)`. A function of `(logits, labels, index)` is also told which images of
the training set they are, and gives one loss per image.
"""

import copy
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.errors import brief, one_line, reason
from emotion_utils.models.handling import unwrap, warn
from emotion_utils.training.identity import identity_of

Loss = nn.Module | Callable[..., Tensor]
FORMS = "give a function of (logits, labels), or of (logits, labels, index)"


class CheckedLoss:
    """A loss that was given to `train`; what it returns is checked whenever it is called.

    Args:
        loss: an `nn.Module` or a function. Its required arguments tell the two forms apart: two of them are `(logits,
            labels)`, a third is the index. An optional third argument is the index if it is called so, and `*arguments`
            take it as well.
        device: where the logits will lie; a module with tensors elsewhere is copied there.
        world_size: how many processes share a batch.

    Raises:
        TypeError: no loss, or one that takes other arguments.
        ValueError: a module with parameters, which nobody would train.
    """

    def __init__(self, loss: Loss, device: torch.device, world_size: int = 1) -> None:
        self.name, self.takes_index, self.world_size = _shown(loss), _takes_index(loss), world_size
        if isinstance(loss, nn.Module) and any(parameter.requires_grad for parameter in loss.parameters()):
            raise ValueError(
                f"loss={self.name}: it has parameters, and train() would not train them. Put them into the model, or "
                "freeze them: loss.requires_grad_(False)."
            )
        self._function = _brought_to(loss, device)
        self._first = True
        self._begun = identity_of(self._function)

    def __call__(self, logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Give the loss of each image, `(B,)`, or their mean, `()`.

        Raises:
            TypeError: it returned no tensor.
            ValueError: a tensor of another shape, without a gradient, or (at the first call) not finite.
        """
        losses = self._call(logits.clone(), labels.clone(), index)  # it may work in place, and others count with them
        self._check(losses, len(logits))
        if self._first:
            self._check_first(losses, logits, labels)
            self._first = False
        return losses

    def state(self) -> dict[str, Any] | None:
        """Give what a loss that changes while it learns has come to: its buffers, and its identity; None for others.

        Some remember what the network said of each image, as early-learning regularisation does (Liu et al. 2020,
        arXiv:2007.00151).
        """
        if (identity := identity_of(self._function)) == self._begun:
            return None
        module = isinstance(self._function, nn.Module)
        return {"identity": identity, "buffers": self._function.state_dict() if module else {}}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Bring a loss to where it was at a checkpoint; warn where it remembers what a checkpoint does not hold."""
        if state is None:
            return
        if isinstance(self._function, nn.Module):
            self._function.load_state_dict(state["buffers"])
        if identity_of(self._function) != state["identity"] or self.world_size > 1:
            warn(
                f"loss={self.name}: it changed while it learnt, and a checkpoint holds only the buffers of an "
                "nn.Module, as the first process had them. The run goes on with the loss as it is now. If that "
                "matters, keep what it remembers by register_buffer."
            )

    def _call(self, logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        try:
            return self._function(logits, labels, index) if self.takes_index else self._function(logits, labels)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if not _is_of_torch(self._function):
                raise  # the traceback leads into the reader's own lines
            raise ValueError(
                f"loss={self.name}: it fails for logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: "
                f"{reason(error)}"
            ) from error

    def _check(self, losses: Any, count: int) -> None:
        if not isinstance(losses, Tensor):
            raise TypeError(
                f"loss={self.name}: it returned {brief(losses)}, no tensor. Return the loss without .item()."
            )
        shape, one_each = tuple(losses.shape), f"one loss per image, ({count},)"
        if shape == () and self.takes_index:
            raise ValueError(
                f"loss={self.name}: it returned one number for {count} images. A loss that takes the index gives "
                f"{one_each}: reduction='none'. To give a mean, leave the argument index out."
            )
        if shape == () and self.world_size > 1:
            raise ValueError(
                f"loss={self.name}: it returned one number, and {self.world_size} processes hold unequal parts of a "
                f"batch, whose mean that cannot give. Return {one_each}: reduction='none'."
            )
        if shape not in ((), (count,)):
            wanted = one_each if self.takes_index else f"{one_each}, or one number, their mean"
            raise ValueError(f"loss={self.name}: it returned shape {shape} for {count} images; give {wanted}.")
        if losses.is_complex():
            raise ValueError(f"loss={self.name}: it returned {losses.dtype}; give real numbers.")
        if torch.is_grad_enabled() and not losses.requires_grad:
            raise ValueError(
                f"loss={self.name}: what it returned has no gradient. Compute it from the logits, without detach(), "
                "item(), argmax() or no_grad()."
            )

    def _check_first(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Look once at what a mistake in the loss itself would show; later on, numbers may be the fault of steps."""
        values = losses.detach()
        if not values.isfinite().all() and logits.isfinite().all():
            wrong = values[~values.isfinite()].flatten()[0].item()
            raise ValueError(
                f"loss={self.name}: it is {wrong} for the first batch, of which all logits are finite. Look for the "
                "logarithm of 0 or a division by 0: log_softmax instead of log(softmax)."
            )
        if isinstance(self._function, nn.NLLLoss) and logits.detach().logsumexp(1).abs().max() > 1e-2:
            raise ValueError(
                f"loss={self.name}: it takes log-probabilities, and the model gives logits. Use nn.CrossEntropyLoss, "
                "or end the model in nn.LogSoftmax(1)."
            )
        if values.ndim == 0 and self._adds_up(values, logits.detach(), labels):
            raise ValueError(
                f"loss={self.name}: it adds up the losses of a batch, so that steps would grow with the batch. Return "
                "their mean (reduction='mean'), or one for each image (reduction='none')."
            )

    def _adds_up(self, once: Tensor, logits: Tensor, labels: Tensor) -> bool:
        """Say whether one number is a sum: for each image twice, a sum is twice as large, and a mean is the same."""
        try:  # a copy: its buffers take part in the backward pass that is to come, and it may count its calls
            function = copy.deepcopy(self._function)
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                twice = float(function(torch.cat([logits, logits]), torch.cat([labels, labels])))
        except Exception:  # it takes batches of one size only
            return False
        return float(once) != 0 and math.isclose(twice, 2 * float(once), rel_tol=1e-3)


def check_loss(loss: Loss | None, device: torch.device, world_size: int = 1) -> CheckedLoss | None:
    """Make a `CheckedLoss` of a loss; None stays None."""
    return None if loss is None else CheckedLoss(loss, device, world_size)


def _shown(loss: Any) -> str:
    return one_line(getattr(loss, "__name__", None) or _repr(loss), 60)


def _repr(loss: Any) -> str:
    return type(loss).__name__ if type(loss).__repr__ is object.__repr__ else " ".join(repr(loss).split())


def _takes_index(loss: Any) -> bool:
    """Say which of the two forms a loss has."""
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise TypeError(f"loss={loss.__name__}: that is the class. Build a loss first: {loss.__name__}().")
    if not callable(loss):
        raise TypeError(f"loss={brief(loss)}: {FORMS}, such as nn.CrossEntropyLoss(weight=…).")
    called = unwrap(loss).forward if isinstance(loss, nn.Module) else loss
    try:
        parameters = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):  # written in another language
        return False
    kinds = inspect.Parameter
    given = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    required = [p for p in given if p.default is kinds.empty]
    more = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    missing = [p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.default is kinds.empty]
    if len(required) > 3 or missing or (len(given) < 2 and not more):
        takes = ", ".join([p.name for p in given] + ["*…"] * more + missing) or "nothing"
        raise TypeError(f"loss={_shown(loss)}: it takes {brief(takes)}; {FORMS}.")
    optional_index = len(given) > 2 and given[2].name in ("index", "indices", "idx")
    return len(required) == 3 or optional_index or (more and len(required) != 2)


def _is_of_torch(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    named = type(function) if isinstance(function, nn.Module) else function
    return (getattr(named, "__module__", None) or "").startswith("torch.")


def _brought_to(loss: Loss, device: torch.device) -> Loss:
    """Copy a module whose tensors lie elsewhere; the one that was given stays where it is."""
    if not isinstance(loss, nn.Module):
        return loss
    tensors = [*loss.parameters(), *loss.buffers()]
    return loss if all(tensor.device == device for tensor in tensors) else copy.deepcopy(loss).to(device)


def cross_entropy_of_each(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Give the cross-entropy of each image, `(B,)`, in nats."""
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
