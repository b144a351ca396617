"""Trained weights as small files that say what they are, and that are checked before they are used.

A file is in the safetensors format, which holds numbers only and cannot run code. Weights of this package's networks
are stored in half precision, which halves the file and changes no prediction worth mentioning, and turned back to
float32 on loading; those of a network of one's own stay as they are. The file's metadata holds what is needed to
rebuild the network and to use it rightly, and a SHA-256, since safetensors would not notice a flipped bit.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from emotion_utils.data.contents import check_classes
from emotion_utils.errors import CheckpointError, WeightsError, brief, listed, reason, show
from emotion_utils.files import as_path, atomic_write, open_file
from emotion_utils.models.arguments import plain
from emotion_utils.models.classes import match_classes
from emotion_utils.models.description import Description
from emotion_utils.models.facts import facts_of, set_facts
from emotion_utils.models.file_kinds import FORMAT, Content, read_content, weights_below
from emotion_utils.models.handling import check_model, unwrap
from emotion_utils.models.rebuilding import KINDS, Factory, build_filled, check_factory, find_factory, is_one_of_ours

# What safetensors can hold; half of it would be too coarse for anything but float32.
STORED = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.int32, torch.int16,
    torch.int8, torch.uint8, torch.bool,
}  # fmt: skip


def save_weights(model: nn.Module, path: str | Path, facts: dict[str, Any] | None = None) -> Path:
    """Write a trained network to a safetensors file, atomically.

    Args:
        model: one of this package's networks, or of one's own; of a wrapper such as `DataParallel` or `torch.compile`
            the network inside. What it is built with is noted if it has that as a dictionary in `model.config`.
        path: where to write; `~` is the home folder.
        facts: more to note in the metadata: data, protocol, temperature, figures. Anything that JSON can hold.

    Returns:
        The path.

    Raises:
        TypeError: no network, or one with weights, or facts, that such a file cannot hold.
        ValueError: weights that are not finite, or too large for half precision.
        OSError: the file cannot be written; an older one at `path` is untouched.
    """
    check_model(model)
    path, network, known = as_path(path), unwrap(model), facts_of(model)
    own = not is_one_of_ours(network)
    tensors = {name: _stored(name, value, half=not own) for name, value in network.state_dict().items()}
    mean, std = known.normalisation or (None, None)
    arguments = _arguments(network) if own else {**network.config, "classes": network.num_classes}
    description = Description(
        type(network).__name__, _through_json(arguments), own, list(known.classes or []), mean, std, _facts(facts),
        None if known.frequencies is None else list(known.frequencies),
    )  # fmt: skip
    with atomic_write(path) as part:
        # One entry only: safetensors writes several in random order, and equal weights would make unequal files.
        # Written from here, as `save_file` takes no names that are not UTF-8.
        part.write_bytes(save(tensors, {FORMAT: description.to_json(tensors)}))
    return path


def _stored(name: str, value: Any, half: bool) -> Tensor:
    """Give a weight as it is written."""
    if not isinstance(value, Tensor) or is_lazy(value) or value.is_meta:
        why = "no tensor" if not isinstance(value, Tensor) else "not made yet: run the network once"
        raise TypeError(f"{brief(name)} is {why}; a file of weights holds tensors.")
    if value.layout != torch.strided or value.dtype not in STORED:
        raise TypeError(f"{brief(name)} is {value.dtype}, {value.layout}; a file of weights cannot hold that.")
    # Batch norm's running mean and variance are few and can be large, so they stay as they are.
    half = half and value.is_floating_point() and value.ndim >= 2
    stored = value.detach().cpu().to(torch.float16 if half else value.dtype)
    stored = stored.clone(memory_format=torch.contiguous_format)  # two names of one weight are written twice
    if stored.is_floating_point() and (stored.isnan().any() or (half and stored.isinf().any())):
        precision = " in half precision" if half else ""
        raise ValueError(f"{brief(name)} holds values that are not finite{precision}; the training went wrong.")
    return stored


def _arguments(network: nn.Module) -> dict[str, Any]:
    """Give what a network of one's own was built with, if it says so in a way that a file can hold."""
    config = getattr(network, "config", None)
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        return {}
    config = {name: plain(value) for name, value in config.items()}
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError):
        return {}
    return config


