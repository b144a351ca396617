"""In which order the numbers of a batch lie in memory: channel innermost, if the network takes that."""

from dataclasses import replace

import torch
from torch import nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.models.handling import undisturbed
from emotion_utils.training.config import TrainConfig
from emotion_utils.training.step import forward_losses


def take_channels_last(model: nn.Module, dataset: FaceDataset, config: TrainConfig) -> TrainConfig:
    """Store the weights with the channel innermost, if the settings ask for it and the network works so.

    Convolutions are faster then, and results differ in rounding alone. Yet `x.view(len(x), -1)`, behind a convolution,
    wants the usual order. So it is tried on two images, forwards and backwards; mode, buffers, gradients and random
    numbers stay. A network that fails keeps the usual order.

    Returns:
        The settings, with `channels_last` as it is from now on.
    """
    if not config.channels_last:
        return config
    index = torch.tensor([0, len(dataset) - 1])
    images, labels = dataset.with_augment(None).batch(index)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        model.to(memory_format=torch.channels_last)  # which weights of five dimensions do not know
        for training in (False, True):
            with undisturbed(model, training), torch.enable_grad():
                losses = forward_losses(model, images, labels, index, config)[1]  # (2,)
                torch.autograd.grad(losses.sum(), learning, allow_unused=True)
    except Exception:  # whatever it is: if the order is not the reason, the first step says what is
        model.to(memory_format=torch.contiguous_format)
        return replace(config, channels_last=False)
    return config
