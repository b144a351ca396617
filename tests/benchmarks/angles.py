"""What `upright.py` and `sideways.py` share: a small network that learns angles from pictures of faces.

Classes are angles, and the mean under their probabilities is the estimate.
"""

import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.data.pixels import normalise
from emotion_utils.models import FaceNet

BATCH = 128


def small_network(angles: Tensor, normalisation: tuple[float, float]) -> FaceNet:
    """Build the network, with a class for each of the angles in degrees."""
    model = FaceNet(stem=8, widths=(16, 32, 64), classes=[f"{angle:+.0f}°" for angle in angles.tolist()])
    model.set_normalisation(*normalisation)
    return model


def moved(images: Tensor, radians: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Turn uint8 (N, 1, H, W) clockwise by radians (N,), enlarge by zoom (N,), move by shift (N, 2); float 0 … 255."""
    cosine, sine = radians.cos() / zoom, radians.sin() / zoom
    rows = torch.stack([torch.stack([cosine, sine, shift[:, 0]], 1), torch.stack([-sine, cosine, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def batches(count: int, epochs: int) -> Iterator[Tensor]:
    """Give the places of each batch, in a new order for each epoch."""
    for _ in range(epochs):
        yield from torch.randperm(count)[: count // BATCH * BATCH].split(BATCH)


def learn(model: FaceNet, angles: Tensor, shown: Iterator[tuple[Tensor, Tensor]], steps: int, spread: float) -> FaceNet:
    """Train on batches of pictures (B, 1, H, W), 0 … 255, and degrees (B,); a target is blurred by `spread` degrees."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.2, total_steps=steps)
    begun, losses = time.perf_counter(), []
    model.train()
    for step, (pictures, degrees) in enumerate(shown, 1):
        targets = (-((degrees[:, None] - angles) ** 2) / (2 * spread**2)).softmax(1)  # (B, angles)
        loss = F.cross_entropy(model(normalise(pictures / 255, model.mean, model.std)), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 0:
            seconds, mean = time.perf_counter() - begun, sum(losses[-100:]) / 100
            print(f"step {step} of {steps}: loss {mean:.3f}, {seconds:.0f} s", flush=True)
    return model.eval()
