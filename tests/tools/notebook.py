"""Build the notebooks from their text form, and turn them back into it.

    python tests/tools/notebook.py build 02          # text -> run -> notebooks/02_….ipynb and its solutions
    python tests/tools/notebook.py build 02 --part lessons
    python tests/tools/notebook.py text 02           # notebooks/02_….ipynb -> text, to edit it

The text form is jupytext's `py:percent` (`# %%` starts a code cell, `# %% [markdown]` a text cell). It lies in a folder
outside the repository: `--source`, else the environment's NOTEBOOK_SOURCE, else `scratch/nb` beside the repository.
What is committed is the notebook, with the outputs of one clean run on drawn faces.
"""

import argparse
import hashlib
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from anywhere import adapt, address
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from emotion_utils.files import atomic_write  # noqa: E402

NOTEBOOKS = REPOSITORY / "notebooks"
PARTS = {"lessons": ".", "solutions": "solutions"}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT = 600  # seconds
# Without magics: jupytext takes the first line of a shell script in a text cell, "#!/bin/bash", for one and spoils it.
TEXT_FORM = {"extension": ".py", "format_name": "percent", "comment_magics": False}


def find(folder: Path, number: str, part: str, suffix: str) -> list[Path]:
    """Return the files of notebook `number` ("02", or any longer start of a name) in `part` of `folder`."""
    return sorted((folder / PARTS[part]).glob(f"{number}*{suffix}"))


def execute(
    notebook: nbformat.NotebookNode, folder: Path, data: str | None = None, timeout: int = CELL_TIMEOUT
) -> None:
    """Run `notebook` in place, top to bottom, in `folder`; `data` is EMOTION_DATA for the kernel (None: unset).

    A cell may take `timeout` seconds.

    Raises:
        CellExecutionError: a cell without the tag `raises-exception` raised.
        CellTimeoutError: a cell took longer.
    """
    env = {name: value for name, value in os.environ.items() if name != "EMOTION_DATA"}
    if data is not None:
        env["EMOTION_DATA"] = data
    # The kernel can import the package from the tree even where it is not installed.
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), env.get("PYTHONPATH")]))
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.execute(env=env)


def format_code(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return `notebook` with its imports sorted and its code formatted by ruff under the notebooks' settings."""
    text = nbformat.writes(notebook)
    for command in (["check", "--fix-only", "--select", "I"], ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(NOTEBOOKS / "cell.ipynb"), "-"],
            input=text,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
        )
        if done.returncode:
            raise SystemExit(f"ruff could not read a cell:\n{done.stderr}")
        text = done.stdout
    return nbformat.reads(text, as_version=4)


def name_cells(notebook: nbformat.NotebookNode) -> None:
    """Give each cell an id that changes only when that cell does, and the tag that its first line asks for."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.blake2b(f"{cell.cell_type}\n{cell.source}".encode(), digest_size=4).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        if cell.cell_type == "code" and cell.source.startswith("# EDIT ME"):
            cell.metadata.tags = sorted({*cell.metadata.get("tags", []), "edit"})


def _collapse(text: str) -> str:
    """Keep of each line what a terminal would show after its carriage returns: a progress bar's last state."""
    return "\n".join(re.split(r"\r+", line.rstrip("\r"))[-1] for line in text.split("\n"))


def _without_paths(value: Any) -> Any:
    """Make paths relative in every text of an output: of this repository, and of the user's home folder."""
    if isinstance(value, str):
        return value.replace(f"{REPOSITORY}{os.sep}", "").replace(str(Path.home()), "~")
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    if isinstance(value, dict):
        return nbformat.from_dict({name: _without_paths(item) for name, item in value.items()})
    return value


