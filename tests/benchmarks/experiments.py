"""What notebook 07 stores: maps of rate and batch size, searches, a space of designs, a learning curve, an ablation.

    python tests/benchmarks/experiments.py                  # every run that is missing; minutes on one core
    python tests/benchmarks/experiments.py designs faces    # these parts alone
    python tests/benchmarks/experiments.py luck --again     # throws a part's runs away and makes them anew
    python tests/benchmarks/experiments.py milliseconds     # times the designs; on an idle machine

Protocol: 1,200 faces of the drawn training split, 1,000 of the validation split, all 2,000 of the test split, 48 × 48
pixels, one thread. The base is `EmotionCNN(widths=(8, 16, 32), hidden=16, dropout=0)`, 6 epochs in batches of 32, rate
0.03 (one cycle), momentum 0.9. A part changes what it names and nothing else; a seed decides first weights and order.
Each run is written as soon as it is done, so the script may be stopped and started again at any time.
"""

import argparse
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data import Augment, FaceDataset, load
from emotion_utils.evaluation import milliseconds
from emotion_utils.files import atomic_write
from emotion_utils.models import EmotionCNN, compute_logits, trace_shapes
from emotion_utils.training import DivergedError, TrainConfig, seed_everything, train

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "experiments.json"
NETWORK: dict[str, Any] = {"widths": (8, 16, 32), "hidden": 16, "dropout": 0.0}
TRAINING: dict[str, Any] = {"epochs": 6, "batch_size": 32, "learning_rate": 0.03}
FACES = 1200
PARTS = ("luck", "rates", "row", "search", "methods", "designs", "faces", "ablation")
GENTLE = Augment(rotate=5, shift=0.05)


class Faces:
    """The faces of all parts, loaded once."""

    def __init__(self) -> None:
        self.pool = load("synthetic", "training", seed=0, verbose=False)
        self.training = load("synthetic", "training", limit=FACES, seed=0, verbose=False)
        self.validation = load("synthetic", "validation", limit=1000, seed=0, verbose=False)
        self.test = load("synthetic", "test", verbose=False)


class Store:
    """The results so far: `keep(part, name, compute)` computes what is not there yet, and writes it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.found["protocol"] = {"faces": FACES, "network": NETWORK, "training": TRAINING}

    def keep(self, part: str, name: str, compute: Callable[[], dict]) -> None:
        rows = self.found.setdefault(part, {})
        if name not in rows:
            rows[name] = compute()
            self.write()
            print(part, name, json.dumps(rows[name])[:160], flush=True)

    def write(self) -> None:
        with atomic_write(self.path) as part:
            part.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")


def learn(make: Callable[[], nn.Module], train_set: FaceDataset, seed: int, **changes: Any) -> nn.Module | None:
    """Build and train a network as the base is trained, with some settings changed; None where the loss ran away."""
    seed_everything(seed)
    model = make()
    config = TrainConfig(**TRAINING | changes, seed=seed, device="cpu", progress=False)
    try:
        train(model, train_set, None, config)
    except DivergedError:
        return None
    return model


def base(**changes: Any) -> Callable[[], nn.Module]:
    """Give a function that builds the base with some arguments changed."""
    return lambda: EmotionCNN(**NETWORK | changes)


def recognised(model: nn.Module | None, dataset: FaceDataset) -> Tensor:
    """Say which faces are recognised, bool (N,); a network that ran away recognises none."""
    if model is None:
        return torch.zeros(len(dataset), dtype=torch.bool)
    return compute_logits(model, dataset).argmax(1) == dataset.labels


def share(correct: Tensor) -> float:
    """Give an accuracy with four digits."""
    return round(float(correct.double().mean()), 4)


def bits(correct: Tensor) -> str:
    """Write which faces were recognised as zeros and ones."""
    return "".join(str(int(one)) for one in correct)


def validated(model: nn.Module | None, faces: Faces) -> dict:
    """Measure a network on the validation faces alone."""
    return {"accuracy": share(recognised(model, faces.validation)), "diverged": model is None}


def on_both(model: nn.Module | None, faces: Faces) -> dict:
    """Measure a network on validation and test faces, and keep which of the validation faces were recognised."""
    correct = recognised(model, faces.validation)
    return {"validation": share(correct), "test": share(recognised(model, faces.test)), "correct": bits(correct)}


def luck(store: Store, faces: Faces) -> None:
    """Train one design with twenty seeds."""
    for seed in range(20):
        store.keep("luck", str(seed), lambda seed=seed: on_both(learn(base(), faces.training, seed), faces))


def rates(store: Store, faces: Faces) -> None:
    """Map accuracy over rate and batch size, with momentum and with the same step in the long run without."""
    for momentum in (0.9, 0.0):
        for batch in (8, 32, 128, 512):
            for k in range(8):
                rate = 0.0025 * 2**k * (0.1 / (1 - momentum)) ** -1  # 0.0025 to 0.32, ten times that without momentum
                changes = {"momentum": momentum, "batch_size": batch, "learning_rate": round(rate, 4)}

                def compute(changes: dict = changes) -> dict:
                    return changes | validated(learn(base(), faces.training, 0, **changes), faces)

                store.keep("rates", f"{momentum} {batch} {round(rate, 4)}", compute)


def row(store: Store, faces: Faces) -> None:
    """Train at three rates in batches of 64, a row that the map does not have, with three seeds each."""
    for rate in (0.02, 0.06, 0.18):
        for seed in range(3):
            changes = {"batch_size": 64, "learning_rate": rate}

            def compute(changes: dict = changes, seed: int = seed) -> dict:
                return changes | {"seed": seed} | validated(learn(base(), faces.training, seed, **changes), faces)

            store.keep("row", f"{rate} {seed}", compute)


def draw_design(generator: random.Random) -> dict[str, dict]:
    """Draw a design and its training at random."""
    width, depth = generator.choice((4, 6, 8, 10)), generator.choice((2, 3, 4))
    network = {
        "widths": tuple(width * 2 ** min(i, 2) for i in range(depth)),
        "kernel": generator.choice((3, 5)),
        "activation": generator.choice(("relu", "gelu", "leaky_relu")),
        "pooling": generator.choice(("max", "avg")),
        "hidden": generator.choice((0, 16, 32)),
        "dropout": generator.choice((0.0, 0.2)),
    }
    training = {
        "learning_rate": round(10 ** generator.uniform(-2.2, -1), 4),
        "weight_decay": round(10 ** generator.uniform(-5, -2), 6),
        "label_smoothing": generator.choice((0.0, 0.1)),
    }
    return {"network": network, "training": training}


def search(store: Store, faces: Faces) -> None:
    """Train twenty designs drawn at random; measure each on validation and, for the notebook's question, on test."""
    generator = random.Random(7)
    for number in range(20):
        drawn = draw_design(generator)

        def compute(drawn: dict = drawn) -> dict:
            model = learn(base(**drawn["network"]), faces.training, 0, **drawn["training"])
            return drawn | on_both(model, faces)

        store.keep("search", str(number), compute)


