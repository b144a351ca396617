"""Running answers that somebody else wrote: they may never end, and their objects may lie about what they equal."""

import functools
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SECONDS = 20.0  # an honest answer takes less than two, on a slow machine that is busy as well
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
# Classes of these packages compare as everybody knows.
TRUSTED = sys.stdlib_module_names | {"emotion_utils", "matplotlib", "numpy", "PIL", "sklearn", "torch", "torchvision"}


class Wrong(Exception):
    """Raised inside a check, with one sentence on what the reader's answer did (not what it should have done)."""


class TooLong(BaseException):
    """The answer took too long. Not an Exception, so that an answer's own `except Exception` does not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in the block after so many seconds, and every second from then on, until the block ends.

    It takes a signal, which Windows lacks and which reaches the main thread alone; elsewhere there is no limit.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TooLong(f"your code had not ended after {seconds:g} seconds. Is there a loop that never ends?")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def plain(value: Any) -> Any:
    """Return `value` as what it is underneath, so that a comparison asks Python and torch, not the answer's own class.

    Subclasses of numbers, text, tensors, arrays and containers become the plain type, with everything in them.

    Raises:
        Wrong: an object of a class of somebody's own that defines what it equals.
    """
    if isinstance(value, Tensor):
        return value if type(value) in (Tensor, nn.Parameter) else _bare_tensor(value)
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    for kind in (bool, int, float, complex, str, bytes):
        if isinstance(value, kind):
            # `kind(value)` would call the subclass's own method; adding nothing does not.
            return value if type(value) is kind or isinstance(value, np.generic) else kind.__add__(value, kind())
    if isinstance(value, dict):
        return {plain(key): plain(dict.__getitem__(value, key)) for key in dict.__iter__(value)}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(plain(item) for item in kind.__iter__(value))
    own = type(value)
    compares = own.__eq__ is not object.__eq__ or own.__ne__ is not object.__ne__
    if compares and not _is_trusted(own):
        raise Wrong(f"a {own.__name__} came, a class that says itself what it equals. Return a number, text or tensor")
    return value


def _is_trusted(kind: type) -> bool:
    return kind.__module__.split(".")[0] in TRUSTED


def _bare_tensor(value: Tensor) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(Tensor)


@contextmanager
def honest(answers: Sequence[Any]) -> Iterator[list[Any]]:
    """Give the answers as plain values; functions and networks among them return plain values inside the block."""
    with ExitStack() as stack:
        ready = []
        for answer in answers:
            if isinstance(answer, nn.Module):
                handle = answer.register_forward_hook(lambda module, inputs, output: plain(output))
                stack.callback(handle.remove)
                ready.append(answer)
            elif isinstance(answer, FUNCTIONS) or (callable(answer) and not _is_trusted(type(answer))):
                ready.append(_with_plain_results(answer))
            else:
                ready.append(plain(answer))
        yield ready


def _with_plain_results(function: Callable) -> Callable:
    @functools.wraps(function, updated=())
    def call(*arguments: Any, **options: Any) -> Any:
        return plain(function(*arguments, **options))

    return call
