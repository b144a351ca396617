"""Train a recipe from a shell: `python -m emotion_utils train fer2013 --preset fast`, also under torchrun.

Several processes on one machine, here two: `torchrun --nproc-per-node 2 -m emotion_utils train fer2013`. On several
machines, the same on each, with `--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500` added before `-m`. If a
process dies, `--max-restarts 3` starts all of them anew and training goes on from the last checkpoint; the run folder
must then be one that all machines see.
"""

import argparse
import dataclasses
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion_utils.commands.options import path_option
from emotion_utils.commands.reporting import print_accuracy
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import Bf16Choice, choose_bf16, pick_device
from emotion_utils.errors import check_whole, show
from emotion_utils.evaluation.confidence import fit_temperature
from emotion_utils.files import as_path, is_file
from emotion_utils.models.base import FaceModel
from emotion_utils.models.facts import remember
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.randomness import seed_everything
from emotion_utils.training.checkpoint import load_run
from emotion_utils.training.distillation import SoftLabelCrossEntropy, mix_targets, view_probabilities
from emotion_utils.training.distributed import ProcessGroup, destroy_process_group, init_process_group
from emotion_utils.training.folder import launch_of
from emotion_utils.training.history import History
from emotion_utils.training.judgements import CHECKSUM, load_judgements
from emotion_utils.training.loop import train
from emotion_utils.training.recipes import PRESETS, RECIPES, Recipe, RecipeData, find_recipe, load_recipe_data


@dataclass(frozen=True)
class TrainingJob:
    """What to train, and how; the attributes are the options of the command, in the same words."""

    data: str
    preset: str
    run_dir: Path
    resume: bool
    holdout: bool
    test: bool
    data_dir: Path | None
    start_from: str | None
    teacher: str | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    weight_decay: float | None
    seed: int
    drop_twins: bool
    limit: int | None
    device: str
    precision: str
    checkpoint_every: int | None

    def check(self) -> None:
        """Raise a ValueError or an OSError for what cannot work, before data are loaded, which takes its time."""
        for name in ("limit", "checkpoint_every"):
            if getattr(self, name) is not None:
                check_whole(1, **{name: getattr(self, name)})
        pick_device(self.device)
        configure(find_recipe(self.data, self.preset), self, "fp32")
        for place in (self.run_dir, *self.run_dir.parents):
            if is_file(place):
                raise NotADirectoryError(f"run_dir={show(self.run_dir)}: {show(place, 99)} is a file; choose a folder.")
        for start in filter(None, (self.start_from, self.teacher)):
            if not is_file(file_of(start)):
                load_weights(file_of(start))  # says what is wrong


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    data = sorted({name for name, _ in RECIPES})
    add("data", choices=data, help="what to learn from; ferplus is fer2013 with the crowd's votes as labels")
    add("--preset", choices=PRESETS, default="fast", help="which recipe (default: fast)")
    add("--run-dir", type=path_option, help="folder for checkpoints and weights (default: runs/DATA-PRESET)")
    add("--resume", action="store_true", help="go on from the last checkpoint in the run folder")
    add("--holdout", action="store_true", help="leave validation images out, also where a recipe takes all")
    add("--test", action="store_true", help="measure on the test split at the end; look once, choose nothing")
    add("--data-dir", type=path_option, help="where the data lies (default: EMOTION_DATA_DIR, else data/)")
    add("--start-from", metavar="WEIGHTS", help="fine-tune: a file of weights, or the name of shipped ones")
    add("--teacher", metavar="WEIGHTS", help="learn also from this network: a file, or the name of a shipped one")
    add("--epochs", type=int, help="another number of epochs than the recipe's")
    add("--batch-size", type=int, help="another batch size than the recipe's, over all processes together")
    add("--learning-rate", type=float, help="another learning rate than the recipe's")
    add("--weight-decay", type=float, help="another weight decay than the recipe's")
    add("--seed", type=int, default=0, help="decides starting weights, order and augmentation")
    add("--drop-twins", action="store_true", help="don't learn images that are identical to a test image")
    add("--limit", type=int, help="use so many images of each part only, for a trial")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="auto: bf16 where it is faster")
    add("--threads", type=int, help="CPU threads of each process")
    add("--checkpoint-every", type=int, metavar="STEPS", help="also write a checkpoint after so many steps")


