"""What makes a notebook of this series fit to be committed; `tests/notebooks/test_notebooks.py` runs it on every one.

python tests/tools/lint_notebook.py notebooks/02_convolution_and_pooling.ipynb
"""

import ast
import html
import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from notebook_names import stale_names

LONGEST_CELL = 25  # lines
MEDIAN_CELL = 8  # lines
IMPORT_LINES = 8  # from the package, in the first cell of code
WORDS_PER_LINE = (6, 20)  # words of prose for each line of code; the aim is 8 to 15
LARGEST_FILE = 3_000_000  # bytes
ABSOLUTE_PATH = re.compile(r"(?<![\w./~-])(/(?:work|home|root|tmp|Users|mnt)/[\w.-]+)|([A-Za-z]:\\{1,2}Users)")
LESSON_PARTS = ("You will be able to", "Time.", "What you learned", "Common errors", "Next")
CHECKED = "nbval-check-output"  # the tag of cells whose output nbval compares
CHECK_CALL = re.compile(r"^[ \t]*check\.(\w+)\(", re.M)  # `x = check.network()` fetches what an exercise needs


def text_of(value: str | list[str]) -> str:
    """Join a multi-line field of a notebook file."""
    return value if isinstance(value, str) else "".join(value)


def words(markdown: str) -> int:
    """Count the words that a reader reads: no code blocks, formulas, HTML tags or link targets."""
    plain = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|<svg.*?</svg>|<[^>]+>|\]\([^)]*\)", " ", markdown, flags=re.S)
    return len(re.findall(r"[^\W\d_][\w'’-]*", plain))


def output_texts(cell: dict) -> Iterator[str]:
    """Yield every text of a cell's outputs, pictures left out."""
    for output in cell.get("outputs", []):
        yield text_of(output.get("text", ""))
        yield "\n".join(output.get("traceback", []))
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield text_of(value)


def _figures(cell: dict) -> Iterator[str]:
    """Yield what is wrong with the pictures of a code cell."""
    beside = " ".join(html.unescape(re.sub("<[^>]+>", " ", text)) for text in output_texts(cell))
    beside = " ".join(beside.split())
    for output in cell["outputs"]:
        if "image/png" not in output.get("data", {}):
            continue
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        if len(alt.split()) < 5:
            yield f"a figure has no alt text of five words or more (it has {alt!r}); end it with show_figure"
        elif " ".join(alt.split()) not in beside:
            yield f"the description of a figure is not visible below it: {alt!r}"


