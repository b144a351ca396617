"""Handle any network with care: what it is wrapped in, where its weights lie; looked at, it stays as it was."""

import copy
import hashlib
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import AveragedModel

from emotion_utils.errors import brief
from emotion_utils.randomness import random_state_kept


def warn(message: str) -> None:
    """Give a warning that points at the line outside of this package from which the work was asked for."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("emotion_utils."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def check_model(model: Any, values: bool = False) -> None:
    """Raise a TypeError unless `model` is a network: a class is not built yet, a function has no weights.

    With `values`, raise a ValueError as well if its weights have shapes and no values.
    """
    if isinstance(model, nn.Module):
        if values and any(tensor.is_meta for tensor in model.parameters()):
            raise ValueError(f"model={type(model).__name__}: its weights have no values, they lie on the device meta.")
        return
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise TypeError(f"model={model.__name__}: that is the class. Build a network first: {model.__name__}().")
    raise TypeError(f"model={brief(model)}: give an nn.Module that maps images (N, 1, H, W) to logits (N, C).")


def is_face_model(model: nn.Module) -> bool:
    """Say whether a network is one of ours, by its class: a wrapper may hand on the attributes of what it holds."""
    return hasattr(type(model), "known_facts")


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, `DataParallel` and the like, which compute the same as it does."""
    while True:
        inner = getattr(model, "_orig_mod", None)  # of torch.compile, whose class takes a second to import
        if inner is None and isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def named_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give a network's modules by name, but for those that no image goes through: they compute weights, as
    `parametrizations.weight_norm` does.
    """  # fmt: skip
    aside = {id(part) for each in model.modules() if is_parametrized(each) for part in each.parametrizations.modules()}
    yield from ((name, module) for name, module in model.named_modules() if id(module) not in aside)


def place_of(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Say where a network's weights lie and which precision most of them have: images have to be brought there."""
    tensors = [*model.parameters(), *model.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    numbers: Counter[torch.dtype] = Counter()
    for tensor in tensors:
        if tensor.is_floating_point() and not is_lazy(tensor):
            numbers[tensor.dtype] += tensor.numel()
    dtypes = [dtype for dtype, _ in numbers.most_common() if dtype.itemsize > 1]  # nothing is computed in 8 bits
    return device, dtypes[0] if dtypes else torch.float32


def as_input(images: Tensor, model: nn.Module) -> Tensor:
    """Bring float images to the device and the precision of a network's weights."""
    device, dtype = place_of(model)
    return images.to(device, dtype)


def copied(model: nn.Module) -> nn.Module:
    """Copy a network, also one that was run with gradients and keeps a tensor that was computed then.

    Pruning and the older `weight_norm` and `spectral_norm` compute a layer's weight before each call and leave it as an
    attribute, which PyTorch refuses to copy; so do hooks that keep feature maps, by themselves, in a list, or in an
    object of their own. The copy gets the numbers alone.

    Raises:
        Exception: whatever a part of the network raises that cannot be copied, such as an open file.
    """
    made = copy.deepcopy(model, {id(value): value.detach().clone() for value in _computed(model, set())})
    for parameter, twin in zip(model.parameters(), made.parameters(), strict=True):
        if not twin.is_leaf:  # of a scripted network, whose copies autograd takes for computed ones
            twin.detach_().requires_grad_(parameter.requires_grad)
    return made


def weights_digest(model: nn.Module) -> str:
    """Hash a network's parameters and buffers, in their order: those of a wrapper are those of what it holds.

    So it can be told whether two results are of one network, also of a copy, or before and after more training.
    """
    sha = hashlib.sha256()
    for value in (*model.parameters(), *model.buffers()):
        value = value.detach().cpu()
        value = (value.int_repr() if value.is_quantized else value.to_dense()).contiguous()
        sha.update(f"{value.dtype} {tuple(value.shape)}".encode())
        if value.numel():
            sha.update(value.flatten().view(torch.uint8).numpy())
    return sha.hexdigest()


def _computed(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """Find the tensors with a record for gradients that a network, or what it holds, has kept."""
    if isinstance(value, Tensor):
        if value.grad_fn is not None:
            yield value
        return
    if id(value) in seen or isinstance(value, type | ModuleType | FunctionType):  # which a copy shares
        return
    seen.add(id(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in (*parts, *getattr(value, "__dict__", {}).values(), getattr(value, "__self__", None)):
        yield from _computed(part, seen)


@contextmanager
def moved_to(model: nn.Module, device: torch.device | None) -> Iterator[None]:
    """Move a network to `device`, where it stays; after an error it is back where it was."""
    before = place_of(model)[0]
    try:
        if device is not None:
            model.to(device)
        yield
    except BaseException:
        if device is not None:
            model.to(before)
        raise


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode for a while; afterwards each of its layers is in the mode it was in before."""
    with _mode(model, False):
        yield


@contextmanager
def undisturbed(model: nn.Module, training: bool = False) -> Iterator[None]:
    """Run `model` for a look, in evaluation mode or as in training.

    Afterwards modes, buffers and random numbers are as they were, whatever the model did to them.
    """
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    with random_state_kept(devices), _mode(model, training), _uncompiled(model), _copied_buffers(model):
        yield


@contextmanager
def _copied_buffers(model: nn.Module) -> Iterator[None]:
    """Let `model` work on copies of its buffers, which nobody keeps.

    To copy their contents back afterwards would leave the numbers as they were, and yet break the backward pass of
    somebody who has run the model before the look: autograd counts how often a tensor was written to.
    """
    copies: dict[int, Tensor] = {}  # a buffer under two names stays one
    buffers = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and not is_lazy(buffer)
    ]
    try:
        for module, name, buffer in buffers:
            if id(buffer) not in copies:
                copies[id(buffer)] = buffer.detach().clone()
            module._buffers[name] = copies[id(buffer)]
        yield
    finally:
        for module, name, buffer in buffers:
            module._buffers[name] = buffer


def materialise(model: nn.Module, images: Tensor) -> None:
    """Let lazy layers find out their sizes from `images`; their weights are drawn as at any first call."""
    if any(is_lazy(tensor) for tensor in [*model.parameters(), *model.buffers()]):
        with _mode(model, False), torch.no_grad():
            model(images)


@contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        with suppress(NotImplementedError):  # a network from torch.export has one mode only
            model.train(training)
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def can_train(model: nn.Module) -> bool:
    """Say whether a network knows training: one from torch.export has one mode only."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.train()
    except NotImplementedError:
        return False
    finally:
        for module, mode in modes:
            module.training = mode
    return True


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Let attention be computed as it is written, step by step, which can be counted and exported."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _uncompiled(model: nn.Module) -> Any:
    """Run code of a network that was compiled in place (`model.compile()`) as it is written, so that hooks work."""
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
