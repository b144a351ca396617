"""Which faces were recognised, as text: a bit for each face, in hexadecimal digits."""

import torch
from torch import Tensor


def pack(correct: Tensor) -> str:
    """Write which faces were recognised, bool `(N,)`, as hexadecimal digits."""
    bits = correct.cpu().long()
    bits = torch.cat([bits, bits.new_zeros(-len(bits) % 8)]).view(-1, 8)
    return bytes((bits << torch.arange(8)).sum(1).tolist()).hex()


def unpack(text: str, count: int) -> Tensor:
    """Read what `pack` wrote for `count` faces: bool `(count,)`; a ValueError where there are no hexadecimal digits."""
    bits = torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8)
    return ((bits[:, None] >> torch.arange(8)) & 1).flatten()[:count].bool()