def run(options: argparse.Namespace) -> None:
    """Train as the command line says, also as one of several processes that torchrun started."""
    if options.threads is not None:
        torch.set_num_threads(check_whole(1, max(64, os.cpu_count() or 1), threads=options.threads))
    asked = {field.name: getattr(options, field.name) for field in dataclasses.fields(TrainingJob)}
    asked["run_dir"] = options.run_dir or Path("runs") / f"{options.data}-{options.preset}"
    job = TrainingJob(**asked)
    job.check()
    try:
        group = init_process_group(options.device)
        train_job(dataclasses.replace(job, resume=job.resume or goes_on(job.run_dir, group, job.device)), group)
    finally:
        destroy_process_group()


def goes_on(run_dir: Path, group: ProcessGroup, device: str = "auto") -> bool:
    """Say whether torchrun has started the processes anew, and a run of theirs is in the folder to go on with.

    An older run that lies there is none of theirs: the first life may have ended before it set that aside.
    """
    if not group.restarted:
        return False
    mine = group.rank == 0 and group.launch is not None and launch_of(run_dir) == group.launch
    return bool(group.all_reduce(torch.tensor([int(mine)], device=pick_device(device))))  # as rank 0 says


def train_job(job: TrainingJob, group: ProcessGroup) -> tuple[FaceModel, History]:
    """Load the data, build the network, train it, and report; all processes of a group call this."""
    precision = choose_precision(job, group)
    recipe = configure(find_recipe(job.data, job.preset), job, precision.name)
    writes = group.rank == 0
    data = load_recipe_data(recipe, job.data, job.data_dir, job.limit, job.drop_twins, verbose=writes)
    seed_everything(job.seed)
    classes = data.training.classes
    model = load_start(job.start_from, classes).train() if job.start_from else recipe.make(data.training)
    if writes:
        parameters = sum(p.numel() for p in model.parameters())
        held = f"{len(data.validation):,} for validation" if data.validation else "none held out"
        print(f"{job.data}, {job.preset}: {parameters:,} parameters, {len(data.training):,} images, {held}")
        print(f"{precision.name} ({precision.why}), {group.world_size} × {torch.get_num_threads()} threads", flush=True)
    begun = time.perf_counter()
    teacher = load_start(job.teacher, classes).to(pick_device(job.device)) if job.teacher else None
    targets = soft_targets(recipe, data, teacher)
    history = train(
        model,
        data.training,
        data.validation,
        dataclasses.replace(recipe.config, device=job.device, group=group),
        run_dir=job.run_dir,
        resume=job.resume,
        checkpoint_every=job.checkpoint_every,
        loss=None if targets is None else SoftLabelCrossEntropy(targets),
    )
    if writes:
        print(f"{sum(history['seconds']):.0f} s of training, {time.perf_counter() - begun:.0f} s since the start")
        finish(model, job, recipe, data)
    return model, history


def finish(model: FaceModel, job: TrainingJob, recipe: Recipe, data: RecipeData) -> None:
    """Scale the temperature where there are images for it, print accuracies, and save the weights."""
    temperature = 1.0
    if data.validation:
        temperature = scale_temperature(model, data.validation)
        remember(model, data.training)  # fitted to labels, it takes back what soft or smoothed targets did to their mix
        print_accuracy(model, data.validation, "validation")
    if data.soft_labels is not None:
        model.frequencies = None  # of votes: a stray one for disgust is no face that shows it, see `learnt_mix`
    if job.test:
        print_accuracy(model, data.load_test(), "test")
    teacher = job.teacher or ("five teachers of folds" if recipe.judged else None)
    facts = {
        "data": job.data,
        "preset": job.preset,
        "seed": job.seed,
        "epochs": recipe.config.epochs,
        "started_from": job.start_from,
        "teacher": f"{teacher}, share {recipe.teacher_share}" if teacher else None,
        "protocol": "fixed schedule, last weights" + (" (averaged)" if recipe.config.average else ""),
        "temperature": temperature,
        "images": len(data.training),
    }
    print(f"Weights: {save_weights(model, job.run_dir / 'weights.safetensors', facts)}")


