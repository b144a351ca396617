"""A network meets other data than it learnt: what is lost, what helps, what wrong labels and rare classes do.

    python tests/benchmarks/new_datasets.py [PART …]   # all parts that are not stored yet, or the named ones anew

Parts: shift, real, transfer, small, photographs, votes, noise, imbalance. Each writes its result into
notebooks/results/new_datasets.json as soon as it has one; `transfer` goes on with the seeds that are missing. `real`,
`photographs`, the forgetting in `transfer`, and `votes` (with FER+'s fer2013new.csv) need FER2013 (EMOTION_DATA_DIR);
only numbers of it are stored. `real`, `transfer` and `photographs` start from shipped weights and store their checksum:
a result of weights that were exchanged since is measured anew. All accuracies are of faces that chose nothing. Notebook
08 reads the file. One core, about half an hour.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data import (
    SHIFTS,
    Augment,
    FaceDataset,
    balanced_indices,
    load,
    sample_faces,
    sample_shifted,
)
from emotion_utils.data.ferplus import with_votes
from emotion_utils.evaluation import evaluate, find_label_errors, score_finding
from emotion_utils.files import RESULTS, atomic_write
from emotion_utils.models import EmotionCNN, FaceVGG, compute_logits, load_pretrained
from emotion_utils.models.handling import copied
from emotion_utils.models.pretrained import CHECKSUMS
from emotion_utils.training import (
    SoftLabelCrossEntropy,
    TrainConfig,
    WeightedLoss,
    judge_by_folds,
    refresh_batch_norm,
    seed_everything,
    train,
)

STORED = RESULTS / "new_datasets.json"
SEEDS = (0, 1, 2)
TEST = 1_000_000  # number of the first face of test sets, far from those of training
PLAIN = {"flip": 0.0, "rotate": 0.0, "scale": (1.0, 1.0), "shift": 0.0, "brightness": 0.0, "contrast": 0.0}
AUGMENTATIONS: dict[str, Augment | None] = {
    "none": None,
    "mirror": Augment(**(PLAIN | {"flip": 0.5})),
    "geometry": Augment(**(PLAIN | {"flip": 0.5, "rotate": 15.0, "scale": (0.8, 1.2), "shift": 0.1})),
    "light": Augment(**(PLAIN | {"brightness": 0.4, "contrast": 0.6})),
    "covering": Augment(**(PLAIN | {"erase": 0.7})),
}


def learn(
    train_set: FaceDataset, seed: int, epochs: int = 6, loss: nn.Module | None = None, **options: Any
) -> nn.Module:
    """Train notebook 08's network."""
    seed_everything(seed)
    model = EmotionCNN(widths=(8, 16, 32))
    config = TrainConfig(epochs=epochs, seed=seed, progress=False, **({"batch_size": 32} | options))
    train(model, train_set, None, config, loss=loss)
    return model


def confidence(model: nn.Module, faces: FaceDataset) -> dict[str, float]:
    """Say how often a network is right, and how sure it is where it is right and where it is wrong."""
    report = evaluate(model, faces)
    sure = report.probabilities.amax(1)
    return {
        "accuracy": report.accuracy,
        "confidence": float(sure.mean()),
        "sure when right": float(sure[report.correct].mean()),
        "sure when wrong": float(sure[~report.correct].mean()) if not report.correct.all() else float("nan"),
        "ece": report.ece,
    }


def shift(found: dict) -> None:
    """Learn adults in good light, and measure on faces that differ in one respect; with each kind of augmentation."""
    tests = {name: sample_shifted(1000, name, seed=8, first=TEST) for name in SHIFTS}
    others = {name: sample_shifted(300, name, seed=8, first=2 * TEST) for name in SHIFTS}
    for seed in SEEDS:
        faces = sample_shifted(2000, "none", seed=8, first=10_000 * seed)
        row: dict[str, dict] = {}
        for name, augment in AUGMENTATIONS.items():
            model = learn(faces, seed, augment=augment)
            row[name] = {kind: confidence(model, test) for kind, test in tests.items()}
            if name == "none":
                row["statistics anew"] = {}
                for kind in SHIFTS:
                    other = copied(model)
                    refresh_batch_norm(other, others[kind])  # 300 faces of the new domain, without their labels
                    row["statistics anew"][kind] = confidence(other, tests[kind])
        found.setdefault("shift", {})[str(seed)] = row
        store(found)
        print(seed, {a: {k: round(v["accuracy"], 3) for k, v in row[a].items()} for a in row}, flush=True)


