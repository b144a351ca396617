"""Images of every kind get the answer that was meant, or a question: nothing is silently taken for something else."""

import warnings

import numpy as np
import pytest
import torch
from network_styles import Centred, MeanOverMap, ThreeEqual, build
from PIL import Image
from small_faces import small_faces
from torch import Tensor, nn

from emotion_utils.data.pixels import as_images, normalise
from emotion_utils.errors import ShapeError
from emotion_utils.models.facts import remember
from emotion_utils.models.inference import predict_proba
from emotion_utils.models.networks import EmotionCNN

FACES = small_faces(6, mean=0.45, std=0.2)
PIXELS = FACES.images  # uint8 (6, 1, 16, 16)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = EmotionCNN((4,), hidden=0, image_size=16).eval()
    torch.nn.init.normal_(made.classifier[-1].weight)
    remember(made, FACES)
    return made


@pytest.fixture(scope="module")
def wanted(model) -> Tensor:
    return model.predict_proba(PIXELS)


def without_warnings(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


def pictures(folder) -> list:
    paths = [folder / f"{i}.png" for i in range(len(PIXELS))]
    for path, image in zip(paths, PIXELS, strict=True):
        Image.fromarray(image[0].numpy()).save(path)
    return paths


EXACT = {
    "uint8": lambda: PIXELS,
    "int64": lambda: PIXELS.long(),
    "NumPy": lambda: PIXELS.numpy(),
    "NumPy int32": lambda: PIXELS.numpy().astype(np.int32),
    "(N, H, W)": lambda: PIXELS[:, 0],
    "(N, H, W, 1)": lambda: PIXELS.permute(0, 2, 3, 1),
    "NumPy (N, H, W, 1), not contiguous": lambda: np.asfortranarray(PIXELS.permute(0, 2, 3, 1).numpy()),
    "list of tensors": lambda: list(PIXELS),
    "list of arrays": lambda: list(PIXELS[:, 0].numpy()),
    "Pillow": lambda: [Image.fromarray(image[0].numpy()) for image in PIXELS],
    "whole floats": lambda: PIXELS.float(),
    "whole floats, NumPy": lambda: PIXELS.numpy().astype(np.float64),
    "whole floats, (N, H, W)": lambda: PIXELS[:, 0].float(),
    "normalised": lambda: normalise(PIXELS, 0.45, 0.2),
    "normalised, NumPy, float64": lambda: normalise(PIXELS, 0.45, 0.2).double().numpy(),
    "normalised, (N, H, W)": lambda: normalise(PIXELS, 0.45, 0.2)[:, 0],
    "normalised, list": lambda: [FACES[i][0] for i in range(6)],
    "normalised, list of batches": lambda: [FACES[i][0][None] for i in range(6)],
    "needs a gradient": lambda: normalise(PIXELS, 0.45, 0.2).requires_grad_(),
}


@pytest.mark.parametrize("kind", EXACT)
def test_what_is_certain_is_taken_without_a_word(model, wanted, kind):
    found = without_warnings(lambda: model.predict_proba(EXACT[kind]()))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_paths_are_read(model, wanted, tmp_path):
    paths = pictures(tmp_path)
    torch.testing.assert_close(without_warnings(lambda: model.predict_proba(paths)), wanted)
    torch.testing.assert_close(model.predict_proba(str(paths[2])), wanted[2:3])


def test_one_image_is_a_batch_of_one(model, wanted):
    for image in (PIXELS[0], PIXELS[0, 0], PIXELS[0, 0].numpy(), Image.fromarray(PIXELS[0, 0].numpy())):
        torch.testing.assert_close(without_warnings(lambda image=image: model.predict_proba(image)), wanted[:1])


@pytest.mark.parametrize("scale", ["unit", "grey", "normalised"])
def test_what_is_said_is_believed_without_a_word(model, wanted, scale):
    images = {"unit": PIXELS / 255, "grey": PIXELS + 0.0, "normalised": normalise(PIXELS, 0.45, 0.2)}[scale]
    found = without_warnings(lambda: model.predict_proba(images, scale=scale))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    one = without_warnings(lambda: predict_proba(model, images[3, 0].numpy(), scale=scale))
    torch.testing.assert_close(one, wanted[3:4], atol=1e-5, rtol=0)


def test_floats_from_0_to_1_are_taken_for_grey_levels_and_it_is_said(model, wanted):
    for images in (PIXELS / 255, (PIXELS / 255).numpy(), (PIXELS / 255).double()):
        with pytest.warns(UserWarning, match=r"0 … 1.*scale=.unit") as caught:
            found = model.predict_proba(images)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 16, 16),
        torch.full((2, 1, 16, 16), 0.5),
        torch.linspace(0, 1.9, 256).view(1, 1, 16, 16),
        torch.linspace(-0.05, 1.0, 256).view(1, 1, 16, 16),
        torch.linspace(0, 9.5, 256).view(1, 1, 16, 16),
        torch.linspace(0, 4000, 256).view(1, 1, 16, 16),
    ],
    ids=["black or grey", "blank", "0 to 1.9", "-0.05 to 1", "0 to 9.5", "0 to 4000"],
)
def test_what_may_be_one_thing_or_another_is_asked_for(model, images):
    with pytest.raises(ValueError, match=r"scale=.unit.*grey.*normalised") as caught:
        model.predict_proba(images)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("images", "scale", "message"),
    [
        (PIXELS.float(), "unit", 'scale="unit".*255|scale="unit"'),
        (normalise(PIXELS, 0.45, 0.2), "grey", 'scale="grey"'),
        (normalise(PIXELS, 0.45, 0.2), "unit", 'scale="unit"'),
        (PIXELS / 255, "grey", 'scale="grey"'),
        (PIXELS / 255, "percent", "scale='percent'.*unit"),
        (PIXELS / 255, 3, "scale=3"),
    ],
)
def test_what_is_said_and_cannot_be_is_refused(model, images, scale, message):
    with pytest.raises(ValueError, match=message):
        model.predict_proba(images, scale=scale)


