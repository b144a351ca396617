"""Training on several processes, one for each GPU, each machine or each share of the CPU.

`torchrun` starts the same program several times and tells each process its number, its *rank*. All processes hold the
same weights. Of every batch each takes its own shard and computes the gradient of that; DistributedDataParallel
averages the gradients before each step, so that all processes stay equal. Without torchrun a process works alone.
"""

import gc
import importlib
import os
import secrets
import socket

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from emotion_utils.device import device_of


class ProcessGroup:
    """The processes that share the work of a run: this one alone. Subclasses are more.

    Attributes:
        rank: number of this process, from 0. Rank 0 prints and writes files.
        world_size: number of processes.
        local_rank: number of this process among those of its machine; it says which GPU is its own.
        launch: which start of torchrun it belongs to, the same for all processes and all their lives; None without.
        restarted: whether torchrun has started these processes anew, after one of the group had ended early. All
            agree, also a process on a machine that joined later, for which it is the first start.
    """

    rank, world_size, local_rank = 0, 1, 0

    def __init__(self, launch: str | None = None, restarted: bool = False) -> None:
        self.launch, self.restarted = launch, restarted

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model whose backward pass averages gradients over the processes."""
        return model

    def shard(self, index: Tensor) -> Tensor:
        """Choose this process's part of a batch of indices: `(B,)` to about `(B / world_size,)`."""
        return index[self.rank :: self.world_size]

    def all_reduce(self, sums: Tensor) -> Tensor:
        """Add up the sums of all processes, in place; each gets the result."""
        return sums

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give all processes the batch-norm statistics of rank 0; each has its own, from the images that it saw."""


class DistributedProcessGroup(ProcessGroup):
    """The processes that torchrun started; `init_process_group` makes it."""

    def __init__(
        self, rank: int, world_size: int, local_rank: int, launch: str | None = None, restarted: bool = False
    ) -> None:
        super().__init__(launch, restarted)
        self.rank, self.world_size, self.local_rank = rank, world_size, local_rank

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model whose backward pass averages gradients over the processes."""
        return DistributedDataParallel(model, [self.local_rank] if device_of(model).type == "cuda" else None)

    def all_reduce(self, sums: Tensor) -> Tensor:
        """Add up the sums of all processes, in place; each gets the result."""
        dist.all_reduce(sums)
        return sums

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give all processes the batch-norm statistics of rank 0; each has its own, from the images that it saw."""
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def init_process_group(device: str = "auto") -> ProcessGroup:
    """Connect to the other processes that torchrun started; without torchrun, return a group of one.

    GPUs talk to each other through NCCL, CPUs through gloo.

    Raises:
        ValueError: more processes on this machine than it has GPUs, or no GPU where one was asked for.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return ProcessGroup(_launch_of_parent(), _restarts() != "0")
    rank, world_size, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        gpus = torch.cuda.device_count()
        if local_rank >= gpus:
            raise ValueError(
                f"LOCAL_RANK={local_rank}: this process has no GPU of its own, the machine has {gpus}. Give torchrun "
                f"--nproc-per-node {max(gpus, 1)}, or train with --device cpu."
            )
        torch.cuda.set_device(local_rank)
    store, *_ = next(iter(dist.rendezvous("env://")))
    launch = _agree_on_launch(store)
    if _one_store_for_all_lives():  # which still has the addresses of the processes that ended
        store = dist.PrefixStore(f"restart {_restarts()}", store)
    # Each launcher counts for itself, and that of a machine that took the place of another begins with 0.
    store.set(f"restarts of {rank}", _restarts())
    restarted = any(store.get(f"restarts of {other}") != b"0" for other in range(world_size))
    # This module keeps the group that it finds when it is imported, and DistributedDataParallel imports it. Found now,
    # that is none; later it would be ours, and `destroy_process_group` could not end the group's threads.
    importlib.import_module("torch.distributed.nn")
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=world_size)
    return DistributedProcessGroup(rank, world_size, local_rank, launch, restarted)


def _restarts() -> str:
    """Count how often this machine's torchrun has started its processes anew."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


def _one_store_for_all_lives() -> bool:
    """Tell whether torchrun keeps its store of addresses when it restarts the processes.

    It does, unless TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 asks for a new one each time. With the old one, a machine that
    joins later does not find the others (PyTorch 2.15).
    """
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE", "True") == "True"


def _agree_on_launch(store: dist.Store) -> str:
    """Name this start of torchrun; its store lives as long as torchrun does, so all lives of all processes agree.

    Where each life has a store of its own, they agree if torchrun was given a name, with `--rdzv-id`.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if not _one_store_for_all_lives() and name not in ("", "none"):
        return f"torchrun --rdzv-id {name}"
    while isinstance(store, dist.PrefixStore):  # one prefix for each life
        store = store.underlying_store
    return store.compare_set("emotion_utils launch", "", secrets.token_hex(8)).decode()


def _launch_of_parent() -> str | None:
    """Name the start of a launcher that restarts a process which works alone; None without one."""
    if "TORCHELASTIC_RESTART_COUNT" not in os.environ:
        return None
    run = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return f"{run} of process {os.getppid()} on {socket.gethostname()}"


def destroy_process_group() -> None:
    """Close the connections that `init_process_group` opened, if it did, and end their threads.

    A thread that still lets go of a tensor while Python shuts down would abort the process.
    """
    if dist.is_available() and dist.is_initialized():
        gc.collect()  # a wrapped model, no longer used, may still hold the group
        dist.destroy_process_group()
