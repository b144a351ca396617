"""For tests of commands: data that a small network learns, and the commands run on them in this process."""

import dataclasses

import pytest
from small_fer2013 import write_small_fer2013

from emotion_utils.commands.command_line import main
from emotion_utils.models.face_net import FaceNet
from emotion_utils.training.recipes import RECIPES


@pytest.fixture(scope="session")
def fer2013_folder(tmp_path_factory):
    """140 training and 14 test images, and votes on them."""
    return write_small_fer2013(tmp_path_factory.mktemp("fer"))


@pytest.fixture
def change_recipes(monkeypatch):
    """Change all recipes for this test; by default to a small network, without teachers, who know other images."""

    def small(classes=7, **_):
        return FaceNet(8, (8, 16), classes=classes)

    def change(build=small, **settings):
        for key, recipe in RECIPES.items():
            config = dataclasses.replace(recipe.config, **settings)
            monkeypatch.setitem(RECIPES, key, dataclasses.replace(recipe, build=build, config=config, judged=False))

    change()
    return change


@pytest.fixture
def train(fer2013_folder, change_recipes, tmp_path, monkeypatch):
    """Run `python -m emotion_utils train` on the small data; give the exit status and the run folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(fer2013_folder / "cache"))

    def run(*arguments, data="fer2013", where="run"):
        folder = tmp_path / where
        options = ["--data-dir", fer2013_folder, "--run-dir", folder, "--device", "cpu", *arguments]
        return main(["train", data, *map(str, options)]), folder

    return run
