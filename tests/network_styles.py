"""Networks in the styles that people write them in, each small enough to learn a few faces of 16 × 16 pixels at once.

`STYLES` maps a name to a function that builds the network, always with the same weights.
"""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint
from torchvision.models import mobilenet_v2, mobilenet_v3_small, resnet18, shufflenet_v2_x0_5, squeezenet1_1
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.vgg import VGG
from torchvision.models.vgg import make_layers as vgg_layers
from torchvision.models.vision_transformer import VisionTransformer

from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.views import FlipAverage

SIZE, PIXELS, CLASSES = 16, 256, 7


class Centred(nn.Module):
    """Takes the mean off each image, in the image itself or not."""

    def __init__(self, in_place: bool = True):
        super().__init__()
        self.in_place = in_place

    def forward(self, x):
        mean = x.mean((1, 2, 3), keepdim=True)
        if not self.in_place:
            return 2 * (x - mean)
        x -= mean
        x *= 2
        return x


class ThreeEqual(nn.Module):
    """Makes three equal channels for a part that was built for colours, and counts its channels as it is built."""

    def __init__(self):
        super().__init__()
        self.in_channels = 64
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, CLASSES))

    def forward(self, x):
        return self.net(x.expand(-1, 3, -1, -1))


class Volumes(nn.Module):
    """Looks at each image as a film of one picture."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(1, 8, (1, 3, 3), (1, 2, 2)), nn.Linear(8 * 49, CLASSES)

    def forward(self, x):
        return self.head(self.conv(x[:, :, None]).relu().flatten(1))


class MeanOverMap(nn.Module):
    """Ends in a function: the mean over the last map."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, CLASSES, 3))

    def forward(self, x):
        return self.features(x).mean((2, 3))


class ParametersOnly(nn.Module):
    """Has weights and no layers."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(0.01 * torch.randn(PIXELS, CLASSES))])

    def forward(self, x):
        return x.flatten(1) @ self.weights[0]


class Einsum(nn.Module):
    """Adds up rows and columns apart."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Parameter(0.1 * torch.randn(SIZE, 8))
        self.columns = nn.Parameter(0.1 * torch.randn(SIZE, 8, CLASSES))

    def forward(self, x):
        return torch.einsum("nchw,hk,wkj->nj", x, self.rows, self.columns)


class Functional(nn.Module):
    """Calls functions with weights of its own; dropout looks at the mode."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(0.3 * torch.randn(8, 1, 3, 3))
        self.head = nn.Parameter(0.1 * torch.randn(CLASSES, 8 * 7 * 7))

    def forward(self, x):
        x = F.max_pool2d(F.relu(F.conv2d(x, self.kernel)), 2)
        return F.linear(F.dropout(x.flatten(1), 0.2, self.training), self.head)


class Dictionary(nn.Module):
    """Chooses layers by name."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"conv": nn.Conv2d(1, 8, 3, 2), "relu": nn.ReLU(), "head": nn.LazyLinear(CLASSES)})

    def forward(self, x):
        for name in ("conv", "relu"):
            x = self.layers[name](x)
        return self.layers["head"](x.flatten(1))


class Loop(nn.Module):
    """Goes through a list of layers, each adding to what comes in."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, 2, 1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + F.relu(block(x))
        return self.head(x.amax((2, 3)))


class Shared(nn.Module):
    """Uses one layer three times."""

    def __init__(self):
        super().__init__()
        self.stem, self.again = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = F.gelu(self.again(x))
        return self.head(x.mean((2, 3)))


class Tied(nn.Module):
    """Has one weight under two names."""

    def __init__(self):
        super().__init__()
        self.into, self.out, self.head = nn.Linear(PIXELS, 32), nn.Linear(PIXELS, 32), nn.Linear(32, CLASSES)
        self.out.weight = self.into.weight

    def forward(self, x):
        x = x.flatten(1)
        return self.head(torch.tanh(self.into(x)) - torch.tanh(self.out(-x)))


class SqueezeExcite(nn.Module):
    """Weighs its channels by what they hold."""

    def __init__(self):
        super().__init__()
        self.conv, self.weigh = nn.Conv2d(1, 8, 3, 2), nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 8))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        x = x * self.weigh(x.mean((2, 3))).sigmoid()[:, :, None, None]
        return self.head(x.amax((2, 3)))


class Branches(nn.Module):
    """Looks through windows of several sizes side by side, and keeps the image beside them."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(1, 4, side, padding=side // 2) for side in (1, 3, 5))
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(13 * 16, CLASSES))

    def forward(self, x):
        return self.head(torch.cat([x, *(branch(x) for branch in self.branches)], 1))