def test_images_normalised_in_another_way_are_noticed(model):
    for images in (PIXELS.float() - 127, normalise(PIXELS, 0.45, 0.05)):
        with pytest.warns(UserWarning, match=r"0\.45.*0\.2.*other numbers"):
            model.predict_proba(images)


def test_images_that_may_have_been_scaled_to_minus_one_are_noticed(model):
    with pytest.warns(UserWarning, match=r"-1 … 1.*unit"):
        model.predict_proba(PIXELS / 127.5 - 1)
    without_warnings(lambda: model.predict_proba(PIXELS / 127.5 - 1, scale="normalised"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_pixels_that_are_not_finite_are_refused(model, value):
    images = normalise(PIXELS, 0.45, 0.2)
    images[2, 0, 3, 3] = value
    for given in (images, images.numpy()):
        with pytest.raises(ValueError, match="1 pixels that are not finite"):
            model.predict_proba(given)
    with pytest.raises(ValueError, match="not finite"):
        model.predict_proba(images, scale="normalised")


def test_frames_are_turned_grey_and_it_is_said(model):
    frame = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    grey = [Image.fromarray(image).convert("L") for image in frame]
    expected = model.predict_proba(grey)
    with pytest.warns(UserWarning, match=r"red, green, blue.*bgr=True"):
        found = model.predict_proba(frame)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(without_warnings(lambda: model.predict_proba(frame, bgr=False)), expected)
    torch.testing.assert_close(model.predict_proba(frame[..., ::-1], bgr=True), expected)
    torch.testing.assert_close(model.predict_proba(frame[0], bgr=False), expected[:1])
    torch.testing.assert_close(model.predict_proba(torch.tensor(frame).permute(0, 3, 1, 2)), expected)


def test_other_sizes_are_refused_or_made_fit_when_asked(model):
    large = [Image.fromarray(image[0].numpy()).resize((48, 48), Image.Resampling.NEAREST) for image in PIXELS]
    with pytest.raises(ShapeError, match=r"48, 48.*size="):
        model.predict_proba(large)
    assert torch.equal(model.predict_proba(large, size=16), model.predict_proba(as_images(large, 16)))
    assert model.predict_proba([Image.new("L", (20, 30)), Image.new("RGB", (640, 480))], size=16).shape == (2, 7)
    assert model.predict_proba(torch.rand(2, 1, 40, 40), scale="unit", size=16).shape == (2, 7)
    with pytest.raises(ValueError, match="size=16"):
        model.predict_proba(torch.randn(2, 1, 40, 40), size=16)
    for size in (0, -1, 2.5, "16"):
        with pytest.raises(ValueError, match="size="):
            model.predict_proba(PIXELS, size=size)


@pytest.mark.parametrize(
    "images",
    [PIXELS[:0], PIXELS[:0].float(), PIXELS[:0].numpy(), PIXELS[:0, 0].float().numpy(), torch.zeros(0, 1, 16, 16)],
)
def test_no_images_give_no_rows(model, images):
    assert model.predict_proba(images).shape == (0, 7)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (None, TypeError),
        (3, TypeError),
        (FACES, TypeError),
        ([], ValueError),
        ("no such file.png", OSError),
        (["a", 3], (OSError, TypeError)),
        (torch.zeros(3, 48, 48, dtype=torch.uint8), ValueError),
        (torch.zeros(2, 5, 16, 16, dtype=torch.uint8), ValueError),
        (torch.zeros(16, dtype=torch.uint8), TypeError),
        (torch.full((1, 1, 16, 16), 70_000), ValueError),
        (torch.full((1, 1, 16, 16), -3), ValueError),
        (torch.zeros(1, 1, 16, 16, dtype=torch.complex64), (TypeError, ValueError)),
        (np.array([["a"]]), TypeError),
        (np.zeros((2, 16, 16), dtype=object), TypeError),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(model, images, error):
    with pytest.raises(error) as caught:
        model.predict_proba(images)
    assert type(caught.value) not in (AttributeError, KeyError, IndexError)
    assert len(str(caught.value)) <= 400


def test_a_network_of_ones_own_has_to_know_how_images_are_normalised():
    model = MeanOverMap()
    with pytest.raises(ValueError, match=r"MeanOverMap.*train\(\).*scale=.normalised"):
        predict_proba(model, PIXELS)
    assert predict_proba(model, normalise(PIXELS, 0.5, 0.25)).shape == (6, 7)
    remember(model, FACES)
    torch.testing.assert_close(predict_proba(model, PIXELS), predict_proba(model, normalise(PIXELS, 0.45, 0.2)))


def test_a_network_of_ours_that_was_told_nothing_says_what_it_takes():
    model = EmotionCNN((4,), image_size=16)
    with pytest.warns(UserWarning, match=r"mean of 0\.5.*0\.25"):
        found = model.predict_proba(PIXELS)
    torch.testing.assert_close(found, without_warnings(lambda: model.predict_proba(normalise(PIXELS, 0.5, 0.25))))


def test_images_come_in_the_precision_of_the_weights():
    for style in ("float64", "bfloat16"):
        model = build(style)
        remember(model, FACES)
        found = predict_proba(model, PIXELS)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.sum(1), torch.ones(6))


def test_a_network_for_three_channels_takes_three():
    model = EmotionCNN((4,), image_size=16, in_channels=3)
    model.set_normalisation(0.45, 0.2)
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(model.predict_proba(images), model.predict_proba(normalise(images, 0.45, 0.2)))
    with pytest.raises(ShapeError, match="in_channels=1"):
        model.predict_proba(PIXELS)
    red, grey = Image.new("RGB", (16, 16), (200, 30, 20)), Image.new("L", (20, 20), 99)
    red_pixels = torch.tensor([200, 30, 20], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    torch.testing.assert_close(model.predict_proba([red]), model.predict_proba(red_pixels))
    equal = torch.full((1, 3, 16, 16), 99, dtype=torch.uint8)
    torch.testing.assert_close(model.predict_proba(grey, size=16), model.predict_proba(equal))
    with pytest.raises(ValueError, match="3 channels"):
        model.predict_proba(torch.zeros(2, 3, 16, 16, dtype=torch.int64), size=8)


def test_a_network_that_works_in_place_leaves_the_images_alone():
    model, given = nn.Sequential(Centred(), *build("Sequential")), normalise(PIXELS, 0.45, 0.2)
    remember(model, FACES)
    before = given.clone()
    found = predict_proba(model, given, scale="normalised")
    assert torch.equal(given, before)
    torch.testing.assert_close(found, predict_proba(model, PIXELS))


class AdaptedLate(nn.Module):
    """Three channels are made by a layer that is defined last."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, 7))
        self.adapt = nn.Conv2d(1, 3, 1)

    def forward(self, x):
        return self.net(self.adapt(x))


@pytest.mark.parametrize("make", [ThreeEqual, AdaptedLate])
def test_a_network_with_colours_inside_takes_grey_images_of_every_kind(make, tmp_path):
    torch.manual_seed(0)
    model = make().eval()
    remember(model, FACES)
    wanted = model(normalise(PIXELS, 0.45, 0.2)).softmax(1).detach()
    kinds = [PIXELS, PIXELS[:, 0].numpy(), list(PIXELS[:, 0].numpy()), normalise(PIXELS, 0.45, 0.2), pictures(tmp_path)]
    for kind in kinds:
        torch.testing.assert_close(without_warnings(lambda kind=kind: predict_proba(model, kind)), wanted)
    torch.testing.assert_close(predict_proba(model, PIXELS / 255, scale="unit"), wanted)
    torch.testing.assert_close(predict_proba(model, pictures(tmp_path), size=16), wanted)
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    torch.testing.assert_close(predict_proba(model, colour), predict_proba(model, colour.convert("L")))


def test_a_network_of_ones_own_for_three_channels_takes_three(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 7))
    remember(model, FACES)
    pixels = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    colour = Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    torch.testing.assert_close(predict_proba(model, [colour]), predict_proba(model, pixels))
    torch.testing.assert_close(predict_proba(model, pixels / 255, scale="unit"), predict_proba(model, pixels))
