"""Is everything here that the notebooks need? A table of what was found, with advice where something is amiss."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

import torch

from emotion_utils.data.fer2013_files import fer2013_is_there
from emotion_utils.errors import say
from emotion_utils.files import data_dir, user_cache_dir, writable_dir

LEAST_DISK = 1.0  # GB, for the caches of drawn faces and of FER2013
PACKAGES = ("torch", "torchvision", "matplotlib", "jupyterlab", "ipywidgets", "anywidget")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(options: argparse.Namespace) -> None:
    """Print the table; exit with status 1 if something is amiss."""
    if check_environment():
        sys.exit(1)


@dataclass(frozen=True)
class _Finding:
    """One row of the table."""

    about: str
    found: str
    amiss: tuple[str, ...] = ()  # a sentence each


def check_environment() -> list[str]:
    """Print what this machine offers to the notebooks; return what is amiss, one sentence each (empty: all well)."""
    findings = [
        _python(),
        _packages(),
        _Finding("device", _device()),
        _Finding("processor", f"{os.cpu_count()} cores; threads that PyTorch uses: {torch.get_num_threads()}"),
        _disk(),
        _Finding("drawn faces", "built in; drawn once, then kept"),
        _fer2013(),
    ]
    width = max(len(finding.about) for finding in findings)
    problems = [sentence for finding in findings for sentence in finding.amiss]
    lines = [f"{finding.about:{width}}  {finding.found}" for finding in findings]
    for line in [*lines, "", *(problems or ["Everything that the notebooks need is here."])]:
        say(line)
    return problems


def _python() -> _Finding:
    found = f"{platform.python_version()} on {platform.system()} ({platform.machine()})"
    try:
        wanted = importlib.metadata.metadata("emotion-utils")["Requires-Python"]  # such as >=3.11, from pyproject.toml
    except importlib.metadata.PackageNotFoundError:
        return _Finding("Python", found, ("emotion_utils is not installed; run `python start.py`, which installs it.",))
    oldest = wanted.removeprefix(">=")
    if sys.version_info < tuple(map(int, oldest.split("."))):
        return _Finding("Python", found, (f"Python {oldest} or newer is needed; run `python start.py`.",))
    return _Finding("Python", found)


def _packages() -> _Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"The package {name} is missing; run `python start.py`, which installs it.")
    return _Finding("packages", ", ".join(found), tuple(missing))


def _device() -> str:
    if torch.cuda.is_available():
        return f"GPU {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "GPU of an Apple chip (mps)"
    return "CPU; that is enough for every notebook"


def _disk() -> _Finding:
    try:
        folder = writable_dir(data_dir(), user_cache_dir())
    except PermissionError as error:
        return _Finding("free disk for data", "no folder to write to", (str(error),))
    free = shutil.disk_usage(folder).free / 1e9
    amiss = f"Only {free:.1f} GB are free for data; make room, or set EMOTION_DATA_DIR to another disk."
    return _Finding("free disk for data", f"{free:.0f} GB", (amiss,) if free < LEAST_DISK else ())


def _fer2013() -> _Finding:
    if fer2013_is_there():
        return _Finding("FER2013", "found")
    asked_for = os.environ.get("EMOTION_DATA") == "fer2013"
    amiss = "EMOTION_DATA=fer2013 is set, but FER2013 is not in EMOTION_DATA_DIR; see data/README.md."
    found = "not here, and not needed (data/README.md says how to get it)"
    return _Finding("FER2013", found, (amiss,) if asked_for else ())
