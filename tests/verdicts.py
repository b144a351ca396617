"""What holds for every check of a notebook: right answers pass, wrong ones hear more at each try, stubs are not yet.

A test file of checks tells its answers, and takes the tests of them from here:

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(check, CASES)
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest

from emotion_utils.checks import Verdict

Check = Callable[..., Verdict]


def require_correct(function: Check, *answer: Any) -> None:
    """Fail unless the check takes the answer for right."""
    verdict = function(*answer)
    assert verdict.status == "correct", verdict.message


def require_wrong(function: Check, *answer: Any) -> list[str]:
    """Fail unless the check sees the mistake each time, and adds a hint from the second time on.

    Returns:
        What it said to the same answer given four times.
    """
    verdicts = [function(*answer) for _ in range(4)]
    messages = [verdict.message for verdict in verdicts]
    assert all(verdict.status == "wrong" for verdict in verdicts), messages
    assert all("not right yet. What happened: " in message for message in messages), messages
    assert not any("correct." in message for message in messages), messages
    assert "Hint" not in messages[0], "the first try hears only what was seen"
    assert "Hint 1: " in messages[1], messages
    assert all("Hint" in message for message in messages[2:]), messages
    return messages


def require_not_yet(function: Check, *stub: Any) -> None:
    """Fail unless the check knows the stub, and that nothing was written at all."""
    for answer in (stub, (...,) * len(stub)):
        verdict = function(*answer)
        assert verdict.status == "not yet", verdict.message
        assert "not yet" in verdict.message


def verdict_tests(
    module: ModuleType,
    cases: Mapping[str, Mapping[str, Any]],
    arguments: Callable[[str, Any], tuple] = lambda name, answer: (answer,),
) -> tuple[Callable, Callable, Callable]:
    """Make the tests of right answers, of wrong ones, and of stubs: one for each answer.

    Args:
        module: the checks, such as `nb05`.
        cases: for the name of each check its answers: "right" and "wrong", several each, and "stub"; "slow": True for a
            check that takes seconds.
        arguments: makes what a check is called with of its name and an answer.
    """

    def numbered(kind: str) -> pytest.MarkDecorator:
        pairs = [
            pytest.param(name, number, marks=[pytest.mark.slow] if case.get("slow") else [])
            for name, case in cases.items()
            for number in range(len(case[kind]))
        ]
        return pytest.mark.parametrize(("name", "number"), pairs)

    @numbered("right")
    def test_right(name: str, number: int) -> None:
        require_correct(getattr(module, name), *arguments(name, cases[name]["right"][number]))

    @numbered("wrong")
    def test_wrong(name: str, number: int, capsys: pytest.CaptureFixture) -> None:
        messages = require_wrong(getattr(module, name), *arguments(name, cases[name]["wrong"][number]))
        printed = capsys.readouterr().out
        assert all(message in printed for message in messages), printed

    @pytest.mark.parametrize("name", cases)
    def test_stub(name: str, capsys: pytest.CaptureFixture) -> None:
        require_not_yet(getattr(module, name), *arguments(name, cases[name]["stub"]))
        assert "not yet" in capsys.readouterr().out

    return test_right, test_wrong, test_stub
