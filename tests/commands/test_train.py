"""The training command: what it writes, how it goes on, and what it says when something is wrong."""

import dataclasses
import json

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.commands import train
from emotion_utils.commands.main import main
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import ShapeError
from emotion_utils.evaluation.confidence import fit_temperature
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.models.pretrained import load_weights
from emotion_utils.models.views import FlipAverage
from emotion_utils.training import checkpoint
from emotion_utils.training.distillation import vote_loss
from emotion_utils.training.history import History
from emotion_utils.training.recipes import RECIPES, load_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a table of 140 training and 14 test rows, and votes on them."""
    path = tmp_path_factory.mktemp("fer")
    generator = torch.Generator().manual_seed(0)
    rows, votes = ["emotion,pixels,Usage"], []
    for i in range(154):
        usage = "Training" if i < 140 else "PublicTest"
        pixels = torch.randint(0, 256, (48 * 48,), generator=generator).tolist()
        rows.append(f"{i % 7},{' '.join(map(str, pixels))},{usage}")
        # Columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF.
        votes.append(f"{usage},fer{i:07d}.png,0,8,0,2,0,0,0,0,0,0" if i % 10 else f"{usage},,0,0,0,0,0,0,0,0,0,10")
    (path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    (path / "fer2013new.csv").write_text("\n".join([f"Usage,Image name,{names}", *votes]) + "\n")
    return path


@pytest.fixture
def command(folder, tmp_path, monkeypatch):
    """Run the command on the small table with a small network."""

    def small(classes=7, **_):
        return FaceNet(8, (8, 16), classes=classes)

    for key, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, key, train.dataclasses.replace(recipe, build=small))

    def run(*arguments, data="fer2013", where=None):
        where = tmp_path / "run" if where is None else where
        options = ["--data-dir", str(folder), "--run-dir", str(where), "--device", "cpu", *map(str, arguments)]
        return main(["train", data, *options]), where

    return run


def stop_after_the_first_epoch(monkeypatch):
    """Interrupt the next run once, when its first epoch has been saved."""
    saved = []
    real = checkpoint.save_checkpoint

    def save(content, path):
        real(content, path)
        if path.name == "last.pt" and not saved:
            saved.append(path)
            raise KeyboardInterrupt

    monkeypatch.setattr("emotion_utils.training.loop.save_checkpoint", save)


def test_fast_reports_and_writes_weights(command, capsys):
    code, where = command("--epochs", 2)
    text = capsys.readouterr().out
    assert code == 0
    assert "validation, single view: accuracy" in text
    assert "validation, with mirror image: accuracy" in text
    assert "test," not in text, "the test split is looked at only when asked"
    assert History.from_csv(where / "history.csv")["epoch"] == [1, 2]
    model = load_weights(where / "weights.safetensors", classes=EMOTIONS)
    assert model.facts["preset"] == "fast"
    assert model.facts["images"] == 126


def test_best_learns_all_of_training_and_tests_only_when_asked(command, capsys):
    code, where = command("--preset", "best", "--epochs", 1, "--test")
    text = capsys.readouterr().out
    assert code == 0
    assert "140 images, none held out" in text
    assert "test, single view: accuracy" in text
    assert load_weights(where / "weights.safetensors").facts["images"] == 140


def test_holdout_leaves_validation_images_out(command, capsys):
    assert command("--preset", "best", "--epochs", 1, "--holdout")[0] == 0
    assert "126 images, 14 for validation" in capsys.readouterr().out


def test_resume_gives_the_same_weights(command, tmp_path, monkeypatch):
    _, whole = command("--epochs", 2, where=tmp_path / "whole")
    stop_after_the_first_epoch(monkeypatch)
    assert command("--epochs", 2, where=tmp_path / "cut")[0] == 130
    _, cut = command("--epochs", 2, "--resume", where=tmp_path / "cut")
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()


def test_votes_as_labels(command, capsys, folder):
    assert command("--preset", "best", "--epochs", 1, data="ferplus")[0] == 0
    # Every tenth image is "not a face" to all ten people.
    assert "126 images" in capsys.readouterr().out
    data = load_for(RECIPES["ferplus", "best"], "ferplus", folder)
    assert data.targets.sum(1).allclose(torch.ones(126))
    assert data.targets[0].tolist() == pytest.approx([0, 0, 0, 0.8, 0.2, 0, 0])
    assert (data.training.labels == EMOTIONS.index("happy")).all()


def test_vote_loss_is_cross_entropy_against_shares():
    targets = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0.2, 0.8]])
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([2, 1])
    got = vote_loss(targets)(logits, torch.tensor([0, 0]), index)
    expected = torch.nn.functional.cross_entropy(logits, targets[index], reduction="none")
    assert torch.allclose(got, expected)


def test_flip_average_is_the_mean_of_both_views():
    torch.manual_seed(0)
    model = FaceNet(8, (8, 16)).eval()
    images = torch.randn(3, 1, 48, 48)
    both = (model(images).softmax(1) + model(images.flip(3)).softmax(1)) / 2
    assert torch.allclose(FlipAverage(model)(images).exp(), both, atol=1e-6)


def test_ten_views_are_five_places_and_their_mirror_images():
    images = torch.arange(36.0).view(1, 1, 6, 6)
    views = FlipAverage(nn.Identity(), shift=1).shifted(images)
    assert len(views) == 5
    assert torch.equal(views[0], images)
    left, right, up, down = (view[0, 0] for view in views[1:])
    assert torch.equal(left[:, 1:], images[0, 0, :, :-1])
    assert torch.equal(right[:, :-1], images[0, 0, :, 1:])
    assert torch.equal(up[1:], images[0, 0, :-1])
    assert torch.equal(down[:-1], images[0, 0, 1:])
    torch.manual_seed(0)
    model, faces = FaceNet(8, (8, 16)).eval(), torch.randn(3, 1, 48, 48)
    ten = FlipAverage(model, shift=2)
    mean = torch.stack([model(x).softmax(1) for v in ten.shifted(faces) for x in (v, v.flip(3))]).mean(0)
    assert torch.allclose(ten(faces).exp(), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "cuda:7"], "cuda:7"),
        (["--epochs", "0"], "epochs=0"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--weight-decay", "-1"], "weight_decay=-1"),
        (["--data-dir", "/nowhere/at/all"], "FER2013"),
    ],
)
def test_bad_options_are_one_sentence(command, capsys, arguments, words):
    code, _ = command(*arguments)
    assert code == 1
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_settings_of_the_command_line_replace_the_recipes(command):
    options = {"epochs": 1, "batch_size": 50, "learning_rate": 0.02, "weight_decay": 0.003, "seed": 4}
    _, where = command(*[word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)])
    settings = checkpoint.load_checkpoint(where / "last.pt")["settings"]
    assert {name: settings[name] for name in options} == options


def test_fine_tuning_starts_from_given_weights(command, tmp_path, capsys):
    _, first = command("--epochs", 1, where=tmp_path / "first")
    start = first / "weights.safetensors"
    # A rate of zero changes no weight (only batch norm's statistics), so what comes out is what went in.
    code, second = command("--epochs", 1, "--learning-rate", 0, "--start-from", start, where=tmp_path / "second")
    assert code == 0
    before, after = load_weights(start), load_weights(second / "weights.safetensors")
    assert torch.equal(before.stem[0].weight, after.stem[0].weight)
    # The last layer is cooled once more, which changes its scale alone.
    ratio = after.classifier.weight / before.classifier.weight
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=0.01)
    assert after.facts["started_from"] == str(start)
    assert command("--epochs", 1, "--start-from", "nothing-here", where=tmp_path / "third")[0] == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_teacher_is_listened_to(command, tmp_path, capsys, folder):
    _, first = command("--epochs", 1, where=tmp_path / "first")
    teacher = first / "weights.safetensors"
    code, taught = command("--preset", "best", "--epochs", 1, "--teacher", teacher, where=tmp_path / "taught")
    assert code == 0
    assert str(teacher) in load_weights(taught / "weights.safetensors").facts["teacher"]
    _, alone = command("--preset", "best", "--epochs", 1, where=tmp_path / "alone")
    assert load_weights(alone / "weights.safetensors").facts["teacher"] is None
    weights = [load_weights(where / "weights.safetensors").stem[0].weight for where in (taught, alone)]
    assert not torch.equal(*weights)
    recipe = RECIPES["fer2013", "best"]
    data = load_for(recipe, "fer2013", folder)
    options = train.parser().parse_args(["fer2013", "--teacher", str(teacher)])
    targets = train.soft_targets(recipe, data, options, train.Team(), tmp_path, False)
    assert torch.allclose(targets.sum(1), torch.ones(len(data.training)))
    low = targets.gather(1, data.training.labels[:, None])
    assert (low >= 1 - recipe.teacher_share).all(), "the label keeps its share"
    assert command("--epochs", 1, "--teacher", "nothing-here", where=tmp_path / "third")[0] == 1


def test_teachers_of_folds_come_first_and_are_kept(command, tmp_path, monkeypatch):
    quick = RECIPES["fer2013", "fast"]
    short = dataclasses.replace(quick, config=dataclasses.replace(quick.config, epochs=1))
    monkeypatch.setitem(RECIPES, ("fer2013", "fast"), short)
    arguments = ("--preset", "best", "--epochs", 1, "--teacher", "folds")
    code, where = command(*arguments, where=tmp_path / "taught")
    assert code == 0
    assert sorted(path.name for path in where.glob("fold-*")) == [f"fold-{n}" for n in (1, 2, 3, 4)]
    assert "folds" in load_weights(where / "weights.safetensors").facts["teacher"]
    # Going on finds the teachers, and changes nothing.
    before = {path: path.stat().st_mtime_ns for path in where.glob("fold-*/last.pt")}
    first = (where / "weights.safetensors").read_bytes()
    (where / "last.pt").unlink()
    assert command(*arguments, "--resume", where=where)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in where.glob("fold-*/last.pt")} == before
    assert (where / "weights.safetensors").read_bytes() == first


def test_probabilities_are_cooled_on_validation_images():
    validation = small_faces(70)
    torch.manual_seed(0)
    model = FaceNet(8, (8, 16), image_size=16).eval()
    with torch.no_grad():
        model.classifier.weight *= 500  # far too sure of itself
    believed = compute_logits(model, validation).argmax(1)
    validation.labels = torch.where(torch.arange(70) % 3 == 0, validation.labels, believed)
    found = train.cool(model, RECIPES["fer2013", "fast"], validation)
    assert 1 < found < 4
    assert fit_temperature(compute_logits(model, validation), validation.labels) == pytest.approx(1, abs=0.001)
    assert torch.equal(compute_logits(model, validation).argmax(1), believed), "no prediction changes"


def test_where_nothing_is_held_out_the_recipes_temperature_is_used():
    recipe = train.dataclasses.replace(RECIPES["fer2013", "best"], temperature=2.0)
    plain = train.dataclasses.replace(recipe, temperature=1.0)
    model, same = (recipe.build(classes=EMOTIONS).eval() for _ in range(2))
    same.load_state_dict(model.state_dict())
    images = torch.randn(3, 1, 48, 48)
    assert train.cool(model, recipe, None) == 2.0
    assert train.cool(same, plain, None) == 1.0
    assert torch.allclose(model(images) * 2, same(images), atol=1e-5)


def test_bfloat16_has_to_be_faster_by_measurement(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    for seconds, answer in (({"bf16": 1.0, "fp32": 2.0}, True), ({"bf16": 1.9, "fp32": 2.0}, False)):
        monkeypatch.setattr(train, "_seconds", seconds.get)
        train.bf16_is_faster.cache_clear()
        assert train.bf16_is_faster(cpu) is answer
    train.bf16_is_faster.cache_clear()
    assert train.bf16_is_faster(torch.device("mps")) is False


def test_twins_of_test_images_are_left_out_when_asked(folder, tmp_path, capsys):
    rows = (folder / "fer2013.csv").read_text().splitlines()
    # The first test image gets two twins among the training images.
    pixels = next(row for row in rows if row.endswith("PublicTest")).split(",")[1]
    for i in (3, 50):
        label, _, usage = rows[i].split(",")
        rows[i] = f"{label},{pixels},{usage}"
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    recipe = RECIPES["fer2013", "best"]
    with_twins, without = (load_for(recipe, "fer2013", tmp_path, drop_twins=drop) for drop in (False, True))
    assert (len(with_twins.training), len(without.training)) == (140, 138)
    # Both are measured on the same two groups of test images.
    for data in (with_twins, without):
        assert data.test().twins.nonzero()[:, 0].tolist() == [0]


def test_a_run_that_goes_on_keeps_its_precision(command, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "bf16_is_faster", lambda device: False)
    stop_after_the_first_epoch(monkeypatch)
    assert command("--epochs", 2)[0] == 130
    # The machine changes its mind; the run does not.
    monkeypatch.setattr(train, "bf16_is_faster", lambda device: True)
    assert command("--epochs", 2, "--resume")[0] == 0
    assert checkpoint.load_checkpoint(tmp_path / "run" / "last.pt")["settings"]["precision"] == "fp32"


def test_a_team_takes_bfloat16_only_if_all_members_say_so(monkeypatch):
    class Pair(train.Team):
        size = 2

        def total(self, sums):
            return sums + self.others_say

    monkeypatch.setattr(train, "bf16_is_faster", lambda device: True)
    options = train.parser().parse_args(["fer2013", "--device", "cpu"])
    team = Pair()
    for team.others_say, wanted in ((1, "bf16"), (0, "fp32")):
        assert train.choose_precision(options, team, None) == wanted
    options.precision = "bf16"
    assert train.choose_precision(options, team, None) == "bf16", "what was asked for is not discussed"


def test_a_batch_larger_than_the_data_is_one_step(command):
    code, where = command("--epochs", 1, "--batch-size", 1000)
    assert code == 0
    assert checkpoint.load_checkpoint(where / "last.pt")["average"]["updates"] == 1


def test_a_run_goes_on_with_its_own_teacher_only(command, capsys, tmp_path):
    _, where = command("--epochs", 1, where=tmp_path / "teacher")
    command("--epochs", 1, "--teacher", where / "weights.safetensors")
    assert command("--epochs", 1, "--resume")[0] == 1
    assert "other facts: teacher was" in capsys.readouterr().err


def test_a_source_of_training_rows_only(folder, tmp_path):
    """A test part is carved from Training then; a recipe that takes everything must leave it alone."""
    rows = (folder / "fer2013.csv").read_text().splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join(row for row in rows if "PublicTest" not in row) + "\n")
    data = load_for(RECIPES["fer2013", "first"], "fer2013", tmp_path)
    known = {image.numpy().tobytes() for image in data.training.images}
    test = data.test()
    assert len(data.training) + len(test) == 140
    assert len(test) > 0
    assert not any(image.numpy().tobytes() in known for image in test.images)


def test_a_report_where_every_image_is_a_twin(capsys):
    faces = small_faces(20)
    faces.twins = torch.ones(20, dtype=torch.bool)
    train.report(EmotionCNN((4,), hidden=8, image_size=16).eval(), faces, "test")
    told = capsys.readouterr().out
    assert "; twins " in told
    assert "without twins" not in told, "there is no such image"


def test_flip_average_sees_images_as_its_network_does():
    faces = small_faces(40)
    model = EmotionCNN((4,), hidden=8, image_size=16).eval()
    model.mean.fill_(0.2), model.std.fill_(0.1)
    asked = evaluate(FlipAverage(model), faces).logits
    faces.mean, faces.std = 0.2, 0.1
    assert torch.equal(asked, compute_logits(FlipAverage(model), faces))


def test_a_loss_that_is_not_a_number(command, capsys):
    code, _ = command("--epochs", 2, "--learning-rate", 1e30)
    assert code == 1
    assert "learning_rate" in capsys.readouterr().err


def test_another_runs_folder_and_settings(command, capsys, tmp_path):
    command("--epochs", 1)
    assert command("--epochs", 2, "--resume")[0] == 1
    assert "epochs was 1 and is 2" in capsys.readouterr().err
    with checkpoint.lock_folder(tmp_path / "run"):
        assert command("--epochs", 1)[0] == 1
    assert "Another run" in capsys.readouterr().err


def test_a_checkpoint_of_another_network(command, capsys, monkeypatch):
    command("--epochs", 1)
    recipe = RECIPES["fer2013", "fast"]
    wider = train.dataclasses.replace(recipe, build=lambda classes: FaceNet(8, (8, 32), classes=classes))
    monkeypatch.setitem(RECIPES, ("fer2013", "fast"), wider)
    assert command("--epochs", 1, "--resume")[0] == 1
    assert "another architecture" in capsys.readouterr().err


def test_damaged_checkpoint(command, capsys):
    _, where = command("--epochs", 1)
    content = (where / "last.pt").read_bytes()
    (where / "last.pt").write_bytes(content[: len(content) // 2])
    assert command("--epochs", 1, "--resume")[0] == 1
    assert "is damaged" in capsys.readouterr().err


def test_disk_full_is_said_and_keeps_the_last_checkpoint(command, capsys, monkeypatch):
    _, where = command("--epochs", 1)
    before = (where / "history.csv").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert command("--epochs", 1)[0] == 1
    assert "Free some space" in capsys.readouterr().err
    assert (where / "previous" / "history.csv").read_bytes() == before
    assert not [file for file in where.iterdir() if file.suffix == ".part"]


def test_wrong_number_of_classes(command, monkeypatch, capsys):
    recipe = RECIPES["fer2013", "fast"]
    three = train.dataclasses.replace(recipe, build=lambda classes: FaceNet(8, (8, 16), classes=3))
    monkeypatch.setitem(RECIPES, ("fer2013", "fast"), three)
    assert command("--epochs", 1)[0] == 1
    assert "3 logits" in capsys.readouterr().err


def test_too_many_stages():
    with pytest.raises(ValueError, match="halve 48 pixels"):
        FaceNet(widths=(8,) * 6)
    model = FaceNet(8, (8,))
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 7), "smaller images are welcome in training"
    for wrong in ((2, 1, 32, 16), (2, 1, 2, 2), (2, 1, 64, 64), (2, 3, 32, 32)):
        with pytest.raises(ShapeError):
            model(torch.zeros(wrong))
    with pytest.raises(ShapeError):
        model.eval()(torch.zeros(1, 1, 32, 32))


def test_identity_start_hands_the_image_on():
    model = FaceNet(8, (8, 16), identity_start=True)
    x = torch.randn(2, 8, 12, 12)
    widen = model.stages[1].widen[0]
    assert torch.allclose(widen(x)[:, :8], x, atol=1e-6), "the channels that were there come out as they went in"
    assert not torch.allclose(widen(x)[:, 8:], x, atol=0.1)
    assert model.config["identity_start"]


def test_the_stem_starts_with_whitened_patches():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(200, 1, 24, 24, generator=generator).cumsum(2).cumsum(3)  # neighbours resemble each other
    images = (images - images.mean()) / images.std()
    model = FaceNet(16, (8,), image_size=24)
    before = model.stem[0].weight.clone()
    model.start_from_patches(images)
    weight = model.stem[0].weight.detach()
    assert not torch.equal(weight, before)
    assert model.stem[0].weight.requires_grad
    assert torch.equal(weight[:8], -weight[8:])
    patches = images.unfold(2, 6, 2).unfold(3, 6, 2).reshape(-1, 36)
    seen = patches @ weight[:8].flatten(1).T
    covariance = seen.T @ seen / len(seen)
    off_diagonal = covariance - covariance.diag().diag()
    assert off_diagonal.abs().max() < 0.01 * covariance.diag().max(), "the filters see unrelated things"
    assert covariance[0, 0] == pytest.approx(1, abs=0.05), "of equal size"


def test_a_stem_with_more_filters_than_pixels_keeps_the_rest():
    model = FaceNet(80, (8,), image_size=24)
    before = model.stem[0].weight.clone()
    model.start_from_patches(torch.randn(10, 1, 24, 24))
    assert torch.equal(model.stem[0].weight[36:40], before[36:40])


def test_recipes_fit_the_limits():
    for (data, preset), recipe in RECIPES.items():
        model = recipe.build(classes=EMOTIONS)
        count = sum(p.numel() for p in model.parameters())
        assert count <= (2_000_000 if data != "synthetic" else 500_000), (data, preset)
        assert json.dumps(model.config), "the arguments must go into a file's metadata"
