"""What a network knows of the data that it learnt from, found through whatever the network is wrapped in.

Networks of this package keep it themselves. A network of one's own gets it from `train` or `load_weights` as one plain
dictionary, the attribute `learnt_from`. An attribute goes along with `copy.deepcopy`, `pickle` and every wrapper, which
a list kept elsewhere would not; and it leaves the `state_dict` alone, which a buffer would not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from emotion_utils.data.contents import check_classes
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import brief, check_number, listed
from emotion_utils.models.arguments import check_frequencies, plain
from emotion_utils.models.handling import check_model, is_face_model, unwrap

ATTRIBUTE = "learnt_from"


@dataclass(frozen=True)
class ModelFacts:
    """What a network knows; None where it does not."""

    mean: float | None = None  # of the training set's pixels, scaled to [0, 1]
    std: float | None = None
    classes: tuple[str, ...] | None = None  # in the order of its logits
    notes: dict[str, Any] = field(default_factory=dict)  # made when weights were saved: data, protocol, temperature
    frequencies: tuple[float, ...] | None = None  # how common each class was in what it learnt; they add up to 1

    @property
    def normalisation(self) -> tuple[float, float] | None:
        """Mean and standard deviation that images are normalised with, or None."""
        return None if self.mean is None or self.std is None else (self.mean, self.std)


def facts_of(model: nn.Module) -> ModelFacts:
    """Find what a network knows, also through `torch.compile`, `DataParallel`, `FlipAverage` and one's own wrappers.

    What the network itself was told counts. If it was told nothing, the networks inside it are asked. How common the
    classes were is known only where all of them learnt from the same mix.

    Raises:
        TypeError: no network.
        ValueError: networks inside it know different things, so nobody can say which images the whole is to see.
    """
    check_model(model)
    model = unwrap(model)
    own = _own_facts(model)
    if own.normalisation and own.classes:
        return own
    inner = [facts_of(child) for child in model.children()]
    normalisation = own.normalisation or _agreed(model, "normalisation", [facts.normalisation for facts in inner])
    told = isinstance(getattr(model, ATTRIBUTE, None), dict)  # that they are unknown: it is to learn others
    classes = own.classes or (None if told else _agreed(model, "classes", [facts.classes for facts in inner]))
    notes = own.notes or next((facts.notes for facts in inner if facts.notes), {})
    mixes = {facts.frequencies for facts in inner if classes is not None and facts.classes == classes}
    frequencies = own.frequencies or (mixes.pop() if len(mixes) == 1 else None)
    return ModelFacts(*(normalisation or (None, None)), classes, notes, frequencies)


def set_facts(
    model: nn.Module,
    normalisation: tuple[float, float] | None,
    classes: Sequence[str] | None,
    notes: dict[str, Any] | None = None,
    frequencies: Sequence[float] | None = None,
) -> None:
    """Tell a network, ours or one's own, how its images are normalised and what its classes are called.

    Args:
        model: the network.
        normalisation: mean and standard deviation; None leaves them unknown.
        classes: their names, in the order of the logits; None says that they are unknown, whatever networks inside
            this one know, so that it can learn others.
        notes: more about it.
        frequencies: how common each class was in what it learnt, in the order of `classes`: shares or counts. None
            leaves that unknown.

    Raises:
        TypeError: no network, or notes that are no dictionary.
        ValueError: a mean or a standard deviation that cannot be, classes that are no names, or frequencies that are
            not one for each class.
    """
    check_model(model)
    model = unwrap(model)
    if normalisation is not None:
        normalisation = _check_normalisation(normalisation)
    classes = None if classes is None or (isinstance(classes, list | tuple) and not classes) else check_classes(classes)
    if not isinstance(notes, dict | None):
        raise TypeError(f"notes={brief(notes)}: give a dictionary, or None.")
    if frequencies is not None:
        if classes is None:
            raise ValueError(f"frequencies={brief(frequencies)}: name the classes as well.")
        frequencies = check_frequencies(len(classes), frequencies=frequencies)
    if is_face_model(model):  # one of ours
        if normalisation is not None:
            model.set_normalisation(*normalisation)
        model.classes, model.facts = tuple(classes) if classes else None, dict(notes or {})
        model.frequencies = frequencies
        return
    mean, std = normalisation or (None, None)
    known = {"mean": mean, "std": std, "classes": list(classes) if classes else None, "notes": dict(notes or {})}
    setattr(model, ATTRIBUTE, known | {"frequencies": frequencies})


def _check_normalisation(normalisation: Any) -> tuple[float, float]:
    """Return a mean and a standard deviation as plain numbers."""
    pair = plain(normalisation)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError(f"normalisation={brief(normalisation)}: give (mean, std), or None.")
    return float(check_number(mean=pair[0])), float(check_number(above=0, std=pair[1]))


def remember(model: nn.Module, dataset: FaceDataset) -> None:
    """Let a network, ours or one's own, remember a training set: how it is normalised, its classes, and their mix."""
    counts = torch.bincount(dataset.labels.cpu(), minlength=len(dataset.classes))  # (C,)
    set_facts(model, (dataset.mean, dataset.std), dataset.classes, facts_of(model).notes, counts)


def _own_facts(module: nn.Module) -> ModelFacts:
    """Read what one module was told, without looking inside it."""
    if is_face_model(module):  # one of ours
        return module.known_facts()
    known = getattr(module, ATTRIBUTE, None)
    if isinstance(known, dict) and {"mean", "std", "classes"} <= known.keys():
        frequencies = known.get("frequencies")  # which earlier versions did not note
        return ModelFacts(
            known["mean"], known["std"], as_names(known["classes"]), known.get("notes") or {}, frequencies
        )
    return ModelFacts(classes=as_names(getattr(module, "classes", None)))  # as many call the attribute


def as_names(classes: Any) -> tuple[str, ...] | None:
    """Return names of classes as a tuple; None for anything else."""
    is_names = isinstance(classes, list | tuple) and len(classes) > 1 and all(isinstance(name, str) for name in classes)
    return tuple(str(name) for name in classes) if is_names else None


def _agreed(model: nn.Module, what: str, found: list[Any]) -> Any:
    """Return what all say that say anything."""
    different = list(dict.fromkeys(each for each in found if each is not None))
    if len(different) > 1:
        shown = listed([str(each) for each in different], 3)
        raise ValueError(
            f"{type(model).__name__} holds networks with different {what}: {shown}. Ask each of them on its own, or "
            "train them on one data set."
        )
    return different[0] if different else None
