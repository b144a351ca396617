"""Data sets made from others: some of the classes, another size."""

import pytest
import torch
from small_faces import small_faces

from emotion_utils.data.variants import keep_classes, resize


def test_kept_classes_are_numbered_in_the_order_of_their_names():
    dataset = small_faces(21, names=[str(i) for i in range(21)])
    part = keep_classes(dataset, ["sad", "angry"])
    assert part.classes == ("sad", "angry")
    assert part.names == ["0", "4", "7", "11", "14", "18"]
    assert part.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert (part.mean, part.std) == (dataset.mean, dataset.std)
    assert (len(dataset), len(dataset.classes)) == (21, 7)
    assert keep_classes(dataset, dataset.classes) is dataset


@pytest.mark.parametrize("classes", [("sad", "bored"), ("sad", "sad"), ("sad",), ()])
def test_classes_that_make_no_choice_are_named(classes):
    with pytest.raises(ValueError, match=r"classes=.*angry") as caught:
        keep_classes(small_faces(14), classes)
    assert ("bored" in classes) == ("unknown: bored" in str(caught.value))


@pytest.mark.parametrize("size", [1, 4, 8, 16, 20])
def test_another_size_keeps_brightness_and_statistics(size):
    dataset = small_faces(14, truth={"masks": torch.zeros(14, 16, 16)})
    other = resize(dataset, size)
    assert (other.images.shape, other.images.dtype) == ((14, 1, size, size), torch.uint8)
    assert (other.mean, other.std) == (dataset.mean, dataset.std)
    difference = other.images.float().mean((1, 2, 3)) - dataset.images.float().mean((1, 2, 3))
    assert difference.abs().max() < 8
    assert (other.truth is None) == (size != 16)
    assert dataset.images.shape == (14, 1, 16, 16)


def test_half_the_size_averages_four_pixels():
    dataset = small_faces(3)
    four = dataset.images.view(3, 1, 8, 2, 8, 2).float().mean((3, 5))
    assert torch.equal(resize(dataset, 8).images, four.round().to(torch.uint8))


def test_no_pixels_are_no_size():
    with pytest.raises(ValueError, match="size=0"):
        resize(small_faces(7), 0)
