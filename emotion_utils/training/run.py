"""A training run: its state, one step, one epoch, and how it is put into a checkpoint and taken out again."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.std import tqdm

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import pick_device
from emotion_utils.errors import CheckpointError, DivergedError, reason, show
from emotion_utils.models.base import check_same_weights
from emotion_utils.models.facts import facts_of, set_facts
from emotion_utils.models.handling import place_of, unwrap
from emotion_utils.models.inference import compute_logits
from emotion_utils.randomness import seed_everything, stream_key
from emotion_utils.training.averaging import moving_average
from emotion_utils.training.checkpoint import RunDescription, RunState, copy_weights
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.description import describe_run
from emotion_utils.training.history import History
from emotion_utils.training.layout import take_channels_last
from emotion_utils.training.learnt_mix import learnt_mix
from emotion_utils.training.losses import Loss, check_loss, cross_entropy_of_each
from emotion_utils.training.schedule import image_size_at, learning_rate_at
from emotion_utils.training.step import (
    check_same_layers_learn,
    epoch_batches,
    forward_losses,
    make_optimizer,
    resize_images,
    set_learning_rate,
    set_training_mode,
)
from emotion_utils.training.watching import Watching, shows_progress


@dataclass
class EpochProgress:
    """How far the present epoch has come.

    Attributes:
        sums: `(3,)`: cross-entropies, correct predictions and images, added up over the batches that are done.
        batch: how many batches are done.
        seconds: wall time of these batches.
    """

    sums: Tensor
    batch: int = 0
    seconds: float = 0.0


class Run:
    """A training run: what it was given, and how far it has come.

    Attributes:
        model: the network that the steps change, out of what it may be wrapped in.
        eval_model: the network that is validated and kept: the average of `model`'s weights, if there is one.
        config, loss: as given; group: of the config; device: where it computes.
        train_set, val_set: the data sets, on the device, augmented and normalised as the run needs them.
        history: of the finished epochs.
        progress: of the present epoch.
        watching: calls who watches.
        steps_taken: since the run was put together here.
    """

    def __init__(
        self,
        model: nn.Module,
        train_set: FaceDataset,
        val_set: FaceDataset | None,
        config: TrainConfig,
        loss: Loss | None = None,
    ) -> None:
        self.model, self.config, self.group = unwrap(model), config, config.group
        try:
            model.train()
        except NotImplementedError as error:
            name = type(model).__name__
            raise TypeError(
                f"model={name}: it was exported, and cannot be trained; give the network itself."
            ) from error
        self.device = pick_device(config.device)
        # All that may be refused comes first; the model is changed after it.
        self.loss = check_loss(loss, self.device, self.group.world_size)
        self.optimizer = make_optimizer(self.model, config)
        self.description = describe_run(self.model, train_set, val_set, config, loss)
        mix = learnt_mix(train_set, loss, config.label_smoothing)
        normalisation, notes = (train_set.mean, train_set.std), facts_of(self.model).notes
        set_facts(self.model, normalisation, train_set.classes, notes, mix)
        self.model.to(self.device)
        self.dtype = place_of(self.model)[1]
        seed = config.seed if config.augment else train_set.seed
        self.train_set = train_set.with_augment(config.augment or train_set.augment, seed).to(self.device)
        if val_set is not None:  # seen as the network is used to seeing images
            val_set = val_set.with_augment(None).with_normalisation(train_set.mean, train_set.std).to(self.device)
        self.val_set = val_set
        self.config = take_channels_last(self.model, self.train_set, config)
        self.wrapped = self.group.wrap(model)
        self.average = moving_average(self.model, config.average) if config.average else None
        self.eval_model = self.average.module if self.average else self.model
        self.batches_per_epoch = len(self.batches(1))
        self.history = History()
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        self.progress = EpochProgress(torch.zeros(3, dtype=exact, device=self.device))
        self.watching = Watching(config.watch if self.group.rank == 0 else None, config.epochs)
        self.steps_taken = 0

    @property
    def finished(self) -> bool:
        """True after the last epoch, or when patience has run out."""
        done, patience = len(self.history), self.config.patience
        waited = done - self.history.best_epoch
        return done >= self.config.epochs or (patience is not None and self.val_set is not None and waited >= patience)

    @property
    def shows_lines(self) -> bool:
        """True if this process prints a line per epoch and shows a bar: not beside a picture that says the same."""
        return self.config.progress and self.group.rank == 0 and not shows_progress(self.config.watch)

    def batches(self, epoch: int) -> list[Tensor]:
        """Give the batches of an epoch as tensors of indices, the same for all processes."""
        config = self.config
        return epoch_batches(len(self.train_set), config.batch_size, config.seed, epoch, self.group.world_size)

    def learning_rate(self, step: int) -> float:
        """Give the learning rate of a step, counted from 0 over the whole run."""
        return learning_rate_at(step, self.config.epochs * self.batches_per_epoch, self.config)

    def finish_epoch(self, save: Callable[[], None] = lambda: None, save_every: int | None = None) -> bool:
        """Train through the rest of the present epoch and validate; True if it is the best so far.

        `save` is called after each `save_every` steps of the whole run; None: not within the epoch.
        """
        epoch, progress = len(self.history) + 1, self.progress
        batches = self.batches(epoch)
        self.train_set.set_epoch(epoch)
        begun = time.perf_counter() - progress.seconds
        set_training_mode(self.wrapped)
        for number in self._bar(range(progress.batch, len(batches)), epoch):
            step = (epoch - 1) * len(batches) + number
            self.step(batches[number], step)
            progress.batch = number + 1
            # Reading the loss makes a GPU wait, so look only now and then.
            due = save_every and (step + 1) % save_every == 0
            if due or self.device.type == "cpu" or number % 20 == 0:
                self._check_finite(progress.sums[0], f"in epoch {epoch}, step {number + 1} of {len(batches)}", step)
            if due and progress.batch < len(batches):
                progress.seconds = time.perf_counter() - begun
                self._gather_sums()
                save()
            self.watching.step(progress.sums, epoch - 1 + progress.batch / len(batches), self.history.rows)
        self._check_finite(progress.sums[0], f"after epoch {epoch}", epoch * len(batches) - 1)
        return self._end_epoch(epoch, begun)

    def step(self, batch: Tensor, step: int) -> None:
        """Take one step of stochastic gradient descent on the images whose indices are `batch`."""
        config, group = self.config, self.group
        index = group.shard(batch)  # (B / world_size,)
        # For dropout, and for an augmentation of one's own that draws as all libraries do.
        seed_everything(stream_key(config.seed, "dropout", step, group.rank))
        images, labels = self.train_set.batch(index)
        if len(images) != len(index):
            raise ValueError(f"augment: it returned {len(images)} images for {len(index)}; give one for each.")
        images = resize_images(images, image_size_at(len(self.history) + 1, config)).to(self.dtype)
        logits, losses = forward_losses(self.wrapped, images, labels, index, config, self.loss)
        set_learning_rate(self.optimizer, self.learning_rate(step))
        self.optimizer.zero_grad()
        # The mean over the whole batch: processes may hold different numbers of its images.
        mean = losses if losses.ndim == 0 else losses.sum() * group.world_size / len(batch)
        mean.backward()
        self.optimizer.step()
        self.steps_taken += 1
        if self.average:
            self.average.update_parameters(self.model)
        with torch.no_grad():
            plain = cross_entropy_of_each(logits, labels) if config.label_smoothing or self.loss else losses
            correct = (logits.argmax(1) == labels).sum()
            sums = self.progress.sums
            sums += torch.stack([plain.detach().sum().to(sums), correct.to(sums), sums.new_tensor(len(index))])
            if self.loss:  # which may fail where cross-entropy does not
                sums[0] += torch.where(mean.detach().isfinite(), 0.0, mean.detach()).to(sums)

    def _bar(self, numbers: range, epoch: int) -> tqdm:
        """Show a bar while a long epoch runs; it goes away at the end, so that stored notebooks stay clean."""
        quiet = not self.shows_lines
        text = f"epoch {epoch}/{self.config.epochs}"
        return tqdm(numbers, text, leave=False, delay=2, mininterval=0.5, disable=quiet, file=sys.stderr, unit="step")

    def _gather_sums(self) -> None:
        """Hand the sums of all processes to rank 0, whose checkpoint then counts each image that any of them saw."""
        self.group.all_reduce(self.progress.sums)
        if self.group.rank > 0:
            self.progress.sums.zero_()

    def _check_finite(self, loss: Tensor | float, where: str, step: int) -> None:
        """Raise DivergedError if a loss, or a sum of losses, is not finite."""
        if math.isfinite(loss):
            return
        if self.steps_taken == 1:
            raise DivergedError(
                f"The loss is {float(loss)} {where}, the first one, before any weight has changed. So no rate is too "
                "large: look for images that are not finite (as an augmentation may make them), and for a model or a "
                "loss that divides by 0."
            )
        better = min(self.config.learning_rate / 10, 0.1)
        raise DivergedError(
            f"The loss is {float(loss)} {where}, at learning rate {self.learning_rate(step):.3g}: the steps were too "
            f"large. Try learning_rate={better:.1g}; lr_range_test shows which rates work. train() gives the model "
            "back as it was. If a small rate fails as well, look for inputs or a loss that are not finite."
        )

    def _end_epoch(self, epoch: int, begun: float) -> bool:
        """Validate, add a row to the history, and note the weights if they are the best so far."""
        loss, correct, count = self.group.all_reduce(self.progress.sums).tolist()
        val_loss, val_accuracy = self.validate()
        steps = range((epoch - 1) * self.batches_per_epoch, epoch * self.batches_per_epoch)
        if self.val_set is not None:
            self._check_finite(val_loss, f"on the validation images of epoch {epoch}", steps[-1])
        self.history.append(
            epoch=epoch,
            learning_rate=math.fsum(map(self.learning_rate, steps)) / len(steps),
            train_loss=loss / count,
            train_accuracy=correct / count,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.perf_counter() - begun,
        )
        self.watching.epoch(self.progress.sums, self.history.rows)
        self.progress = EpochProgress(torch.zeros_like(self.progress.sums))
        improved = self.history.best_epoch == epoch
        if improved:
            self.history.best_weights = copy_weights(self.eval_model.state_dict())
        return improved

    def validate(self) -> tuple[float, float]:
        """Measure mean cross-entropy and accuracy on the validation set; nan without one.

        Each process measures its shard, all with the network that rank 0 keeps.
        """
        if self.val_set is None:
            return math.nan, math.nan
        self.group.broadcast_buffers(self.eval_model)
        mine = self.group.shard(torch.arange(len(self.val_set)))
        exact = self.progress.sums.dtype
        sums = self.progress.sums.new_zeros(2)
        if len(mine):  # there may be fewer images than processes
            part = self.val_set if self.group.world_size == 1 else self.val_set.subset(mine)
            logits = compute_logits(self.eval_model, part, precision=self.config.precision)
            losses = cross_entropy_of_each(logits, part.labels)
            correct = (logits.argmax(1) == part.labels).sum()
            sums = torch.stack([losses.sum(dtype=exact), correct.to(exact)])
        loss, right = self.group.all_reduce(sums).tolist()
        return loss / len(self.val_set), right / len(self.val_set)

    def state(self) -> RunState:
        """Put together all that the run needs to go on."""
        return RunState(
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average=self.average.state_dict() if self.average else None,
            rows=self.history.rows,
            best_weights=self.history.best_weights,
            batch=self.progress.batch,
            seconds=self.progress.seconds,
            sums=self.progress.sums.tolist(),
            loss=self.loss.state() if self.loss else None,
        )

    def restore(self, description: RunDescription, state: RunState, path: Path) -> None:
        """Go back to where `state`, read from `path`, was taken.

        Raises:
            CheckpointError: `description` is that of another run.
        """
        check_same_weights(state.model, self.model, path)
        self.description.check_same(description, path)
        check_same_layers_learn(self.optimizer, state.optimizer, path)
        try:
            self.model.load_state_dict(state.model)
            self.optimizer.load_state_dict(state.optimizer)
            if self.average:
                self.average.load_state_dict(state.average)
            if self.loss:
                self.loss.restore(state.loss)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{show(path)} does not fit this run ({reason(error)}).") from error
        self.history = History(state.rows)
        self.history.best_weights = state.best_weights
        # Rank 0 goes on with the sums of all processes, see `_gather_sums`.
        sums = self.progress.sums.new_tensor(state.sums) * (self.group.rank == 0)
        self.progress = EpochProgress(sums, state.batch, state.seconds)
        self.watching.go_on(sums)
