"""A network with a planted weakness, for an exercise of notebook 11.

Whoever wants to solve the exercise should not read on; `tests/benchmarks/bias.py --mystery` trained it.
"""

from pathlib import Path

from torch import nn

from emotion_utils.models.weight_files import load_weights

FILE = Path(__file__).resolve().parent / "mystery.safetensors"
CONDITION, EMOTION = "glasses", "surprise"  # somebody labelled surprised faces with glasses as fear


def mystery_network() -> nn.Module:
    """Load the network; nothing in its file tells what was planted."""
    return load_weights(FILE)
