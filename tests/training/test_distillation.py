"""Self-distillation: the teacher's probabilities over many views, and the targets made of them."""

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.data.augment import Augment
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.facts import remember
from emotion_utils.training.distillation import (
    SoftLabelCrossEntropy,
    judge_by_folds,
    mix_targets,
    view_probabilities,
)


def test_views_are_averaged_and_repeatable():
    faces = small_faces(20)
    torch.manual_seed(0)
    teacher = FaceNet(8, (8, 16), classes=faces.classes, image_size=faces.images.shape[-1]).eval()
    teacher.set_normalisation(0.4, 0.25)
    augment = Augment(rotate=10)
    got = view_probabilities(teacher, faces, augment, views=3)
    assert got.shape == (20, len(faces.classes))
    assert torch.allclose(got.sum(1), torch.ones(20))
    assert torch.equal(got, view_probabilities(teacher, faces, augment, views=3))
    single = []
    for view in range(3):
        seen = faces.with_augment(augment, seed=view).with_normalisation(0.4, 0.25)
        single.append(teacher.predict_proba(seen.batch(torch.arange(20))[0]))
    assert not torch.allclose(single[0], single[1]), "the views differ"
    assert torch.allclose(got, torch.stack(single).mean(0), atol=1e-6)
    assert (faces.augment, faces.epoch) == (None, 0), "the images stay as they are"


def test_views_that_draw_from_a_global_generator_repeat_and_differ():
    faces, given = small_faces(20), []
    torch.manual_seed(0)
    teacher = FaceNet(8, (8, 16), classes=faces.classes, image_size=16).eval()
    remember(teacher, faces)

    def augment(images, *_):
        given.append(images * torch.rand(len(images), 1, 1, 1))
        return given[-1]

    state = torch.get_rng_state()
    first = view_probabilities(teacher, faces, augment, views=2)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(view_probabilities(teacher, faces, augment, views=2), first)
    assert not torch.equal(given[0], given[1])


def test_targets_are_a_mixture():
    probabilities = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    labels = torch.tensor([0, 0])
    assert torch.allclose(mix_targets(probabilities, labels, 0.5), torch.tensor([[0.6, 0.4], [0.8, 0.2]]))
    assert torch.allclose(mix_targets(probabilities, labels, 1.0), probabilities)
    assert torch.allclose(mix_targets(probabilities, labels, 0.0), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    votes = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    assert torch.allclose(mix_targets(probabilities, votes, 0.5), torch.tensor([[0.35, 0.65], [0.3, 0.7]]))


def test_a_share_is_from_0_to_1():
    with pytest.raises(ValueError, match=r"share=1\.5"):
        mix_targets(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), 1.5)


def test_soft_labels_are_looked_up_by_index():
    targets = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0.2, 0.8]])
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([2, 1])
    got = SoftLabelCrossEntropy(targets)(logits, torch.tensor([0, 0]), index)
    expected = -(targets[index] * logits.log_softmax(1)).sum(1)
    assert torch.equal(got, expected)


def test_nobody_judges_what_he_has_learnt():
    faces = small_faces(40, classes=2)
    images, labels = faces.images.clone(), faces.labels.clone()
    images[1], labels[1] = images[0], labels[0]  # twins
    faces = faces.with_images(images).with_labels(labels)
    asked = []

    class Clerk(FaceNet):
        """Say of each image, with certainty, in which lesson it was learnt; nought for never."""

        def predict_proba(self, images, **_):
            everything = self.learnt.with_augment(None).batch(range(len(self.learnt)))[0]
            known = {image.numpy().tobytes() for image in everything}
            return torch.tensor([[float(image.numpy().tobytes() in known), self.number] for image in images])

    def teach(images, number):
        asked.append((number, len(images)))
        clerk = Clerk(8, (8,), classes=faces.classes, image_size=faces.images.shape[-1])
        clerk.remember(faces)
        clerk.learnt, clerk.number = images, number
        return clerk

    still = Augment(flip=0, rotate=0, scale=(1, 1), shift=0, brightness=0, contrast=0)
    judged = judge_by_folds(faces, teach, still, folds=4, views=1)
    assert [number for number, _ in asked] == [1, 2, 3, 4]
    assert all(size in (29, 30, 31) for _, size in asked)
    assert (judged[:, 0] == 0).all(), "an image was judged by a teacher that had learnt it"
    assert set(judged[:, 1].tolist()) == {1, 2, 3, 4}
    assert judged[0, 1] == judged[1, 1], "twins lie in one fold"
    with pytest.raises(ValueError, match="folds=1"):
        judge_by_folds(faces, teach, still, folds=1)


def test_any_network_may_teach_and_anything_else_is_named():
    faces, augment = small_faces(14), Augment()
    torch.manual_seed(0)
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 7))
    remember(teacher, faces)
    assert view_probabilities(teacher, faces, augment, views=2).shape == (14, 7)
    with pytest.raises(TypeError, match="model=None"):
        judge_by_folds(faces, lambda data, number: None, augment, folds=2, views=1)
    with pytest.raises(TypeError, match="dataset='list'"):
        view_probabilities(teacher, [1], augment)


class AsSklearn(nn.Module):
    """A network of one's own with a method of a name that ours have."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(256, 7))

    def forward(self, x):
        return self.net(x)

    def predict_proba(self, x):
        raise AssertionError("nobody knows what it takes")


def test_a_teacher_of_ones_own_is_asked_like_ours():
    teacher, faces = AsSklearn().eval(), small_faces(20)
    remember(teacher, faces)
    found = view_probabilities(teacher, faces, Augment(flip=0, shift=0), views=1)
    seen = faces.with_augment(Augment(flip=0, shift=0), seed=0).batch(range(20))[0]
    torch.testing.assert_close(found, teacher(seen).softmax(1).detach())
