"""The model card says what the network and the report say, and what nobody has said."""

import copy

import pytest
import torch
from small_faces import small_faces
from small_groups import faces_with_truth, report_of
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.groups import evaluate_groups
from emotion_utils.evaluation.model_card import write_model_card
from emotion_utils.evaluation.report import Report, evaluate
from emotion_utils.models.facts import remember, set_facts
from emotion_utils.models.networks import EmotionCNN, LinearModel
from emotion_utils.models.views import FlipAverage
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.loop import train

FACES = small_faces(140, split="test")


def network():
    torch.manual_seed(0)
    model = LinearModel(image_size=16)
    remember(model, FACES)
    return model


def read(*arguments, folder, **texts) -> str:
    return write_model_card(*arguments[:1], folder / "card.md", *arguments[1:], **texts).read_text(encoding="utf-8")


def test_figures_are_those_of_the_report(tmp_path):
    model = network()
    report = evaluate(model, FACES)
    card = read(model, report, folder=tmp_path, name="My network", licence="MIT", data="patterns", intended_use="tests")
    assert card.startswith("# Model card: My network\n")
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in card
    assert f"Accuracy {report.accuracy:.1%} (95 % interval {report.interval[0]:.1%}" in card
    for i, name in enumerate(EMOTIONS):
        assert f"| {name} | {report.precision[i]:.3f} | {report.recall[i]:.3f} | {report.f1[i]:.3f} | 20 |" in card
    for text in ("Licence: MIT", "\npatterns\n", "\ntests\n", "140 images are few", "2024/1689"):
        assert text in card
    assert f"what it learnt: {', '.join(f'{name} 14.3%' for name in EMOTIONS)}" in card
    assert "Not stated" not in card
    wrong = report.confusion.clone().fill_diagonal_(0)
    true, said = divmod(int(wrong.argmax()), 7)
    assert f"{EMOTIONS[true]} taken for {EMOTIONS[said]}: {wrong.max() / 20:.0%}" in card


def test_what_is_not_known_is_said_to_be_so(tmp_path):
    card = read(EmotionCNN((4,)), folder=tmp_path)
    assert card.count("*Not stated.*") == 4  # classes, licence, use, data
    assert "what it learnt" not in card
    assert "Nothing was measured" in card
    assert "EmotionCNN" in card


@pytest.mark.parametrize(("channels", "word"), [(1, "grey"), (3, "coloured")])
def test_the_card_says_which_images_go_in(tmp_path, channels, word):
    card = read(EmotionCNN((4,), image_size=16, in_channels=channels), folder=tmp_path)
    assert f"- Input: {word} images of 16 × 16 pixels" in card


def test_notes_of_the_weights_are_listed(tmp_path):
    model = network()
    set_facts(model, (0.5, 0.2), EMOTIONS, {"seed": 3, "protocol": "two | three\n# four", "teacher": None})
    card = read(model, folder=tmp_path)
    assert "- seed: 3" in card
    assert "- protocol: two \\| three # four" in card
    assert "teacher" not in card


def test_figures_of_training_images_are_called_that(tmp_path):
    model = network()
    assert "learns from" in read(model, evaluate(model, small_faces(140)), folder=tmp_path)
    assert "learns from" not in read(model, evaluate(model, FACES), folder=tmp_path)


def test_groups_get_a_row_each(tmp_path):
    faces = faces_with_truth(300, seed=0)
    report = report_of(faces, torch.full((300,), 0.8), 0)
    groups = evaluate_groups(report, faces, "sex", draws=200)
    card = read(network(), groups, folder=tmp_path)
    for row in groups.rows:
        assert f"| {row.name} | {row.count:,} | {row.accuracy.value:.1%} |" in card


def test_names_are_no_markup(tmp_path):
    names = ("a|b", "<img src=x>", "*c*")
    logits = torch.eye(3)
    report = Report(logits.softmax(1), logits, torch.arange(3), names, "made up", (0.0, 1.0))
    card = read(LinearModel(classes=names), report, folder=tmp_path, intended_use="# no heading\nall")
    assert "| a\\|b | 1.000" in card
    assert "\\<img" in card
    assert "\n\\# no heading\nall" in card


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": LinearModel}, TypeError, r"LinearModel\(\)"),
        ({"path": 5}, TypeError, "path=5"),
        ({"path": ""}, ValueError, "path=''"),
        ({"report": "good"}, TypeError, "report='good'"),
        ({"report": 5}, TypeError, "report=5"),
        ({"name": ""}, ValueError, "name=''"),
        ({"licence": 5}, ValueError, "licence=5"),
        ({"data": "x" * 5000}, ValueError, "data='xxx"),
        ({"intended_use": []}, ValueError, r"intended_use=\[\]"),
    ],
)
def test_bad_input_is_named(change, error, message, tmp_path):
    arguments = {"model": network(), "path": tmp_path / "card.md", "report": None} | change
    with pytest.raises(error, match=message) as caught:
        write_model_card(**arguments)
    assert len(str(caught.value)) <= 400
    assert not list(tmp_path.iterdir())


def test_a_report_of_other_classes_is_refused(tmp_path):
    logits = torch.eye(3)
    report = Report(logits.softmax(1), logits, torch.arange(3), ("x", "y", "z"), "made up", (0.0, 1.0))
    with pytest.raises(ValueError, match="x, y, z"):
        write_model_card(LinearModel(classes=("a", "b", "c")), tmp_path / "card.md", report)
    assert not list(tmp_path.iterdir())


def test_a_card_is_written_anew_and_nothing_else_is_written_over(tmp_path):
    model, path = network(), tmp_path / "README.md"
    write_model_card(model, path, licence="MIT")
    assert "MIT" not in write_model_card(model, path, licence="Apache").read_text(encoding="utf-8")
    path.write_text("# My project", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"README\.md.*no model card"):
        write_model_card(model, path)
    assert path.read_text(encoding="utf-8") == "# My project"
    with pytest.raises(IsADirectoryError, match="folder"):
        write_model_card(model, tmp_path)
    assert [*tmp_path.iterdir()] == [path]


def test_figures_of_another_network_are_refused(tmp_path):
    model = network()
    report, path = evaluate(model, FACES), tmp_path / "card.md"
    for same in (copy.deepcopy(model), nn.DataParallel(model), FlipAverage(model)):
        write_model_card(same, path, report)
    path.unlink()
    other = LinearModel(image_size=16)  # with other first weights
    remember(other, FACES)
    with pytest.raises(ValueError, match=r"other weights.*LinearModel.*evaluate"):
        write_model_card(other, path, report)
    train(model, FACES, None, TrainConfig(epochs=1, device="cpu", progress=False))
    with pytest.raises(ValueError, match="other weights"):
        write_model_card(model, path, report)
    assert not list(tmp_path.iterdir())
    write_model_card(model, path, evaluate(model, FACES))


@pytest.mark.parametrize(
    ("side", "words"), [(32, "32 × 32 pixels"), ((40, 32), "40 × 32 pixels"), ("any", "a size of its own")]
)
def test_the_size_of_images_is_told_as_the_network_says_it(side, words, tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 7))
    model.image_size = side
    assert f"grey images of {words}" in read(model, folder=tmp_path)
