"""Average the weights of siblings: `python -m emotion_utils.soup fer2013 runs/a/weights.safetensors runs/b/…`.

Several networks that went on from the same weights, each with another seed, are right and wrong on slightly different
images. Averaging their predictions helps, and costs as many networks. Averaging their *weights* helps nearly as much
and costs one: a "model soup" (Wortsman et al. 2022, arXiv:2203.05482). That it works is no matter of course. It takes
networks that lie in one valley of the loss, as those with a common start mostly do (Frankle et al. 2020,
arXiv:1912.05671); the average of two trained from scratch knows nothing. So the command compares, on training images.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, update_bn

from emotion_utils.checkpoint import CheckpointError
from emotion_utils.dataset import FaceDataset
from emotion_utils.evaluation import evaluate
from emotion_utils.models import FaceModel
from emotion_utils.recipes import RECIPES, load_for
from emotion_utils.shapes import ShapeError
from emotion_utils.train import report
from emotion_utils.training import pick_device
from emotion_utils.weights import WeightsError, load_weights, save_weights

SAMPLE = 2000  # training images on which siblings and their average are compared


class ValleyError(ValueError):
    """The networks don't lie in one valley, so their average is worse than they are."""


def average_weights(models: Sequence[FaceModel]) -> FaceModel:
    """Give a new network whose weights are the mean of others'. Batch norm's statistics then need `refresh_batch_norm`.

    Args:
        models: two networks or more, of one architecture, for the same classes.

    Raises:
        ValueError: fewer than two, or networks that differ in more than their weights.
    """
    if len(models) < 2:
        raise ValueError(f"{len(models)} network was given; an average takes two or more.")
    first = models[0]
    for number, other in enumerate(models[1:], 2):
        theirs = _kind(other)
        for what, here in _kind(first).items():
            if theirs[what] != here:
                raise ValueError(
                    f"Network {number} is of another kind than the first ({what}: {theirs[what]} against {here}). "
                    "Average networks of one architecture, with one list of classes, that learnt one data set."
                )
    mean = AveragedModel(first)
    for model in models:
        mean.update_parameters(model)
    return mean.module


def _kind(model: FaceModel) -> dict[str, object]:
    """Collect what networks must have in common to be averaged, by name."""
    return {
        "network": type(model).__name__,
        "config": model.config,
        "classes": model.classes,
        "mean and standard deviation": model.normalisation(),
    }


def refresh_batch_norm(model: FaceModel, dataset: FaceDataset, batch_size: int = 128) -> None:
    """Measure batch norm's means and variances anew, over images as `dataset` gives them (augmented, if it augments).

    Averaged weights make other sums in each layer than any sibling made, so the siblings' statistics do not fit them.
    """
    device = next(model.parameters()).device
    images = dataset.to(device)
    update_bn((images.batch(index) for index in torch.arange(len(images)).split(batch_size)), model)


def check_valley(model: FaceModel, siblings: Sequence[FaceModel], sample: FaceDataset) -> tuple[float, float]:
    """Compare the average with its siblings on training images; give both accuracies, the siblings' as a mean.

    Raises:
        ValleyError: the average is right on fewer images, by more than two points.
    """
    mine = evaluate(model, sample).accuracy
    theirs = sum(evaluate(sibling, sample).accuracy for sibling in siblings) / len(siblings)
    if mine < theirs - 0.02:
        raise ValleyError(
            f"The average is right on {mine:.1%} of {len(sample):,} training images, the networks themselves on "
            f"{theirs:.1%}: they don't lie in one valley. Average networks that went on from the same weights "
            "(--start-from), at a lower learning rate or for fewer epochs."
        )
    return mine, theirs


def parser() -> argparse.ArgumentParser:
    """Build the command line's parser."""
    p = argparse.ArgumentParser(prog="python -m emotion_utils.soup", description=__doc__.splitlines()[0])
    p.add_argument("data", choices=sorted({name for name, _ in RECIPES}), help="what the networks have learnt")
    p.add_argument("weights", type=Path, nargs="+", help="files of weights: siblings from one start")
    p.add_argument("--output", type=Path, default=Path("runs/soup/weights.safetensors"), help="the file to write")
    p.add_argument("--preset", choices=["fast", "first", "best"], default="best", help="how they were trained")
    p.add_argument("--data-dir", type=Path, help="where the data lies (default: EMOTION_DATA_DIR, else data/)")
    p.add_argument("--holdout", action="store_true", help="they have not learnt the validation images: measure on them")
    p.add_argument("--test", action="store_true", help="measure on the test split; look once, choose nothing")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Average as the command line says; an error that the user can do something about is a sentence."""
    options = parser().parse_args(arguments)
    try:
        stir(options)
    except (CheckpointError, OSError, ShapeError, ValueError, WeightsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def stir(options: argparse.Namespace) -> FaceModel:
    """Load the siblings, average them, refresh batch norm, compare, report, and save."""
    if (options.data, options.preset) not in RECIPES:
        raise ValueError(f"There is no preset {options.preset!r} for {options.data}.")
    siblings = [load_weights(path) for path in options.weights]
    model = average_weights(siblings)
    recipe = RECIPES[options.data, options.preset]
    recipe = dataclasses.replace(recipe, everything=recipe.everything and not options.holdout)
    data = load_for(recipe, options.data, options.data_dir)
    device = pick_device(options.device)
    for network in (model, *siblings):
        network.to(device)
    # As in training: the networks' own mean and standard deviation, and the recipe's augmentation.
    seen = data.training.with_augment(recipe.config.augment)
    seen.mean, seen.std = float(model.mean), float(model.std)
    refresh_batch_norm(model, seen)
    mine, theirs = check_valley(model, siblings, data.training.subset(torch.arange(len(data.training))[:SAMPLE]))
    print(f"training images: the average is right on {mine:.1%}, its {len(siblings)} siblings on {theirs:.1%}")
    report(model, data.validation, "validation")
    if options.test:
        report(model, data.test(), "test")
    facts = siblings[0].facts | {
        "protocol": f"mean of the weights of {len(siblings)} networks, each: {siblings[0].facts.get('protocol')}",
        "seed": [sibling.facts.get("seed") for sibling in siblings],
    }
    print(f"Weights: {save_weights(model, options.output, facts)}")
    return model


if __name__ == "__main__":
    sys.exit(main())
