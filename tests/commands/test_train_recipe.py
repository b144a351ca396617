"""The training command: what it writes, how it goes on, and what it says when something is wrong."""

import dataclasses
import os

import pytest
import torch
from launching import launch, on_linux, run_package
from obstacles import full_disk
from small_faces import small_faces

from emotion_utils.commands.train_recipe import agree_on_precision, scale_temperature, soft_targets
from emotion_utils.data.augment import Augment
from emotion_utils.device import Bf16Choice
from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.confidence import fit_temperature
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.weight_files import load_weights
from emotion_utils.training.checkpoint import load_run
from emotion_utils.training.distributed import ProcessGroup
from emotion_utils.training.folder import lock_folder
from emotion_utils.training.history import History
from emotion_utils.training.recipes import RECIPES, find_recipe, load_recipe_data


def weights_of(folder):
    return load_weights(folder / "weights.safetensors")


def stop_in_the_second_epoch(change_recipes):
    """Let the recipes' augmentation interrupt the next run, once; the first epoch has been saved then."""
    armed = [True]

    def augment(images, index, seed, epoch):
        if epoch == 2 and armed:
            armed.clear()
            raise KeyboardInterrupt
        return images

    change_recipes(augment=augment)


def test_fast_reports_and_writes_weights(train, capsys):
    code, where = train("--epochs", 2)
    text = capsys.readouterr().out
    assert code == 0
    assert "validation, single view: accuracy" in text
    assert "validation, with mirror image: accuracy" in text
    assert "test," not in text, "the test split is looked at only when asked"
    assert History.from_csv(where / "history.csv")["epoch"] == [1, 2]
    model = load_weights(where / "weights.safetensors", classes=EMOTIONS)
    facts = {"data": "fer2013", "preset": "fast", "seed": 0, "epochs": 2, "started_from": None, "teacher": None}
    assert model.facts.items() >= facts.items()
    assert model.facts["images"] == 126


def test_best_learns_all_of_training_and_tests_only_when_asked(train, capsys):
    code, where = train("--preset", "best", "--epochs", 1, "--test")
    text = capsys.readouterr().out
    assert code == 0
    assert "140 images, none held out" in text
    assert "test, single view: accuracy" in text
    assert weights_of(where).facts["images"] == 140
    assert weights_of(where).facts["temperature"] == 1, "there are no images to fit one on"


def test_holdout_leaves_validation_images_out(train, capsys):
    assert train("--preset", "best", "--epochs", 1, "--holdout")[0] == 0
    assert "126 images, 14 for validation" in capsys.readouterr().out


def test_votes_are_learnt(train, capsys):
    code, folder = train("--preset", "best", "--epochs", 1, data="ferplus")
    assert code == 0
    assert "126 images" in capsys.readouterr().out
    assert weights_of(folder).frequencies is None, "of votes, which are no probabilities of a class"


@pytest.mark.parametrize("options", [("--preset", "best"), ("--preset", "fast")], ids=["all", "held out, smoothed"])
def test_weights_know_how_common_each_class_was(train, fer2013_folder, options):
    code, folder = train(*options, "--epochs", 1)
    assert code == 0
    labels = load_recipe_data(find_recipe("fer2013", options[1]), "fer2013", fer2013_folder).training.labels
    assert weights_of(folder).frequencies == pytest.approx((torch.bincount(labels) / len(labels)).tolist())


@pytest.mark.slow
def test_resume_gives_the_same_weights(train, change_recipes):
    stop_in_the_second_epoch(change_recipes)
    assert train("--epochs", 2, where="cut")[0] == 130
    assert train("--epochs", 2, "--resume", where="cut")[0] == 0
    cut, whole = (train("--epochs", 2, "--resume", where=where)[1] for where in ("cut", "whole"))
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "cuda:7"], "cuda:7"),
        (["--epochs", "0"], "epochs=0"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--weight-decay", "-1"], "weight_decay=-1"),
        (["--checkpoint-every", "0"], "checkpoint_every=0"),
        (["--data-dir", "/nowhere/at/all"], "FER2013"),
        (["--epochs", "2", "--learning-rate", "1e30"], "learning_rate"),
        (["--start-from", "nothing-here"], "nothing-here"),
        (["--teacher", "nothing-here"], "nothing-here"),
    ],
)
def test_bad_options_are_one_sentence(train, capsys, arguments, words):
    code, _ = train(*arguments)
    assert code == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_data_set_without_this_preset(train, capsys):
    assert train("--preset", "first", data="synthetic")[0] == 1
    assert "preset='first'" in capsys.readouterr().err


