"""Accuracy against seconds: the quickest recipe beside what a reader would write otherwise, on the same cores.

    EMOTION_DATA_DIR=… python tests/benchmarks/time_to_accuracy.py --minutes 20
    … --threads 1 --precision fp32        # on one core, in float32
    … --tune --minutes 4                  # first: which rates suit the rivals

Contenders learn the same images, carved from FER2013's Training part, and are measured on the same validation
images. They take turns, and whoever has used least time goes next, so all have equal wall time and other work on the
machine hurts all alike. Validation is not counted. `--only` names some of them, to share them out over cores; runs with
the same settings add to the same file of results.

* `sprint`: the recipe of `python -m emotion_utils train fer2013 --preset sprint`. It ends when its schedule does, and
  is measured with the mirror image; the others are measured with one view.
* `sprint, short`: the same with fewer epochs. A schedule has its best accuracy at its end, so this shows what the
  recipe can do in less time; the curve of the long one does not.
* `four blocks`: conv-pool blocks of 32, 64, 128 and 256 channels and a layer of 128 units; SGD, batch 32; images
  transformed one by one in a `DataLoader`.
* `ResNet-18`: torchvision's, for one channel, with the same loader.

The rivals are not held back by their settings: their rate rises and falls over their minutes as the recipe's does over
its epochs, and `--tune` finds the best of four largest rates for each, in shorter runs on validation images. What it
finds is stored with the results, and a race takes it from there.

The last lines say when each first reached 65 %, the best accuracy of each, and the time that the recipe needed for
it.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from emotion_utils.data import FaceDataset, load
from emotion_utils.device import bf16_is_faster
from emotion_utils.files import atomic_write
from emotion_utils.models import FlipAverage, compute_logits
from emotion_utils.training import RECIPES, TrainConfig, seed_everything
from emotion_utils.training.run import Run
from emotion_utils.training.schedule import learning_rate_at

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "time_to_accuracy.json"
RATES = (0.003, 0.01, 0.03, 0.1)  # for `--tune`
MOMENTS = 10_000  # into which a race is divided for the schedule


class Photographs(Dataset):
    """The usual data set: one Pillow image at a time, through torchvision's transforms."""

    def __init__(self, faces: FaceDataset) -> None:
        self.faces = faces
        self.transform = v2.Compose(
            [
                v2.ToPILImage(),
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(10, translate=(0.08, 0.08), scale=(0.9, 1.1)),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([faces.mean], [faces.std]),
            ]
        )

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, i: int):
        return self.transform(self.faces.images[i]), int(self.faces.labels[i])


def four_blocks() -> nn.Sequential:
    """Build the plain network that many tutorials end with."""
    layers, channels = [], 1
    for width in (32, 64, 128, 256):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(256 * 3 * 3, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 7)
    )


def resnet18() -> nn.Module:
    """Build torchvision's ResNet-18 for one channel and seven classes, from scratch."""
    model = torchvision.models.resnet18(num_classes=7)
    model.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return model


RIVALS = {"four blocks": four_blocks, "ResNet-18": resnet18}


class Stopwatch:
    """Seconds that a contender has used, in a race of so many: its own turns count, and nothing else."""

    def __init__(self, limit: float) -> None:
        self.limit, self.seconds, self._begun = limit, 0.0, None

    def start(self) -> None:
        """A turn begins."""
        self._begun = time.perf_counter()

    def stop(self) -> None:
        """A turn ends."""
        self.seconds, self._begun = self.seconds + time.perf_counter() - self._begun, None

    @property
    def share(self) -> float:
        """What share of the time is used, 0 to 1, also within a turn."""
        running = 0.0 if self._begun is None else time.perf_counter() - self._begun
        return min((self.seconds + running) / self.limit, 1.0)