def methods(store: Store, faces: Faces) -> None:
    """Try sixteen points of a grid and 48 random ones in the same box: rate, weight decay, label smoothing."""
    low, high = (-3.3, -5.0, 0.0), (-0.3, -1.5, 0.2)  # log10 of rate and decay, smoothing
    middle = [[(k + 0.5) / n for k in range(n)] for n in (4, 2, 2)]
    points = {
        f"grid {i}": at for i, at in enumerate((a, b, c) for a in middle[0] for b in middle[1] for c in middle[2])
    }
    generator = random.Random(1)
    points |= {f"random {i}": tuple(generator.random() for _ in range(3)) for i in range(48)}
    for name, at in points.items():
        rate, decay, smoothing = (a + share * (b - a) for share, a, b in zip(at, low, high, strict=True))
        changes = {"learning_rate": 10**rate, "weight_decay": 10**decay, "label_smoothing": smoothing}
        changes = {key: float(f"{value:.3g}") for key, value in changes.items()}

        def compute(changes: dict = changes) -> dict:
            return changes | validated(learn(base(), faces.training, 0, epochs=3, **changes), faces)

        store.keep("methods", name, compute)


class Skip(nn.Module):
    """Add a convolution's result to its input (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm, self.relu = nn.BatchNorm2d(width), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.norm(self.conv(x)))


def with_skips() -> nn.Module:
    """Follow each block of the base by a convolution with a skip connection."""
    model = EmotionCNN(**NETWORK)
    for block, width in zip(model.features, NETWORK["widths"], strict=True):
        block.add_module("skip", Skip(width))
    return model


def depthwise() -> nn.Module:
    """Split the second and third convolution into one for each channel and a 1 × 1 mix (Howard et al. 2017)."""
    model = EmotionCNN(**NETWORK)
    for block in list(model.features)[1:]:
        old = block.conv1
        each = nn.Conv2d(old.in_channels, old.in_channels, 3, padding=1, groups=old.in_channels, bias=False)
        block.conv1 = nn.Sequential(each, nn.Conv2d(old.in_channels, old.out_channels, 1, bias=False))
    return model


def global_mean() -> nn.Module:
    """Average each map of the last block over the face instead of keeping all its places."""
    model = EmotionCNN(**NETWORK | {"hidden": 0})
    model.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(NETWORK["widths"][-1], 7))
    return model


DESIGNS: dict[str, Callable[[], nn.Module]] = {
    "base": base(),
    "half as wide": base(widths=(4, 8, 16)),
    "twice as wide": base(widths=(16, 32, 64)),
    "two blocks": base(widths=(8, 16)),
    "four blocks": base(widths=(8, 16, 32, 32)),
    "two convolutions a block": base(convs_per_block=2),
    "with skips": with_skips,
    "depthwise": depthwise,
    "kernel 5": base(kernel=5),
    "average pooling": base(pooling="avg"),
    "strides": base(pooling="stride"),
    "no batch norm": base(batch_norm=False),
    "GELU": base(activation="gelu"),
    "tanh": base(activation="tanh"),
    "dropout": base(dropout=0.3),
    "no hidden layer": base(hidden=0),
    "hidden layer of 64": base(hidden=64),
    "global mean": global_mean,
}


def designs(store: Store, faces: Faces) -> None:
    """Train each design with three seeds, all at the base's rate."""
    for name, make in DESIGNS.items():

        def compute(make: Callable[[], nn.Module] = make) -> dict:
            trace = trace_shapes(make(), (1, 1, 48, 48))
            runs = [learn(make, faces.training, seed) for seed in (0, 1, 2)]
            return {
                "accuracies": [validated(model, faces)["accuracy"] for model in runs],
                "parameters": trace.total_parameters,
                "multiply_adds": trace.total_multiply_adds,
                "milliseconds": round(milliseconds(make(), repeats=60), 4),
            }

        store.keep("designs", name, compute)


