"""Arrays, and data sets of other libraries."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Subset, TensorDataset
from torchvision.datasets import FakeData
from torchvision.transforms import ToTensor

from emotion_utils.data import FaceDataset, as_images, from_arrays, from_huggingface, from_torchvision
from emotion_utils.emotions import EMOTIONS

RANDOM = np.random.default_rng(0)
CIFAR = RANDOM.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
MNIST = RANDOM.integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20) % 10


@pytest.mark.parametrize(
    "images",
    [CIFAR, CIFAR.transpose(0, 3, 1, 2), (CIFAR / 255).astype(np.float32), CIFAR.astype(np.int64), CIFAR.astype(float),
     torch.from_numpy(CIFAR), torch.from_numpy(CIFAR).permute(0, 3, 1, 2) / 255, list(CIFAR),
     [Image.fromarray(image) for image in CIFAR]],
)  # fmt: skip
def test_colours_in_every_form_are_the_same_images(images):
    faces = from_arrays(images, LABELS)
    assert torch.equal(faces.images, torch.from_numpy(CIFAR).permute(0, 3, 1, 2))
    assert faces.classes == tuple("0123456789")
    assert faces[0][0].shape == (3, 32, 32)
    assert from_arrays(images, LABELS, colour=False).images.shape == (20, 1, 32, 32)


@pytest.mark.parametrize("images", [MNIST, MNIST[:, None], MNIST[..., None], MNIST / 255, MNIST.astype(np.int64)])
def test_grey_in_every_form(images):
    faces = from_arrays(images, torch.from_numpy(LABELS)[:, None], size=None)
    assert torch.equal(faces.images[:, 0], torch.from_numpy(MNIST))
    assert from_arrays(images, LABELS, colour=True).images.shape == (20, 3, 28, 28)
    assert from_arrays(images, LABELS, size=14).images.shape == (20, 1, 14, 14)


def test_ranges_that_are_not_a_pictures(capsys):
    digits = MNIST // 16  # 0 to 15, as scikit-learn's digits go to 16
    for values in (digits.astype(float) - 8, np.where(MNIST > 250, np.nan, 1.0)):
        with pytest.raises(ValueError, match="pixels"):
            from_arrays(values, LABELS)
    faces = from_arrays(digits.astype(float), LABELS, white=15)
    assert int(faces.images.max()) == 255
    assert not faces.notes
    dark = from_arrays(digits, LABELS)
    assert any("15 of 255" in note and "white=" in note for note in dark.notes)
    assert "15 of 255" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"white=8.*15"):
        from_arrays(digits, LABELS, white=8)
    with pytest.raises(ValueError, match="white=0"):
        from_arrays(digits, LABELS, white=0)
    with pytest.raises(ValueError, match=r"0 to 16.*white=16"):  # as scikit-learn's digits are
        from_arrays(np.minimum(MNIST / 15.0, 16.0), LABELS)


def test_labels_that_do_not_start_at_zero_are_counted_anew_and_told(capsys):
    faces = from_arrays(MNIST, LABELS % 7 + 1)
    assert faces.classes == tuple("1234567")
    assert faces.labels.tolist() == (LABELS % 7).tolist()
    assert "counted anew" in capsys.readouterr().out
    assert not from_arrays(MNIST, LABELS).notes
    with pytest.raises(ValueError, match=r"labels run from 1 to 7.*count from 1"):
        from_arrays(MNIST, LABELS % 7 + 1, EMOTIONS)
    assert from_arrays(MNIST, LABELS.astype(float)).labels.tolist() == LABELS.tolist()


def test_names_for_labels():
    names = [["Happiness", "sad"][i % 2] for i in range(20)]
    assert from_arrays(MNIST, names).classes == EMOTIONS
    assert from_arrays(MNIST, np.array(names)).labels[:2].tolist() == [3, 4]
    pets = from_arrays(MNIST, np.array(["dog", "cat"] * 10))
    assert (pets.classes, pets.labels[:2].tolist()) == (("cat", "dog"), [1, 0])
    assert from_arrays(MNIST, ["dog", "cat"] * 10, ["dog", "cat"]).labels[:2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("images", "labels", "options", "named"),
    [
        (MNIST.reshape(20, -1), LABELS, {}, r"\(20, 784\).*reshape\(-1, 28, 28\)"),
        (MNIST, np.eye(10)[LABELS], {}, r"\(20, 10\).*argmax"),
        (MNIST, LABELS[:5], {}, r"labels.*\(5,\).*20 images"),
        (MNIST, LABELS + 0.5, {}, "labels="),
        (MNIST, [*LABELS[:-1].tolist(), float("inf")], {}, "labels="),
        (MNIST, [1e20, *LABELS[1:].tolist()], {}, r"labels=\[1e\+20"),  # more than an int64 holds
        (MNIST, ["cat", 7] * 10, {}, "labels hold 'cat' and 7"),
        (MNIST, LABELS, {"classes": ["a", "b"]}, "0 to 9.*2 classes"),
        (MNIST, ["a", "b"] * 10, {"classes": ["a", "c"]}, "'b'.*a, c"),
        (MNIST, LABELS, {"size": 0}, "size=0"),
        (MNIST[:0], LABELS[:0], {"classes": ["a", "b"]}, "no images"),
        ([np.zeros((4, 4), np.uint8), np.zeros((5, 5), np.uint8)], [0, 1], {}, "4×4 and 5×5.*size="),
        (MNIST, np.arange(20) * 7919 % 100_000, {"classes": None, "groups": [1, 2]}, "groups"),
    ],
)
def test_arrays_that_are_no_data_set(images, labels, options, named):
    with pytest.raises(ValueError, match=named):
        from_arrays(images, labels, **options)


def test_what_is_no_array():
    with pytest.raises(TypeError, match="labels="):
        from_arrays(MNIST, None)
    with pytest.raises(TypeError, match="images="):
        from_arrays(7, [1])
    with pytest.raises(TypeError, match="colour="):
        from_arrays(MNIST, LABELS, colour="no")


@pytest.mark.parametrize("transform", [None, ToTensor()])
def test_torchvisions_data_sets(transform):
    fake = FakeData(12, (3, 32, 32), 4, transform)
    faces = from_torchvision(fake, verbose=False)
    assert faces.images.shape == (12, 3, 32, 32)
    assert (faces.name, faces.classes) == ("FakeData", tuple("0123"))
    assert faces.labels.tolist() == [int(fake[i][1]) for i in range(12)]
    plain = np.array(FakeData(12, (3, 32, 32), 4)[3][0])
    assert torch.equal(faces.images[3], torch.from_numpy(plain).permute(2, 0, 1))
    part = from_torchvision(Subset(fake, [3, 5]), ["a", "b", "c", "d"], colour=False, size=16)
    assert part.images.shape == (2, 1, 16, 16)
    few = from_torchvision(fake, list("abcd"), limit=5, seed=1)
    assert len(few) == 5
    assert torch.equal(few.images, from_torchvision(fake, list("abcd"), limit=5, seed=1).images)


def test_pytorch_data_sets_that_are_none():
    with pytest.raises(ValueError, match=r"dataset\[0\] is not"):
        from_torchvision(TensorDataset(torch.zeros(3, 1, 4, 4)))
    with pytest.raises(ValueError, match=r"dataset\[0\] has the label"):
        from_torchvision(TensorDataset(torch.zeros(3, 1, 4, 4), torch.zeros(3, 2)))
    with pytest.raises(TypeError, match=r"dataset=.*from_arrays"):
        from_torchvision(7)
    with pytest.raises(ValueError, match="no images"):
        from_torchvision(TensorDataset(torch.zeros(0, 1, 4, 4), torch.zeros(0)))
    with pytest.raises(ValueError, match="pixels run from"):
        from_torchvision(TensorDataset(torch.randn(3, 1, 8, 8) * 3, torch.arange(3)))


class ClassLabel:
    names = ("cat", "dog")


class Rows:
    """What a split of Hugging Face's datasets can do, and nothing else."""

    def __init__(self, columns=("image", "label"), features=None):
        self.column_names = list(columns)
        self.features = features or {}

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return dict(zip(self.column_names, (Image.fromarray(MNIST[i]), i % 2), strict=False))


