"""Run notebooks to the end, then every section once more in the same kernel, the last one first, as readers do.

    python tests/tools/run_again.py 03 04        (all of them without a number)

A cell that fails when it runs again, or a cell tagged `nbval-check-output` that then prints something else, is named.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).parent))
from lint_notebook import CHECKED, output_texts
from notebook import CELL_TIMEOUT, NOTEBOOKS, REPOSITORY, find


def places_by_section(notebook: nbformat.NotebookNode) -> list[list[int]]:
    """Return, for each heading, where the code cells below it stand."""
    found: list[list[int]] = [[]]
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and re.search("^#{2,6} ", cell.source, flags=re.M):
            found.append([])
        elif cell.cell_type == "code":
            found[-1].append(place)
    return [places for places in found if places]


def run_again(notebook: nbformat.NotebookNode, folder: Path) -> Iterator[str]:
    """Run `notebook` in `folder`, then its sections from the last to the first; yield what differs.

    Raises:
        CellExecutionError: a cell fails in the first run already.
    """
    env = {name: value for name, value in os.environ.items() if name != "EMOTION_DATA"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), env.get("PYTHONPATH")]))
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT, kernel_name="python3", resources=resources)
    with client.setup_kernel(env=env):
        for place, cell in enumerate(notebook.cells):
            client.execute_cell(cell, place)
        first = {place: "".join(output_texts(cell)) for place, cell in enumerate(notebook.cells)}
        for places in reversed(places_by_section(notebook)):
            for place in places:
                cell = notebook.cells[place]
                try:
                    client.execute_cell(cell, place)
                except CellExecutionError as error:
                    yield f"cell {place} fails: {str(error).strip().splitlines()[-1]}\n    {cell.source[:200]!r}"
                    break
                again = "".join(output_texts(cell))
                if CHECKED in cell.metadata.get("tags", []) and again != first[place]:
                    yield f"cell {place} prints something else: {again[:200]!r} was {first[place][:200]!r}"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("numbers", nargs="*", help="notebooks, such as 03 (default: all lessons)")
    arguments = p.parse_args()
    total = 0
    for number in arguments.numbers or [""]:
        for path in find(NOTEBOOKS, number, "lessons", ".ipynb"):
            start = time.perf_counter()
            problems = list(run_again(nbformat.read(path, as_version=4), path.parent))
            total += len(problems)
            print(f"{path.name}: {len(problems)} problem(s), {time.perf_counter() - start:.0f} s", flush=True)
            print(*(f"  {problem}" for problem in problems), sep="\n", end="\n" if problems else "")
    return min(total, 1)


if __name__ == "__main__":
    sys.exit(main())
