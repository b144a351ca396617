"""One process of a team, for tests/test_parallel.py: trains a small network and writes down which images it saw.

With --kill-at the second process dies at that step. With --norm the network has batch norm, and validation images.
"""

import argparse
import json
import os
import signal
from pathlib import Path

import torch

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.training import checkpoint, history
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import join_team, leave_team, was_restarted
from emotion_utils.training.loop import train


def faces(count: int, seed: int) -> FaceDataset:
    """Draw noise with a bright corner that tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    images = torch.randint(0, 128, (count, 1, 12, 12), dtype=torch.uint8, generator=generator)
    for i, label in enumerate(labels.tolist()):
        images[i, 0, 4 * label : 4 * label + 4, :4] += 90
    return FaceDataset(images, labels, ("a", "b", "c"))


def refuse(*_):
    """Stand in for writing a file."""
    raise AssertionError("only rank 0 may write")


def run(folder: Path, kill_at: int | None, every: int | None, norm: bool) -> None:
    """Train with the team that torchrun made, or alone."""
    torch.set_num_threads(1)
    team = join_team("cpu")
    if team.rank > 0:
        checkpoint.atomic_write = history.atomic_write = refuse
    steps, share = [0], team.share
    seen = open(folder / f"seen-{team.rank}-{int(was_restarted())}.jsonl", "a")  # noqa: SIM115 (open to the end)

    def watched_share(batch):
        mine = share(batch)
        if kill_at is not None and steps[0] == kill_at and team.rank == 1 and not was_restarted():
            os.kill(os.getpid(), signal.SIGKILL)
        steps[0] += 1
        seen.write(json.dumps(mine.tolist()) + "\n")
        seen.flush()
        return mine

    team.share = watched_share
    torch.manual_seed(0)
    model = EmotionCNN((4, 8), batch_norm=norm, dropout=0.0, hidden=8, classes=3, image_size=12)
    config = TrainConfig(epochs=3, batch_size=32, learning_rate=0.1, device="cpu", progress=False, average=0.9)
    validation = faces(61, 1) if norm else None
    settings = {"run_dir": folder / "run", "resume": was_restarted(), "checkpoint_every": every}
    train(model, faces(133, 0), validation, config, team=team, **settings)
    if team.rank == 0:
        torch.save(model.state_dict(), folder / "weights.pt")
    leave_team()
    left = [name for name in thread_names() if "gloo" in name]
    assert not left, f"threads that may abort the process when Python shuts down: {left}"


def thread_names() -> list[str]:
    """Give the names of this process's threads, those of C++ included; Linux tells."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill-at", type=int, metavar="STEP")
    parser.add_argument("--every", type=int, metavar="STEPS", help="write a checkpoint also after so many steps")
    parser.add_argument("--norm", action="store_true")
    options = parser.parse_args()
    run(options.folder, options.kill_at, options.every, options.norm)
