"""Store what `accelerator_plan.py` found, and measure its final networks on PublicTest, once for each seed.

    EMOTION_DATA_DIR=… python tests/benchmarks/plan_results.py runs/plan "NVIDIA H200, 11 minutes in all"

Writes notebooks/results/accelerator_plan.json, which notebook 09, the model card and the README read: a row for each
network of each stage, speeds, and what was chosen. The network of seed 0 ships, whatever PublicTest says of the seeds:
it chooses nothing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from accelerator.judging import standard_error
from accelerator.networks import StemNet

from emotion_utils.data import load
from emotion_utils.data.duplicates import identical
from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.evaluation import evaluate
from emotion_utils.files import atomic_write
from emotion_utils.models import FlipAverage, load_weights

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "accelerator_plan.json"
STAGES = ("shapes", "teachers", "students", "final")
LEFT_OUT = ("predicted", "network", "how")  # long, and not of interest once the shapes have names


def main() -> None:
    """Read the folder of the plan and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("machine", help="what it ran on, in words")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = json.loads((options.folder / "results.json").read_text())
    labels = load("fer2013", "validation", verbose=False).labels.tolist()
    for stage, first in (("shapes", found["shape"]), ("students", "alone")):
        rows = {row["name"]: row for row in found[stage]["rows"]}
        for row in rows.values():
            row["paired"] = paired(row, rows[first], labels)
    stages = {stage: [short(row) for row in found[stage]["rows"]] for stage in STAGES}
    known = json.loads(options.results.read_text())["final"] if options.results.exists() else []
    measured = {(row["name"], row["training_loss"]): row["public_test"] for row in known}  # once is enough
    for row in stages["final"]:
        again = measured.get((row["name"], row["training_loss"]))
        row["public_test"] = again or public_test(options.folder / f"{row['name']}.safetensors")
        print(row, flush=True)
    chosen = {name: found[name] for name in ("shape", "framing", "student")}
    stored = {"machine": options.machine, "setting": found["setting"], "speed": found["speed"], **chosen, **stages}
    with atomic_write(options.results) as part:
        part.write_text(json.dumps(stored, indent=1) + "\n")


def short(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a row what nobody reads."""
    return {name: value for name, value in row.items() if name not in LEFT_OUT}


def paired(row: dict[str, Any], other: dict[str, Any], labels: list[int]) -> dict[str, Any]:
    """Hold a network against another one on the same held-out images, with the mirror image, in [0, 1]."""
    return {
        "against": other["name"],
        "difference": round(row["mirror"] - other["mirror"], 5),
        "standard_error": round(standard_error(row, other, labels), 5),
    }


def public_test(weights: Path) -> dict[str, float]:
    """Measure a network with one view, the mirror image and ten views, and on the images without a twin."""
    test = load("fer2013", "test", verbose=False)
    test = test.with_twins(identical(test.images, load_all_training(verbose=False).images))
    model, found = load_weights(weights, factory=StemNet), {}
    for views, network in (("single", model), ("flip", FlipAverage(model)), ("ten", FlipAverage(model, 2))):
        report = evaluate(network, test)
        found |= {views: report.accuracy, f"{views} without twins": report.accuracy_without_twins}
        found[f"{views} macro-F1"] = report.macro_f1
    return {name: round(value, 5) for name, value in found.items()}


if __name__ == "__main__":
    main()
