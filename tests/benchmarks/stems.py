"""What do first layers that see all pixels bring, against one that halves the picture at once?

    EMOTION_DATA_DIR=… python tests/benchmarks/stems.py --epochs 5

Trains `FaceNet` with either stem, and `FaceVGG` (mild augmentation, batches of 128, rate 0.1), on nine tenths of
FER2013's Training part and measures all on the tenth that the loader holds out. Writes notebooks/results/stems.json,
which notebook 09 reads: accuracy with one view and with the mirror image, and the processor time of a training step,
as a ratio to the halving stem's. PublicTest is not looked at.
"""

import argparse
import dataclasses
import json
import time
from functools import partial
from pathlib import Path

from emotion_utils.data import load_splits
from emotion_utils.data.augment import Augment
from emotion_utils.evaluation import evaluate
from emotion_utils.files import atomic_write
from emotion_utils.models import FaceNet, FaceVGG, FlipAverage
from emotion_utils.randomness import seed_everything
from emotion_utils.training import train
from emotion_utils.training.recipes import find_recipe

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "stems.json"
DEEP = partial(FaceNet, residuals=2, dropout=0.2)
NETWORKS = {
    "FaceNet, 6 × 6 window that moves by two": partial(DEEP, stem=32),
    "FaceNet, two of 3 × 3 on all pixels": partial(DEEP, stem=(24, 32)),
    "FaceVGG": FaceVGG,
}
MILD = Augment(flip=0.5, rotate=5, scale=(0.95, 1.05), shift=0.04, brightness=0.0, contrast=0.0)


def main() -> None:
    """Train all, one after the other, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    training, validation, _ = load_splits("fer2013", verbose=False)
    precision = {} if options.precision == "auto" else {"precision": options.precision}
    config = dataclasses.replace(
        find_recipe("fer2013", "first").config, epochs=options.epochs, seed=options.seed, augment=MILD, **precision
    )
    runs = []
    for name, build in NETWORKS.items():
        seed_everything(options.seed)
        model = build(classes=training.classes)
        begun = time.process_time()
        train(model, training, None, config)
        scores = {
            "single": evaluate(model, validation).accuracy,
            "flip": evaluate(FlipAverage(model), validation).accuracy,
        }
        runs.append({"network": name, "epochs": options.epochs, **scores, "step": time.process_time() - begun})
        print(runs[-1], flush=True)
    for run in reversed(runs):
        run["step"] = round(run["step"] / runs[0]["step"], 2)
    images = f"{len(training):,} training and {len(validation):,} validation images"
    setting = f"{images}, seed {options.seed}; the processor time of a step is a ratio"
    with atomic_write(options.results) as part:
        part.write_text(json.dumps({"setting": setting, "runs": runs}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
