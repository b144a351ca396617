"""How true are explanations? Three networks, faces of which the truth is known; and notebook 06's suspect.

    python tests/benchmarks/looking_inside.py table      # writes notebooks/results/looking_inside.json
    python tests/benchmarks/looking_inside.py suspect    # trains emotion_utils/checks/suspect.safetensors

`table` takes about eight minutes on one core. The faces are the first of the default set's validation split;
none of the networks learnt from them, and nothing is chosen by them. Milliseconds are those of one thread.
"""

import argparse
import hashlib
import json
import platform
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from emotion_utils.checks import suspect
from emotion_utils.data.augment import Augment
from emotion_utils.data.loading import load_splits
from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.evaluation.report import evaluate
from emotion_utils.explain.gradients import grad_cam, integrated_gradients, saliency, smooth_grad
from emotion_utils.explain.hiding import occlusion
from emotion_utils.explain.knocking import KnockOut, agreement, knock_out
from emotion_utils.explain.sanity import sanity_check
from emotion_utils.explain.scores import BASELINES
from emotion_utils.explain.table import ScoreTable, score_explanations
from emotion_utils.explain.truth import KnownFaces, known_faces
from emotion_utils.files import RESULTS, atomic_write
from emotion_utils.models import EmotionCNN, FaceNet, load_pretrained, save_weights
from emotion_utils.randomness import seed_everything
from emotion_utils.training import TrainConfig, train

FACES = 120
Method = Callable[..., Tensor]  # of a network, images and target
METHODS: dict[str, Method] = {
    "gradient": saliency,
    "averaged gradient": smooth_grad,
    "integrated gradients": integrated_gradients,
    "Grad-CAM, last layer": grad_cam,
    "occlusion": occlusion,
}


def trained(build: Callable[[], nn.Module], seed: int, epochs: int) -> nn.Module:
    """Train a network on the 10,000 drawn faces."""
    seed_everything(seed)
    model = build()
    config = TrainConfig(
        epochs=epochs,
        learning_rate=0.05,
        augment=Augment(rotate=5, shift=0.05),
        seed=seed,
        device="cpu",
        progress=False,
    )
    train(model, load_splits("synthetic")[0], None, config)
    return model.eval()


# The three networks, each with the name of the layer before the last one that gives maps.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "EmotionCNN, shipped": (lambda: load_pretrained("synthetic"), "features.block2"),
    "EmotionCNN, 3 epochs": (lambda: trained(EmotionCNN, 1, 3), "features.block2"),
    "FaceNet, global mean": (lambda: trained(lambda: FaceNet(16, (32, 64)), 2, 3), "stages.0"),
}


def once(method: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Let a method run for the first call alone, and give the same maps at all others."""
    kept: list[Tensor] = []

    def call(images: Tensor) -> Tensor:
        if not kept:
            kept.append(method(images))
        return kept[0]

    return call


def measure(name: str, model: nn.Module, layer: str, faces: KnownFaces) -> dict:
    """Score all methods on one network."""
    methods = METHODS | {"Grad-CAM, one before": lambda net, images, target=None: grad_cam(net, images, target, layer)}
    # All scores are of the same faces, so each map is made once.
    bound = {label: once(partial(method, model)) for label, method in methods.items()}
    seen = faces[faces.visible]
    table = score_explanations(bound, seen, model)
    print(f"{name}\n{table}", flush=True)
    knocked = knock_out(model, seen)
    few = seen.images[:24]
    target = seen.labels[:24]
    sanity = {
        label: sanity_check(lambda net, images, m=method: m(net, images, target), model, few)
        for label, method in methods.items()
        if label != "occlusion"
    }
    report = evaluate(model, load_splits("synthetic")[1])
    return {
        "name": name,
        "accuracy": report.accuracy,
        "scores": _rows(table),
        "knock_out": knocked.ranking(10),
        "agreement": _agreements(bound, seen, knocked),
        "sanity": {
            label: dict(zip(check.layers, check.likeness.mean(1).tolist(), strict=True))
            for label, check in sanity.items()
        },
    }


def _rows(table: ScoreTable) -> dict:
    return {
        label: {measure: [scores.mean(measure), *scores.interval(measure)] for measure in table.measures}
        | {"milliseconds": 1000 * scores.seconds}
        for label, scores in table.methods.items()
    }


def _agreements(bound: dict[str, Callable], faces: KnownFaces, knocked: KnockOut) -> dict[str, list[float]]:
    """Give mean and interval of how well each map's order of action units agrees with the interventions'."""
    found = {}
    for label, method in {**bound, **BASELINES}.items():
        values = agreement(method(faces.images), knocked)
        values = values[values.isfinite()]
        found[label] = [float(values.mean()), *bootstrap_interval(values)]
    return found


def make_table(count: int, chosen: int | None) -> None:
    """Measure all networks, or one and keep what is stored of the others, and store the results."""
    faces = known_faces(count, first=10_000)
    path = RESULTS / "looking_inside.json"
    if chosen is not None:
        name, (build, layer) = list(NETWORKS.items())[chosen]
        row = measure(name, build(), layer, faces)
        # Read now, not before: others may have been measured meanwhile.
        stored = json.loads(path.read_text("utf-8"))["networks"] if path.exists() else []
        done = {each["name"]: each for each in stored} | {name: row}
        rows = [done[name] for name in NETWORKS if name in done]
    else:
        rows = [measure(name, build(), layer, faces) for name, (build, layer) in NETWORKS.items()]
    content = {
        "machine": f"{platform.machine()}, PyTorch {torch.__version__}, {torch.get_num_threads()} thread",
        "faces": int(faces.visible.sum()),
        "left_out": int((~faces.visible).sum()),
        "networks": rows,
    }
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def train_suspect() -> None:
    """Train the network of the exercise on marked faces, and say how much it leans on the mark."""
    training, plain = suspect.marked_faces(3000), suspect.marked_faces(500, first=30_000, marked=False)
    seed_everything(6)
    model = EmotionCNN(widths=(8, 16, 32), hidden=32)
    train(model, training, None, TrainConfig(epochs=6, learning_rate=0.05, seed=6, device="cpu", progress=False))
    model.eval()
    secret = plain.classes.index(suspect.SECRET)
    for what, faces in (("marked", suspect.marked_faces(500, first=30_000)), ("plain", plain)):
        report = evaluate(model, faces)
        print(f"{what}: accuracy {report.accuracy:.1%}, recall of {suspect.SECRET} {report.recall[secret]:.1%}")
    for row, column in ((suspect.ROW, suspect.COLUMN), (20, 30), (5, 5), (41, 38)):
        moved = evaluate(model, plain.with_images(suspect.put_mark(plain.images, row, column)))
        share = float((moved.predictions == secret).float().mean())
        print(f"all marked at {row}, {column}: {share:.1%} called {suspect.SECRET}")
    path = save_weights(model, suspect.FILE)
    print(hashlib.sha256(path.read_bytes()).hexdigest())


def main() -> None:
    """Read the command line (see the module's docstring) and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["table", "suspect"])
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--network", type=int, choices=range(len(NETWORKS)), help="this one alone; all if left out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "table":
        make_table(options.faces, options.network)
    else:
        train_suspect()


if __name__ == "__main__":
    main()
