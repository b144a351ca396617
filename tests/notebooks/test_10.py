"""What notebook 10 calls the true frame shows what the data set's picture of the same face shows."""

import json
import re

import torch
from places import NOTEBOOKS
from torch.nn import functional

from emotion_utils import explain
from emotion_utils.faces import render

NOTEBOOK = NOTEBOOKS / "10_your_own_face.ipynb"


def section_1() -> dict:
    """Draw the pictures of section 1, few of them, and define its `middle`."""
    cells = [c for c in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    draw = next(source for source in sources if "SIZE, SHARE" in source)
    few, changed = re.subn(r"known_faces\(\d+", "known_faces(12", draw)
    assert changed == 1
    middle = next(source for source in sources if "def middle" in source).partition("\n\n\n")[0]
    space = {"torch": torch, "functional": functional, "explain": explain, "render": render}
    exec(few, space)
    exec(middle, space)
    return space


def test_the_middle_of_the_wide_picture_is_the_picture_of_the_data_set():
    space = section_1()
    near = space["known"].images
    alike = {f: correlation(space["middle"](space["pictures"], f), near) for f in (0.8, 0.95, 1.0, 1.05, 1.25)}
    assert max(alike, key=alike.get) == 1.0, alike
    assert alike[1.0] > 0.95, alike  # the light is metered over another picture, so grey levels differ


def correlation(images, others) -> float:
    """Compare the patterns of pictures, whatever their brightness and contrast; 1 for equal ones."""
    rows = [pixels.float().flatten(1) for pixels in (images, others)]
    rows = [functional.normalize(row - row.mean(1, keepdim=True), dim=1) for row in rows]
    return float((rows[0] * rows[1]).sum(1).mean())
