"""Print the table of styles of networks: which go all the way to ONNX, and what is said where one does not.

Usage: python tests/tools/styles.py [STYLE …]   (all of them take about two minutes on one core)
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from network_styles import SIZE, STYLES, build
from small_faces import small_faces

from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.export import export_onnx
from emotion_utils.models.handling import unwrap
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.rebuilding import KINDS
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

STEPS = ("train", "evaluate", "predict", "save", "load", "export")


def check_onnx(path: Path, images: torch.Tensor, wanted: torch.Tensor) -> None:
    """Raise an AssertionError unless ONNX Runtime gives the same probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": images.numpy().astype(np.float32)})
    np.testing.assert_allclose(found, wanted.cpu(), atol=1e-3)


def go_the_whole_way(style: str, folder: Path) -> list[str]:
    """Give what became of each step: "ok", or what was said."""
    faces, others = small_faces(56), small_faces(28, seed=2)
    model, done = build(style), {}
    config = TrainConfig(epochs=2, batch_size=28, learning_rate=0.02, device="cpu", progress=False)
    own = type(unwrap(model)) not in KINDS.values()
    steps: dict[str, Callable[[], Any]] = {
        "train": lambda: train(model, faces, None, config),
        "evaluate": lambda: evaluate(model, others),
        "predict": lambda: predict_proba(model, others.images),
        "save": lambda: save_weights(model, folder / "weights.safetensors"),
        "load": lambda: load_weights(done["save"], factory=STYLES[style] if own else None),
        "export": lambda: export_onnx(model, folder / "model.onnx", image_size=SIZE),
    }
    told = []
    for step in STEPS:
        try:
            done[step] = steps[step]()
            if step == "load":
                np.testing.assert_allclose(predict_proba(done[step], others.images), done["predict"], atol=2e-3)
            if step == "export":
                check_onnx(done[step], others.images, done["predict"])
            told.append("ok")
        except Exception as error:  # that is what the table is for
            told.append(f"{type(error).__name__}: {error}")
    return told


def main(styles: list[str]) -> None:
    """Print a line for each style."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"| {'style':32} | {' | '.join(STEPS)} |\n|{' --- |' * (len(STEPS) + 1)}")
    for style in styles or STYLES:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {style:32} | {' | '.join(go_the_whole_way(style, Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
