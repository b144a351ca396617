"""A name that a section takes from before is bound nowhere else, so that every section runs again after the end."""

import pytest
from notebook_names import stale_names


def complaints(*parts: str) -> list[str]:
    """What is said of a notebook with these sections of code."""
    cells = []
    for number, source in enumerate(parts):
        cells.append({"cell_type": "markdown", "source": f"## Part {number}\nText."})
        cells.append({"cell_type": "code", "source": source})
    return list(stale_names(cells))


STALE = {
    "bound anew later": ("x = 1", "print(x)", "x = 2"),
    "a loop's variable": ("x = 1", "print(x)", "for x in range(3):\n    pass"),
    "in a function's body": ("x = 1", "def f():\n    return x", "x = 2"),
    "a default": ("x = 1", "def f(y=x):\n    return y", "x = 2"),
    "a comprehension's first list": ("x = [1]", "[x for x in x]", "x = 2"),
    "unpacked": ("x = 1", "y = x", "a, (x, b) = 1, (2, 3)"),
    "a class": ("class Net: pass", "Net()", "class Net: pass"),
    "an import": ("from a import Net", "Net()", "from b import Net"),
    "with … as": ("f = 1", "print(f)", "with open('x') as f:\n    pass"),
    "walrus": ("x = 1", "print(x)", "if (x := 3):\n    pass"),
    "its own": ("x = 1", "print(x)\nx = 2"),
    "added to": ("x = 1", "x += 1"),
    "within one section, below a smaller heading": ("x = 1", "y = x\n", "x = [3]"),
}
FRESH = {
    "bound in its own section": ("x = 1", "x = 2\nprint(x)", "x = 3"),
    "the loop's own": ("for x in range(3):\n    print(x)", "for x in range(2):\n    print(x)"),
    "a comprehension's own": ("x = 1", "[x for x in range(3)]", "print(3)"),
    "a function's own": ("x = 1\nprint(x)", "def f(x):\n    y = x\n    return y", "y = 2"),
    "a function's own, bound below": ("print(1)", "def f():\n    x = 1\n    return x", "x = 3"),
    "a lambda's own": ("f = lambda x: x", "x = 2"),
    "a class's own": ("class Net:\n    x = 1\n    y = x", "x = 2"),
    "another object's attribute": ("x = 1", "print(x)", "y = 1\ny.x = 2"),
    "magic": ("%matplotlib inline\nx = 1", "!ls\nprint(x)"),
}


@pytest.mark.parametrize("parts", STALE.values(), ids=STALE.keys())
def test_a_stale_name_is_noticed(parts):
    assert complaints(*parts)


@pytest.mark.parametrize("parts", FRESH.values(), ids=FRESH.keys())
def test_other_names_pass(parts):
    assert complaints(*parts) == []


def test_the_sentence_names_section_name_and_rival():
    (sentence,) = complaints("x = 1", "print(x)", "x = 2")
    assert all(part in sentence for part in ("'Part 1'", "'x'", "'Part 2'"))
