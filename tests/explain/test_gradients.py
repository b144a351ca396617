"""Gradient explanations agree with captum, with finite differences, and with what is known by hand."""

import pytest
import torch
from small_network import small_network
from torch import nn
from torch.nn import functional

from emotion_utils.explain import grad_cam, integrated_gradients, saliency, smooth_grad
from emotion_utils.explain.asking import question
from emotion_utils.models import EmotionCNN, set_facts
from emotion_utils.randomness import normal, stream_key

captum = pytest.importorskip("captum.attr", reason="captum is not installed (extra: test)")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
METHODS = {
    "saliency": saliency,
    "smooth_grad": lambda *given, **named: smooth_grad(*given, samples=3, **named),
    "integrated_gradients": lambda *given, **named: integrated_gradients(*given, steps=4, **named),
    "grad_cam": grad_cam,
}
TARGET = torch.tensor([0, 1, 2, 3, 4, 6])


def test_saliency_is_captums(model, images, seen):
    theirs = captum.Saliency(model).attribute(seen.clone().requires_grad_(), target=TARGET)[:, 0]
    torch.testing.assert_close(saliency(model, images, TARGET), theirs.detach(), **CLOSE)


def test_integrated_gradients_are_captums(model, images, seen):
    theirs = captum.IntegratedGradients(model).attribute(
        seen, baselines=0.3, target=TARGET, n_steps=20, method="riemann_middle"
    )[:, 0]
    ours = integrated_gradients(model, images, TARGET, steps=20, baseline=0.3)
    torch.testing.assert_close(ours, theirs.detach().float(), **CLOSE)


def test_integrated_gradients_add_up_to_what_the_logit_gained(model, images, seen):
    ours = integrated_gradients(model, images, TARGET, steps=400)
    with torch.no_grad():
        gained = (model(seen) - model(torch.zeros_like(seen))).gather(1, TARGET[:, None])[:, 0]
    torch.testing.assert_close(ours.sum((1, 2)), gained, rtol=0, atol=2e-3)


