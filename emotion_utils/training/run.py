"""A training run: its state, one step, one epoch, and how it is put into a checkpoint and taken out again."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.std import tqdm

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import pick_device
from emotion_utils.errors import CheckpointError, DivergedError
from emotion_utils.models.base import FaceModel, check_same_weights
from emotion_utils.models.inference import compute_logits
from emotion_utils.randomness import stream_key
from emotion_utils.training.averaging import AveragedWeights
from emotion_utils.training.checkpoint import copy_weights
from emotion_utils.training.config import TrainConfig, name_augment
from emotion_utils.training.distributed import Team
from emotion_utils.training.history import History
from emotion_utils.training.schedule import learning_rate_at, size_in
from emotion_utils.training.step import epoch_batches, forward_losses, make_optimizer, resize

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class Run:
    """A training run: what it was given, and how far it has come."""

    def __init__(
        self, model, train_set, val_set, config: TrainConfig, loss: Loss | None, team: Team, facts: dict | None = None
    ) -> None:
        self.model, self.config, self.loss, self.team, self.facts = model, config, loss, team, facts or {}
        self.device = pick_device(config.device)
        _copy_facts(model, train_set)
        model.to(self.device)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        seed = config.seed if config.augment else train_set.seed
        self.train_set = train_set.with_augment(config.augment or train_set.augment, seed).to(self.device)
        self.val_set = None if val_set is None else val_set.with_augment(None).to(self.device)
        if self.val_set is not None:  # seen as the network is used to seeing images
            self.val_set.mean, self.val_set.std = train_set.mean, train_set.std
        self.wrapped = team.wrap(model)
        self.optimizer = make_optimizer(model, config)
        self.average = AveragedWeights(model, config.average) if config.average else None
        self.history = History()
        self.batches_per_epoch = len(self.batches(1))
        self.batch = 0  # how many batches of the present epoch are done
        self.seconds = 0.0
        # Sums over the images of the present epoch: cross-entropy, correct predictions, images.
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        self.sums = torch.zeros(3, dtype=exact, device=self.device)

    @property
    def shown(self) -> nn.Module:
        """The model that is validated and kept: the averaged one, if there is one."""
        return self.average.model if self.average else self.model

    @property
    def finished(self) -> bool:
        """True after the last epoch, or when patience has run out."""
        done, patience = len(self.history), self.config.patience
        waited = done - self.history.best_epoch
        return done >= self.config.epochs or (patience is not None and self.val_set is not None and waited >= patience)

    def batches(self, epoch: int) -> list[Tensor]:
        """Give the batches of an epoch as tensors of indices, the same for the whole team."""
        return epoch_batches(len(self.train_set), self.config.batch_size, self.config.seed, epoch, self.team.size)

    def epoch_to_its_end(self, checkpoint_every: int | None, save: Callable[[], None]) -> bool:
        """Train through the rest of the present epoch and validate; True if it is the best so far."""
        epoch = len(self.history) + 1
        batches = self.batches(epoch)
        self.train_set.set_epoch(epoch)
        begun = time.perf_counter() - self.seconds
        self.wrapped.train()
        for number in _bar(range(self.batch, len(batches)), epoch, self):
            step = (epoch - 1) * len(batches) + number
            self.step(batches[number], step)
            self.batch = number + 1
            # Reading the loss makes a GPU wait, so look only now and then.
            due = checkpoint_every and (step + 1) % checkpoint_every == 0
            if due or self.device.type == "cpu" or number % 20 == 0:
                self.check_finite(f"in epoch {epoch}, step {number + 1} of {len(batches)}", step)
            if due and self.batch < len(batches):
                self.seconds = time.perf_counter() - begun
                self.pool_sums()
                save()
        self.check_finite(f"after epoch {epoch}", epoch * len(batches) - 1)
        return self.end_epoch(epoch, begun)

    def step(self, batch: Tensor, step: int) -> None:
        """Take one step of stochastic gradient descent on the images whose indices are `batch`."""
        config = self.config
        index = self.team.share(batch)
        images, labels = self.train_set.batch(index)
        images = resize(images, size_in(len(self.history) + 1, config))
        torch.manual_seed(stream_key(config.seed, "dropout", step, self.team.rank))
        logits, losses = forward_losses(self.wrapped, images, labels, index, config, self.loss)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config.epochs * self.batches_per_epoch, config)
        self.optimizer.zero_grad()
        # The mean over the whole team's batch: members may hold different numbers of images.
        (losses.sum() * self.team.size / len(batch)).backward()
        self.optimizer.step()
        if self.average:
            self.average.update(self.model)
        with torch.no_grad():
            plain = F.cross_entropy(logits, labels, reduction="none") if config.label_smoothing or self.loss else losses
            correct = (logits.argmax(1) == labels).sum()
            self.sums += torch.stack(
                [plain.detach().sum().to(self.sums), correct.to(self.sums), self.sums.new_tensor(len(index))]
            )

    def pool_sums(self) -> None:
        """Hand all members' sums to rank 0, whose checkpoint then counts each image that the team has seen once."""
        self.team.total(self.sums)
        if self.team.rank > 0:
            self.sums.zero_()

    def check_finite(self, where: str, step: int) -> None:
        """Raise DivergedError if the sum of the losses is not finite."""
        total = float(self.sums[0])
        if not math.isfinite(total):
            raise self.diverged(total, where, step)

    def diverged(self, loss: float, where: str, step: int) -> DivergedError:
        """Make the error for a loss that is not finite."""
        rate = learning_rate_at(step, self.config.epochs * self.batches_per_epoch, self.config)
        better = min(self.config.learning_rate / 10, 0.1)
        return DivergedError(
            f"The loss is {loss} {where}, at learning rate {rate:.3g}: the steps were too large. Build a new model, as "
            f"the weights of this one are spoilt, and try learning_rate={better:.1g}; lr_range_test shows which rates "
            "work. If a small rate fails as well, look for weights or inputs that are not finite."
        )

    def end_epoch(self, epoch: int, begun: float) -> bool:
        """Validate, add a row to the history, and note the weights if they are the best so far."""
        loss, correct, count = self.team.total(self.sums).tolist()
        val_loss, val_accuracy = self.validate()
        steps = self.batches_per_epoch
        if self.val_set is not None and not math.isfinite(val_loss):
            raise self.diverged(val_loss, f"on the validation images of epoch {epoch}", epoch * steps - 1)
        rates = [
            learning_rate_at(step, self.config.epochs * steps, self.config)
            for step in range((epoch - 1) * steps, epoch * steps)
        ]
        self.history.append(
            epoch=epoch,
            learning_rate=math.fsum(rates) / steps,
            train_loss=loss / count,
            train_accuracy=correct / count,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.perf_counter() - begun,
        )
        self.sums.zero_()
        self.batch, self.seconds = 0, 0.0
        improved = self.history.best_epoch == epoch
        if improved:
            self.history.best_weights = copy_weights(self.shown.state_dict())
        return improved

    def validate(self) -> tuple[float, float]:
        """Measure mean cross-entropy and accuracy on the validation set; nan without one.

        Each member measures its share, all with the network that rank 0 keeps.
        """
        if self.val_set is None:
            return math.nan, math.nan
        self.team.align(self.shown)
        mine = self.team.share(torch.arange(len(self.val_set)))
        part = self.val_set if self.team.size == 1 else self.val_set.subset(mine)
        logits = compute_logits(self.shown, part, precision=self.config.precision)
        losses = F.cross_entropy(logits, part.labels, reduction="none")
        correct = (logits.argmax(1) == part.labels).sum()
        sums = torch.stack([losses.sum(dtype=self.sums.dtype), correct.to(self.sums)])
        loss, right = self.team.total(sums).tolist()
        return loss / len(self.val_set), right / len(self.val_set)

    def describe(self) -> dict[str, Any]:
        """Say what this run is; two runs that agree on this may continue each other."""
        data, model = self.train_set, self.model
        return {
            "architecture": {
                "kind": type(model).__name__,
                "arguments": model.config if isinstance(model, FaceModel) else None,
            },
            "classes": list(data.classes),
            "settings": self.config.to_dict(),
            "data": {
                "name": data.name,
                "images": len(data),
                "validation images": 0 if self.val_set is None else len(self.val_set),
                "mean": data.mean,
                "std": data.std,
                "augmentation": name_augment(data.augment),
            },
            "facts": self.facts,
        }

    def state(self) -> dict[str, Any]:
        """Put all that a resume needs into one dictionary."""
        return self.describe() | {
            "rows": self.history.rows,
            "best_weights": self.history.best_weights,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average and {"model": self.average.model.state_dict(), "updates": self.average.updates},
            "batch": self.batch,
            "sums": self.sums.tolist(),
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Go back to where `state` was taken.

        Raises:
            CheckpointError: it was taken from another architecture, other classes, settings, data or facts, or holds
                weights alone.
        """
        if "model" not in state:
            raise CheckpointError(f"{path} holds weights, not a run that can go on. Put a run's last.pt in its place.")
        check_same_weights(state["model"], self.model, path)
        mine = self.describe()
        _compare("architecture", _flat(state["architecture"]), _flat(mine["architecture"]), path)
        for part in ("classes", "settings", "data", "facts"):
            _compare(part, state.get(part, {}), mine[part], path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.model.load_state_dict(state["average"]["model"])
            self.average.updates = state["average"]["updates"]
        self.history = History(state["rows"])
        self.history.best_weights = state["best_weights"]
        self.batch, self.seconds = state["batch"], state["seconds"]
        if self.team.rank == 0:  # see `pool_sums`
            self.sums.copy_(torch.tensor(state["sums"], dtype=self.sums.dtype))


def _copy_facts(model: nn.Module, train_set: FaceDataset) -> None:
    """Let the model know how its images are normalised and what its classes are called, if it has a place for that."""
    if isinstance(model, FaceModel):
        model.mean.fill_(train_set.mean)
        model.std.fill_(train_set.std)
        model.classes = tuple(train_set.classes)


def _flat(architecture: dict[str, Any]) -> dict[str, Any]:
    """Put a network's kind and arguments side by side, so that a message can name the one that differs."""
    return {"kind": architecture["kind"], **(architecture["arguments"] or {})}


def _bar(numbers: range, epoch: int, run: Run):
    """Show a bar while a long epoch runs; it goes away at the end, so that stored notebooks stay clean."""
    quiet = not run.config.progress or run.team.rank > 0
    text = f"epoch {epoch}/{run.config.epochs}"
    return tqdm(numbers, text, leave=False, delay=2, mininterval=0.5, disable=quiet, file=sys.stderr, unit="step")


# Settings that may differ between a run and its continuation, because no result depends on them.
_FREE = ("progress", "device")


def _compare(part: str, there: Any, here: Any, path: Path) -> None:
    """Raise CheckpointError, naming what differs, unless the checkpoint belongs to the same run."""
    if isinstance(there, dict):
        keys = [key for key in here if key not in _FREE and there.get(key) != here[key]]
        differences = [f"{key} was {there.get(key)!r} and is {here[key]!r} now" for key in keys]
    else:
        differences = [] if there == here else [f"they were {there} and are {here} now"]
    if differences:
        raise CheckpointError(
            f"{path} belongs to a run with other {part}: {'; '.join(differences)}. Go on with the old ones, or start "
            "a new run in another folder."
        )
