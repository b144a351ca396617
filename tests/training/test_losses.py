"""Own losses: both forms learn with the right step size, and what cannot be learnt from is one sentence."""

import functools

import pytest
import torch
import torch.nn.functional as F
from small_faces import small_faces
from small_runs import QUIET, small_cnn, weights_equal
from torch import nn

from emotion_utils.errors import CheckpointError, DivergedError
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.distillation import SoftLabelCrossEntropy
from emotion_utils.training.distributed import ProcessGroup
from emotion_utils.training.loop import train

CONFIG = TrainConfig(epochs=1, batch_size=14, learning_rate=0.02, **QUIET)
SEVEN = torch.linspace(0.5, 2, 7)


def run(loss=None, config=CONFIG, **options):
    model = small_cnn(batch_norm=False, dropout=0.0)
    return model, train(model, small_faces(35), None, config, loss=loss, **options)


def focal(logits, labels, gamma=2.0):
    losses = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - (-losses).exp()) ** gamma * losses).mean()


def with_index(logits, labels, index):
    return F.cross_entropy(logits, labels, reduction="none")


class Two(ProcessGroup):
    world_size = 2


class OfMyOwn(nn.Module):
    def forward(self, logits, labels):
        return -logits.log_softmax(1).gather(1, labels[:, None]).mean()


class Callable:
    def __call__(self, logits, labels, index):
        return with_index(logits, labels, index)


# All of these are plain cross-entropy.
PLAIN = {
    "module": nn.CrossEntropyLoss(),
    "module of equal weights": nn.CrossEntropyLoss(weight=torch.ones(7)),
    "module, one for each": nn.CrossEntropyLoss(reduction="none"),
    "function with settings": F.cross_entropy,
    "partial": functools.partial(F.cross_entropy, reduction="none"),
    "lambda": lambda logits, labels: F.cross_entropy(logits, labels),
    "other names": lambda x, y: F.nll_loss(x.log_softmax(1), y),
    "with index": with_index,
    "optional index": lambda logits, labels, index=None: F.cross_entropy(logits, labels, reduction="none"),
    "any arguments": lambda *given: with_index(*given),
    "own module": OfMyOwn(),
    "object": Callable(),
    "method": Callable().__call__,
    "compiled": torch.compile(OfMyOwn(), backend="eager"),
    "soft labels": SoftLabelCrossEntropy(F.one_hot(small_faces(35).labels, 7).float()),
}


@pytest.fixture(scope="module")
def plain():
    return run()


@pytest.mark.parametrize("name", PLAIN)
def test_all_forms_of_cross_entropy_take_the_same_steps(plain, name):
    model, history = run(PLAIN[name])
    for (key, value), wanted in zip(model.state_dict().items(), plain[0].state_dict().values(), strict=True):
        torch.testing.assert_close(value, wanted, atol=1e-5, rtol=1e-4, msg=key)
    assert history["train_loss"] == pytest.approx(plain[1]["train_loss"], abs=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=SEVEN),
        nn.CrossEntropyLoss(label_smoothing=0.2),
        nn.MultiMarginLoss(),
        focal,
        functools.partial(focal, gamma=1.0),
    ],
)
def test_other_losses_take_other_steps_and_the_history_keeps_cross_entropy(plain, loss):
    model, history = run(loss, config=TrainConfig(**vars(CONFIG) | {"learning_rate": 0.0}))
    assert history["train_loss"] == pytest.approx(
        run(config=TrainConfig(**vars(CONFIG) | {"learning_rate": 0.0}))[1]["train_loss"]
    )
    model, history = run(loss)
    assert not weights_equal(model, plain[0])
    moved = [(a - b).norm() for a, b in zip(model.parameters(), plain[0].parameters(), strict=True)]
    assert max(moved) < 1, "no step was too large"


def in_place(logits, labels):
    return F.cross_entropy(logits.div_(5.0), labels.fill_(0))


def not_in_place(logits, labels):
    return F.cross_entropy(logits / 5.0, 0 * labels)


def test_a_loss_that_works_in_place_changes_nobody_elses_numbers():
    (one, history), (other, wanted) = run(in_place), run(not_in_place)
    assert weights_equal(one, other)
    for column in ("train_loss", "train_accuracy"):
        assert history[column] == wanted[column]


