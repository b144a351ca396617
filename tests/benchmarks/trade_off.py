"""What accuracy costs: size, multiply-adds and milliseconds a face on one core, in PyTorch, ONNX and int8.

    EMOTION_DATA_DIR=… python tests/benchmarks/trade_off.py fast=runs/fer2013-fast/weights.safetensors best=fer2013

Each argument is a name and a file of weights, or the name of shipped weights. Accuracy is single-view, on the
validation images carved from Training; a network that has learnt those (the shipped ones) is measured on PublicTest,
and the table says so. Milliseconds are the best of many rounds, since other work on the machine only ever adds time.
int8 is ONNX Runtime's static quantisation, calibrated on 512 training images.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime import quantization

from emotion_utils.data import FaceDataset, load, normalise
from emotion_utils.files import atomic_write
from emotion_utils.models import FaceModel, export_onnx, load_weights, trace_shapes
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "trade_off.json"


class Calibration(quantization.CalibrationDataReader):
    """Hands training images to the quantiser, 64 at a time."""

    def __init__(self, images: torch.Tensor) -> None:
        self.batches = iter(images.float().split(64))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, None at the end."""
        batch = next(self.batches, None)
        return None if batch is None else {"pixels": batch.numpy()}


def milliseconds(predict: Callable[[int], object], batch: int, rounds: int = 200) -> float:
    """Time a face in a batch: the best of many rounds."""
    best = float("inf")
    for _ in range(rounds if batch == 1 else rounds // 8):
        begun = time.perf_counter()
        predict(batch)
        best = min(best, time.perf_counter() - begun)
    return 1000 * best / batch


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file for one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def row(name: str, form: str, size: int, predict: Callable, dataset: FaceDataset) -> dict:
    """Measure one form of one network; `predict` maps uint8 images to probabilities."""
    hits = [predict(images).argmax(1) for images in dataset.images.split(512)]
    accuracy = float((torch.cat([torch.as_tensor(h) for h in hits]) == dataset.labels).float().mean())
    found = {"name": name, "form": form, "accuracy": accuracy, "split": dataset.split, "bytes": size}
    for batch in (1, 64):
        images = dataset.images[:batch]
        found[f"ms_batch_{batch}"] = milliseconds(lambda _, images=images: predict(images), batch)
    print({key: round(value, 4) if isinstance(value, float) else value for key, value in found.items()}, flush=True)
    return found


def measure(name: str, model: FaceModel, dataset: FaceDataset, calibration: torch.Tensor, folder: Path) -> list[dict]:
    """Measure one network in PyTorch, ONNX and int8."""
    trace = trace_shapes(model)
    model = model.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def in_pytorch(images: torch.Tensor) -> torch.Tensor:
        return model(normalise(images, model.mean, model.std)).softmax(1)

    rows = [row(name, "PyTorch", 4 * trace.total_parameters, in_pytorch, dataset)]
    path = export_onnx(model, folder / f"{name}.onnx")
    small, prepared = folder / f"{name}.int8.onnx", folder / f"{name}.prepared.onnx"
    quantization.quant_pre_process(path, prepared)
    quantization.quantize_static(prepared, small, Calibration(calibration), per_channel=True)
    for form, file in (("ONNX", path), ("ONNX int8", small)):
        runner = session(file)

        def in_onnx(images: torch.Tensor, runner=runner) -> np.ndarray:
            return runner.run(None, {"pixels": images.float().numpy()})[0]

        rows.append(row(name, form, file.stat().st_size, in_onnx, dataset))
    facts = {"parameters": trace.total_parameters, "multiply_adds": trace.total_multiply_adds}
    return [one | facts for one in rows]


def main() -> None:
    """Measure every network named on the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", metavar="NAME=WEIGHTS")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    calibration = load("fer2013", "training", limit=512, verbose=False).images
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            name, _, where = network.partition("=")
            path = FOLDER / f"{where}.safetensors" if where in CHECKSUMS else Path(where)
            model = load_weights(path)
            learnt_all = model.facts.get("images") == 28_709
            dataset = load("fer2013", "test" if learnt_all else "validation", verbose=False)
            rows += measure(name, model, dataset, calibration, Path(folder))
    with atomic_write(options.results) as part:
        part.write_text(json.dumps(rows, indent=1) + "\n")
    titles = ("Mpar", "Mmac", "MB", "ms 1", "ms 64")
    print(f"\n{'network':10} {'form':10} {'accuracy':>8} {'split':10} " + " ".join(f"{t:>6}" for t in titles))
    for r in rows:
        print(
            f"{r['name']:10} {r['form']:10} {r['accuracy']:8.1%} {r['split']:10} {r['parameters'] / 1e6:6.2f} "
            f"{r['multiply_adds'] / 1e6:6.1f} {r['bytes'] / 1e6:6.1f} {r['ms_batch_1']:6.2f} {r['ms_batch_64']:6.2f}"
        )


if __name__ == "__main__":
    main()
