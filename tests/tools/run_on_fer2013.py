"""Run the notebooks on FER2013, into a folder outside the repository, and compare with the stored runs on drawn faces.

    EMOTION_DATA_DIR=/where/fer2013/lies python tests/tools/run_on_fer2013.py /tmp/fer2013-run
    … --only 03 04

A run is never stored in place: the notebooks' outputs come from drawn faces, and photographs of FER2013 stay out of the
repository. Wherever a notebook prints a line `ordering: linear 0.31 < mlp 0.45 < cnn 0.83`, the same models must come
in the same order on both data sets, with numbers that rise.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError

sys.path.insert(0, str(Path(__file__).parent))
import itertools

from lint_notebook import output_texts
from notebook import NOTEBOOKS, REPOSITORY, execute, find

from emotion_utils.files import atomic_write

CELL_TIMEOUT = 7200  # seconds; notebook 09 trains a recipe on all photographs
ORDERING = re.compile(r"^ordering: (.+)$", flags=re.M)


def orderings(notebook: dict) -> list[list[tuple[str, float]]]:
    """Return the models and accuracies of each `ordering:` line that the notebook's outputs show."""
    texts = [text for cell in notebook["cells"] for text in output_texts(cell)]
    lines = dict.fromkeys(match for text in texts for match in ORDERING.findall(text))
    return [[(name, float(number)) for name, number in re.findall(r"(\w+) ([\d.]+)", line)] for line in lines]


def compare(drawn: dict, photographs: dict) -> list[str]:
    """Return how the orderings of two runs of a notebook differ, one sentence each."""
    problems = []
    here, there = orderings(drawn), orderings(photographs)
    if len(here) != len(there):
        problems.append(f"{len(here)} ordering line(s) on drawn faces, {len(there)} on FER2013")
    for mine, theirs in zip(here, there, strict=False):
        if [name for name, _ in mine] != [name for name, _ in theirs]:
            problems.append(f"the order differs: {mine} on drawn faces, {theirs} on FER2013")
        for line in (mine, theirs):
            numbers = [number for _, number in line]
            if len(numbers) < 2 or any(left >= right for left, right in itertools.pairwise(numbers)):
                problems.append(f"the numbers do not rise: {line}")
    return problems


def run(path: Path, folder: Path) -> list[str]:
    """Run the notebook at `path` on FER2013 and save it in `folder`; return what went wrong."""
    notebook = nbformat.read(path, as_version=4)
    start, problems = time.perf_counter(), []
    try:
        execute(notebook, path.parent, data="fer2013", timeout=CELL_TIMEOUT)
    except (CellExecutionError, CellTimeoutError) as error:
        problems.append(str(error).strip())
    minutes = (time.perf_counter() - start) / 60
    with atomic_write(folder / path.name) as part:
        nbformat.write(notebook, part)
    if not problems:
        problems = compare(json.loads(path.read_text(encoding="utf-8")), notebook)
    shown = "; ".join(" < ".join(f"{name} {number:.2f}" for name, number in line) for line in orderings(notebook))
    print(f"{path.name}: {minutes:.1f} min {'FAILED' if problems else 'ok'} {shown}", flush=True)
    return [f"{path.name}: {problem}" for problem in problems]


def main() -> int:
    """Run them all; return 1 if any failed or disagreed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the executed notebooks go; outside the repository")
    parser.add_argument("--only", nargs="*", default=[""], metavar="NN", help="start of the file name")
    options = parser.parse_args()
    if options.folder.resolve().is_relative_to(REPOSITORY):
        parser.error("the folder must lie outside the repository: these outputs show photographs of FER2013")
    problems = []
    for path in [path for number in options.only for path in find(NOTEBOOKS, number, "lessons", ".ipynb")]:
        problems += run(path, options.folder)
    print("\n".join(problems) or "All notebooks run on FER2013, and models come in the same order as on drawn faces.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
