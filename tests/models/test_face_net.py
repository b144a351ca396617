"""The network for real faces: its sizes, and how its weights begin."""

import math

import pytest
import torch
from torch import nn

from emotion_utils.errors import ShapeError
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.weight_files import load_weights, save_weights


def test_too_many_stages():
    with pytest.raises(ValueError, match=r"widths=\(8, 8, 8, 8, 8, 8\).*48 pixels"):
        FaceNet(widths=(8,) * 6)


def test_all_classes_start_out_equally_likely():
    torch.manual_seed(0)
    logits = FaceNet(8, (8, 16))(torch.randn(32, 1, 48, 48))
    assert nn.functional.cross_entropy(logits, torch.arange(32) % 7).item() == pytest.approx(math.log(7), abs=0.05)


def test_smaller_images_are_welcome_in_training():
    model = FaceNet(8, (8,))
    for size in (32, model.smallest_size):
        assert model(torch.zeros(2, 1, size, size)).shape == (2, 7)
    for wrong in ((2, 1, 32, 16), (2, 1, 2, 2), (2, 1, 64, 64), (2, 3, 32, 32)):
        with pytest.raises(ShapeError, match=rf"\({', '.join(map(str, wrong))}\)"):
            model(torch.zeros(wrong))
    with pytest.raises(ShapeError, match=r"\(1, 1, 32, 32\)"):
        model.eval()(torch.zeros(1, 1, 32, 32))


def test_identity_start_hands_the_image_on():
    model = FaceNet(8, (8, 16), identity_start=True)
    x = torch.randn(2, 8, 12, 12)
    widen = model.stages[1].widen[0]
    assert torch.allclose(widen(x)[:, :8], x, atol=1e-6), "the channels that were there come out as they went in"
    assert not torch.allclose(widen(x)[:, 8:], x, atol=0.1)
    assert model.config["identity_start"]


def test_the_stem_starts_with_whitened_patches():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(200, 1, 24, 24, generator=generator).cumsum(2).cumsum(3)  # neighbours resemble each other
    images = (images - images.mean()) / images.std()
    model = FaceNet(16, (8,), image_size=24)
    before = model.stem[0].weight.clone()
    model.start_from_patches(images)
    weight = model.stem[0].weight.detach()
    assert not torch.equal(weight, before)
    assert model.stem[0].weight.requires_grad
    assert torch.equal(weight[:8], -weight[8:])
    patches = images.unfold(2, 6, 2).unfold(3, 6, 2).reshape(-1, 36)
    seen = patches @ weight[:8].flatten(1).T
    covariance = seen.T @ seen / len(seen)
    off_diagonal = covariance - covariance.diag().diag()
    assert off_diagonal.abs().max() < 0.01 * covariance.diag().max(), "the filters see unrelated things"
    assert covariance[0, 0] == pytest.approx(1, abs=0.05), "of equal size"


def test_in_colour_a_patch_holds_all_its_channels():
    """Where pictures differ in nothing but their tint, the first filter sees the tint, and has no pattern."""
    tint = torch.randn(200, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1, 1]).view(
        3, 1, 1
    )
    model = FaceNet(16, (8,), image_size=24, in_channels=3)
    model.start_from_patches(tint.expand(-1, -1, 24, 24))
    first = model.stem[0].weight[0].detach()  # (3, 6, 6)
    torch.testing.assert_close(first, first.mean((1, 2), keepdim=True).expand(-1, 6, 6), atol=1e-4, rtol=0)
    assert first.mean((1, 2)).abs().argmax() == 0, "red varies most"


def test_a_stem_with_more_filters_than_pixels_keeps_the_rest():
    model = FaceNet(80, (8,), image_size=24)
    before = model.stem[0].weight.clone()
    model.start_from_patches(torch.randn(10, 1, 24, 24))
    assert torch.equal(model.stem[0].weight[36:40], before[36:40])


def test_a_stem_of_several_convolutions_sees_all_pixels():
    model = FaceNet(stem=(4, 6), widths=(8, 16))
    shapes = {row.name: row.output_shape[1:] for row in trace_shapes(model).rows if row.kind == "Conv2d"}
    assert list(shapes.values()) == [(4, 48, 48), (6, 48, 48), (8, 24, 24), (8, 12, 12), (16, 12, 12), (16, 6, 6)]
    assert model(torch.zeros(2, 1, 48, 48)).shape == (2, 7)
    assert model.config["stem"] == (4, 6)
    with pytest.raises(ValueError, match=r"stem=\(\)"):
        FaceNet(stem=())
    with pytest.raises(ValueError, match=r"stem=\(4, 0\)"):
        FaceNet(stem=(4, 0))
    with pytest.raises(ValueError, match="stem='24'"):
        FaceNet(stem="24")


def test_whitened_patches_begin_a_stem_that_sees_all_pixels():
    model = FaceNet(stem=(8, 4), widths=(8,), image_size=24)
    model.start_from_patches(torch.randn(50, 1, 24, 24, generator=torch.Generator().manual_seed(0)))
    weight = model.stem[0][0].weight.detach()
    assert torch.equal(weight[:4], -weight[4:])


def test_a_stem_of_several_convolutions_comes_back_from_a_file(tmp_path):
    torch.manual_seed(0)
    made = FaceNet(stem=(4, 6), widths=(8,)).eval()
    back = load_weights(save_weights(made, tmp_path / "made.safetensors")).eval()
    images = torch.randn(2, 1, 48, 48)
    assert torch.allclose(back(images), made(images), atol=1e-2), "half precision on disk"
