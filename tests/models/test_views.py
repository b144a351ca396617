"""Several views of an image, averaged."""

import pytest
import torch
from network_styles import Centred, plain
from small_faces import small_faces
from torch import nn

from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import LinearModel
from emotion_utils.models.views import FlipAverage


@pytest.fixture
def model():
    torch.manual_seed(0)
    return FaceNet(8, (8, 16)).eval()


def test_flip_average_is_the_mean_of_both_views(model):
    images = torch.randn(3, 1, 48, 48)
    both = (model(images).softmax(1) + model(images.flip(3)).softmax(1)) / 2
    assert torch.allclose(FlipAverage(model)(images).exp(), both, atol=1e-6)


def test_ten_views_are_five_places_and_their_mirror_images(model):
    images = torch.arange(36.0).view(1, 1, 6, 6)
    views = FlipAverage(nn.Identity(), shift=1).shifted(images)
    assert len(views) == 5
    assert torch.equal(views[0], images)
    left, right, up, down = (view[0, 0] for view in views[1:])
    assert torch.equal(left[:, 1:], images[0, 0, :, :-1])
    assert torch.equal(right[:, :-1], images[0, 0, :, 1:])
    assert torch.equal(up[1:], images[0, 0, :-1])
    assert torch.equal(down[:-1], images[0, 0, 1:])
    faces = torch.randn(3, 1, 48, 48)
    ten = FlipAverage(model, shift=2)
    mean = torch.stack([model(x).softmax(1) for v in ten.shifted(faces) for x in (v, v.flip(3))]).mean(0)
    assert torch.allclose(ten(faces).exp(), mean, atol=1e-6)


def test_it_sees_images_as_its_network_does():
    faces, model = small_faces(40), LinearModel(image_size=16)
    views = FlipAverage(model)
    assert views.normalisation() is None
    assert FlipAverage(nn.Identity()).normalisation() is None
    model.set_normalisation(0.2, 0.1)
    asked, images = compute_logits(views, faces), faces.with_normalisation(*model.normalisation()).batch(range(40))[0]
    assert torch.equal(asked, views(images).detach())
    assert not torch.allclose(asked, views(faces.batch(range(40))[0]))


@pytest.mark.parametrize("shift", [0, 2])
def test_views_of_a_network_that_works_in_place_are_those_of_one_that_does_not(shift):
    head, images = plain(), torch.randn(3, 1, 16, 16)
    found, wanted = (FlipAverage(nn.Sequential(Centred(how), head), shift)(images.clone()) for how in (True, False))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_views_lie_in_memory_as_the_images_do(channels):
    """Networks are a third slower where images come in another order than `order_in_memory` chose."""
    images = torch.rand(2, channels, 8, 10).to(memory_format=torch.channels_last)
    for view in FlipAverage(plain(), shift=2).shifted(images):
        assert view.stride() == images.stride()
        assert view.untyped_storage().nbytes() == 4 * view.numel()  # none shares its numbers with another
