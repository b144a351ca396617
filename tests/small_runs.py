"""Small training runs for tests: a network that learns within a second, and runs that end early in many ways."""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.data.augment import Augment
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.randomness import seed_everything
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train

QUIET = {"progress": False, "device": "cpu"}
STEPS = 3  # of each epoch of `full_run`, of which there are three


def small_cnn(**changes) -> EmotionCNN:
    """Build a tiny network, always with the same weights."""
    seed_everything(0)
    return EmotionCNN(**{"widths": (4, 8), "hidden": 16, "image_size": 16} | changes)


def weights_equal(one: nn.Module, other: nn.Module) -> bool:
    """Compare weights and buffers bit by bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def without_seconds(history: History) -> list[dict]:
    """Give the rows without the one column that differs from run to run."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


def full_run(
    folder: Path | None = None, before_step: Callable[[int], None] = lambda step: None, **options
) -> tuple[EmotionCNN, History]:
    """Train for 3 epochs of 3 steps with all that has a state: momentum, averages, batch norm, dropout, augmentation.

    `before_step` is called before each step with its number, from 0 in this process.
    """
    steps, noisy = itertools.count(), Augment(noise=0.05)

    def augment(images, index, seed, epoch):
        before_step(next(steps))
        return noisy(images, index, seed, epoch)

    settings = {"average": 0.9, "label_smoothing": 0.1, "patience": 3, "augment": augment}
    config, model = TrainConfig(epochs=3, batch_size=13, **settings, **QUIET), small_cnn()
    return model, train(model, small_faces(13 * STEPS), small_faces(21, seed=2), config, run_dir=folder, **options)


def killed_run(folder: Path, step: int, while_writing: bool, threads: int) -> None:
    """Resume `full_run` in a process of its own, to be killed before a step, or in the midst of writing the next file.

    The kernel does the latter: it ends a process that writes beyond the largest size of a file that it may have.
    """
    import resource

    def end(number: int) -> None:
        if number == step and while_writing:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would make an error of it
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        elif number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(threads)
    full_run(folder, end, resume=True, checkpoint_every=2)
