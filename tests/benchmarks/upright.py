"""Train the small network that says how far a head leans, from faces that nobody labelled for it.

    EMOTION_DATA_DIR=… python tests/benchmarks/upright.py --out runs/upright.safetensors    # 4 minutes, one core

Faces of FER2013's Training part are turned by angles that are drawn at random, and the network learns to say by how
much (after Gidaris, Singh and Komodakis, "Unsupervised representation learning by predicting image rotations", ICLR
2018). Nobody has to say how far a face leant before; that is about as often to the left as to the right. Only a disc is
shown, so that no corner gives the answer away. Classes are angles, and the mean under their probabilities is the
estimate. The file that comes out is emotion_utils/photos/upright.safetensors; `framing.py` measures what it is worth.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.data import load
from emotion_utils.data.pixels import normalise
from emotion_utils.models import FaceNet, save_weights
from emotion_utils.photos.upright import ANGLES, in_disc
from emotion_utils.training import seed_everything

WIDEST = float(ANGLES[-1])
SPREAD = 6.0  # degrees: how blurred the target is


def turned(images: Tensor, degrees: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Turn uint8 (N, 1, H, W) clockwise by degrees (N,), enlarge by zoom (N,), move by shift (N, 2); float 0 … 255."""
    radians = degrees * math.pi / 180
    cosine, sine = radians.cos() / zoom, radians.sin() / zoom
    rows = torch.stack([torch.stack([cosine, sine, shift[:, 0]], 1), torch.stack([-sine, cosine, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/upright.safetensors"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, help="so many training images only")
    options = parser.parse_args()
    seed_everything(0)
    training = load("fer2013", "training", limit=options.limit, verbose=False)
    model = FaceNet(stem=8, widths=(16, 32, 64), classes=[f"{angle:+.0f}°" for angle in ANGLES.tolist()])
    model.set_normalisation(training.mean, training.std)
    steps = options.epochs * (len(training) // 128)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.2, total_steps=steps)
    begun, losses = time.perf_counter(), []
    model.train()
    for step in range(steps):
        if step % (len(training) // 128) == 0:
            order = torch.randperm(len(training))
        chosen = order[128 * step % (len(training) // 128 * 128) :][:128]
        images, degrees = training.images[chosen], (2 * torch.rand(len(chosen)) - 1) * WIDEST
        zoom, shift = 0.8 + 0.5 * torch.rand(len(chosen)), 0.16 * torch.rand(len(chosen), 2) - 0.08
        mirrored = torch.where(torch.rand(len(chosen), 1, 1, 1) < 0.5, images.flip(3), images)
        shown = in_disc(turned(mirrored, degrees, zoom, shift)) / 255
        targets = (-((degrees[:, None] - ANGLES) ** 2) / (2 * SPREAD**2)).softmax(1)  # (B, angles)
        loss = F.cross_entropy(model(normalise(shown, model.mean, model.std)), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 99:
            seconds, mean = time.perf_counter() - begun, sum(losses[-100:]) / 100
            print(f"step {step + 1} of {steps}: loss {mean:.3f}, {seconds:.0f} s", flush=True)
    facts = {"data": "fer2013", "images": len(training), "epochs": options.epochs, "seed": 0,
             "protocol": "angles of rotation, self-supervised; no labels"}  # fmt: skip
    print(save_weights(model.eval(), options.out, facts))


if __name__ == "__main__":
    main()
