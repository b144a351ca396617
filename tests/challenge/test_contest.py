"""The race: who keeps to the rules is measured and listed; who does not is told which rule, and nothing is written."""

import base64
import copy
import json
import random
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from emotion_utils.challenge import League, RuleError, Rules, enter, load_faces, rehearse
from emotion_utils.data import load
from emotion_utils.models import EmotionCNN
from emotion_utils.training import History, TrainConfig, train


class Small(nn.Module):
    """A network of one's own, with room for mischief."""

    def __init__(self):
        super().__init__()
        self.pool, self.flat, self.logits = nn.AvgPool2d(8), nn.Flatten(), nn.Linear(36, 7)

    def forward(self, images):
        return self.logits(self.flat(self.pool(images)))


def step(model, train_set, steps=3):
    """Train in the reader's own loop."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        images, labels = train_set.batch(range(64))
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_an_entry_is_measured_and_kept(network, quick, rules, tmp_path):
    before = copy.deepcopy(network.state_dict())
    threads, state, python = torch.get_num_threads(), torch.get_rng_state(), random.getstate()
    outcome = enter(network, "Ada", quick, folder=tmp_path, rules=rules)
    entry = outcome.entry
    assert entry.count == 140
    assert entry.accuracy == entry.right.double().mean()
    assert entry.parameters == sum(p.numel() for p in network.parameters())
    assert 0 < entry.seconds < rules.seconds
    assert entry.faces_seen == 2 * 210
    assert len(entry.curve) == 2
    assert "epochs=2" in entry.training
    assert "Sequential" in entry.code
    assert entry.look == 1
    assert League.of_folder(tmp_path).entries == [entry]
    assert "Ada" in str(outcome)
    assert "place 1 of 1" in str(outcome)
    # the reader's own network, threads and random numbers are as they were
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python


def test_the_same_entry_again_gives_the_same_and_is_kept_once(network, quick, rules, tmp_path):
    first = enter(network, "Ada", quick, folder=tmp_path, rules=rules).entry
    again = enter(network, "Ada", quick, folder=tmp_path, rules=rules)
    assert again.entry == first
    assert len(again.league.entries) == 1


def test_looks_at_the_test_faces_are_counted(network, quick, rules, tmp_path):
    enter(network, "Ada", quick, folder=tmp_path, rules=rules)
    other = TrainConfig(epochs=3, batch_size=16, learning_rate=0.05, progress=False)
    outcome = enter(network, "Ada", other, folder=tmp_path, rules=rules)
    assert outcome.entry.look == 2
    assert outcome.league.looks("Ada") == 2


def test_a_rehearsal_looks_at_validation_faces_and_writes_nothing(network, quick, rules, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = rehearse(network, quick, rules=rules)
    assert len(found.correct) == 1000
    assert "validation accuracy" in str(found)
    assert list(tmp_path.iterdir()) == []


def test_a_loop_of_ones_own_trains(rules, tmp_path):
    model = Small()
    outcome = enter(model, "Bob", step, folder=tmp_path, rules=rules)
    assert outcome.entry.training == "step(model, train_set)"
    assert "class Small" in outcome.entry.code
    assert "def step" in outcome.entry.code
    assert outcome.entry.faces_seen == 3 * 64
    assert outcome.race.history is None
    assert not torch.equal(outcome.race.model.logits.weight, model.logits.weight)


def test_what_a_loop_sets_for_all_of_python_is_put_back(rules, tmp_path):
    def careless(model, train_set):
        step(model, train_set)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        random.seed(1)

    python = random.getstate()
    assert enter(Small(), "Ada", careless, folder=tmp_path, rules=rules).entry.count == rules.test_faces
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert random.getstate() == python


def test_a_loop_may_return_what_train_returned(network, quick, rules, tmp_path):
    def mine(model, train_set):
        return train(model, train_set, None, quick)

    outcome = enter(network, "Bob", mine, folder=tmp_path, rules=rules)
    assert isinstance(outcome.race.history, History)
    assert len(outcome.entry.curve) == 2


def test_a_folder_that_is_a_file_is_said_before_the_race(network, quick, rules, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="folder="):
        enter(network, "Ada", quick, folder=tmp_path / "file", rules=rules)


def test_an_entry_that_cannot_be_kept_is_shown(rules, tmp_path):
    def in_the_way(model, train_set):
        step(model, train_set)
        (tmp_path / "league.json").mkdir()

    with pytest.warns(UserWarning, match="shown and not kept"):
        outcome = enter(Small(), "Ada", in_the_way, folder=tmp_path, rules=rules)
    assert "place 1 of 1" in str(outcome)


# Who breaks a rule.


def refused(match, model, training, rules, tmp_path, name="Eve"):
    """Ask to enter, expect the error, and see that nothing was written."""
    with pytest.raises(RuleError, match=match) as caught:
        enter(model, name, training, folder=tmp_path, rules=rules)
    assert len(str(caught.value)) <= 400
    assert League.of_folder(tmp_path).entries == []
    return str(caught.value)


def test_too_large(quick, rules, tmp_path):
    text = refused("parameters", nn.Sequential(nn.Flatten(), nn.Linear(2304, 7)), quick, rules, tmp_path)
    assert "16,135" in text
    assert "1.weight" in text


def test_too_slow(network, rules, tmp_path):
    hurried = Rules(faces=210, test_faces=140, parameters=3000, seconds=0.3)
    endless = TrainConfig(epochs=10_000, batch_size=16, progress=False)
    text = refused("processor time", network, endless, hurried, tmp_path)
    assert "of 10000 epochs" in text


def test_too_slow_in_a_loop_of_ones_own(tmp_path):
    hurried = Rules(faces=210, test_faces=140, parameters=3000, seconds=0.3)

    def endless(model, train_set):
        step(model, train_set, steps=1_000_000)

    refused("processor time", Small(), endless, hurried, tmp_path)


def test_busy_without_calling_the_network(tmp_path):
    hurried = Rules(faces=210, test_faces=140, parameters=3000, seconds=0.2)

    def busy(model, train_set):
        end = time.process_time() + 0.5
        while time.process_time() < end:
            sum(range(1000))

    refused("0.2 s are allowed", Small(), busy, hurried, tmp_path)


def test_too_slow_at_predicting(rules, tmp_path):
    class Slow(Small):
        def forward(self, images):
            if not self.training and not torch.is_grad_enabled() and len(images) > 64:
                end = time.process_time() + 0.4
                while time.process_time() < end:
                    pass
            return super().forward(images)

    hurried = Rules(faces=210, test_faces=1200, parameters=3000, predict_seconds=0.3)
    refused("not recognised within 0.3 s", Slow(), step, hurried, tmp_path)


def test_learnt_before(network, quick, rules, tmp_path):
    train_set, _ = load_faces(rules)
    train(network, train_set, None, TrainConfig(epochs=12, batch_size=16, learning_rate=0.03, progress=False))
    refused("before any training", network, quick, rules, tmp_path)


def test_what_was_learnt_before_is_forgotten_where_a_scrambled_head_hides_it(network, rules, tmp_path):
    """Nothing shows before the race, and nothing helps: each tensor has the same numbers in another order."""
    learnt = copy.deepcopy(network)
    nn.init.zeros_(learnt[-1].weight)
    rest = TrainConfig(epochs=1, batch_size=210, learning_rate=0.0, progress=False)  # a race in which nobody learns
    features = enter(learnt, "Eve", rest, folder=tmp_path, rules=rules).race.model
    for mine, raced in zip(learnt[1].parameters(), features[1].parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, raced.flatten().sort().values)
    assert not torch.equal(learnt[1].weight, features[1].weight)


def hidden_buffer(weights):
    model = Small()
    model.register_buffer("secret", weights)
    return model


def hidden_attribute(weights):
    model = Small()
    model.secret = [weights]
    return model


def hidden_closure(weights):
    model = Small()

    def forward(images):
        return F.linear(images.flatten(1)[:, : weights.shape[1]], weights[:7])

    model.forward = forward
    return model


def hidden_text(weights):
    model = Small()
    model.secret = base64.b64encode(weights.numpy().tobytes()).decode()
    return model


def hidden_network(weights):
    model = Small()
    teacher = nn.Linear(100, 50)
    model.forward = lambda images: teacher(images.flatten(1)[:, :100])[:, :7]
    return model


def hidden_in_a_hook(weights):
    model = Small()
    model.register_forward_hook(lambda module, inputs, output: output + weights.sum())
    return model


@pytest.mark.parametrize(
    "hide", [hidden_buffer, hidden_attribute, hidden_closure, hidden_text, hidden_network, hidden_in_a_hook]
)
def test_weights_hidden_from_the_count(hide, rules, tmp_path):
    refused("not learnt here", hide(torch.randn(10, 100)), step, rules, tmp_path)


SECRET = torch.randn(40, 100)


def test_weights_in_a_global(rules, tmp_path):
    class Reads(Small):
        def forward(self, images):
            return super().forward(images) + SECRET.sum()

    text = refused("not learnt here", Reads(), step, rules, tmp_path)
    assert "SECRET" in text


def test_training_that_puts_learnt_weights_in(rules, tmp_path):
    learnt = {"logits.weight": torch.randn(7, 36), "extra": torch.randn(600)}

    def cheat(model, train_set):
        model.load_state_dict(learnt, strict=False)

    refused("not learnt here", Small(), cheat, rules, tmp_path)


def test_training_on_other_faces(rules, tmp_path):
    _, val_set = load_faces(rules)

    def cheat(model, train_set):
        step(model, val_set)

    text = refused("data set is in reach", Small(), cheat, rules, tmp_path)
    assert "val_set" in text


def test_training_that_loads_faces(rules, tmp_path):
    def cheat(model, train_set):
        step(model, load("synthetic", "test"))

    refused("the code names load", Small(), cheat, rules, tmp_path)


def test_a_network_that_looks_faces_up(rules, tmp_path):
    test = load("synthetic", "test", limit=140, verbose=False)

    class Oracle(Small):
        def __init__(self):
            super().__init__()
            self.known = test

    refused("data set is in reach.*known", Oracle(), step, rules, tmp_path)


def test_a_network_that_opens_a_file(rules, tmp_path):
    path = str(tmp_path / "weights.bin")
    (tmp_path / "weights.bin").write_bytes(b"1234")

    class Reads(Small):
        def forward(self, images):
            with open(path, "rb") as file:
                return super().forward(images) + len(file.read())

    refused("the code names open", Reads(), step, rules, tmp_path)


def test_a_network_that_keeps_the_training_faces(rules, tmp_path):
    def memorise(model, train_set):
        step(model, train_set)
        model.memory = train_set.batch(range(32))[0]

    refused("memory", Small(), memorise, rules, tmp_path)


def test_augmentation_that_brings_other_faces(network, rules, tmp_path):
    test = load("synthetic", "test", limit=140, verbose=False)

    def augment(images, index, seed, epoch):
        return test.images[: len(images)]

    cheat = TrainConfig(epochs=1, augment=augment, progress=False)
    refused("data set is in reach.*test", network, cheat, rules, tmp_path)


def test_training_on_another_device(rules, tmp_path):
    def elsewhere(model, train_set):
        model(torch.zeros(1, 1, 48, 48, device="meta"))

    refused("run on meta", Small(), elsewhere, rules, tmp_path)


def test_crash(rules, tmp_path):
    def crash(model, train_set):
        raise ZeroDivisionError("a slip of mine")

    text = refused("ZeroDivisionError", Small(), crash, rules, tmp_path)
    assert "a slip of mine" in text


def test_a_loss_that_runs_away(network, rules, tmp_path):
    wild = TrainConfig(epochs=3, batch_size=16, learning_rate=1e6, warmup=0.0, progress=False)
    refused("DivergedError|not finite|values up to|holds NaN", network, wild, rules, tmp_path)


def test_weights_that_are_nan_after_training(rules, tmp_path):
    def spoil(model, train_set):
        with torch.no_grad():
            model.logits.weight.fill_(float("nan"))

    refused("holds NaN", Small(), spoil, rules, tmp_path)


def test_grows_while_it_trains(rules, tmp_path):
    def grow(model, train_set):
        model.logits = nn.Sequential(nn.Linear(36, 200), nn.Linear(200, 7))

    refused("parameters; 3,000", Small(), grow, rules, tmp_path)


def test_returns_another_network(rules, tmp_path):
    refused("returned 'Small'", Small(), lambda model, train_set: Small(), rules, tmp_path)


def test_does_not_fit(quick, rules, tmp_path):
    with pytest.raises(ValueError, match="7"):
        enter(
            nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(36, 5)), "Eve", quick, folder=tmp_path, rules=rules
        )
    assert League.of_folder(tmp_path).entries == []


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((EmotionCNN, "Eve"), TypeError, "EmotionCNN"),
        ((Small(), "  "), ValueError, "name="),
        ((Small(), "Eve", 3), TypeError, "training=3"),
    ],
)
def test_what_is_no_entry(arguments, error, match, rules, tmp_path):
    with pytest.raises(error, match=match):
        enter(*arguments, folder=tmp_path, rules=rules)


def test_rules_that_are_none(network):
    with pytest.raises(TypeError, match="rules=7"):
        rehearse(network, rules=7)
    with pytest.raises(ValueError, match="parameters=0"):
        Rules(parameters=0)
    with pytest.raises(ValueError, match="seconds=-1"):
        Rules(seconds=-1)


# Who looks suspicious and is honest.


def test_small_constants_names_and_settings_are_allowed(rules, tmp_path):
    blur = torch.ones(1, 1, 3, 3) / 9
    logits = torch.randn(5000)  # a name that is an attribute in `forward`, and not this tensor

    class Blurs(Small):
        """With a kernel that is not learnt."""

        settings = (("widths", (8, 16, 32)), ("rate", 0.1))

        def forward(self, images):
            return self.logits(self.flat(self.pool(F.conv2d(images, blur, padding=1))))

    assert enter(Blurs(), "Fay", step, folder=tmp_path, rules=rules).entry.accuracy >= 0
    assert len(logits) == 5000


def test_networks_of_the_package_are_fresh(rules):
    """No start that nobody trained comes near the share that counts as knowledge."""
    roomy = Rules(faces=210, test_faces=140)
    still = TrainConfig(epochs=1, batch_size=210, learning_rate=0.0, progress=False)
    for options in ({"widths": (4, 8, 16), "hidden": 16}, {"widths": (4, 8), "batch_norm": False, "hidden": 0}):
        torch.manual_seed(3)
        assert rehearse(EmotionCNN(**options), still, rules=roomy).accuracy < 0.3


def test_entries_tell_what_a_league_needs(network, quick, rules, tmp_path):
    enter(network, "Ada", quick, folder=tmp_path, rules=rules)
    content = json.loads((tmp_path / "league.json").read_text())
    (row,) = content["entries"]
    assert {"code", "curve", "seconds", "parameters", "training", "versions"} <= row.keys()
