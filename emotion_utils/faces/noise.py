"""Fixed squares of noise to cut skin, hair, background and film grain from: far cheaper than fresh noise per pixel."""

import functools

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from emotion_utils.randomness import normal, stream_key

TILE = 256


@functools.lru_cache(maxsize=16)
def tile(kind: str, device: str = "cpu") -> Tensor:
    """Return a periodic float32 (256, 256) square of noise with mean 0 and standard deviation 1.

    Args:
        kind: "white"; "smooth" (power falls with frequency, like clouds); "fine" (without low frequencies, like
            pores); "strand" (fine across, drawn out down the columns, like hair).
        device: where it is wanted.
    """
    white = normal(stream_key("tile", kind), torch.arange(TILE), TILE).double()
    f = torch.fft.fftfreq(TILE, dtype=torch.float64) * TILE
    fy, fx = f[:, None], f[None, :]  # cycles per tile, down and across
    r = torch.sqrt(fx**2 + fy**2)
    filters = {
        "white": torch.ones_like(r),
        "smooth": 1 / (1.5 + r) ** 1.4,
        "fine": torch.exp(-((r / 75) ** 2)) * (1 - torch.exp(-((r / 18) ** 2))),
        "strand": torch.exp(-((fy / 5) ** 2)) * torch.exp(-((fx / 60) ** 2)) * (fx.abs() > 3),
    }
    x = torch.fft.ifft2(torch.fft.fft2(white) * filters[kind]).real
    x = (x - x.mean()) / x.std()
    return x.clamp(-3, 3).float().to(device)


def sample(kind: str, across: Tensor, down: Tensor) -> Tensor:
    """Read a tile at positions in units of its side, (N, H, W) each, wrapping around; returns (N, H, W)."""
    square = tile(kind, str(across.device))
    padded = torch.cat([square, square[:, :1]], 1)  # one more row and column, so that it closes on itself
    padded = torch.cat([padded, padded[:1]], 0)[None, None].expand(len(across), 1, -1, -1)
    grid = torch.stack([across - across.floor(), down - down.floor()], -1) * 2 - 1
    return grid_sample(padded, grid, mode="bilinear", padding_mode="border", align_corners=True)[:, 0]


def cut(kind: str, where: Tensor, size: int) -> Tensor:
    """Cut a (size, size) window per face, at a place that `where` (N, in [0, 1)) names; returns (N, size, size)."""
    square = tile(kind, str(where.device))
    big = torch.cat([square, square[:, :size]], 1)
    big = torch.cat([big, big[:size]], 0)
    windows = big.unfold(0, size, 1).unfold(1, size, 1)  # (TILE + 1, TILE + 1, size, size), a view
    number = (where * 2.0**24).long()  # two unrelated remainders of it are row and column
    return windows[(number // 7919) % TILE, (number * 31 + number // 257) % TILE]
