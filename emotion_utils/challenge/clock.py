"""Processor time, counted and kept to: a training is stopped at the next batch after its time is up."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from emotion_utils.challenge.rulebook import RuleError


def processor_seconds() -> float:
    """Give the processor time of this process, over all threads, and of child processes that have ended."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


class Clock:
    """Runs from its making on.

    Attributes:
        seconds: that may be used.
        seen: training faces that the network was shown, counted with repetition.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.seen = seconds, 0
        self._begun = processor_seconds()

    @property
    def used(self) -> float:
        """Processor time since the beginning, in seconds."""
        return processor_seconds() - self._begun

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.used > self.seconds

    def stop_if_over(self) -> None:
        """Raise RuleError if the time is up."""
        if self.over:
            raise RuleError(f"the {self.seconds:g} s of processor time are used up after {self.seen:,} faces")

    def _look(self, model: nn.Module, inputs: tuple) -> None:
        place = inputs[0].device.type if inputs and isinstance(inputs[0], torch.Tensor) else "cpu"
        if place != "cpu":
            raise RuleError(f"the network was run on {place}; the race is run on one core, so leave all on the cpu")
        if model.training and torch.is_grad_enabled() and inputs and isinstance(inputs[0], torch.Tensor):
            self.seen += len(inputs[0])
        self.stop_if_over()


@contextmanager
def timed(model: nn.Module, seconds: float) -> Iterator[Clock]:
    """Run a block on one thread, with a clock that each call of the network looks at; then threads are as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    clock = Clock(seconds)
    handle = model.register_forward_pre_hook(clock._look)
    try:
        yield clock
    finally:
        handle.remove()
        torch.set_num_threads(threads)