class Attention(nn.Module):
    """Lets patches attend to one another."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, 4)
        self.attention, self.head = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)  # (N, 16 patches, 16)
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


class Transformer(nn.Module):
    """Encoder layers over patches, a class token and learnt places."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, 4)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 16)), nn.Parameter(0.1 * torch.randn(1, 17, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.encoder(x)[:, 0])


class Rows(nn.Module):
    """Reads the rows one after another."""

    def __init__(self, kind):
        super().__init__()
        self.reader, self.head = kind(SIZE, 16, batch_first=True, bidirectional=True), nn.Linear(32, CLASSES)

    def forward(self, x):
        return self.head(self.reader(x[:, 0])[0][:, -1])


class Norms(nn.Module):
    """All normalisations but batch norm's."""

    def __init__(self):
        super().__init__()
        self.conv, self.group, self.instance = nn.Conv2d(1, 8, 3, 2), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8)
        self.layer, self.head = nn.LayerNorm([8, 7, 7]), nn.Linear(8 * 49, CLASSES)

    def forward(self, x):
        return self.head(self.layer(self.instance(self.group(self.conv(x)))).flatten(1))


class Lazy(nn.Sequential):
    """Finds out its sizes at the first image."""

    def __init__(self):
        super().__init__(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES))


class Fourier(nn.Module):
    """Looks at frequencies, weighed by a complex buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.polar(torch.ones(SIZE, 9), torch.zeros(SIZE, 9)))
        self.head = nn.Linear(SIZE * 9, CLASSES)

    def forward(self, x):
        return self.head((torch.fft.rfft2(x[:, 0]) * self.weights).abs().flatten(1) / SIZE)


class Shuffled(nn.Module):
    """Takes the pixels in another order, kept as whole numbers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.randperm(PIXELS))
        self.register_buffer("mask", torch.rand(PIXELS) > 0.1)
        self.head = nn.Linear(PIXELS, CLASSES)

    def forward(self, x):
        return self.head(x.flatten(1)[:, self.order] * self.mask)


