"""Is the CNN worth the trouble? A linear model, an MLP and CNNs on the same faces, over learning rates and seeds.

    python tests/benchmarks/designs.py            # on drawn faces; minutes on two cores

The rules of notebook 03, section 9: each model chooses its rate by a trial with seed 0 on half of the faces, then
trains on all of them with three other seeds; the simple models get four times as many epochs. Then the trial once more
with the pixels of all faces in another order. Accuracy is measured on the validation split.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from emotion_utils.data import FaceDataset, load
from emotion_utils.files import atomic_write
from emotion_utils.models import MLP, EmotionCNN, LinearModel
from emotion_utils.training import TrainConfig, train

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "designs.json"
RATES = (0.005, 0.02, 0.08)
SEEDS = (1, 2, 3)
MODELS: dict[str, Callable[[], nn.Module]] = {
    "linear": LinearModel,
    "mlp": MLP,
    "cnn": EmotionCNN,
    "cnn, no batch norm": lambda: EmotionCNN(batch_norm=False),
}


def shuffle_pixels(dataset: FaceDataset) -> FaceDataset:
    """Return the faces with their pixels in another order, the same for all."""
    order = torch.randperm(dataset.images[0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = dataset.subset(range(len(dataset)))
    shuffled.images = dataset.images.flatten(1)[:, order].view_as(dataset.images)
    return shuffled


def accuracy(name: str, rate: float, seed: int, epochs: int, training: FaceDataset, validation: FaceDataset) -> float:
    """Train a new model and return the share of validation faces that it recognises."""
    torch.manual_seed(seed)
    config = TrainConfig(epochs=epochs, batch_size=64, learning_rate=rate, seed=seed, progress=False)
    begun = time.perf_counter()
    found = train(MODELS[name](), training, validation, config)["val_accuracy"][-1]
    print(f"{name}, rate {rate}, seed {seed}: {found:.1%}, {time.perf_counter() - begun:.0f} s", flush=True)
    return round(found, 4)


def compare(options: argparse.Namespace) -> dict:
    """Make all the runs; return what the notebook reads."""
    training = load("synthetic", "training", limit=options.faces, seed=0)
    validation = load("synthetic", "validation", limit=options.validation, seed=0)
    trial = training.subset(range(len(training) // 2))
    mixed = [shuffle_pixels(part) for part in (trial, validation)]
    epochs = {name: options.epochs * (1 if name.startswith("cnn") else 4) for name in MODELS}
    rows = {}
    for name in MODELS:
        trials = {rate: accuracy(name, rate, 0, epochs[name], trial, validation) for rate in RATES}
        best = max(trials, key=trials.__getitem__)
        seeds = [accuracy(name, best, seed, epochs[name], training, validation) for seed in SEEDS]
        shuffled = accuracy(name, best, 0, epochs[name], *mixed)
        rows[name] = {"epochs": epochs[name], "trials": trials, "rate": best, "seeds": seeds, "shuffled": shuffled}
    return {"faces": len(training), "trial_faces": len(trial), "validation_faces": len(validation), "models": rows}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--faces", type=int, default=2400, help="training faces, at most (default: 2400)")
    p.add_argument("--validation", type=int, default=1000, help="validation faces (default: 1000)")
    p.add_argument("--epochs", type=int, default=3, help="of the CNNs; the others get four times as many (default: 3)")
    p.add_argument("--out", type=Path, default=RESULTS, help="file to write")
    options = p.parse_args()
    found = compare(options)
    with atomic_write(options.out) as part:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
