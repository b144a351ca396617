"""The notebooks are fit to be read: rules of tests/tools/lint_notebook.py. nbval runs their cells elsewhere."""

import copy
import json
from pathlib import Path

import pytest
from lint_notebook import lint, unsolved, words
from places import NOTEBOOKS

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=lambda path: str(path.relative_to(NOTEBOOKS)))
def test_notebook_is_fit(path):
    problems = lint(read(path), path.stat().st_size, solution=path in SOLUTIONS)
    assert not problems, "\n".join(["", *problems])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_every_exercise_is_solved(path):
    solution = path.parent / "solutions" / path.name
    assert solution.exists(), f"{path.name} has no solutions notebook"
    assert not unsolved(read(path), read(solution))


# The rules themselves: a fit notebook passes, and each way of spoiling it is noticed.
DESCRIPTION = "A curve falls from two to one."
PROSE = (
    "# Title\n**You will be able to** a\n**Time.** b\n## What you learned\n## Common errors\n## Next\n" + "word " * 50
)


def _code(count, source, *outputs, **metadata):
    cell = {"cell_type": "code", "metadata": metadata, "execution_count": count}
    return cell | {"source": source, "outputs": list(outputs)}


def _stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def fit_notebook() -> dict:
    picture = {"image/png": "aGk="}
    figure = {"output_type": "display_data", "data": picture, "metadata": {"image/png": {"alt": DESCRIPTION}}}
    sentence = {"output_type": "display_data", "data": {"text/html": f"<p><em>{DESCRIPTION}</em></p>"}, "metadata": {}}
    checks = "check.one(...)\ncheck.two(...)\ncheck.three(...)"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": PROSE},
        _code(1, 'DATA = os.environ.get("EMOTION_DATA", "synthetic")', _stream("data: synthetic")),
        _code(2, "1 + 1", _stream("2"), tags=["nbval-check-output"]),
        _code(3, "plot()", figure, sentence),
        _code(4, checks, _stream("one: not yet.")),
    ]
    return {"metadata": {"kernelspec": {"name": "python3"}}, "cells": cells}


def test_a_fit_notebook_passes():
    assert lint(fit_notebook()) == []


def _set(path, value):
    def spoil(notebook):
        *front, last = path
        place = notebook
        for step in front:
            place = place[step]
        place[last] = value

    return spoil


TAKES_AND_BINDS = [{"cell_type": "markdown", "metadata": {}, "source": "## Again"}, _code(5, "DATA += DATA")]
SPOILT = {
    "execution counts": _set(["cells", 2, "execution_count"], 7),
    "stores an error": _set(["cells", 2, "outputs"], [{"output_type": "error", "traceback": []}]),
    "widget view": _set(["cells", 2, "outputs", 0, "data"], {"application/vnd.jupyter.widget-view+json": {}}),
    "execution times": _set(["cells", 2, "metadata"], {"execution": {}}),
    "alt text": _set(["cells", 3, "outputs", 0, "metadata"], {}),
    "not visible": _set(["cells", 3, "outputs", 1, "data"], {"text/html": "something else"}),
    "os.environ": _set(["cells", 1, "source"], "load('synthetic')"),
    "say that the data": _set(["cells", 1, "outputs"], [_stream("data: fer2013")]),
    "longest code cell": _set(["cells", 2, "source"], "a = 1\n" * 26),
    "median code cell": lambda notebook: [cell.update(source=cell["source"] + "\na" * 9) for cell in notebook["cells"]],
    "not a title": _set(["cells", 0, "source"], PROSE[2:]),
    "second heading": _set(["cells", 0, "source"], PROSE + "\n# again"),
    "'Next' is missing": _set(["cells", 0, "source"], PROSE.replace("Next", "Then")),
    "placeholder": _set(["cells", 0, "source"], PROSE + "RUNTIME seconds"),
    "words of prose": _set(["cells", 0, "source"], PROSE + "word " * 200),
    "nbval compares nothing": _set(["cells", 2, "metadata"], {}),
    "NBVAL_CHECK_OUTPUT": _set(["cells", 2, "source"], "# NBVAL_CHECK_OUTPUT\n1 + 1"),
    "inside a room": _set(["cells", 2, "source"], "from emotion_utils.data.loading import load"),
    "twice in one cell": _set(["cells", 2, "source"], "from emotion_utils.a import b\nfrom emotion_utils.a import c"),
    "lines import": _set(["cells", 2, "source"], "".join(f"from emotion_utils.room{i} import a\n" for i in range(9))),
    "binds it anew": lambda notebook: notebook["cells"].extend(TAKES_AND_BINDS),
    "fewer than three": _set(["cells", 4, "source"], "check.one(...)"),
    "blank line after": _set(["cells", 0, "source"], PROSE + "<details><summary>Answer</summary>\nyes\n\n</details>"),
    "not closed": _set(["cells", 0, "source"], PROSE + "<details><summary>Answer</summary>\n\nyes"),
    "metadata.widgets": _set(["metadata", "widgets"], {}),
    "kernel": _set(["metadata", "kernelspec"], {"name": "julia"}),
    "absolute path": _set(["cells", 2, "outputs"], [_stream("saved in /home/me/faces")]),
}


@pytest.mark.parametrize("complaint", SPOILT)
def test_each_rule_notices(complaint):
    notebook = copy.deepcopy(fit_notebook())
    SPOILT[complaint](notebook)
    assert any(complaint in problem for problem in lint(notebook)), lint(notebook)


def test_large_file_is_noticed():
    assert any("MB" in problem for problem in lint(fit_notebook(), size=4_000_000))


def test_unsolved_exercises_are_noticed():
    solution = {"cells": [_code(1, "check.one(1)", _stream("one: correct.\n"), _stream("two: not right yet."))]}
    assert unsolved(fit_notebook(), solution) == [
        "the solution of three is missing or not correct",
        "the solution of two is missing or not correct",
    ]


def test_what_an_exercise_fetches_is_no_exercise():
    assert unsolved({"cells": [_code(1, "suspect = check.network()")]}, {"cells": []}) == []


def test_words_counts_what_is_read():
    assert words("A **bold** [link](https://example.org/a/b) and $x + y$.\n```\ncode here\n```\n<em>don't</em>") == 5
