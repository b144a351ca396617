"""Shared by all tests: drawn faces unless a test asks for others, and a reason when FER2013 is not there."""

import gc
import os

import matplotlib
import pytest

import emotion_utils  # noqa: F401  (before PyTorch: how threads wait; notebooks that nbval runs inherit it)

os.environ.pop("EMOTION_DATA", None)
matplotlib.use("agg")  # no window, whatever the machine has


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need FER2013 where `EMOTION_DATA_DIR` does not lead to it."""
    marked = [item for item in items if item.get_closest_marker("fer2013")]
    if not marked:
        return
    from emotion_utils.data.fer2013_files import fer2013_is_there

    if not fer2013_is_there():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="FER2013 is not in EMOTION_DATA_DIR (see data/README.md)"))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests, which stay: it would go through them again and again."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let all be collected in the end."""
    gc.unfreeze()
