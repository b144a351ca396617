"""Training where a GPU is never kept waiting: all data and all state on the device, steps replayed as a CUDA graph.

A step of a small network is some two hundred small kernels, and Python starts one in about the time in which the GPU
computes ten. So the step is recorded once and replayed (CUDA graphs), and the steps of several networks are recorded
side by side, on streams of their own, which fills the GPU better. `torch.compile` is left out: it takes longer to
compile than it would save in a few minutes of training.

Random numbers are hashes of seed, epoch and image, as in the package. So what a network learns does not depend on
what trains beside it, and recording a step disturbs no generator.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion_utils.data.pixels import normalise, to_unit
from emotion_utils.randomness import random_bits, stream_key, uniform
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.schedule import learning_rate_at

from .networks import StemNet

SPARE = 64  # steps beyond the schedule, at rate 0, to warm up and to measure


class Trainer:
    """One network in training: what `emotion_utils.training.train` computes, but for each epoch's last, smaller batch.

    Each epoch's images are ordered, augmented and normalised all at once, before its steps, by the package's own
    functions: so large a batch costs a GPU a few milliseconds. The steps wait for nothing.

    Args:
        network: on the device; it is changed.
        images: uint8 `(n, 1, 48, 48)`, on the device.
        targets: float32 `(n, C)`, on the device; each row adds up to 1.
        config: the recipe; `epochs` is the most that `start` may be asked for.

    Raises:
        ValueError: fewer images than a batch.
    """

    def __init__(self, network: StemNet, images: Tensor, targets: Tensor, config: TrainConfig) -> None:
        if len(images) < config.batch_size:
            raise ValueError(f"batch_size={config.batch_size}: there are only {len(images)} images; choose fewer.")
        self.network, self.images, self.targets, self.config = network.train(), images, targets, config
        self.weights = list(network.parameters())
        self.mean, self.std = float(network.mean), float(network.std)  # read once: reading makes a GPU wait
        self.steps = len(images) // config.batch_size  # of an epoch
        self.state, self.learnt = flatten(network)
        decays = [config.weight_decay * (p.ndim > 1) for p in self.weights]  # none for biases and batch norm
        self.decay = torch.cat([torch.full_like(p, d).flatten() for p, d in zip(self.weights, decays, strict=True)])
        self.velocity = torch.zeros_like(self.state[: self.learnt])
        self.averages = self.state.clone()
        device = self.state.device
        self.step_number = torch.zeros(1, dtype=torch.int64, device=device)
        self.loss = torch.zeros(1, device=device)  # averaged like the weights
        self.within_batch = torch.arange(config.batch_size, device=device)
        most = config.epochs * self.steps + SPARE
        self.rates, self.mixing = torch.zeros(most, device=device), torch.zeros(most, device=device)
        self.share_kept = 1 - network.dropout.p
        network.dropout = GivenDropout()
        # The images of an epoch, in order, with their targets and the features that dropout keeps.
        count = self.steps * config.batch_size
        self.epoch = tuple(
            torch.empty(count, *shape, device=device)
            for shape in (images.shape[1:], targets.shape[1:], (network.classifier.in_features,))
        )

    @property
    def memory(self) -> tuple[Tensor, ...]:
        """All that a step changes."""
        return self.state, self.velocity, self.averages, self.step_number, self.loss

    def start(self, epochs: int) -> None:
        """Lay down the schedule of a run of so many epochs."""
        config, steps = replace(self.config, epochs=epochs), epochs * self.steps
        rates = torch.tensor([learning_rate_at(step, steps, config) for step in range(steps)])
        counts = torch.arange(1, steps + 1)
        # As in `moving_average`: at first the average moves faster, so that it forgets the start.
        mixing = 1 - torch.minimum((1 + counts) / (10 + counts), torch.tensor(config.average))
        for table, values in ((self.rates, rates), (self.mixing, mixing)):
            table.zero_()[:steps] = values.to(table.device)

    def begin_epoch(self, epoch: int) -> None:
        """Make the images of an epoch, counted from 1: order and augmentation are those of the package's loop."""
        seed, device = self.config.seed, self.state.device
        everything = torch.arange(len(self.images), device=device)
        order = torch.argsort(random_bits(stream_key(seed, "order", epoch), everything, 1)[:, 0], stable=True)
        images, targets, keep = self.epoch
        order = order[: len(images)]
        pixels = self.config.augment(to_unit(self.images[order]), order, seed, epoch)
        images.copy_(normalise(pixels, self.mean, self.std))
        targets.copy_(self.targets[order])
        kept = uniform(stream_key(seed, "dropout", epoch), order, keep.shape[1]) < self.share_kept
        keep.copy_(kept / self.share_kept)

    def step(self) -> None:
        """Learn from the next batch of the epoch."""
        places = self.step_number % self.steps * self.config.batch_size + self.within_batch
        images, targets, keep = (values.index_select(0, places) for values in self.epoch)
        self.network.dropout.keep = keep
        half = self.config.precision == "bf16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half, cache_enabled=False):
            logits = self.network(images)
        loss = F.cross_entropy(logits.float(), targets)
        self.update(torch.autograd.grad(loss, self.weights), loss.detach())

    @torch.no_grad()
    def update(self, gradients: tuple[Tensor, ...], loss: Tensor) -> None:
        """Take a step of SGD with Nesterov's momentum, and move the averages towards the new weights."""
        weights, momentum = self.state[: self.learnt], self.config.momentum
        gradient = torch.cat([as_line(each) for each in gradients])
        gradient.addcmul_(self.decay, weights)
        self.velocity.mul_(momentum).add_(gradient)
        gradient.add_(self.velocity, alpha=momentum)
        weights.addcmul_(gradient, self.rates.index_select(0, self.step_number), value=-1)
        mixing = self.mixing.index_select(0, self.step_number)
        self.averages.lerp_(self.state, mixing)
        self.loss.lerp_(loss, mixing)
        self.step_number.add_(1)

    def averaged(self) -> StemNet:
        """Build a network anew that holds the averaged weights, for evaluation."""
        with torch.no_grad():
            self.state.copy_(self.averages)
        network = StemNet(**self.network.config)
        network.load_state_dict(network.state_dict() | self.network.state_dict())
        network.set_normalisation(self.mean, self.std)
        return network.to(self.state.device).eval()


