"""Train the small network that says how far a head is turned to the side, from drawn faces of which that is known.

    python tests/benchmarks/sideways.py --out runs/sideways.safetensors    # 4 minutes on one core

Each drawn face is turned by a yaw of its own. Before they are learnt, pictures are moved, enlarged, turned, blurred and
made lighter or darker at random, so that little is left of how drawn faces look other than what all faces share.
Classes are angles, and the mean under their probabilities is the estimate. The file that comes out is
emotion_utils/photos/sideways.safetensors. Nobody measured the yaw of photographs here: on those, the network was only
looked at (does it find those who look aside, and is it of the same mind about mirror images?).
"""

import argparse
import dataclasses
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.data.drawn import sample_parameters
from emotion_utils.data.pixels import normalise, pixel_statistics
from emotion_utils.faces import render
from emotion_utils.models import FaceNet, save_weights
from emotion_utils.photos.levels import levelled
from emotion_utils.photos.turning import YAWS
from emotion_utils.training import seed_everything

WIDEST = 60.0  # degrees; drawn heads hardly turn further
SPREAD = 8.0  # degrees: how blurred the target is


def varied(images: Tensor) -> Tensor:
    """Take each picture in another way: uint8 (N, 1, H, W) in, float 0 … 255 out."""
    n = len(images)
    angle, zoom = (torch.rand(n) - 0.5) * math.pi / 4, 0.75 + 0.6 * torch.rand(n)
    cosine, sine, shift = angle.cos() / zoom, angle.sin() / zoom, 0.2 * torch.rand(n, 2) - 0.1
    rows = torch.stack([torch.stack([cosine, sine, shift[:, 0]], 1), torch.stack([-sine, cosine, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(n, 1, 1, 1)
    moved = share * moved + (1 - share) * soft
    return 255 * (moved / 255) ** (0.5 + 1.2 * torch.rand(n, 1, 1, 1)) + 6 * torch.randn_like(moved)


def main() -> None:
    """Draw, train, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/sideways.safetensors"))
    parser.add_argument("--faces", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=16)
    options = parser.parse_args()
    seed_everything(0)
    drawn = sample_parameters(options.faces, 11, 0.7)
    yaw = (2 * torch.rand(options.faces) - 1) * WIDEST
    images = render(drawn.identity, drawn.action_units, dataclasses.replace(drawn.capture, yaw=yaw))
    model = FaceNet(stem=8, widths=(16, 32, 64), classes=[f"{angle:+.0f}°" for angle in YAWS.tolist()])
    model.set_normalisation(*pixel_statistics(levelled(images.float()).to(torch.uint8)))
    batches = options.faces // 128
    steps = options.epochs * batches
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.2, total_steps=steps)
    begun, losses = time.perf_counter(), []
    for step in range(steps):
        if step % batches == 0:
            order = torch.randperm(options.faces)
        chosen = order[128 * (step % batches) :][:128]
        flip = torch.rand(len(chosen)) < 0.5
        seen = torch.where(flip[:, None, None, None], images[chosen].flip(3), images[chosen])
        degrees = torch.where(flip, -yaw[chosen], yaw[chosen])
        targets = (-((degrees[:, None] - YAWS) ** 2) / (2 * SPREAD**2)).softmax(1)  # (B, angles)
        shown = levelled(varied(seen)) / 255
        loss = F.cross_entropy(model(normalise(shown, model.mean, model.std)), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 99:
            seconds, mean = time.perf_counter() - begun, sum(losses[-100:]) / 100
            print(f"step {step + 1} of {steps}: loss {mean:.3f}, {seconds:.0f} s", flush=True)
    facts = {"data": "drawn faces", "images": options.faces, "epochs": options.epochs, "seed": 0,
             "protocol": "yaw of drawn heads"}  # fmt: skip
    print(save_weights(model.eval(), options.out, facts))


if __name__ == "__main__":
    main()
