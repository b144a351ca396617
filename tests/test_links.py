"""Links and pictures inside the repository lead somewhere: in Markdown files and in the text of notebooks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from places import REPOSITORY

SKIPPED = {"node_modules", "build", "runs"}
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|href)=[\"']([^\"']+)[\"']")


def files() -> list[Path]:
    found = [path for kind in ("*.md", "*.ipynb") for path in REPOSITORY.rglob(kind)]
    folders = {path: path.relative_to(REPOSITORY).parent.parts for path in found}
    # Hidden folders are not ours: .venv, and .ipynb_checkpoints, where JupyterLab keeps copies of what a reader saved.
    return sorted(p for p, parts in folders.items() if not any(f in SKIPPED or f.startswith(".") for f in parts))


def markdown(path: Path) -> str:
    """Return the Markdown of a file, without its code blocks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading."""
    plain = re.sub(r"[*_`]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(line.lstrip("#")) for line in markdown(path).splitlines() if line.startswith("#")}


def dead_links(path: Path) -> Iterator[str]:
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", markdown(path))):
        link = unquote(match[1] or match[2])
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link):
            continue  # elsewhere on the web, which a test does not ask
        name, _, part = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.is_relative_to(REPOSITORY):
            yield f"{link} leads out of the repository"
        elif not target.exists():
            yield f"{link} does not exist"
        elif part and target.suffix in (".md", ".ipynb") and anchor(part.replace("-", " ")) not in anchors(target):
            yield f"{link}: no heading makes the anchor #{part}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(path):
    assert list(dead_links(path)) == []


def test_dead_links_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `first` part\n[ok](page.md#a-first-part) [web](https://example.org) ![](lost.png)\n"
        "[lost](#lost) [out](../out.md)\n<img src='gone.png'> `[code](not-a-link)`\n"
    )
    assert [problem.split(" ")[0] for problem in dead_links(page)] == ["lost.png", "#lost:", "../out.md", "gone.png"]
