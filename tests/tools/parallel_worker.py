"""What one process of a group does in tests/training/test_distributed.py: it trains a small network."""

import json
import os
import signal
from pathlib import Path

import torch
import torch.nn.functional as F

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import destroy_process_group, init_process_group
from emotion_utils.training.loop import train


def faces(count: int, seed: int) -> FaceDataset:
    """Draw noise with a bright corner that tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    images = torch.randint(0, 128, (count, 1, 12, 12), dtype=torch.uint8, generator=generator)
    for i, label in enumerate(labels.tolist()):
        images[i, 0, 4 * label : 4 * label + 4, :4] += 90
    return FaceDataset(images, labels, ("a", "b", "c"))


def small_network(norm: bool) -> EmotionCNN:
    """Build a network for `faces`, always with the same weights."""
    torch.manual_seed(0)
    return EmotionCNN((4, 8), batch_norm=norm, dropout=0.0, hidden=8, classes=3, image_size=12)


def learn(
    folder: Path, kill_at: int | None = None, every: int | None = None, norm: bool = False, with_launcher: bool = False
) -> None:
    """Train with the processes that torchrun started, or alone; rank 0 leaves its weights in `folder/weights.pt`.

    Each process notes in `folder/seen-RANK-RESTARTS.jsonl` which images it learnt from, a line for each step, and in
    `folder/launch-RANK-RESTARTS` which start of torchrun it belongs to.

    Args:
        folder: where to write. Processes share `folder/run`; where nobody is to be killed, each has its own.
        kill_at: the step before which the process of rank 1 dies.
        every: write a checkpoint also after so many steps.
        norm: a network with batch norm, and validation images.
        with_launcher: the launcher of the process that dies dies with it, as where a machine loses power.
    """
    torch.set_num_threads(1)
    group = init_process_group("cpu")
    seen = open(folder / f"seen-{group.rank}-{int(group.restarted)}.jsonl", "a")  # noqa: SIM115 (open to the end)
    (folder / f"launch-{group.rank}-{int(group.restarted)}").write_text(str(group.launch))
    steps = [0]

    def loss(logits, labels, index):
        if steps[0] == kill_at and group.rank == 1 and not group.restarted:
            for process in [os.getppid()] * with_launcher + [os.getpid()]:
                os.kill(process, signal.SIGKILL)
        steps[0] += 1
        seen.write(json.dumps(index.tolist()) + "\n")
        seen.flush()
        return F.cross_entropy(logits, labels, reduction="none")

    model = small_network(norm)
    settings = {"device": "cpu", "progress": False, "average": 0.9, "group": group}
    config = TrainConfig(epochs=3, batch_size=32, learning_rate=0.1, **settings)
    run_dir = folder / ("run" if group.rank == 0 or kill_at is not None else f"run-{group.rank}")
    validation = faces(61, 1) if norm else None
    options = {"run_dir": run_dir, "resume": group.restarted, "checkpoint_every": every}
    train(model, faces(133, 0), validation, config, loss=loss, **options)
    if group.rank == 0:
        torch.save(model.state_dict(), folder / "weights.pt")
    destroy_process_group()
    left = [name for name in thread_names() if "gloo" in name]
    assert not left, f"threads that may abort the process when Python shuts down: {left}"


def thread_names() -> list[str]:
    """Give the names of this process's threads, those of C++ included; Linux tells."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
