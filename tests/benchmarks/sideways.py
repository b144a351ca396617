"""Train the small network that says how far a head is turned to the side, from drawn faces of which that is known.

    python tests/benchmarks/sideways.py --out runs/sideways.safetensors    # 4 minutes on one core

Each drawn face is turned by a yaw of its own. Before they are learnt, pictures are moved, enlarged, turned, blurred and
made lighter or darker at random, so that little is left of how drawn faces look other than what all faces share. The
file that comes out is emotion_utils/photos/sideways.safetensors. Nobody measured the yaw of photographs here: on those,
the network was only looked at (does it find those who look aside, and is it of the same mind about mirror images?).
"""

import argparse
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from angles import BATCH, batches, learn, moved, small_network
from torch import Tensor

from emotion_utils.data.drawn import sample_parameters
from emotion_utils.data.pixels import pixel_statistics
from emotion_utils.faces import render
from emotion_utils.models import save_weights
from emotion_utils.photos.levels import levelled
from emotion_utils.photos.turning import YAWS
from emotion_utils.training import seed_everything

WIDEST = 60.0  # degrees; drawn heads hardly turn further
SPREAD = 8.0  # degrees: how blurred the target is


def varied(images: Tensor) -> Tensor:
    """Take each picture in another way: uint8 (N, 1, H, W) in, float 0 … 255 out."""
    n = len(images)
    angle, zoom = (torch.rand(n) - 0.5) * math.pi / 4, 0.75 + 0.6 * torch.rand(n)
    near = moved(images, angle, zoom, 0.2 * torch.rand(n, 2) - 0.1)
    soft = F.avg_pool2d(F.pad(near, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(n, 1, 1, 1)
    seen = share * near + (1 - share) * soft
    return 255 * (seen / 255) ** (0.5 + 1.2 * torch.rand(n, 1, 1, 1)) + 6 * torch.randn_like(seen)


def aside(images: Tensor, yaw: Tensor, epochs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give batches of uint8 (N, 1, H, W), half of them mirrored, varied and levelled: float 0 … 255; and their yaw."""
    for chosen in batches(len(images), epochs):
        flip = torch.rand(len(chosen)) < 0.5
        seen = torch.where(flip[:, None, None, None], images[chosen].flip(3), images[chosen])
        yield levelled(varied(seen)), torch.where(flip, -yaw[chosen], yaw[chosen])


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
    model = small_network(YAWS, pixel_statistics(levelled(images.float()).to(torch.uint8)))
    steps = options.epochs * (options.faces // BATCH)
    learn(model, YAWS, aside(images, yaw, options.epochs), steps, SPREAD)
    facts = {"data": "drawn faces", "images": options.faces, "epochs": options.epochs, "seed": 0,
             "protocol": "yaw of drawn heads"}  # fmt: skip
    print(save_weights(model, options.out, facts))


if __name__ == "__main__":
    main()
