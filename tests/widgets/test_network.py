"""The network view without a browser: blocks, maps of a face, what a viewer without widgets gets."""

import gc
import io
import weakref

import pytest
import torch
from network_styles import ThreeEqual
from PIL import Image
from small_faces import small_faces
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.models.facts import set_facts
from emotion_utils.models.networks import EmotionCNN
from emotion_utils.widgets.network import MOST_MAPS, NetworkView

FACES = small_faces(4).images


def small(channels: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(7))
    layers(torch.zeros(1, 1, 16, 16))
    set_facts(layers, (0.5, 0.25), None)
    return layers


def view_of(model, **options) -> NetworkView:
    return NetworkView(model, FACES, (1, 1, 16, 16), **options)


def values(view) -> torch.Tensor:
    """Undo what is done to maps on their way to the browser."""
    sent = view._maps
    levels = torch.frombuffer(bytearray(sent["values"]), dtype=torch.uint8).float()
    levels = (levels - 127.5) / 127.5 if sent["signed"] else levels / 255
    return (sent["limit"] * levels).view(max(sent["count"], 1), sent["height"], sent["width"])


def test_maps_are_those_of_the_layer_and_the_face():
    model = small()
    view = view_of(model)
    images = (FACES.float() / 255 - 0.5) / 0.25
    view.selected, view.step, view.face = 1, 0, 2
    torch.testing.assert_close(view.feature_maps, model[0](images)[2])
    view.step = 1
    torch.testing.assert_close(view.feature_maps, model[:2](images)[2])
    torch.testing.assert_close(values(view), view.feature_maps, atol=view._maps["limit"] / 200, rtol=0)
    view.selected, view.step, view.face = 4, 0, 0
    torch.testing.assert_close(view.feature_maps, model(images)[0])
    assert view._maps["count"] == 0
    view.selected = 0
    assert view.feature_maps.shape == (1, 16, 16)


def test_maps_follow_the_weights_as_they_are_now():
    model = small()
    view = view_of(model)
    before = view.feature_maps
    with torch.no_grad():
        model[0].weight.mul_(-1)
    view.face = 1
    view.face = 0
    assert not torch.equal(view.feature_maps, before)


def test_a_network_with_other_layers_says_so():
    model = small()
    view = view_of(model)
    model[0] = nn.Conv2d(1, 9, 3)
    view.face = 1
    assert "in_features" in view._maps["error"]
    model[4] = nn.Linear(9 * 49, 7)
    view.face = 2
    assert "run the cell again" in view._maps["error"]
    with pytest.raises(ValueError, match="run the cell again"):
        _ = view.feature_maps


def test_many_maps_are_cut_and_counted():
    view = view_of(small(channels=MOST_MAPS + 6))
    assert (view._maps["count"], view._maps["total"]) == (MOST_MAPS, MOST_MAPS + 6)


def test_drawn_faces_and_three_channels():
    view = NetworkView(
        nn.Sequential(nn.Conv2d(3, 2, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), None, (1, 3, 90, 70)
    )
    assert view._faces["names"][3] == "happy"
    assert view.feature_maps.shape == (2, 43, 33)


def test_a_network_that_counts_something_else_as_its_channels_is_shown_grey_faces():
    model = ThreeEqual()
    model.image_size = 16
    view = NetworkView(model, small_faces(2).images)
    assert view.trace.input_shape == (1, 1, 16, 16)
    assert view.feature_maps.shape[0] in (3, 8)


def test_logits_bear_the_names_of_the_classes():
    model = small()
    set_facts(model, (0.5, 0.25), ["<b>", "$x$", "c", "d", "e", "f", "g" * 5000])
    view = view_of(model)
    view.selected = 4
    assert view._maps["names"][:2] == ["<b>", "$x$"]
    assert max(map(len, view._maps["names"])) < 50


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, TypeError, "model=3"),
        ({"model": EmotionCNN(), "input_shape": (1, 1, 16, 16)}, ShapeError, "16"),
        ({"model": small(), "input_shape": (1, 16, 16)}, ValueError, r"input_shape=\(1, 16, 16\)"),
        ({"model": small(), "images": FACES[:0]}, ValueError, "images holds 0"),
        ({"model": small(), "images": FACES.repeat(9, 1, 1, 1)}, ValueError, "images holds 36"),
        ({"model": small(), "images": FACES, "titles": ["one"]}, ValueError, "1 titles for 4"),
        ({"model": small(), "images": torch.full((1, 16, 16), float("nan"))}, ValueError, "NaN"),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        NetworkView(**{"input_shape": (1, 1, 16, 16)} | arguments)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(("name", "value"), [("selected", 99), ("face", 4), ("face", -1), ("step", -1)])
def test_a_choice_that_is_not_there_changes_nothing(name, value):
    view = view_of(small())
    before = getattr(view, name)
    with pytest.raises(ValueError, match=f"{name}={value}"):
        setattr(view, name, value)
    assert getattr(view, name) == before


def test_its_cell_keeps_the_drawing_with_its_sentence(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    view = view_of(small())
    view._ipython_display_()
    (bundle, options), (sentence, _) = shown
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert Image.open(io.BytesIO(bundle["image/png"])).width > 600
    assert options["metadata"]["image/png"]["alt"] in sentence["text/html"]
    assert "4 × 14 × 14" in sentence["text/plain"]


def test_closing_lets_view_and_network_go():
    model = small()
    view = view_of(model)
    gone = weakref.ref(view), weakref.ref(model)
    view.close()
    del view, model
    gc.collect()
    assert [one() for one in gone] == [None, None]