class Compares(nn.Module):
    """Looks at how an image differs from the others of its batch, so it takes no single one."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(PIXELS, CLASSES)

    def forward(self, x):
        if len(x) < 2:
            raise ValueError("one image cannot be compared")
        x = x.flatten(1)
        return self.head((x - x.mean(0)) / (x.std(0) + 0.1))


class Statistics(nn.Module):
    """Keeps a running mean of its own, and a count."""

    def __init__(self):
        super().__init__()
        self.register_buffer("middle", torch.zeros(PIXELS))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.head = nn.Linear(PIXELS, CLASSES)

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.middle = 0.9 * self.middle + 0.1 * x.detach().mean(0)
            self.count += 1
        return self.head(x - self.middle)


class Stochastic(nn.Module):
    """Leaves a block out now and then while it learns."""

    def __init__(self):
        super().__init__()
        self.block, self.head = nn.Linear(PIXELS, PIXELS), nn.Linear(PIXELS, CLASSES)

    def forward(self, x):
        x = x.flatten(1)
        keep = torch.rand(len(x), 1, device=x.device) < 0.8 if self.training else 0.8
        return self.head(x + keep * F.relu(self.block(x)))


class Checkpointed(nn.Module):
    """Computes a part twice rather than to remember it."""

    def __init__(self):
        super().__init__()
        self.part, self.head = nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU()), nn.Linear(8 * 49, CLASSES)

    def forward(self, x):
        return self.head(checkpoint(self.part, x, use_reentrant=False).flatten(1))


class Cosine(nn.Module):
    """Compares directions, not lengths."""

    def __init__(self):
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(CLASSES, PIXELS))

    def forward(self, x):
        return 10 * F.normalize(x.flatten(1)) @ F.normalize(self.prototypes).T


class Distances(nn.Module):
    """The nearer a prototype, the larger the logit: all logits are negative."""

    def __init__(self):
        super().__init__()
        self.prototypes = nn.Parameter(0.1 * torch.randn(CLASSES, PIXELS))

    def forward(self, x):
        return -torch.cdist(x.flatten(1), self.prototypes)


class Experts(nn.Module):
    """Asks several networks, and how far to believe each."""

    def __init__(self):
        super().__init__()
        self.gate, self.experts = nn.Linear(PIXELS, 3), nn.ModuleList(nn.Linear(PIXELS, CLASSES) for _ in range(3))

    def forward(self, x):
        x = x.flatten(1)
        answers = torch.stack([expert(x) for expert in self.experts], 1)  # (N, 3, C)
        return (self.gate(x).softmax(1)[:, :, None] * answers).sum(1)


class Words(nn.Module):
    """Looks grey levels up like words."""

    def __init__(self):
        super().__init__()
        self.levels, self.head = nn.Embedding(8, 4), nn.Linear(4 * PIXELS, CLASSES)

    def forward(self, x):
        return self.head(self.levels(((x + 2) * 2).clamp(0, 7).long()).flatten(1))


class Sobel(nn.Module):
    """Begins with fixed filters."""

    def __init__(self):
        super().__init__()
        edges = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        self.register_buffer("filters", torch.stack([edges, edges.T])[:, None], persistent=False)
        self.head = nn.Linear(2 * 14 * 14, CLASSES)

    def forward(self, x):
        return self.head(F.conv2d(x, self.filters).abs().flatten(1))


class Unrolled(nn.Module):
    """Repeats a step, as a differential equation is solved."""

    def __init__(self):
        super().__init__()
        self.step, self.head = nn.Linear(PIXELS, PIXELS, bias=False), nn.Linear(PIXELS, CLASSES)

    def forward(self, x):
        x = x.flatten(1)
        for _ in range(4):
            x = x + 0.25 * torch.tanh(self.step(x))
        return self.head(x)


class Named(nn.Module):
    """Says what it was built with, and its classes."""

    def __init__(self, width: int = 8, names: tuple[str, ...] = ()):
        super().__init__()
        self.config = {"width": width, "names": list(names)}
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, CLASSES))

    def forward(self, x):
        return self.layers(x)


class LikeTimm(nn.Module):
    """Has the parts and attributes of a network of timm."""

    def __init__(self, num_classes: int = CLASSES, in_chans: int = 1):
        super().__init__()
        self.num_classes, self.num_features = num_classes, 8
        self.default_cfg = {"input_size": (in_chans, SIZE, SIZE), "mean": (0.5,), "std": (0.5,)}
        self.conv_stem, self.bn1, self.act1 = nn.Conv2d(in_chans, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.SiLU()
        self.global_pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(8, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.act1(self.bn1(self.conv_stem(x)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.global_pool(x).flatten(1)
        return x if pre_logits else self.classifier(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


class Backbone(nn.Module):
    """A network of this package under a new head; the network itself stays as it is."""

    def __init__(self):
        super().__init__()
        whole = EmotionCNN((4, 8), image_size=SIZE)
        self.features, self.head = whole.features, nn.Linear(8 * 16, CLASSES)
        self.features.requires_grad_(False)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


class Ensemble(nn.Module):
    """The mean of two networks of this package."""

    def __init__(self):
        super().__init__()
        self.one, self.other = LinearModel(image_size=SIZE), MLP((8,), image_size=SIZE)

    def forward(self, x):
        return (self.one(x) + self.other(x)) / 2


class Bilinear(nn.Module):
    """Multiplies two views of the image."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.both = nn.Linear(PIXELS, 8), nn.Linear(PIXELS, 8), nn.Bilinear(8, 8, CLASSES)

    def forward(self, x):
        x = x.flatten(1)
        return self.both(self.left(x), self.right(x))