def configure(recipe: Recipe, job: TrainingJob, precision: str) -> Recipe:
    """Replace what the command line says otherwise, and note what the run learns from besides the data."""
    changes: dict[str, Any] = {"seed": job.seed, "precision": precision}
    for name in ("epochs", "batch_size", "learning_rate", "weight_decay"):
        if getattr(job, name) is not None:
            changes[name] = getattr(job, name)
    origin = []
    if job.start_from:
        origin.append(f"start from {fingerprint(job.start_from)}")
    if job.teacher:
        origin.append(f"teacher {fingerprint(job.teacher)}, share {recipe.teacher_share}")
    elif recipe.judged:
        origin.append(f"teachers {CHECKSUM[:12]}, share {recipe.teacher_share}")
    config = dataclasses.replace(recipe.config, origin="; ".join(origin), **changes)
    return dataclasses.replace(recipe, config=config, all_training=recipe.all_training and not job.holdout)


def fingerprint(start: str) -> str:
    """Tell a file of weights from others by its content: the file may move, and a run still goes on with it alone."""
    try:
        return f"weights {hashlib.sha256(file_of(start).read_bytes()).hexdigest()[:12]}"
    except OSError:  # `load_start` explains it
        return start


def soft_targets(recipe: Recipe, data: RecipeData, teacher: FaceModel | None) -> Tensor | None:
    """Give the targets to learn, float32 `(N, C)`: votes, a teacher's probabilities mixed in; None for plain labels."""
    if teacher is not None:
        views = dataclasses.replace(recipe.config.augment, erase=0.0)  # what is covered, nobody can judge
        probabilities = view_probabilities(teacher, data.training, views)
    elif recipe.judged:
        probabilities = load_judgements(data.training)
    else:
        return data.soft_labels
    labels = data.training.labels if data.soft_labels is None else data.soft_labels
    return mix_targets(probabilities, labels, recipe.teacher_share)


def scale_temperature(model: FaceModel, validation: FaceDataset) -> float:
    """Divide the logits by a temperature, once and for all, so that probabilities mean what they say; return it.

    The last layer is linear, so dividing its weights and biases divides the logits. No prediction changes.
    """
    temperature = fit_temperature(compute_logits(model, validation).cpu(), validation.labels)
    temperature = min(max(temperature, 0.25), 4.0)  # after a trial that learnt nothing, spare the weights
    *_, last = (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        last.weight /= temperature
        last.bias /= temperature
    return round(temperature, 4)


def file_of(start: str) -> Path:
    """Give the file of a network to start from, or to learn from: `start` is its path, or a name that ships."""
    return FOLDER / f"{start}.safetensors" if start in CHECKSUMS else as_path(start)


def load_start(start: str, classes: tuple[str, ...]) -> FaceModel:
    """Load the network to start from, or to learn from."""
    return load_weights(file_of(start), classes=classes, sha256=CHECKSUMS.get(start))


@dataclass(frozen=True)
class Precision:
    """The precision of a run, and why it is that."""

    name: str
    why: str


def choose_precision(job: TrainingJob, group: ProcessGroup) -> Precision:
    """Turn "auto" into "bf16" or "fp32", the same for all processes, and on one machine the same each time.

    A run that goes on, perhaps on another machine, keeps the precision of its checkpoint.
    """
    last = job.run_dir / "last.pt"
    if job.precision != "auto":
        return Precision(job.precision, "as asked for")
    if job.resume and last.exists():
        return Precision(load_run(last)[0].settings["precision"], "as the run began")
    device = pick_device(job.device)
    return agree_on_precision(choose_bf16(device), device, group)


def agree_on_precision(choice: Bf16Choice, device: torch.device, group: ProcessGroup) -> Precision:
    """Choose bfloat16 only if it is faster for all processes of the group."""
    votes = float(group.all_reduce(torch.tensor([float(choice.faster)], device=device)))
    if votes == group.world_size or not choice.faster:
        return Precision("bf16" if choice.faster else "fp32", choice.why)
    return Precision("fp32", f"{votes:.0f} of {group.world_size} processes are faster with bf16")
