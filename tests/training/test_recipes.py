"""The recipes: small enough, fed with the right images, and the test split only looked at when asked for."""

import json
from dataclasses import replace

import pytest
import torch
from small_fer2013 import write_small_fer2013

from emotion_utils.emotions import EMOTIONS
from emotion_utils.training import seed_everything, train
from emotion_utils.training.recipes import RECIPES, find_recipe, load_recipe_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_small_fer2013(tmp_path_factory.mktemp("fer"))


def test_recipes_fit_the_limits():
    for (data, preset), recipe in RECIPES.items():
        model = recipe.build(classes=EMOTIONS)
        count = sum(p.numel() for p in model.parameters())
        assert count <= (2_000_000 if data != "synthetic" else 500_000), (data, preset)
        assert json.dumps(model.config), "the arguments must go into a file's metadata"


def test_recipes_are_found_by_name():
    assert find_recipe("fer2013", "fast") is RECIPES["fer2013", "fast"]
    assert find_recipe("fer2013", "sprint") is RECIPES["fer2013", "sprint"]
    assert find_recipe("fer2013") is RECIPES["fer2013", "best"]
    assert find_recipe("synthetic") is RECIPES["synthetic", "fast"]
    with pytest.raises(ValueError, match=r"preset='fast'.*ferplus.*best"):
        find_recipe("ferplus", "fast")


@pytest.mark.slow
def test_the_quickest_recipe_learns_within_seconds_on_small_pictures(folder):
    recipe = find_recipe("fer2013", "sprint")
    training = load_recipe_data(recipe, "fer2013", folder, verbose=False).training
    seed_everything(0)
    model = recipe.make(training)
    config = replace(recipe.config, epochs=8, batch_size=16, learning_rate=0.05, progress=False, device="cpu")
    history = train(model, training, None, config)
    assert history["train_loss"][-1] < history["train_loss"][0] - 0.2


def test_the_first_filters_may_begin_with_patches(folder):
    training = load_recipe_data(find_recipe("fer2013", "fast"), "fer2013", folder, verbose=False).training
    with_patches = find_recipe("fer2013", "fast")
    torch.manual_seed(0)
    plain = replace(with_patches, patches=False).make(training)
    torch.manual_seed(0)
    started = with_patches.make(training)
    assert not torch.equal(plain.stem[0].weight, started.stem[0].weight)
    assert torch.equal(plain.classifier.weight, started.classifier.weight)


def test_a_recipe_holds_validation_images_out_or_takes_all(folder):
    held, all_of_it = (load_recipe_data(find_recipe("fer2013", name), "fer2013", folder) for name in ("fast", "best"))
    assert (len(held.training), len(held.validation), len(held.load_test())) == (126, 14, 14)
    assert (len(all_of_it.training), all_of_it.validation) == (140, None)
    few = load_recipe_data(find_recipe("fer2013", "fast"), "fer2013", folder, limit=7)
    assert (len(few.training), len(few.validation), len(few.load_test())) == (7, 7, 7)


def test_votes_as_labels(folder):
    data = load_recipe_data(find_recipe("ferplus", "best"), "ferplus", folder)
    # Every tenth image is "not a face" to all ten people.
    assert len(data.training) == 126
    assert data.soft_labels.sum(1).allclose(torch.ones(126))
    assert data.soft_labels[0].tolist() == pytest.approx([0, 0, 0, 0.8, 0.2, 0, 0])
    assert (data.training.labels == EMOTIONS.index("happy")).all()
    assert (data.load_test().labels == EMOTIONS.index("happy")).all()


def test_twins_of_test_images_are_left_out_when_asked(folder, tmp_path):
    rows = (folder / "fer2013.csv").read_text().splitlines()
    # The first test image gets two twins among the training images.
    pixels = next(row for row in rows if row.endswith("PublicTest")).split(",")[1]
    for i in (3, 50):
        label, _, usage = rows[i].split(",")
        rows[i] = f"{label},{pixels},{usage}"
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    recipe = find_recipe("fer2013", "best")
    with_twins, without = (load_recipe_data(recipe, "fer2013", tmp_path, drop_twins=drop) for drop in (False, True))
    assert (len(with_twins.training), len(without.training)) == (140, 138)
    # Both are measured on the same two groups of test images.
    for data in (with_twins, without):
        assert data.load_test().twins.nonzero()[:, 0].tolist() == [0]


def test_a_source_of_training_rows_only(folder, tmp_path):
    """A test part is carved from Training then; a recipe that takes everything must leave it alone."""
    rows = (folder / "fer2013.csv").read_text().splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join(row for row in rows if "PublicTest" not in row) + "\n")
    data = load_recipe_data(find_recipe("fer2013", "first"), "fer2013", tmp_path)
    known = {image.numpy().tobytes() for image in data.training.images}
    test = data.load_test()
    assert len(data.training) + len(test) == 140
    assert len(test) > 0
    assert not any(image.numpy().tobytes() in known for image in test.images)
