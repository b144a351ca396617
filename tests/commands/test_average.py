"""Averaging networks: when it helps, when it is refused, and what the command says about bad input."""

import copy
from dataclasses import replace

import pytest
import torch
from small_faces import small_faces

from emotion_utils.commands.average import check_valley
from emotion_utils.commands.command_line import main
from emotion_utils.errors import ValleyError
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.weight_files import load_weights, save_weights
from emotion_utils.training.averaging import average_weights, refresh_batch_norm
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train


def small_net(seed=0):
    torch.manual_seed(seed)
    return EmotionCNN((4, 8), hidden=16, dropout=0.0, classes=small_faces().classes)


@pytest.fixture(scope="module")
def learnt():
    """Train a start and two that go on from it, and one stranger from scratch."""
    faces = small_faces(140, size=48)
    config = TrainConfig(epochs=10, batch_size=20, learning_rate=0.05, progress=False, device="cpu")
    start, stranger = small_net(0), small_net(1)
    train(start, faces, None, config)
    train(stranger, faces, None, config)
    siblings = []
    for seed in (1, 2):
        sibling = copy.deepcopy(start).train()
        train(sibling, faces, None, replace(config, epochs=2, learning_rate=0.02, seed=seed))
        siblings.append(sibling)
    return faces, start, siblings, stranger


@pytest.mark.slow
def test_those_with_one_start_lie_in_one_valley_and_strangers_do_not(learnt):
    faces, start, siblings, stranger = learnt
    mean = average_weights(siblings)
    refresh_batch_norm(mean, faces)
    average, single = check_valley(mean, siblings, faces)
    assert average >= single - 0.02
    assert single > 0.8, "they have learnt something"
    assert evaluate(mean, faces).accuracy == average
    mixed = average_weights([start, stranger])
    refresh_batch_norm(mixed, faces)
    with pytest.raises(ValleyError, match="valley"):
        check_valley(mixed, [start, stranger], faces)


def test_the_command_writes_one_network(learnt, fer2013_folder, tmp_path, capsys):
    siblings, stranger = learnt[2:]
    files = [save_weights(model, tmp_path / f"{n}.safetensors", {"seed": n}) for n, model in enumerate(siblings)]
    made = tmp_path / "made.safetensors"
    options = ["--preset", "fast", "--data-dir", str(fer2013_folder), "--device", "cpu"]
    assert main(["average", "fer2013", *map(str, files), "--output", str(made), "--test", *options]) == 0
    text = capsys.readouterr().out
    assert "the average is right on" in text
    assert "validation, with mirror image" in text
    assert "test, single view" in text
    assert load_weights(made).facts["seed"] == [0, 1]
    assert main(["average", "fer2013", *map(str, files), "--output", str(made), *options]) == 0  # again
    strange = save_weights(stranger, tmp_path / "stranger.safetensors")
    arguments = [str(files[0]), str(strange), "--output", str(tmp_path / "none.safetensors")]
    assert main(["average", "fer2013", *arguments, *options]) == 1
    assert "one valley" in capsys.readouterr().err
    assert not (tmp_path / "none.safetensors").exists()


def test_an_average_replaces_averages_alone(tmp_path, capsys):
    """A network that took a night stays, and so does what is no network, whatever the shell made of a pattern."""
    one, two, other = (save_weights(small_net(), tmp_path / f"{name}.safetensors") for name in ("one", "two", "other"))
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for output in (one, other, notes, tmp_path):
        before = output.read_bytes() if output.is_file() else None
        assert main(["average", "synthetic", str(one), str(two), "--output", str(output)]) == 1
        error = capsys.readouterr().err
        assert f"--output {output}" in error
        assert error.count("\n") == 1
        assert before is None or output.read_bytes() == before


def test_bad_input_is_one_sentence(tmp_path, capsys):
    one = save_weights(small_net(), tmp_path / "one.safetensors")
    other = save_weights(EmotionCNN((4,)), tmp_path / "other.safetensors")
    for files, words in (
        ([one], "models=1"),
        ([one, other], "another kind"),
        ([one, tmp_path / "missing.safetensors"], "missing.safetensors"),
    ):
        assert main(["average", "synthetic", *map(str, files), "--output", str(tmp_path / "x")]) == 1
        assert words in capsys.readouterr().err
    assert main(["average", "ferplus", str(one), "--preset", "fast"]) == 1
    assert "preset='fast'" in capsys.readouterr().err
