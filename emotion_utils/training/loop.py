"""Training: one step, then an epoch, then many, in a way that can stop anywhere and go on as if it had not.

Nothing depends on a random state: the order of the images, their augmentation and the units that dropout leaves out
are functions of (seed, epoch, step). So a checkpoint is weights, momentum and a few sums, and a run that was
killed and resumed ends with the same bits as one that was not (same machine, same number of threads).
"""

from contextlib import closing, nullcontext
from pathlib import Path

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import CheckpointError, check_whole
from emotion_utils.files import remove_leftovers
from emotion_utils.models.fit import check_fit
from emotion_utils.training.checkpoint import load_run, lock_folder, save_checkpoint, save_run
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History, describe_row
from emotion_utils.training.run import Loss, Run


def train(
    model: nn.Module,
    train_set: FaceDataset,
    val_set: FaceDataset | None,
    config: TrainConfig | None = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    loss: Loss | None = None,
) -> History:
    """Train `model` in place by stochastic gradient descent.

    Afterwards the model holds the last weights (their average, if `config.average` is set), is in evaluation mode and
    knows `mean`, `std` and `classes` of the training set. `history.best_weights` are those of the best epoch.

    Args:
        model: any network from normalised images `(N, 1, H, W)` to logits `(N, C)`.
        train_set: what to learn from.
        val_set: what to measure on after each epoch; None for none (then the last weights count as the best).
        config: all settings; None takes the defaults.
        run_dir: folder for `last.pt` (a checkpoint), `best.pt` and `history.csv`. What an earlier run left there moves
            to its sub-folder `previous`.
        resume: go on from `last.pt` in `run_dir`, or start if there is none.
        checkpoint_every: write `last.pt` also after this many steps, not only after each epoch.
        loss: `loss(logits, labels, index)` gives the loss of each image, `(B,)`, instead of cross-entropy; `index` says
            which images of the training set they are.

    Raises:
        ShapeError: model and data do not fit together; the message names the layer or the number of classes.
        DivergedError: the loss stopped being a finite number; the message says what to try.
        CheckpointError: `last.pt` is damaged, or of another model, other settings, data or loss.
        FolderInUseError: another run is writing into `run_dir`.
        ValueError: a device that is not there, a batch too small for batch norm, or checkpoints without a folder.
        OSError: a file cannot be written; the last checkpoint is whole.
        ImportError: `config.tensorboard` was asked for and is not installed.
    """
    config = config or TrainConfig()
    if checkpoint_every is not None:
        check_whole(1, None, ", or None", checkpoint_every=checkpoint_every)
    if run_dir is None and (resume or checkpoint_every):
        raise ValueError(
            f"run_dir=None: name the folder of checkpoints for resume={resume}, checkpoint_every={checkpoint_every}."
        )
    check_fit(model, train_set, val_set, training=True)
    run = Run(model, train_set, val_set, config, loss)
    folder = None if run_dir is None else Path(run_dir)
    writes = config.group.rank == 0
    with lock_folder(folder) if folder and writes else nullcontext():
        if folder:
            _go_on_or_clear(run, folder, resume)
        with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
            _train_to_the_end(run, folder if writes else None, checkpoint_every)
    model.load_state_dict(run.eval_model.state_dict())
    model.eval()
    return run.history


def _go_on_or_clear(run: Run, folder: Path, resume: bool) -> None:
    """Go back to the last checkpoint in `folder`, or else make room there."""
    last, writes = folder / "last.pt", run.group.rank == 0
    if writes:
        remove_leftovers(folder, age=0)  # of a run that was killed while it wrote
    if resume and last.exists():
        run.restore(*load_run(last), last)
    elif writes:
        _set_aside(folder)
    if resume:
        _check_same_place(run)


def _train_to_the_end(run: Run, folder: Path | None, checkpoint_every: int | None) -> None:
    """Train all epochs that are left, and after each write a checkpoint, an event and a line."""
    writes, tensorboard = run.group.rank == 0, run.config.tensorboard

    def save() -> None:
        if folder:
            save_run(run.description, run.state(), folder / "last.pt")

    with _open_tensorboard(tensorboard, len(run.history)) if tensorboard and writes else nullcontext() as writer:
        while not run.finished:
            improved = run.finish_epoch(save, checkpoint_every)
            row = run.history.rows[-1]
            if folder and improved:
                best = {"run": vars(run.description), "weights": run.history.best_weights, **row}
                save_checkpoint(best, folder / "best.pt")
            save()
            if folder:
                run.history.to_csv(folder / "history.csv")
            for column in row if writer else ():
                writer.add_scalar(column, row[column], row["epoch"])
            if run.config.progress and writes:
                print(describe_row(row, run.config.epochs), flush=True)


def _check_same_place(run: Run) -> None:
    """Raise CheckpointError unless all processes go on from the same step."""
    here = torch.tensor([len(run.history), run.progress.batch], device=run.device)
    if not torch.equal(run.group.all_reduce(here.clone()), run.group.world_size * here):
        raise CheckpointError(
            f"rank={run.group.rank}: this process would go on after epoch {len(run.history)}, batch "
            f"{run.progress.batch}, and others would not. Choose a run folder that all machines see."
        )


def _set_aside(folder: Path) -> None:
    """Move an earlier run's files to `folder/previous`, so that two runs never mix and none is lost at once."""
    for name in ("last.pt", "best.pt", "history.csv"):
        if (folder / name).exists():
            (folder / "previous").mkdir(exist_ok=True)
            (folder / name).replace(folder / "previous" / name)


def _open_tensorboard(folder: str | Path, epochs_done: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            f"tensorboard={str(folder)!r}: the package tensorboard is missing; install it, or leave the setting out."
        ) from error
    return closing(SummaryWriter(str(folder), purge_step=epochs_done + 1))
