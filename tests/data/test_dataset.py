"""Faces in memory: samples, batches, parts, and copies that differ in one thing."""

import math

import numpy as np
import pytest
import torch
from small_faces import small_faces
from torch.utils.data import DataLoader

from emotion_utils.data.augment import Augment
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.pixels import pixel_statistics


def test_a_sample_is_a_normalised_image_and_an_int():
    dataset = small_faces(70)
    image, label = dataset[8]
    assert (image.dtype, image.shape, label) == (torch.float32, (1, 16, 16), 1)
    assert isinstance(label, int)
    pixels = dataset.images / 255
    assert dataset.mean == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert dataset.std == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)
    torch.testing.assert_close(image, (pixels[8] - dataset.mean) / dataset.std)
    torch.testing.assert_close(dataset[-1][0], dataset[69][0], rtol=0, atol=0)
    with pytest.raises(IndexError, match="Image 70"):
        dataset[70]


@pytest.mark.parametrize(
    "part", [slice(0, 3), [0, 1, 2], (0, 1, 2), torch.arange(3), np.arange(3), range(3), [-70, -69, 2]]
)
def test_a_slice_or_a_list_is_a_batch(part):
    dataset = small_faces(70).with_augment(Augment())
    images, labels = dataset[part]
    assert torch.equal(images, dataset.batch([0, 1, 2])[0])
    assert labels.tolist() == [0, 1, 2]


def test_slices_masks_and_numbers_of_all_types():
    dataset = small_faces(10)
    assert dataset[::-4][1].tolist() == [2, 5, 1]
    assert dataset[dataset.labels == 3][1].tolist() == [3]
    assert len(dataset[5:5][1]) == 0
    for three in (np.int64(3), torch.tensor(3), np.uint8(3), 3.0):
        assert dataset[three][1] == 3
    for wrong in ("3", 1.5, None, True, math.nan):
        with pytest.raises(ValueError, match=r"^i="):
            dataset[wrong]


def test_the_standard_dataloader_fetches_by_the_batch():
    batches = []

    def watch(images, index, seed, epoch):
        batches.append(index.tolist())
        return images

    images, labels = next(iter(DataLoader(small_faces(70).with_augment(watch), batch_size=32)))
    assert batches == [list(range(32))]
    assert (images.dtype, images.shape) == (torch.float32, (32, 1, 16, 16))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [i % 7 for i in range(32)]


def test_the_standard_dataloader_works_with_workers():
    dataset = small_faces(40).with_augment(Augment())
    plain = torch.cat([images for images, _ in DataLoader(dataset, batch_size=16)])
    worker = torch.cat([images for images, _ in DataLoader(dataset, batch_size=16, num_workers=1)])
    torch.testing.assert_close(plain, worker, rtol=0, atol=0)


def test_order_and_augmentation_depend_on_seed_and_epoch_alone():
    dataset = small_faces(70).with_augment(Augment(), seed=3)
    loader = dataset.loader(16, shuffle=True, seed=3)

    def epoch(number: int) -> torch.Tensor:
        dataset.set_epoch(number)
        return torch.cat([images for images, _ in loader])

    zero, one = epoch(0), epoch(1)
    assert not torch.equal(zero, one)
    assert torch.equal(epoch(0), zero)  # going back gives the same again: a resumed run sees what it would have seen
    dataset.set_epoch(1)
    fresh = small_faces(70).with_augment(Augment(), seed=3)
    fresh.set_epoch(1)
    order = list(fresh.loader(64, shuffle=True, seed=3).sampler)
    assert sorted(order) == list(range(70))
    assert torch.equal(one, torch.stack([fresh[i][0] for i in order]))  # whatever the batch size
    other = small_faces(70).with_augment(Augment(), seed=4)
    assert not torch.equal(other[5][0], small_faces(70).with_augment(Augment(), seed=3)[5][0])


def test_drop_last_and_length_of_the_loader():
    assert len(small_faces(70).loader(32)) == 3
    assert [len(labels) for _, labels in small_faces(70).loader(32, drop_last=True)] == [32, 32]