def test_weights_of_classes_are_those_of_a_loop_in_plain_pytorch():
    loss, config = (
        nn.CrossEntropyLoss(weight=SEVEN),
        TrainConfig(**vars(CONFIG) | {"batch_size": 35, "schedule": "constant", "momentum": 0.0, "weight_decay": 0.0}),
    )
    model, _ = run(loss, config)
    twin, data = small_cnn(batch_norm=False, dropout=0.0), small_faces(35)
    loss(twin.train()(data.batch(range(35))[0]), data.labels).backward()
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other - 0.02 * other.grad)


class Learning(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits, labels):
        return self.scale * F.cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("loss", "kind", "words"),
    [
        (5, TypeError, r"loss=5: give a function of \(logits, labels\)"),
        ("mse", TypeError, "loss='mse'"),
        (nn.CrossEntropyLoss, TypeError, "loss=CrossEntropyLoss: that is the class"),
        (lambda logits: logits.sum(), TypeError, "it takes 'logits'"),
        (lambda a, b, c, d: a.sum(), TypeError, "it takes 'a, b, c, d'"),
        (lambda logits, labels, *, scale: logits.sum(), TypeError, "scale"),
        (Learning(), ValueError, "loss=Learning.*parameters"),
        (lambda a, b, index: F.cross_entropy(a, b), ValueError, r"one number for 14 images.*reduction='none'"),
        (lambda a, b: F.cross_entropy(a, b).item(), TypeError, r"no tensor.*\.item\(\)"),
        (lambda a, b: None, TypeError, "None, no tensor"),
        (lambda a, b: a, ValueError, r"shape \(14, 7\) for 14 images; give one loss per image, \(14,\), or one number"),
        (lambda a, b: F.cross_entropy(a, b)[None], ValueError, r"shape \(1,\) for 14 images"),
        (lambda a, b: F.cross_entropy(a, b, reduction="none")[:-1], ValueError, r"shape \(13,\)"),
        (lambda a, b: F.cross_entropy(a.detach(), b), ValueError, "no gradient"),
        (lambda a, b: (a.argmax(1) != b).float().mean(), ValueError, "no gradient"),
        (lambda a, b: F.cross_entropy(a, b, reduction="sum"), ValueError, "adds up"),
        (nn.CrossEntropyLoss(reduction="sum"), ValueError, "adds up"),
        (lambda a, b: F.cross_entropy(a, b) * float("nan"), ValueError, "it is nan for the first batch"),
        (lambda a, b: F.cross_entropy(a, b) - float("inf"), ValueError, "it is -inf for the first batch"),
        (lambda a, b: F.cross_entropy(a, b, reduction="none") / (b > 0), ValueError, "it is inf for the first batch"),
        (nn.NLLLoss(), ValueError, "log-probabilities"),
        (nn.CrossEntropyLoss(weight=torch.ones(5)), ValueError, "it fails for logits .14, 7."),
        (nn.BCEWithLogitsLoss(), ValueError, "it fails for logits"),
    ],
)  # fmt: skip
def test_what_is_no_loss_is_refused_and_the_model_stays_as_it_was(loss, kind, words):
    model, twin = small_cnn(), small_cnn()
    model.eval()
    with pytest.raises(kind, match=words) as caught:
        train(model, small_faces(35), None, CONFIG, loss=loss)
    assert len(str(caught.value)) <= 400
    assert weights_equal(model, twin)
    assert not any(module.training for module in model.modules())
    assert model.classes is None


def test_an_error_in_the_readers_own_lines_is_theirs():
    def loss(logits, labels):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(loss)


def test_a_loss_that_fails_later_ends_the_run_as_divergence_does():
    calls = []

    def loss(logits, labels):
        calls.append(0)
        return F.cross_entropy(logits, labels) / (len(calls) < 4)

    with pytest.raises(DivergedError, match=r"The loss is (inf|nan)"):
        run(loss)


def test_several_processes_want_a_loss_for_each_image():
    """The mean of unequal parts is not the mean of the batch."""
    config = TrainConfig(**vars(CONFIG) | {"group": Two()})
    with pytest.raises(ValueError, match=r"one number, and 2 processes.*reduction='none'"):
        run(nn.CrossEntropyLoss(), config)
    run(nn.CrossEntropyLoss(reduction="none"), config)


