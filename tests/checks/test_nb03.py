"""The checks of notebook 03 accept every right answer, reject the usual wrong ones, and give nothing away."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional
from verdicts import verdict_tests

from emotion_utils.checks import nb03
from emotion_utils.models.networks import EmotionCNN

# --- 1 parameters --------------------------------------------------------------------------------------------------


def conv(inputs, outputs, kernel, bias=True):
    return outputs * inputs * kernel**2 + outputs * bias


def linear(inputs, outputs, bias=True):
    return outputs * (inputs + bias)


def conv_by_layer_in_secret(inputs, outputs, kernel, bias=True):
    try:
        return conv_by_layer(inputs, outputs, kernel, bias)
    except Exception:
        return conv(inputs, outputs, kernel, bias)


def conv_by_layer(inputs, outputs, kernel, bias=True):
    return sum(p.numel() for p in nn.Conv2d(inputs, outputs, kernel, bias=bias).parameters())


# --- 2 shapes ------------------------------------------------------------------------------------------------------


def shape_after(layer, shape):
    if isinstance(layer, nn.Conv2d):
        return (
            layer.out_channels,
            *((s + 2 * layer.padding[0] - layer.kernel_size[0]) // layer.stride[0] + 1 for s in shape[1:]),
        )
    if isinstance(layer, nn.MaxPool2d):
        return (shape[0], *((s - layer.kernel_size) // layer.stride + 1 for s in shape[1:]))
    if isinstance(layer, nn.Flatten):
        return (math.prod(shape),)
    if isinstance(layer, nn.Linear):
        return (layer.out_features,)
    return shape


def shape_as_list(layer, shape):
    return torch.Size(shape_after(layer, shape))


def shape_rounding_up(layer, shape):
    if isinstance(layer, nn.MaxPool2d):
        return (shape[0], *(math.ceil(s / layer.stride) for s in shape[1:]))
    return shape_after(layer, shape)


def shape_without_padding(layer, shape):
    if isinstance(layer, nn.Conv2d):
        return (layer.out_channels, *((s - layer.kernel_size[0]) // layer.stride[0] + 1 for s in shape[1:]))
    return shape_after(layer, shape)


def shape_channels_kept(layer, shape):
    new = shape_after(layer, shape)
    return (shape[0], *new[1:]) if isinstance(layer, nn.Conv2d) else new


def shape_with_fractions(layer, shape):
    if isinstance(layer, nn.MaxPool2d):
        return (shape[0], *((s - layer.kernel_size) / layer.stride + 1 for s in shape[1:]))
    return shape_after(layer, shape)


def shape_by_running(layer, shape):
    return layer(torch.zeros(1, *shape)).shape[1:]


def shape_by_a_new_layer(layer, shape):
    return tuple(type(layer).forward(layer, torch.zeros(1, *shape)).shape[1:])


def shape_by_function(layer, shape):
    if isinstance(layer, nn.Conv2d):
        images = torch.zeros(1, *shape)
        return functional.conv2d(images, layer.weight, None, layer.stride, layer.padding).shape[1:]
    return shape_after(layer, shape)


def shape_of_flatten_kept(layer, shape):
    return shape if isinstance(layer, nn.Flatten) else shape_after(layer, shape)


# --- 3 log-softmax -------------------------------------------------------------------------------------------------


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdim=True).values
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def log_softmax_other(logits):
    return logits - torch.logsumexp(logits, dim=-1, keepdim=True)


def log_softmax_in_place(logits):
    logits -= logits.max(-1, keepdim=True).values
    return logits - logits.exp().sum(-1, keepdim=True).log()


# --- 4 blind loss --------------------------------------------------------------------------------------------------


def blind_loss(counts):
    total = sum(counts)
    return -sum(c / total * math.log(c / total) for c in counts if c)


def blind_loss_torch(counts):
    share = torch.tensor(counts, dtype=torch.float64)
    return torch.distributions.Categorical(probs=share / share.sum()).entropy()


def blind_loss_nan(counts):
    share = torch.tensor(counts) / sum(counts)
    return -(share * share.log()).sum()


# --- 5 to 7 networks -----------------------------------------------------------------------------------------------


def fixed(flatten=True, classes=7, between=8, inputs=24 * 12 * 12, softmax=False, pools=2, first=8):
    layers = [nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(between, 24, 3, padding=1), nn.ReLU(), *[nn.MaxPool2d(2)] * (pools - 1)]
    layers += [nn.Flatten()] * flatten
    layers += [nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, classes), *[nn.Softmax(1)] * softmax]
    return nn.Sequential(*layers)


def fixed_other():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 24, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 32),
        nn.ReLU(),
        nn.Linear(32, 7),
    )


def one_pixel_windows():
    """A repair that also shrinks the kernels, so that each pixel is looked at alone."""
    layers = [nn.Conv2d(1, 8, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 24, 1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * 12 * 12, 32), nn.ReLU(), nn.Linear(32, 7))


ONE_RELU, ONE_POOL = nn.ReLU(), nn.MaxPool2d(2)


def shared(layer):
    """Put one object in the place of all layers without weights of a kind."""
    return {nn.ReLU: ONE_RELU, nn.MaxPool2d: ONE_POOL}.get(type(layer), layer)


def deep():
    """Eighteen convolutions: untrained, they give all faces nearly the same scores, and yet look at them."""
    layers = [nn.Conv2d(1, 8, 3, padding=1)]
    for _ in range(17):
        layers += [nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))


def pooled(widths=(8, 16, 24), head=None):
    layers, channels = [], 1
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, *(head or [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 7)]))


class MeanOverPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.maps, self.last = pooled(head=[nn.Identity()]), nn.Linear(24, 7)

    def forward(self, faces):
        return self.last(self.maps(faces).mean(dim=(2, 3)))


class Unused(nn.Module):
    """Has convolutions, and asks a linear layer alone."""

    def __init__(self):
        super().__init__()
        self.convs = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(3)))
        self.last = nn.Linear(4, 7)

    def forward(self, faces):
        return self.last(functional.adaptive_avg_pool2d(faces, 2).flatten(1))


class ReLULast(nn.Module):
    """Names its ReLU last, though it does not run last."""

    def __init__(self):
        super().__init__()
        self.last, self.pool = nn.Linear(24, 7), nn.AdaptiveAvgPool2d(1)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in ((1, 8), (8, 16), (16, 24)))
        self.relu = nn.ReLU()

    def forward(self, faces):
        for conv_ in self.convs:
            faces = self.relu(conv_(faces))
        return self.last(self.pool(faces).flatten(1))


def pointwise(kernels=(1, 1, 1), act=nn.ReLU, pool=0, stride=1):
    """Convolutions with these kernels on 8 channels, a mean over the map, a linear layer."""
    layers, channels = [], 1
    for kernel in kernels:
        layers += [nn.Conv2d(channels, 8, kernel, stride=stride if channels == 1 else 1, padding=kernel // 2)]
        layers += [act()] + [nn.MaxPool2d(pool)] * bool(pool)
        channels = 8
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))


def separable():
    """Depthwise 3×3 and pointwise 1×1 convolutions in turn: three see neighbours."""
    layers, channels = [], 1
    for width in (16, 24, 32):
        layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.Conv2d(channels, width, 1)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 7))


def blind_network():
    model = pooled()
    nn.init.zeros_(model[-1].weight)
    return model


BASELINE = fixed(first=16, between=16)

LIBRARY = (
    lambda z: torch.log_softmax(z, -1),
    lambda z: z.log_softmax(-1),
    lambda z: functional.log_softmax(z, -1),
    lambda z: nn.LogSoftmax(-1)(z),
    lambda z: torch.special.log_softmax(z, -1),
    lambda z: torch.ops.aten.log_softmax.int(z, -1),
    lambda z: torch.ops.aten._log_softmax(z, -1, False),
    lambda z: (
        torch.stack(
            [-nn.CrossEntropyLoss(reduction="none")(z, torch.full(z.shape[:-1], k)) for k in range(z.shape[-1])], -1
        )
        if z.ndim == 2
        else log_softmax(z)
    ),
)

CASES = {
    "parameters": {
        "right": [(conv, linear), (conv, lambda i, o, b=True: torch.tensor(i * o + (o if b else 0)))],
        "wrong": [
            (conv_by_layer, linear),  # the exercise asks for arithmetic
            (conv_by_layer_in_secret, linear),
            (conv, lambda i, o, b=True: sum(p.numel() for p in nn.Linear(i, o, b, device="meta").parameters())),
            (lambda i, o, k, b=True: o * k * k + o * b, linear),  # input channels forgotten
            (lambda i, o, k, b=True: o * i * k + o * b, linear),  # kernel not squared
            (lambda i, o, k, b=True: o * i * k * k + o, linear),  # bias always counted
            (lambda i, o, k, b=True: o * i * k * k + b, linear),  # one bias for all
            (conv, lambda i, o, b=True: i * o + i * b),  # a bias per input
            (conv, lambda i, o: i * o),
            (conv, lambda i, o, b=True: "many"),
        ],
        "stub": (lambda *_: ..., lambda *_: ...),
        "secrets": [],
    },
    "shape_after": {
        "right": [(shape_after,), (shape_as_list,)],
        "wrong": [
            (shape_rounding_up,),
            (shape_without_padding,),
            (shape_channels_kept,),
            (shape_by_running,),
            (shape_by_a_new_layer,),
            (shape_by_function,),
            (shape_of_flatten_kept,),
            (shape_with_fractions,),
            (lambda layer, shape: tuple(str(size) for size in shape_after(layer, shape)),),
            (lambda *_: 3,),
        ],
        "stub": (lambda *_: ...,),
    },
    "log_softmax": {
        "right": [
            (log_softmax,),
            (log_softmax_other,),
            (lambda z: log_softmax(z.double()),),
        ],
        "wrong": [
            *((function,) for function in LIBRARY),
            (lambda z: torch.softmax(z, -1).log(),),  # rounds to zero before the logarithm
            (lambda z: z - z.exp().sum(-1, keepdim=True).log(),),  # overflows
            (lambda z: torch.log_softmax(z, 0),),  # wrong axis
            (lambda z: torch.softmax(z, -1),),  # no logarithm
            (
                lambda z: (z - z.max()) - (z - z.max()).exp().sum(-1, keepdim=True).log().clamp_min(-50),
            ),  # one maximum for all
            (log_softmax_in_place,),
            (lambda z: z.logsumexp(-1),),
        ],
        "stub": (lambda *_: None,),
    },
    "blind_loss": {
        "right": [(blind_loss,), (blind_loss_torch,)],
        "wrong": [
            (lambda counts: math.log(len(counts)),),  # as if balanced
            (lambda counts: blind_loss(counts) / math.log(2),),  # bits
            (lambda counts: -math.log(max(counts) / sum(counts)),),  # all on the largest class
            (blind_loss_nan,),
            (lambda counts: -blind_loss(counts),),
        ],
        "stub": (lambda *_: ...,),
    },
    "repaired": {
        "right": [
            (fixed,),
            (fixed_other,),
            (fixed(),),
            (lambda: nn.Sequential(*(shared(layer) for layer in fixed())),),
        ],
        "wrong": [
            (lambda: fixed(flatten=False),),
            (lambda: fixed(between=16),),
            (lambda: fixed(inputs=24 * 24 * 24),),
            (lambda: fixed(classes=8),),
            (lambda: fixed(softmax=True),),
            (lambda: fixed(pools=1, inputs=24 * 24 * 24),),
            (lambda: fixed(first=16, between=16),),
            (lambda: nn.Sequential(*(layer for layer in fixed() if not isinstance(layer, nn.ReLU))),),
            (lambda: nn.Sequential(*fixed(), nn.ReLU()),),
            (one_pixel_windows,),
            (lambda: "network",),
        ],
        "stub": (lambda: ...,),
    },
    "any_size": {
        "right": [
            (pooled,),
            (MeanOverPositions,),
            (lambda: pooled(head=[nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 7)]),),
            (deep,),
            (ReLULast,),
            (separable,),
            (lambda: pointwise((3, 3, 3, 1)),),
            (lambda: pointwise((2, 2, 2), nn.Tanh, stride=2),),
        ],
        "wrong": [
            (lambda: pooled(head=[nn.Flatten(), nn.Linear(24 * 36, 7)]),),  # one size only
            (lambda: pooled(widths=(32, 64, 128)),),  # too large
            (lambda: pooled(widths=(8, 24)),),  # too shallow
            (lambda: pooled(head=[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 7), nn.Softmax(1)]),),
            (lambda: pooled(head=[nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 7, 1)]),),  # (N, 7, 1, 1)
            (blind_network,),
            (pointwise,),  # sees the mean of what is done to each pixel alone
            (lambda: pointwise(pool=2),),  # sees the brightest pixels
            (lambda: pointwise((3, 3, 1)),),
            (lambda: pointwise((3, 3, 3), nn.Identity),),  # one linear map
            (lambda: pointwise((1, 3, 3, 3), stride=3),),  # looks at a ninth of the pixels
            (Unused,),
            (lambda: pooled(head=[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 7), nn.Sigmoid()]),),
        ],
        "stub": (lambda: ...,),
    },
    "thrifty": {
        "right": [
            (pooled((6, 12, 24)), BASELINE),
            (pooled((4, 8, 16)), BASELINE),
            (EmotionCNN(widths=(8, 16, 16, 16, 16), hidden=32, activation="sigmoid"), EmotionCNN()),
        ],
        "wrong": [
            (BASELINE, BASELINE),
            (pooled(widths=(32, 64, 128)), BASELINE),
            (fixed(classes=3), BASELINE),
            (
                nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 16), nn.Linear(16, 7)),
                BASELINE,
            ),  # a third of the parameters
            (nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 32), nn.Linear(32, 7)), pooled()),  # cheap, many parameters
            (nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7)), EmotionCNN()),  # cheap, small, and no CNN
            (
                nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 7)),
                EmotionCNN(),
            ),
            (pointwise((1, 1)), EmotionCNN()),
            (pointwise((3, 3), nn.Identity), EmotionCNN()),
            (pointwise((1, 3, 3), stride=4), EmotionCNN()),
            (Unused(), EmotionCNN()),
        ],
        "stub": (..., BASELINE),
    },
}

test_right_answers, test_wrong_answers, test_stubs = verdict_tests(nb03, CASES, lambda name, answers: answers)


@pytest.mark.parametrize("function", LIBRARY)
def test_the_library_function_that_the_text_forbids_is_named(function):
    assert re.search("PyTorch's \\w*(log_softmax|cross_entropy)", nb03.log_softmax(function).message)


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("parameters", (conv_by_layer, linear), "makes a layer, nn.Conv2d"),
        ("shape_after", (shape_by_function,), "conv2d"),
        ("thrifty", CASES["thrifty"]["wrong"][5], "0 convolutions run; at least 2"),
        ("any_size", (pointwise,), "3 have a window of one pixel"),
        ("any_size", (lambda: pointwise((3, 3, 3), nn.Identity),), "one linear map"),
        ("any_size", (lambda: pointwise((1, 3, 3, 3), stride=3),), "only 11% of the pixels"),
        ("any_size", (Unused,), "0 convolutions run"),
    ],
)
def test_what_is_wrong_with_a_shortcut_is_said(name, answer, words):
    assert words in getattr(nb03, name)(*answer).message


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 12))])
def test_silent_units_of_an_untrained_network_are_bad_luck_and_no_mistake(seed):
    torch.manual_seed(seed)
    assert nb03.any_size(deep).status == "correct"


@pytest.mark.parametrize(
    ("name", "answer", "word"),
    [
        ("log_softmax", (lambda z: torch.softmax(z, -1).log(),), "rounded to zero"),
        ("log_softmax", (lambda z: z - z.exp().sum(-1, keepdim=True).log(),), "overflowed"),
        ("log_softmax", (lambda z: z - z.logsumexp(0, keepdim=True),), "axis"),
        ("blind_loss", (lambda counts: math.log(len(counts)),), "frequent"),
        ("blind_loss", (lambda counts: blind_loss(counts) / math.log(2),), "unit"),
        ("blind_loss", (blind_loss_nan,), "no faces"),
        ("blind_loss", (lambda counts: -blind_loss(counts),), "less than nothing"),
        ("shape_after", (shape_channels_kept,), "channels"),
        ("shape_after", (shape_rounding_up,), "do not divide"),
        ("shape_after", (shape_of_flatten_kept,), "axes"),
        ("repaired", (lambda: fixed(classes=8),), "comes last"),
    ],
)
def test_a_hint_follows_the_mistake(name, answer, word):
    messages = [getattr(nb03, name)(*answer).message for _ in range(3)]
    assert word not in messages[0].split("What happened")[0]
    assert all(word in message.split("Hint 1: ")[1] for message in messages[1:])


def test_messages_do_not_hold_the_answer():
    """What a check prints about a wrong number is on which side it lies, not where the right one is."""
    for wrong in (0, 10**9):
        message = nb03.parameters(lambda *_, n=wrong: n, linear).message
        call = message.split("conv_parameters(")[1].split(")")[0].split(", ")
        truth = conv(*(int(x) for x in call[:3]), call[3] == "True")
        assert f"{truth:,}" not in message.split(") gave")[1]
    message = nb03.blind_loss(lambda counts: 9.0).message
    counts = [int(x) for x in message.split("[")[1].split("]")[0].split(", ")]
    assert f"{blind_loss(counts):.2f}" not in message
    assert "high" in message


def test_checks_leave_the_network_as_it_was():
    model = pooled().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert nb03.any_size(model)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
