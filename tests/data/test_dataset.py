"""FaceDataset, splits and duplicates."""

import pytest
import torch
from torch.utils.data import DataLoader

from emotion_utils.data.augment import Augment
from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.duplicates import find_blank, find_duplicates
from emotion_utils.data.pixels import denormalise, normalise, pixel_statistics
from emotion_utils.data.splits import group_identical, split
from emotion_utils.emotions import EMOTIONS


def faces(n: int = 70, seed: int = 0, **options) -> FaceDataset:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 1, 48, 48), dtype=torch.uint8, generator=generator)
    return FaceDataset(images, torch.arange(n) % 7, **options)


def test_a_sample_is_a_normalised_image_and_an_int():
    dataset = faces()
    image, label = dataset[8]
    assert (image.dtype, image.shape, label) == (torch.float32, (1, 48, 48), 1)
    assert isinstance(label, int)
    pixels = dataset.images / 255
    assert dataset.mean == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert dataset.std == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)
    torch.testing.assert_close(image, (pixels[8] - dataset.mean) / dataset.std)
    torch.testing.assert_close(dataset[-1][0], dataset[69][0], rtol=0, atol=0)
    with pytest.raises(IndexError, match="Image 70 was asked for; there are 70"):
        dataset[70]


def test_normalise_and_denormalise_are_inverse():
    images = faces(5).images
    torch.testing.assert_close(denormalise(normalise(images, 0.4, 0.2), 0.4, 0.2), images / 255)
    torch.testing.assert_close(normalise(images / 255, 0.4, 0.2), normalise(images, 0.4, 0.2))


def test_pixel_statistics_of_one_blank_image_do_not_divide_by_zero():
    assert pixel_statistics(torch.full((1, 1, 48, 48), 255, dtype=torch.uint8)) == (1.0, 1.0)


def test_the_standard_dataloader_fetches_by_the_batch(monkeypatch):
    dataset = faces(70).with_augment(Augment())
    calls = []
    batch = dataset.batch
    monkeypatch.setattr(dataset, "batch", lambda indices: calls.append(len(indices)) or batch(indices))
    images, labels = next(iter(DataLoader(dataset, batch_size=32)))
    assert calls == [32]
    assert (images.dtype, images.shape) == (torch.float32, (32, 1, 48, 48))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [i % 7 for i in range(32)]


def test_the_standard_dataloader_works_with_workers():
    dataset = faces(40).with_augment(Augment())
    plain = torch.cat([images for images, _ in DataLoader(dataset, batch_size=16)])
    worker = torch.cat([images for images, _ in DataLoader(dataset, batch_size=16, num_workers=1)])
    torch.testing.assert_close(plain, worker, rtol=0, atol=0)


def test_order_and_augmentation_depend_on_seed_and_epoch_alone():
    dataset = faces().with_augment(Augment(), seed=3)
    loader = dataset.loader(16, shuffle=True, seed=3)

    def epoch(number: int) -> torch.Tensor:
        dataset.set_epoch(number)
        return torch.cat([images for images, _ in loader])

    zero, one = epoch(0), epoch(1)
    assert not torch.equal(zero, one)
    assert torch.equal(epoch(0), zero)  # going back gives the same again: a resumed run sees what it would have seen
    dataset.set_epoch(1)
    fresh = faces().with_augment(Augment(), seed=3)
    fresh.set_epoch(1)
    order = list(fresh.loader(64, shuffle=True, seed=3).sampler)
    assert sorted(order) == list(range(70))
    assert torch.equal(one, torch.stack([fresh[i][0] for i in order]))  # whatever the batch size
    other = faces().with_augment(Augment(), seed=4)
    assert not torch.equal(other[5][0], faces().with_augment(Augment(), seed=3)[5][0])


def test_drop_last_and_length_of_the_loader():
    assert len(faces(70).loader(32)) == 3
    assert [len(labels) for _, labels in faces(70).loader(32, drop_last=True)] == [32, 32]


