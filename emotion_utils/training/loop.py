"""Training: one step, then an epoch, then many, in a way that can stop anywhere and go on as if it had not.

Nothing depends on a random state: the order of the images, their augmentation and the units that dropout leaves out
are functions of (seed, epoch, step); an augmentation of the reader's own that draws from Python's, NumPy's or PyTorch's
generator finds it seeded anew at each step. So a checkpoint is weights, momentum and a few sums, and a run that was
killed and resumed ends with the same bits as one that was not (same machine, same number of threads).
"""

from contextlib import closing, nullcontext
from pathlib import Path

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.device import pick_device
from emotion_utils.errors import CheckpointError, DivergedError, check_whole
from emotion_utils.files import as_path, remove_leftovers
from emotion_utils.models.arguments import check_yes
from emotion_utils.models.classes import match_classes, with_classes_of
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import check_model, warn
from emotion_utils.randomness import random_state_kept
from emotion_utils.training.checkpoint import load_checkpoint, load_run, save_checkpoint, save_run
from emotion_utils.training.config import TrainConfig, check_config
from emotion_utils.training.folder import check_held, end_setting_aside, lock_folder, note_launch, set_aside
from emotion_utils.training.history import History, describe_row
from emotion_utils.training.losses import Loss
from emotion_utils.training.run import Run
from emotion_utils.training.step import as_in_training
from emotion_utils.training.undo import Before


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
    knows `mean`, `std` and `classes` of the training set, and how common each class is in what it learnt
    (`facts_of(model).frequencies`; unknown with a loss of your own, as nobody sees what that makes of the classes:
    `set_facts` tells it then). `history.best_weights` are those of the best epoch.

    After an error the model is as it was before: weights, mode, device, and what it knew. An error or an interruption
    (KeyboardInterrupt) after the first step takes nothing of what was learnt: then the weights are those of the last
    step. Only where the loss ran away (DivergedError) are they the first ones again, as the last ones are of no use.

    Args:
        model: any network from normalised images `(N, 1, H, W)` to logits `(N, C)`.
        train_set: what to learn from; a `Subset` of a FaceDataset will do.
        val_set: what to measure on after each epoch; None for none (then the last weights count as the best).
        config: all settings; None takes the defaults.
        run_dir: folder for `last.pt` (a checkpoint), `best.pt` and `history.csv`. What an earlier run left there moves
            to its sub-folder `previous-1`, `previous-2`, …
        resume: go on from `last.pt` in `run_dir`, or start if there is none.
        checkpoint_every: write `last.pt` also after this many steps, not only after each epoch.
        loss: what to learn from instead of cross-entropy: an `nn.Module` or a function. One of `(logits, labels)` gives
            the mean over the batch, as `nn.CrossEntropyLoss(weight=…)` does, or one loss per image, `(B,)`. One of
            `(logits, labels, index)` gives one per image; `index` says which images of the training set they are.
            Required arguments tell them apart. `config.label_smoothing` is for cross-entropy alone. The history keeps
            plain cross-entropy.

    Raises:
        ShapeError: model and data do not fit together; the message names the layer or the number of classes.
        DivergedError: the loss stopped being a finite number; the message says what to try.
        CheckpointError: `last.pt` is damaged, or of another model, other settings, data or loss, by their content.
        FolderInUseError: another run is writing into `run_dir`.
        TypeError: no network, no data set, or a loss that takes other arguments or returns no tensor.
        ValueError: a device that is not there, a batch too small for batch norm, weights that are not finite, a loss of
            another shape, other classes than the model's, or checkpoints without a folder.
        OSError: a file cannot be written, or the folder was deleted meanwhile; the last checkpoint is whole.
        ImportError: `config.tensorboard` was asked for and is not installed.
    """
    config = check_config(config)
    resume = check_yes(resume=resume)
    if checkpoint_every is not None:
        checkpoint_every = check_whole(1, None, ", or None", checkpoint_every=checkpoint_every)
    if run_dir == "":
        raise ValueError("run_dir='': name a folder, or None to write no files.")
    if run_dir is None and (resume or checkpoint_every):
        raise ValueError(
            f"run_dir=None: name the folder of checkpoints for resume={resume}, checkpoint_every={checkpoint_every}."
        )
    folder = None if run_dir is None else as_path(run_dir, "run_dir").absolute()  # somebody may go elsewhere meanwhile
    train_set = as_face_dataset(train_set, "train_set")
    val_set = None if val_set is None else as_face_dataset(val_set, "val_set")
    _check_can_learn(model)
    with as_in_training(pick_device(config.device)):
        check_fit(model, train_set, val_set, training=True)
        train_set = _in_order_of(model, train_set, loss)
        val_set = None if val_set is None else with_classes_of(val_set, train_set.classes)
        return _learn(model, train_set, val_set, config, loss, folder, resume, checkpoint_every)


def _learn(
    model: nn.Module,
    train_set: FaceDataset,
    val_set: FaceDataset | None,
    config: TrainConfig,
    loss: Loss | None,
    folder: Path | None,
    resume: bool,
    checkpoint_every: int | None,
) -> History:
    """Do what `train` says, with arguments that were checked; after an error bring the model back."""
    before, run, writes = Before(model), None, config.group.rank == 0
    try:
        run = Run(model, train_set, val_set, config, loss)
        with lock_folder(folder) if folder and writes else nullcontext() as holder:
            if folder:
                _go_on_or_clear(run, folder, resume, holder)
            with random_state_kept([run.device]):
                try:
                    _train_to_the_end(run, folder if writes else None, checkpoint_every, holder)
                finally:  # after an interruption, too, a picture is finished with what was there
                    run.watching.end(run.history.rows)
        run.model.load_state_dict(run.eval_model.state_dict())
        before.bring_layout_back()
    except BaseException as error:
        before.restore(weights=run is None or run.steps_taken == 0 or isinstance(error, DivergedError))
        raise
    model.eval()
    return run.history


def _check_can_learn(model: nn.Module) -> None:
    """Raise an error for what is no network, or one without values."""
    check_model(model)
    if any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()]):
        raise ValueError(
            "model: its weights lie on the device 'meta', where nothing has a value; model.to_empty(…) first."
        )


def _in_order_of(model: nn.Module, train_set: FaceDataset, loss: Loss | None) -> FaceDataset:
    """Bring the labels to the order of the classes that a trained model knows, and say so."""
    match = match_classes(model, train_set)
    if match.order is None:
        return train_set
    if loss is not None:
        raise ValueError(
            f"{match.note}; a loss of your own cannot be brought along. Bring the data to the model's order first: "
            "with_classes_of(data, model.classes) from emotion_utils.models."
        )
    warn(f"{match.note}. For training, the labels of the data were brought to the order of the model.")
    return with_classes_of(train_set, match.model)


def _go_on_or_clear(run: Run, folder: Path, resume: bool, holder: str | None) -> None:
    """Go back to the last checkpoint in `folder`, or else make room there."""
    last, writes = folder / "last.pt", run.group.rank == 0
    if writes:
        remove_leftovers(folder, age=0)  # of a run that was killed while it wrote
        end_setting_aside(folder)
    if resume and last.exists():
        run.restore(*load_run(last), last)
        if writes and run.history.rows:
            _write_what_follows(run, folder, holder)
    elif writes:
        set_aside(folder)
        note_launch(folder, run.group.launch)
    if resume:
        _check_same_place(run)


def _write_what_follows(run: Run, folder: Path, holder: str | None, improved: bool | None = None) -> None:
    """Write `best.pt` and `history.csv`, which follow from `last.pt`; best.pt if it is another one than is there."""
    if improved is None:
        improved = not _is_best(run, folder / "best.pt")
    if improved:
        row = run.history.rows[run.history.best_epoch - 1]
        best = {"run": vars(run.description), "weights": run.history.best_weights, **row, "holder": holder}
        save_checkpoint(best, folder / "best.pt")
    check_held(folder, holder)
    run.history.to_csv(folder / "history.csv")


def _is_best(run: Run, path: Path) -> bool:
    """Say whether a file holds the best weights so far."""
    try:
        content = load_checkpoint(path)
        weights, best = content["weights"], run.history.best_weights
        same = weights.keys() == best.keys() and all(torch.equal(weights[name], best[name]) for name in best)
        return same and content["epoch"] == run.history.best_epoch and content["run"] == vars(run.description)
    except (OSError, CheckpointError, KeyError, AttributeError, TypeError):
        return False


def _train_to_the_end(run: Run, folder: Path | None, checkpoint_every: int | None, holder: str | None) -> None:
    """Train all epochs that are left, and after each write a checkpoint, an event and a line."""
    writes, tensorboard = run.group.rank == 0, run.config.tensorboard

    def save() -> None:
        if folder:
            save_run(run.description, run.state(), folder / "last.pt", holder)

    with _open_tensorboard(tensorboard, len(run.history)) if tensorboard and writes else nullcontext() as writer:
        while not run.finished:
            improved = run.finish_epoch(save, checkpoint_every)
            row = run.history.rows[-1]
            save()  # first: the other files follow from it
            if folder:
                _write_what_follows(run, folder, holder, improved)
            for column in row if writer else ():
                writer.add_scalar(column, row[column], row["epoch"])
            if run.shows_lines:
                print(describe_row(row, run.config.epochs), flush=True)


def _check_same_place(run: Run) -> None:
    """Raise CheckpointError unless all processes go on from the same step."""
    here = torch.tensor([len(run.history), run.progress.batch], device=run.device)
    if not torch.equal(run.group.all_reduce(here.clone()), run.group.world_size * here):
        raise CheckpointError(
            f"rank={run.group.rank}: this process would go on after epoch {len(run.history)}, batch "
            f"{run.progress.batch}, and others would not. Choose a run folder that all machines see."
        )


def _open_tensorboard(folder: str | Path, epochs_done: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            f"tensorboard={str(folder)!r}: the package tensorboard is missing. `python start.py add tensorboard` "
            "brings it, or in an environment of your own `python -m pip install tensorboard`."
        ) from error
    return closing(SummaryWriter(str(folder), purge_step=epochs_done + 1))