@pytest.mark.parametrize("layer", ["0", "2", "5"])
def test_grad_cam_is_captums_before_upsampling(layer, images, seen):
    model = small_network().requires_grad_(False)
    for module in model.modules():  # captum's hooks do not bear ReLUs that work in place
        if isinstance(module, nn.ReLU):
            module.inplace = False
    theirs = captum.LayerGradCam(model, model[int(layer)]).attribute(
        seen.clone().requires_grad_(), target=TARGET, relu_attributions=True
    )[:, 0]
    ours = grad_cam(model, images, TARGET, layer, upsample=False)
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs.detach(), **CLOSE)
    large = functional.interpolate(theirs.detach()[:, None], (16, 16), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(grad_cam(model, images, TARGET, layer), large, **CLOSE)


def test_smooth_grad_is_captums_gradient_over_noisy_copies(model, images, seen):
    wide = 0.2 * (seen.flatten(1).amax(1) - seen.flatten(1).amin(1))[:, None, None, None]
    total = torch.zeros_like(seen)
    for number in range(3):
        noise = normal(stream_key(5, "smooth_grad", number), torch.arange(6), 256).view_as(seen)
        total += captum.Saliency(model).attribute((seen + wide * noise).requires_grad_(), target=TARGET, abs=False)
    ours = smooth_grad(model, images, TARGET, samples=3, spread=0.2, seed=5)
    torch.testing.assert_close(ours, (total / 3).abs()[:, 0].detach(), **CLOSE)


def test_smooth_grad_without_noise_is_the_gradient(model, images):
    torch.testing.assert_close(smooth_grad(model, images, 2, samples=2, spread=0), saliency(model, images, 2), **CLOSE)


def test_smooth_grad_of_an_image_does_not_depend_on_the_batch(model, images):
    many = images.repeat(30, 1, 1, 1)  # more than one batch
    torch.testing.assert_close(smooth_grad(model, many, 1, samples=2)[:6], smooth_grad(model, images, 1, samples=2))
    assert not torch.allclose(smooth_grad(model, images, 1, seed=1), smooth_grad(model, images, 1, seed=2))


def test_grad_cam_with_a_global_mean_and_a_linear_head_is_cam(model, images, seen):
    with torch.no_grad():
        maps = model[:6](seen)  # (N, K, h, w)
    weights = model[8].weight[TARGET]  # (N, K): CAM of Zhou et al. 2016
    cam = torch.einsum("nk,nkhw->nhw", weights, maps).relu() / maps[0, 0].numel()
    torch.testing.assert_close(grad_cam(model, images, TARGET, "5", upsample=False), cam.detach(), **CLOSE)


def test_gradients_are_finite_differences_in_float64(images):
    model = small_network().double()
    with question(model, images[:1], 4) as asked:
        pixels = asked.images
    assert pixels.dtype == torch.float64
    step = 1e-6
    ours = saliency(model, images[:1], 4)[0]
    for row, column in ((0, 0), (7, 3), (15, 15), (8, 12)):
        moved = pixels.repeat(2, 1, 1, 1)
        moved[0, 0, row, column] += step
        moved[1, 0, row, column] -= step
        with torch.no_grad():
            high, low = model(moved)[:, 4]
        assert float(ours[row, column]) == pytest.approx(float((high - low).abs() / (2 * step)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_float32_maps_and_leaves_the_network_as_it_was(name, images):
    model = small_network().train()
    model[1].eval()
    model[8].weight.grad = torch.ones_like(model[8].weight)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in model.modules()]
    random = torch.get_rng_state()
    maps = METHODS[name](model, images)
    assert maps.shape == (6, 16, 16)
    assert maps.dtype == torch.float32
    assert not maps.requires_grad
    assert maps.abs().sum() > 0
    assert model.training
    assert not model[1].training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(model[8].weight.grad, torch.ones_like(model[8].weight))
    assert hooks == [len(module._forward_hooks) for module in model.modules()]
    assert torch.equal(random, torch.get_rng_state())
    torch.testing.assert_close(maps, METHODS[name](small_network(), images))  # as in evaluation mode


@pytest.mark.parametrize("name", METHODS)
def test_batches_make_no_difference(name, model, images):
    many = METHODS[name](model, images.repeat(25, 1, 1, 1), 3)
    if name != "smooth_grad":  # whose noise differs from copy to copy
        torch.testing.assert_close(many[-6:], METHODS[name](model, images, 3))
    torch.testing.assert_close(many[:6], METHODS[name](model, images, 3))


@pytest.mark.parametrize("name", METHODS)
def test_one_image(name, model, images):
    alone = METHODS[name](model, images[0, 0], 3)
    assert alone.shape == (1, 16, 16)
    torch.testing.assert_close(alone, METHODS[name](model, images, 3)[:1])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_explained_in_float32(name, dtype, images):
    half = small_network().to(dtype)
    back = small_network().to(dtype).float()
    set_facts(half, (0.4, 0.25), None)
    maps = METHODS[name](half, images, 1)
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps, METHODS[name](back, images, 1))
    assert half[0].weight.dtype == dtype


@pytest.mark.parametrize("name", METHODS)
def test_a_map_of_zeros_stays_one(name, model, images):
    with torch.no_grad():
        model[8].weight.zero_()
    assert torch.equal(METHODS[name](model, images, 1), torch.zeros(6, 16, 16))


@pytest.mark.parametrize("name", METHODS)
def test_logits_are_explained_not_probabilities(name, model, images):
    """A logit that no other class shares stays the same whatever the others do; a probability would not."""
    maps = METHODS[name](model, images, 1)
    with torch.no_grad():
        model[8].bias[2] += 30  # all probability goes to class 2
    torch.testing.assert_close(METHODS[name](model, images, 1), maps)


def test_no_target_is_the_predicted_class_and_names_are_known(images):
    model = small_network()
    set_facts(model, (0.4, 0.25), [f"class {c}" for c in range(7)])
    with question(model, images) as asked:
        predicted = asked.target
    assert torch.equal(saliency(model, images), saliency(model, images, predicted))
    assert torch.equal(saliency(model, images, "class 5"), saliency(model, images, 5))
    assert torch.equal(saliency(model, images, [5] * 6), saliency(model, images, 5))


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (7, "target=7: the model gives 7 logits, so choose 0 to 6"),
        (-1, "target=-1"),
        (torch.tensor([0, 1, 2, 3, 4, 9]), "target=9"),
        ([1, 2], "target holds 2 classes for 6 images"),
        (1.5, "target=1.5"),
        ("fear", "target='fear'"),
    ],
)
def test_a_target_that_is_not_there(target, match, model, images):
    with pytest.raises(ValueError, match=match):
        saliency(model, images, target)


