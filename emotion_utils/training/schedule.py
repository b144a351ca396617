"""What changes from step to step and from epoch to epoch: the learning rate, and the size of the images."""

import math

from emotion_utils.errors import check_whole
from emotion_utils.training.config import TrainConfig


def learning_rate_at(step: int, steps: int, config: TrainConfig) -> float:
    """Compute the learning rate of one step, counted from 0, of a run of `steps`.

    By hand, not by `torch.optim.lr_scheduler`: a pure function of the step has no state to save, restore or forget.

    Raises:
        ValueError: no step of the run.
    """
    steps = check_whole(1, steps=steps)
    step = check_whole(0, steps - 1, step=step)
    if config.schedule == "constant":
        return config.learning_rate
    done = (step + 0.5) / steps
    if done < config.warmup:
        return config.learning_rate * done / config.warmup
    falling = (done - config.warmup) / (1 - config.warmup)
    share = 1 - falling if config.schedule == "onecycle" else (1 + math.cos(math.pi * falling)) / 2
    return config.learning_rate * share


def image_size_at(epoch: int, config: TrainConfig) -> int | None:
    """Give the side in pixels that images are scaled to in an epoch, counted from 1; None leaves them as they are.

    Shares are counted from the end, so that odd epochs, or the only one, go to the last and largest size.

    Raises:
        ValueError: no epoch of the run.
    """
    epoch = check_whole(1, config.epochs, epoch=epoch)
    if not config.sizes:
        return None
    to_come = config.epochs - epoch
    return config.sizes[-1 - to_come * len(config.sizes) // config.epochs]