def test_subset_keeps_what_belongs_to_each_image_and_the_training_statistics():
    dataset = small_faces(
        10,
        names=[f"face {i}" for i in range(10)],
        twins=torch.arange(10) % 2 == 0,
        truth={"identity": torch.arange(10)},
    )
    part = dataset.subset([7, 2])
    assert part.names == ["face 7", "face 2"]
    assert part.twins.tolist() == [False, True]
    assert part.truth["identity"].tolist() == [7, 2]
    assert part.labels.tolist() == [0, 2]
    assert (part.mean, part.std) == (dataset.mean, dataset.std)
    assert dataset.subset(dataset.labels == 2).labels.tolist() == [2, 2]
    assert (part.split, dataset.subset([1], split="test").split) == ("training", "test")
    with pytest.raises(ValueError, match=r"indices=\[\]"):
        dataset.subset([])


@pytest.mark.parametrize(
    "indices", [[1, 3], (1, 3), np.array([1, 3]), torch.tensor([1, 3]), range(1, 4, 2), slice(1, 4, 2), [-9, -7],
                np.array([1, 3], np.uint8), [False, True, False, True] + 6 * [False], np.isin(np.arange(10), (1, 3))]
)  # fmt: skip
def test_indices_of_every_kind(indices):
    part = small_faces(10, names=[str(i) for i in range(10)]).subset(indices)
    assert part.names[:2] == ["1", "3"]
    assert part.labels.tolist()[:2] == [1, 3]


@pytest.mark.parametrize(
    ("indices", "error", "named"),
    [
        (torch.ones(3, dtype=torch.bool), ValueError, r"indices .*\(3,\).* 10 images"),
        (np.ones(11, bool), ValueError, r"indices .*\(11,\).* 10 images"),
        ([True, False], ValueError, r"indices .*\(2,\).* 10 images"),
        (torch.ones(10, 1, dtype=torch.bool), ValueError, r"indices .*\(10, 1\)"),
        ([3, 10], IndexError, "indices=10: .* 10 images"),
        ([-11], IndexError, "indices=-11"),
        ([2**40], IndexError, f"indices={2**40}"),
        ([1.0, 2.0], TypeError, "indices are torch.float64"),
        ([math.nan], TypeError, "indices"),
        (["a"], TypeError, "indices="),
        ([None], TypeError, "indices="),
        (torch.tensor([[1], [2]]), ValueError, r"indices .*\(2, 1\)"),
        ([], ValueError, r"indices=\[\]"),
        (torch.zeros(10, dtype=torch.bool), ValueError, r"indices=\[\]"),
    ],
)
def test_indices_that_are_none_are_named(indices, error, named):
    dataset = small_faces(10)
    with pytest.raises(error, match=named):
        dataset.subset(indices)
    if "[]" not in named.replace("\\", ""):
        with pytest.raises(error, match=named):
            dataset.batch(indices)


def test_limited_keeps_the_class_balance():
    dataset = small_faces(140)
    some = dataset.limited(35)
    assert some.class_counts().tolist() == [5] * 7
    assert torch.equal(dataset.limited(35).images, some.images)
    assert not torch.equal(dataset.limited(35, seed=1).images, some.images)
    assert (some.mean, some.std) == (dataset.mean, dataset.std)
    assert len(dataset.limited(141)) == len(dataset.limited(None)) == 140
    with pytest.raises(ValueError, match=r"limit=0: .*None"):
        dataset.limited(0)


def test_a_copy_differs_in_one_thing_shares_memory_and_leaves_the_original_alone():
    dataset = small_faces(70)
    augmented = dataset.with_augment(Augment())
    assert not torch.equal(augmented[0][0], dataset[0][0])
    dimmed = dataset.with_normalisation(0.25, 0.5)
    torch.testing.assert_close(dimmed[3][0], (dataset.images[3] / 255 - 0.25) / 0.5)
    turned = dataset.with_labels((dataset.labels + 1) % 3, ("a", "b", "c"))
    assert (turned.classes, turned[2][1]) == (("a", "b", "c"), 0)
    assert dataset.with_labels(dataset.labels.flip(0)).classes == dataset.classes
    marked = dataset.with_twins(dataset.labels == 0)
    assert marked.twins.sum() == 10
    assert marked.with_twins(None).twins is None
    for copy in (augmented, dimmed, turned, marked):
        assert copy.images.data_ptr() == dataset.images.data_ptr()
    assert (dataset.augment, dataset.twins, dataset.labels[2]) == (None, None, 2)
    assert (dataset.mean, dataset.std) == (augmented.mean, augmented.std)
    with pytest.raises(ValueError, match=r"0 to 6.* 2 classes"):
        dataset.with_labels(dataset.labels, ("a", "b"))
    with pytest.raises(ValueError, match=r"twins has 69 .* 70 images"):
        dataset.with_twins(torch.ones(69, dtype=torch.bool))


