"""The same classes in another order are brought together by name; other ones are refused."""

import pytest
import torch
from network_styles import data_parallel
from small_faces import small_faces
from torch import nn

from emotion_utils.emotions import EMOTIONS
from emotion_utils.models.classes import match_classes, with_classes_of
from emotion_utils.models.facts import set_facts
from emotion_utils.models.networks import LinearModel

SORTED = tuple(sorted(EMOTIONS))
SYNONYMS = ("Anger", "DISGUST", "fear", "Happiness", "sadness", "Surprise", "neutral")


@pytest.mark.parametrize("names", [EMOTIONS, [name.title() for name in EMOTIONS], SYNONYMS, [" angry", *EMOTIONS[1:]]])
def test_equal_classes_need_nothing(names):
    match = match_classes(EMOTIONS, names)
    assert match.order is None
    assert match.note is None
    assert match.data == tuple(names)
    logits = torch.randn(3, 7)
    assert match.columns(logits) is logits


@pytest.mark.parametrize("names", [SORTED, EMOTIONS[::-1], [name.upper() for name in SORTED], sorted(SYNONYMS)])
@pytest.mark.parametrize("known", [EMOTIONS, SORTED, SYNONYMS])
def test_another_order_is_mapped_by_name(names, known):
    match = match_classes(known, names)
    columns = match.columns(torch.arange(7)[None])[0].tolist()
    plain = match_classes(EMOTIONS, known).columns(torch.arange(7)[None])[0].tolist()
    wanted = match_classes(EMOTIONS, names).columns(torch.arange(7)[None])[0].tolist()
    assert [plain[column] for column in columns] == wanted
    assert match.labels(torch.arange(7)).tolist() == columns
    assert (match.note is None) == (match.order is None)


def test_names_that_are_no_emotions_are_mapped_too():
    match = match_classes(["Cat", "dog", "Vögel"], ["vögel", "cat", "DOG"])
    assert match.order.tolist() == [2, 0, 1]
    assert match.model == ("Cat", "dog", "Vögel")


def test_two_names_that_would_become_one_are_left_as_they_are():
    names = ["happy", "happiness", "a", "A"]
    assert match_classes(names, names).order is None
    assert match_classes(names, names[::-1]).order.tolist() == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="happiness"):
        match_classes(names, ["happy", "joy", "a", "A"])
    with pytest.raises(ValueError, match="'a' is there twice"):
        match_classes(["a", "a", "b"], ["a", "b", "a"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("cat", *EMOTIONS[1:]), ["cat", "angry"]),
        ([f"class {i} " + "x" * 500 for i in range(7)], ["class 0", "angry", "and 3 more"]),
        (["$\\frac$", "<b>", "a\nb", *"cdef"], ["a b"]),
    ],
)
def test_other_classes_are_refused_by_name(names, words):
    model = LinearModel(EMOTIONS, image_size=16)
    with pytest.raises(ValueError, match=r"Different classes.*model\.classes = None") as caught:
        match_classes(model, names)
    assert len(str(caught.value)) <= 400
    for word in words:
        assert word in str(caught.value)
    model.classes = None
    assert match_classes(model, names).order is None


def test_fewer_classes_are_other_ones():
    with pytest.raises(ValueError, match=r"Different classes.*sad"):
        match_classes(EMOTIONS, ["happy", "angry"])


def test_names_of_a_layer_that_was_replaced_do_not_count():
    """Their number is not that of the logits, which `check_fit` compares with the data."""
    model = LinearModel(EMOTIONS, image_size=16)
    model.classifier[1] = nn.Linear(256, 2)
    assert match_classes(model, ["yes", "no"]).order is None


def test_a_network_of_ones_own_is_asked_like_ours():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 7))
    assert match_classes(model, SORTED).order is None
    set_facts(model, None, EMOTIONS)
    faces = small_faces(14).with_labels(torch.arange(14) % 7, SORTED)
    assert match_classes(data_parallel(model), faces).order.tolist() == [EMOTIONS.index(name) for name in SORTED]


def test_a_data_set_is_brought_to_the_order_of_others():
    faces = small_faces(14)
    other = with_classes_of(faces, SORTED)
    assert other.classes == SORTED
    assert [SORTED[label] for label in other.labels] == [EMOTIONS[label] for label in faces.labels]
    assert torch.equal(other.images, faces.images)
    assert with_classes_of(faces, EMOTIONS) is faces
    assert with_classes_of(faces, SYNONYMS).classes == SYNONYMS
    with pytest.raises(ValueError, match="classes='abcdefg'"):
        with_classes_of(faces, "abcdefg")