def time_again(store: Store) -> None:
    """Time all designs anew, interleaved, and keep the fastest of five rounds."""
    models = {name: make() for name, make in DESIGNS.items()}
    rounds = [{name: milliseconds(model, repeats=40) for name, model in models.items()} for _ in range(5)]
    for name, row in store.found["designs"].items():
        row["milliseconds"] = round(min(one[name] for one in rounds), 4)
    store.write()


def faces_curve(store: Store, faces: Faces) -> None:
    """Train the base on more and more faces; on few, for more epochs, so that none makes fewer than 228 steps."""
    order = torch.randperm(len(faces.pool), generator=torch.Generator().manual_seed(3))
    for count in (150, 300, 600, 1200, 2400, 4800):
        epochs = max(6, math.ceil(6 * FACES / count))
        for seed in range(3):

            def compute(count: int = count, epochs: int = epochs, seed: int = seed) -> dict:
                part = faces.pool.subset(order.roll(-seed * 1000)[:count])
                return {"faces": count, "epochs": epochs, "seed": seed} | validated(
                    learn(base(), part, seed, epochs=epochs), faces
                )

            store.keep("faces", f"{count} {seed}", compute)


WHOLE = {"epochs": 8, "weight_decay": 0.005, "augment": GENTLE}
ABLATIONS: dict[str, tuple[dict, dict]] = {
    "whole": ({}, {}),
    "no batch norm": ({"batch_norm": False}, {}),
    "no augmentation": ({}, {"augment": None}),
    "no weight decay": ({}, {"weight_decay": 0.0}),
    "no momentum": ({}, {"momentum": 0.0, "learning_rate": 10 * TRAINING["learning_rate"]}),
    "no schedule": ({}, {"schedule": "constant"}),
    "average pooling": ({"pooling": "avg"}, {}),
    "no hidden layer": ({"hidden": 0}, {}),
    "none of the first three": ({"batch_norm": False}, {"augment": None, "weight_decay": 0.0}),
}


def ablation(store: Store, faces: Faces) -> None:
    """Take one ingredient away at a time, with five seeds."""
    for name, (network, training) in ABLATIONS.items():
        for seed in range(5):

            def compute(network: dict = network, training: dict = training, seed: int = seed) -> dict:
                return validated(learn(base(**network), faces.training, seed, **WHOLE | training), faces)

            store.keep("ablation", f"{name} {seed}", compute)


def main() -> None:
    """Run what the command line asks for."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("parts", nargs="*", choices=[*PARTS, "milliseconds", []], help="which parts (default: all runs)")
    p.add_argument("--again", action="store_true", help="forget the runs of these parts first")
    p.add_argument("--out", type=Path, default=RESULTS, help="file to write, and to go on from")
    options = p.parse_args()
    torch.set_num_threads(1)
    store = Store(options.out)
    if options.parts == ["milliseconds"]:
        return time_again(store)
    faces = Faces()
    work = {"luck": luck, "rates": rates, "row": row, "search": search, "methods": methods, "designs": designs,
            "faces": faces_curve, "ablation": ablation}  # fmt: skip
    for part in options.parts or PARTS:
        if options.again:
            store.found.pop(part, None)
        work[part](store, faces)
    return None


if __name__ == "__main__":
    main()
