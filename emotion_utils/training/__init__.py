"""One step of stochastic gradient descent, then many, in a way that can stop anywhere and go on."""

from emotion_utils.device import pick_device
from emotion_utils.errors import CheckpointError, DivergedError
from emotion_utils.randomness import seed_everything
from emotion_utils.training.averaging import average_weights, refresh_batch_norm
from emotion_utils.training.checkpoint import load_checkpoint
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distillation import SoftLabelCrossEntropy, judge_by_folds, mix_targets
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.lr_range import LRRange, lr_range_test
from emotion_utils.training.recipes import RECIPES
from emotion_utils.training.weighting import WeightedLoss

__all__ = [
    "RECIPES",
    "CheckpointError",
    "DivergedError",
    "History",
    "LRRange",
    "SoftLabelCrossEntropy",
    "TrainConfig",
    "WeightedLoss",
    "average_weights",
    "judge_by_folds",
    "load_checkpoint",
    "lr_range_test",
    "mix_targets",
    "pick_device",
    "refresh_batch_norm",
    "seed_everything",
    "train",
]
