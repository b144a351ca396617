"""ruff finds nothing to say about the package, the tests and the notebooks, and would not format them differently."""

import subprocess
import sys

import pytest
from places import REPOSITORY


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--quiet", "."], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