def _run(code: list[dict]) -> Iterator[str]:
    """Yield what is wrong with the stored run."""
    counts = [cell.get("execution_count") for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"not one clean run from top to bottom: execution counts {counts}"
    if not any(cell.get("outputs") for cell in code):
        yield "no outputs are stored"
    for cell in code:
        number, tags = cell.get("execution_count"), cell.get("metadata", {}).get("tags", [])
        if "raises-exception" not in tags and any(o["output_type"] == "error" for o in cell["outputs"]):
            yield f"cell [{number}] stores an error and lacks the tag raises-exception"
        if any("widget-view" in kind for o in cell["outputs"] for kind in o.get("data", {})):
            yield f"cell [{number}] stores a widget view, which viewers cannot show"
        if set(cell.get("metadata", {})) & {"execution", "ExecuteTime"}:
            yield f"cell [{number}] stores execution times"
        yield from (f"cell [{number}]: {problem}" for problem in _figures(cell))


def _data(code: list[dict]) -> Iterator[str]:
    """Yield a complaint unless the stored outputs come from drawn faces, or from no data set at all."""
    source = "\n".join(text_of(cell["source"]) for cell in code)
    if not re.search(r"\bload(_splits)?\(|EMOTION_DATA", source):
        return
    if not re.search(r"""environ\.get\(["']EMOTION_DATA["'], ["']synthetic["']\)""", source):
        yield 'no cell reads os.environ.get("EMOTION_DATA", "synthetic")'
    shown = "\n".join(text for cell in code[:3] for text in output_texts(cell))
    if "synthetic" not in shown:
        yield "the first cells do not say that the data in use is synthetic; stored outputs must come from it"


def _size(cells: list[dict], code: list[dict]) -> Iterator[str]:
    """Yield what is wrong with the lengths of code cells."""
    lengths = [len(text_of(cell["source"]).splitlines()) for cell in code] or [0]
    if max(lengths) > LONGEST_CELL:
        yield f"the longest code cell has {max(lengths)} lines; {LONGEST_CELL} is the limit"
    if statistics.median(lengths) > MEDIAN_CELL:
        yield f"the median code cell has {statistics.median(lengths)} lines; {MEDIAN_CELL} is the limit"


def _lesson(cells: list[dict], code: list[dict]) -> Iterator[str]:
    """Yield what a lesson lacks of the parts that every lesson has."""
    prose = "\n".join(text_of(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    if re.search(r"\b(RUN|READ)TIME\b|\bTODO\b", prose):
        yield "a placeholder (RUNTIME, TODO) was left in the text"
    if not cells or not text_of(cells[0]["source"]).startswith("# "):
        yield "the first cell is not a title (# …)"
    headings = re.findall(r"^# .*", re.sub(r"```.*?```", "", prose, flags=re.S), flags=re.M)
    yield from (f"a second heading of the first level: {line!r}" for line in headings[1:])
    yield from (f"the part {part!r} is missing" for part in LESSON_PARTS if part not in prose)
    lines = sum(bool(line.strip()) for cell in code for line in text_of(cell["source"]).splitlines())
    ratio = words(prose) / max(lines, 1)
    if not WORDS_PER_LINE[0] <= ratio <= WORDS_PER_LINE[1]:
        yield f"{ratio:.1f} words of prose per line of code; {WORDS_PER_LINE[0]} to {WORDS_PER_LINE[1]} are the limits"
    sources = [text_of(cell["source"]) for cell in code]
    if not any(CHECKED in cell.get("metadata", {}).get("tags", []) for cell in code):
        yield f"no cell has the tag {CHECKED}, so nbval compares nothing"
    if any("NBVAL_CHECK_OUTPUT" in source for source in sources):
        yield f"NBVAL_CHECK_OUTPUT stands in a learner's code; the tag {CHECKED} says the same"
    if len(set(CHECK_CALL.findall("\n".join(sources)))) < 3:
        yield "fewer than three exercises are checked"


def _imported_modules(source: str) -> list[str]:
    """List the modules of a cell's `from … import` statements; those in a text, a program for later, don't count."""
    python = "".join(line for line in source.splitlines(keepends=True) if not line.startswith(("%", "!")))
    return [node.module or "" for node in ast.walk(ast.parse(python)) if isinstance(node, ast.ImportFrom)]


def _imports(code: list[dict]) -> Iterator[str]:
    """Yield what is wrong with the imports from the package: through the rooms' doors, a line for each room, few."""
    packages = []
    for cell in code:
        found = [name for name in _imported_modules(text_of(cell["source"])) if name.split(".")[0] == "emotion_utils"]
        packages += found
        yield from (f"{name} is a module inside a room" for name in found if name.count(".") > 1)
        yield from (f"{name} is imported twice in one cell" for name in set(found) if found.count(name) > 1)
    if len(packages) > IMPORT_LINES:
        yield f"{len(packages)} lines import from the package; {IMPORT_LINES} is the limit"


def _links(prose: list[str]) -> Iterator[str]:
    """Yield folded answers whose Markdown JupyterLab and GitHub would not render."""
    for text in prose:
        for summary in re.findall(r"<summary>(?:(?!</summary>).)*</summary>(?!\s*\n\s*\n)", text, flags=re.S):
            yield f"no blank line after {summary!r}, so the Markdown in it is not rendered"
        if text.count("<details") != text.count("</details>"):
            yield "a <details> is not closed in its own cell"


def lint(notebook: dict, size: int = 0, solution: bool = False) -> list[str]:
    """Return what is wrong with a notebook (the parsed JSON of its file of `size` bytes), one sentence each."""
    cells = [cell for cell in notebook["cells"] if text_of(cell["source"]).strip()]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    problems = [*_run(code), *_data(code), *_size(cells, code), *_imports(code), *stale_names(cells)]
    problems += _links([text_of(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"])
    if not solution:
        problems += _lesson(cells, code)
    if "widgets" in notebook["metadata"]:
        problems.append("metadata.widgets is present, which makes GitHub say 'Invalid Notebook'")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        problems.append("the kernel is not python3")
    if size > LARGEST_FILE:
        problems.append(f"{size / 1e6:.1f} MB; {LARGEST_FILE / 1e6:.0f} MB is the limit")
    texts = [text_of(cell["source"]) for cell in cells] + [text for cell in code for text in output_texts(cell)]
    found = {match[0] for text in texts for match in ABSOLUTE_PATH.finditer(text)}
    problems += [f"an absolute path of somebody's machine: {path}" for path in sorted(found)]
    return problems


def unsolved(lesson: dict, solution: dict) -> list[str]:
    """Return the exercises of `lesson` that `solution` does not show to be correct, one sentence each."""
    asked = {name for cell in lesson["cells"] for name in CHECK_CALL.findall(text_of(cell["source"]))}
    shown = "\n".join(text for cell in solution["cells"] for text in output_texts(cell))
    return [
        f"the solution of {name} is missing or not correct"
        for name in sorted(asked)
        if f"{name}: correct." not in shown
    ]


def main(paths: list[str]) -> int:
    """Print the problems of each notebook; return their number."""
    total = 0
    for path in map(Path, paths):
        problems = lint(json.loads(path.read_text("utf-8")), path.stat().st_size, path.parent.name == "solutions")
        total += len(problems)
        print(f"{path}: {'fit' if not problems else ''}", *problems, sep="\n  " if problems else "")
    return total


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