def test_subset_keeps_what_belongs_to_each_image_and_the_training_statistics():
    dataset = faces(
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
    with pytest.raises(ValueError, match="at least one image"):
        dataset.subset([])


def test_with_augment_shares_memory_and_leaves_the_original_alone():
    dataset = faces()
    augmented = dataset.with_augment(Augment())
    assert augmented.images.data_ptr() == dataset.images.data_ptr()
    assert dataset.augment is None
    assert not torch.equal(augmented[0][0], dataset[0][0])


def test_describe_tells_size_balance_twins_and_notes():
    text = faces(14, name="drawn", twins=torch.arange(14) < 3, notes=["two files were skipped"]).describe()
    for part in ("drawn, training split: 14 images of 48×48", "angry", "14.3%", "twin in training: 3", "two files"):
        assert part in text
    assert faces(8).class_counts().tolist() == [2, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": torch.zeros(3, 1, 48, 48)}, TypeError, r"images are torch.float32.*\* 255"),
        ({"images": torch.zeros(3, 48, 48, dtype=torch.uint8)}, ValueError, r"shape \(3, 48, 48\).*images\[:, None\]"),
        ({"images": torch.zeros(3, 3, 48, 48, dtype=torch.uint8)}, ValueError, r"\(3, 3, 48, 48\)"),
        ({"images": torch.zeros(0, 1, 48, 48, dtype=torch.uint8)}, ValueError, "no images"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0])}, TypeError, r"labels are torch.float32.*labels.long\(\)"),
        ({"labels": torch.tensor([0, 1, 7])}, ValueError, "from 0 to 7, but 7 classes"),
        ({"labels": torch.tensor([0, -1, 2])}, ValueError, "from -1 to 2"),
        ({"labels": torch.tensor([0, 1])}, ValueError, r"shape \(2,\) for 3 images"),
        ({"names": ["a", "b"]}, ValueError, "names has 2 entries for 3 images"),
        ({"truth": {"masks": torch.zeros(4)}}, ValueError, "masks has 4 entries for 3 images"),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"images": torch.zeros(3, 1, 48, 48, dtype=torch.uint8), "labels": torch.tensor([0, 1, 2])} | change
    with pytest.raises(error, match=message):
        FaceDataset(**arguments)


def test_split_is_stratified_complete_and_repeatable():
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate([400, 44, 410, 722, 483, 317, 497])])
    parts = split(labels, [0.8, 0.1, 0.1], seed=1)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    for part, fraction in zip(parts, [0.8, 0.1, 0.1], strict=True):
        counts = torch.bincount(labels[part], minlength=7)
        assert (counts - fraction * torch.bincount(labels)).abs().max() <= 2
        assert abs(len(part) - fraction * len(labels)) <= 2
    again, other = split(labels, [0.8, 0.1, 0.1], seed=1), split(labels, [0.8, 0.1, 0.1], seed=2)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))
    assert not torch.equal(parts[1], other[1])


def test_split_keeps_groups_together_even_with_different_labels():
    groups = torch.arange(300) // 3
    labels = torch.arange(300) % 7
    first, second = split(labels, [0.7, 0.3], groups)
    assert not set(groups[first].tolist()) & set(groups[second].tolist())
    assert abs(len(second) - 90) <= 3


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (1.2, -0.2), (0.5,)])
def test_split_wants_fractions_that_add_up_to_one(fractions):
    with pytest.raises(ValueError, match="add up to 1"):
        split(torch.zeros(10, dtype=torch.int64), fractions)


def test_divide_names_the_parts_and_normalises_all_like_the_training_part():
    training, validation, test = faces(200).divide((0.7, 0.15, 0.15))
    assert [part.split for part in (training, validation, test)] == ["training", "validation", "test"]
    assert validation.mean == test.mean == training.mean == pixel_statistics(training.images)[0]
    assert training.twins is None
    assert not test.twins.any()
    assert [part.split for part in faces(50).divide((0.9, 0.1))] == ["training", "validation"]
    with pytest.raises(ValueError, match="give two"):
        faces(50).divide((0.4, 0.2, 0.2, 0.2))
    with pytest.raises(ValueError, match=r"3 images are too few .* a part stays empty"):
        faces(3).divide()


def test_find_duplicates_within_and_across_with_conflicting_labels():
    a, b = faces(20, seed=1), faces(10, seed=2)
    a.images[5] = a.images[3]  # labels 5 and 3: a conflict
    b.images[2] = a.images[9]  # labels 2 and 2
    b.images[4] = b.images[0]
    found = find_duplicates(a, b)
    assert [group.tolist() for group in found.groups] == [[[0, 3], [0, 5]], [[0, 9], [1, 2]], [[1, 0], [1, 4]]]
    assert [group.tolist() for group in found.across] == [[[0, 9], [1, 2]]]
    assert [group.tolist() for group in found.conflicting] == [[[0, 3], [0, 5]], [[1, 0], [1, 4]]]
    assert "3 groups of identical images (6 images); 1 lie in more than one split; 2 have conflicting" in str(found)
    assert group_identical(a.images)[5] == 3
    assert not find_duplicates(faces(5)).groups


def test_find_blank():
    images = faces(6).images
    images[2], images[4] = 0, 128
    images[5] = 7
    images[5, 0, 0, 0] = 9
    assert find_blank(images).tolist() == [2, 4]
    assert find_blank(images, tolerance=2).tolist() == [2, 4, 5]


def test_class_order_is_that_of_fer2013():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
