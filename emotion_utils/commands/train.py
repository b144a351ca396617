"""Train a recipe from a shell: `python -m emotion_utils train fer2013 --preset fast`, also under torchrun.

Several processes on one machine, here two: `torchrun --nproc-per-node 2 -m emotion_utils train fer2013`. On several
machines, the same on each, with `--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500` added before `-m`. If a
process dies, `--max-restarts 3` starts the team anew and training goes on from the last checkpoint; the run folder must
then be one that all machines see.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import torch
from torch import Tensor

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import bf16_is_faster, pick_device
from emotion_utils.evaluation.confidence import fit_temperature
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.base import FaceModel
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.pretrained import CHECKSUMS, FOLDER, load_weights, save_weights
from emotion_utils.models.views import FlipAverage
from emotion_utils.randomness import seed_everything
from emotion_utils.training.checkpoint import load_checkpoint
from emotion_utils.training.distillation import judge_by_folds, mix_targets, view_probabilities, vote_loss
from emotion_utils.training.distributed import Team, join_team, leave_team, was_restarted
from emotion_utils.training.history import History
from emotion_utils.training.loop import train
from emotion_utils.training.recipes import RECIPES, Data, Recipe, load_for

# A teacher of folds need not be the best network there is: less than half of the fast recipe's epochs do.
TEACHER_EPOCHS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    data = sorted({name for name, _ in RECIPES})
    add("data", choices=data, help="what to learn from; ferplus is fer2013 with the crowd's votes as labels")
    add("--preset", choices=["fast", "first", "best"], default="fast", help="which recipe (default: fast)")
    add("--run-dir", type=Path, help="folder for checkpoints and weights (default: runs/DATA-PRESET)")
    add("--resume", action="store_true", help="go on from the last checkpoint in the run folder")
    add("--holdout", action="store_true", help="leave validation images out, also where a recipe takes all")
    add("--test", action="store_true", help="measure on the test split at the end; look once, choose nothing")
    add("--data-dir", type=Path, help="where the data lies (default: EMOTION_DATA_DIR, else data/)")
    add("--start-from", metavar="WEIGHTS", help="fine-tune: a file of weights, or the name of shipped ones")
    add("--teacher", metavar="WEIGHTS", help="learn also from this network: a file or a name; or folds")
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
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        run_recipe(options, join_team(options.device))
    finally:
        leave_team()


def run_recipe(options: argparse.Namespace, team: Team) -> tuple[FaceModel, History]:
    """Load the data, build the network, train it, and report; all processes of a team call this."""
    if (options.data, options.preset) not in RECIPES:
        known = [preset for name, preset in RECIPES if name == options.data]
        raise ValueError(f"There is no preset {options.preset!r} for {options.data}; choose one of {', '.join(known)}.")
    folder = options.run_dir or Path("runs") / f"{options.data}-{options.preset}"
    resume = options.resume or was_restarted()
    precision = choose_precision(options, team, folder / "last.pt" if resume else None)
    recipe = with_options(RECIPES[options.data, options.preset], options, precision)
    leads = team.rank == 0
    data = load_for(recipe, options.data, options.data_dir, options.limit, options.drop_twins, verbose=leads)

    seed_everything(options.seed)
    if options.start_from:
        model = load_start(options.start_from, data.training.classes).train()
    else:
        model = recipe.make(data.training)
    if leads:
        parameters = sum(p.numel() for p in model.parameters())
        held = f"{len(data.validation):,} for validation" if data.validation else "none held out"
        print(f"{options.data}, {options.preset}: {parameters:,} parameters, {len(data.training):,} images, {held}")
        print(f"{recipe.config.precision}, {team.size} × {torch.get_num_threads()} threads", flush=True)
    begun = time.perf_counter()
    targets = soft_targets(recipe, data, options, team, folder, resume)
    teacher = options.teacher and f"{options.teacher}, share {recipe.teacher_share}"
    origin = {"started_from": options.start_from, "teacher": teacher}
    history = train(
        model,
        data.training,
        data.validation,
        recipe.config,
        run_dir=folder,
        resume=resume,
        checkpoint_every=options.checkpoint_every,
        loss=None if targets is None else vote_loss(targets),
        team=team,
        facts=origin,
    )
    if leads:
        print(f"{sum(history['seconds']):.0f} s of training, {time.perf_counter() - begun:.0f} s since the start")
        facts = {"data": options.data, "preset": options.preset, "seed": options.seed, "epochs": recipe.config.epochs}
        facts |= origin
        facts["protocol"] = "fixed schedule, last weights" + (" (averaged)" if recipe.config.average else "")
        facts["temperature"] = cool(model, recipe, data.validation)
        report(model, data.validation, "validation")
        if options.test:
            report(model, data.test(), "test")
        path = save_weights(model, folder / "weights.safetensors", facts | {"images": len(data.training)})
        print(f"Weights: {path}")
    return model, history


def soft_targets(
    recipe: Recipe, data: Data, options: argparse.Namespace, team: Team, folder: Path, resume: bool
) -> Tensor | None:
    """Give the targets to learn, float32 `(N, C)`: votes, a teacher's probabilities mixed in; None for plain labels."""
    if options.teacher is None:
        return data.targets
    training = data.training
    if options.teacher == "folds":
        probabilities = fold_probabilities(recipe, training, options, team, folder, resume)
    else:
        teacher = load_start(options.teacher, training.classes).to(pick_device(recipe.config.device))
        views = dataclasses.replace(recipe.config.augment, erase=0.0)  # what is covered, nobody can judge
        probabilities = view_probabilities(teacher, training, views)
    told = training.labels if data.targets is None else data.targets
    return mix_targets(probabilities, told, recipe.teacher_share)


