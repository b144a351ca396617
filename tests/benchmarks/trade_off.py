"""What accuracy costs: size, multiply-adds and time, in PyTorch, ONNX and int8.

    EMOTION_DATA_DIR=… python tests/benchmarks/trade_off.py fast=runs/fer2013-fast/weights.safetensors best=fer2013

Each argument is a name and a file of weights, or the name of shipped weights. Accuracy is single-view, on the
validation images carved from Training; a network that has learnt those (the shipped ones) is measured on PublicTest,
and the table says so. int8 is `quantise_onnx`, calibrated on 512 training images.

Times are shares of what the same network takes in PyTorch for one face, on one thread. All forms take turns and the
fastest of many runs counts, so that such shares can be compared where milliseconds cannot, on a machine that does other
work as well. Results go into notebooks/results/trade_off.json; a network that a call does not name stays there.

The stored rows of `fast` are older than `quantise_onnx`. Their int8 files use all 8 bits of a weight, which some older
processors cannot add up without an overflow, and have all kinds of layers quantised. Their bytes in PyTorch are of the
parameters alone, without the statistics of batch normalisation. The rest means the same as today.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data import FaceDataset, load
from emotion_utils.evaluation import compare_exports
from emotion_utils.files import atomic_write
from emotion_utils.models import FaceModel, export_onnx, load_weights, quantise_onnx, trace_shapes
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER

RESULTS = Path(__file__).resolve().parents[2] / "notebooks" / "results" / "trade_off.json"
REPEATS = {1: 200, 64: 25}  # by how many faces are timed at once


def measure(name: str, model: FaceModel, dataset: FaceDataset, calibration: Tensor, folder: Path) -> list[dict]:
    """Measure one network in PyTorch, ONNX and int8."""
    trace = trace_shapes(model)
    model = model.to(memory_format=torch.channels_last)
    files = {"ONNX": export_onnx(model, folder / f"{name}.onnx")}
    files["ONNX int8"] = quantise_onnx(files["ONNX"], folder / f"{name}.int8.onnx", calibration)
    few = dataset.subset(torch.arange(64))  # for the times alone
    found = {
        faces: compare_exports(model, files, dataset if faces == 1 else few, faces=faces, repeats=repeats)
        for faces, repeats in REPEATS.items()
    }
    print(f"{name}:\n{found[1]}", flush=True)
    unit = found[1].rows[0].milliseconds
    return [
        {"name": name, "form": alone.name, "accuracy": alone.accuracy, "split": dataset.split, "bytes": alone.bytes,
         "time_batch_1": alone.milliseconds / unit, "time_batch_64": many.milliseconds / unit,  # of a face
         "parameters": trace.total_parameters, "multiply_adds": trace.total_multiply_adds}
        for alone, many in zip(found[1].rows, found[64].rows, strict=True)
    ]  # fmt: skip


def main() -> None:
    """Measure every network named on the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", metavar="NAME=WEIGHTS")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    calibration = load("fer2013", "training", limit=512, verbose=False).images
    names = [network.partition("=")[0] for network in options.networks]
    known = json.loads(options.results.read_text()) if options.results.exists() else []
    rows = [row for row in known if row["name"] not in names]
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
    titles = ("Mpar", "Mmac", "MB", "time 1", "time 64")
    print(f"\n{'network':10} {'form':10} {'accuracy':>8} {'split':10} " + " ".join(f"{t:>7}" for t in titles))
    for r in rows:
        millions = [r[name] / 1e6 for name in ("parameters", "multiply_adds", "bytes")]
        cells = " ".join(f"{number:7.2f}" for number in (*millions, r["time_batch_1"], r["time_batch_64"]))
        print(f"{r['name']:10} {r['form']:10} {r['accuracy']:8.1%} {r['split']:10} {cells}")


if __name__ == "__main__":
    main()