def test_other_images_of_the_same_faces_lose_the_truth_about_pixels():
    dataset = small_faces(10, names=[f"face {i}" for i in range(10)], truth={"masks": torch.zeros(10, 16, 16)})
    cropped = dataset.with_images(dataset.images[..., 2:-2, 2:-2])
    assert (cropped.images.shape, cropped.truth) == ((10, 1, 12, 12), None)
    assert (cropped.names, cropped.mean, cropped.std) == (dataset.names, dataset.mean, dataset.std)
    assert dataset.truth is not None
    with pytest.raises(ValueError, match=r"\(10,\) .*9 images"):
        dataset.with_images(dataset.images[1:])


def test_describe_tells_size_balance_twins_and_notes():
    text = small_faces(14, name="drawn", twins=torch.arange(14) < 3, notes=["two files were skipped"]).describe()
    for part in ("drawn, training split: 14 images of 16×16", "angry", "14.3%", "twin in training: 3", "two files"):
        assert part in text
    assert small_faces(8).class_counts().tolist() == [2, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["NumPy", "list", "int64", "bool", "read-only", "big-endian", "backwards", "uint16"])
def test_images_and_labels_of_every_exact_kind(kind):
    plain = torch.randint(0, 256, (6, 1, 5, 5), dtype=torch.uint8)
    images = {
        "NumPy": plain.numpy(), "list": plain.tolist(), "int64": plain.long(), "bool": plain > 127,
        "read-only": np.frombuffer(plain.numpy().tobytes(), np.uint8).reshape(6, 1, 5, 5),
        "big-endian": plain.numpy().astype(">i4"), "backwards": plain.numpy()[::-1][::-1],
        "uint16": plain.to(torch.uint16),
    }[kind]  # fmt: skip
    labels = {
        "NumPy": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "int64": torch.tensor([0, 1, 2, 0, 1, 2], dtype=torch.int8),
    }
    dataset = FaceDataset(images, labels.get(kind, [0, 1, 2, 0, 1, 2]), ["a", "b", "c"])
    assert torch.equal(dataset.images, (plain > 127).to(torch.uint8) * 255 if kind == "bool" else plain)
    assert (dataset.images.dtype, dataset.labels.dtype) == (torch.uint8, torch.int64)
    assert torch.equal(dataset.with_images(images).images, dataset.images)


def test_memory_is_shared_with_what_was_given():
    images = torch.zeros(3, 1, 5, 5, dtype=torch.uint8)
    assert FaceDataset(images, [0, 1, 2]).images is images
    array = images.numpy()
    assert FaceDataset(array, [0, 1, 2]).images.data_ptr() == images.data_ptr()


def test_labels_may_be_names():
    images = torch.zeros(3, 1, 5, 5, dtype=torch.uint8)
    for names in (["sad", "happy", "sad"], np.array(["sad", "happy", "sad"]), ("Sadness", "JOY", "sad")):
        assert FaceDataset(images, names).labels.tolist() == [4, 3, 4]
    pets = FaceDataset(images, ["dog", "cat", "dog"], np.array(["cat", "dog"]))
    assert pets.labels.tolist() == [1, 0, 1]
    assert [type(name) for name in pets.classes] == [str, str]
    assert pets.with_labels(["cat"] * 3).labels.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"labels hold 'fish'; .*cat, dog"):
        pets.with_labels(["fish", "cat", "dog"])
    with pytest.raises(ValueError, match=r"labels hold 'Cat'"):
        pets.with_labels(["Cat", "cat", "dog"])
    with pytest.raises(ValueError, match="labels hold 'contempt'"):
        FaceDataset(images, ["contempt", "sad", "sad"])


@pytest.mark.parametrize("number", [0.5, np.float32(0.5), np.float64(0.5), torch.tensor(0.5)])
def test_mean_and_standard_deviation_become_plain_numbers(number):
    dataset = small_faces(7, mean=number, std=number)
    assert (type(dataset.mean), type(dataset.std), dataset.mean) == (float, float, 0.5)
    again = dataset.with_normalisation(number, number)
    assert (type(again.mean), type(again.std)) == (float, float)


