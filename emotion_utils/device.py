"""Where to compute: which device there is, what it is good at, how many threads a small piece of work deserves."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" to a device.

    Raises:
        ValueError: no such device in this machine, or an unknown name.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r}: choose auto, cpu, cuda or mps.") from error
    there = {"cuda": cuda and (chosen.index or 0) < torch.cuda.device_count(), "mps": mps}.get(chosen.type, True)
    if not there:
        raise ValueError(f"device={str(chosen)!r}: this machine has none; choose auto or cpu.")
    return chosen


def device_of(model: nn.Module) -> torch.device:
    """Say where the model's weights lie; the CPU for a model without any."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def seconds_of_convolution(precision: str, rounds: int = 7) -> float:
    """Time a convolution of the network for real faces; the best of some rounds, as other work only adds time."""
    layer = nn.Conv2d(64, 64, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    images = torch.ones(64, 64, 12, 12).to(memory_format=torch.channels_last).requires_grad_()
    best = math.inf
    for _ in range(rounds):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            layer(images).sum().backward()
        best = min(best, time.perf_counter() - begun)
    return best


@functools.cache
def bf16_is_faster(device: torch.device, seconds: Callable[[str], float] = seconds_of_convolution) -> bool:
    """Say whether training in bfloat16 is worth it: at least a fifth faster than float32.

    A GPU's generation tells. A CPU has to be asked: some imitate bfloat16, and some multiply it in hardware and yet
    no faster than float32. So one convolution is timed in both, forwards and backwards, by `seconds`.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # These functions of torch are not public, hence the care; without them the answer is no, which always works.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check) and seconds("bf16") < 0.8 * seconds("fp32")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: a small piece of work is not worth sharing, and on a busy machine sharing is slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
