"""Random numbers that depend on nothing but their name: (seed, stream, index) gives a number, always the same.

An ordinary generator has a state, so the tenth number depends on the nine before it. Here each number is a hash of a
counter. The face with index 7 or the augmentation of image 7 in epoch 3 is therefore the same whatever the batch size,
the order or the place where training was resumed. The idea is from Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3" (SC 2011); the hash is the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).

By hand, because `torch.Generator` has a state, and NumPy's counter-based Philox draws no tensor with a row per index.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from emotion_utils.errors import check_whole

MOST_SEED = 2**63 - 1

# The constants of SplitMix64, as signed 64-bit integers because torch has no unsigned arithmetic.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Shift without copying the sign bit down (torch's `>>` copies it)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _hash(x: Tensor) -> Tensor:
    """Mix the bits of int64 numbers: neighbours in, unrelated numbers out."""
    x = x + _GOLDEN
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def stream_key(*parts: int | str) -> int:
    """Turn a seed and names, such as `(seed, "augment", epoch)`, into one 63-bit key (equal on every machine).

    NumPy's 3 gives the key of Python's 3.

    Raises:
        ValueError: a seed that is no whole number.
    """
    plain = tuple(part if isinstance(part, str) else check_whole(seed=part) for part in parts)
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def random_bits(key: int, index: Tensor, count: int) -> Tensor:
    """Hash `(key, index, 0..count-1)` to int64 of shape `(len(index), count)`, each uniform over all 64 bits."""
    rows = _hash(index.to(torch.int64) ^ key)
    columns = torch.arange(count, device=index.device)
    return _hash(rows[:, None] + columns * _GOLDEN)


def uniform(key: int, index: Tensor, count: int = 1) -> Tensor:
    """Draw float32 uniform in [0, 1), shape `(len(index), count)`; row i depends on `key` and `index[i]` alone."""
    return _shift_right(random_bits(key, index, count), 40).to(torch.float32) / 2**24


def normal(key: int, index: Tensor, count: int = 1) -> Tensor:
    """Draw float32 standard normal, shape `(len(index), count)`, by the inverse of the cumulative distribution."""
    # 23 bits, so that adding a half is exact in float32 and u is never 0 or 1, where ndtri is infinite.
    u = (_shift_right(random_bits(key, index, count), 41).to(torch.float32) + 0.5) / 2**23
    return torch.special.ndtri(u)


def permutation(key: int, n: int) -> Tensor:
    """Shuffle 0..n-1 (int64), a pure function of `key` and `n`."""
    return torch.argsort(random_bits(key, torch.arange(n), 1)[:, 0], stable=True)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, for instance before building a model.

    Raises:
        ValueError: no whole number from 0 to 2**63 - 1.
    """
    seed = check_whole(0, MOST_SEED, seed=seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def random_state_kept(devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Put the states of Python's, NumPy's and PyTorch's generators back afterwards, also those of these GPUs."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device for device in devices if device.type == "cuda"]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def state_kept() -> Iterator[None]:
    """Put back what somebody's code may have set for all of Python: random states, gradients, the default dtype."""
    dtype = torch.get_default_dtype()
    count = torch.cuda.device_count() if torch.cuda.is_initialized() else 0
    with (
        random_state_kept(torch.device("cuda", i) for i in range(count)),
        torch.set_grad_enabled(torch.is_grad_enabled()),
    ):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
