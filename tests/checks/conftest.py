"""Every test of the checks begins at their first hints."""

import sys

import pytest


@pytest.fixture(autouse=True)
def from_the_first_hint() -> None:
    """Let all checks of all notebooks forget the mistakes that they have seen."""
    for name, module in list(sys.modules.items()):
        if name.startswith("emotion_utils.checks.nb"):
            for function in list(vars(module).values()):
                if hasattr(function, "__wrapped__") and hasattr(function, "reset"):
                    function.reset()
