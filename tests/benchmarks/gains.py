"""What each step from notebook 03's network to the fast recipe brings, over seeds, on validation data from Training.

    EMOTION_DATA_DIR=… python tests/benchmarks/gains.py --seeds 0 1 2
    … --limit 8000 --seeds 0                        # a quick look, with 8,000 training images

Each row adds one change to the row before and keeps the number of epochs. A row is trained once for each seed; the
mirror image at test time needs no training of its own. Results go into notebooks/results/gains.json after each run,
and runs that are already there are skipped, so the script may be stopped and started again. Seconds are of processor
time, which other work on the machine disturbs less than the clock. PublicTest is not touched.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from emotion_utils.data import EMOTIONS, FaceDataset, load
from emotion_utils.evaluation import evaluate
from emotion_utils.files import atomic_write
from emotion_utils.models import EmotionCNN, FaceModel, FlipAverage
from emotion_utils.training import RECIPES, TrainConfig, seed_everything, train
from emotion_utils.training.run import Run

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "gains.json"
RECIPE = RECIPES["fer2013", "fast"]
FAST = RECIPE.config


def notebook_03(_: FaceDataset) -> FaceModel:
    """Build the network that notebook 03 ends with."""
    return EmotionCNN(classes=EMOTIONS)


def plain_face_net(_: FaceDataset) -> FaceModel:
    """Build the fast recipe's network with PyTorch's own initial weights."""
    return RECIPE.build(classes=EMOTIONS, identity_start=False)


# Name, what builds the network for some training images, and the settings that change with this row.
LADDER = [
    ("network of notebook 03", notebook_03, {"schedule": "constant", "learning_rate": 0.05}),
    ("learning rate up and down", notebook_03, {"schedule": "onecycle", "learning_rate": 0.1}),
    ("augmentation", notebook_03, {"augment": FAST.augment}),
    ("label smoothing", notebook_03, {"label_smoothing": FAST.label_smoothing}),
    ("FaceNet: stride, width, residuals", plain_face_net, {}),
    ("batches of 64", plain_face_net, {"batch_size": FAST.batch_size, "learning_rate": FAST.learning_rate}),
    ("initial weights", RECIPE.make, {}),
    ("progressive resizing", RECIPE.make, {"sizes": FAST.sizes}),
    ("averaged weights", RECIPE.make, {"average": FAST.average}),
    ("stronger weight decay", RECIPE.make, {"weight_decay": FAST.weight_decay}),
]
LAST = "mirror image at test time"
# Settings that change speed alone, each measured as the time of a step relative to the recipe's.
ALTERNATIVES = {
    "channels first in memory": {"channels_last": False},
    "bfloat16": {"precision": "bf16"},
}


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=FAST.epochs)
    parser.add_argument("--limit", type=int, help="so many training images only")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()

    training = load("fer2013", "training", limit=options.limit)
    validation = load("fer2013", "validation", verbose=False)
    setting = {"epochs": options.epochs, "training": len(training), "validation": len(validation)}
    found = {"setting": setting, "runs": []}
    if options.results.exists():
        found = json.loads(options.results.read_text())
        if found["setting"] != setting:
            raise SystemExit(f"{options.results} holds runs with {found['setting']}; name another file with --results.")
    done = {(run["step"], run["seed"]) for run in found["runs"]}
    for seed in options.seeds:
        settings: dict = {}
        for step, network, changes in LADDER:
            settings |= changes
            if (step, seed) in done:
                continue
            config = TrainConfig(epochs=options.epochs, seed=seed, device="cpu", progress=False, **settings)
            found["runs"] += measure(step, network, config, training, validation)
            with atomic_write(options.results) as part:
                part.write_text(json.dumps(found, indent=1) + "\n")
            print(found["runs"][-1], flush=True)
    found["speed"] = {name: relative_time(training, **change) for name, change in ALTERNATIVES.items()}
    with atomic_write(options.results) as part:
        part.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    for name, ratio in found["speed"].items():
        print(f"a step with {name}: {ratio:.2f} times as long")


def relative_time(training, rounds: int = 6, **change) -> float:
    """Time a step of the fast recipe with a change, as a multiple of the time without it; both take turns."""
    best = []
    for config in (replace(FAST, sizes=()), replace(FAST, sizes=(), **change)):
        run = Run(RECIPE.make(training), training, None, replace(config, device="cpu"))
        best.append((run, run.batches(1), []))
    for step in range(rounds):
        for run, batches, seconds in best:
            begun = time.process_time()
            run.step(batches[step % len(batches)], step)
            seconds.append(time.process_time() - begun)
    (_, _, without), (_, _, with_change) = best
    return round(min(with_change) / min(without), 3)


def measure(step: str, network: Callable, config: TrainConfig, training, validation) -> list[dict]:
    """Train once; one row, or for the last step of the ladder also the row with mirror images."""
    seed_everything(config.seed)
    model = network(training)
    begun = time.process_time()
    history = train(model, training, None, config)
    seconds = time.process_time() - begun
    row = {
        "step": step,
        "seed": config.seed,
        "accuracy": evaluate(model, validation).accuracy,
        "train_accuracy": history["train_accuracy"][-1],
        "cpu_seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    if step != LADDER[-1][0]:
        return [row]
    return [row, row | {"step": LAST, "accuracy": evaluate(FlipAverage(model), validation).accuracy}]


def table(found: dict) -> str:
    """Put mean, spread over seeds, gain over the row before, and processor time into a table of text."""
    lines = [f"{'step':36}{'accuracy':>9}{'spread':>8}{'gain':>8}{'CPU s':>8}  seeds"]
    before = None
    for step in [step for step, *_ in LADDER] + [LAST]:
        runs = [run for run in found["runs"] if run["step"] == step]
        if not runs:
            continue
        accuracies = torch.tensor([run["accuracy"] for run in runs])
        mean = float(accuracies.mean())
        spread = f"{float(accuracies.std()):.1%}" if len(runs) > 1 else "–"
        gain = "" if before is None else f"{100 * (mean - before):+.1f}"
        seconds = sum(run["cpu_seconds"] for run in runs) / len(runs)
        lines.append(f"{step:36}{mean:>9.1%}{spread:>8}{gain:>8}{seconds:>8.0f}  {len(runs)}")
        before = mean
    return "\n".join(lines)


if __name__ == "__main__":
    main()