def test_hugging_faces_data_sets():
    faces = from_huggingface(Rows(features={"label": ClassLabel()}))
    assert (faces.classes, faces.labels.tolist()) == (("cat", "dog"), [0, 1] * 3)
    assert torch.equal(faces.images[:, 0], torch.from_numpy(MNIST[:6]))
    assert from_huggingface(Rows(("bild", "was")), "bild", "was").classes == ("0", "1")
    assert from_huggingface(Rows(("img", "fine_label")), limit=2).images.shape == (2, 1, 28, 28)
    with pytest.raises(ValueError, match=r"image=None.*bild, was"):
        from_huggingface(Rows(("bild", "was")))
    with pytest.raises(ValueError, match=r"label='x'.*image, label"):
        from_huggingface(Rows(), label="x")
    with pytest.raises(TypeError, match="splits train, test"):
        from_huggingface({"train": Rows(), "test": Rows()})
    with pytest.raises(TypeError, match="dataset="):
        from_huggingface([1, 2])


@pytest.mark.parametrize("kind", [np.str_, np.bytes_, object])
def test_names_in_an_array_are_the_names_of_the_list(kind):
    names = ["happy", "sad"] * 10
    faces = from_arrays(MNIST, np.array(names, dtype=kind), verbose=False)
    assert faces.classes == EMOTIONS
    assert torch.equal(faces.labels, from_arrays(MNIST, names, verbose=False).labels)