def test_settings_of_the_command_line_replace_the_recipes(train):
    options = {"epochs": 1, "batch_size": 50, "learning_rate": 0.02, "weight_decay": 0.003, "seed": 4}
    _, where = train(*[word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)])
    settings = load_run(where / "last.pt")[0].settings
    assert {name: settings[name] for name in options} == options


def test_fine_tuning_starts_from_given_weights(train, capsys):
    _, first = train("--epochs", 1, where="first")
    start = first / "weights.safetensors"
    # A rate of zero changes no weight (only batch norm's statistics), so what comes out is what went in.
    arguments = ("--epochs", 1, "--learning-rate", 0)
    code, second = train(*arguments, "--start-from", start, where="second")
    assert code == 0
    before, after = load_weights(start), weights_of(second)
    assert torch.equal(before.stem[0].weight, after.stem[0].weight)
    # The last layer is divided by a temperature once more, which changes its scale alone.
    ratio = after.classifier.weight / before.classifier.weight
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=0.01)
    assert after.facts["started_from"] == str(start)
    capsys.readouterr()
    # The run goes on from the same weights, wherever they lie by then, and from no others.
    moved = start.rename(first / "moved.safetensors")
    assert train(*arguments, "--start-from", moved, "--resume", where="second")[0] == 0
    assert train(*arguments, "--resume", where="second")[0] == 1
    assert "origin was" in capsys.readouterr().err


@pytest.mark.slow
def test_a_teacher_is_listened_to(train, fer2013_folder, capsys):
    _, first = train("--epochs", 1, where="first")
    teacher = first / "weights.safetensors"
    code, taught = train("--preset", "best", "--epochs", 1, "--teacher", teacher, where="taught")
    assert code == 0
    assert str(teacher) in weights_of(taught).facts["teacher"]
    _, alone = train("--preset", "best", "--epochs", 1, where="alone")
    assert not torch.equal(weights_of(taught).stem[0].weight, weights_of(alone).stem[0].weight)
    # A run goes on with its own teacher only.
    assert train("--preset", "best", "--epochs", 1, "--resume", where="taught")[0] == 1
    assert "origin was 'teacher" in capsys.readouterr().err

    recipe = find_recipe("fer2013", "best")
    data = load_recipe_data(recipe, "fer2013", fer2013_folder)
    targets = soft_targets(recipe, data, load_weights(teacher))
    assert torch.allclose(targets.sum(1), torch.ones(len(data.training)))
    own = targets.gather(1, data.training.labels[:, None])
    assert (own >= 1 - recipe.teacher_share).all(), "the label keeps its share"
    assert soft_targets(recipe, data, None) is None


def test_what_five_teachers_said_is_learnt(train, fer2013_folder, monkeypatch, capsys):
    """Of other images than FER2013's they said nothing; the command says so."""
    recipe = dataclasses.replace(find_recipe("fer2013", "best"), judged=True)
    monkeypatch.setitem(RECIPES, ("fer2013", "best"), recipe)
    assert train("--preset", "best", "--epochs", 1)[0] == 1
    assert "140 of 140 images are none that the teachers judged" in capsys.readouterr().err

    data = load_recipe_data(recipe, "fer2013", fer2013_folder)
    said = torch.rand(140, 7).softmax(1)
    monkeypatch.setattr("emotion_utils.commands.train_recipe.load_judgements", lambda dataset: said)
    targets = soft_targets(recipe, data, None)
    labels = torch.nn.functional.one_hot(data.training.labels, 7)
    torch.testing.assert_close(targets, 0.7 * said + 0.3 * labels)
    code, where = train("--preset", "best", "--epochs", 1)
    assert code == 0
    assert weights_of(where).facts["teacher"] == "five teachers of folds, share 0.7"
    assert "teachers" in load_run(where / "last.pt")[0].settings["origin"]


def test_the_temperature_is_fitted_to_validation_images():
    validation = small_faces(70)
    torch.manual_seed(0)
    model = FaceNet(8, (8, 16), image_size=16).eval()
    with torch.no_grad():
        model.classifier.weight *= 500  # far too sure of itself
    believed = compute_logits(model, validation).argmax(1)
    validation = validation.with_labels(torch.where(torch.arange(70) % 3 == 0, validation.labels, believed))
    found = scale_temperature(model, validation)
    assert 1 < found < 4
    assert fit_temperature(compute_logits(model, validation), validation.labels) == pytest.approx(1, abs=0.001)
    assert torch.equal(compute_logits(model, validation).argmax(1), believed), "no prediction changes"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_goes_on_keeps_its_precision(train, change_recipes, precision):
    """Whatever `auto` would choose on this machine."""
    stop_in_the_second_epoch(change_recipes)
    assert train("--epochs", 2, "--precision", precision)[0] == 130
    code, where = train("--epochs", 2, "--resume")
    assert code == 0
    assert load_run(where / "last.pt")[0].settings["precision"] == precision


