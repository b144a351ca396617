"""Checks that name the thing and the value and give plain numbers, and messages that stay short and on one line."""

import io
import math
import os
import re
import sys

import numpy as np
import pytest
import torch

from emotion_utils.errors import (
    brief,
    check_at_least,
    check_number,
    check_share,
    check_whole,
    distinct_lines,
    listed,
    reason,
    say,
    show,
)


def test_what_is_too_small_is_named():
    check_at_least(1, n=1, size=48)
    check_at_least(0, noise=0.0)
    with pytest.raises(ValueError, match=r"^size=0: "):
        check_at_least(1, n=1, size=0)
    with pytest.raises(ValueError, match=r"limit=-2: .*None"):
        check_at_least(1, ", or None for all", limit=-2)
    with pytest.raises(ValueError, match="noise=nan"):
        check_at_least(0, noise=math.nan)


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), np.array(3), torch.tensor(3)])
def test_whole_numbers_of_all_kinds_become_an_int(value):
    assert check_whole(1, 3, size=value) == 3
    assert type(check_whole(1, size=value)) is int
    assert type(check_whole(size=value)) is int


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), torch.tensor(0.5), np.array(0.5)])
def test_numbers_of_all_kinds_become_plain(value):
    assert check_share(flip=value) == 0.5
    assert type(check_number(flip=value)) is float
    assert type(check_number(0, rotate=12)) is int  # nothing is changed that is plain


@pytest.mark.parametrize(
    "value", [1.5, "48", b"48", True, np.True_, None, math.nan, math.inf, -math.inf, [48], torch.ones(2), 1j, object]
)
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=r"^size=.*whole number, 1 to 9, or None") as caught:
        check_whole(1, 9, ", or None", size=value)
    assert len(str(caught.value)) < 150
    if isinstance(value, str | int | float):
        assert f"size={value!r}:" in str(caught.value).replace("np.", "")


@pytest.mark.parametrize(
    ("bounds", "value", "named"),
    [
        ({"least": 0}, -1, r"x=-1: .*0 or more"),
        ({"least": 0, "most": 1}, 1.5, r"x=1.5: .*0 to 1"),
        ({"above": 0}, 0, r"x=0: .*more than 0"),
        ({"above": 0, "most": 2}, np.float32(3), r"x=3.0: .*more than 0 and at most 2"),
        ({"most": 2}, 3, r"x=3: .*2 or less"),
        ({}, math.nan, r"x=nan: "),
        ({}, "one", r"x='one': "),
    ],
)
def test_what_is_out_of_bounds_is_named(bounds, value, named):
    with pytest.raises(ValueError, match=named):
        check_number(**bounds, x=value)


def test_messages_stay_short_and_on_one_line():
    class Odd:
        def __str__(self):
            raise RuntimeError("no words")

    texts = [
        brief("x" * 10_000), brief("a\nb"), brief(list(range(10_000))), brief(Odd()), brief(b"\xff" * 900),
        reason(ValueError("first\nsecond" * 100)), reason(KeyError()),
        show(os.fsdecode(b"/data/\xff\n\x1b[31m/x.png")), show("/long" * 1000), listed(["name\n" * 50] * 300),
    ]  # fmt: skip
    for text in texts:
        assert 0 < len(text) <= 280
        assert text.isprintable()
    assert "and 295 more" in texts[-1]
    assert texts[0].startswith("'xxx")
    assert "Odd" in texts[3]
    assert texts[6] == "KeyError"
    assert show("/long" * 1000 + "/the_end.png").endswith("/the_end.png")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_every_console_can_show_a_line(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    say("Angry → angry, 48×48 …")
    sys.stdout.flush()
    assert written.getvalue().decode(encoding).startswith("Angry ")
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "n=0: choose 1 or more."), ("x", "n='x': choose a whole number, 1 or more."),
     (10**12, "n=1000000000000: choose 1 to 1000000000.")],
)  # fmt: skip
def test_a_bound_that_guards_against_absurd_numbers_is_named_only_to_who_passed_it(value, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        check_whole(1, 10**9, n=value)
    with pytest.raises(ValueError, match="choose 0 to 255"):
        check_whole(0, 255, n=-1)


def test_lines_that_were_cut_alike_are_told_apart():
    assert distinct_lines(["a" * 9 + "1", "b", "a" * 9 + "2", 3], 8) == ["aaaaaaa…", "b", "aaaaaaa… (3)", "3"]
