"""Measure what the drawn faces are worth: speed, which models they separate, what carries over to photographs.

    python tests/benchmarks/drawn_faces.py                    # everything (about 20 minutes of one core)
    python tests/benchmarks/drawn_faces.py speed models       # without FER2013

The parts: `speed` (first use and use from the cache of the 14,000 default faces), `models` (linear, MLP, EmotionCNN
on the default set), `transfer` (trained on drawn faces alone, tested on FER2013's PublicTest; difficulty 0.8,
strength 1.4: poses and light as in snapshots, expressions as strong as actors') and `few` (1,000 real images, from
drawn faces against from scratch). PublicTest chooses nothing here: recipes were fixed on FER2013's Training rows.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from emotion_utils.data import EMOTIONS, Augment, FaceDataset, load
from emotion_utils.data.drawn import load_split, sample_faces
from emotion_utils.data.fer2013_files import fer2013_is_there
from emotion_utils.data.splits import SPLITS
from emotion_utils.models import MLP, EmotionCNN, LinearModel
from emotion_utils.training import TrainConfig, train

PARTS = ("speed", "models", "transfer", "few")
STRONG = Augment(flip=0.5, rotate=12.0, scale=(0.85, 1.15), shift=0.1, brightness=0.2, contrast=0.3, erase=0.2)
MODELS = {
    "linear": (LinearModel, TrainConfig(epochs=10, learning_rate=0.01, progress=False)),
    "MLP": (MLP, TrainConfig(epochs=10, learning_rate=0.02, progress=False)),
    "EmotionCNN": (EmotionCNN, TrainConfig(epochs=8, learning_rate=0.05, progress=False)),
}
DRAWN = {"n": 20_000, "difficulty": 0.8, "strength": 1.4}
DRAWN_CONFIG = TrainConfig(epochs=8, learning_rate=0.05, label_smoothing=0.1, augment=STRONG, progress=False)
FEW_EPOCHS = 60  # with batches of 64; at 20 epochs of 128 a start from scratch is not trained out


def spread(values: list[float]) -> str:
    """Write percent: mean, and the lowest and highest seed."""
    return f"{100 * sum(values) / len(values):.1f} % ({100 * min(values):.1f} to {100 * max(values):.1f})"


def speed(_: range) -> None:
    """Time the first use of all 14,000 faces and the use from the cache."""
    with tempfile.TemporaryDirectory() as folder:
        for what in ("first use", "from the cache"):
            start, cpu = time.perf_counter(), time.process_time()
            for split in SPLITS:
                load_split(split, data_dir=folder, progress=False)
            wall, used = time.perf_counter() - start, time.process_time() - cpu
            threads = torch.get_num_threads()
            print(f"14,000 faces, {what}: {wall:.1f} s, {used:.1f} s of processor time, {threads} threads", flush=True)


def models(seeds: range) -> None:
    """Train each model on the default set, test it, print the largest confusions of the CNN."""
    train_set, test_set = (load("synthetic", split=s, verbose=False) for s in ("training", "test"))
    for name, (build, config) in MODELS.items():
        accuracy, seconds, confusion = [], [], torch.zeros(7, 7)
        for seed in seeds:
            torch.manual_seed(seed)
            model = build()
            start = time.process_time()
            train(model, train_set, test_set, replace(config, seed=seed))
            seconds.append(time.process_time() - start)
            predicted = model.predict_proba(test_set.images).argmax(1)
            accuracy.append((predicted == test_set.labels).float().mean().item())
            confusion += torch.bincount(test_set.labels * 7 + predicted, minlength=49).view(7, 7)
        print(f"{name}: test accuracy {spread(accuracy)}; {max(seconds):.0f} s of processor time", flush=True)
    pairs = confusion + confusion.T
    order = sorted(((pairs[i, j].item() / len(seeds), i, j) for i in range(7) for j in range(i)), reverse=True)
    print("largest confusions:", ", ".join(f"{EMOTIONS[j]}/{EMOTIONS[i]} {n:.0f}" for n, i, j in order[:5]))
    recall = confusion.diag() / confusion.sum(1)
    print("recall:", ", ".join(f"{e} {100 * r:.0f} %" for e, r in zip(EMOTIONS, recall.tolist(), strict=True)))


def recalls(model: torch.nn.Module, faces: FaceDataset, mirror: bool) -> list[float]:
    """Recall of each class, with or without averaging over the mirror image; their mean is the balanced accuracy."""
    probabilities = model.predict_proba(faces.images)
    if mirror:
        probabilities = probabilities + model.predict_proba(faces.images.flip(3))
    predicted = probabilities.argmax(1)
    return [(predicted[faces.labels == c] == c).float().mean().item() for c in range(7)]


def trained_on_drawn(seed: int) -> EmotionCNN:
    """Train on drawn faces alone; kept, because two parts need it."""
    if seed not in _kept:
        faces = sample_faces(seed=1000 + seed, truth=False, **DRAWN)
        check = sample_faces(seed=2000 + seed, truth=False, **(DRAWN | {"n": 1000}))
        torch.manual_seed(seed)
        model = EmotionCNN()
        train(model, faces, check, replace(DRAWN_CONFIG, seed=seed))
        _kept[seed] = model
    return _kept[seed]


_kept: dict[int, EmotionCNN] = {}


def transfer(seeds: range) -> None:
    """Test on photographs what was trained on drawn faces."""
    test_set = load("fer2013", split="test", verbose=False)
    for way, mirror in (("single view", False), ("with the mirror image", True)):
        found = [recalls(trained_on_drawn(seed), test_set, mirror) for seed in seeds]
        scores = [sum(recall) / 7 for recall in found]
        print(f"drawn faces -> PublicTest, {way}: balanced accuracy {spread(scores)}, chance 14.3 %", flush=True)
        by_class = zip(EMOTIONS, zip(*found, strict=True), strict=True)
        print("recall:", "; ".join(f"{emotion} {spread(list(seen))}" for emotion, seen in by_class), flush=True)


def few(seeds: range) -> None:
    """Train on 1,000 photographs, from scratch and from a network trained on drawn faces."""
    train_set, test_set = (load("fer2013", split=s, verbose=False) for s in ("training", "test"))
    results = {"from scratch": [], "from drawn faces": []}
    for seed in seeds:
        torch.manual_seed(seed)
        order = torch.randperm(len(train_set))
        some, check = train_set.subset(order[:1000]), train_set.subset(order[1000:1300])
        for start, rate in (("from scratch", 0.05), ("from drawn faces", 0.02)):
            torch.manual_seed(seed)
            model = EmotionCNN()
            if start == "from drawn faces":
                model.load_state_dict(trained_on_drawn(seed).state_dict())
            config = TrainConfig(
                epochs=FEW_EPOCHS,
                batch_size=64,
                learning_rate=rate,
                augment=STRONG,
                seed=seed,
                progress=False,
            )
            train(model, some, check, config)
            predicted = model.predict_proba(test_set.images).argmax(1)
            results[start].append((predicted == test_set.labels).float().mean().item())
    for start, accuracy in results.items():
        print(f"1,000 photographs, {start}: PublicTest accuracy {spread(accuracy)}", flush=True)


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", default=PARTS, choices=[*PARTS, []], help="which parts")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        if part in ("transfer", "few") and not fer2013_is_there():
            print(f"{part}: skipped, FER2013 is not in {os.environ.get('EMOTION_DATA_DIR', Path('data'))}")
            continue
        globals()[part](range(arguments.seeds))


if __name__ == "__main__":
    main()