def real(found: dict) -> None:
    """Ask the network of the drawn faces about photographs, and the network of the photographs about drawn faces."""
    photographs = load("fer2013", "test", verbose=False, limit=2000)  # neither network learnt it
    learnt_from = load("fer2013", "training", verbose=False, limit=500)
    drawn = load("synthetic", "test", verbose=False)
    sets = {
        "drawn to photographs": ("synthetic", photographs, learnt_from),
        "photographs to drawn": ("fer2013", drawn, sample_faces(500, seed=9, truth=False)),
    }
    found["real"] = {}
    for name, (weights, test, unlabelled) in sets.items():
        model = load_pretrained(weights)
        row: dict[str, Any] = {"weights": CHECKSUMS[weights]} | confidence(model, test)
        home = drawn if weights == "synthetic" else photographs
        row["at home"] = evaluate(model, home).accuracy
        row["most common class"] = float(test.class_counts().max() / len(test))
        report = evaluate(model, test)
        row["recall"] = dict(zip(test.classes, report.recall.tolist(), strict=True))
        refresh_batch_norm(model, unlabelled)
        row["statistics anew"] = confidence(model, test)
        row["faces"] = len(test)
        found["real"][name] = row
        store(found)
        print(name, json.dumps(row), flush=True)


EPOCHS = {30: 10, 100: 5, 300: 3, 1000: 2}  # fewer passes over more faces; "from scratch" has as many
ENOUGH = {30: 200, 100: 300, 300: 150, 1000: 60}  # for a small network from random weights
SLOWER = {"blocks.0": 0.01, "blocks.1": 0.03, "blocks.2": 0.1, "blocks.3": 0.3, "classifier": 1.0}
METHODS: dict[str, dict[str, Any]] = {
    "frozen": {"learning_rate": 0.05},
    "fine-tuned": {"learning_rate": 0.01},
    "rates per layer": {"learning_rate": 0.05, "layer_rates": SLOWER},
    "from scratch": {"learning_rate": 0.05},
}


