"""Where a network meets data, their classes are compared by name: the same ones in another order are brought together.

Letter case and synonyms of emotions make no difference: `Angry`, `anger` and `angry` are one class.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotion_utils.data.contents import check_classes
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.emotions import EMOTIONS, label_of
from emotion_utils.errors import listed
from emotion_utils.models.facts import facts_of
from emotion_utils.models.handling import is_face_model, unwrap


@dataclass(frozen=True, eq=False)
class ClassMatch:
    """How the classes of a network and those of data go together."""

    model: tuple[str, ...] | None  # in the order of the logits; None: the network does not know them
    data: tuple[str, ...]  # in the order of the labels
    order: Tensor | None  # (C,) int64: for each class of the data its place among the model's; None: they agree
    note: str | None  # that there is an order to bring together, for a sentence that says what was done

    def columns(self, logits: Tensor) -> Tensor:
        """Bring the columns of logits or probabilities, `(N, C)`, from the model's order to that of the data."""
        return logits if self.order is None else logits[:, self.order.to(logits.device)]

    def labels(self, labels: Tensor) -> Tensor:
        """Bring labels, int64 `(N,)`, from the order of the data to the model's."""
        return labels if self.order is None else self.order.to(labels.device)[labels]


def match_classes(model: nn.Module | Sequence[str], data: FaceDataset | Sequence[str]) -> ClassMatch:
    """Compare the classes of a network (or of other data) with those of data, by name.

    A network that knows no names, or as many as it has no logits for (its last layer was replaced), is taken to have
    those of the data, in their order; only the number is then compared, by `check_fit`. To let a network learn other
    classes of the same number, say so first: `model.classes = None`, or `set_facts(model, None, None)` of one's own.

    Raises:
        ValueError: other classes; the message names the difference. Or no names of classes at all.
    """
    names = check_classes(getattr(data, "classes", data))
    is_model = isinstance(model, nn.Module)
    known = facts_of(model).classes if is_model else check_classes(model)
    if known is None or known == names or (is_model and len(known) != len(names)):
        return ClassMatch(known if known == names else None, names, None, None)
    here, there = _comparable(known, names)
    if sorted(here) != sorted(there) or len(set(here)) < len(here):
        first, second = ("to the model", "to the data") if is_model else ("to the first", "to the second")
        way = "model.classes = None" if is_face_model(unwrap(model)) else "set_facts(model, None, None)"
        advice = f"; to let the model learn new ones: {way}" * is_model
        raise ValueError(
            f"Different classes. Known only {first}: {_only(known, here, there)}; only {second}: "
            f"{_only(names, there, here)}. Rename or choose the data's classes (keep_classes, load_folder(…, "
            f"classes=…)){advice}."
        )
    order = torch.tensor([here.index(name) for name in there])
    if torch.equal(order, torch.arange(len(names))):
        return ClassMatch(known, names, None, None)
    note = (
        f"the model and the data name the same classes in different orders ({listed(known, 7, 90)}, and "
        f"{listed(names, 7, 90)})"
    )
    return ClassMatch(known, names, order, note)


def with_classes_of(dataset: FaceDataset, classes: Sequence[str]) -> FaceDataset:
    """Return the same images with labels in the order of `classes`, and with those names.

    Raises:
        TypeError: no FaceDataset.
        ValueError: other classes than the data set's.
    """
    dataset, classes = as_face_dataset(dataset), check_classes(classes)
    match = match_classes(classes, dataset)
    return dataset if tuple(classes) == dataset.classes else dataset.with_labels(match.labels(dataset.labels), classes)


def _comparable(*lists: Sequence[str]) -> list[list[str]]:
    """Write names alike; as they are, if two of one list would become one."""
    alike = [[_alike(name) for name in names] for names in lists]
    if any(len(set(names)) < len(names) for names in alike):
        return [list(names) for names in lists]
    return alike


def _alike(name: str) -> str:
    label = label_of(name.strip())
    return unicodedata.normalize("NFKC", name).strip().casefold() if label is None else EMOTIONS[label]


def _only(names: Sequence[str], alike: Sequence[str], others: Sequence[str]) -> str:
    return listed([name for name, same in zip(names, alike, strict=True) if same not in others], 4, 80) or "none"