def test_images_that_need_normalising(model, images, seen):
    with pytest.warns(UserWarning, match=r"0 … 1"):
        unit = saliency(model, images.float() / 255, 1)
    torch.testing.assert_close(unit, saliency(model, images, 1), **CLOSE)
    torch.testing.assert_close(saliency(model, seen, 1, scale="normalised"), unit, **CLOSE)
    stranger = small_network()
    del stranger.learnt_from
    with pytest.raises(ValueError, match="normalised"):
        saliency(stranger, images, 1)
    torch.testing.assert_close(saliency(stranger, seen, 1, scale="normalised"), unit, **CLOSE)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_no_network_or_no_images(name, model, images):
    with pytest.raises(TypeError, match="EmotionCNN"):
        METHODS[name](EmotionCNN, images)
    with pytest.raises(ValueError, match="none to explain"):
        METHODS[name](model, images[:0])
    with pytest.raises(ValueError, match=r"\(6, 8, 8, 8\)"):
        METHODS[name](model[:6], images.float() / 255 - 2, scale="normalised")


def test_a_network_that_cuts_the_record(model, images):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            with torch.no_grad():
                return self.inner(x)

    with pytest.raises(ValueError, match="no gradient by the images"):
        saliency(Cut(), images)
    with pytest.raises(ValueError, match=r"no gradient by the maps of layer 'inner\.5'"):
        grad_cam(Cut(), images, layer="inner.5")


def test_a_frozen_backbone_under_no_grad_has_no_gradient(model, images):
    """Its head has weights that ask for one, which the images never meet."""

    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = model, nn.Linear(7, 7)

        def forward(self, x):
            with torch.no_grad():
                x = self.inner(x)
            return self.head(x)

    with pytest.raises(ValueError, match=r"no gradient by the maps of layer 'inner\.5'"):
        grad_cam(Headed(), images, 1, "inner.5")
    with pytest.raises(ValueError, match="no gradient by the images"):
        saliency(Headed(), images, 1)


def test_a_gradient_that_is_not_finite(images):
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(256, 7)

        def forward(self, x):
            return self.head((x * 0).abs().sqrt().flatten(1))

    model = Root()
    set_facts(model, (0.4, 0.25), None)
    with pytest.raises(ValueError, match="image 0 is not finite"):
        saliency(model, images, 1)


def test_logits_that_are_not_finite(model, images):
    with torch.no_grad():
        model[8].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        saliency(model, images)


def test_a_network_that_ends_in_a_softmax_is_noticed(images):
    model = nn.Sequential(small_network(), nn.Softmax(1))
    with pytest.warns(UserWarning, match="softmax"):
        saliency(model, images, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model, images: smooth_grad(model, images, samples=0),
        lambda model, images: smooth_grad(model, images, spread=-1),
        lambda model, images: integrated_gradients(model, images, steps=0),
        lambda model, images: integrated_gradients(model, images, baseline=float("nan")),
    ],
)
def test_numbers_out_of_range(wrong, model, images):
    with pytest.raises(ValueError, match=r"samples=0|spread=-1|steps=0|baseline=nan"):
        wrong(model, images)


def test_works_under_no_grad_and_inference_mode(model, images):
    wanted = grad_cam(model, images, 1)
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(model, images, 1), wanted)
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(model, images, 1), wanted)
