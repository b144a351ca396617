"""Training: one step, then an epoch, then many, in a way that can stop anywhere and go on as if it had not.

Nothing depends on a random state: the order of the images, their augmentation and the units that dropout leaves out
are functions of (seed, epoch, step). So a checkpoint is weights, momentum and a few sums, and a run that was
killed and resumed ends with the same bits as one that was not (same machine, same number of threads).
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import CheckpointError
from emotion_utils.models.shapes import check_fit
from emotion_utils.training.checkpoint import load_checkpoint, lock_folder, save_checkpoint
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distributed import Team
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
    tensorboard: str | Path | None = None,
    checkpoint_every: int | None = None,
    loss: Loss | None = None,
    team: Team | None = None,
    facts: dict[str, Any] | None = None,
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
        tensorboard: folder for TensorBoard's event files.
        checkpoint_every: write `last.pt` also after this many steps, not only after each epoch.
        loss: `loss(logits, labels, index)` gives the loss of each image, `(B,)`, instead of cross-entropy; `index` says
            which images of the training set they are.
        team: processes that share the work; None works alone.
        facts: what else a run and its continuation must agree on, such as the teacher behind `loss`.

    Raises:
        ShapeError: model and data do not fit together; the message names the layer or the number of classes.
        DivergedError: the loss stopped being a finite number; the message says what to try.
        CheckpointError: `last.pt` is damaged, or of another model, other settings, data or facts.
        FolderInUseError: another run is writing into `run_dir`.
        ValueError: a device that is not there, or a batch too small for batch norm.
        OSError: a file cannot be written; the last checkpoint is whole.
        ImportError: `tensorboard` was asked for and is not installed.
    """
    config = config or TrainConfig()
    if run_dir is None and (resume or checkpoint_every):
        raise ValueError("resume and checkpoint_every need run_dir=…, the folder where checkpoints lie.")
    check_fit(model, train_set, val_set)
    run = Run(model, train_set, val_set, config, loss, team or Team(), facts)
    if run_dir is None or run.team.rank > 0:
        return _finish(run, run_dir, resume, tensorboard, checkpoint_every)
    with lock_folder(run_dir):
        for part in Path(run_dir).glob(".*.part"):  # left by a run that was killed while it wrote
            part.unlink()
        return _finish(run, run_dir, resume, tensorboard, checkpoint_every)


def _finish(run: Run, run_dir, resume: bool, tensorboard, checkpoint_every: int | None) -> History:
    """Restore what there is to restore, then run to the end, writing checkpoints and event files."""
    folder = None if run_dir is None else Path(run_dir)
    if folder and resume and (folder / "last.pt").exists():
        run.restore(load_checkpoint(folder / "last.pt"), folder / "last.pt")
    elif folder and run.team.rank == 0:
        _set_aside(folder)
    if resume:
        _check_same_place(run)
    if run.team.rank > 0:
        folder = tensorboard = None
    writer = _open_tensorboard(tensorboard, len(run.history)) if tensorboard else None

    def save() -> None:
        if folder:
            save_checkpoint(run.state(), folder / "last.pt")

    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        while not run.finished:
            improved = run.epoch_to_its_end(checkpoint_every, save)
            row = run.history.rows[-1]
            if folder:
                if improved:
                    save_checkpoint(run.describe() | {"weights": run.history.best_weights, **row}, folder / "best.pt")
                save()
                run.history.to_csv(folder / "history.csv")
            for column in row if writer else ():
                writer.add_scalar(column, row[column], row["epoch"])
            if run.config.progress and run.team.rank == 0:
                print(describe_row(row, run.config.epochs), flush=True)
    if writer:
        writer.close()
    run.model.load_state_dict(run.shown.state_dict())
    run.model.eval()
    return run.history


def _check_same_place(run: Run) -> None:
    """Raise CheckpointError unless all members of the team go on from the same step."""
    here = torch.tensor([len(run.history), run.batch], device=run.device)
    if not torch.equal(run.team.total(here.clone()), run.team.size * here):
        raise CheckpointError(
            f"Process {run.team.rank} would go on after epoch {len(run.history)}, batch {run.batch}, and others would "
            "not. The run folder must be one that all machines see."
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
            "tensorboard=… needs the package tensorboard: install it, or leave the argument out."
        ) from error
    return SummaryWriter(str(folder), purge_step=epochs_done + 1)
