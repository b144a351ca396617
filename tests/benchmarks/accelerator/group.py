"""Several networks that train at once, as one CUDA graph where there is a GPU."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from .training import Trainer

WARM_UP, MEASURED = 3, 20  # steps
SMALL_RATE = 1e-3  # so small that rounding does not lead elsewhere: two ways of computing can be compared


class Group:
    """Networks that take their steps together.

    `prepare` records the step, measures it and puts everything back; `run` trains. Where no graph can be recorded, a
    line says so and the steps are taken one kernel after the other.

    Args:
        trainers: with equally many steps in an epoch.
        clock: tells seconds.
        graphs: False records nothing.

    Raises:
        ValueError: epochs of different lengths.
    """

    def __init__(self, trainers: Sequence[Trainer], clock: Callable[[], float], graphs: bool = True) -> None:
        lengths = {trainer.steps for trainer in trainers}
        if len(lengths) != 1:
            raise ValueError(f"trainers: their epochs have {sorted(lengths)} steps; group those of one length.")
        self.trainers, self.clock = list(trainers), clock
        self.steps = lengths.pop()
        self.images = sum(trainer.steps * trainer.config.batch_size for trainer in trainers)  # of an epoch
        self.on_gpu = trainers[0].state.is_cuda
        self.graphs = graphs and self.on_gpu
        self.streams = [torch.cuda.Stream() for _ in trainers] if self.on_gpu else []
        self.advance: Callable[[], None] = self.step
        self.how = "step by step"
        self.seconds_per_epoch = 0.0
        self.moved: list[Tensor] = []  # how far the weights of each network went while it was measured

    def prepare(self) -> float:
        """Record the step and measure it; return images a second. Nothing has been learnt afterwards."""
        before = [[values.clone() for values in trainer.memory] for trainer in self.trainers]
        for trainer in self.trainers:
            trainer.rates.fill_(SMALL_RATE)
            trainer.begin_epoch(1)
        if self.graphs:
            self.advance, self.how = self._record()
            self._put_back(before)
        self.advance()
        measured = min(MEASURED if self.on_gpu else 1, self.steps)
        begun = self._now()
        for _ in range(measured):
            self.advance()
        stepped = self._now()
        for trainer in self.trainers:
            trainer.begin_epoch(1)
        self.seconds_per_epoch = (stepped - begun) * self.steps / measured + self._now() - stepped
        pairs = zip(self.trainers, before, strict=True)
        self.moved = [(trainer.state - state)[: trainer.learnt] for trainer, (state, *_) in pairs]
        self._put_back(before)
        return self.images / self.seconds_per_epoch

    def run(self, epochs: int, deadline: float) -> bool:
        """Train for so many epochs; False if the clock passed `deadline` before the end."""
        for trainer in self.trainers:
            trainer.start(epochs)
        for epoch in range(1, epochs + 1):
            for trainer in self.trainers:
                trainer.begin_epoch(epoch)
            if self._now() > deadline:  # once an epoch, the clock waits for the GPU
                return False
            for _ in range(self.steps):
                self.advance()
        return self._now() <= deadline

    def step(self, side_by_side: bool = False) -> None:
        """Let each network take a step; on streams of their own, they need not wait for one another."""
        if not side_by_side:
            for trainer in self.trainers:
                trainer.step()
            return
        here = torch.cuda.current_stream()
        for trainer, stream in zip(self.trainers, self.streams, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                trainer.step()
        for stream in self.streams:
            here.wait_stream(stream)

    def _put_back(self, before: list[list[Tensor]]) -> None:
        for trainer, values in zip(self.trainers, before, strict=True):
            for there, value in zip(trainer.memory, values, strict=True):
                there.copy_(value)

    def _record(self) -> tuple[Callable[[], None], str]:
        ways = {"graph": False} if len(self.trainers) == 1 else {"graph, side by side": True, "graph": False}
        for how, side_by_side in ways.items():
            try:
                return self._graph(side_by_side), how
            except RuntimeError as error:
                print(f"No {how}: {str(error).splitlines()[0]}", flush=True)
                torch.cuda.synchronize()
        return self.step, "step by step"

    def _graph(self, side_by_side: bool) -> Callable[[], None]:
        take = partial(self.step, side_by_side)
        warm = torch.cuda.Stream()
        warm.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm):  # libraries choose their algorithms, which cannot be recorded
            for _ in range(WARM_UP):
                take()
        torch.cuda.current_stream().wait_stream(warm)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            take()
        return graph.replay

    def _now(self) -> float:
        if self.on_gpu:
            torch.cuda.synchronize()
        return self.clock()