@pytest.mark.parametrize("other", [None, 3, float("nan")])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_no_name_among_names_is_refused(other, first):
    """As a missing value in a column: it is no class called "None" or "nan"."""
    names = [other, *["happy"] * 19] if first else ["happy"] * 19 + [other]
    for labels in (names, np.array(names, dtype=object)):
        with pytest.raises((TypeError, ValueError), match="labels") as caught:
            from_arrays(MNIST, labels, verbose=False)
        assert len(str(caught.value)) <= 400


def test_numbers_in_an_array_of_objects_are_numbers():
    faces = from_arrays(MNIST, np.array(LABELS.tolist(), dtype=object), verbose=False)
    assert torch.equal(faces.labels, torch.from_numpy(LABELS))


class Column:
    """A column of a data frame: neither an array nor a list, and it becomes an array of objects."""

    def __init__(self, values):
        self.values = list(values)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)

    def __array__(self, dtype=None, copy=None):
        made = np.empty(len(self.values), object)
        made[:] = self.values
        return made if dtype is None else made.astype(dtype)


def pandas_column(values):
    return pytest.importorskip("pandas").Series(list(values), index=range(5, 5 + len(values)))


NAMES = ["Happiness", "sad"] * 10


@pytest.mark.parametrize("column", [Column, pandas_column])
def test_columns_of_a_data_frame_are_lists(tmp_path, column):
    wanted = from_arrays(MNIST, NAMES, groups=list("abcde") * 4, verbose=False)
    faces = from_arrays(column(list(MNIST)), column(NAMES), groups=column(list("abcde") * 4), verbose=False)
    assert faces.classes == EMOTIONS
    for part in ("images", "labels", "groups"):
        assert torch.equal(getattr(faces, part), getattr(wanted, part))
    assert FaceDataset(MNIST[:, None], column(NAMES)).labels[:2].tolist() == [3, 4]
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path, pixels in zip(paths, MNIST, strict=False):
        Image.fromarray(pixels).save(path)
    assert torch.equal(from_arrays(column(paths), column([1, 0]), verbose=False).images, faces.images[:2])
    assert torch.equal(as_images(column(paths)), faces.images[:2])
    with pytest.raises(ValueError, match=r"labels.*nan"):
        from_arrays(MNIST, column([*NAMES[:-1], float("nan")]))


def test_one_column_of_names_is_a_list_of_names():
    faces = from_arrays(MNIST, np.array(NAMES, dtype=object)[:, None], verbose=False)
    assert (faces.classes, faces.labels[:2].tolist()) == (EMOTIONS, [3, 4])


def test_a_list_of_images_with_channels_first_is_a_list_of_images():
    """As `[image for image, label in dataset]` of a data set of PyTorch gives them."""
    wanted = torch.from_numpy(CIFAR).permute(0, 3, 1, 2)
    for images in (list(wanted), tuple(wanted / 255), [image.numpy() for image in wanted]):
        assert torch.equal(from_arrays(images, LABELS).images, wanted)
    assert from_arrays(list(torch.from_numpy(MNIST)[:, None]), LABELS).images.shape == (20, 1, 28, 28)


