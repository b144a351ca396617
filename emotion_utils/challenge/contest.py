"""Enter the race: a copy of a network is trained under the rules and measured once on the test faces.

from emotion_utils import challenge

challenge.rehearse(EmotionCNN(hidden=16), TrainConfig(epochs=9))      # on validation faces, as often as you like
challenge.enter(EmotionCNN(hidden=16), "Ada", TrainConfig(epochs=9))  # on test faces, into runs/league.json
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor, nn

from emotion_utils.challenge.admission import check_fresh, check_holdings, check_parameters, forget
from emotion_utils.challenge.clock import Clock, timed
from emotion_utils.challenge.entries import LONGEST_NAME, Entry, versions
from emotion_utils.challenge.faces import faces_key, test_faces, training_faces, validation_faces
from emotion_utils.challenge.holdings import count_parameters
from emotion_utils.challenge.rulebook import BATCH_OF_TEST, RuleError, Rules
from emotion_utils.challenge.sources import describe_training, source_of
from emotion_utils.challenge.standings import League
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.errors import ShapeError, brief, one_line, reason
from emotion_utils.evaluation.confidence import bootstrap_interval
from emotion_utils.evaluation.packing import pack
from emotion_utils.models.classes import match_classes
from emotion_utils.models.fit import check_fit
from emotion_utils.models.handling import check_model, copied, materialise, warn
from emotion_utils.models.inference import check_finite, compute_logits, spoilt_weights
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.randomness import seed_everything, state_kept
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.history import History
from emotion_utils.training.loop import train

Training = TrainConfig | Callable[[nn.Module, FaceDataset], History | None]


@dataclass(frozen=True, eq=False)
class Race:
    """A training under the rules: the trained copy, what it cost, how it went."""

    model: nn.Module = field(repr=False)
    history: History | None = field(repr=False)  # None where somebody's own function trained, and returned none
    parameters: int
    multiply_adds: int  # of one face
    seconds: float  # of processor time
    faces_seen: int


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """How a network would do, by validation faces; `print` shows it."""

    race: Race
    correct: Tensor = field(repr=False)  # (1000,) bool: which validation faces were recognised
    rules: Rules

    @property
    def accuracy(self) -> float:
        """Share of the validation faces that were recognised."""
        return float(self.correct.double().mean())

    def __str__(self) -> str:
        low, high = bootstrap_interval(self.correct)
        return (
            f"validation accuracy {self.accuracy:.1%} ({low:.1%} to {high:.1%}), {self.race.parameters:,} of "
            f"{self.rules.parameters:,} parameters, {self.race.seconds:.1f} of {self.rules.seconds:g} s, "
            f"{self.race.faces_seen:,} faces seen"
        )

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an entry; `print` shows it, and the league."""

    entry: Entry
    race: Race
    league: League

    def __str__(self) -> str:
        low, high = self.entry.interval
        place = self.league.place_of(self.entry.name)
        line = (
            f"{self.entry.name}: test accuracy {self.entry.accuracy:.1%} ({low:.1%} to {high:.1%}), place {place} of "
            f"{len(self.league.best())}; look {self.entry.look} at the test faces."
        )
        return f"{line}\n\n{self.league}"

    __repr__ = __str__


def enter(
    model: nn.Module,
    name: str,
    training: Training | None = None,
    *,
    folder: str | Path = "runs",
    rules: Rules | None = None,
) -> Outcome:
    """Train a copy of a network under the rules, measure it once on the test faces, and write it into the league.

    The copy starts anew: the numbers of each weight tensor are shuffled among themselves, which a start drawn at
    random does not notice, and batch norm's statistics are reset. A start with a pattern, such as an identity, is lost.

    Args:
        model: any network from normalised images `(N, 1, 48, 48)` to logits `(N, 7)`. It stays untrained.
        name: yours, or your network's; at most 40 letters are kept.
        training: a `TrainConfig` (None: the defaults); or a function of `(model, train_set)` that trains the network it
            is given in place. Seeds are set before it runs; it may return a `History`.
        folder: where `league.json` lies.
        rules: a teacher's own; entries under other rules do not compare.

    Raises:
        RuleError: too large, too slow, knows too much, crashes, or its outputs are not finite. Nothing is written.
        TypeError: no network, or a training that is none.
        ShapeError: the network does not fit the faces.
        OSError: the folder is none, or its league cannot be read. (One that cannot be written is a warning.)
    """
    name, rules = _check_name(name), _check_rules(rules)
    league = League.of_folder(folder)
    with _named(f"{brief(name)} is not admitted"):
        race = run_race(model, training, rules)
        test = test_faces(rules.test_faces)
        correct = recognise(race.model, test, rules)
    entry = Entry(
        name=name,
        correct=pack(correct),
        count=len(correct),
        parameters=race.parameters,
        multiply_adds=race.multiply_adds,
        seconds=round(race.seconds, 3),
        faces_seen=race.faces_seen,
        look=1 + max((one.look for one in league.entries if one.name == name), default=0),
        curve=() if race.history is None else tuple(race.history["train_accuracy"]),
        training=describe_training(training),
        code=source_of(model, training),
        rules=rules.key,
        faces=faces_key(rules),
        when=time.strftime("%Y-%m-%d %H:%M:%S"),
        versions=versions(),
    )
    try:
        entry = league.add(entry)
    except OSError as error:  # a minute's work is not thrown away
        league.entries += [] if entry in league.entries else [entry]
        warn(f"The entry is shown and not kept: {reason(error, 240)}.")
    return Outcome(entry, race, league)