def usual(
    model: nn.Module,
    training: FaceDataset,
    options: argparse.Namespace,
    rate: float,
    watch: Stopwatch,
    every: int = 100,
) -> Iterator[nn.Module]:
    """Train in the usual way without end; yield the model every so many batches.

    The rate rises to `rate` and falls again over the time, as `TrainConfig`'s schedule does over steps.
    """
    schedule = TrainConfig(learning_rate=rate)
    workers, bf16 = options.workers, options.precision == "bf16"
    loader = DataLoader(Photographs(training), 32, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    done = 0
    while True:
        for images, labels in loader:
            model.train()
            moment = min(int(MOMENTS * watch.share), MOMENTS - 1)
            optimizer.param_groups[0]["lr"] = learning_rate_at(moment, MOMENTS, schedule)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(images)
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done % every == 0:
                yield model


def recipe(training: FaceDataset, **settings) -> Iterator[nn.Module]:
    """Train the recipe with some settings changed; yield its averaged network after each epoch."""
    sprint = RECIPES["fer2013", "sprint"]
    model = sprint.make(training)
    config = dataclasses.replace(sprint.config, device="cpu", progress=False, **settings)
    run = Run(model, training, None, config)
    while not run.finished:
        run.finish_epoch()
        yield FlipAverage(run.eval_model)


def measure(model: nn.Module, validation: FaceDataset) -> float:
    """Measure accuracy, in [0, 1]."""
    return float((compute_logits(model, validation).argmax(1) == validation.labels).float().mean())


def main() -> None:
    """Let the contenders take turns until all have used their time, and print who was where when."""
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    training = load("fer2013", "training", limit=options.limit)
    validation = load("fer2013", "validation", verbose=False)
    if options.precision == "auto":
        options.precision = "bf16" if bf16_is_faster(torch.device("cpu")) else "fp32"
    if options.tune:
        found = tune(training, validation, options)
        stored = read(options.results)  # only now: another call may have written meanwhile
        return write(stored | {"rates": stored.get("rates", {}) | found}, options.results)
    rates = read(options.results).get("rates", {})

    facts = {
        "precision": options.precision,
        "threads": torch.get_num_threads(),
        "short": options.short,
        "minutes": options.minutes,
        "training": len(training),
        "seed": options.seed,
    }
    contenders = {
        "sprint": lambda watch: recipe(training, precision=options.precision, seed=options.seed),
        "sprint, short": lambda watch: recipe(
            training, precision=options.precision, seed=options.seed, epochs=options.short
        ),
    } | {
        name: lambda watch, name=name: usual(RIVALS[name](), training, options, chosen(rates, name), watch)
        for name in RIVALS
    }
    race = {name: contenders[name] for name in options.only or contenders}
    curves = take_turns(race, validation, 60 * options.minutes, options.seed)
    stored = read(options.results)
    if stored.get("setting") == facts:
        curves = stored["curves"] | curves
    curves = {name: curves[name] for name in contenders if name in curves}
    print(summary(curves))
    write(stored | {"setting": facts, "curves": curves}, options.results)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="wall time for each contender")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="of all contenders")
    parser.add_argument("--workers", type=int, default=0, help="of the usual DataLoader")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--short", type=int, default=6, help="epochs of the short run of the recipe")
    names = ["sprint", "sprint, short", *RIVALS]
    parser.add_argument("--only", nargs="+", metavar="CONTENDER", choices=names, help="these contenders alone")
    parser.add_argument("--tune", action="store_true", help="find the rivals' rates instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="so many training images only, to try the script")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def take_turns(
    race: dict[str, Callable[[Stopwatch], Iterator[nn.Module]]], validation: FaceDataset, limit: float, seed: int
) -> dict[str, list[tuple[float, float]]]:
    """Let who has used least time go next, until all have used `limit` seconds; (seconds, accuracy) of each turn."""
    seed_everything(seed)
    watches = {name: Stopwatch(limit) for name in race}
    turns = {name: make(watches[name]) for name, make in race.items()}
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in race}
    waiting = set(race)
    while waiting:
        name = min(waiting, key=lambda each: watches[each].seconds)
        watches[name].start()
        model = next(turns[name], None)
        watches[name].stop()
        if model is None or watches[name].share == 1:
            waiting.remove(name)
        if model is not None:
            curves[name].append((round(watches[name].seconds, 1), measure(model, validation)))
            print(f"{watches[name].seconds:7.1f} s  {name:18} {curves[name][-1][1]:.1%}", flush=True)
    return curves


def tune(training: FaceDataset, validation: FaceDataset, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Race each rival against itself with other rates; for each rival, the accuracy that each rate ended with."""
    found = {}
    for name in options.only or RIVALS:
        build = RIVALS[name]
        race = {
            f"{name}, {rate:g}": lambda watch, build=build, rate=rate: usual(build(), training, options, rate, watch)
            for rate in RATES
        }
        curves = take_turns(race, validation, 60 * options.minutes, options.seed)
        found[name] = {f"{rate:g}": curves[f"{name}, {rate:g}"][-1][1] for rate in RATES}
        print(name, found[name], flush=True)
    return found


def chosen(rates: dict[str, dict[str, float]], name: str) -> float:
    """Give the rate with which a rival ended best."""
    if name not in rates:
        raise SystemExit(f"There is no rate for {name} yet: run with --tune first.")
    return float(max(rates[name], key=rates[name].get))


def read(path: Path) -> dict:
    """Read the results that are there."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(content: dict, path: Path) -> None:
    """Put the results into their file."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")


def summary(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Say when each contender reached 65 % and its best accuracy, and when the recipe had reached that."""
    lines = []
    ours = sorted(point for name in ("sprint", "sprint, short") for point in curves.get(name, ()))
    for name, curve in curves.items():
        if not curve:
            continue
        seconds, best = max(curve, key=lambda point: (point[1], -point[0]))
        human = next((f"{s:.0f} s" for s, accuracy in curve if accuracy >= 0.65), "never")
        ours_at = next((f"{s:.0f} s" for s, accuracy in ours if accuracy >= best), "never")
        lines.append(
            f"{name:12} best {best:.1%} after {seconds:.0f} s; 65 %: {human}; the recipe reached that after: {ours_at}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
