"""How long each notebook runs and how much memory it takes, as a Markdown table. Nothing is written.

python tests/benchmarks/notebooks.py             # all lessons and solutions, on drawn faces
python tests/benchmarks/notebooks.py 02 04       # only these
"""

import argparse
import platform
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "tools"))
from notebook import NOTEBOOKS, PARTS, execute, find  # noqa: E402


class PeakMemory(threading.Thread):
    """Samples the resident memory of this process's children (the kernel), five times a second; `peak` in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Sample until `done` is set."""
        while not self.done.wait(0.2):
            total = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


def measure(path: Path) -> tuple[float, int]:
    """Run the notebook at `path`; return seconds (with the start of the kernel) and peak memory in bytes."""
    notebook = nbformat.read(path, as_version=4)
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    try:
        execute(notebook, path.parent)
    finally:
        memory.done.set()
    return time.perf_counter() - start, memory.peak


def main() -> None:
    """Print one row for each notebook, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", metavar="NN", help="start of the file name; all when left out")
    numbers = parser.parse_args().numbers or [""]
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, {torch.get_num_threads()} threads, {torch.__version__}\n")
    print("| notebook | seconds | peak memory, GB |\n| --- | ---: | ---: |")
    total = 0.0
    for part in PARTS:
        for path in [path for number in numbers for path in find(NOTEBOOKS, number, part, ".ipynb")]:
            seconds, peak = measure(path)
            total += seconds
            print(f"| {path.relative_to(NOTEBOOKS)} | {seconds:.0f} | {peak / 1e9:.2f} |", flush=True)
    print(f"| all | {total:.0f} | |")


if __name__ == "__main__":
    main()
