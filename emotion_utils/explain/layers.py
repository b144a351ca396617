"""What a layer inside a network gives: its maps, and the patches of faces that excite one of its channels most.

Read by forward hooks, which are taken off again whatever happens.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import brief, check_whole, listed
from emotion_utils.explain.asking import BATCH, ask, question
from emotion_utils.models.handling import named_layers, unwrap
from emotion_utils.models.receptive import Field, receptive_field

Layer = str | nn.Module | None


@dataclass(frozen=True, eq=False)
class Patches:
    """The places that excite one channel of a layer most, one in each face, strongest first."""

    patches: Tensor  # uint8 (n, 1, s, s), what the unit sees; grey where that hangs over the edge of the picture
    faces: Tensor  # int64 (n,), number of the face in the data set
    places: Tensor  # int64 (n, 2), row and column of the unit in the map
    values: Tensor  # float32 (n,), what the channel gives there


def activations(model: nn.Module, images: Any, layer: Layer = None, *, scale: str | None = None) -> Tensor:
    """Give the maps of a layer: float32 (N, K, h, w).

    Args:
        model: any network that gives logits (N, C).
        images: whatever `predict_proba` takes, such as uint8 (N, 1, H, W).
        layer: its name, as in `model.named_modules()`; the layer itself; or None for the last one that gives maps.
        scale: what float images hold, as for `predict_proba`.

    Raises:
        ValueError: no such layer (the message says which there are), one without maps, or one that runs twice.
        and those of `question`.
    """
    with question(model, images, 0, scale) as asked:
        name = find_layer(asked.model, layer, asked.images[:1], model)
        parts = []
        for part in asked.batches():
            with recorded(asked.model, name) as record:
                ask(asked.model, part.images)
            parts.append(maps_of(record, name).float())
    return torch.cat(parts)


def strongest(
    model: nn.Module, dataset: FaceDataset, layer: Layer, channel: int, n: int = 9, *, scale: str | None = None
) -> Patches:
    """Find the faces, and in each the place, that excite a channel most, cut by its receptive field.

    Args:
        model: a chain of convolutions and pooling, see `receptive_field`.
        dataset: the faces to look through.
        layer: a layer before the network flattens its maps; see `activations`.
        channel: which of its K channels.
        n: how many faces.
        scale: as for `predict_proba`.

    Raises:
        ValueError: a layer or channel that there is not, or a layer whose receptive field cannot be followed.
    """
    dataset = as_face_dataset(dataset)
    n = min(check_whole(1, n=n), len(dataset))
    values, places = [], []
    for part in dataset.images.split(BATCH):
        maps = activations(model, part, layer, scale=scale)  # (B, K, h, w)
        channel = check_whole(0, maps.shape[1] - 1, channel=channel)
        best, place = maps[:, channel].flatten(1).max(1)
        values.append(best.cpu())
        places.append(torch.stack([place // maps.shape[3], place % maps.shape[3]], 1).cpu())
    value, place = torch.cat(values), torch.cat(places)
    faces = value.argsort(descending=True, stable=True)[:n]
    inner = unwrap(model)
    with question(model, dataset.images[:1], 0, scale) as asked:
        name = find_layer(asked.model, layer, asked.images, model)
    field = _field_of(inner, name)
    patches = [_cut(dataset.images[i], *place[i].tolist(), field) for i in faces.tolist()]
    return Patches(torch.stack(patches), faces, place[faces], value[faces])


@contextmanager
def recorded(model: nn.Module, name: str) -> Iterator[list[Any]]:
    """Note what the layer `name` gives, once for each time it runs, in a list."""
    record: list[Any] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        record.append(output)
        # The network goes on with a copy: a ReLU that works in place would overwrite what was noted.
        return output.clone() if isinstance(output, Tensor) else output

    try:
        handle = dict(model.named_modules())[name].register_forward_hook(note)
    except RuntimeError as error:
        raise ValueError(
            f"layer={brief(name)}: a scripted network shows nothing of its layers. Give the network before it was "
            "scripted."
        ) from error
    try:
        yield record
    finally:
        handle.remove()


def maps_of(record: list[Any], name: str) -> Tensor:
    """Give the one map (N, K, h, w) that was noted, or say what is wrong with it."""
    if len(record) != 1:
        how = "does not run" if not record else f"runs {len(record)} times in one pass"
        raise ValueError(f"layer={brief(name)} {how}, so it has no maps of its own: choose a layer that runs once.")
    if not _is_maps(record[0]):
        what = tuple(record[0].shape) if isinstance(record[0], Tensor) else type(record[0]).__name__
        raise ValueError(f"layer={brief(name)} gives {what}, no maps: choose a layer that gives (N, K, h, w).")
    return record[0]


def find_layer(model: nn.Module, layer: Layer, image: Tensor, outer: nn.Module | None = None) -> str:
    """Give the name of a layer that gives maps; None stands for the last one.

    Args:
        model: the network that will run.
        layer: what a reader gave.
        image: (1, C, H, W), to see which layers give maps.
        outer: the network that the reader has, of which `model` may be a float32 copy; `layer` is looked for there.

    Raises:
        ValueError: no such layer, or none that gives maps.
    """
    given = layer
    if isinstance(layer, nn.Module):
        names = {module: name for name, module in unwrap(model if outer is None else outer).named_modules()}
        given = names.get(layer)
        if given is None:
            raise ValueError(f"layer={type(layer).__name__} is no part of this model: give its name, or a part of it.")
    if isinstance(given, str) and given in dict(model.named_modules()):
        return given
    there = layers_with_maps(model, image)
    if given is not None:
        choice = f"choose one of {listed(there, 14, 280)}" if there else "and no layer of this model gives maps"
        raise ValueError(f"layer={brief(given, 40)}: there is no such layer; {choice}.")
    if not there:
        raise ValueError(
            f"layer=None: no layer of this {type(model).__name__} gives maps, (N, K, h, w): it has no convolutions, or "
            "does not show them, as one that was scripted or exported. saliency, integrated_gradients and occlusion "
            "explain any network."
        )
    return there[-1]


def layers_with_maps(model: nn.Module, image: Tensor) -> list[str]:
    """List the layers that give maps of more than one place, in the order in which they end."""
    ended: list[str] = []

    def note(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if name and _is_maps(output) and output.shape[2] * output.shape[3] > 1 and name not in ended:
            ended.append(name)

    handles = []
    try:
        for name, module in named_layers(model):
            with suppress(RuntimeError):  # a scripted module takes no hooks
                handles.append(module.register_forward_hook(partial(note, name)))
        ask(model, image)
    finally:
        for handle in handles:
            handle.remove()
    return ended


def _is_maps(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.is_floating_point()


def _field_of(model: nn.Module, name: str) -> Field:
    """Give the receptive field of a layer: that of the last convolution or pooling up to it."""
    fields = {field.name: field for field in receptive_field(model)}
    order = list(dict(model.named_modules()))
    ends = max(i for i, other in enumerate(order) if other == name or other.startswith(f"{name}."))
    before = [field for other, field in fields.items() if order.index(other) <= ends]
    if not before:
        raise ValueError(f"layer={brief(name)}: no convolution comes before it, so it sees single pixels.")
    return before[-1]


def _cut(image: Tensor, row: int, column: int, field: Field) -> Tensor:
    """Cut what a unit sees out of an image, uint8 (1, H, W); mid-grey where that lies outside: (1, s, s)."""
    patch = torch.full((1, field.size, field.size), 128, dtype=torch.uint8)
    (top, bottom), (left, right) = field.window(row), field.window(column)
    height, width = image.shape[-2:]
    rows = slice(max(top, 0), min(bottom, height))
    columns = slice(max(left, 0), min(right, width))
    inside = image[:, rows, columns]
    patch[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return patch
