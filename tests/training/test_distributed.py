"""Two processes learn what one does, see each image once, leave writing to rank 0, and survive a death."""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from places import REPOSITORY, TOOLS

from emotion_utils.errors import CheckpointError
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import ParallelTeam, Team, join_team
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.step import epoch_batches

WORKER = TOOLS / "parallel_worker.py"
import parallel_worker  # noqa: E402

COUNT, BATCH, EPOCHS = 133, 32, 3  # as in the worker; the last batch of 5 is shared out as 3 and 2

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the launcher is tested on Linux")


def launch(folder, *arguments, processes, restarts=0):
    """Run the worker alone or under torchrun; on failure show what it printed."""
    folder.mkdir()
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        start += ["--max-restarts", str(restarts)]
    command = [*start, str(WORKER), str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return History.from_csv(folder / "run" / "history.csv"), torch.load(folder / "weights.pt", weights_only=True)


def environment():
    import os

    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": ""}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return launch(tmp_path_factory.mktemp("alone") / "run", processes=1)


@on_linux
def test_two_processes_learn_what_one_does(alone, tmp_path):
    history, weights = launch(tmp_path / "two", processes=2)
    assert history["train_loss"] == pytest.approx(alone[0]["train_loss"], abs=1e-5)
    assert history["train_accuracy"] == alone[0]["train_accuracy"]
    for name, value in weights.items():
        assert torch.allclose(value, alone[1][name], atol=1e-5), name

    # Each image exactly once per epoch, over both processes together; nothing is padded or dropped.
    parts = [lines(tmp_path / "two" / f"seen-{rank}-0.jsonl") for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1])
    steps = len(parts[0]) // EPOCHS
    for epoch in range(EPOCHS):
        chunk = slice(epoch * steps, (epoch + 1) * steps)
        assert sorted(i for part in parts for batch in part[chunk] for i in batch) == list(range(COUNT))


@on_linux
@pytest.mark.parametrize("every", [None, 2])
def test_a_killed_worker_is_restarted_from_the_last_checkpoint(alone, tmp_path, every):
    steps = len(epoch_batches(COUNT, BATCH, 0, 1, 2))
    arguments = ["--kill-at", steps + 3, *(["--every", every] if every else [])]  # dies in the second epoch
    history, weights = launch(tmp_path / "killed", *arguments, processes=2, restarts=1)
    assert history["epoch"] == [1, 2, 3]
    assert history["train_loss"] == pytest.approx(alone[0]["train_loss"], abs=1e-5)
    for name, value in weights.items():
        assert torch.allclose(value, alone[1][name], atol=1e-5), name
    assert history["train_accuracy"] == alone[0]["train_accuracy"], "what the dead had counted is not lost"
    # The second life did not begin at the beginning: it had two epochs left, or less.
    again = lines(tmp_path / "killed" / "seen-0-1.jsonl")
    assert len(again) == 2 * steps - ((steps + 3) // every * every - steps if every else 0)


@on_linux
def test_a_team_validates_the_network_that_is_kept(tmp_path):
    history, weights = launch(tmp_path / "two", "--norm", processes=2)
    model = EmotionCNN((4, 8), batch_norm=True, dropout=0.0, hidden=8, classes=3, image_size=12).eval()
    model.load_state_dict(weights)
    training, validation = parallel_worker.faces(133, 0), parallel_worker.faces(61, 1)
    validation.mean, validation.std = training.mean, training.std
    logits = compute_logits(model, validation)
    assert history["val_loss"][-1] == pytest.approx(float(F.cross_entropy(logits, validation.labels)), abs=1e-5)


def test_members_that_go_on_from_different_places(tmp_path):
    class Ahead(Team):
        size = 2

        def total(self, sums):
            return sums + torch.tensor([1, 0]) if sums.dtype == torch.int64 else sums

    model = EmotionCNN((4,), hidden=8, classes=3, image_size=12)
    config = TrainConfig(epochs=1, device="cpu", progress=False)
    with pytest.raises(CheckpointError, match="all machines see"):
        train(model, parallel_worker.faces(40, 0), None, config, run_dir=tmp_path, resume=True, team=Ahead())


def test_alone_without_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    team = join_team()
    assert type(team) is Team
    assert (team.rank, team.size) == (0, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [8, 64, 65, 67, 131])
def test_shares_are_a_partition(size, count):
    for batch in epoch_batches(count, 32, seed=0, epoch=1, members=size):
        shares = [ParallelTeam(rank, size, rank).share(batch) for rank in range(size)]
        assert torch.equal(torch.cat(shares).sort().values, batch.sort().values)
        assert min(map(len, shares)) > 0, "a member without images would keep the others waiting"


def test_a_gpu_for_each_process_or_an_error(monkeypatch):
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="--nproc-per-node 2"):
        join_team("cuda")
