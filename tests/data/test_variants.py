"""Data sets made from others: parts cut by PyTorch, some of the classes, another size."""

import numpy as np
import pytest
import torch
from small_faces import small_faces
from torch.utils.data import Subset, TensorDataset, random_split

from emotion_utils.data.duplicates import find_duplicates
from emotion_utils.data.variants import as_face_dataset, keep_classes, resize


def test_parts_that_pytorch_cut_are_face_datasets_as_well():
    dataset = small_faces(40, names=[str(i) for i in range(40)])
    assert as_face_dataset(dataset) is dataset
    parts = random_split(dataset, [0.75, 0.25], torch.Generator().manual_seed(0))
    for part in parts:
        faces = as_face_dataset(part)
        assert faces.names == [str(i) for i in part.indices]
        assert (faces.mean, faces.std, faces.split) == (dataset.mean, dataset.std, "training")
        assert torch.equal(torch.stack([image for image, _ in part]), faces[:][0])
    nested = Subset(Subset(parts[0], [3, 4, 5]), np.array([2, 0]))
    assert as_face_dataset(nested).names == [str(parts[0].indices[i]) for i in (5, 3)]
    assert resize(nested, 8).images.shape == (2, 1, 8, 8)
    assert keep_classes(parts[0], ["happy", "sad"]).classes == ("happy", "sad")
    assert not find_duplicates(*parts).groups


@pytest.mark.parametrize(
    "other",
    [None, [1, 2], torch.zeros(3, 1, 4, 4), TensorDataset(torch.zeros(3)), Subset(TensorDataset(torch.zeros(3)), [0])],
)
def test_what_is_no_face_dataset_is_told_what_one_is(other):
    with pytest.raises(TypeError, match=r"train_set='.*FaceDataset.*uint8.*divide") as caught:
        as_face_dataset(other, "train_set")
    assert len(str(caught.value)) <= 400


def test_a_part_without_images_or_with_images_of_another_data_set():
    with pytest.raises(ValueError, match=r"indices=\[\]"):
        as_face_dataset(Subset(small_faces(7), []))
    with pytest.raises(IndexError, match="indices=7"):
        as_face_dataset(Subset(small_faces(7), [7]))


def test_kept_classes_are_numbered_in_the_order_of_their_names():
    dataset = small_faces(21, names=[str(i) for i in range(21)])
    part = keep_classes(dataset, ["sad", "angry"])
    assert part.classes == ("sad", "angry")
    assert part.names == ["0", "4", "7", "11", "14", "18"]
    assert part.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert (part.mean, part.std) == (dataset.mean, dataset.std)
    assert (len(dataset), len(dataset.classes)) == (21, 7)
    assert keep_classes(dataset, dataset.classes) is dataset


@pytest.mark.parametrize("classes", [("sad", "bored"), ("sad", "sad"), ("sad",), (), "sad", (3, 4)])
def test_classes_that_make_no_choice_are_named(classes):
    with pytest.raises(ValueError, match=r"classes=.*angry") as caught:
        keep_classes(small_faces(14), classes)
    assert ("bored" in classes) == ("unknown: 'bored'" in str(caught.value))


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


@pytest.mark.parametrize("size", [0, -1, 1.5, "48", None])
def test_no_pixels_are_no_size(size):
    with pytest.raises(ValueError, match=f"size={size!r}"):
        resize(small_faces(7), size)


def test_classes_without_an_image():
    with pytest.raises(ValueError, match=r"classes=.*'neutral'.*no image"):
        keep_classes(small_faces(4), ["surprise", "neutral"])


def test_a_set_of_names_has_no_order_for_labels():
    with pytest.raises(ValueError, match=r"classes=.*set"):
        keep_classes(small_faces(14), {"happy", "sad"})


@pytest.mark.parametrize("classes", [{"sad": 1, "happy": 0}, {1: "sad", 0: "happy"}])
def test_names_in_a_dictionary_are_kept_in_the_order_of_their_numbers(classes):
    assert keep_classes(small_faces(14), classes).classes == ("happy", "sad")