class Hyper(nn.Module):
    """Makes the weights of one layer with another."""

    def __init__(self):
        super().__init__()
        self.codes, self.maker = nn.Parameter(torch.randn(CLASSES, 4)), nn.Linear(4, PIXELS)

    def forward(self, x):
        return x.flatten(1) @ self.maker(self.codes).T / math.sqrt(PIXELS)


class LikeLightning(nn.Module):
    """Has the methods of a LightningModule, and its loss as a part."""

    def __init__(self):
        super().__init__()
        self.net, self.loss = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, CLASSES)), nn.CrossEntropyLoss()
        self.hparams = {"lr": 0.1}

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return self.loss(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


class LowRank(nn.Module):
    """Leaves a layer as it is, and learns what to add to it, as in LoRA."""

    def __init__(self, layer: nn.Linear, rank: int = 2):
        super().__init__()
        self.layer, self.down = layer.requires_grad_(False), nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Parameter(torch.zeros(rank, layer.out_features))

    def forward(self, x):
        return self.layer(x) + self.down(x) @ self.up


class Complex(nn.Module):
    """Has complex weights."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(0.1 * torch.randn(SIZE * 9, CLASSES, dtype=torch.complex64))

    def forward(self, x):
        return (torch.fft.rfft2(x[:, 0]).flatten(1) @ self.weights).abs() / SIZE - 1


class Stacked(nn.Module):
    """Asks three networks at once, with torch.func."""

    def __init__(self):
        super().__init__()
        nets = [nn.Linear(PIXELS, CLASSES) for _ in range(3)]
        weights, _ = torch.func.stack_module_state(nets)
        self.weights = nn.ParameterDict({name: value.detach() for name, value in weights.items()})
        self.outline = [nets[0].to("meta")]  # in a list, so that it is no part

    def forward(self, x):
        ask = partial(torch.func.functional_call, self.outline[0])
        answers = torch.vmap(ask, in_dims=(0, None))(dict(self.weights.items()), (x.flatten(1),))  # (3, N, C)
        return answers.mean(0)


class KeepsAPartFrozen(nn.Module):
    """Its first part stays in evaluation mode; `train` and `eval` return nothing."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4)).requires_grad_(False)
        self.head = nn.Linear(4 * 49, CLASSES)

    def train(self, mode=True):
        super().train(mode)
        self.first.eval()

    def eval(self):
        self.train(False)

    def forward(self, x):
        return self.head(self.first(x).flatten(1))


class Hooked(nn.Module):
    """Keeps a feature map by a hook, and a hook changes what it returns."""

    def __init__(self):
        super().__init__()
        self.conv, self.head, self.seen = nn.Conv2d(1, 4, 3, 2), nn.Linear(4 * 49, CLASSES), {}
        self.conv.register_forward_hook(self.keep)
        self.head.register_forward_hook(self.halve)

    def keep(self, module, inputs, output):
        self.seen["conv"] = output

    @staticmethod
    def halve(module, inputs, output):
        return output / 2

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))


def pruned() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, CLASSES))
    prune.l1_unstructured(model[0], "weight", 0.3)
    prune.ln_structured(model[3], "weight", 0.2, n=2, dim=1)
    return model


def averaged() -> nn.Module:
    model = plain()
    average = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
    average.update_parameters(model)
    return average


def resnet() -> nn.Module:
    model = resnet18(num_classes=CLASSES)
    model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    return model


