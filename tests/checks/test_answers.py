"""What readers' code may do to a check: never end, leave Python, or return objects that lie. None of it is correct."""

import inspect
import io
import linecache
import os
import pkgutil
import random
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
from emotion_utils.checks import answers, check, nb00, nb02, nb05, numbers, require, tensor, unfinished, whole

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
                marks = [pytest.mark.slow] if name == "disagree" else []  # asks three networks each time
                yield pytest.param(function, id=f"{module}.{name}", marks=marks)


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


@pytest.mark.slow
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


READ = {
    "a tensor": torch.eye(3, dtype=torch.int64),
    "an array": np.eye(3, dtype=np.int64),
    "an array that runs backwards": np.eye(3, dtype=np.int64)[::-1, ::-1],
    "a list of lists": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "a list of row tensors": list(torch.eye(3, dtype=torch.int64)),
    "a tuple of row tensors": tuple(torch.eye(3, dtype=torch.int64)),
}


@pytest.mark.parametrize("value", READ.values(), ids=READ)
def test_a_tensor_is_read_however_it_is_given(value):
    assert torch.equal(tensor(value, "the matrix"), torch.eye(3, dtype=torch.int64))


def test_numbers_in_tensors_are_read_as_a_list_of_numbers():
    assert torch.equal(tensor([torch.tensor(1), torch.tensor([2])], "the indices"), torch.tensor([1, 2]))
    assert tensor([], "the indices").shape == (0,)


@pytest.mark.parametrize("value", ["12", {1, 2}, [torch.ones(2), torch.ones(3)], [torch.ones(2), "2"], [[1], [2, 3]]])
def test_what_is_no_tensor_is_named(value):
    with pytest.raises(answers.Wrong, match=f"the matrix .* {type(value).__name__}"):
        tensor(value, "the matrix")


@pytest.mark.parametrize("value", [(1, 2.5), [torch.tensor(1), 2.5], np.array([1, 2.5]), torch.tensor([1, 2.5])])
def test_so_many_numbers_are_read_however_they_are_given(value):
    assert numbers(value, 2, "the pair") == [1.0, 2.5]


@pytest.mark.parametrize("value", [3, "12", (1, 2, 3), {1, 2}, torch.tensor(3.0), np.float64(3), (1, "x")])
def test_what_is_not_so_many_numbers_is_refused(value):
    with pytest.raises(answers.Wrong, match="the pair"):
        numbers(value, 2, "the pair")


def test_a_number_that_is_nearly_whole_is_shown_as_it_is():
    with pytest.raises(answers.Wrong, match=r"38415\.99999999999"):
        whole(38415.99999999999, "the count")


def test_hooks_on_a_readers_network_are_taken_off():
    network = nn.Linear(2, 2)
    with answers.honest([network, 3]) as ready:
        assert ready == [network, 3]
        assert network._forward_hooks
    assert not network._forward_hooks


# --- hints follow the mistake --------------------------------------------------------------------------------------


@check(hints=("the first of two", "the second of two"))
def small_and_even(answer) -> None:
    require(answer % 2 == 0, f"{answer} is odd", hint="half of it must be whole")
    require(answer < 10, f"{answer} is large")


def test_a_hint_is_for_its_own_mistake():
    small_and_even.reset()
    odd, again, large, larger, largest, odd_again = (small_and_even(n).message for n in (3, 5, 12, 14, 16, 7))
    assert "Hint" not in odd
    assert again.endswith("Hint 1: half of it must be whole")
    assert "Hint" not in large, "another mistake starts with what was seen"
    assert larger.endswith("Hint 1: the first of two")
    assert largest.endswith("Hint 2: the second of two")
    assert odd_again.endswith("Hint 1: half of it must be whole")


# --- the reader's own line -----------------------------------------------------------------------------------------


def typed(source: str, name: str, where: str = "<ipython-input-9-aa>"):
    """Define a function as a notebook does: its lines are in linecache, under a name that is no file."""
    namespace: dict = {"torch": torch, "functional": functional, "nn": nn}
    exec(compile(source, where, "exec"), namespace)
    linecache.cache[where] = (len(source), None, source.splitlines(keepends=True), where)
    return namespace[name]


@check()
def applied(answer) -> None:
    require(unfinished(answer(torch.arange(3.0))) == 1, "it did not answer 1")


def test_a_crash_names_the_readers_line():
    crash = typed("def first(x):\n    y = [1]\n    return y[int(x[2])]\n", "first")
    message = applied(crash).message
    assert "IndexError: list index out of range (line 3, in first: `return y[int(x[2])]`)" in message


def test_a_crash_inside_torch_names_the_readers_line():
    assert (
        "(line 2, in shape: `return x @ torch.ones(4)`)"
        in applied(typed("def shape(x):\n    return x @ torch.ones(4)\n", "shape")).message
    )


def test_a_crash_in_a_helper_names_both_lines():
    source = "def helper(x):\n    return 1 / 0\n\ndef answer(x):\n    return [helper(v) for v in x]\n"
    message = applied(typed(source, "answer")).message
    assert (
        "line 5, in answer: `return [helper(v) for v in x]`, which called line 2, in helper: `return 1 / 0`" in message
    )


def test_a_crash_in_a_network_and_in_a_lambda():
    source = "class Net(nn.Module):\n    def forward(self, x):\n        return self.missing(x)\n"
    assert "line 3, in forward: `return self.missing(x)`" in applied(typed(source, "Net")()).message
    assert "line 1, in a lambda" in applied(typed("short = lambda x: x.nothing\n", "short")).message


