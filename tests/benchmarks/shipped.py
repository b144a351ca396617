"""Measure the shipped weights on FER2013's test part, with FER2013's labels and with FER+'s, and store the figures.

    EMOTION_DATA_DIR=… python tests/benchmarks/shipped.py

Writes notebooks/results/shipped.json, which notebook 09 and the model card read. Nothing is chosen by these
figures: run it once after training, and again only when the weights were trained anew for another reason.
"""

import argparse
import json
from pathlib import Path

import torch

from emotion_utils.data import FaceDataset, load
from emotion_utils.data.duplicates import identical
from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.data.ferplus import with_votes
from emotion_utils.evaluation import evaluate
from emotion_utils.files import atomic_write
from emotion_utils.models import FlipAverage, load_weights
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "shipped.json"


def main() -> None:
    """Measure every shipped network for photographs in all ways and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--note", default="One seed; provisional until three seeds have been trained.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()

    test = load("fer2013", "test")
    test = test.with_twins(identical(test.images, load_all_training().images))
    label_sets = {"FER2013's labels": test, "FER+'s majority": with_votes(test)[0]}
    rows = []
    for weights in ("fer2013", "ferplus"):
        if weights not in CHECKSUMS:
            continue
        model = load_weights(FOLDER / f"{weights}.safetensors", sha256=CHECKSUMS[weights])
        for labels, dataset in label_sets.items():
            for views, network in (("single", model), ("flip", FlipAverage(model)), ("ten", FlipAverage(model, 2))):
                rows.append({"weights": weights, "labels": labels, "views": views, **measure(network, dataset)})
                print({key: value for key, value in rows[-1].items() if not isinstance(value, dict | list)})
    found = {"split": "PublicTest", "note": options.note, "rows": rows}
    with atomic_write(options.results) as part:
        part.write_text(json.dumps(found, indent=1) + "\n")


def measure(network: torch.nn.Module, dataset: FaceDataset) -> dict:
    """Take from the report what the model card shows."""
    report = evaluate(network, dataset)
    return {
        "images": len(dataset),
        "accuracy": report.accuracy,
        "interval": list(report.interval),
        "macro_f1": report.macro_f1,
        "without_twins": report.accuracy_without_twins,
        "with_twins": report.accuracy_with_twins,
        "twins": int(dataset.twins.sum()),
        "ece": report.ece,
        "loss": report.loss,
        "recall": dict(zip(dataset.classes, report.recall.tolist(), strict=True)),
        "confusion": report.confusion.tolist(),
    }


if __name__ == "__main__":
    main()
