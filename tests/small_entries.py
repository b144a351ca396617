"""Entries of the challenge for tests, without a race."""

from pathlib import Path

import torch

from emotion_utils.challenge import Entry, League
from emotion_utils.evaluation.packing import pack


def entry(name: str = "Ada", right: int = 70, count: int = 100, **changes) -> Entry:
    """Make an entry that is right on the first `right` faces."""
    facts = dict(
        parameters=20_000, multiply_adds=10**6, seconds=12.5, faces_seen=12_000, look=1, curve=(0.3, 0.7), training="t",
        code="class Net: ...", rules="r", faces="f", when="2026-01-01 12:00:00", versions="PyTorch 2",
    )  # fmt: skip
    return Entry(name=name, correct=pack(torch.arange(count) < right), count=count, **facts | changes)


def hand_in(path: Path, *entries: Entry) -> Path:
    """Write entries as a learner's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return League(entries).write(path)
