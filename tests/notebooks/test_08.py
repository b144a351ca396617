"""Notebook 08 takes a reader's own folder by three variables, and its stored results are whole."""

import contextlib
import io
import json
import math
import re
from functools import cache
from types import SimpleNamespace

import nbformat
import pytest
import torch
from own_images import put
from places import NOTEBOOKS

from emotion_utils.models.pretrained import CHECKSUMS
from emotion_utils.training.distillation import SoftLabelCrossEntropy

NOTEBOOK = NOTEBOOKS / "08_new_datasets.ipynb"


@cache
def sections() -> dict[str, list[str]]:
    """Give the code of each section; what comes before the first is "0"."""
    found: dict[str, list[str]] = {"0": []}
    section = "0"
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "markdown":
            section = [section, *re.findall(r"(?m)^## (\d)\.", cell.source)][-1]
        else:
            found.setdefault(section, []).append(cell.source)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("person_of", "colour", "said"),
    [
        ("None", "False", "persons: unknown"),
        ("lambda name: name.split('/')[1]", "True", "persons: 20"),  # one tree gave a leaf to each class
    ],
)
def test_its_cells_take_any_folder(tmp_path, person_of, colour, said):
    """Pictures of several sizes and kinds, five classes of the reader's own; persons unknown, or told by names."""
    own = {"OWN_FOLDER": repr(str(tmp_path / "leaves")), "PERSON_OF": person_of, "COLOUR": colour}
    for c, title in enumerate(("oak", "maple", "birch", "elm tree", "ash")):
        for i in range(20):
            put(
                tmp_path / "leaves" / title / f"p997_{i}.jpg",
                100 * c + i,
                size=(40 + i, 50),
                mode="RGB" if i % 2 else "L",
            )
    (tmp_path / "leaves" / "oak" / "list.txt").write_text("not a picture")
    namespace: dict = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for source in sections()["0"] + sections()["1"]:
            if source.startswith("OWN_FOLDER = None"):
                source = re.sub(rf"(?m)^({'|'.join(own)}) = .*", lambda found: f"{found[1]} = {own[found[1]]}", source)
            exec(source.replace("epochs=12", "epochs=1"), namespace)
    assert namespace["own_model"].classes == ("ash", "birch", "elm tree", "maple", "oak")
    assert namespace["own_model"].in_channels == (3 if colour == "True" else 1)
    assert "files skipped: 1" in printed.getvalue()
    assert said in printed.getvalue()
    parts = [namespace[part] for part in ("training", "validation", "test")]
    if person_of != "None":
        people = [{name.split("/")[1] for name in part.names} for part in parts]
        assert sum(map(len, people)) == len(set.union(*people)) == 20
    assert len(namespace["test"]) == 15


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_an_answer_to_exercise_5_is_held_against_the_package(kind):
    (source,) = [cell for cell in sections()["5"] if "package = SoftLabelCrossEntropy" in cell]
    shares = torch.eye(7)[[0, 3, 2, 2]]
    for factor, said in ((1, "True"), (2, "False")):
        names = {
            "torch": torch, "SoftLabelCrossEntropy": SoftLabelCrossEntropy, "shares": shares,
            "voted": SimpleNamespace(labels=shares.argmax(1)),
            "soft_cross_entropy": lambda x, q, k=factor: -k * (q * x.to(kind).log_softmax(1)).sum(1).mean(),
        }  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(source, names)
        assert f"package: {said}" in printed.getvalue()


def test_stored_results_are_whole():
    stored = json.loads((NOTEBOOKS / "results" / "new_datasets.json").read_text(encoding="utf-8"))
    assert set(stored) == {"shift", "real", "transfer", "small", "photographs", "votes", "noise", "imbalance"}
    sizes = [int(name.partition(", ")[2]) for name in stored["transfer"]["0"] if name.startswith("frozen")]
    for run in (stored["small"]["0"], stored["small"]["1"], stored["small"]["epochs"]):
        assert [int(size) for size in run] == sizes
    assert len(stored["shift"]) == len(stored["imbalance"]) == 3
    runs = [run for name, run in stored["transfer"].items() if name.isdecimal()]
    assert len(runs) == 3
    assert all(len(run) == 16 for run in runs)

    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [n for each in value for n in numbers(each)] if isinstance(value, list) else [value]

    assert all(n is None or isinstance(n, str) or math.isfinite(n) for n in numbers(stored))


def test_stored_results_are_of_the_shipped_weights():
    """Where weights are exchanged, `tests/benchmarks/new_datasets.py` measures anew what was asked of them."""
    stored = json.loads((NOTEBOOKS / "results" / "new_datasets.json").read_text(encoding="utf-8"))
    assert {name: row["weights"] for name, row in stored["real"].items()} == {
        "drawn to photographs": CHECKSUMS["synthetic"],
        "photographs to drawn": CHECKSUMS["fer2013"],
    }
    assert stored["transfer"]["weights"] == CHECKSUMS["fer2013"]
    assert stored["photographs"]["weights"] == CHECKSUMS["synthetic"]


@pytest.mark.parametrize("how_many", [1, 10])
def test_votes_are_shares(how_many):
    (source,) = [cell for cell in sections()["5"] if "def ask(" in cell]

    class Rater:
        def predict(self, units):
            return (units[:, 0] > 0.5).astype(int)

    class Faces:
        truth = {"action_units": torch.tensor([[-9.0, 0.2], [9.0, 0.1], [0.5, 0.9]])}  # noqa: RUF012

    function = source[source.index("def ask(") :].split("\n\n\n")[0]
    namespace = {"torch": torch, "raters": Rater()}
    exec(function, namespace)
    shares = namespace["ask"](Faces(), how_many, seed=1)
    assert shares.shape == (3, 7)
    assert torch.allclose(shares.sum(1), torch.ones(3))
    assert torch.equal((shares * how_many).round(), shares * how_many)
    assert torch.equal(shares, namespace["ask"](Faces(), how_many, seed=1))
    if how_many > 1:
        assert shares[0, 0] == shares[1, 1] == 1
        assert 0 < shares[2, 0] < 1