def clean(notebook: nbformat.NotebookNode) -> None:
    """Remove what a reader does not need and what breaks viewers: widget views and state, timings, absolute paths."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO})
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.get("data", {}).pop(WIDGET_VIEW, None) and not {"image/png", "text/html"} & set(output.data):
                # With nothing to fall back on, only the widget's repr is left, which tells a reader nothing.
                continue
            kept.append(output)
        # Twice, because a progress bar that wiped itself out may lie between two pieces of one text.
        cell.outputs = [_without_paths(output) for output in _join(_join(kept))]


def _join(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join neighbouring pieces of the same stream, wipe what carriage returns overwrite, drop what is then empty."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        before = joined[-1] if joined else None
        if output.output_type == "stream" and before is not None and before.get("name") == output.name:
            before.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = _collapse(output.text)
    return [output for output in joined if output.get("text", "text").strip()]


def state_time(notebook: nbformat.NotebookNode, seconds: float) -> None:
    """Write the measured time into the title cell: "… seconds to run" (RUNTIME, or a number from an earlier build)."""
    measured = f"{5 * math.ceil(seconds / 5)} seconds to run"
    notebook.cells[0].source = re.sub(r"(RUNTIME|READTIME|\d+) seconds to run", measured, notebook.cells[0].source)


def build(source: Path, target: Path) -> None:
    """Turn the text notebook `source` into `target`, executed and clean.

    Raises:
        SystemExit: a cell does not parse or raises; a notebook that stood at `target` is then untouched.
    """
    import jupytext  # only writers of notebooks need it

    start = time.perf_counter()
    notebook = jupytext.read(source, fmt=TEXT_FORM)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO})
    notebook = format_code(notebook)
    begin = time.perf_counter()
    try:
        execute(notebook, NOTEBOOKS)
    except (CellExecutionError, CellTimeoutError) as error:
        raise SystemExit(f"{source.name}: a cell failed.\n{error}") from None
    state_time(notebook, time.perf_counter() - begin)
    name_cells(notebook)
    clean(notebook)
    adapt(notebook, target, address())
    nbformat.validate(notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        nbformat.write(notebook, part)
    seconds = time.perf_counter() - start
    print(f"{target.relative_to(REPOSITORY)}: {seconds:.0f} s, {target.stat().st_size / 1e6:.2f} MB", flush=True)
    subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format", "concise", str(target)], cwd=REPOSITORY
    )


def to_text(notebook_file: Path, target: Path, force: bool) -> None:
    """Write `notebook_file` as py:percent text to `target`; a newer text stays unless `force`."""
    import jupytext

    if target.exists() and not force and target.stat().st_mtime > notebook_file.stat().st_mtime:
        raise SystemExit(f"{target} is newer than {notebook_file.name}; add --force to overwrite it.")
    notebook = nbformat.read(notebook_file, as_version=4)
    adapt(notebook, notebook_file, "")
    for cell in notebook.cells:
        cell.pop("id", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as part:
        part.write_text(jupytext.writes(notebook, fmt=TEXT_FORM), encoding="utf-8")
    print(target)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line (see the module's docstring) and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "text"])
    parser.add_argument("numbers", nargs="+", metavar="NN", help="start of the file name, such as 02")
    parser.add_argument("--part", choices=[*PARTS, "both"], default="both")
    default = os.environ.get("NOTEBOOK_SOURCE") or REPOSITORY.parent / "scratch" / "nb"
    parser.add_argument("--source", type=Path, default=Path(default), help="folder of the text form")
    parser.add_argument("--force", action="store_true", help="text: overwrite a newer text file")
    options = parser.parse_args(arguments)
    parts = list(PARTS) if options.part == "both" else [options.part]
    here, suffix = (options.source, ".py") if options.command == "build" else (NOTEBOOKS, ".ipynb")
    for number in options.numbers:
        found = [(part, path) for part in parts for path in find(here, number, part, suffix)]
        if not found:
            raise SystemExit(f"No {number}*{suffix} in {here}.")
        for part, path in found:
            if options.command == "build":
                build(path, NOTEBOOKS / PARTS[part] / f"{path.stem}.ipynb")
            else:
                to_text(path, options.source / PARTS[part] / f"{path.stem}.py", options.force)


if __name__ == "__main__":
    main()
