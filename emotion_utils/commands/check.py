"""Is everything here that the notebooks need? A table of what was found, with advice where something is amiss."""

import importlib.metadata
import os
import platform
import shutil
import sys

import torch

from emotion_utils.data.fer2013_files import fer2013_is_there
from emotion_utils.files import data_dir, user_cache_dir, writable_dir

OLDEST_PYTHON = (3, 11)


LEAST_DISK = 1.0  # GB, for the caches of drawn faces and of FER2013


PACKAGES = ("torch", "torchvision", "matplotlib", "jupyterlab", "ipywidgets")


def check_environment() -> list[str]:
    """Print what this machine offers to the notebooks; return what is amiss, one sentence each (empty: all well)."""
    rows, problems = [], []
    rows.append(("Python", f"{platform.python_version()} on {platform.system()} ({platform.machine()})"))
    if sys.version_info < OLDEST_PYTHON:
        problems.append(f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed; run `python start.py`.")
    found = {name: _version(name) for name in PACKAGES}
    rows.append(("packages", ", ".join(f"{name} {version}" for name, version in found.items() if version)))
    for name in [name for name, version in found.items() if version is None]:
        problems.append(f"The package {name} is missing; run `python start.py`, which installs it.")
    rows.append(("device", _device()))
    rows.append(("processor", f"{os.cpu_count()} cores; threads that PyTorch uses: {torch.get_num_threads()}"))
    cache = writable_dir(data_dir(), user_cache_dir())
    free = shutil.disk_usage(cache).free / 1e9
    rows.append(("free disk for data", f"{free:.0f} GB"))
    if free < LEAST_DISK:
        problems.append(f"Only {free:.1f} GB are free for data; make room, or set EMOTION_DATA_DIR to another disk.")
    rows.append(("drawn faces", "built in; drawn once, then kept"))
    there = fer2013_is_there()
    rows.append(("FER2013", "found" if there else "not here, and not needed (data/README.md says how to get it)"))
    if os.environ.get("EMOTION_DATA") == "fer2013" and not there:
        problems.append("EMOTION_DATA=fer2013 is set, but FER2013 is not in EMOTION_DATA_DIR; see data/README.md.")
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {text}" for name, text in rows))
    print("\n".join(["", *problems]) if problems else "\nEverything that the notebooks need is here.")
    return problems


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> str:
    if torch.cuda.is_available():
        return f"GPU {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "GPU of an Apple chip (mps)"
    return "CPU; that is enough for every notebook"
