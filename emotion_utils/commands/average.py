"""Average the weights of networks: `python -m emotion_utils average fer2013 runs/a/weights.safetensors runs/b/…`.

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

from emotion_utils.commands.options import check_output, path_option
from emotion_utils.commands.reporting import print_accuracy
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.device import pick_device
from emotion_utils.errors import ValleyError
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.base import FaceModel
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.training.averaging import average_weights, refresh_batch_norm
from emotion_utils.training.recipes import PRESETS, RECIPES, RecipeData, find_recipe, load_recipe_data

AVERAGED = "mean of the weights of"  # begins what is noted of an average
SAMPLE = 2000  # training images on which the networks and their average are compared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("data", choices=sorted({name for name, _ in RECIPES}), help="what the networks have learnt")
    add("weights", type=path_option, nargs="+", help="files of weights: networks that went on from one start")
    add("--output", type=path_option, default=Path("runs/average/weights.safetensors"), help="the file to write")
    add("--preset", choices=PRESETS, help="how they were trained (default: the most accurate)")
    add("--data-dir", type=path_option, help="where the data lies (default: EMOTION_DATA_DIR, else data/)")
    add("--holdout", action="store_true", help="they have not learnt the validation images: measure on them")
    add("--test", action="store_true", help="measure on the test split; look once, choose nothing")
    add("--device", default="auto", help="auto, cpu, cuda or mps")


def run(options: argparse.Namespace) -> None:
    """Load the networks, average them, compare, report, and save."""
    recipe, device = find_recipe(options.data, options.preset), pick_device(options.device)
    check_output("output", options.output, is_average, "average of networks", options.weights)
    models = [load_weights(path) for path in options.weights]
    recipe = dataclasses.replace(recipe, all_training=recipe.all_training and not options.holdout)
    mean = average_weights(models)  # looks whether they are of one kind, before the data are loaded
    data = load_recipe_data(recipe, options.data, options.data_dir)
    for model in (mean, *models):
        model.to(device)
    # As in training: the networks' own mean and standard deviation, and the recipe's augmentation.
    seen = data.training.with_augment(recipe.config.augment).with_normalisation(mean.mean, mean.std)
    refresh_batch_norm(mean, seen)
    compare_and_save(mean, models, data, options.test, options.output)


def is_average(path: Path) -> bool:
    """Say whether a file of weights holds an average; raises as `load_weights` does."""
    return str(load_weights(path).facts.get("protocol")).startswith(AVERAGED)


def compare_and_save(mean: FaceModel, models: Sequence[FaceModel], data: RecipeData, test: bool, output: Path) -> None:
    """Print how the average does, and save it unless it is worse than the networks it is made of."""
    sample = data.training.subset(torch.arange(len(data.training))[:SAMPLE])
    average, single = check_valley(mean, models, sample)
    print(f"training images: the average is right on {average:.1%}, the {len(models)} networks on {single:.1%}")
    if data.validation:
        print_accuracy(mean, data.validation, "validation")
    if test:
        print_accuracy(mean, data.load_test(), "test")
    facts = models[0].facts | {
        "protocol": f"{AVERAGED} {len(models)} networks, each: {models[0].facts.get('protocol')}",
        "seed": [model.facts.get("seed") for model in models],
    }
    print(f"Weights: {save_weights(mean, output, facts)}")


def check_valley(mean: FaceModel, models: Sequence[FaceModel], sample: FaceDataset) -> tuple[float, float]:
    """Compare an average with its networks on training images; give its accuracy and the mean of theirs.

    Raises:
        ValleyError: the average is right on fewer images, by more than two points.
    """
    average = evaluate(mean, sample).accuracy
    single = sum(evaluate(model, sample).accuracy for model in models) / len(models)
    if average < single - 0.02:
        raise ValleyError(
            f"The average is right on {average:.1%} of {len(sample):,} training images, the networks themselves on "
            f"{single:.1%}: they don't lie in one valley. Average networks that went on from the same weights "
            "(--start-from), at a lower learning rate or for fewer epochs."
        )
    return average, single
