"""Every door of the room is tried with what does not belong there: one sentence that names the argument."""

import math

import numpy as np
import pytest
import torch

from emotion_utils.faces import (
    ActionUnits,
    Capture,
    Identity,
    prototype,
    render,
    sample_action_units,
    sample_capture,
    sample_identity,
)

PEOPLE, PHOTOS, UNITS = sample_identity(2), sample_capture(2), ActionUnits.of(2, AU12=0.5)


class Mute:
    """An object that cannot even be shown."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


# What is nothing that any of these doors takes.
NONSENSE = [
    True, math.nan, math.inf, 10**30, -(10**30), "a", "", "x" * 5000, b"x", {}, {1}, [None], ["a"], object(), Mute(),
    1j, torch.zeros(2, 2, 2), torch.zeros(2, device="meta"), torch.zeros(2).to_sparse(), np.array(["a"]),
    np.datetime64("2020"),
]  # fmt: skip

DOORS = {
    "n": [lambda n: sample_identity(n), lambda n: sample_capture(n), lambda n: ActionUnits.of(n, AU12=0.5)],
    "seed": [
        lambda seed: sample_identity(2, seed),
        lambda seed: sample_capture(2, seed),
        lambda seed: sample_action_units([0, 6], seed=seed),
    ],
    "index": [
        lambda index: sample_identity(2, index=index),
        lambda index: sample_capture(2, index=index),
        lambda index: sample_action_units([0, 6], index),
        lambda index: PEOPLE[index],
        lambda index: UNITS[index],
    ],
    "skin_tone": [lambda bounds: sample_identity(2, skin_tone=bounds)],
    "age": [lambda bounds: sample_identity(2, age=bounds)],
    "difficulty": [lambda share: sample_capture(2, difficulty=share)],
    "occluded": [lambda share: sample_capture(2, occluded=share)],
    "labels": [lambda labels: sample_action_units(labels)],
    "strength": [lambda n: sample_action_units([0], strength=n), lambda n: prototype("happy", n)],
    "faint": [lambda n: sample_action_units([0], faint=n)],
    "blend": [lambda n: sample_action_units([0], blend=n)],
    "stray": [lambda n: sample_action_units([0], stray=n)],
    "emotion": [lambda name: prototype(name)],
    "variant": [lambda variant: prototype("happy", variant=variant)],
    "size": [lambda size: render(PEOPLE, UNITS, PHOTOS, size)],
    "identity": [lambda who: render(who, UNITS, PHOTOS, 24)],
    "action_units": [lambda units: render(PEOPLE, units, PHOTOS, 24)],
    "capture": [lambda photo: render(PEOPLE, UNITS, photo, 24)],
    "device": [lambda device: PEOPLE.to(device), lambda device: UNITS.to(device)],
    "left": [lambda half: ActionUnits(half)],
    "right": [lambda half: ActionUnits(UNITS.left, half)],
    "AU12": [lambda intensity: ActionUnits.of(2, AU12=(0.5, intensity))],
    "beard": [lambda value: PEOPLE.replace(beard=value), lambda value: Identity(**{**vars(PEOPLE), "beard": value})],
    "rest": [lambda value: Identity(**{**vars(PEOPLE), "rest": value})],
    "yaw": [lambda value: Capture(**{**vars(PHOTOS), "yaw": value})],
}


def says_one_sentence(call, value, words):
    """Call with a value that is wrong; the error is a sentence with one of the words in it."""
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        call(value)
    message = str(caught.value)
    assert any(word in message for word in words), message
    assert len(message) <= 400
    assert message.isprintable()
    assert message.endswith(".")


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("number", range(len(NONSENSE)))
def test_nonsense_is_one_sentence_at_every_door(name, number):
    value = NONSENSE[number]
    if (value is True and name in ("AU12", "beard")) or (type(value) is int and name == "seed"):
        pytest.skip("that is one: a mask says who wears a beard, and any whole number from 0 is a seed")
    words = [name, "Action units"] if name in ("left", "right") else [name]
    for call in DOORS[name]:
        says_one_sentence(call, value, words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_identity(2, skin_tone=(0.8, 0.2)), r"skin_tone=\(0.8, 0.2\)"),
        (lambda: sample_identity(2, skin_tone=(-1, 0.2)), r"skin_tone=\(-1, 0.2\)"),
        (lambda: sample_identity(2, age=torch.tensor([[3.0, 4.0], [200.0, 300.0]])), r"age=\(200, 300\).*120"),
        (lambda: sample_identity(2, age=torch.ones(3, 2)), r"age.*\(3, 2\)"),
        (lambda: sample_identity(2, index=[5]), r"index.*\(1,\).*\(2,\)"),
        (lambda: sample_identity(2, index=[5, -3]), "index=-3"),
        (lambda: sample_identity(10**8), "n=100000000"),
        (lambda: sample_action_units([0, 7]), "labels=7.* 6"),
        (lambda: sample_action_units([]), r"labels.*\(0,\)"),
        (lambda: PEOPLE[2], "index=2.*2 faces"),
        (lambda: PEOPLE[[0, -3]], "index=-1|index=-3"),
        (lambda: PEOPLE[[0, 5]], "index=5.*2 faces"),
        (lambda: UNITS[torch.tensor([True])], r"index.*\(1,\).*2 faces"),
        (lambda: PHOTOS.replace(scale=0), "scale=0"),
        (lambda: PHOTOS.replace(blur=1e6), r"blur=1e\+06.*10000"),
        (lambda: PEOPLE.replace(rest=torch.zeros(2)), r"rest.*\(2,\).*\(2, 21\)"),
        (lambda: ActionUnits.of(2, AU12=(0.1, 0.2, 0.3)), "AU12=.*0.3"),
        (lambda: ActionUnits.of(2, AU12=[0.1, 0.2, 0.3]), r"AU12.*\(3,\).* 2"),
        (lambda: render(PEOPLE[[]], UNITS[[]], PHOTOS[[]]), "identity.* 0 faces"),
        (lambda: render(PEOPLE, UNITS, PHOTOS, 24.5), "size=24.5"),
    ],
)
def test_numbers_that_do_not_fit(call, words):
    with pytest.raises((ValueError, IndexError), match=words):
        call()


def test_numbers_of_every_kind_give_the_same_faces():
    wanted = sample_identity(2, 3, index=torch.tensor([5, 4]), age=(20, 30))
    for n, seed, index, age in [
        (np.int64(2), np.int32(3), [5, 4], [20, 30]),
        (2.0, torch.tensor(3), np.array([5, 4]), np.array([20, 30])),
        (torch.tensor(2), 3.0, range(5, 3, -1), torch.tensor([[20, 30], [20, 30]])),
    ]:
        made = sample_identity(n, seed, index=index, age=age)
        assert all(torch.equal(vars(made)[name], value) for name, value in vars(wanted).items())
    assert torch.equal(sample_action_units([0, 6]).left, sample_action_units(np.array([0, 6])).left)
    assert torch.equal(prototype("happy", variant=np.int64(1)).left, prototype("happy", variant=1).left)


def test_faces_are_picked_as_from_a_list():
    for index in (np.int64(1), torch.tensor(1), -1, [1], range(1, 2), np.array([-1]), torch.tensor([False, True])):
        assert torch.equal(PEOPLE[index].rest, PEOPLE.rest[1:])
        assert torch.equal(UNITS[index].left, UNITS.left[1:])
    assert len(PEOPLE[[]]) == len(PEOPLE[5:]) == 0


def test_one_number_fills_every_column():
    assert PEOPLE.replace(rest=0.25).rest.tolist() == [[0.25] * 21] * 2
