"""Every door of the room is tried with what does not belong there: one sentence that names the argument."""

import math

import numpy as np
import pytest
import torch

from emotion_utils.data import (
    Augment,
    FaceDataset,
    as_images,
    denormalise,
    find_blank,
    find_duplicates,
    from_arrays,
    from_huggingface,
    from_torchvision,
    keep_classes,
    load_folder,
    load_folder_splits,
    load_table,
    load_table_splits,
    normalise,
    resize,
    sample_faces,
    sample_shifted,
    soft_labels,
    split,
)
from emotion_utils.data.fer2013 import load_fer2013

GENERATOR = torch.Generator().manual_seed(1)
FACES = FaceDataset(
    torch.randint(0, 256, (21, 1, 12, 12), dtype=torch.uint8, generator=GENERATOR), torch.arange(21) % 7
)


class Mute:
    """An object that cannot even be shown."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


# What is nothing that any of these doors takes.
NONSENSE = [
    math.nan, math.inf, "x" * 5000, b"x", {"a": 1}, {"a"}, [None], object(), Mute(), 1j, torch.zeros(2, 2, 2, 2, 2),
    torch.zeros(3, device="meta"), torch.zeros(2).to_sparse(), np.datetime64("2020"), np.array([["a"]]),
]  # fmt: skip


def made(**changes):
    """Make a data set, one argument of which is wrong."""
    return FaceDataset(**{"images": FACES.images, "labels": FACES.labels, **changes})


SHARES = ("label_noise", "strength", "occluded", "duplicates")
DOORS = {
    "images": [
        lambda v: made(images=v),
        FACES.with_images,
        as_images,
        find_blank,
        lambda v: from_arrays(v, [1, 2, 3]),
    ],
    "labels": [
        lambda v: made(labels=v),
        FACES.with_labels,
        lambda v: split(v, (0.5, 0.5)),
        lambda v: from_arrays(FACES.images, v),
    ],
    "classes": [
        lambda v: made(classes=v),
        lambda v: FACES.with_labels(FACES.labels, v),
        lambda v: keep_classes(FACES, v),
    ],
    "names": [lambda v: made(names=v)],
    "truth": [lambda v: made(truth=[v])],
    "twins": [lambda v: made(twins=v), FACES.with_twins],
    "mean": [
        lambda v: made(mean=v, std=0.5),
        lambda v: FACES.with_normalisation(v, 0.5),
        lambda v: normalise(FACES.images, v, 0.5),
    ],
    "std": [
        lambda v: made(mean=0.5, std=v),
        lambda v: FACES.with_normalisation(0.5, v),
        lambda v: normalise(FACES.images, 0.5, v),
    ],
    "augment": [lambda v: made(augment=v), FACES.with_augment],
    "seed": [
        lambda v: made(seed=v),
        lambda v: FACES.with_augment(None, v),
        lambda v: FACES.limited(3, v),
        lambda v: FACES.divide((0.6, 0.4), v),
        lambda v: FACES.loader(4, seed=v),
        lambda v: split(FACES.labels, (0.5, 0.5), seed=v),
        lambda v: sample_faces(1, v, 24),
    ],
    "indices": [FACES.subset, FACES.batch],
    "epoch": [FACES.set_epoch, lambda v: Augment()(FACES.images / 255, torch.arange(21), epoch=v)],
    "batch_size": [FACES.loader],
    "shuffle": [lambda v: FACES.loader(4, v)],
    "drop_last": [lambda v: FACES.loader(4, drop_last=v)],
    "limit": [FACES.limited],
    "fractions": [FACES.divide, lambda v: split(FACES.labels, v)],
    "groups": [
        lambda v: split(FACES.labels, (0.5, 0.5), v),
        lambda v: made(groups=v),
        FACES.with_groups,
        lambda v: from_arrays(FACES.images, FACES.labels, groups=v),
    ],
    "colour": [
        lambda v: from_arrays(FACES.images, FACES.labels, colour=v),
        lambda v: as_images(FACES.images, colour=v),
        lambda v: load_folder(".", colour=v),
    ],
    "white": [lambda v: from_arrays(FACES.images, FACES.labels, white=v)],
    "layout": [lambda v: load_folder(".", layout=v)],
    "meaning": [lambda v: load_folder(".", meaning=v)],
    "shift": [lambda v: sample_shifted(1, v)],
    "share": [lambda v: load_folder_splits(".", share=v), lambda v: load_table_splits("x.csv", share=v)],
    "columns": [lambda v: load_table(__file__, columns=v)],
    "device": [FACES.to],
    "dataset": [
        from_torchvision,
        from_huggingface,
        lambda v: keep_classes(v, ["sad", "happy"]),
        lambda v: resize(v, 6),
        lambda v: find_duplicates(FACES, v),
    ],
    "size": [lambda v: resize(FACES, v), lambda v: as_images(FACES.images, v), lambda v: sample_faces(1, size=v)],
    "bgr": [lambda v: as_images(FACES.images, bgr=v)],
    "tolerance": [lambda v: find_blank(FACES.images, v)],
    "votes": [soft_labels],
    "n": [sample_faces],
    "difficulty": [lambda v: sample_faces(1, 0, 24, v)],
    "first": [lambda v: sample_faces(1, 0, 24, first=v)],
    **{
        knob: [lambda v, knob=knob: sample_faces(1, 0, 24, **{knob: v})]
        for knob in (*SHARES, "balance", "emotions", "skin_tone", "age", "faces_per_person")
    },
    **{
        part: [lambda v, part=part: Augment(**{part: v})]
        for part in ("flip", "rotate", "scale", "shift", "brightness", "contrast", "erase", "noise")
    },
}


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("number", range(len(NONSENSE)))
def test_nonsense_is_one_sentence_at_every_door(name, number):
    for call in DOORS[name]:
        with pytest.raises((ValueError, TypeError, OSError)) as caught:
            call(NONSENSE[number])
        message = str(caught.value)
        named = [name, name.rstrip("s"), "Image"] if name == "images" else [name]
        assert any(word in message for word in [*named, "content", "xxxxx"]), message
        assert len(message) <= 400
        assert message.isprintable()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: made(mean=127.5, std=58.0), "mean=127.5.* 1"),
        (lambda: made(mean=0.5, std=58.0), "std=58.0.* 1"),
        (lambda: made(name=None), "name=None"),
        (lambda: made(split=1), "split=1"),
        (lambda: FACES.subset([0], split=2), "split=2"),
        (lambda: FACES.loader(4, shuffle="no"), "shuffle='no'"),
        (lambda: as_images(FACES.images, bgr="no"), "bgr='no'"),
        (lambda: normalise(FACES.images.float(), 0.5, 0.5), "images reach 255"),
        (lambda: normalise(FACES.images.int() * 257, 0.5, 0.5), "images hold .*65535"),
        (lambda: denormalise(FACES.images, 0.5, 0.5), "images are torch.uint8"),
        (lambda: normalise(FACES.images, 0.5, torch.tensor([0.5, 0.0])), "std="),
        (lambda: normalise(FACES.images, torch.zeros(5), 0.5), r"mean.*\(5,\).*\(21, 1, 12, 12\)"),
        (lambda: FACES.batch("0"), "indices='0'"),
        (lambda: FACES.batch({0, 1}), "indices=.*0, 1"),
        (lambda: Augment(rotate=1e30), r"rotate=1e\+30.*180"),
        (lambda: Augment(shift=1.5), "shift=1.5.* 1"),
        (lambda: Augment(scale=(0.9, 1e30)), r"scale=.*1e\+30.* 10"),
        (lambda: load_fer2013("tests"), "split='tests'"),
        (lambda: load_folder(""), "path=''"),
    ],
)
def test_what_would_have_been_wrong_in_silence(call, named):
    with pytest.raises((ValueError, TypeError), match=named):
        call()


@pytest.mark.parametrize("change", [normalise, denormalise])
@pytest.mark.parametrize("number", [number for number in range(len(NONSENSE)) if number != 10])  # any shape will do
def test_nonsense_is_not_normalised(change, number):
    with pytest.raises((ValueError, TypeError), match="images"):
        change(NONSENSE[number], 0.5, 0.5)


def test_statistics_may_be_one_for_each_channel():
    images = FACES.images[:2].expand(2, 3, 12, 12)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), torch.tensor([0.5, 1.0, 0.25]).view(3, 1, 1)
    torch.testing.assert_close(normalise(images, mean, std), (images / 255 - mean) / std)
    torch.testing.assert_close(denormalise(normalise(images, mean, std), mean, std), images / 255)


def test_whole_numbers_of_every_type_are_grey_levels():
    wanted = normalise(FACES.images, 0.5, 0.25)
    for images in (FACES.images.int(), FACES.images.numpy().astype(np.int64)):
        assert torch.equal(normalise(images, 0.5, 0.25), wanted)


BRIGHT = (np.arange(144).reshape(12, 12) * 255 / 143).astype(np.float32)


@pytest.mark.parametrize(
    "images",
    [
        [BRIGHT, np.ones((12, 12))],
        [torch.from_numpy(BRIGHT / 255), BRIGHT],
        [(BRIGHT * 257).astype(np.int64), np.full((12, 12), 200)],
    ],
)
def test_a_dark_image_in_a_list_is_not_taken_for_one_of_another_range(images):
    with pytest.raises(ValueError, match=r"images\[[01]\].*images\[[01]\]"):
        as_images(images)


def test_lists_of_one_range_are_taken_as_their_array_is():
    black, unit = np.zeros((12, 12)), BRIGHT / 255
    for images in ([unit, unit / 2, *[black] * 3], [BRIGHT, BRIGHT / 2, *[black] * 3]):
        assert torch.equal(as_images(images), as_images(np.stack(images)))


def test_whole_numbers_of_which_1_is_the_largest_are_asked_about():
    mask = (BRIGHT > 99).astype(np.int64)
    with pytest.raises(ValueError, match=r"0 and 1.*bool"):
        as_images(mask)
    assert as_images(mask.astype(bool)).unique().tolist() == [0, 255]
    assert as_images(mask.astype(np.uint8)).unique().tolist() == [0, 1]


def test_the_order_of_bytes_does_not_change_what_a_number_means():
    deep = (BRIGHT * 257).astype(np.uint16)
    assert torch.equal(as_images(deep.astype(">u2")), as_images(deep))
    with pytest.raises(ValueError, match=r"255.*16 bits"):
        as_images(BRIGHT.astype(">u2"))