def fold_probabilities(
    recipe: Recipe, training: FaceDataset, options: argparse.Namespace, team: Team, folder: Path, resume: bool
) -> Tensor:
    """Train a teacher for each fold, without that fold, and give what they think of it, float32 `(N, C)`.

    Teachers learn the fast recipe in fewer epochs, in `fold-1`, `fold-2` … of the run folder.
    """
    quick = RECIPES["synthetic" if options.data == "synthetic" else "fer2013", "fast"]
    settings = {"seed": options.seed, "device": options.device, "precision": recipe.config.precision}
    config = dataclasses.replace(quick.config, epochs=min(TEACHER_EPOCHS, quick.config.epochs), **settings)

    def teach(images: FaceDataset, number: int) -> FaceModel:
        seed_everything(options.seed + number)
        teacher = quick.make(images)
        train(teacher, images, None, config, run_dir=folder / f"fold-{number}", resume=resume, team=team)
        return teacher

    return judge_by_folds(training, teach, config.augment)


def cool(model: FaceModel, recipe: Recipe, validation: FaceDataset | None) -> float:
    """Divide the logits by a temperature, once and for all, so that probabilities mean what they say; return it.

    The last layer is linear, so dividing its weights and biases divides the logits. No prediction changes.
    """
    temperature = recipe.temperature
    if validation is not None:
        temperature = fit_temperature(compute_logits(model, validation).cpu(), validation.labels)
        temperature = min(max(temperature, 0.25), 4.0)  # after a trial that learnt nothing, spare the weights
    *_, last = (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        last.weight /= temperature
        last.bias /= temperature
    return round(temperature, 4)


def load_start(start: str, classes: tuple[str, ...]) -> FaceModel:
    """Load the network to start from, or to learn from: a file, or the name of weights that come with the package."""
    if start in CHECKSUMS:
        return load_weights(FOLDER / f"{start}.safetensors", classes=classes, sha256=CHECKSUMS[start])
    return load_weights(start, classes=classes)


def choose_precision(options: argparse.Namespace, team: Team, checkpoint: Path | None) -> str:
    """Turn "auto" into "bf16" or "fp32", the same for the whole team.

    A measurement may come out differently the next time, so a run that goes on keeps the precision of its checkpoint.
    """
    if options.precision != "auto":
        return options.precision
    if checkpoint and checkpoint.exists():
        return load_checkpoint(checkpoint)["settings"]["precision"]
    device = pick_device(options.device)
    faster = bf16_is_faster(device)
    if device.type == "cpu":
        faster = float(team.total(torch.tensor([float(faster)]))) == team.size  # only if all members say so
    return "bf16" if faster else "fp32"


def with_options(recipe: Recipe, options: argparse.Namespace, precision: str) -> Recipe:
    """Replace what the command line says otherwise."""
    given = {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate", "weight_decay")}
    changes = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(
        recipe.config, seed=options.seed, device=options.device, precision=precision, **changes
    )
    return dataclasses.replace(recipe, config=config, everything=recipe.everything and not options.holdout)


def report(model: FaceModel, dataset, name: str) -> None:
    """Print accuracy with and without averaging over the mirror image."""
    if dataset is None:
        return
    for way, network in (("single view", model), ("with mirror image", FlipAverage(model))):
        result = evaluate(network, dataset)
        low, high = result.interval
        text = (
            f"{name}, {way}: accuracy {result.accuracy:.1%} ({low:.1%} to {high:.1%}), macro-F1 {result.macro_f1:.1%}"
        )
        parts = {"without twins": result.accuracy_without_twins, "twins": result.accuracy_with_twins}
        if dataset.twins is not None and dataset.twins.any():
            text += "; " + ", ".join(f"{part} {value:.1%}" for part, value in parts.items() if value is not None)
        print(text, flush=True)
