"""Maps of any layer, by hooks that are always taken off; patches cut by the receptive field."""

import pytest
import torch
from network_styles import build
from small_network import small_network
from torch import nn

from emotion_utils.data import FaceDataset
from emotion_utils.explain import activations, grad_cam, strongest
from emotion_utils.models import LinearModel, set_facts

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")


def hooks(model: nn.Module) -> int:
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS)


@pytest.mark.parametrize("layer", range(7))
def test_activations_are_what_the_layer_gives(layer, model, images, seen):
    with torch.no_grad():
        wanted = seen
        for part in model[: layer + 1]:
            wanted = part(wanted.clone())  # a ReLU here works in place
    torch.testing.assert_close(activations(model, images, str(layer)), wanted)
    torch.testing.assert_close(activations(model, images, model[layer]), wanted)


def test_without_a_name_it_is_the_last_layer_that_gives_maps(model, images):
    assert torch.equal(activations(model, images), activations(model, images, "5"))
    assert torch.equal(grad_cam(model, images, 1), grad_cam(model, images, 1, "5"))


def test_a_layer_that_is_not_there_says_which_are(model, images):
    with pytest.raises(ValueError, match=r"layer='conv9'.* 0, 1, 2, 3, 4, 5"):
        activations(model, images, "conv9")
    with pytest.raises(ValueError, match="layer=Conv2d is no part of this model"):
        grad_cam(model, images, 1, nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize("explain", [lambda *a: activations(*a), lambda model, x, layer: grad_cam(model, x, 1, layer)])
def test_a_layer_without_maps(explain, model, images):
    with pytest.raises(ValueError, match=r"layer='7' gives \(\d, 8\), no maps"):
        explain(model, images, "7")
    assert hooks(model) == 0


def test_a_model_without_convolutions(images):
    model = LinearModel(image_size=16)
    model.set_normalisation(0.4, 0.25)
    for explain in (activations, grad_cam):
        with pytest.raises(ValueError, match="no layer of this LinearModel gives maps"):
            explain(model, images)
    with pytest.raises(ValueError, match="no layer of this model gives maps"):
        activations(model, images, "conv1")


def test_what_computes_weights_is_no_layer_with_maps(images):
    model = build("spectral norm")
    set_facts(model, (0.4, 0.25), None)
    with pytest.raises(ValueError, match=r"layer='x'.*choose one of 0, 1\."):
        activations(model, images, "x")


def test_a_scripted_network_says_that_it_hides_its_layers(model, images):
    scripted = torch.jit.script(model)
    set_facts(scripted, (0.4, 0.25), None)
    for explain in (activations, grad_cam):
        with pytest.raises(ValueError, match=r"gives maps.*scripted"):
            explain(scripted, images)
    with pytest.raises(ValueError, match=r"layer='5'.*scripted"):
        activations(scripted, images, "5")


def test_a_layer_that_runs_twice_or_never(images):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.spare, self.relu = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.ReLU()
            self.head = nn.Linear(4, 7)

        def forward(self, x):
            return self.head(self.relu(self.relu(self.conv(x))).mean((2, 3)))

    model = Twice()
    set_facts(model, (0.4, 0.25), None)
    with pytest.raises(ValueError, match="layer='relu' runs 2 times"):
        activations(model, images, "relu")
    with pytest.raises(ValueError, match="layer='spare' does not run"):
        grad_cam(model, images, 1, "spare")
    assert activations(model, images, "conv").shape == (6, 4, 14, 14)


def test_hooks_are_taken_off_after_an_error(images):
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("broken")

    for explain in (activations, grad_cam):
        model = small_network()
        model[6] = Fails()
        with pytest.raises(ValueError, match="broken"):
            explain(model, images, layer="2")
        assert hooks(model) == 0
        assert not model.training


def test_hooks_that_somebody_left_stay_and_change_nothing(model, images):
    wanted = grad_cam(model, images, 1, "5")
    left = []
    model[5].register_forward_hook(lambda module, inputs, output: left.append(output))
    assert torch.equal(grad_cam(model, images, 1, "5"), wanted)
    assert left
    assert hooks(model) == 1


def test_strongest_patches_are_where_the_map_is_largest(model):
    dark = torch.zeros(5, 1, 16, 16, dtype=torch.uint8)
    for i, (row, column) in enumerate([(2, 3), (9, 12), (15, 0), (0, 15), (7, 7)]):
        dark[i, 0, row, column] = 50 + 40 * i
    faces = FaceDataset(dark, torch.zeros(5, dtype=torch.int64), ["a", "b"])
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.zero_()
        model[0].weight[2, 0, 1, 1] = 1.0  # channel 2 copies the pixel
    found = strongest(model, faces, "0", 2, n=3)
    assert found.faces.tolist() == [4, 3, 2]
    assert found.places.tolist() == [[7, 7], [0, 15], [15, 0]]
    assert found.patches.shape == (3, 1, 3, 3)
    assert found.patches[0, 0].tolist() == [[0, 0, 0], [0, 210, 0], [0, 0, 0]]
    assert found.patches[1, 0].tolist() == [[128, 128, 128], [0, 170, 128], [0, 0, 128]]  # beyond the edge: grey
    assert found.values.tolist() == sorted(found.values.tolist(), reverse=True)
    later = strongest(model, faces, "5", 0, n=99)
    assert later.patches.shape == (5, 1, 8, 8)  # 3, pooled to 4, then two more on each side
    assert torch.equal(later.values, later.values.sort(descending=True).values)


def test_strongest_refuses(model):
    faces = FaceDataset(torch.zeros(3, 1, 16, 16, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), ["a", "b"])
    with pytest.raises(ValueError, match="channel=6"):
        strongest(model, faces, "0", 6)
    with pytest.raises(ValueError, match="n=0"):
        strongest(model, faces, "0", 1, n=0)
    with pytest.raises(TypeError, match="Tensor"):
        strongest(model, faces.images, "0", 1)