@pytest.mark.parametrize(
    ("mean", "std", "named"),
    [
        (math.nan, 1.0, "mean=nan"), (math.inf, 1.0, "mean=inf"), ("0.5", 1.0, "mean='0.5'"), (0.5, None, "std=None"),
        (None, 0.5, "mean=None"), (0.5, 0, "std=0"), (0.5, -1, "std=-1"), (0.5, math.nan, "std=nan"),
        (torch.ones(2), 1.0, "mean="),
    ],
)  # fmt: skip
def test_a_normalisation_that_is_none_is_named(mean, std, named):
    with pytest.raises(ValueError, match=named):
        small_faces(7, mean=mean, std=std)
    with pytest.raises(ValueError, match=named):
        small_faces(7).with_normalisation(mean, std)


def test_numpy_s_numbers_are_the_same_seeds():
    dataset, seed = small_faces(70), np.int64(3)
    assert torch.equal(dataset.with_augment(Augment(), seed)[3][0], dataset.with_augment(Augment(), 3)[3][0])
    assert list(dataset.loader(7, True, seed).sampler) == list(dataset.loader(7, True, 3).sampler)
    assert dataset.limited(np.int64(14), seed).labels.tolist() == dataset.limited(14, 3).labels.tolist()
    for one, other in zip(dataset.divide(np.array([0.5, 0.5]), seed), dataset.divide((0.5, 0.5), 3), strict=True):
        assert torch.equal(one.images, other.images)
    first, second = dataset.with_augment(Augment()), dataset.with_augment(Augment())
    first.set_epoch(np.int64(2))
    second.set_epoch(2)
    assert torch.equal(first[3][0], second[3][0])
    for call in (dataset.limited, dataset.divide, dataset.with_augment):
        with pytest.raises(ValueError, match=r"seed=0\.5"):
            call((0.5, 0.5) if call == dataset.divide else 7 if call == dataset.limited else None, seed=0.5)


def test_the_digest_is_that_of_the_content():
    dataset = small_faces(70, names=[str(i) for i in range(70)])
    known = dataset.digest()
    assert known == small_faces(70).digest()
    assert known == dataset.with_augment(Augment(), 3).with_twins(dataset.labels == 1).digest()
    changed = dataset.images.clone()
    changed[5, 0, 3, 3] += 1
    others = [
        dataset.with_images(changed), dataset.with_labels(dataset.labels.flip(0)), dataset.with_normalisation(0.4, 0.2),
        dataset.with_labels(dataset.labels, [f"{name} " for name in dataset.classes]), dataset.subset(range(69)),
        dataset.with_images(dataset.images.view(70, 1, 8, 32)),
    ]  # fmt: skip
    assert len({known, *(other.digest() for other in others)}) == 7
    dataset.images[0, 0, 0, 0] += 1
    assert dataset.digest() != known  # nothing is remembered


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": torch.zeros(3, 1, 48, 48)}, TypeError, "images.*torch.float32"),
        ({"images": torch.zeros(3, 48, 48, dtype=torch.uint8)}, ValueError, r"images.*\(3, 48, 48\)"),
        ({"images": torch.zeros(3, 2, 48, 48, dtype=torch.uint8)}, ValueError, r"images.*\(3, 2, 48, 48\)"),
        ({"images": torch.zeros(0, 1, 48, 48, dtype=torch.uint8)}, ValueError, "no images"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0])}, TypeError, "labels.*torch.float32"),
        ({"labels": torch.tensor([0, 1, 7])}, ValueError, "labels.* 0 to 7.* 7 classes"),
        ({"labels": torch.tensor([0, -1, 2])}, ValueError, "labels.* -1 to 2"),
        ({"labels": torch.tensor([0, 1])}, ValueError, r"labels.*\(2,\) .*3 images"),
        ({"names": ["a", "b"]}, ValueError, "names.* 2 .*3 images"),
        ({"twins": torch.zeros(2)}, ValueError, "twins.* 2 .*3 images"),
        ({"truth": {"masks": torch.zeros(4)}}, ValueError, "masks.* 4 .*3 images"),
        ({"images": np.zeros((3, 1, 48, 48))}, TypeError, "images.*torch.float64.*as_images"),
        ({"images": torch.full((3, 1, 4, 4), torch.nan)}, TypeError, "images.*torch.float32"),
        ({"images": torch.full((3, 1, 4, 4), 256)}, ValueError, "images hold 256 to 256"),
        ({"images": torch.full((3, 1, 4, 4), -1)}, ValueError, "images hold -1 to -1"),
        ({"images": np.zeros((3, 48, 48, 3), np.uint8)}, ValueError, r"images.*\(3, 48, 48, 3\).*as_images"),
        ({"images": torch.zeros(3, 1, 0, 5, dtype=torch.uint8)}, ValueError, r"images.*\(3, 1, 0, 5\)"),
        ({"images": None}, TypeError, "images=None"),
        ({"images": ["a.png"]}, TypeError, "images="),
        ({"labels": None}, TypeError, "labels=None"),
        ({"labels": [[0], [1], [2]]}, ValueError, r"labels.*\(3, 1\)"),
        ({"labels": [True, False, True]}, TypeError, "labels.*torch.bool"),
        ({"labels": np.array([0, 1, 2**63], np.uint64)}, ValueError, "labels run from"),
        ({"labels": ["sad", 1, "sad"]}, ValueError, "labels hold 1"),
        ({"classes": ()}, ValueError, r"classes=\(\)"),
        ({"classes": "abc"}, ValueError, "classes='abc'"),
        ({"classes": range(3)}, ValueError, r"classes=range\(0, 3\)"),
        ({"classes": 3}, ValueError, "classes=3"),
        ({"classes": ["a", "b", "a"]}, ValueError, "classes=.*'a' is there twice"),
        ({"twins": [2, 0, 1]}, TypeError, "twins are torch.int64"),
        ({"seed": math.nan}, ValueError, "seed=nan"),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"images": torch.zeros(3, 1, 48, 48, dtype=torch.uint8), "labels": torch.tensor([0, 1, 2])} | change
    with pytest.raises(error, match=message):
        FaceDataset(**arguments)


