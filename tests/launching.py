"""Processes of their own that start at once: forked from one that has imported the package, and PyTorch with it."""

import contextlib
import functools
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest
from network import Machine
from places import REPOSITORY

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the launcher is tested on Linux")
on_unix = pytest.mark.skipif(os.name == "nt", reason="Windows neither forks nor kills in this way")


@functools.cache
def forks() -> BaseContext:
    """Start the process that others are forked from; it has one thread and sees no GPU."""
    context = multiprocessing.get_context("forkserver")
    # PyTorch imports the last two, which take seconds, with the first optimizer and the first process group.
    context.set_forkserver_preload(["emotion_utils.commands.command_line", "torch._dynamo", "torch.distributed.nn"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OMP_NUM_THREADS": "1", "PYTHONPATH": REPOSITORY, "CUDA_VISIBLE_DEVICES": ""}.items():
            patch.setenv(name, str(value))
        forkserver.ensure_running()
    return context


def launch(function: Callable[..., None], *arguments: Any, restarts: int = 0) -> None:
    """Run a function in two processes under the launcher behind `torchrun`, which starts both anew if one dies."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    forks()
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend="c10d", rdzv_endpoint="localhost:0",
        run_id="test", max_restarts=restarts, monitor_interval=0.05, start_method="forkserver",
    )  # fmt: skip
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        elastic_launch(config, function)(*arguments)
    finally:  # the launcher leaves its own
        for number, handler in handlers.items():
            signal.signal(number, handler)


def serve(machine: Machine, host: Machine, function: Callable[..., None], arguments: tuple, **env: str) -> None:
    """Be `torchrun` on one of two machines: meet the other at `host`, which is one of them, and start one process."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    machine.enter()
    os.environ.update(env)
    config = LaunchConfig(
        min_nodes=2, max_nodes=2, nproc_per_node=1, rdzv_backend="c10d", rdzv_endpoint=f"{host.address}:29400",
        rdzv_configs={"is_host": machine == host, "keep_alive_interval": 1, "keep_alive_max_attempt": 5},
        local_addr=machine.address, run_id="test", max_restarts=1, monitor_interval=0.05, start_method="fork",
    )  # fmt: skip
    elastic_launch(config, function)(*arguments)


def run_package(folder: Path, *arguments: str) -> None:
    """Do what `python -m emotion_utils` does; what it prints goes to `folder/printed-RANK.txt`."""
    sys.argv = ["emotion_utils", *arguments]
    with open(folder / f"printed-{os.environ['RANK']}.txt", "w") as file, contextlib.redirect_stdout(file):
        runpy.run_module("emotion_utils", run_name="__main__")
