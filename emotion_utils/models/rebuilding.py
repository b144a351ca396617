"""Build networks anew from what a file says of them: ours by their names, one's own by a factory."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import CheckpointError, WeightsError, brief, listed, reason, show
from emotion_utils.models.base import check_same_weights
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.handling import unwrap
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel

KINDS = {kind.__name__: kind for kind in (EmotionCNN, FaceNet, FaceVGG, LinearModel, MLP)}

Factory = Callable[..., nn.Module] | Mapping[str, Callable[..., nn.Module]]


def is_one_of_ours(network: nn.Module, dropout: bool = False) -> bool:
    """Say whether this package builds the same network from its arguments: none of its layers was replaced.

    Dropout counts only where it is asked for: it does nothing in a trained network, and much in one that learns.
    """
    if KINDS.get(type(network).__name__) is not type(network):
        return False
    with torch.device("meta"):
        rebuilt = type(network)(**network.config)
    return layers_of(network, dropout) == layers_of(rebuilt, dropout)


def layers_of(network: nn.Module, dropout: bool = False) -> list[tuple]:
    """List what a network computes with: the kinds of its modules, their settings, and the shapes of its weights.

    A block counts as its layers do: one that adds its input is another block. So does a `forward` that was put in the
    place of a module's own, as nobody sees what that computes.
    """
    layers = [
        (name, type(layer).__module__, type(layer).__qualname__, "" if any(layer.children()) else str(layer),
         id(vars(layer).get("forward")))
        for name, layer in network.named_modules()
        if dropout or not isinstance(layer, nn.Dropout)
    ]  # fmt: skip
    return layers + [(name, tuple(getattr(value, "shape", ()))) for name, value in network.state_dict().items()]


def check_factory(factory: Factory | None) -> None:
    if isinstance(factory, nn.Module) or not (factory is None or callable(factory) or isinstance(factory, Mapping)):
        raise TypeError(
            f"factory={brief(type(factory).__name__)}: give what builds the network, such as its class MyNet, or "
            "lambda: MyNet(channels=8)."
        )


def find_factory(factory: Factory, kind: str | None, path: Path) -> Callable[..., nn.Module]:
    if not isinstance(factory, Mapping):
        return factory
    if kind in factory:
        return factory[kind]
    if kind is None and len(factory) == 1:
        return next(iter(factory.values()))
    raise WeightsError(
        f"{show(path)} holds {'a ' + brief(kind) if kind else 'weights without a name'}, and factory knows "
        f"{listed([str(name) for name in factory], 4, 80)} only."
    )


def build_filled(
    make: Callable[..., nn.Module], arguments: dict[str, Any], tensors: dict[str, Tensor], path: Path
) -> nn.Module:
    """Build the network and give it its weights.

    It is first built without memory: sizes that a file names may be absurd, and are compared with its weights.
    """
    try:
        with torch.device("meta"):
            outline = _call(make, arguments, path)
        check_same_weights(tensors, unwrap(outline), path)
    except (CheckpointError, WeightsError):
        raise
    except Exception:  # some networks can only be built for real; then it says what is wrong
        if make in KINDS.values():
            _call(make, arguments, path)
    model = _call(make, arguments, path)
    check_same_weights(tensors, unwrap(model), path)
    try:
        unwrap(model).load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{show(path)} does not fit the network: {reason(error, 200)}") from error
    return model


def _call(make: Callable[..., nn.Module], arguments: dict[str, Any], path: Path) -> nn.Module:
    """Build a network with the arguments that a file notes, or without any, if the factory takes none."""
    if not _takes(make, arguments) and _takes(make, {}):
        arguments = {}
    try:
        model = make(**arguments)
    except (ValueError, TypeError) as error:
        name = getattr(make, "__name__", "network")
        advice = "" if make in KINDS.values() else f". Give them yourself: factory=lambda: {name}(…)"
        raise WeightsError(
            f"{show(path)} names arguments that no {name} can be built from: {reason(error, 160)}{advice}"
        ) from error
    if not isinstance(model, nn.Module):
        raise TypeError(f"factory={brief(make)}: it gave a {type(model).__name__}, and a network was wanted.")
    return model


def _takes(make: Callable[..., nn.Module], arguments: dict[str, Any]) -> bool:
    try:
        inspect.signature(make).bind(**arguments)
    except TypeError:
        return False
    except ValueError:  # a function of C, which does not say what it takes
        return True
    return True