@pytest.mark.parametrize("device", ["nowhere", "cuda:99", "gpu"])
def test_an_unknown_device_is_named(device):
    with pytest.raises(ValueError, match=f"device='{device}'"):
        small_faces(7).to(device)


@pytest.mark.parametrize(
    "fractions", [(math.nan, 0.5), (0.5, math.nan), (1.5, -0.5), (), 0.8, "0.5", None, ("0.5", "0.5"), (math.inf, 0.1)]
)
def test_fractions_that_are_none_are_named(fractions):
    with pytest.raises(ValueError, match="fractions="):
        small_faces(50).divide(fractions)


def test_divide_names_the_parts_and_normalises_all_like_the_training_part():
    training, validation, test = small_faces(200).divide((0.7, 0.15, 0.15))
    assert [part.split for part in (training, validation, test)] == ["training", "validation", "test"]
    assert validation.mean == test.mean == training.mean == pixel_statistics(training.images)[0]
    assert training.twins is None
    assert not test.twins.any()
    assert [part.split for part in small_faces(50).divide((0.9, 0.1))] == ["training", "validation"]
    with pytest.raises(ValueError, match=r"fractions=\(0.4, 0.2, 0.2, 0.2\)"):
        small_faces(50).divide((0.4, 0.2, 0.2, 0.2))
    with pytest.raises(ValueError, match=r"fractions=\(0.8, 0.1, 0.1\): 3 images"):
        small_faces(3).divide()


@pytest.mark.parametrize(
    "classes",
    [{"sad": 1, "happy": 0}, {1: "sad", 0: "happy"}, {"1": "sad", "0": "happy"}, {"happy": 0, "sad": 1}.keys()],
)
def test_names_of_classes_in_a_dictionary_are_in_the_order_of_their_numbers(classes):
    """As torchvision's `class_to_idx`, an `id2label`, and that from a file of JSON; labels are numbers of these."""
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert FaceDataset(images, [0, 1], classes).classes == ("happy", "sad")
    assert FaceDataset(images, ["sad", "happy"], classes).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "classes", [{"happy": 1, "sad": 2}, {"happy": 0, "sad": 0}, {"happy": "froh", "sad": "traurig"}, {0: 1}, {},
                {"happy", "sad"}, frozenset({"happy", "sad"})]
)  # fmt: skip
def test_classes_without_an_order_are_refused(classes):
    with pytest.raises(ValueError, match="classes="):
        FaceDataset(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0, 1], classes)
