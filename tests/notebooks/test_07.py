"""What notebook 07 builds by hand is right on cases whose answer is known, and its stored results are whole."""

import json
import math
import random
import statistics
from functools import cache
from itertools import product

import nbformat
import pytest
import torch
from places import NOTEBOOKS
from small_faces import small_faces
from small_network import small_network
from torch.nn import functional as F

from emotion_utils.challenge import Rules, merge_files

NOTEBOOK = NOTEBOOKS / "07_experiments.ipynb"
RESULTS = NOTEBOOKS / "results"


@cache
def sources() -> tuple[str, ...]:
    return tuple(c.source for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code")


def by_hand(definition: str, **names) -> dict:
    """Run the one cell of the notebook that holds `definition`, where `names` are known; return all it binds."""
    (source,) = [cell for cell in sources() if f"\n{definition}" in f"\n{cell}"]
    namespace = {"torch": torch, "math": math, "random": random, "statistics": statistics, "F": F, "SEED": 0} | names
    exec(source, namespace)
    return namespace


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((RESULTS / "experiments.json").read_text(encoding="utf-8"))


def test_luck_shrinks_with_the_root_of_the_number_of_seeds():
    dice = random.Random(1)
    luck = {str(seed): {"validation": dice.gauss(0.6, 0.02)} for seed in range(400)}
    bounds = by_hand("def bound(", stored={"luck": luck})["bounds"]
    assert bounds[1] == pytest.approx(1.96 * 0.02 * math.sqrt(2), rel=0.12)
    assert bounds[1] / bounds[4] == pytest.approx(2, rel=0.12)


@pytest.mark.parametrize(("scatter", "least", "most"), [(0.0, 5.0, 20.0), (0.2, -1.0, 2.5)])
def test_the_winner_falls_where_equals_compete_and_hardly_where_one_is_better(scatter, least, most):
    """Twenty runs with known shares of right answers: what the winner shows above its share is luck."""
    generator = torch.Generator().manual_seed(4)
    shares = [0.6 - scatter * (k > 0) for k in range(20)]
    runs = {
        str(k): {"test": share, "correct": "".join("01"[int(x < share)] for x in torch.rand(4000, generator=generator))}
        for k, share in enumerate(shares)
    }
    assert least < by_hand("def fall(")["fall"](runs, 100) < most


def test_noise_falls_with_the_batch():
    names = by_hand("def gradient(", train_set=small_faces(140), val_set=None)
    model = small_network()
    few, some, many = names["noise_to_signal"](model, (8, 32, 128), tries=60)
    assert few / some == pytest.approx(4, rel=0.35)
    assert some / many == pytest.approx(4, rel=0.35)


def test_the_law_foretells_what_follows_it():
    runs = {
        f"{n} {seed}": {"faces": n, "accuracy": 1 - 3 * n**-0.3}
        for n, seed in product((150, 300, 600, 1200, 2400, 4800), (0, 1))
    }
    names = by_hand("sizes = sorted", stored={"faces": runs})
    assert names["predicted"](9600) == pytest.approx(3 * 9600**-0.3, rel=1e-6)


def test_ablation_counts_points_and_their_margin():
    accuracies = {"whole": (0.6, 0.62, 0.64, 0.61, 0.63), "no idea": (0.5, 0.52, 0.54, 0.51, 0.53)}
    rows = {f"{name} {i}": {"accuracy": a} for name, values in accuracies.items() for i, a in enumerate(values)}
    change, margin = by_hand("groups = {}", stored={"ablation": rows})["table"]["no idea"]
    assert change == pytest.approx(-10)
    assert margin == pytest.approx(100 * 2.306 * math.sqrt(2 * statistics.variance(accuracies["whole"]) / 5))


def test_stored_results_are_whole(stored):
    assert len(stored["luck"]) == 20
    assert len(stored["search"]) == 20
    assert all(len(run["correct"]) == 1000 for part in ("luck", "search") for run in stored[part].values())
    assert len(stored["rates"]) == 64
    assert len(stored["row"]) == 9
    assert len(stored["methods"]) == 64
    assert len(stored["designs"]) == 18
    assert all(len(row["accuracies"]) == 3 for row in stored["designs"].values())
    assert len(stored["faces"]) == 18
    assert len(stored["ablation"]) == 45


def test_right_answers_agree_with_their_accuracy(stored):
    for run in [*stored["luck"].values(), *stored["search"].values()]:
        assert run["correct"].count("1") / 1000 == pytest.approx(run["validation"], abs=1e-4)


def test_the_stored_league_keeps_to_the_rules():
    league, problems = merge_files([RESULTS / "league.json"])
    assert problems == []
    rules = Rules()
    assert {entry.name for entry in league.best()} == {"our entry", "plain"}
    for entry in league.entries:
        assert entry.rules == rules.key
        assert entry.parameters <= rules.parameters
        assert entry.seconds <= rules.seconds
        assert entry.count == rules.test_faces
        assert entry.look == 1


def test_the_picture_of_tensorboard_is_there():
    assert "figures/tensorboard.png" in NOTEBOOK.read_text(encoding="utf-8")
    assert (NOTEBOOKS / "figures" / "tensorboard.png").stat().st_size > 10_000
