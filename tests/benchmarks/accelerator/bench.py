"""The workbench that all stages share: data on the device, the clock, and training within a share of the time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from emotion_utils.data.augment import Augment
from emotion_utils.data.pixels import pixel_statistics
from emotion_utils.device import pick_device
from emotion_utils.emotions import EMOTIONS
from emotion_utils.training.recipes import find_recipe

from .faces import Faces
from .group import Group
from .ledger import Ledger
from .networks import Shape, StemNet
from .training import Trainer

RECIPE = find_recipe("fer2013", "first").config
FRAMING = find_recipe("fer2013", "best").config.augment
SHARES = {"shapes": 0.13, "teachers": 0.42, "students": 0.2, "final": 0.25}  # of the time, in this order
MOST = {"shapes": 100, "teachers": 60, "students": 250, "final": 250}  # epochs
LEAST = 5  # epochs; with fewer, a stage waits for another call
CAREFUL = 0.9  # of its share of the time is what a stage counts on


@dataclass(frozen=True)
class Settings:
    """How the plan is run.

    Attributes:
        minutes: of this call, which ends in time.
        later: minutes that later calls will have; stages get their shares of both together.
        epochs: at most so many in each stage; None leaves it to the time.
        batch: images per step.
        shrink: divides the channels of all networks, for a rehearsal.
        views: of each image, for the teachers to judge.
        folds, seeds: how many teachers, and which final networks.
        at_once: how many networks train together; None finds out.
        device, graphs: where, and whether steps may be recorded.
    """

    minutes: float = 13
    later: float = 0
    epochs: int | None = None
    batch: int = 128
    shrink: float = 1
    views: int = 32
    folds: int = 5
    seeds: tuple[int, ...] = (0, 1, 2)
    at_once: int | None = None
    device: str = "auto"
    graphs: bool = True

    def deciding(self) -> dict[str, Any]:
        """Give those that results depend on; a call goes on only with the same."""
        others = ("minutes", "later", "at_once", "device", "graphs")
        return {name: value for name, value in asdict(self).items() if name not in others} | {"seeds": [*self.seeds]}


@dataclass(frozen=True)
class Trial:
    """A network to train."""

    name: str
    shape: Shape
    rows: Tensor  # int64, the images that it learns
    targets: Tensor  # float32 (N, C), for all images
    augment: Augment
    seed: int = 0


Record = Callable[[Trial, StemNet], dict[str, Any]]


class Bench:
    """What stages need: the images on the device, the ledger, the clock.

    Args:
        faces: all of Training.
        ledger: what has been found so far.
        settings: how to run.
        clock: tells seconds.
    """

    def __init__(
        self, faces: Faces, ledger: Ledger, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.faces, self.ledger, self.settings, self.clock = faces, ledger, settings, clock
        self.begun = clock()
        # A little is left over for the last files.
        self.deadline = self.begun + 60 * settings.minutes - min(10, 3 * settings.minutes)
        self.device = pick_device(settings.device)
        self.on_gpu = self.device.type == "cuda"
        self.images = faces.images.to(self.device)
        self.held_out = self.images[faces.held_out.to(self.device)]
        self.held_out_labels = faces.labels[faces.held_out].to(self.device)
        self.at_once, self.graphs = settings.at_once or 1, settings.graphs
        sure = F.one_hot(faces.labels, len(EMOTIONS)).float()
        self.smoothed = torch.lerp(sure, torch.full_like(sure, 1 / len(EMOTIONS)), RECIPE.label_smoothing)

    def say(self, line: str) -> None:
        """Print a line with the time since this call began."""
        self.ledger.say(f"[{self.clock() - self.begun:6.1f} s] {line}")

    def trial(self, name: str, shape: Shape) -> Trial:
        """Describe a network that learns the nine tenths, with labels alone."""
        narrow = 1 / self.settings.shrink
        return Trial(name, shape.times(narrow, narrow), self.faces.training, self.smoothed, RECIPE.augment)

    def group(self, trials: Sequence[Trial], graphs: bool = True) -> Group:
        """Build networks that train at once."""
        trainers = []
        for trial in trials:
            config = replace(
                RECIPE,
                epochs=self._most(*MOST),
                batch_size=self.settings.batch,
                augment=trial.augment,
                seed=trial.seed,
                precision="bf16" if self.on_gpu else "fp32",
            )
            images = self.images[trial.rows.to(self.device)]
            network = trial.shape.build(trial.seed, *pixel_statistics(images)).to(self.device)
            trainers.append(Trainer(network, images, trial.targets[trial.rows].to(self.device), config))
        return Group(trainers, self.clock, graphs and self.graphs)

    def train(
        self, stage: str, trials: Sequence[Trial], record: Record, at_once: int | None = None, extra: float = 0
    ) -> bool:
        """Train the networks of a stage that have not been trained, all for equally many epochs.

        `record` gets a trial and its averaged network, stores what is to be kept, and returns a row of results.
        `extra` is the work of `record`, as epochs of training.

        Returns:
            Whether the stage is complete; False if the time is over, or too short to begin.
        """
        done = {row["name"] for row in self.ledger.rows(stage)}
        missing = [trial for trial in trials if trial.name not in done]
        size = at_once or self.at_once
        parts = [missing[i : i + size] for i in range(0, len(missing), size)]
        groups, seconds = self._measure(stage, parts)
        epochs = self._epochs(stage, sum(seconds), extra) if parts else 0
        for part, group, cost in zip(parts, groups, seconds, strict=True):
            if epochs < min(LEAST, self._most(stage)) or self.clock() + cost * (epochs + extra) > self.deadline:
                return False
            self.ledger.found[stage].setdefault("epochs", epochs)  # for the networks that a later call has to add
            if group is None:
                group = self.group(part)
                group.prepare()
            begun = self.clock()
            if not group.run(epochs, self.deadline):
                return False
            rate = round(group.images * epochs / (self.clock() - begun))
            self._keep(stage, part, group, record, {"epochs": epochs, "images_per_second": rate, "how": group.how})
        return True

    def _measure(self, stage: str, parts: Sequence[Sequence[Trial]]) -> tuple[list[Group | None], list[float]]:
        """Build groups and measure seconds per epoch; a group of the same shapes as one before costs as much."""
        groups, seconds, known = [], [], {}
        for part in parts:
            shapes, group = tuple(trial.shape for trial in part), None
            if shapes not in known:
                group = self.group(part)
                rate, known[shapes] = group.prepare(), group.seconds_per_epoch
                self.say(f"{stage}: {', '.join(trial.name for trial in part)}: {rate:,.0f} images/s, {group.how}")
            groups.append(group)
            seconds.append(known[shapes])
        return groups, seconds

    def _epochs(self, stage: str, cost: float, extra: float) -> int:
        """Fit epochs into the stage's share of the time, where one of each network costs `cost` seconds."""
        to_come = list(SHARES)[list(SHARES).index(stage) :]
        left = self.deadline - self.clock() + 60 * self.settings.later
        share = left * SHARES[stage] / sum(SHARES[name] for name in to_come)
        fitting = int(CAREFUL * share / cost - extra)
        epochs = max(0, min(fitting, self._most(stage), self.ledger.found[stage].get("epochs", fitting)))
        self.say(f"{stage}: {share:.0f} s of {left:.0f} s are for it: {epochs} epochs of {cost:.2f} s")
        return epochs

    def _most(self, *stages: str) -> int:
        most = max(MOST[stage] for stage in stages)
        return most if self.settings.epochs is None else min(most, self.settings.epochs)

    def _keep(self, stage: str, part: Sequence[Trial], group: Group, record: Record, facts: dict[str, Any]) -> None:
        for trial, trainer in zip(part, group.trainers, strict=True):
            facts = facts | {"training_loss": round(float(trainer.loss), 4)}
            row = {"name": trial.name, "network": trial.shape.arguments(), **facts, **record(trial, trainer.averaged())}
            self.ledger.rows(stage).append(row)
            self.ledger.save()
            told = {name: value for name, value in row.items() if name not in ("network", "predicted", "name")}
            self.say(f"{stage}: {trial.name}: {told}")