@pytest.mark.parametrize(("others", "wanted"), [(1, "bf16"), (0, "fp32")])
def test_several_processes_take_bfloat16_only_if_all_of_them_say_so(others, wanted):
    class Pair(ProcessGroup):
        world_size = 2

        def all_reduce(self, sums):
            return sums + others

    cpu = torch.device("cpu")
    assert agree_on_precision(Bf16Choice(True, "measured"), cpu, Pair()).name == wanted
    assert agree_on_precision(Bf16Choice(False, "measured"), cpu, Pair()).name == "fp32"


def test_a_batch_larger_than_the_data_is_one_step(train):
    code, where = train("--epochs", 1, "--batch-size", 1000)
    assert code == 0
    assert load_run(where / "last.pt")[1].optimizer["param_groups"][0]["lr"] == pytest.approx(0.08 * 0.5 / 0.8)


def test_another_runs_folder_and_settings(train, capsys, tmp_path):
    train("--epochs", 1)
    assert train("--epochs", 2, "--resume")[0] == 1
    assert "epochs was 1 and is 2" in capsys.readouterr().err
    with lock_folder(tmp_path / "run"):
        assert train("--epochs", 1)[0] == 1
    assert f"process {os.getpid()}" in capsys.readouterr().err


def test_a_checkpoint_of_another_network(train, capsys, change_recipes):
    train("--epochs", 1)
    change_recipes(build=lambda classes: FaceNet(8, (8, 32), classes=classes))
    assert train("--epochs", 1, "--resume")[0] == 1
    assert "last.pt holds another architecture" in capsys.readouterr().err


def test_damaged_checkpoint(train, capsys):
    _, where = train("--epochs", 1)
    content = (where / "last.pt").read_bytes()
    (where / "last.pt").write_bytes(content[: len(content) // 2])
    assert train("--epochs", 1, "--resume")[0] == 1
    assert "last.pt cannot be read" in capsys.readouterr().err


def test_a_full_disk_is_said_and_keeps_the_last_checkpoint(train, capsys):
    _, where = train("--epochs", 1)
    before = (where / "last.pt").read_bytes()
    with full_disk(room=20_000):
        assert train("--epochs", 1)[0] == 1
    assert "Free some space" in capsys.readouterr().err
    assert (where / "previous-1" / "last.pt").read_bytes() == before
    assert not [file for file in where.iterdir() if file.suffix == ".part"]


def test_wrong_number_of_classes(train, change_recipes, capsys):
    change_recipes(build=lambda classes: FaceNet(8, (8, 16), classes=3))
    assert train("--epochs", 1)[0] == 1
    assert "classes=7" in capsys.readouterr().err


@on_linux
@pytest.mark.slow
def test_several_processes_run_the_command_and_one_of_them_prints_and_writes(fer2013_folder, tmp_path):
    """As `torchrun --nproc-per-node 2 -m emotion_utils train …` does."""
    options = {"--data-dir": fer2013_folder, "--run-dir": tmp_path, "--device": "cpu", "--epochs": 1, "--limit": 14}
    words = [str(word) for pair in options.items() for word in pair]
    launch(run_package, tmp_path, "train", "fer2013", *words)
    assert weights_of(tmp_path).facts["images"] == 14
    text, silence = ((tmp_path / f"printed-{rank}.txt").read_text() for rank in (0, 1))
    assert "2 × 1 threads" in text
    assert text.count("Weights: ") == 1
    assert silence == ""


def test_what_is_covered_nobody_can_judge(train, fer2013_folder, change_recipes):
    """A teacher sees images augmented as the recipe does it, but for what is erased."""
    teacher = FaceNet(8, (8, 16), classes=EMOTIONS).eval()
    recipe = find_recipe("fer2013", "fast")
    data = load_recipe_data(recipe, "fer2013", fer2013_folder, limit=14)
    config = dataclasses.replace(recipe.config, augment=Augment(erase=1.0))
    covered = soft_targets(dataclasses.replace(recipe, config=config), data, teacher)
    config = dataclasses.replace(recipe.config, augment=Augment())
    assert torch.equal(covered, soft_targets(dataclasses.replace(recipe, config=config), data, teacher))
