"""Does a map depend on what the network learnt? Reset its layers, from the last to the first, and look again.

Source: Adebayo et al., "Sanity checks for saliency maps" (NeurIPS 2018). A method whose map hardly changes explains the
image, not the network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import ShapeError, check_whole
from emotion_utils.explain.scores import rank_correlation
from emotion_utils.models.handling import check_model, copied, unwrap
from emotion_utils.randomness import permutation, stream_key


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """How like the maps of a network with reset layers are to its own."""

    layers: tuple[str, ...]  # in the order in which they were reset, each in addition to those before it
    likeness: Tensor  # float32 (L, N), rank correlation of the sizes of the two maps of each image

    def __str__(self) -> str:
        width = max(map(len, self.layers))
        means = zip(self.layers, self.likeness.mean(1).tolist(), strict=True)
        return "\n".join(f"after resetting {name:{width}}  likeness {value:+.2f}" for name, value in means)

    __repr__ = __str__


def reset_layers(model: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Give a layer's name and a copy of the network whose layers from that one to the end have forgotten everything.

    A layer forgets by having its weights shuffled among themselves: their sizes stay, what they had learnt is gone.
    That works for any layer, also one that does not know how to draw new weights. The network itself stays as it is;
    all copies handed out are one and the same network, one layer further reset each time.

    Args:
        model: any network.
        seed: of the shuffling.

    Raises:
        TypeError, ValueError: no network, or one without weights.
    """
    check_model(model, values=True)
    other = copied(unwrap(model))
    layers = [(name, layer) for name, layer in other.named_modules() if list(layer.parameters(recurse=False))]
    layers = [(name, layer) for name, layer in layers if _can_forget(layer)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no weights that could be reset.")
    for name, layer in reversed(layers):
        with torch.no_grad():
            for part, weight in layer.named_parameters(recurse=False):
                order = permutation(stream_key(seed, "reset", name, part), weight.numel())
                weight.copy_(weight.flatten()[order.to(weight.device)].view(weight.shape))
        yield name or type(other).__name__, other


def sanity_check(
    method: Callable[[nn.Module, Any], Tensor], model: nn.Module, images: Any, seed: int = 0
) -> SanityCheck:
    """Compare a method's maps of a network with those after its layers were reset one after the other, from the last.

    Args:
        method: a function from a network and images to maps (N, H, W). Let it explain one fixed class, or resetting
            would change the question: `lambda net, images: saliency(net, images, labels)`.
        model: the network.
        images: whatever the method takes.
        seed: of the shuffling.

    Raises:
        ShapeError: the method does not give maps (N, H, W).
        ValueError: maps that are not finite, or a network without weights.
    """
    seed = check_whole(0, seed=seed)
    own = method(model, images)
    if not isinstance(own, Tensor) or own.ndim != 3:
        what = tuple(own.shape) if isinstance(own, Tensor) else type(own).__name__
        raise ShapeError(f"The method gives {what}: maps are wanted, (N, H, W).")
    names, likeness = [], []
    for name, other in reset_layers(model, seed):
        names.append(name)
        likeness.append(rank_correlation(method(other, images), own.abs()))
    return SanityCheck(tuple(names), torch.stack(likeness))


def _can_forget(layer: nn.Module) -> bool:
    """Say whether shuffling changes a layer: not one with a single weight, or with equal ones."""
    return any(weight.numel() > 1 and bool((weight != weight.flatten()[0]).any()) for weight in layer.parameters(False))
