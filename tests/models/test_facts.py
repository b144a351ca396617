"""What a network knows is found through every wrapper, goes along with copies, and is never guessed."""

import copy
import pickle
from functools import partial

import pytest
import torch
from network_styles import Ensemble, MeanOverMap, Named, build, data_parallel
from small_faces import small_faces
from torch import nn
from torch.optim.swa_utils import AveragedModel

from emotion_utils.emotions import EMOTIONS
from emotion_utils.evaluation.report import evaluate
from emotion_utils.models.facts import ModelFacts, facts_of, remember, set_facts
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import MLP, LinearModel
from emotion_utils.models.views import FlipAverage

MODELS = {
    "ours": lambda: LinearModel(image_size=16),
    "one's own": MeanOverMap,
    "Sequential": lambda: build("Sequential"),
}


class Around(nn.Module):
    """A wrapper of one's own."""

    def __init__(self, model):
        super().__init__()
        self.parts = nn.ModuleList([nn.Identity(), model])

    def forward(self, x):
        return self.parts[1](x)


WRAPPERS = {
    "nothing": lambda model: model,
    "DataParallel": data_parallel,
    "torch.compile": partial(torch.compile, backend="eager"),
    "both": lambda model: data_parallel(torch.compile(model, backend="eager")),
    "AveragedModel": AveragedModel,
    "FlipAverage": FlipAverage,
    "FlipAverage of a wrapper": lambda model: FlipAverage(data_parallel(model), shift=1),
    "Sequential": lambda model: nn.Sequential(model, nn.LogSoftmax(1)),
    "a class of one's own": Around,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "half precision": lambda model: copy.deepcopy(model).double(),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("model", MODELS)
def test_facts_are_found_through_every_wrapper(model, wrapper):
    network, faces = MODELS[model](), small_faces(14, mean=0.3, std=0.125)
    assert facts_of(WRAPPERS[wrapper](network)) == ModelFacts()
    remember(network, faces.subset(range(8)))
    found = facts_of(WRAPPERS[wrapper](network))
    assert found.normalisation == pytest.approx((0.3, 0.125))
    assert found.classes == EMOTIONS
    assert found.frequencies == pytest.approx([2 / 8] + [1 / 8] * 6)


@pytest.mark.parametrize("wrapper", ["DataParallel", "torch.compile", "both", "AveragedModel"])
@pytest.mark.parametrize("model", MODELS)
def test_a_wrapper_that_computes_the_same_tells_the_network_inside(model, wrapper):
    network = MODELS[model]()
    wrapped = WRAPPERS[wrapper](network)
    remember(wrapped, small_faces(14, mean=0.3, std=0.125))
    inside = wrapped.module if wrapper == "AveragedModel" else network  # which holds a copy
    assert facts_of(inside).normalisation == pytest.approx((0.3, 0.125))


def test_weights_and_what_belongs_to_them_stay_as_they_are():
    model = MeanOverMap()
    names = list(model.state_dict())
    remember(model, small_faces(14))
    assert list(model.state_dict()) == names
    MeanOverMap().load_state_dict(model.state_dict())


def test_what_a_network_was_told_itself_counts():
    inner = LinearModel(image_size=16)
    outer = Around(inner)
    inner.set_normalisation(0.1, 0.5)
    assert facts_of(outer).normalisation == pytest.approx((0.1, 0.5))
    remember(outer, small_faces(14, mean=0.3, std=0.125))
    assert facts_of(outer).normalisation == (0.3, 0.125)
    assert inner.normalisation() == pytest.approx((0.1, 0.5))


def test_networks_that_disagree_cannot_be_asked_as_one():
    model = Ensemble()
    model.one.set_normalisation(0.4, 0.2)
    assert facts_of(model).normalisation == pytest.approx((0.4, 0.2)), "the other one says nothing"
    model.other.set_normalisation(0.5, 0.3)
    with pytest.raises(ValueError, match=r"Ensemble.*normalisation.*0\.4.*0\.5") as caught:
        facts_of(model)
    assert len(str(caught.value)) <= 400
    model.other.set_normalisation(0.4, 0.2)
    model.one.classes, model.other.classes = EMOTIONS, EMOTIONS[::-1]
    with pytest.raises(ValueError, match=r"Ensemble.*classes"):
        facts_of(model)


def test_networks_of_different_mixes_are_asked_as_one_whose_mix_is_not_known():
    model = Ensemble()
    for part, shares in ((model.one, (1, 1, 1, 1, 1, 1, 2)), (model.other, (2, 1, 1, 1, 1, 1, 1))):
        set_facts(part, (0.4, 0.2), EMOTIONS, None, shares)
    assert facts_of(model).classes == EMOTIONS
    assert facts_of(model).frequencies is None
    set_facts(model.other, (0.4, 0.2), EMOTIONS, None, (1, 1, 1, 1, 1, 1, 2))
    assert facts_of(model).frequencies == facts_of(model.one).frequencies


def test_a_network_that_is_to_learn_other_classes_forgets_how_common_the_old_ones_were():
    model = LinearModel(image_size=16)
    remember(model, small_faces(14))
    model.classes = None
    assert facts_of(model).frequencies is None


def test_frequencies_may_be_set_in_any_form_and_be_missing_from_an_old_pickle():
    model = LinearModel(EMOTIONS, image_size=16)
    for form in ((2, 1, 1, 1, 1, 1, 1), [2, 1, 1, 1, 1, 1, 1], torch.tensor([2, 1, 1, 1, 1, 1, 1])):
        model.frequencies = form
        assert facts_of(FlipAverage(model)).frequencies == (2, 1, 1, 1, 1, 1, 1)
    model.frequencies = "equal"
    assert facts_of(model).frequencies is None
    old = pickle.loads(pickle.dumps(model))
    del old.frequencies
    assert facts_of(old).frequencies is None


@pytest.mark.parametrize("make", [Named, lambda: MLP((4,), image_size=16)])
@pytest.mark.parametrize(
    ("classes", "frequencies", "message"),
    [
        (EMOTIONS, (0.5, 0.5), "frequencies=2 of them.*7 shares"),
        (EMOTIONS, (1, 1, 1, 1, 1, 1, -1), r"frequencies\[6\]=-1"),
        (EMOTIONS, (0,) * 7, "add up to 0"),
        (EMOTIONS, 7, "frequencies=7"),
        (None, (1,) * 7, "name the classes"),
    ],
)
def test_frequencies_that_cannot_be_are_refused(make, classes, frequencies, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        set_facts(model, (0.5, 0.25), classes, None, frequencies)
    assert facts_of(model) == ModelFacts()


def test_names_that_a_class_of_ones_own_keeps_are_read():
    model = Named()
    for value in (7, None, "angry", ["only"], [1, 2]):
        model.classes = value
        assert facts_of(model).classes is None
    model.classes = list(EMOTIONS)
    assert facts_of(model).classes == EMOTIONS


def test_an_attribute_of_that_name_that_is_something_else_is_no_fact():
    model = Named()
    model.learnt_from = "a book"
    assert facts_of(model) == ModelFacts()


@pytest.mark.parametrize(
    ("values", "message"), [((0.5, 0), "std=0"), ((float("nan"), 1), "mean=nan"), ((0.5, float("inf")), "std=inf")]
)
@pytest.mark.parametrize("make", [Named, lambda: MLP((4,), image_size=16)])
def test_facts_that_cannot_be_are_refused(make, values, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        set_facts(model, values, None)
    assert facts_of(model) == ModelFacts()


def test_a_network_that_was_told_that_it_knows_no_classes_asks_nobody_inside():
    inner = LinearModel(image_size=16)
    set_facts(inner, (0.4, 0.2), EMOTIONS)
    outer = Around(inner)
    assert facts_of(outer).classes == EMOTIONS
    set_facts(outer, None, None)
    assert facts_of(outer).classes is None
    assert facts_of(outer).normalisation == pytest.approx((0.4, 0.2))
    assert facts_of(inner).classes == EMOTIONS


class HandsOn(nn.Module):
    """A wrapper that hands on the attributes of what it holds, as many do."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, x):
        return self.module(x)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_wrapper_that_hands_on_attributes_is_told_itself(make):
    model, faces = HandsOn(make()), small_faces(14, mean=0.3, std=0.125)
    remember(model, faces)
    known = facts_of(model)
    assert (known.normalisation, known.classes) == ((0.3, 0.125), EMOTIONS)
    assert sum(known.frequencies) == pytest.approx(1)
    backwards = faces.with_labels(6 - faces.labels, EMOTIONS[::-1])
    assert evaluate(model, backwards).accuracy == evaluate(model, faces).accuracy
    assert torch.equal(
        predict_proba(model, faces.images, classes=EMOTIONS[::-1]), predict_proba(model, faces.images).flip(1)
    )