def rehearse(model: nn.Module, training: Training | None = None, *, rules: Rules | None = None) -> Rehearsal:
    """Train a copy of a network as `enter` does, and measure it on the 1,000 validation faces, as often as you like.

    Arguments and errors are those of `enter`.
    """
    rules = _check_rules(rules)
    with _named("this would not be admitted"):
        race = run_race(model, training, rules)
        return Rehearsal(race, recognise(race.model, validation_faces(), rules), rules)


def run_race(model: nn.Module, training: Training | None, rules: Rules) -> Race:
    """Copy a network, see that it knows nothing, train it against the clock, and look again; raises RuleError."""
    check_model(model, values=True)
    training = _check_training(training)
    faces = training_faces(rules.faces)
    check_fit(model, faces)
    racer = _copy(model).to("cpu")
    materialise(racer, faces.batch([0, 1])[0])
    helper = training.augment if isinstance(training, TrainConfig) else training
    check_parameters(racer, rules)
    check_holdings(racer, helper, rules)
    check_fresh(racer, faces, rules)
    forget(racer)
    with state_kept(), timed(racer, rules.seconds) as clock:
        seed_everything(0)
        history = _train(racer, faces.subset(range(len(faces))), training, clock)
        seconds = clock.used
    if clock.seconds < seconds:
        raise RuleError(f"training took {seconds:.1f} s of processor time; {rules.seconds:g} s are allowed")
    racer.eval()
    check_parameters(racer, rules)
    check_holdings(racer, helper, rules)
    spoilt = spoilt_weights(racer)
    if spoilt:
        raise RuleError(f"{spoilt} after training; try a tenth of the learning rate")
    trace = trace_shapes(racer, (1, 1, 48, 48))
    # The clock also sees the looks that `train` takes before its first step.
    seen = len(history) * len(faces) if isinstance(training, TrainConfig) else clock.seen
    return Race(racer, history, count_parameters(racer), trace.total_multiply_adds, seconds, seen)


def _train(racer: nn.Module, faces: FaceDataset, training: Training, clock: Clock) -> History | None:
    try:
        if isinstance(training, TrainConfig):
            return train(racer, faces, None, replace(training, device="cpu"))
        returned = training(racer, faces)
    except RuleError as error:
        raise RuleError(_too_slow(training, clock, len(faces)) if clock.over else str(error)) from error
    except Exception as error:
        if clock.over:
            raise RuleError(_too_slow(training, clock, len(faces))) from error
        raise RuleError(f"training ended in {type(error).__name__}: {reason(error, 200)}") from error
    if returned is not None and not isinstance(returned, History):
        raise RuleError(
            f"the training returned {brief(type(returned).__name__)}; let it train the network that it is given, in "
            "place, and return nothing"
        )
    return returned


def _too_slow(training: Training, clock: Clock, faces: int) -> str:
    told = f"training used up its {clock.seconds:g} s of processor time after {clock.seen:,} faces"
    if not isinstance(training, TrainConfig):
        return f"{told}. Let your function stop earlier"
    most = int(0.9 * clock.seen / faces)
    advice = f"Choose {most} epochs or fewer" if most else "Choose a smaller network"
    return f"{told}, {clock.seen / faces:.1f} of {training.epochs} epochs. {advice}"


def recognise(model: nn.Module, dataset: FaceDataset, rules: Rules) -> Tensor:
    """Say which faces a trained network recognises, bool `(N,)`; raises RuleError if it is too slow or not finite."""
    with timed(model, rules.predict_seconds) as clock:
        try:
            logits = compute_logits(model, dataset, BATCH_OF_TEST).cpu()
            check_finite(logits, model)
        except (ShapeError, ValueError) as error:
            if clock.over:
                raise RuleError(
                    f"{len(dataset):,} faces are not recognised within {rules.predict_seconds:g} s of processor time"
                ) from error
            raise RuleError(f"after training, {reason(error, 240)}") from error
    return match_classes(model, dataset).columns(logits).argmax(1) == dataset.labels


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say whose entry, or which rehearsal, breaks a rule."""
    try:
        yield
    except RuleError as error:
        raise RuleError(one_line(f"{what}: {str(error).rstrip('.')}.", 400)) from error


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copied(model)
    except Exception as error:  # a network may hold anything
        raise RuleError(f"a copy is trained, and {type(model).__name__} cannot be copied ({reason(error)})") from error


def _check_name(name: str) -> str:
    text = one_line(str(name), LONGEST_NAME).strip()
    if not text:
        raise ValueError(f"name={brief(name)}: give your name, or your network's.")
    return text


def _check_rules(rules: Rules | None) -> Rules:
    if not isinstance(rules, Rules | None):
        raise TypeError(f"rules={brief(rules)}: give Rules(…), or None for the usual ones.")
    return rules or Rules()


def _check_training(training: Training | None) -> Training:
    if training is None:
        return TrainConfig()
    if not isinstance(training, TrainConfig) and not callable(training):
        raise TypeError(
            f"training={brief(training)}: give a TrainConfig, or a function of a network and the training faces."
        )
    return training
