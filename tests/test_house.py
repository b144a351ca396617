"""The package is a house with floors: imports go down, never up, never in a circle, and none hides in a function."""

import ast
from functools import cache
from pathlib import Path

import pytest
from places import PACKAGE

# From the ground up. A room may import from the rooms before it and from itself.
FLOORS = (
    {"errors", "threads"},
    {"emotions", "files", "randomness", "tensors"},
    {"device"},
    {"faces"},
    {"data"},
    {"models"},
    {"training"},
    {"evaluation"},
    {"explain"},
    {"photos", "challenge"},
    {"plots"},
    {"widgets", "commands"},
    {"__main__"},
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
LEVEL["checks"] = LEVEL["plots"] + 0.5  # may use all but widgets and commands; nobody uses it
LEVEL[""] = LEVEL["threads"] + 0.5  # the package itself, which imports that and nothing else
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Give a module's dotted name, such as `emotion_utils.data.loading`; a package's is that of its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def imports(tree: ast.AST, package: str) -> list[tuple[str, ast.stmt]]:
    """List the modules of this package that a module imports, with the statement; `package` resolves a leading dot."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).rstrip(".")
            # `from emotion_utils.faces import noise` may name a module.
            names = [f"{base}.{a.name}" if f"{base}.{a.name}" in NAMES else base for a in node.names]
        else:
            continue
        found += [(name, node) for name in dict.fromkeys(names) if name.split(".")[0] == "emotion_utils"]
    return found


def room(name: str) -> str:
    """Give the room of a module: the second part of its name; the package itself has none."""
    return name.partition(".")[2].partition(".")[0]


@cache
def read(path: Path) -> tuple[str, ast.Module, list[tuple[str, ast.stmt]]]:
    name, tree = name_of(path), ast.parse(path.read_text(encoding="utf-8"))
    return name, tree, imports(tree, name if path.name == "__init__.py" else name.rpartition(".")[0])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    name, tree, found = read(path)
    assert room(name) in LEVEL or name == "emotion_utils", f"{name} is in no room of FLOORS"
    for other, node in found:
        assert other in NAMES, f"{name}, line {node.lineno}: there is no {other}"
        mine, theirs = room(name), room(other)
        assert theirs, f"{name}, line {node.lineno} imports the whole house"
        low = mine == theirs or LEVEL[theirs] < LEVEL[mine]
        assert low, f"{name}, line {node.lineno}: {mine} must not import from {theirs}"
        assert node in tree.body, f"{name}, line {node.lineno}: an import inside a function hides a circle"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=name_of)
def test_a_room_does_not_import_through_its_own_door(path):
    name, _, found = read(path)
    doors = [other for other, _ in found if other == name.rpartition(".")[0] and room(name) != "checks"]
    assert not doors, f"{name} imports from its own package's __init__, which is a circle"


def test_no_circles():
    graph = {}
    for path in MODULES:
        name, _, found = read(path)
        graph[name] = {other for other, _ in found}
    order, open_ = [], []

    def visit(name: str) -> None:
        assert name not in open_, f"a circle: {' → '.join([*open_[open_.index(name) :], name])}"
        if name in order:
            return
        open_.append(name)
        for other in sorted(graph[name]):
            visit(other)
        order.append(open_.pop())

    for name in sorted(graph):
        visit(name)


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py" and p.parent != PACKAGE], ids=name_of)
def test_a_door_hands_on_names_and_hides_no_module(path):
    name, tree, _ = read(path)
    if room(name) == "checks":
        return
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    allowed = (ast.ImportFrom, ast.Assign)
    assert all(isinstance(node, allowed) for node in body), f"{name} does more than hand names on"
    imported = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    listed = next(ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign))
    assert set(listed) == imported, f"{name}: __all__ and the imports differ"
    modules = {p.stem for p in path.parent.iterdir()}
    assert not imported & modules, f"{name} hands on {imported & modules}, and a module of that name is hidden by it"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{name_of(path)} has {lines} lines; over 300 it wants to fall into two rooms, 400 is too much"
