"""Average the weights of siblings: `python -m emotion_utils average fer2013 runs/a/weights.safetensors runs/b/…`.

Several networks that went on from the same weights, each with another seed, are right and wrong on slightly different
images. Averaging their predictions helps, and costs as many networks. Averaging their *weights* helps nearly as much
and costs one: a "model soup" (Wortsman et al. 2022, arXiv:2203.05482). That it works is no matter of course. It takes
networks that lie in one valley of the loss, as those with a common start mostly do (Frankle et al. 2020,
arXiv:1912.05671); the average of two trained from scratch knows nothing. So the command compares, on training images.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from emotion_utils.commands.train import report
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import pick_device
from emotion_utils.errors import ValleyError
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.base import FaceModel
from emotion_utils.models.pretrained import load_weights, save_weights
from emotion_utils.training.averaging import average_weights, refresh_batch_norm
from emotion_utils.training.recipes import RECIPES, load_for

SAMPLE = 2000  # training images on which siblings and their average are compared


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("data", choices=sorted({name for name, _ in RECIPES}), help="what the networks have learnt")
    add("weights", type=Path, nargs="+", help="files of weights: siblings from one start")
    add("--output", type=Path, default=Path("runs/soup/weights.safetensors"), help="the file to write")
    add("--preset", choices=["fast", "first", "best"], default="best", help="how they were trained")
    add("--data-dir", type=Path, help="where the data lies (default: EMOTION_DATA_DIR, else data/)")
    add("--holdout", action="store_true", help="they have not learnt the validation images: measure on them")
    add("--test", action="store_true", help="measure on the test split; look once, choose nothing")
    add("--device", default="auto", help="auto, cpu, cuda or mps")


def run(options: argparse.Namespace) -> FaceModel:
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
