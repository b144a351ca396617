"""Is it the same as before? A text for a loss, by its content, and plain numbers and texts for a checkpoint."""

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PLAIN = (type(None), bool, int, float, complex, str, bytes)


def name_of(function: Callable | None) -> str | None:
    """Name an augmentation or a loss, the same in each process: without its address in memory, which is not."""
    return None if function is None else re.sub(r" at 0x[0-9a-fA-F]+", "", repr(function))


def identity_of(loss: Callable | None) -> str | None:
    """Name a loss and add a digest of what it computes with: code, constants, settings, tensors; None for None.

    What a function logs into a list around it makes no other loss of it; numbers and tensors around it do.
    """
    if loss is None:
        return None
    sha = hashlib.sha256()
    _feed(loss, sha)
    return f"{' '.join((name_of(loss) or '').split())[:80]} {sha.hexdigest()[:12]}"


def _feed(value: Any, sha, depth: int = 6) -> None:
    """Put what decides a value's numbers into a hash; of what is unknown, its kind alone."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    sha.update(f"<{kind}>".encode())
    if isinstance(value, Tensor | np.ndarray):
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        sha.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    elif isinstance(value, (*PLAIN, np.generic)):
        sha.update(repr(value).encode("utf-8", "surrogatepass"))
    elif isinstance(value, functools.partial):
        _feed_all([value.func, value.args, value.keywords], sha, depth)
    elif isinstance(value, MethodType):
        _feed_all([value.__func__, value.__self__], sha, depth)
    elif isinstance(value, FunctionType):
        _feed_function(value, sha, depth)
    elif isinstance(value, CodeType):
        sha.update(value.co_code)
        _feed_all([value.co_names, value.co_consts], sha, depth)
    elif isinstance(value, list | tuple):
        _feed_all(value, sha, depth)
    elif isinstance(value, Mapping):
        _feed_all([part for item in value.items() for part in item], sha, depth)
    elif isinstance(value, nn.Module):
        own = {name: each for name, each in vars(value).items() if not name.startswith("_")}
        _feed_all([own, dict(value.state_dict())], sha, depth)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        _feed_all([vars(value)], sha, depth)


def _feed_all(values: Any, sha, depth: int) -> None:
    for value in values if depth else ():
        _feed(value, sha, depth - 1)


def _feed_function(function: FunctionType, sha, depth: int) -> None:
    sha.update(function.__qualname__.encode())
    _feed_all([function.__code__, function.__defaults__, function.__kwdefaults__], sha, depth)
    around = [function.__globals__.get(name) for name in function.__code__.co_names]
    for cell in function.__closure__ or ():
        try:
            around.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    _feed_all(
        [each for each in around if isinstance(each, (*PLAIN, np.generic, np.ndarray, Tensor, nn.Module))], sha, depth
    )


def _has_no_values(value: Tensor) -> bool:
    return value.is_meta or value.layout != torch.strided


def as_plain(value: Any) -> Any:
    """Turn a value into plain numbers, texts, lists and dictionaries, which read back from a checkpoint as they are."""
    if isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, np.ndarray) or (isinstance(value, Tensor) and not _has_no_values(value)):
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return value if type(value) is kind else kind.__str__(value) if kind is str else kind(value)
    if isinstance(value, Mapping):
        return {as_plain(key): as_plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(as_plain(each) for each in value)
    return [as_plain(each) for each in value] if isinstance(value, list) else name_of(value)
