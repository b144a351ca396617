"""Store what the teachers of `accelerator_plan.py` said beside the shipped weights, each image named by its content.

    EMOTION_DATA_DIR=… python tests/benchmarks/store_teachers.py runs/plan/teachers.npz

Prints the checksum that `emotion_utils/training/judgements.py` compares with. No picture is stored: a fingerprint of
64 bits says which image a row belongs to, and nothing of what it shows.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from emotion_utils.data.fer2013 import load_all_training
from emotion_utils.emotions import EMOTIONS
from emotion_utils.files import atomic_write
from emotion_utils.training.judgements import FILE, fingerprints


def main() -> None:
    """Read the plan's probabilities, which are in the order of the benchmark's table, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teachers", type=Path)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    images = load_all_training().images
    with np.load(options.teachers) as file:
        said = torch.from_numpy(file["probabilities"])
    if len(said) != len(images) or not said.isfinite().all():
        raise SystemExit(f"{options.teachers} has {len(said)} rows for {len(images)} images, or not all are finite.")
    names = torch.tensor(list("\n".join(EMOTIONS).encode()), dtype=torch.uint8)
    content = save({"fingerprints": fingerprints(images), "probabilities": said.half(), "classes": names})
    with atomic_write(options.out) as part:
        part.write_bytes(content)
    print(hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
