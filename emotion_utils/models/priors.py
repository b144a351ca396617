"""How common each class is taken to be: what a network learnt of that, and how its probabilities change without it.

A probability joins two things: what the image shows, and how common the class was where the network learnt. The second
is right for images of the same mix and wrong for others. It can be divided out afterwards; nothing is learnt anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import brief, listed
from emotion_utils.models.arguments import check_frequencies
from emotion_utils.models.classes import match_classes
from emotion_utils.models.facts import facts_of
from emotion_utils.tensors import as_tensor

EQUAL, LEARNT = "equal", "learnt"
Frequencies = str | Mapping[str, float]  # "equal", "learnt", or a share for the name of each class
Change = tuple[tuple[float, ...], tuple[float, ...]]  # how common each class was, and is to be


def adjust_priors(probabilities: Tensor, learnt: Sequence[float], expected: str | Sequence[float] = EQUAL) -> Tensor:
    """Say what probabilities would be if classes were as common as `expected`, and not as where a network learnt.

    By Bayes' rule each is divided by how common its class was (its prior) and multiplied by how common it is now; then
    each row is made to add up to 1 again. Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to
    new a priori probabilities", Neural Computation 14 (2002); with logits, Menon et al., "Long-tail learning via logit
    adjustment", ICLR 2021 (arXiv 2007.07314). It is right as far as the probabilities are, and where images of one
    class look alike in both places.

    Args:
        probabilities: `(N, C)`, each row adding up to 1.
        learnt: how common each class was in training, `(C,)`, all above 0: shares or counts.
        expected: how common each class is now, `(C,)`: shares or counts; "equal": all the same.

    Returns:
        float32 `(N, C)` on the device of `probabilities`.

    Raises:
        TypeError: no numbers.
        ValueError: rows that are no probabilities, or have none left; another number of shares; a share that is
            negative, not finite or, in `learnt`, 0.
    """
    rows = _check_probabilities(probabilities)  # (N, C) float64
    learnt = check_frequencies(rows.shape[1], learnt=learnt)
    if 0 in learnt:
        raise ValueError(
            f"learnt[{learnt.index(0)}]=0: a class that never came cannot be made more common. Leave its column out."
        )
    if isinstance(expected, str):
        if expected != EQUAL:
            raise ValueError(f"expected={brief(expected)}: choose {EQUAL!r}, or give a share for each class.")
        expected = (1.0,) * len(learnt)
    expected = check_frequencies(len(learnt), expected=expected)
    adjusted = rows * (rows.new_tensor(expected) / rows.new_tensor(learnt))
    totals = adjusted.sum(1, keepdim=True)
    if (totals == 0).any():
        row = int((totals[:, 0] == 0).nonzero()[0])
        raise ValueError(f"probabilities, row {row}: all it holds is for classes that are expected never to come.")
    return (adjusted / totals).to(torch.float32)


def prior_change(model: nn.Module, frequencies: Frequencies = EQUAL) -> Change | None:
    """Give how common each class was and is to be, for `adjust_priors`; None: leave probabilities as they are.

    Args:
        model: the network whose probabilities they are.
        frequencies: "learnt" changes nothing. "equal" takes the classes for equally common, and changes nothing where
            the network does not know how common they were, or one of them never came. A mapping gives the share of each
            class by its name, whatever their sum.

    Raises:
        ValueError: something else, names that are not the network's classes, or a mapping for a network that does not
            know how common they were.
    """
    if isinstance(frequencies, str) and frequencies == LEARNT:
        return None
    known = facts_of(model)
    usable = known.frequencies is not None and 0 not in known.frequencies
    if isinstance(frequencies, str) and frequencies == EQUAL:
        count = len(known.classes or ())
        return (known.frequencies, (1 / count,) * count) if usable else None
    if not isinstance(frequencies, Mapping):
        raise ValueError(
            f"frequencies={brief(frequencies)}: choose {EQUAL!r} or {LEARNT!r}, or give a share for each class by its "
            f"name, such as {{'happy': 0.4, …}}."
        )
    if not usable:
        lacks = "does not know how common its classes were in training" if known.frequencies is None else (
            f"never learnt {brief(known.classes[known.frequencies.index(0)])}"
        )  # fmt: skip
        raise ValueError(
            f"frequencies={brief(frequencies)}: the model {lacks}, so there is nothing to start from. Say how common "
            f"they were, set_facts(model, …, frequencies=…), or choose {LEARNT!r}."
        )
    return known.frequencies, _by_name(frequencies, known.classes)


def _by_name(frequencies: Mapping[str, float], classes: Sequence[str]) -> tuple[float, ...]:
    """Bring shares by name to the order of the classes."""
    names = tuple(frequencies)
    try:
        match = match_classes(names, classes)
    except ValueError as error:
        missing = [name for name in classes if name not in names]
        raise ValueError(
            f"frequencies of {listed([str(name) for name in names], 8, 100) or 'nothing'}: give one for each of "
            f"{listed(classes, 8, 100)}, and no others (missing: {listed(missing, 4, 60) or 'none'})."
        ) from error
    values = list(frequencies.values())
    values = values if match.order is None else [values[place] for place in match.order.tolist()]
    return check_frequencies(len(classes), frequencies=values)


def _check_probabilities(probabilities: Any) -> Tensor:
    """Return probabilities `(N, C)` in double precision."""
    rows = as_tensor(probabilities, "probabilities")
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise ValueError(f"probabilities have shape {tuple(rows.shape)}: give (N, C), a row for each image.")
    rows = rows.double() if rows.device.type != "mps" else rows.float()  # which has no double precision
    bad = ~((rows >= 0).all(1) & ((rows.sum(1) - 1).abs() < 1e-2))  # NaN and infinity fail both
    if bad.any():
        row = int(bad.nonzero()[0])
        shown = brief([round(value, 4) for value in rows[row].tolist()])
        raise ValueError(f"probabilities, row {row}: {shown}; give numbers from 0 on that add up to 1.")
    return rows