def mobilenet() -> nn.Module:
    model = mobilenet_v3_small(num_classes=CLASSES)
    model.features[0][0] = nn.Conv2d(1, 16, 3, 2, 1, bias=False)
    return model


def shufflenet() -> nn.Module:
    model = shufflenet_v2_x0_5(num_classes=CLASSES)
    model.conv1[0], model.maxpool = nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.Identity()
    return model


def mobilenet_two() -> nn.Module:
    model = mobilenet_v2(num_classes=CLASSES, width_mult=0.1, dropout=0.0)
    model.features[0][0] = nn.Conv2d(1, model.features[0][0].out_channels, 3, 2, 1, bias=False)
    return model


def efficientnet() -> nn.Module:
    model = EfficientNet([MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 16, 1)], 0.0, num_classes=CLASSES)
    model.features[0][0] = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
    return model


def regnet() -> nn.Module:
    model = RegNet(BlockParams([1, 1], [8, 16], [8, 8], [1.0, 1.0], [2, 2], 0.25), num_classes=CLASSES, stem_width=8)
    model.stem[0] = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
    return model


def densenet() -> nn.Module:
    model = DenseNet(4, (2, 2), 8, num_classes=CLASSES)
    model.features.conv0 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
    return model


def vgg() -> nn.Module:
    model = VGG(vgg_layers([8, "M", 16, "M"], batch_norm=True), num_classes=CLASSES)
    model.features[0], model.avgpool = nn.Conv2d(1, 8, 3, padding=1), nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(nn.Linear(64, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, CLASSES))
    return model


def squeezenet() -> nn.Module:
    model = squeezenet1_1(num_classes=CLASSES)
    model.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    return model


def convnext() -> nn.Module:
    model = ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=CLASSES)
    model.features[0][0] = nn.Conv2d(1, 8, 4, 4)
    return model


def vision_transformer() -> nn.Module:
    model = VisionTransformer(SIZE, 4, 1, 2, 16, 32, num_classes=CLASSES)
    model.conv_proj = nn.Conv2d(1, 16, 4, 4)
    return model


def normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    return nn.Sequential(norm(nn.Conv2d(1, 8, 3, 2)), nn.ReLU(), nn.Flatten(), norm(nn.Linear(8 * 49, CLASSES)))


def in_place() -> nn.Module:
    model = sequential()
    model.compile(backend="eager")
    return model


def sequential(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*(layers or (nn.Conv2d(1, 8, 3, 2), nn.ReLU())), nn.Flatten(), nn.LazyLinear(CLASSES))


def data_parallel(network: nn.Module) -> nn.DataParallel:
    """Wrap a network that stays on the CPU; where there are GPUs, DataParallel takes it there and wants it there."""
    wrapped = nn.DataParallel(network).cpu()
    wrapped.device_ids = []  # as on a machine without: each call goes straight through
    return wrapped


def plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, CLASSES))


