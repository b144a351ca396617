"""Where to compute: which device there is, what it is good at, how many threads a small piece of work deserves."""

import functools
import json
import math
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import torch
from torch import nn

from emotion_utils.errors import brief, show
from emotion_utils.files import atomic_write, user_cache_dir


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" to a device.

    Raises:
        ValueError: no such device in this machine, or an unknown name.
    """
    if not isinstance(device, str | torch.device):
        raise ValueError(f"device={brief(device)}: choose auto, cpu, cuda or mps.")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={brief(str(device))}: choose auto, cpu, cuda or mps.") from error
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device={brief(str(device))}: nothing here computes there; choose auto, cpu, cuda or mps.")
    count = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}[chosen.type]
    if (chosen.index or 0) >= count:
        raise ValueError(f"device={brief(str(chosen))}: this machine has none; choose auto or cpu.")
    return chosen


def device_of(model: nn.Module) -> torch.device:
    """Say where the model's weights lie; the CPU for a model without any."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def seconds_of_convolution(precision: str, rounds: int = 7) -> float:
    """Time a convolution of the network for real faces; the best of some rounds, as other work only adds time."""
    with torch.random.fork_rng(devices=[]):
        layer = nn.Conv2d(64, 64, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    images = torch.ones(64, 64, 12, 12).to(memory_format=torch.channels_last).requires_grad_()
    best = math.inf
    for _ in range(rounds):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            layer(images).sum().backward()
        best = min(best, time.perf_counter() - begun)
    return best


@dataclass(frozen=True)
class Bf16Choice:
    """Whether training in bfloat16 is worth it on a device, and how that is known."""

    faster: bool
    why: str  # such as "measured once on this processor, see /home/me/.cache/emotion_utils/bf16.json"


@functools.cache
def bf16_is_faster(device: torch.device) -> bool:
    """Say whether training in bfloat16 is worth it: at least a fifth faster than float32. See `choose_bf16`."""
    return choose_bf16(device).faster


def choose_bf16(device: torch.device, seconds: Callable[[str], float] = seconds_of_convolution) -> Bf16Choice:
    """Choose between bfloat16 and float32, on one machine always alike, so that runs repeat.

    A GPU's generation tells. A CPU has to be asked: some imitate bfloat16, and some multiply it in hardware and yet
    no faster than float32. So one convolution is timed in both, forwards and backwards, by `seconds`. A time depends on
    what else the machine does. That is why it is measured once for a processor and a version of PyTorch, and the answer
    kept in `bf16.json` in the user's cache folder; delete that file to measure again. Where nothing can be kept, the
    answer comes from what the processor has: bfloat16 if it multiplies matrices of it (AMX).
    """
    if device.type == "cuda":
        return Bf16Choice(torch.cuda.get_device_capability(device) >= (8, 0), "by the generation of the GPU")
    if device.type != "cpu" or not (_has("_is_avx512_bf16_supported") or _has("_is_amx_tile_supported")):
        return Bf16Choice(False, f"no {device.type} of this machine multiplies bfloat16")
    path = user_cache_dir() / "bf16.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock"), timeout=120):  # processes that start together measure once
            known, name = _read_choices(path), f"{_processor()}, PyTorch {torch.__version__}"
            if name not in known:
                known[name] = seconds("bf16") < 0.8 * seconds("fp32")
                with atomic_write(path) as part:
                    part.write_text(json.dumps(known, indent=1), encoding="utf-8")
    except (OSError, NotImplementedError, filelock.Timeout):
        why = f"by what the processor has, as {show(path.parent)} keeps no measurement"
        return Bf16Choice(_has("_is_amx_tile_supported"), why)
    return Bf16Choice(known[name], f"measured once on this processor, see {show(path)}")


def _has(name: str) -> bool:
    # These functions of torch are not public, hence the care; without them the answer is no, which always works.
    check = getattr(torch.cpu, name, None)
    return bool(check and check())


def _read_choices(path: Path) -> dict[str, bool]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    items = known.items() if isinstance(known, dict) else ()
    return {name: value for name, value in items if isinstance(value, bool)}


def _processor() -> str:
    """Name the processor's model; `platform` does not on Linux."""
    with suppress(OSError, ValueError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: a small piece of work is not worth sharing, and on a busy machine sharing is slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