class GivenDropout(nn.Module):
    """Dropout whose choice is made elsewhere: `keep`, float32 `(B, K)`, is 0 or the factor of what is kept."""

    keep: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Scale features `(B, K)`."""
        return features * self.keep


def flatten(network: nn.Module) -> tuple[Tensor, int]:
    """Move weights and running statistics into one line of numbers, of which they become views, weights first.

    So a step of SGD, and the average, are a few operations whatever the number of layers. Filters lie with the channel
    innermost, as bfloat16 convolutions want them.

    Returns:
        float32 `(n,)`, and how many of the numbers are weights.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = None  # a count that nobody reads, and a kernel for each layer
    weights = list(network.parameters())
    tensors = weights + [each for each in network.buffers() if each.is_floating_point()]
    state = torch.cat([as_line(each.detach()) for each in tensors])
    for tensor, piece in zip(tensors, state.split([each.numel() for each in tensors]), strict=True):
        if tensor.ndim == 4:
            out, channels, height, width = tensor.shape
            tensor.data = piece.view(out, height, width, channels).permute(0, 3, 1, 2)
        else:
            tensor.data = piece.view(tensor.shape)
    return state, sum(each.numel() for each in weights)


def as_line(tensor: Tensor) -> Tensor:
    """Put numbers in the order of `flatten`: of filters the channel innermost."""
    return tensor.permute(0, 2, 3, 1).reshape(-1) if tensor.ndim == 4 else tensor.reshape(-1)
