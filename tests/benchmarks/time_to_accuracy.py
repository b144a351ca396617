"""Accuracy against seconds: the fast recipe beside what a reader would write otherwise, on the same cores.

    EMOTION_DATA_DIR=… python tests/benchmarks/time_to_accuracy.py --minutes 20
    … --threads 1 --precision fp32        # on one core, in float32

Contenders learn the same images, carved from FER2013's Training part, and are measured on the same validation
images. They take turns, and whoever has used least time goes next, so all have equal wall time and other work on the
machine hurts all alike. Validation is not counted. `--only` names some of them, to share them out over cores; runs with
the same settings add to the same file of results.

* `fast`: the recipe of `python -m emotion_utils train fer2013 --preset fast`. It ends when its schedule does, and is
  measured with the mirror image, one of its steps; the others are measured with one view.
* `fast, short`: the same with fewer epochs. A schedule has its best accuracy at its end, so this shows what the recipe
  can do in less time; the curve of the long one does not.
* `four blocks`: conv-pool blocks of 32, 64, 128 and 256 channels and a layer of 128 units; SGD, batch 32; images
  transformed one by one in a `DataLoader`.
* `ResNet-18`: torchvision's, for one channel, with the same loader.

The last lines say when each first reached 65 %, the best accuracy of each, and the time that the fast recipe needed for
it.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator
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
from emotion_utils.training import RECIPES, seed_everything
from emotion_utils.training.run import Run

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "time_to_accuracy.json"


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


def usual(model: nn.Module, training: FaceDataset, workers: int, every: int = 200) -> Iterator[nn.Module]:
    """Train in the usual way without end; yield the model every so many batches."""
    loader = DataLoader(Photographs(training), 32, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    done = 0
    while True:
        for images, labels in loader:
            model.train()
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done % every == 0:
                yield model


def recipe(training: FaceDataset, **settings) -> Iterator[nn.Module]:
    """Train the fast recipe with some settings changed; yield its averaged network after each epoch."""
    fast = RECIPES["fer2013", "fast"]
    model = fast.make(training)
    config = dataclasses.replace(fast.config, device="cpu", progress=False, **settings)
    run = Run(model, training, None, config)
    while not run.finished:
        run.finish_epoch()
        yield FlipAverage(run.eval_model)


def measure(model: nn.Module, validation: FaceDataset) -> float:
    """Measure accuracy, in [0, 1]."""
    return float((compute_logits(model, validation).argmax(1) == validation.labels).float().mean())


def main() -> None:
    """Let the contenders take turns until all have used their time, and print who was where when."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="wall time for each contender")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="of the fast recipe")
    parser.add_argument("--workers", type=int, default=0, help="of the usual DataLoader")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    parser.add_argument("--short", type=int, default=6, help="epochs of the short run of the fast recipe")
    parser.add_argument("--only", nargs="+", metavar="CONTENDER", help="these contenders alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="so many training images only, to try the script")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    training = load("fer2013", "training", limit=options.limit)
    validation = load("fer2013", "validation", verbose=False)
    precision = options.precision
    if precision == "auto":
        precision = "bf16" if bf16_is_faster(torch.device("cpu")) else "fp32"

    seed_everything(options.seed)
    contenders = {
        "fast": recipe(training, precision=precision, seed=options.seed),
        "fast, short": recipe(training, precision=precision, seed=options.seed, epochs=options.short),
        "four blocks": usual(four_blocks(), training, options.workers),
        "ResNet-18": usual(resnet18(), training, options.workers),
    }
    unknown = set(options.only or ()) - set(contenders)
    if unknown:
        parser.error(f"there is no contender {', '.join(sorted(unknown))}; choose from {', '.join(contenders)}")
    order = list(contenders)
    contenders = {name: contenders[name] for name in options.only or contenders}
    spent = dict.fromkeys(contenders, 0.0)
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    waiting = set(contenders)
    while waiting:
        name = min(waiting, key=spent.get)
        begun = time.perf_counter()
        model = next(contenders[name], None)
        spent[name] += time.perf_counter() - begun
        if model is None or spent[name] > 60 * options.minutes:
            waiting.remove(name)
        if model is not None:
            curves[name].append((round(spent[name], 1), measure(model, validation)))
            print(f"{spent[name]:7.1f} s  {name:12} {curves[name][-1][1]:.1%}", flush=True)
    facts = {
        "precision": precision,
        "threads": torch.get_num_threads(),
        "short": options.short,
        "minutes": options.minutes,
        "training": len(training),
        "seed": options.seed,
    }
    if options.results.exists():
        stored = json.loads(options.results.read_text())
        if stored["setting"] == facts:
            curves = stored["curves"] | curves
    curves = {name: curves[name] for name in order if name in curves}
    print(summary(curves))
    with atomic_write(options.results) as part:
        part.write_text(json.dumps({"setting": facts, "curves": curves}, indent=1) + "\n")


def summary(curves: dict[str, list[tuple[float, float]]]) -> str:
    """Say when each contender reached 65 % and its best accuracy, and when the fast recipe had reached that."""
    lines = []
    ours = sorted(point for name in ("fast", "fast, short") for point in curves.get(name, ()))
    for name, curve in curves.items():
        if not curve:
            continue
        seconds, best = max(curve, key=lambda point: (point[1], -point[0]))
        human = next((f"{s:.0f} s" for s, accuracy in curve if accuracy >= 0.65), "never")
        fast = next((f"{s:.0f} s" for s, accuracy in ours if accuracy >= best), "never")
        lines.append(
            f"{name:12} best {best:.1%} after {seconds:.0f} s; 65 %: {human}; fast recipe reached that after: {fast}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