def adapted(method: str, faces: FaceDataset, seed: int) -> nn.Module:
    """Take the shipped network to new faces by one of the methods."""
    seed_everything(seed)
    model = load_pretrained("fer2013")
    if method == "from scratch":
        model = FaceVGG(**model.config)
    if method == "frozen":
        model.requires_grad_(False)
        model.classifier.requires_grad_(True)
    config = TrainConfig(epochs=EPOCHS[len(faces)], batch_size=min(32, len(faces) // 2), seed=seed,
                         augment=Augment(rotate=5, shift=0.05), progress=False, **METHODS[method])  # fmt: skip
    train(model, faces, None, config)
    return model


def transfer(found: dict) -> None:
    """Take the weights that learnt photographs to 30, 100, 300 and 1,000 drawn faces."""
    test = sample_faces(500, seed=8, first=TEST, truth=False)
    has_photographs = "EMOTION_DATA_DIR" in os.environ
    old = load("fer2013", "test", verbose=False, limit=1000) if has_photographs else None
    rows = found.setdefault("transfer", {})
    if rows.get("weights") != CHECKSUMS["fer2013"]:  # what was measured with others does not go on
        rows.clear()
        rows["weights"] = CHECKSUMS["fer2013"]
    rows["untouched"] = {
        "accuracy": evaluate(load_pretrained("fer2013"), test).accuracy,
        "old task": evaluate(load_pretrained("fer2013"), old).accuracy if old else None,
    }
    for seed in SEEDS:
        done = rows.setdefault(str(seed), {})
        for count in EPOCHS:
            faces = sample_faces(count, seed=8, first=10_000 * seed, truth=False)
            for method in METHODS:
                key = f"{method}, {count}"
                if key in done:
                    continue
                model = adapted(method, faces, seed)
                done[key] = {"accuracy": evaluate(model, test).accuracy}
                if old is not None and count >= 300 and method != "from scratch":
                    done[key]["old task"] = evaluate(model, old).accuracy
                store(found)
                print(seed, key, done[key], flush=True)


def small(found: dict) -> None:
    """Teach the same drawn faces to a small network from random weights, until it hardly learns any more.

    `half as long`, with the first seed, is the accuracy of a run with half the epochs: it tells whether that is so.
    """
    test = sample_faces(500, seed=8, first=TEST, truth=False)
    rows: dict[str, Any] = {"epochs": ENOUGH, "epochs of the shipped network": EPOCHS}
    for seed in SEEDS[:2]:
        rows[str(seed)] = {}
        for count, epochs in ENOUGH.items():
            faces = sample_faces(count, seed=8, first=10_000 * seed, truth=False)
            how = {"batch_size": min(32, count // 2), "augment": Augment(rotate=5, shift=0.05)}
            model = learn(faces, seed, epochs=epochs, **how)
            row = {"accuracy": evaluate(model, test).accuracy, "training": evaluate(model, faces).accuracy}
            if seed == SEEDS[0]:
                row["half as long"] = evaluate(learn(faces, seed, epochs=epochs // 2, **how), test).accuracy
            rows[str(seed)][str(count)] = row
            print(seed, count, row, flush=True)
    found["small"] = rows
    store(found)


def photographs(found: dict) -> None:
    """Take the weights that learnt drawn faces to 100 and 1,000 photographs, beside a start from random weights."""
    test = load("fer2013", "validation", limit=2000, verbose=False)
    rows: dict[str, Any] = {"weights": CHECKSUMS["synthetic"], "epochs": PHOTOGRAPHS, "faces": len(test)}
    for seed in SEEDS[:2]:
        rows[str(seed)] = {}
        for count in (100, 1000):
            faces = load("fer2013", "training", limit=count, seed=seed, verbose=False)
            for start, (rate, epochs) in PHOTOGRAPHS[str(count)].items():
                seed_everything(seed)
                model = load_pretrained("synthetic") if start == "drawn faces" else EmotionCNN()
                config = TrainConfig(epochs=epochs, batch_size=32, learning_rate=rate, seed=seed, progress=False)
                train(model.train(), faces, None, config)
                rows[str(seed)][f"{start}, {count}"] = evaluate(model, test).accuracy
                print(seed, start, count, rows[str(seed)][f"{start}, {count}"], flush=True)
    found["photographs"] = rows
    store(found)


# For so many photographs: where the weights come from, the learning rate, and the epochs.
PHOTOGRAPHS = {
    "100": {"drawn faces": (0.02, 30), "nothing": (0.05, 150)},
    "1000": {"drawn faces": (0.02, 10), "nothing": (0.05, 40)},
}


def votes(found: dict) -> None:
    """Learn 2,000 photographs with FER2013's label, with the favourite of FER+'s ten voters, and with their shares.

    Measured on other photographs: the cross-entropy against the shares of their votes, and how often the network names
    the voters' favourite. The floor is the mean entropy of these shares.
    """
    faces, shares = with_votes(load("fer2013", "training", limit=2300, verbose=False))
    labels = load("fer2013", "training", limit=2300, verbose=False)
    kept = torch.tensor([labels.names.index(name) for name in faces.names])
    test, crowd = with_votes(load("fer2013", "validation", limit=2300, verbose=False))
    one_hot = torch.eye(len(faces.classes))
    targets = {
        "FER2013's label": one_hot[labels.labels[kept]],
        "favourite": one_hot[shares.argmax(1)],
        "shares": shares,
    }
    floor = float(-(crowd * crowd.clamp(min=1e-9).log()).sum(1).mean())
    rows: dict[str, Any] = {"training": len(faces), "faces": len(test), "floor": floor}
    for name, target in targets.items():
        for seed in SEEDS[:2]:
            seed_everything(seed)
            model = EmotionCNN()
            config = TrainConfig(epochs=12, batch_size=32, learning_rate=0.05, seed=seed, progress=False)
            train(model, faces, None, config, loss=SoftLabelCrossEntropy(target))
            said = compute_logits(model, test).log_softmax(1)
            loss = float(-(crowd * said).sum(1).mean())
            named = float((said.argmax(1) == crowd.argmax(1)).double().mean())
            rows.setdefault(name, {})[str(seed)] = {"cross-entropy": loss, "favourite named": named}
            print(name, seed, rows[name][str(seed)], flush=True)
    found["votes"] = rows
    store(found)


def share(values: Tensor, among: Tensor) -> float:
    """Give the share of True among some faces; nan where there are none."""
    return float(values[among].double().mean()) if among.any() else float("nan")


def noise(found: dict) -> None:
    """Learn labels of which 0, 10 and 30 % are wrong; early, late; and find the wrong ones."""
    test = sample_faces(1000, seed=8, first=TEST, truth=False)
    found["noise"] = {"curves": {}, "finding": {}}
    for level in (0.0, 0.1, 0.3):
        faces = sample_faces(1000, seed=8, truth=False, label_noise=level)
        found["noise"]["curves"][str(level)] = curve(faces, test)
        store(found)
    for level in (0.1, 0.3):
        for seed in SEEDS[:2]:
            faces = sample_faces(1500, seed=8, first=10_000 * (seed + 1), truth=False, label_noise=level)
            judged = judge_by_folds(
                faces, lambda part, number, seed=seed: learn(part, seed + number, epochs=6), folds=3
            )
            result = find_label_errors(judged, faces.labels)
            wrong = faces.labels != faces.truth["clean_labels"]
            score = score_finding(result.doubted, wrong)
            kept = torch.ones(len(faces), dtype=torch.bool)
            kept[result.doubted] = False
            corrected = faces.with_labels(result.suggested)
            row = {
                "precision": score.precision, "recall": score.recall, "chance": score.chance, "found": score.found,
                "of": score.of, "first hundred": score_finding(result.order[:100], wrong).precision,
                "all labels": evaluate(learn(faces, seed), test).accuracy,
                "doubted left out": evaluate(learn(faces.subset(kept), seed), test).accuracy,
                "doubted replaced": evaluate(learn(corrected, seed), test).accuracy,
                "true labels": evaluate(learn(faces.with_labels(faces.truth["clean_labels"]), seed), test).accuracy,
            }  # fmt: skip
            found["noise"]["finding"][f"{level}, {seed}"] = row
            store(found)
            print(level, seed, row, flush=True)


def curve(faces: FaceDataset, test: FaceDataset, epochs: int = 20) -> list[dict[str, float]]:
    """Train without anything that hinders learning by heart; after each epoch say what is answered for wrong labels."""
    truth = faces.truth["clean_labels"]
    wrong = faces.labels != truth
    seed_everything(0)
    model, rows = EmotionCNN(widths=(16, 32, 64), dropout=0.0), []
    for epoch in range(1, epochs + 1):
        config = TrainConfig(epochs=1, schedule="constant", learning_rate=0.02, weight_decay=0.0, seed=epoch,
                             batch_size=64, progress=False)  # fmt: skip
        train(model, faces, None, config)
        said = compute_logits(model, faces).argmax(1)
        row = {
            "epoch": epoch,
            "test": evaluate(model, test).accuracy,
            "training labels": float((said == faces.labels).double().mean()),
            "wrong labels repeated": share(said == faces.labels, wrong),
            "truth said instead": share(said == truth, wrong),
        }
        rows.append({name: value for name, value in row.items() if value == value})  # JSON knows no nan
    print(rows[0], rows[-1], flush=True)
    return rows


RARE = ("disgust", "fear", "surprise")


def imbalance(found: dict) -> None:
    """Learn faces of which three classes are twenty times as rare as the others; four cures."""
    test = sample_faces(2000, seed=8, first=TEST, truth=False)
    weights = [1 if name in RARE else 20 for name in test.classes]
    rare = torch.tensor([name in RARE for name in test.classes])
    found["imbalance"] = {}
    for seed in SEEDS:
        faces = sample_faces(2500, seed=8, first=10_000 * (seed + 1), truth=False, balance=weights)
        counts = faces.class_counts()
        each = (len(faces) / len(counts) / counts.clamp(min=1))[faces.labels]
        drawn = balanced_indices(faces.labels, torch.zeros_like(faces.labels), seed=seed)
        plain = learn(faces, seed, batch_size=128)
        logits = compute_logits(plain, test)
        prior = (counts.clamp(min=1) / len(faces)).log()
        answers = {
            "none": logits.argmax(1),
            "weighted loss": compute_logits(learn(faces, seed, loss=WeightedLoss(each), batch_size=128), test).argmax(
                1
            ),
            "balanced sampler": compute_logits(learn(faces.subset(drawn), seed, batch_size=128), test).argmax(1),
            "thresholds": (logits - prior).argmax(1),
        }
        found["imbalance"][str(seed)] = {"counts": counts.tolist()} | {
            name: of_classes(said, test.labels, rare) for name, said in answers.items()
        }
        store(found)
        print(seed, found["imbalance"][str(seed)], flush=True)


def of_classes(said: Tensor, labels: Tensor, rare: Tensor) -> dict[str, float]:
    """Give accuracy, and recall and precision of rare and of common classes, as means over the classes."""
    recall = torch.stack([(said[labels == c] == c).double().mean() for c in range(len(rare))])
    precision = torch.stack([(labels[said == c] == c).double().mean().nan_to_num(0) for c in range(len(rare))])
    return {
        "accuracy": float((said == labels).double().mean()),
        "recall of rare": float(recall[rare].mean()), "precision of rare": float(precision[rare].mean()),
        "recall of common": float(recall[~rare].mean()), "precision of common": float(precision[~rare].mean()),
    }  # fmt: skip


def exchanged(result: Any) -> bool:
    """Tell whether a result names shipped weights that are no longer the shipped ones."""
    if not isinstance(result, dict):
        return False
    return result.get("weights", CHECKSUMS["fer2013"]) not in CHECKSUMS.values() or any(map(exchanged, result.values()))


def store(found: dict) -> None:
    """Write the results."""
    with atomic_write(STORED) as part:
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


PARTS: dict[str, Callable[[dict], None]] = {
    "shift": shift, "real": real, "transfer": transfer, "small": small,
    "photographs": photographs, "votes": votes, "noise": noise, "imbalance": imbalance,
}  # fmt: skip


def main() -> None:
    """Run the parts that the command line names, or those that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    named = parser.parse_args().parts
    torch.set_num_threads(1)
    found = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    for part in named or PARTS:
        if named or part not in found or part == "transfer" or exchanged(found[part]):
            begun = time.process_time()
            PARTS[part](found)
            print(f"{part}: {time.process_time() - begun:.0f} s of one core", flush=True)


if __name__ == "__main__":
    main()
