"""Which names would be stale when a reader goes back: the cells of any section run again after the end.

A section reads a name from an earlier one. If a later section binds that name anew, the section reads another value
when it runs again than it read the first time. So a name that a section takes from before belongs to one section.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field


class _Names(ast.NodeVisitor):
    """Follow one section's statements in the order in which Python runs them.

    `taken` holds the names that are read before the section binds them, `bound` those that it binds. The body of a
    function runs later, so what it reads counts once the whole section is known (`later`).
    """

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.taken: set[str] = set()
        self.later: set[str] = set()
        self._local: list[set[str]] = []  # what functions and comprehensions around this place bind themselves
        self._in_function = 0

    def visit_Name(self, node: ast.Name) -> None:
        if any(node.id in names for names in self._local):
            return
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        else:
            self.bound.add(node.id)

    def _read(self, name: str) -> None:
        if self._in_function:
            self.later.add(name)
        elif name not in self.bound:
            self.taken.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name) and not any(node.target.id in names for names in self._local):
            self._read(node.target.id)
        self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if not self._in_function:
            self.bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        if not self._local:
            self.bound.add(node.name)
        self._body(node.args, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._body(node.args, [node.body])

    def _body(self, arguments: ast.arguments, body: list) -> None:
        parts = [part for statement in body for part in ast.walk(statement)]
        local = {argument.arg for argument in ast.walk(arguments) if isinstance(argument, ast.arg)}
        local |= {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        local |= {part.name for part in parts if isinstance(part, ast.FunctionDef | ast.ClassDef)}
        local -= {name for part in parts if isinstance(part, ast.Global) for name in part.names}
        self._local.append(local)
        self._in_function += 1
        for statement in body:
            self.visit(statement)
        self._in_function -= 1
        self._local.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases):
            self.visit(part)
        if not self._local:
            self.bound.add(node.name)
        # The names in a class's body are its own; the body itself runs at once.
        stored = {
            n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        self._local.append(stored | {s.name for s in node.body if isinstance(s, ast.FunctionDef)})
        for statement in node.body:
            self.visit(statement)
        self._local.pop()

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.visit(node.generators[0].iter)
        targets = [part for g in node.generators for part in ast.walk(g.target)]
        self._local.append({part.id for part in targets if isinstance(part, ast.Name)})
        for generator in node.generators:
            for condition in generator.ifs:
                self.visit(condition)
        for generator in node.generators[1:]:
            self.visit(generator.iter)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self._local.pop()

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp


@dataclass
class Section:
    """A heading, of a section or of a part of one, with the sources of the code cells below it."""

    title: str
    sources: list[str] = field(default_factory=list)

    def names(self) -> tuple[set[str], set[str]]:
        """Return the names that the section takes from before, and those that it binds."""
        visitor = _Names()
        for source in self.sources:
            lines = (line for line in source.splitlines(keepends=True) if not line.lstrip().startswith(("%", "!")))
            visitor.visit(ast.parse("".join(lines)))
        return visitor.taken | (visitor.later - visitor.bound), visitor.bound


def sections(cells: list[dict]) -> list[Section]:
    """Cut the cells of a notebook's file at its headings, the title left out."""
    found = [Section("the start")]
    for cell in cells:
        text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        heading = re.search("^#{2,6} (.*)", text, flags=re.M) if cell["cell_type"] == "markdown" else None
        if heading:
            found.append(Section(heading[1]))
        elif cell["cell_type"] == "code":
            found[-1].sources.append(text)
    return [section for section in found if section.sources]


def stale_names(cells: list[dict]) -> Iterator[str]:
    """Yield a sentence for each name that a section takes from before and that it, or a later one, binds anew."""
    parts = sections(cells)
    names = [part.names() for part in parts]
    for here, (taken, bound) in enumerate(names):
        for name in sorted(taken & bound):
            yield f"section {parts[here].title!r} takes {name!r} from before and binds it anew; it cannot run twice"
        for name in sorted(taken - bound):
            later = [parts[i].title for i in range(here + 1, len(parts)) if name in names[i][1]]
            if later:
                yield f"section {parts[here].title!r} takes {name!r} from before, and {later[0]!r} binds it anew"
