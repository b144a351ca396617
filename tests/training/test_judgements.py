"""What teachers said of images is found by what the images show, in any order, and of no others."""

import pytest
import torch
from safetensors.torch import save_file
from small_faces import small_faces

from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import WeightsError
from emotion_utils.training.judgements import fingerprints, load_judgements


def write(path, images, said, classes=EMOTIONS):
    names = torch.tensor(list("\n".join(classes).encode()), dtype=torch.uint8)
    save_file({"fingerprints": fingerprints(images), "probabilities": said.half(), "classes": names}, path)
    return path


@pytest.fixture
def judged(tmp_path):
    """Thirty faces, what was said of each, and the file."""
    faces = small_faces(30)
    said = torch.rand(30, 7, generator=torch.Generator().manual_seed(0)).softmax(1)
    return faces, said, write(tmp_path / "said.safetensors", faces.images, said)


def test_rows_follow_the_images(judged):
    faces, said, file = judged
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))[:20]
    found = load_judgements(faces.subset(order), file)
    torch.testing.assert_close(found, said[order], atol=1e-3, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(20))


def test_columns_follow_the_classes(judged, tmp_path):
    faces, said, _ = judged
    turned = write(tmp_path / "turned.safetensors", faces.images, said.flip(1), EMOTIONS[::-1])
    torch.testing.assert_close(load_judgements(faces, turned), said, atol=1e-3, rtol=0)


def test_one_changed_pixel_makes_a_stranger(judged):
    faces, _, file = judged
    images = faces.images.clone()
    images[4, 0, 3, 3] ^= 1
    with pytest.raises(ValueError, match="1 of 30 images are none that the teachers judged") as caught:
        load_judgements(faces.with_images(images), file)
    assert len(str(caught.value)) <= 400


def test_other_classes_are_refused(judged, tmp_path):
    faces, said, _ = judged
    with pytest.raises(ValueError, match=r"The teachers know .*joy"):
        load_judgements(faces, write(tmp_path / "x", faces.images, said, (*EMOTIONS[:6], "joy")))


@pytest.mark.parametrize("content", [None, b"", b"no file of tensors", b"\x08" + bytes(15)])
def test_a_file_that_holds_none_is_named(content, judged, tmp_path):
    file = tmp_path / "broken.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.safetensors holds no teachers"):
        load_judgements(judged[0], file)


def test_identical_images_have_one_fingerprint():
    faces = small_faces(40)
    twice = torch.cat([faces.images, faces.images])
    found = fingerprints(twice)
    assert torch.equal(found[:40], found[40:])
    assert len(found.unique()) == len({image.tobytes() for image in faces.images.numpy()})


def test_the_file_that_comes_with_the_package_is_whole():
    """No image of the benchmark is at hand: of drawn faces it says nothing, and it can be read."""
    with pytest.raises(ValueError, match="40 of 40 images are none"):
        load_judgements(small_faces(40))