def _facts(facts: dict[str, Any] | None) -> dict[str, Any]:
    if facts is not None and not isinstance(facts, Mapping):
        raise TypeError(f"facts={brief(facts)}: give a dictionary, or None.")
    facts = {name: plain(value) for name, value in (facts or {}).items()}
    if wrong := [name for name in facts if not isinstance(name, str)]:
        raise TypeError(f"facts: {brief(wrong[0])} is no name; give texts as the dictionary's keys.")
    for name, value in facts.items():
        try:
            json.dumps({name: value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"facts: {brief(name)}={brief(value)} cannot be noted ({reason(error, 80)}).") from error
    return _through_json(facts)


def _through_json(value: Any) -> Any:
    """Give what a reader of the file will get: lists for tuples."""
    return json.loads(json.dumps(value))


def load_weights(
    path: str | Path,
    classes: Sequence[str] | None = None,
    sha256: str | None = None,
    factory: Factory | None = None,
) -> nn.Module:
    """Rebuild a network from a file that `save_weights` wrote: float32, on the CPU, in evaluation mode.

    It knows its classes, how its images are normalised and, where the file says so, how common each class was in what
    it learnt; `facts_of(model).notes` holds what was noted when it was saved (`model.facts`, for a network of this
    package). With a `factory` a state_dict that `torch.save` wrote is taken as well, also one inside a checkpoint of
    Lightning and the like, or a safetensors file of another program; they say nothing of classes and normalisation.

    Args:
        path: the file; `~` is the home folder.
        classes: the classes that you need, in order; None takes what the file has.
        sha256: what the file's SHA-256 must be; None checks none.
        factory: for a network of your own, its class or a function that builds it: `load_weights(path,
            factory=MyNet)`; or several by the names of their classes, `{"MyNet": MyNet}`. It gets the arguments that
            the file notes.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or made for other classes; the message says which,
            and what reads it.
        CheckpointError: the weights do not fit the architecture that the file names, or that `factory` builds.
        TypeError: a path, a factory or a checksum that is none.
        ValueError: classes that are no names.
    """
    path, classes = as_path(path), None if classes is None else check_classes(classes)
    check_factory(factory)
    if not isinstance(sha256, str | None):
        raise TypeError(f"sha256={brief(sha256)}: give 64 hexadecimal digits as a text, or None.")
    try:
        if sha256 is not None and not _has_sha256(path, sha256):
            raise WeightsError(f"{show(path)} is damaged or was changed: its SHA-256 is not the one expected.")
        content = read_content(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{show(path)} cannot be read: {reason(error, 200)}") from error
    if content.tensors is None or (content.description is None and factory is None):
        raise WeightsError(f"{show(path)} {content.story}.")
    if content.description is None:
        model = _build_foreign(find_factory(factory, None, path), content.tensors, path)
        if classes is not None:
            set_facts(model, None, classes)
        model.eval()  # which returns nothing in some networks
        return model
    return _rebuild(content, classes, factory, path)


def _build_foreign(make: Callable[..., nn.Module], tensors: dict[str, Tensor], path: Path) -> nn.Module:
    """Build a network from another program's weights, which may be part of something larger."""
    try:
        return build_filled(make, {}, tensors, path)
    except CheckpointError:
        try:
            inside = weights_below(tensors, unwrap(make()).state_dict().keys())
        except ValueError as error:
            raise WeightsError(f"{show(path)}: {error} Save those alone, and load them.") from None
        if inside is None:
            raise
        return build_filled(make, {}, inside, path)


def _rebuild(content: Content, classes: Sequence[str] | None, factory: Factory | None, path: Path) -> nn.Module:
    try:
        found = Description.from_json(content.description, content.tensors)
    except (ValueError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"{show(path)} is damaged: its description {reason(error, 160)}. Get or save it again."
        ) from error
    names = tuple(found.classes)
    if classes is not None:
        _check_classes(names, tuple(classes), path)
    if factory is not None:
        make = find_factory(factory, found.kind, path)
    elif found.own:
        raise WeightsError(
            f"{show(path)} holds a {brief(found.kind)}, a network of somebody's own, or with layers of their own. Say "
            f"how to build it: {_way_to_build(found.kind)}."
        )
    elif found.kind not in KINDS:
        raise WeightsError(
            f"{show(path)} holds a {brief(found.kind)}, which this version of the package does not know."
        )
    else:
        make = KINDS[found.kind]
    model = build_filled(make, found.arguments, content.tensors, path)
    if names and not found.own and len(names) != getattr(model, "num_classes", len(names)):
        raise WeightsError(f"{show(path)} names {len(names)} classes for {model.num_classes} logits. Save it again.")
    normalisation = None if found.mean is None else (found.mean, found.std)
    set_facts(model, normalisation, names, found.facts, found.frequencies)
    model.eval()
    return model


def _way_to_build(kind: str) -> str:
    if kind in KINDS:  # the class would build it as it was before its change
        return "load_weights(path, factory=make), where make() builds it and changes its layers as you did"
    return f"load_weights(path, factory={kind if kind.isidentifier() else 'MyNet'})"


def _has_sha256(path: Path, sha256: str) -> bool:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256.strip().lower()


def _check_classes(names: tuple[str, ...], wanted: tuple[str, ...], path: Path) -> None:
    """Raise WeightsError unless a file's classes are those that are needed, in the same order."""
    try:
        if match_classes(names, wanted).order is None:
            return
        how = "in another order than you need"
    except ValueError:
        how = f"not the {len(wanted)} that you need"
    raise WeightsError(
        f"{show(path)} tells {len(names)} classes apart ({listed(names, 7, 80)}), {how} ({listed(wanted, 7, 80)}). "
        "Train on your classes, or fine-tune: notebook 08 shows how."
    )
