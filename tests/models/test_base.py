"""What every network does: it knows its normalisation, gives probabilities and refuses what does not fit."""

import copy
import pickle

import pytest
import torch
from small_faces import small_faces
from torch import nn

from emotion_utils.data.pixels import normalise
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import CheckpointError, ShapeError
from emotion_utils.models.base import FaceModel, check_same_weights
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel

NETWORKS = [LinearModel, MLP, EmotionCNN, FaceNet, FaceVGG]


@pytest.fixture
def model():
    return LinearModel(image_size=4)


@pytest.mark.parametrize("network", NETWORKS)
def test_config_rebuilds_the_network(network):
    model = network(classes=3, image_size=32)
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert model.config.keys() >= {"classes", "image_size", "in_channels"}


def test_config_holds_what_was_asked_for():
    assert MLP(hidden=(9, 8), dropout=0.1).config == {
        "hidden": (9, 8), "activation": "relu", "dropout": 0.1, "classes": 7, "image_size": 48, "in_channels": 1
    }  # fmt: skip
    assert EmotionCNN((4,), pooling="avg").config["pooling"] == "avg"


def test_a_network_of_ones_own_takes_part():
    class Stripes(FaceModel):
        def __init__(self, stripes=4, classes=7, image_size=48, in_channels=1):
            super().__init__(classes, image_size, in_channels, stripes=stripes)
            self.layer = nn.Linear(stripes, self.num_classes)

        def forward(self, images):
            self.check_input(images)
            return self.layer(images.flatten(1).unflatten(1, (self.layer.in_features, -1)).mean(2))

    model = Stripes(stripes=8, classes=EMOTIONS[:3])
    assert model.config["stripes"] == 8
    assert model.classes == EMOTIONS[:3]
    assert model.predict_proba(torch.zeros(2, 1, 48, 48, dtype=torch.uint8)).shape == (2, 3)


def test_one_class_is_no_choice():
    with pytest.raises(ValueError, match="classes=1"):
        LinearModel(classes=1)
    with pytest.raises(ValueError, match="classes=1"):
        LinearModel(classes=["happy"])


def test_names_of_classes_are_kept():
    model = LinearModel(classes=["sad", "glad"], image_size=4)
    assert model.classes == ("sad", "glad")
    assert model.num_classes == 2


def test_a_new_network_knows_nothing(model):
    assert not model.normalisation_known
    assert model.normalisation() is None
    assert model.classes is None
    assert model.facts == {}
    assert LinearModel().facts is not LinearModel().facts


def test_normalisation_is_set_and_used(model):
    images = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8)
    model.set_normalisation(0.4, 0.2)
    assert model.normalisation_known
    assert model.normalisation() == pytest.approx((0.4, 0.2))
    expected = model(normalise(images, 0.4, 0.2)).softmax(1)
    torch.testing.assert_close(model.predict_proba(images), expected)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (0.5, 0.0, r"std=0\.0"),
        (0.5, -0.2, r"std=-0\.2"),
        (float("nan"), 0.2, "mean=nan"),
        (0.5, float("inf"), "std=inf"),
        (True, 0.2, "mean=True"),
        (0.5, "0.2", "std='0.2'"),
    ],
)
def test_normalisation_that_cannot_be_is_refused(model, mean, std, message):
    with pytest.raises(ValueError, match=message):
        model.set_normalisation(mean, std)
    assert not model.normalisation_known


def test_a_training_set_is_remembered(model):
    model.remember(small_faces(10, size=4, mean=0.3, std=0.1))
    assert model.normalisation() == pytest.approx((0.3, 0.1))
    assert model.classes == EMOTIONS


@pytest.mark.parametrize("values", [(0.4, 0.2), (0.5, 0.25)])  # the second pair is that of a new network
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_knows_as_much(model, values, clone):
    assert clone(model).normalisation() is None
    model.set_normalisation(*values)
    model.facts["seed"] = 3
    copied = clone(model)
    assert copied.normalisation() == pytest.approx(values)
    assert copied.facts == {"seed": 3}


def test_weights_bring_their_normalisation_along(model):
    model.set_normalisation(0.4, 0.2)
    assert set(model.state_dict()) == {"mean", "std", "classifier.1.weight", "classifier.1.bias"}
    other = LinearModel(image_size=4)
    other.load_state_dict(model.state_dict())
    assert other.normalisation() == pytest.approx((0.4, 0.2))
    # A pair that is set stays known whatever is loaded after it.
    other.set_normalisation(0.5, 0.25)
    other.load_state_dict(LinearModel(image_size=4).state_dict())
    assert other.normalisation() == (0.5, 0.25)


def test_buffers_filled_by_hand_count_as_known(model):
    model.mean.fill_(0.3)
    assert model.normalisation() == pytest.approx((0.3, 0.25))


@pytest.mark.parametrize("network", NETWORKS)
def test_predict_proba(network):
    """Rows add up to 1; uint8 is normalised inside; batch size and mode change nothing; the mode stays as it was."""
    model = network(image_size=16).train()
    model.set_normalisation(0.4, 0.25)
    images = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    probabilities = model.predict_proba(images)
    assert model.training
    assert probabilities.shape == (5, 7)
    assert not probabilities.requires_grad
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    torch.testing.assert_close(model.predict_proba(normalise(images, 0.4, 0.25), batch_size=2), probabilities)
    by_hand = model.eval()(normalise(images, 0.4, 0.25)).softmax(1)
    torch.testing.assert_close(probabilities, by_hand)
    assert model.predict_proba(images[:0]).shape == (0, 7)


def test_predict_proba_leaves_every_layer_in_its_mode():
    """A layer that is frozen stays frozen, and a failure changes no mode either."""
    model = EmotionCNN((4,), image_size=16).train()
    model.features.eval()
    before = [module.training for module in model.modules()]
    model.predict_proba(torch.zeros(2, 1, 16, 16, dtype=torch.uint8))
    assert [module.training for module in model.modules()] == before
    with pytest.raises(ShapeError):
        model.predict_proba(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert [module.training for module in model.modules()] == before


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(2, 1, 48, 48, dtype=torch.uint8), TypeError, "torch.uint8"),
        (torch.zeros(2, 1, 32, 32), ShapeError, "image_size=32"),
        (torch.zeros(2, 3, 48, 48), ShapeError, "in_channels=3"),
        (torch.zeros(2, 48, 48), ShapeError, r"\(2, 48, 48\).*images\[:, None\]"),
        (torch.zeros(2, 1, 48, 40), ShapeError, r"\(2, 1, 48, 40\)"),
        (torch.zeros(2, 1, 48, 48, device="meta"), RuntimeError, "cpu.*meta"),
    ],
)
@pytest.mark.parametrize("network", NETWORKS)
def test_wrong_images_are_explained(network, images, error, message):
    """Type, size, channels, dimensions and device each have their own sentence."""
    with pytest.raises(error, match=message):
        network().eval()(images)


@pytest.mark.parametrize(
    "other", [LinearModel(image_size=5), LinearModel(image_size=4, classes=3), MLP((8,), image_size=4)]
)
def test_weights_of_another_architecture_are_named(model, other):
    check_same_weights(model.state_dict(), LinearModel(image_size=4), "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt.*'classifier\.1\.weight' has shape"):
        check_same_weights(other.state_dict(), model, "last.pt")