def test_one_emotion_in_several_writings_is_one_class_beside_others_too(capsys):
    names = ["happiness", "Happy", "contempt", "anger", "angry ", "Sad", "sad"]
    faces = from_arrays(MNIST[:7], names)
    assert faces.classes == ("angry", "contempt", "happy", "sad")
    assert faces.labels.tolist() == [2, 2, 1, 0, 0, 3, 3]
    assert any("labels taken for emotions" in note and "Happy → happy" in note for note in faces.notes)
    assert "contempt" in capsys.readouterr().out
    assert from_arrays(MNIST, ["dog", "dog ", "cat", "cat"] * 5, verbose=False).classes == ("cat", "dog")
    assert from_arrays(MNIST, ["Cat", "DOG"] * 10, ["dog", "cat"], verbose=False).labels[:2].tolist() == [1, 0]
    assert any("writing" in note for note in from_arrays(MNIST, ["Dog", "dog"] * 10, verbose=False).notes)


def test_numbers_that_were_read_as_texts_are_numbers(capsys):
    texts = [str(label) for label in LABELS % 7]
    assert from_arrays(MNIST, texts, EMOTIONS).labels.tolist() == (LABELS % 7).tolist()
    assert from_arrays(MNIST, texts).classes == tuple("0123456")
    assert from_arrays(MNIST, texts, list("6543210")).labels.tolist() == (6 - LABELS % 7).tolist()  # names of classes
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"labels run from 1 to 7.*count from 1"):
        from_arrays(MNIST, [str(label + 1) for label in LABELS % 7], EMOTIONS)


def test_what_holds_arrays_but_is_none_is_named(tmp_path):
    np.savez(tmp_path / "faces.npz", x_train=MNIST, y_train=LABELS)
    np.save(tmp_path / "faces.npy", MNIST)
    with np.load(tmp_path / "faces.npz") as held, pytest.raises(TypeError, match=r"images=.*entries.*x_train, y_train"):
        from_arrays(held, LABELS)
    for name in ("faces.npz", "faces.npy"):
        with pytest.raises(ValueError, match=rf"{name} holds an array of NumPy.*np\.load"):
            from_arrays([tmp_path / name], [0])
    row = " ".join(map(str, MNIST[0].ravel()))  # as a row of FER2013's table
    for images in ([row] * 20, Column([row] * 20), [row.replace(" ", ", ")] * 20):
        with pytest.raises(ValueError, match=r"images='.*784 numbers.*split\(\)"):
            from_arrays(images, LABELS)


class Named(TensorDataset):
    """Six images, with names of classes as those of torchvision have them."""

    def __init__(self, classes):
        super().__init__(torch.from_numpy(MNIST[:6, None]), torch.arange(6) % 2)
        self.classes = classes

    def __getitem__(self, i):
        image, label = super().__getitem__(i)
        return image, int(label)


def test_data_sets_that_pytorch_joined():
    joined = ConcatDataset([Named(["cat", "dog"]), Subset(Named(["cat", "dog"]), [1, 0])])
    faces = from_torchvision(Subset(joined, range(1, 8)))
    assert (faces.classes, faces.labels.tolist()) == (("cat", "dog"), [1, 0, 1, 0, 1, 1, 0])
    other = ConcatDataset([Named(["cat", "dog"]), Named(["dog", "fish"])])
    for classes in (None, ["cat", "dog"]):
        with pytest.raises(ValueError, match=r"different classes \(cat, dog.*join"):
            from_torchvision(other, classes)


def test_images_as_hugging_faces_tables_hold_them():
    cells = []
    for pixels in MNIST[:2]:
        with io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "PNG")
            cells.append({"bytes": file.getvalue(), "path": None})
    faces = from_arrays(Column(cells), [0, 1])
    assert torch.equal(faces.images[:, 0], torch.from_numpy(MNIST[:2]))
    with pytest.raises(TypeError, match="images="):
        from_arrays([{"bytes": None, "path": "a.png"}], [0])


def test_labels_in_arrays_of_one_number():
    """As MedMNIST gives them."""
    dataset = [(Image.fromarray(pixels), np.array([i % 3])) for i, pixels in enumerate(MNIST)]
    assert from_torchvision(dataset).labels.tolist() == [i % 3 for i in range(20)]