def soft(classes):
    return SoftLabelCrossEntropy(torch.eye(7)[torch.arange(35) % classes])


def scaled(by):
    return lambda logits, labels: by * F.cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=SEVEN)),
        (nn.CrossEntropyLoss(weight=SEVEN), nn.CrossEntropyLoss(weight=SEVEN.flip(0))),
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)),
        (scaled(1.0), scaled(2.0)),
        (lambda a, b: F.cross_entropy(a, b), lambda a, b: F.cross_entropy(a, b) * 2),
        (functools.partial(focal, gamma=1.0), functools.partial(focal, gamma=3.0)),
        (soft(7), soft(6)),
    ],
)  # fmt: skip
def test_a_run_goes_on_with_the_same_loss_only(tmp_path, first, second):
    _, history = run(first, run_dir=tmp_path)
    assert run(first, run_dir=tmp_path, resume=True)[1]["train_loss"] == history["train_loss"]
    with pytest.raises(CheckpointError, match="other loss"):
        run(second, run_dir=tmp_path, resume=True)


def test_what_a_loss_logs_makes_no_other_loss_of_it(tmp_path):
    seen = []

    def loss(logits, labels):
        seen.append(float(logits.detach().mean()))
        return F.cross_entropy(logits, labels)

    run(loss, run_dir=tmp_path)
    assert seen
    run(loss, run_dir=tmp_path, resume=True)


class Remembers(nn.Module):
    """Early-learning regularisation: a running mean of what the network said of each image (Liu et al. 2020)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("said", torch.zeros(35, 7))

    def forward(self, logits, labels, index):
        probabilities = logits.softmax(1)
        self.said[index] = 0.5 * self.said[index] + 0.5 * probabilities.detach()
        agreement = (self.said[index] * probabilities).sum(1)
        return F.cross_entropy(logits, labels, reduction="none") + (1 - agreement).log()


class Counts:
    """Grows with the steps, and keeps their number to itself."""

    def __init__(self):
        self.steps = 0

    def __call__(self, logits, labels):
        self.steps += 1
        return (1 + self.steps / 10) * F.cross_entropy(logits, labels)


def test_a_loss_is_asked_once_for_each_step():
    loss = Counts()
    run(loss)
    assert loss.steps == 3


def stopped_and_resumed(folder, make):
    def stop(moment):
        if moment.done > 1.5:
            raise KeyboardInterrupt

    config = TrainConfig(**vars(CONFIG) | {"epochs": 3})
    whole = run(make(), config)
    with pytest.raises(KeyboardInterrupt):
        run(make(), TrainConfig(**vars(config) | {"watch": stop}), run_dir=folder, checkpoint_every=2)
    return whole, run(make(), config, run_dir=folder, resume=True)


def test_what_a_loss_remembers_goes_on(tmp_path):
    (model, history), (resumed, again) = stopped_and_resumed(tmp_path, Remembers)
    assert again["train_loss"] == history["train_loss"]
    assert weights_equal(model, resumed)


def test_what_a_loss_keeps_to_itself_is_said_to_be_lost(tmp_path):
    with pytest.warns(UserWarning, match=r"loss=Counts: it changed.*register_buffer"):
        stopped_and_resumed(tmp_path, Counts)


def test_a_loss_that_has_learnt_already_is_to_be_made_anew(tmp_path):
    """As when a cell is run again after Ctrl-C."""
    loss = Remembers()
    model, history = run(loss, run_dir=tmp_path)
    with pytest.raises(CheckpointError, match=r"other loss: .*Remembers.* made anew"):
        run(loss, run_dir=tmp_path, resume=True)
    resumed, again = run(Remembers(), run_dir=tmp_path, resume=True)
    assert again["train_loss"] == history["train_loss"]
    assert weights_equal(model, resumed)


class Twice(Two):
    """The other process does what this one does."""

    def all_reduce(self, sums):
        return sums.mul_(2)


def test_what_each_of_several_processes_remembers_is_said_to_be_lost(tmp_path):
    config = TrainConfig(**vars(CONFIG) | {"group": Twice()})
    run(Remembers(), config, run_dir=tmp_path)
    with pytest.warns(UserWarning, match=r"loss=Remembers.*as the first process had them"):
        run(Remembers(), config, run_dir=tmp_path, resume=True)
