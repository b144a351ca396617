"""What readers' code may do to a check: never end, leave Python, or return objects that lie. None of it is correct."""

import inspect
import os
import pkgutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from places import REPOSITORY
from torch import nn
from torch.nn import functional

import emotion_utils.checks
from emotion_utils.checks import answers, check, nb00, nb02, nb05, require, unfinished

MODULES = [name for _, name, _ in pkgutil.iter_modules(emotion_utils.checks.__path__) if name.startswith("nb")]


class Agrees:
    """Claims to equal everything, and takes part in any arithmetic and any comparison."""

    def __call__(self, *arguments, **options):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = object.__hash__
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __abs__ = __getitem__ = __call__

    def __bool__(self):
        return True

    def __float__(self):
        return 1.0

    def __len__(self):
        return 2


class AgreeingTensor(torch.Tensor):
    """A tensor of a kind of its own: every comparison with it comes out in its favour."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        name = getattr(function, "__name__", "")
        if name in ("equal", "allclose"):
            return True
        with torch._C.DisableTorchFunctionSubclass():
            result = function(*arguments, **(options or {}))
        if name in ("isclose", "eq", "__eq__", "lt", "__lt__"):
            return torch.ones_like(result)
        if name in ("ne", "__ne__", "gt", "__gt__"):
            return torch.zeros_like(result)
        return result.as_subclass(cls) if isinstance(result, torch.Tensor) else result


def agreeing(kind: type) -> type:
    """Make a subclass of a plain type that equals everything."""
    members = {"__eq__": lambda self, other: True, "__ne__": lambda self, other: False, "__hash__": kind.__hash__}
    return type(f"Agreeing{kind.__name__}", (kind,), members)


LIES = {
    "object": Agrees(),
    "function of an object": lambda *arguments: Agrees(),
    "tensor": torch.zeros(3, 3).as_subclass(AgreeingTensor),
    "function of a tensor": lambda *arguments: torch.zeros(3, 3).as_subclass(AgreeingTensor),
    "function of a list of tensors": lambda *arguments: [torch.zeros(3).as_subclass(AgreeingTensor)] * 2,
    "number": agreeing(float)(0.37),
    "function of a number": lambda *arguments: agreeing(float)(0.37),
    "function of a whole number": lambda *arguments: agreeing(int)(-3),
    "text": agreeing(str)("x"),
    "function of a list of texts": lambda *arguments: [agreeing(str)("x")] * 9,
    "function of two texts": lambda *arguments: (agreeing(str)("x"), agreeing(str)("y")),
    "list": agreeing(list)([1, 2]),
    "function of a list": lambda *arguments: agreeing(list)([1, 2]),
    "dictionary": agreeing(dict)({"AU1": 0.0}),
}


def checks():
    for module in MODULES:
        vars_ = vars(__import__(f"emotion_utils.checks.{module}", fromlist=[module]))
        for name, function in vars_.items():
            if hasattr(function, "reset") and inspect.isfunction(function):
                yield pytest.param(function, id=f"{module}.{name}")


@pytest.mark.parametrize("one", list(checks()))
def test_lying_objects_prove_nothing(one):
    count = len(inspect.signature(one).parameters)
    for name, lie in LIES.items():
        assert one(*[lie] * count).status != "correct", f"a lying {name} passed"


def lying(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(AgreeingTensor)


Text = agreeing(str)


def unflipped(image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Cross-correlate where a convolution is asked for."""
    return lying(functional.conv2d(image[None, None], kernel[None, None])[0, 0])


# Lies of the right form: taken at their word, each of these passes.
FITTING_LIES = {
    "names": (nb00.decide, lambda probabilities, classes: [Text("x")] * len(probabilities)),
    "a list that equals": (nb00.decide, lambda rows, classes: agreeing(list)([Text("x")] * len(rows))),
    "a map": (nb02.true_convolution, unflipped),
    "labels": (nb05.predict_files, lambda model, paths: [Text("x")] * len(paths)),
}


@pytest.mark.parametrize("name", FITTING_LIES)
def test_lies_of_the_right_form_prove_nothing(name):
    one, lie = FITTING_LIES[name]
    assert one(lie).status == "wrong"


@pytest.mark.parametrize("one", list(checks()))
def test_leaving_python_is_an_error_like_any_other(one):
    def leave(*arguments, **options):
        sys.exit("done")

    verdict = one(*[leave] * len(inspect.signature(one).parameters))
    assert verdict.status == "wrong"


@check()
def answers_one(answer) -> None:
    require(unfinished(answer()) == 1, "it did not answer 1")


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no timers on this platform")
@pytest.mark.parametrize("swallows", [False, True])
def test_a_loop_that_never_ends_is_stopped(monkeypatch, swallows):
    monkeypatch.setattr(emotion_utils.checks, "SECONDS", 0.3)

    def endless():
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                if not swallows:
                    raise

    verdict = answers_one(endless)
    assert verdict.status == "wrong"
    assert "0.3 seconds" in verdict.message
    assert answers_one(lambda: 1), "the timer is off again"


def test_the_limit_leaves_other_alarms_and_threads_alone():
    """In a thread there is no limit, and the check works all the same."""
    code = (
        "import threading; from emotion_utils.checks import nb00\n"
        "right = lambda p, l: (p == l).float().mean()\n"
        "t = threading.Thread(target=lambda: nb00.accuracy(right)); t.start(); t.join()"
    )
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout == "accuracy: correct.\n", done.stderr


def test_an_interrupt_is_the_readers_own():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers_one(interrupted)


def test_a_long_message_is_cut():
    def long():
        raise ValueError("x" * 10_000)

    assert len(answers_one(long).message) < 500


def test_plain_values_are_what_they_were():
    for value in (1, 2.5, True, "a", b"b", None, [1, (2, "c")], {"k": {3.0}}, np.float32(2), np.arange(3)):
        again = answers.plain(value)
        assert type(again) is type(value)
        assert np.array_equal(again, value) if isinstance(value, np.ndarray) else again == value
    weight = nn.Parameter(torch.ones(2))
    assert answers.plain(weight) is weight
    bare = answers.plain(torch.ones(2).as_subclass(AgreeingTensor))
    assert type(bare) is torch.Tensor
    assert torch.equal(bare, torch.ones(2))


def test_hooks_on_a_readers_network_are_taken_off():
    network = nn.Linear(2, 2)
    with answers.honest([network, 3]) as ready:
        assert ready == [network, 3]
        assert network._forward_hooks
    assert not network._forward_hooks
