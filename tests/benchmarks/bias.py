"""A bias that we built: how large the gap is, whether it is found blind, and what each cure leaves of it.

    python tests/benchmarks/bias.py [SEED …]    # writes notebooks/results/bias.json; seeds 0, 1 and 2 if none are named
    python tests/benchmarks/bias.py --mystery   # trains the network of notebook 11's third section again
    python tests/benchmarks/bias.py --votes fer2013new.csv   # how far the ten people of FER+ agree

Nearly all happy faces of the training set are women's, nearly all angry ones old men's. Rates are those of the 2,000
faces of the default set's test split, where the face alone tells the emotion. Thresholds are fitted on its
validation split; the blind search has both. Notebook 11 reads the file.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from emotion_utils.data import (
    EMOTIONS,
    Augment,
    FaceDataset,
    balanced_indices,
    join,
    load,
    missing_faces,
    reweigh,
    sample_faces,
)
from emotion_utils.evaluation import GroupReport, evaluate_groups, find_weak_groups, fit_group_thresholds
from emotion_utils.files import atomic_write
from emotion_utils.models import EmotionCNN, save_weights
from emotion_utils.training import TrainConfig, WeightedLoss, seed_everything, train

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "notebooks" / "results" / "bias.json"
MYSTERY = ROOT / "emotion_utils" / "checks" / "mystery.safetensors"

TIED = {"masculine": {"happy": 0.0, "angry": 1.0}, "age": {"angry": (60, 85)}}
WIDTHS, EPOCHS, FACES, PLAIN = (8, 16, 32), 6, 2910, 90
ANGRY, HAPPY = EMOTIONS.index("angry"), EMOTIONS.index("happy")


def kinds(dataset: FaceDataset) -> Tensor:
    """Number four groups: 0 young woman, 1 old woman, 2 young man, 3 old man (old from 60): int64 (N,)."""
    return 2 * (dataset.truth["sex"] >= 0.5).long() + (dataset.truth["age"] >= 60).long()


def masks(dataset: FaceDataset) -> dict[str, Tensor]:
    """Name these groups."""
    number = kinds(dataset)
    names = ("women under 60", "women from 60", "men under 60", "men from 60")
    return {name: number == i for i, name in enumerate(names)}


def tied_faces(seed: int) -> FaceDataset:
    """Draw 3,000 faces, 97 of a hundred with the bias."""
    biased = sample_faces(FACES, seed=100 + seed, truth=False, **TIED)
    return join(biased, sample_faces(PLAIN, seed=200 + seed, truth=False))


def too_few(seed: int, pool: FaceDataset) -> FaceDataset:
    """Take 3,000 faces among which old men are as rare in every class: one in fifty."""
    old_men = (kinds(pool) == 3).nonzero()[:, 0]
    others = (kinds(pool) != 3).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    picks = [group[torch.randperm(len(group), generator=generator)[:n]] for group, n in ((old_men, 60), (others, 2940))]
    return pool.subset(torch.cat(picks))


def more_faces(train_set: FaceDataset, seed: int) -> FaceDataset:
    """Add faces of the rare kinds, up to 900: angry ones that are no old men, and happy men."""
    missing = missing_faces(train_set.labels, kinds(train_set))
    angry = sample_faces(
        min(600, int(missing[ANGRY].sum())), seed=300 + seed, truth=False, emotions=["angry"], age=(4, 59)
    )
    happy = sample_faces(
        min(300, int(missing[HAPPY].sum())), seed=400 + seed, truth=False, emotions=["happy"], masculine=1.0
    )
    return join(train_set, angry, happy)


def learn(train_set: FaceDataset, seed: int, loss: nn.Module | None = None) -> nn.Module:
    """Train the notebook's network."""
    seed_everything(seed)
    model = EmotionCNN(widths=WIDTHS)
    augment = Augment(rotate=5, shift=0.05)
    config = TrainConfig(epochs=EPOCHS, learning_rate=0.05, augment=augment, seed=seed, progress=False)
    train(model, train_set, None, config, loss=loss)
    return model


def numbers(report: GroupReport) -> dict:
    """Take from a report what the notebook shows."""
    found = {
        "accuracy": report.report.accuracy,
        "groups": {row.name: row.accuracy.value for row in report.rows},
        "recall of angry": {row.name: row.recall[ANGRY].value for row in report.rows},
        "recall of happy": {row.name: row.recall[HAPPY].value for row in report.rows},
        "false positives of angry": {row.name: row.false_positives[ANGRY].value for row in report.rows},
    }
    for measure, emotion in (
        ("accuracy", None),
        ("recall", "angry"),
        ("recall", "happy"),
        ("false positives", "angry"),
    ):
        gap = report.gap(measure, emotion)
        found[f"gap in {gap.measure}"] = {
            "value": gap.value,
            "interval": gap.interval,
            "high": gap.high,
            "low": gap.low,
        }
    return found


