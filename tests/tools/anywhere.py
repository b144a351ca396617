"""Let notebooks be opened on Colab and Kaggle, from the address that pyproject.toml states; without one, leave them be.

    python tests/tools/anywhere.py            # bring all notebooks in line with the address

The address stands in one place, `Repository` under `[project.urls]`. While there is none, nobody could fetch the
package from anywhere, so a cell for that would only puzzle readers. `notebook.py build` does the same for what it
builds, and `notebook.py text` leaves the cell and the links out.
"""

import re
import tomllib
from pathlib import Path

import nbformat

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
TAG = "anywhere"
LINKS = re.compile(r"\n\nOpen it \[on Colab\][^\n]*")
CELL = """\
# On Colab and Kaggle this fetches the package (Kaggle: switch Internet on). Where it is installed, nothing happens.
from importlib.util import find_spec

if find_spec("emotion_utils") is None:
    get_ipython().run_line_magic("pip", "install --quiet anywidget")
    get_ipython().run_line_magic("pip", "install --quiet --no-deps {what}")"""  # theirs stays as it is there


def address() -> str:
    """Return the address of the repository, such as https://github.com/somebody/something; "" while there is none."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository", "").rstrip("/")


def fetching_cell(where: str) -> nbformat.NotebookNode:
    """Make the cell that installs the package from a repository, or from a wheel if the address is one's."""
    what = where if where.endswith(".whl") else f"git+{where}"
    return nbformat.v4.new_code_cell(CELL.format(what=what), id="anywhere", metadata={"tags": [TAG]})


def links(where: str, path: Path) -> str:
    """Write the line with links to the notebook at `path`; "" for an address that Colab does not open."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?", where)
    if not found:
        return ""
    place = f"github.com/{found[1]}/blob/HEAD/{path.relative_to(REPOSITORY).as_posix()}"
    colab = "https://colab.research.google.com/" + place.replace("github.com", "github", 1)
    return f"\n\nOpen it [on Colab]({colab}) or [on Kaggle](https://kaggle.com/kernels/welcome?src=https://{place})."


def adapt(notebook: nbformat.NotebookNode, path: Path, where: str) -> None:
    """Give a notebook, in place, the cell and the links for an address; "" takes them away. The rest stays."""
    notebook.cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    title = notebook.cells[0]
    title.source = LINKS.sub("", title.source) + links(where, path)
    if where:
        first = next(n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")
        notebook.cells.insert(first, fetching_cell(where))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if all(cell.execution_count for cell in code if TAG not in cell.metadata.get("tags", [])):
        _count(code)


def _count(code: list[nbformat.NotebookNode]) -> None:
    """Number the cells of a run from the top: where the package is, the new cell does nothing."""
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number


def main() -> None:
    """Adapt all notebooks; say which have changed."""
    for path in sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")]):
        before = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(before, as_version=4)
        adapt(notebook, path, address())
        after = nbformat.writes(notebook) + "\n"
        if after.rstrip() != before.rstrip():
            path.write_text(after, encoding="utf-8")
            print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
