"""Shared by all tests: drawn faces unless a test asks for others, and a reason when FER2013 is not there."""

import os

import matplotlib
import pytest

os.environ.pop("EMOTION_DATA", None)
matplotlib.use("agg")  # no window, whatever the machine has

FER2013_FORMS = ("fer2013.csv", "icml_face_data.csv", "train.csv", "fer2013.csv.zip", "fer2013.zip", "fer2013.tar.gz")


def fer2013_is_there() -> bool:
    """Say whether the folder of the data holds FER2013 in one of its usual forms."""
    from emotion_utils.storage import data_dir

    folder = data_dir()
    return any((folder / name).exists() for name in FER2013_FORMS) or (folder / "train" / "happy").is_dir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need FER2013 where `EMOTION_DATA_DIR` does not lead to it."""
    marked = [item for item in items if item.get_closest_marker("fer2013")]
    if marked and not fer2013_is_there():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="FER2013 is not in EMOTION_DATA_DIR (see data/README.md)"))