def test_a_wrong_answer_that_ran_has_no_line():
    assert "line" not in applied(lambda x: 2).message


def test_a_crash_of_the_check_itself_has_no_line():
    with pytest.raises(TypeError) as caught:
        torch.ones("x")
    assert answers.place(caught.value) != "", "this file counts as a reader's"
    assert answers.place(ValueError("never raised")) == ""


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no timers on this platform")
def test_a_loop_that_never_ends_is_named(monkeypatch):
    monkeypatch.setattr(emotion_utils.checks, "SECONDS", 0.2)
    endless = typed("def endless(x):\n    while True:\n        pass\n", "endless")
    assert "0.2 seconds" in applied(endless).message
    assert ", in endless: " in applied(endless).message


# --- what an answer is given is left as it was ----------------------------------------------------------------------


GIVEN = (torch.tensor([1.0, float("nan"), 3.0]), np.array([1, 2, 3]))
CHANGES = {
    "a method in place": lambda one, other: one.add_(1),
    "an assignment": lambda one, other: other.__setitem__(0, 7),
    "a NaN that goes": lambda one, other: one.nan_to_num_(),
    "another shape": lambda one, other: one.resize_(2),
    "through NumPy": lambda one, other: one.numpy().fill(0),
}


def sees(answer):
    answer(*(torch.clone(each) if isinstance(each, torch.Tensor) else each.copy() for each in GIVEN))


strict, lenient = check()(sees), check(in_place=True)(sees)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_answer_that_changes_what_it_was_given_is_wrong(change):
    strict.reset()
    messages = [strict(change).message for _ in range(2)]
    assert all("changed the numbers" in message for message in messages)
    assert "copy" in messages[1]
    assert lenient(change)


def test_an_answer_that_leaves_it_is_right():
    assert strict(lambda one, other: (one.clone().add_(1), other * 2))


def test_a_verdict_is_shown_where_the_console_has_no_letters_for_it(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    require_said = check()(lambda answer: require(False, f"it said {answer()}"))
    assert not require_said(lambda: "√n")
    shown.flush()
    assert b"it said \\u221an" in shown.buffer.getvalue()


# --- what an exercise forbids --------------------------------------------------------------------------------------

LOGITS, LABELS = torch.randn(4, 7, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 6])


@check()
def by_hand(answer) -> None:
    with answers.without("cross_entropy", "cross_entropy_loss", "nll_loss", "avg_pool2d"):
        got = answer(LOGITS, LABELS)
    require(torch.allclose(got, functional.cross_entropy(LOGITS, LABELS)), "it is off")


def swallows(logits, labels):
    try:
        return functional.cross_entropy(logits, labels)
    except Exception:
        return -logits.log_softmax(1)[torch.arange(4), labels].mean()


FORBIDDEN = {
    "a function": functional.cross_entropy,
    "a layer": nn.CrossEntropyLoss(),
    "through another": lambda logits, labels: functional.nll_loss(logits.log_softmax(1), labels),
    "an operator": lambda logits, labels: torch.ops.aten.cross_entropy_loss(logits, labels),
    "on the way": lambda logits, labels: functional.avg_pool2d(logits[None], 1).mean(),
    "a layer on the way": lambda logits, labels: nn.AvgPool2d(1)(logits[None]).mean(),
    "swallowing the error": swallows,
    "out of sight of autograd": torch.no_grad()(functional.cross_entropy),
    "a compiled one": torch.func.vmap(lambda z, y: functional.cross_entropy(z[None], y[None])),
}


@pytest.mark.parametrize("answer", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_forbidden_function_is_seen(answer):
    verdict = by_hand(answer)
    assert verdict.status == "wrong"
    assert "PyTorch's" in verdict.message


def test_what_is_allowed_passes_and_the_watch_ends():
    assert by_hand(lambda logits, labels: (logits.logsumexp(1) - logits[torch.arange(4), labels]).mean())
    functional.cross_entropy(LOGITS, LABELS)


def test_a_forbidden_call_names_the_readers_line():
    message = by_hand(typed("def mine(z, y):\n    return functional.cross_entropy(z, y)\n", "mine")).message
    assert "cross_entropy" in message
    assert "(line 2, in mine: `return functional.cross_entropy(z, y)`)" in message


def test_a_check_leaves_random_states_and_settings_as_they_were():
    def careless(predictions, labels):
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return (predictions == labels).float().mean()

    def state():
        settings = (torch.is_grad_enabled(), torch.get_default_dtype())
        return (torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate(), *settings)

    before = state()
    assert nb00.accuracy(careless)
    assert state() == before
    assert not nb02.separable_multiply_adds(lambda *sizes: 1)  # builds layers to count for itself
    assert state() == before


class Speechless(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize("error", [Speechless(), type("Own", (BaseException,), {})("text"), Exception("x" * 9999)])
def test_errors_of_any_kind_are_a_verdict(error):
    def answer(predictions, labels):
        raise error

    verdict = nb00.accuracy(answer)
    assert verdict.status == "wrong"
    assert type(error).__name__ in verdict.message
    assert len(verdict.message) < 600


def test_what_an_answer_returned_is_cut_where_it_is_long():
    verdict = nb00.most_confused(lambda matrix, classes: 10**2000)
    assert verdict.status == "wrong"
    assert len(verdict.message) < 600


def test_a_reader_can_interrupt_a_check():
    def answer(predictions, labels):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nb00.accuracy(answer)
