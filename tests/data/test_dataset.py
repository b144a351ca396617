"""Faces in memory: samples, batches, parts, and copies that differ in one thing."""

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


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": torch.zeros(3, 1, 48, 48)}, TypeError, "images.*torch.float32"),
        ({"images": torch.zeros(3, 48, 48, dtype=torch.uint8)}, ValueError, r"images.*\(3, 48, 48\)"),
        ({"images": torch.zeros(3, 3, 48, 48, dtype=torch.uint8)}, ValueError, r"images.*\(3, 3, 48, 48\)"),
        ({"images": torch.zeros(0, 1, 48, 48, dtype=torch.uint8)}, ValueError, "no images"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0])}, TypeError, "labels.*torch.float32"),
        ({"labels": torch.tensor([0, 1, 7])}, ValueError, "labels.* 0 to 7.* 7 classes"),
        ({"labels": torch.tensor([0, -1, 2])}, ValueError, "labels.* -1 to 2"),
        ({"labels": torch.tensor([0, 1])}, ValueError, r"labels.*\(2,\) .*3 images"),
        ({"names": ["a", "b"]}, ValueError, "names.* 2 .*3 images"),
        ({"twins": torch.zeros(2)}, ValueError, "twins.* 2 .*3 images"),
        ({"truth": {"masks": torch.zeros(4)}}, ValueError, "masks.* 4 .*3 images"),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"images": torch.zeros(3, 1, 48, 48, dtype=torch.uint8), "labels": torch.tensor([0, 1, 2])} | change
    with pytest.raises(error, match=message):
        FaceDataset(**arguments)


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
