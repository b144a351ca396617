"""What can go wrong, by name; checks of arguments; and how values, paths and lists are shown in a message."""

import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

LARGEST_WHOLE = 2**63 - 1  # that a tensor can hold
FAR = 10**6  # bounds from there on are named only to who has passed them


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read or belongs to something else; the message says what to do."""


class FolderInUseError(RuntimeError):
    """Another run is writing into the folder."""


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; the message says what to try."""


class ShapeError(ValueError):
    """Two parts do not fit together; the message names the layer, the shapes and the likely fix."""


class WeightsError(RuntimeError):
    """A file of weights is missing, damaged or of another kind; the message says what to do."""


class DownloadError(RuntimeError):
    """The download failed; the message says why and how to get the file by hand."""


class ValleyError(ValueError):
    """The networks don't lie in one valley, so their average is worse than they are."""


def check_whole(least: int | None = None, most: int | None = None, otherwise: str = "", **named: Any) -> int:
    """Return the one value that is named as a plain int: `size = check_whole(1, size=size)`.

    NumPy's and PyTorch's numbers become Python's, and 64.0 becomes 64. Left as they are, they would make checkpoints
    that cannot be read and, as seeds, other random numbers.

    Args:
        least: the smallest number allowed, or None.
        most: the largest number allowed, or None.
        otherwise: what else would do, for the message, such as ", or None for all".
        named: one argument; its name stands in the message.

    Raises:
        ValueError: not a whole number, or out of bounds; True and False, texts, NaN and infinity are no numbers.
    """
    ((name, value),) = named.items()
    number = _plain(value)
    most = LARGEST_WHOLE if most is None and least is not None else most
    shown = most if _tells(number, most) else None
    if not isinstance(number, int) and not (isinstance(number, float) and number.is_integer()):
        raise ValueError(f"{name}={brief(value)}: choose a whole number{_within(least, shown)}{otherwise}.")
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{name}={brief(value)}: choose {_bounds(least, shown)}{otherwise}.")
    return int(number)


def check_number(
    least: float | None = None, most: float | None = None, otherwise: str = "", *, above: float | None = None,
    **named: Any,
) -> float:  # fmt: skip
    """Return the one value that is named as a plain, finite number, an int or a float; see `check_whole`.

    `above` is a bound that is not allowed itself: a standard deviation lies above 0.
    """
    ((name, value),) = named.items()
    number = _plain(value)
    low, shown = least if above is None else above, most if _tells(number, most) else None
    if not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{name}={brief(value)}: choose a number{_within(low, shown, above is not None)}{otherwise}.")
    too_low = low is not None and (number <= low if above is not None else number < low)
    if too_low or (most is not None and number > most):
        raise ValueError(f"{name}={brief(value)}: choose {_bounds(low, shown, above is not None)}{otherwise}.")
    return number


def check_share(**named: Any) -> float:
    """Return the one value that is named as a plain number from 0 to 1; see `check_number`."""
    return check_number(0, 1, **named)


def check_at_least(least: float, otherwise: str = "", **values: Any) -> None:
    """Raise a ValueError for the first value below `least`: `check_at_least(1, ", or None for all", limit=limit)`."""
    for name, value in values.items():
        check_number(least, None, otherwise, **{name: value})


def _plain(value: Any) -> Any:
    """Turn NumPy's and PyTorch's numbers (arrays without dimensions, too) into Python's; True and False into None."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        try:
            value = value.item()
        except (RuntimeError, ValueError):  # a tensor without values, on the device "meta"
            return None
    return None if isinstance(value, bool) else value


def _tells(number: Any, most: float | None) -> bool:
    """Say whether a message is to name the largest number allowed: not one that only guards against absurd numbers."""
    return most is not None and (most < FAR or (isinstance(number, int | float) and number > most))


def _bounds(low: float | None, high: float | None, open_below: bool = False) -> str:
    if low is None:
        return f"{high} or less" if high is not None else "another"
    if high is None:
        return f"more than {low}" if open_below else f"{low} or more"
    return f"more than {low} and at most {high}" if open_below else f"{low} to {high}"


def _within(low: float | None, high: float | None, open_below: bool = False) -> str:
    return "" if low is None and high is None else f", {_bounds(low, high, open_below)}"


def brief(value: Any, limit: int = 60) -> str:
    """Show a value in a message: a text as it is written in Python, anything else as `print` would, on one line."""
    if isinstance(value, str | bytes):
        text = repr(value[:limit])
        return text if len(value) <= limit and len(text) <= limit else f"{text[: limit - 2]}…{text[-1]}"
    try:
        return one_line(str(value), limit)
    except Exception:  # an object whose own __str__ fails must not hide what is wrong with it
        return f"<{type(value).__name__}>"


def reason(error: BaseException | str, limit: int = 120) -> str:
    """Show what an exception says, on one line; its kind where it says nothing."""
    return one_line(str(error), limit) or type(error).__name__


def show(path: str | os.PathLike[str], limit: int = 160) -> str:
    """Show a path in a message: on one line whatever its name holds, and the end alone where it is very long."""
    text = printable(os.fspath(path))
    return text if len(text) <= limit else "…" + text[1 - limit :]


def listed(items: Sequence[str], limit: int = 5, length: int = 240, between: str = ", ") -> str:
    """Show the first few of many items, then how many more there are; none of them takes more than its share."""
    shown = [one_line(item, length // min(len(items), limit)) for item in items[:limit]]
    return between.join(shown) + (f"{between}and {len(items) - limit:,} more" if len(items) > limit else "")


def one_line(text: str, limit: int) -> str:
    """Put a text on one line of at most `limit` characters."""
    text = printable(" ".join(text[: 4 * limit].split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def distinct_lines(names: Iterable[Any], limit: int) -> list[str]:
    """Put names on a line each, of at most `limit` characters; one that was cut to what another is gets its number."""
    made: list[str] = []
    for name in names:
        line = one_line(str(name), limit)
        made.append(f"{line} ({len(made) + 1})" if line in made else line)
    return made


def printable(text: str) -> str:
    """Escape line breaks, a terminal's control codes and bytes that are no text, so that every console can show it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """Print a line; what the console has no letters for is escaped, where `print` would end in an error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
