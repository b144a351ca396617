"""Training on several processes, one for each GPU, each machine or each share of the CPU.

`torchrun` starts the same program several times and tells each copy its number, its *rank*. All copies hold the same
weights. Of every batch each takes its own share and computes the gradient of that; DistributedDataParallel averages
the gradients before each step, so that all copies stay equal. Started without torchrun, a team has one member.
"""

import gc
import importlib
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class Team:
    """The processes that share the work of a run. This one works alone; a team of several overrides all methods."""

    rank, size = 0, 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model whose backward pass averages gradients over the team."""
        return model

    def share(self, batch: Tensor) -> Tensor:
        """Choose this member's part of a batch of indices."""
        return batch[self.rank :: self.size]

    def total(self, sums: Tensor) -> Tensor:
        """Add up each member's sums, in place; all get the result."""
        return sums

    def align(self, model: nn.Module) -> None:
        """Give all members the batch-norm statistics of rank 0; each has its own, from the images that it saw."""


class ParallelTeam(Team):
    """The processes that torchrun started.

    Attributes:
        rank: number of this process, from 0. Rank 0 prints and writes files.
        size: number of processes.
        local_rank: number of this process among those of its machine; it says which GPU is its own.
    """

    def __init__(self, rank: int, size: int, local_rank: int) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model whose backward pass averages gradients over the team."""
        on_gpu = next(model.parameters()).is_cuda
        return DistributedDataParallel(model, device_ids=[self.local_rank] if on_gpu else None)

    def total(self, sums: Tensor) -> Tensor:
        """Add up each member's sums, in place; all get the result."""
        dist.all_reduce(sums)
        return sums

    def align(self, model: nn.Module) -> None:
        """Give all members the batch-norm statistics of rank 0; each has its own, from the images that it saw."""
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def join_team(device: str = "auto") -> Team:
    """Join the processes that torchrun started; without torchrun, return a team of one.

    GPUs talk to each other through NCCL, CPUs through gloo.

    Raises:
        ValueError: more processes on this machine than it has GPUs, or no GPU where one was asked for.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Team()
    rank, size, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        gpus = torch.cuda.device_count()
        if local_rank >= gpus:
            raise ValueError(
                f"Process {local_rank} of this machine has no GPU of its own; there are {gpus}. Give torchrun "
                f"--nproc-per-node {max(gpus, 1)}, or train with --device cpu."
            )
        torch.cuda.set_device(local_rank)
    # After a restart the store still holds the addresses of the dead, so each life of the team has its own shelf in it.
    store, *_ = next(iter(dist.rendezvous("env://")))
    life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    backend = "nccl" if on_gpu else "gloo"
    # This module keeps the group that it finds when it is imported, and DistributedDataParallel imports it. Found now,
    # that is none; later it would be ours, and `leave_team` could not end the group's threads.
    importlib.import_module("torch.distributed.nn")
    dist.init_process_group(backend, store=dist.PrefixStore(f"life {life}", store), rank=rank, world_size=size)
    return ParallelTeam(rank, size, local_rank)


def leave_team() -> None:
    """Close the connections that `join_team` opened, if it did, and end their threads.

    A thread that still lets go of a tensor while Python shuts down would abort the process.
    """
    if dist.is_available() and dist.is_initialized():
        gc.collect()  # a wrapped model, no longer used, may still hold the group
        dist.destroy_process_group()


def was_restarted() -> bool:
    """Tell whether torchrun has started this process anew, after a member of the team had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
