"""Is my answer right? One module per notebook; every check prints a verdict and a hint, never the answer.

A check is a function of the reader's answer, decorated with `@check(hints=…)`. It returns quietly when the answer is
right and raises `Wrong` with what it saw when it is not. The decorator turns that into the three verdicts:

* *not yet*: the stub is still there (`...` or `None`),
* a hint: a mistake hears at first what was observed (a crash with the line that crashed); when the same mistake comes
  again, the hint for this very mistake, or else the next of the check's own hints,
* *correct*.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion_utils.checks.answers import SECONDS, TooLong, Wrong, honest, place, plain, time_limit
from emotion_utils.errors import brief, say
from emotion_utils.randomness import state_kept


@dataclass(frozen=True)
class Verdict:
    """What a check found: `status` is "not yet", "wrong" or "correct"; `message` is the sentence printed."""

    status: str
    message: str

    def __bool__(self) -> bool:
        return self.status == "correct"

    def _ipython_display_(self) -> None:
        # The check has printed its message; showing the returned value as well would say it twice.
        return None


def require(condition: Any, message: str, hint: str | None = None) -> None:
    """Raise `Wrong` with a message unless `condition` holds; `hint` is for this very mistake."""
    if not bool(condition):
        raise Wrong(message, hint)


def is_stub(answer: Any) -> bool:
    """Say whether an answer is still the stub: `...`, `None`, or a sequence or dictionary holding one."""
    if answer is None or answer is ...:
        return True
    if isinstance(answer, dict):
        return any(is_stub(value) for value in answer.values())
    return isinstance(answer, list | tuple) and any(is_stub(value) for value in answer)


def check(hints: Sequence[str] = (), in_place: bool = False) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Make a check of a function that raises `Wrong` (or any error) for a wrong answer.

    A `Wrong` with a hint of its own is answered by that; `hints` are for mistakes that cannot be told apart, in stages
    that advance only while the same mistake comes again.

    A function passed as the answer counts as a stub while calling it returns `...` or `None`: the check then sees
    that return value and should pass it through `unfinished`.

    Answers run here, so they may do anything: never end, leave Python, return objects that call themselves equal to
    everything, or write into the tensors that they are given (unless `in_place` allows it). `time_limit` and `honest`
    see to that, and `state_kept` to what they set for all of Python.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., Verdict]:
        seen: Counter[str] = Counter()  # how often each mistake was made

        @functools.wraps(function)
        def wrapper(*answers: Any, **options: Any) -> Verdict:
            name = function.__name__
            try:
                if any(is_stub(answer) for answer in answers):
                    raise _Unfinished
                # Cells that follow give the numbers that they would have given without the check.
                with state_kept(), time_limit(SECONDS), honest(answers, in_place) as plain_answers:
                    function(*plain_answers, **options)
            except _Unfinished as unfinished_answer:
                verdict = Verdict("not yet", f"{name}: not yet. {unfinished_answer}, then run the cell again.")
            except KeyboardInterrupt:  # of the reader, who waits no longer
                raise
            except BaseException as error:
                where = place(error, function.__code__)
                mistake = _mistake(error, where)
                hint = _hint(error, hints, seen[mistake])
                seen[mistake] += 1
                verdict = Verdict("wrong", f"{name}: not right yet. What happened: {_describe(error, where)}{hint}")
            else:
                verdict = Verdict("correct", f"{name}: correct.")
            say(verdict.message)
            return verdict

        wrapper.reset = seen.clear  # type: ignore[attr-defined]  # the tests start every check from its first hint
        return wrapper

    return decorate


def _hint(error: BaseException, hints: Sequence[str], before: int) -> str:
    """Choose what to say beyond the observation, for a mistake that was made `before` times before."""
    own = getattr(error, "hint", None)
    choice = [own] if isinstance(own, str) else hints
    if not before or not choice:
        return ""
    stage = min(before, len(choice))
    return f" Hint {stage}: {choice[stage - 1]}"


def _describe(error: BaseException, where: str) -> str:
    if isinstance(error, Wrong | TooLong):
        said = str(error)
        said = said if len(said) <= 400 else f"{said[:399]}…"  # it may show what the answer returned
    else:
        said = f"your code raised {type(error).__name__}: {brief(error, 240)}"  # its own __str__ may fail
    return f"{said} ({where})" if where else said


def _mistake(error: BaseException, where: str) -> str:
    """Name the mistake, so that it is known when it comes again: numbers and files may differ then."""
    if isinstance(error, Wrong):
        return re.sub(r"[\d.]+", "#", error.hint or str(error))
    return f"{type(error).__name__} {where}"


class _Unfinished(Exception):
    """The reader's function still returns the stub, or nothing; the message says what to do first."""

    def __init__(self, message: str = "Replace the stub with your answer") -> None:
        super().__init__(message)


def unfinished(value: Any, who: str = "your function") -> Any:
    """Return `value`, or stop the check with *not yet* when the reader's function returned the stub, or nothing."""
    if value is None:
        raise _Unfinished(f"{who[0].upper()}{who[1:]} returned nothing (None). See whether a `return` is missing")
    if is_stub(value):
        raise _Unfinished
    return plain(value)


def number(value: Any, what: str) -> float:
    """Turn a number or a 0-d tensor into a float, or stop the check with a word on what came instead."""
    value = unfinished(value)
    try:
        if isinstance(value, str):  # float would read it
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} should be one number, and your function returned {type(value).__name__}") from None


def whole(value: Any, what: str) -> int:
    """Turn a whole number, given as int, float or 0-d tensor, into an int, or stop the check as `number` does."""
    got = number(value, what)
    shown = f"{got!r}" if float(f"{got:g}").is_integer() else f"{got:g}"  # 38415.99999999999 is no 38416
    require(got.is_integer(), f"{what} should be a whole number, and your function returned {shown}")
    return int(got)


def numbers(value: Any, count: int, what: str) -> list[float]:
    """Turn so many numbers in a tuple, list, array or tensor into floats, or stop the check as `number` does."""
    value = unfinished(value)
    require(is_list(value, count), f"{what}: {count} numbers are asked for, your function returned {value!r}")
    return [number(one, what) for one in value]


def is_list(value: Any, count: int) -> bool:
    """Say whether something is a list of so many things: a tuple, list, array or tensor."""
    return (
        isinstance(value, list | tuple | np.ndarray | Tensor) and getattr(value, "ndim", 1) > 0 and len(value) == count
    )


def tensor(value: Any, what: str) -> Tensor:
    """Turn a tensor, an array, a list of numbers or a list of row tensors into a tensor, or stop as `number` does."""
    value = unfinished(value)
    try:
        rows = isinstance(value, list | tuple) and any(isinstance(row, Tensor) and row.numel() != 1 for row in value)
        return torch.stack(list(value)) if rows else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} should be a tensor, and your function returned {type(value).__name__}") from None
