"""Threads wait briefly, unless the user has chosen: set before PyTorch is loaded, whichever way one comes in."""

import os
import re
import subprocess
import sys

import pytest
from places import REPOSITORY

from emotion_utils.threads import SPARING

NAMES = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
SHOW = f"import os; print({{name: os.environ[name] for name in {NAMES} if name in os.environ}})"


def fresh(*arguments: str, **chosen: str) -> subprocess.CompletedProcess:
    """Run Python in a process whose environment says nothing of threads but what is `chosen`."""
    env = {name: value for name, value in os.environ.items() if name not in NAMES}
    env |= {"PYTHONPATH": str(REPOSITORY), "OMP_DISPLAY_ENV": "VERBOSE", **chosen}
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=True)


def set_by(*lines: str, **chosen: str) -> dict[str, str]:
    return eval(fresh("-c", "\n".join([*lines, SHOW]), **chosen).stdout)


def spins(done: subprocess.CompletedProcess) -> set[str]:
    """Give what the runtime that PyTorch loaded says of itself: how long a thread spins, in its own unit."""
    found = re.findall(r"(GOMP_SPINCOUNT|KMP_BLOCKTIME)\s*=\s*'?(\d+)", done.stdout + done.stderr)
    if not found:
        pytest.skip("this PyTorch's threads are not those of an OpenMP runtime that says what it does")
    return set(found)


def test_importing_the_package_is_enough_and_loads_nothing():
    assert set_by("import emotion_utils, sys; assert not {'torch', 'numpy'} & set(sys.modules)") == SPARING
    assert set_by("from emotion_utils.errors import brief") == SPARING


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_chose_stays(name):
    value = "ACTIVE" if name == "OMP_WAIT_POLICY" else "77"
    assert set_by("import emotion_utils", **{name: value}) == {name: value}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("-c", "import emotion_utils, torch; torch.ones(9).sum()"), ("-m", "emotion_utils", "--version")],
    ids=["import", "command"],
)
def test_the_runtime_obeys(arguments):
    """Not only does the variable stand there: the library has read it."""
    assert spins(fresh(*arguments)) <= set(SPARING.items())


@pytest.mark.slow
def test_the_runtime_obeys_the_user():
    assert spins(fresh("-c", "import emotion_utils, torch", GOMP_SPINCOUNT="77", KMP_BLOCKTIME="77")) <= {
        ("GOMP_SPINCOUNT", "77"), ("KMP_BLOCKTIME", "77"),
    }  # fmt: skip


def test_these_tests_themselves_wait_briefly():
    assert any(name in os.environ for name in NAMES)


def test_the_start_script_hands_it_to_all_kernels():
    """Also to a notebook that loads PyTorch first."""
    assert set_by("import os, start; os.environ.update(start.environment())") == SPARING
    assert set_by("import os, start; os.environ.update(start.environment())", KMP_BLOCKTIME="9") == {
        "KMP_BLOCKTIME": "9"
    }