def with_thresholds(report: GroupReport, first: Tensor, second: Tensor) -> dict:
    """Fit a threshold for "angry" per group, for equal recall, on the first faces; measure on the others."""
    scores, positive = report.report.probabilities[:, ANGRY], report.report.labels == ANGRY
    named = dict(zip(report.groups.names, report.groups.masks, strict=True))
    found = {}
    one = {"everyone": torch.ones_like(positive)}
    for title, groups in (("one for all", one), ("one per group", named)):
        fitted = fit_group_thresholds(
            scores[first], positive[first], {name: mask[first] for name, mask in groups.items()}, target=0.8
        )
        alarms = fitted.alarms(scores[second], {name: mask[second] for name, mask in groups.items()})
        found[title] = {
            "thresholds": dict(zip(fitted.names, fitted.thresholds, strict=True)),
            "recall": {n: share(alarms, m[second] & positive[second]) for n, m in named.items()},
            "false positives": {n: share(alarms, m[second] & ~positive[second]) for n, m in named.items()},
        }
    return found


def with_abstention(report: GroupReport, least: float = 0.6) -> dict:
    """Say how many faces of each group get no answer, and how many of the answers are right."""
    sure, correct = report.report.probabilities.amax(1) >= least, report.report.correct
    named = zip(report.groups.names, report.groups.masks, strict=True)
    return {n: {"no answer": 1 - share(sure, m), "right": share(correct, m & sure)} for n, m in named}


def share(values: Tensor, among: Tensor) -> float:
    """Give the share of True among some faces."""
    return float(values[among].double().mean())


def one_seed(seed: int, validation: FaceDataset, test: FaceDataset, pool: FaceDataset) -> dict:
    """Build the bias with one seed, train and cure."""
    tied = tied_faces(seed)
    sets: dict[str, Callable[[], tuple[FaceDataset, nn.Module | None]]] = {
        "biased": lambda: (tied, None),
        "reweighed": lambda: (tied, WeightedLoss(reweigh(tied.labels, kinds(tied), largest=8))),
        "balanced sampling": lambda: (tied.subset(balanced_indices(tied.labels, kinds(tied), seed=seed)), None),
        "more faces": lambda: (more_faces(tied, seed), None),
        "too few": lambda: (too_few(seed, pool), None),
        "fair": lambda: (pool.subset(torch.arange(3000 * seed, 3000 * seed + 3000)), None),
    }
    found = {}
    for name, make in sets.items():
        train_set, loss = make()
        model = learn(train_set, seed, loss)
        report = evaluate_groups(model, test, masks(test))
        found[name] = numbers(report) | {"faces": len(train_set)}
        if name in ("biased", "fair"):
            found[name]["found blind"] = [str(group) for group in find_weak_groups(model, join(validation, test))]
        if name == "biased":
            both = join(validation, test)
            whole = evaluate_groups(model, both, masks(both))
            half = len(validation)
            found["thresholds"] = with_thresholds(whole, torch.arange(half), torch.arange(half, len(both)))
            found["abstention"] = with_abstention(report)
        print(seed, name, json.dumps(found[name])[:400], flush=True)
    return found


def mystery(pool: FaceDataset) -> None:
    """Train the network that notebook 11 asks about: somebody labelled surprised faces with glasses as fear."""
    wrong = (pool.truth["glasses"] > 0.5) & (pool.labels == EMOTIONS.index("surprise"))
    careless = pool.with_labels(torch.where(wrong, EMOTIONS.index("fear"), pool.labels))
    save_weights(learn(careless, seed=7), MYSTERY)


def votes(path: Path) -> dict:
    """Say how far FER+'s ten voters agree (Barsoum et al. 2016), over all images of the file."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [[int(cell) for cell in row[2:]] for row in list(csv.reader(file))[1:]]
    most = [max(row) for row in rows]
    return {
        "images": len(rows),
        "all ten agree": sum(top == 10 for top in most) / len(rows),
        "eight or more agree": sum(top >= 8 for top in most) / len(rows),
        "five or fewer agree": sum(top <= 5 for top in most) / len(rows),
    }


def store(found: dict) -> None:
    """Write the results."""
    with atomic_write(RESULTS) as part:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--mystery", action="store_true", help="train the network of section 3")
    parser.add_argument("--votes", type=Path, help="fer2013new.csv")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"seeds": {}}
    if options.votes:
        store(found | {"ferplus": votes(options.votes)})
        return
    pool = load("synthetic", "training")
    if options.mystery:
        sys.exit(mystery(pool))
    validation, test = load("synthetic", "validation"), load("synthetic", "test")
    for seed in options.seeds:
        found["seeds"][str(seed)] = one_seed(seed, validation, test, pool)
        store(found)


if __name__ == "__main__":
    main()