STYLES: dict[str, Callable[[], nn.Module]] = {
    "LinearModel": partial(LinearModel, image_size=SIZE),
    "MLP": partial(MLP, (16,), image_size=SIZE),
    "EmotionCNN": partial(EmotionCNN, (4, 8), hidden=16, image_size=SIZE),
    "FaceNet": partial(FaceNet, 8, (8, 16), image_size=SIZE),
    "FaceVGG": partial(FaceVGG, ((4, 8), (8, 16)), image_size=SIZE),
    "Sequential": plain,
    "named layers": lambda: nn.Sequential(OrderedDict(flat=nn.Flatten(), logits=nn.Linear(PIXELS, CLASSES))),
    "in place": lambda: nn.Sequential(Centred(), *plain()),
    "grey made colour": ThreeEqual,
    "volumes": Volumes,
    "ends in a function": MeanOverMap,
    "parameters only": ParametersOnly,
    "einsum": Einsum,
    "functional": Functional,
    "ModuleDict": Dictionary,
    "ModuleList, residual": Loop,
    "shared layer": Shared,
    "tied weights": Tied,
    "depthwise": lambda: sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1)),
    "squeeze-excite": SqueezeExcite,
    "branches, dense": Branches,
    "attention": Attention,
    "transformer": Transformer,
    "LSTM over rows": partial(Rows, nn.LSTM),
    "GRU over rows": partial(Rows, nn.GRU),
    "group, layer, instance norm": Norms,
    "lazy layers": Lazy,
    "float64": lambda: plain().double(),
    "bfloat16": lambda: plain().bfloat16(),
    "complex buffer": Fourier,
    "int and bool buffers": Shuffled,
    "needs two images": Compares,
    "own statistics": Statistics,
    "stochastic depth": Stochastic,
    "gradient checkpointing": Checkpointed,
    "cosine": Cosine,
    "distances": Distances,
    "mixture of experts": Experts,
    "embedding": Words,
    "fixed filters": Sobel,
    "unrolled": Unrolled,
    "bilinear": Bilinear,
    "hypernetwork": Hyper,
    "own config": partial(Named, 8, ("a",)),
    "like timm": LikeTimm,
    "new head": Backbone,
    "ensemble of ours": Ensemble,
    "dilation, pooling": lambda: sequential(nn.Conv2d(1, 8, 3, dilation=2), nn.AdaptiveMaxPool2d(3), nn.PReLU()),
    "unfold": lambda: sequential(nn.Unfold(4, stride=4), nn.Conv1d(16, 8, 1), nn.GELU()),
    "pixel unshuffle, GLU": lambda: sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 8, 3), nn.GLU(1)),
    "transposed": lambda: sequential(nn.Conv2d(1, 4, 3, 2), nn.ConvTranspose2d(4, 2, 3, 2), nn.Softplus()),
    "batch norm 1d, dropout": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(PIXELS, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, CLASSES)
    ),
    "weight norm": partial(normed, parametrizations.weight_norm),
    "spectral norm": partial(normed, parametrizations.spectral_norm),
    "like Lightning": LikeLightning,
    "low rank, as in LoRA": lambda: nn.Sequential(nn.Flatten(), LowRank(nn.Linear(PIXELS, CLASSES))),
    "complex weights": Complex,
    "torch.func": Stacked,
    "frozen part": KeepsAPartFrozen,
    "hooks": Hooked,
    "pruned": pruned,
    "weight norm, as of old": partial(normed, nn.utils.weight_norm),
    "spectral norm, as of old": partial(normed, nn.utils.spectral_norm),
    "AveragedModel": averaged,
    "channels last": lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, CLASSES)
    ).to(memory_format=torch.channels_last),
    "a copy": lambda: copy.deepcopy(sequential()),
    "torchvision vgg": vgg,
    "torchvision mobilenet_v2": mobilenet_two,
    "torchvision efficientnet": efficientnet,
    "torchvision regnet": regnet,
    "torchvision densenet": densenet,
    "torchvision resnet18": resnet,
    "torchvision mobilenet_v3_small": mobilenet,
    "torchvision shufflenet_v2": shufflenet,
    "torchvision squeezenet": squeezenet,
    "torchvision convnext": convnext,
    "torchvision vit": vision_transformer,
    "FlipAverage": lambda: FlipAverage(LinearModel(image_size=SIZE)),
    "DataParallel": lambda: data_parallel(plain()),
    "DataParallel of ours": lambda: data_parallel(EmotionCNN((4,), image_size=SIZE)),
    "torch.compile": lambda: torch.compile(plain(), backend="eager"),
    "torch.compile of ours": lambda: torch.compile(EmotionCNN((4,), image_size=SIZE), backend="eager"),
    "compiled in place": in_place,
    "torch.fx": lambda: torch.fx.symbolic_trace(plain()),
    "torch.jit.script": lambda: torch.jit.script(plain()),
}  # fmt: skip


def build(style: str) -> nn.Module:
    """Build the network of a style, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return STYLES[style]()
