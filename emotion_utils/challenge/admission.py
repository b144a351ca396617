"""What is looked at before and after a race: how large the network is, what it has in reach, what it knows already."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from emotion_utils.challenge.holdings import Holdings, count_parameters, look_at
from emotion_utils.challenge.rulebook import BATCH_OF_TEST, RuleError, Rules
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import listed
from emotion_utils.models.classes import match_classes
from emotion_utils.models.inference import compute_logits


def check_parameters(model: nn.Module, rules: Rules) -> None:
    """Raise RuleError for a network that learns too many numbers."""
    count = count_parameters(model)
    if count > rules.parameters:
        parts = {name: each.numel() for name, each in model.named_parameters()}
        largest = max(parts, key=parts.__getitem__)
        raise RuleError(
            f"{count:,} parameters; {rules.parameters:,} are allowed. Most are in {largest} ({parts[largest]:,})"
        )


def check_holdings(model: nn.Module, helper: Any, rules: Rules) -> None:
    """Raise RuleError where a network, or what trains it, has faces, files or learnt numbers in reach."""
    found: Holdings = look_at(model, *([] if helper is None else [helper]))
    if found.faces:
        raise RuleError(
            f"a data set is in reach of the network or its training: {listed(found.faces)}. It learns from the faces "
            "that it is given, and from no others"
        )
    if found.brings:
        raise RuleError(
            f"the code names {listed(found.brings)}, which brings faces or weights from elsewhere. All that a network "
            "knows comes from this race"
        )
    total = sum(found.numbers.values())
    if total > rules.fixed:
        where = [f"{place} ({count:,})" for place, count in found.numbers.most_common(3) if count > 1]
        raise RuleError(
            f"{total:,} numbers are in reach that are not learnt here: {listed(where)}; {rules.fixed:,} are allowed. "
            "Make them parameters, or compute them in forward"
        )
    if found.too_many:
        raise RuleError("the network and its training hold more objects than can be looked through; tidy up")


def check_fresh(model: nn.Module, faces: FaceDataset, rules: Rules) -> None:
    """Raise RuleError for a network that recognises training faces before it was trained."""
    logits = compute_logits(model, faces, BATCH_OF_TEST).cpu()
    right = match_classes(model, faces).columns(logits).argmax(1) == faces.labels
    accuracy = float(right.double().mean())
    if accuracy >= rules.knows:
        raise RuleError(
            f"it recognises {accuracy:.0%} of the training faces before any training, where guessing gets "
            f"{1 / len(faces.classes):.0%}: it has learnt before. Build it anew"
        )


@torch.no_grad()
def forget(model: nn.Module) -> None:
    """Shuffle the numbers of each parameter among themselves, and reset batch norm's statistics.

    A start that was drawn number by number is as good after it. What somebody learnt is gone, also where the last layer
    was scrambled so that nothing shows.
    """
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
        parameter.grad = None
    for module in model.modules():
        if isinstance(module, _NormBase):
            module.reset_running_stats()
