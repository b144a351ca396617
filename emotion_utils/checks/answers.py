"""Running answers that somebody else wrote: they may never end, lie about what they equal, call what is forbidden."""

import functools
import linecache
import signal
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

SECONDS = 20.0  # an honest answer takes less than two, on a slow machine that is busy as well
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
# Classes of these packages compare as everybody knows.
TRUSTED = sys.stdlib_module_names | {"emotion_utils", "matplotlib", "numpy", "PIL", "sklearn", "torch", "torchvision"}
# Code in these folders is nobody's answer.
LIBRARIES = tuple(
    Path(folder).resolve()
    for folder in {
        Path(__file__).parents[1],
        Path(torch.__file__).parents[1],
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)


class Wrong(Exception):
    """Raised inside a check, with one sentence on what the reader's answer did (not what it should have done).

    `hint` is a hint for this very mistake, if the check can tell it; the reader sees it when the mistake comes again.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


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
        return np.asarray(value, order="C")  # torch reads no array that runs backwards, such as x[::-1]
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
def honest(answers: Sequence[Any], in_place: bool = False) -> Iterator[list[Any]]:
    """Give the answers as plain values; functions and networks among them return plain values inside the block.

    A function that changes a tensor or an array that it was given is `Wrong`, unless it may work in place.
    """
    with ExitStack() as stack:
        ready = []
        for answer in answers:
            if isinstance(answer, nn.Module):
                handle = answer.register_forward_hook(lambda module, inputs, output: plain(output))
                stack.callback(handle.remove)
                ready.append(answer)
            elif isinstance(answer, FUNCTIONS) or (callable(answer) and not _is_trusted(type(answer))):
                ready.append(_with_plain_results(answer, in_place))
            else:
                ready.append(plain(answer))
        yield ready


def _with_plain_results(function: Callable, in_place: bool) -> Callable:
    @functools.wraps(function, updated=())
    def call(*arguments: Any, **options: Any) -> Any:
        watched = () if in_place else (*arguments, *options.values())
        given = [(value, _copy(value)) for value in watched if isinstance(value, Tensor | np.ndarray)]
        result = plain(function(*arguments, **options))
        if not all(_same(value, kept) for value, kept in given):
            raise Wrong(
                "your function changed the numbers that it was given, and others may need them as they were",
                "Work on a copy: `clone` makes one. What ends in `_`, or a `*=`, writes into its first operand.",
            )
        return result

    return call


def _copy(value: Tensor | np.ndarray) -> Tensor | np.ndarray:
    return value.detach().clone() if isinstance(value, Tensor) else value.copy()


def _same(value: Tensor | np.ndarray, kept: Tensor | np.ndarray) -> bool:
    """Say whether two tensors or arrays hold the same; NaN is the same as NaN."""
    one, other = (torch.as_tensor(each) for each in (value, kept))
    if not one.is_floating_point():
        return torch.equal(one, other)
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def as_written(function: Callable) -> Callable:
    """Give a function of the reader's whose results go back to the reader's own code alone, and are never compared."""
    return getattr(function, "__wrapped__", function)


DIFFERENTIATE = "torch.func"  # stands for all that differentiates a function for somebody


class _Watch(TorchFunctionMode):
    """See every call of a torch function in a block: as a function, a method, a layer, or from `torch.ops`."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names, self.found = names, None

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        name = getattr(function, "__name__", "").split(".")[0]  # an operator's is `avg_pool2d.default`
        if DIFFERENTIATE in self.names and _is_differentiating():
            name = DIFFERENTIATE
        if name in self.names:
            self.found = Wrong(f"your code calls PyTorch's {name}, and the exercise asks you to write that yourself")
            raise self.found
        return function(*arguments, **(options or {}))


def _is_differentiating() -> bool:
    """Say whether `torch.func` (`grad`, `vjp`, `jacrev`, …) is at work around the call that is being made."""
    layer = torch._C._functorch.peek_interpreter_stack()
    return layer is not None and layer.key() in (
        torch._C._functorch.TransformType.Grad,
        torch._C._functorch.TransformType.Jvp,
    )


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Refuse calls of the torch functions of these names in the block: `without("cross_entropy", "nll_loss")`.

    Layers count as the functions they call (`nn.CrossEntropyLoss` as `cross_entropy`). What a function calls inside
    itself is not seen: name each one that would do. "torch.func" stands for all that differentiates there.

    Raises:
        Wrong: a function was called, also where the answer itself swallowed the error.
    """
    with _Watch(names) as watch:
        yield
    if watch.found is not None:
        raise watch.found


def place(error: BaseException, asker: types.CodeType | None = None) -> str:
    """Say where an answer's own code was when `error` was raised: function, line, text of the line; "" if nowhere.

    Where the answer called another function of the reader's, the line in that one is named as well. `asker` is the
    check that called the answer, which is none itself.
    """
    frames, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        # A comprehension has a frame of its own in older Pythons; the line around it says as much.
        inner = code.co_name.endswith(("comp>", "genexpr>"))
        if code is not asker and not inner and not _is_library(code.co_filename):
            frames.append((code, step.tb_lineno))
        step = step.tb_next
    if not frames:
        return ""
    last = [(code, line) for code, line in frames if code is frames[0][0]][-1]
    found = [last, frames[-1]] if frames[-1][0] is not last[0] else [last]
    return ", which called ".join(_show_line(code, line) for code, line in found)


def _is_library(filename: str) -> bool:
    # What has no file, such as `<ipython-input-3>`, was typed by somebody.
    return filename.startswith("<frozen") or any(Path(filename).resolve().is_relative_to(one) for one in LIBRARIES)


def _show_line(code: types.CodeType, line: int) -> str:
    """Give `line 3 of accuracy: "return hits / n"`; lines count from the top of the notebook cell or file."""
    text = " ".join(linecache.getline(code.co_filename, line).split())
    text = f"{text[:97]}…" if len(text) > 98 else text
    owner = "a lambda" if code.co_name == "<lambda>" else "your cell" if code.co_name == "<module>" else code.co_name
    return f"line {line}, in {owner}" + (f": `{text}`" if text else "")
