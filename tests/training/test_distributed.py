"""Two processes learn what one does, see each image once, leave writing to rank 0, and survive a death."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from launching import launch, on_linux
from parallel_worker import faces, learn, small_network
from torch import Tensor

from emotion_utils.errors import CheckpointError
from emotion_utils.models.inference import compute_logits
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import DistributedProcessGroup, ProcessGroup, init_process_group
from emotion_utils.training.folder import launch_of
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.step import epoch_batches

COUNT, BATCH, EPOCHS = 133, 32, 3  # as in the worker; the last batch of 5 is shared out as 3 and 2
STEPS = len(epoch_batches(COUNT, BATCH, 0, 1, 2))


@dataclass(frozen=True)
class Finished:
    """What a run left behind."""

    folder: Path
    history: History
    weights: dict[str, Tensor]


def finished(folder: Path) -> Finished:
    weights = torch.load(folder / "weights.pt", weights_only=True)
    return Finished(folder, History.from_csv(folder / "run" / "history.csv"), weights)


def lines(path: Path) -> list[list[int]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Finished:
    """Learn in this process, without others."""
    folder = tmp_path_factory.mktemp("alone")
    threads = torch.get_num_threads()
    learn(folder)
    torch.set_num_threads(threads)
    return finished(folder)


def learn_together(folder: Path, kill_at: int | None = None, every: int | None = None, norm: bool = False) -> Finished:
    """Learn in two processes; one may die at a step, and both are started anew."""
    launch(learn, folder, kill_at, every, norm, restarts=int(kill_at is not None))
    return finished(folder)


@on_linux
@pytest.mark.slow
def test_two_processes_learn_what_one_does(alone, tmp_path):
    two = learn_together(tmp_path)
    assert two.history["train_loss"] == pytest.approx(alone.history["train_loss"], abs=1e-5)
    assert two.history["train_accuracy"] == alone.history["train_accuracy"]
    for name, value in two.weights.items():
        assert torch.allclose(value, alone.weights[name], atol=1e-5), name

    # Each image exactly once per epoch, over both processes together; nothing is padded or dropped.
    parts = [lines(two.folder / f"seen-{rank}-0.jsonl") for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1]) == EPOCHS * STEPS
    for epoch in range(EPOCHS):
        chunk = slice(epoch * STEPS, (epoch + 1) * STEPS)
        assert sorted(i for part in parts for batch in part[chunk] for i in batch) == list(range(COUNT))
    assert not (two.folder / "run-1").exists(), "rank 0 alone writes"


@on_linux
@pytest.mark.parametrize("every", [None, 2])
@pytest.mark.slow
def test_a_killed_process_is_restarted_from_the_last_checkpoint(alone, tmp_path, every):
    killed = learn_together(tmp_path, kill_at=STEPS + 3, every=every)  # in the second epoch
    assert killed.history["epoch"] == [1, 2, 3]
    assert killed.history["train_loss"] == pytest.approx(alone.history["train_loss"], abs=1e-5)
    for name, value in killed.weights.items():
        assert torch.allclose(value, alone.weights[name], atol=1e-5), name
    assert killed.history["train_accuracy"] == alone.history["train_accuracy"], "what the dead had counted is not lost"
    launches = {path.read_text() for path in killed.folder.glob("launch-*")}
    assert len(launches) == 1, "both processes know in both lives which launch they belong to"
    assert launch_of(killed.folder / "run") in launches
    # After the restart the run did not begin at the beginning: it had two epochs left, or less.
    again = lines(killed.folder / "seen-0-1.jsonl")
    assert len(again) == 2 * STEPS - ((STEPS + 3) // every * every - STEPS if every else 0)


@on_linux
@pytest.mark.slow
def test_all_processes_validate_the_network_that_is_kept(tmp_path):
    two = learn_together(tmp_path, norm=True)
    model = small_network(norm=True).eval()
    model.load_state_dict(two.weights)
    training, validation = faces(133, 0), faces(61, 1)
    logits = compute_logits(model, validation.with_normalisation(training.mean, training.std))
    assert two.history["val_loss"][-1] == pytest.approx(float(F.cross_entropy(logits, validation.labels)), abs=1e-5)


def test_processes_that_go_on_from_different_places(tmp_path):
    class Ahead(ProcessGroup):
        world_size = 2

        def all_reduce(self, sums):
            return sums + torch.tensor([1, 0]) if sums.dtype == torch.int64 else sums

    config = TrainConfig(epochs=1, device="cpu", progress=False, group=Ahead())
    with pytest.raises(CheckpointError, match="rank=0"):
        train(small_network(norm=False), faces(40, 0), None, config, run_dir=tmp_path, resume=True)


def test_alone_without_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    group = init_process_group()
    assert type(group) is ProcessGroup
    assert (group.rank, group.world_size, group.local_rank) == (0, 1, 0)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [8, 64, 65, 67, 131])
def test_shards_are_a_partition(world_size, count):
    for batch in epoch_batches(count, 32, seed=0, epoch=1, world_size=world_size):
        shards = [DistributedProcessGroup(rank, world_size, rank).shard(batch) for rank in range(world_size)]
        assert torch.equal(torch.cat(shards).sort().values, batch.sort().values)
        assert min(map(len, shards)) > 0, "a process without images would keep the others waiting"


def test_a_gpu_for_each_process_or_an_error(monkeypatch):
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"LOCAL_RANK=3.* --nproc-per-node 2"):
        init_process_group("cuda")
