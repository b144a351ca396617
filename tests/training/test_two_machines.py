"""Two machines, joined by a network cable that Linux lends, learn what two processes on one machine do, bit for bit."""

import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from launching import forks, launch, on_linux, serve
from network import Machine, two_machines
from parallel_worker import learn
from torch import Tensor

from emotion_utils.training.folder import launch_of
from emotion_utils.training.history import History

pytestmark = [on_linux, pytest.mark.slow]
PATIENCE = 120  # seconds; a busy machine takes long
IN_THE_SECOND_EPOCH = 8  # a step; an epoch has five


@pytest.fixture(scope="module")
def machines():
    with two_machines() as both:
        yield both


@pytest.fixture(scope="module")
def at_home(tmp_path_factory) -> tuple[dict[str, Tensor], History]:
    """What two processes on one machine learn."""
    folder = tmp_path_factory.mktemp("at home")
    launch(learn, folder)
    return learnt(folder)


def learnt(folder: Path) -> tuple[dict[str, Tensor], History]:
    return torch.load(folder / "weights.pt", weights_only=True), History.from_csv(folder / "run" / "history.csv")


def start(machine: Machine, host: Machine, *arguments, **env) -> BaseProcess:
    launcher = forks().Process(target=serve, args=(machine, host, learn, arguments), kwargs=env)
    launcher.start()
    return launcher


def join(*launchers: BaseProcess) -> None:
    for launcher in launchers:
        launcher.join(PATIENCE)
        launcher.kill()
    assert [launcher.exitcode for launcher in launchers] == [0] * len(launchers)


def same(folder: Path, at_home: tuple[dict[str, Tensor], History]) -> bool:
    """Compare weights and measures bit for bit; only the seconds may differ."""
    (weights, history), (their_weights, their_history) = learnt(folder), at_home
    names = ("epoch", "learning_rate", "train_loss", "train_accuracy")
    return all(torch.equal(value, their_weights[name]) for name, value in weights.items()) and all(
        history[name] == their_history[name] for name in names
    )


def test_they_learn_what_one_machine_does_and_wait_for_who_joins_late(machines, at_home, tmp_path):
    first, second = machines
    one = start(first, first, tmp_path)
    time.sleep(1)
    join(one, start(second, first, tmp_path))
    assert same(tmp_path, at_home)


def test_a_killed_process_goes_on_where_it_was(machines, at_home, tmp_path):
    first, second = machines
    join(*(start(machine, first, tmp_path, IN_THE_SECOND_EPOCH, 2) for machine in (first, second)))
    assert same(tmp_path, at_home)
    assert len((tmp_path / "seen-1-1.jsonl").read_text().splitlines()) < 10, "it went on from a checkpoint"


def test_a_machine_that_dies_is_replaced_by_one_that_joins_later(machines, at_home, tmp_path):
    """The new one counts no restart, and is told by the other that the run goes on."""
    first, second = machines
    arguments = first, tmp_path, IN_THE_SECOND_EPOCH, 2, False, True
    fresh_store = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    one, dead = start(first, *arguments, **fresh_store), start(second, *arguments, **fresh_store)
    dead.join(PATIENCE)
    assert dead.exitcode == -9
    join(one, start(second, *arguments, **fresh_store))
    assert same(tmp_path, at_home)
    assert {path.read_text() for path in tmp_path.glob("launch-*")} == {launch_of(tmp_path / "run")}
    assert (tmp_path / "seen-1-1.jsonl").exists(), "it knew that the run went on"
