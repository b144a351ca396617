"""Train the small network that says how far a head leans, from faces that nobody labelled for it.

    EMOTION_DATA_DIR=… python tests/benchmarks/upright.py --out runs/upright.safetensors    # 4 minutes, one core

Faces of FER2013's Training part are turned by angles that are drawn at random, and the network learns to say by how
much (after Gidaris, Singh and Komodakis, "Unsupervised representation learning by predicting image rotations", ICLR
2018). Nobody has to say how far a face leant before; that is about as often to the left as to the right. Only a disc is
shown, so that no corner gives the answer away. The file that comes out is emotion_utils/photos/upright.safetensors;
`framing.py` measures what it is worth.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from angles import BATCH, batches, learn, moved, small_network
from torch import Tensor

from emotion_utils.data import load
from emotion_utils.models import save_weights
from emotion_utils.photos.upright import ANGLES, in_disc
from emotion_utils.training import seed_everything

WIDEST = float(ANGLES[-1])
SPREAD = 6.0  # degrees: how blurred the target is


def leaning(images: Tensor, epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches of uint8 (N, 1, H, W), turned at random, as a disc: float 0 … 255; and by how many degrees."""
    for chosen in batches(len(images), epochs):
        degrees = (2 * torch.rand(len(chosen)) - 1) * WIDEST
        zoom, shift = 0.8 + 0.5 * torch.rand(len(chosen)), 0.16 * torch.rand(len(chosen), 2) - 0.08
        flip = torch.rand(len(chosen), 1, 1, 1) < 0.5
        mirrored = torch.where(flip, images[chosen].flip(3), images[chosen])
        yield in_disc(moved(mirrored, degrees * math.pi / 180, zoom, shift)), degrees


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/upright.safetensors"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, help="so many training images only")
    options = parser.parse_args()
    seed_everything(0)
    training = load("fer2013", "training", limit=options.limit, verbose=False)
    model = small_network(ANGLES, (training.mean, training.std))
    steps = options.epochs * (len(training) // BATCH)
    learn(model, ANGLES, leaning(training.images, options.epochs), steps, SPREAD)
    facts = {"data": "fer2013", "images": len(training), "epochs": options.epochs, "seed": 0,
             "protocol": "angles of rotation, self-supervised; no labels"}  # fmt: skip
    print(save_weights(model, options.out, facts))


if __name__ == "__main__":
    main()
