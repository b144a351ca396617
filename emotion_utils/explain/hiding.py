"""What happens to the answer when a part of the picture is hidden? No gradient is needed."""

from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.errors import check_number, check_whole
from emotion_utils.explain.asking import BATCH, Question, Target, ask_for_target, question


def occlusion(
    model: nn.Module, images: Any, target: Target = None, size: int = 8, stride: int = 4, fill: float = 0.0,
    *, scale: str | None = None,
) -> Tensor:  # fmt: skip
    """Hide one window after the other, and see how far the logit falls (Zeiler & Fergus 2014, ECCV).

    A pixel gets the mean fall over all windows that hide it, so that a pixel at the border, which fewer windows reach,
    is not taken for one that matters less. The last window of a row hangs over the edge where `stride` does not fit.

    Args:
        model: any network that gives logits (N, C).
        images: whatever `predict_proba` takes.
        target: the class to explain: a number, a name, one number for each image; None for the predicted class.
        size: side of the window in pixels.
        stride: pixels from one window to the next; at most `size`, or pixels would be left out.
        fill: grey of the window, in normalised units: 0 is the training set's mean.
        scale: what float images hold, as for `predict_proba`.

    Returns:
        float32 (N, H, W), logits: above 0 where hiding makes the class less likely, below 0 where more.

    Raises:
        ValueError: no images, a class that there is not, a window larger than the image or a stride larger than it.
        ShapeError: images that the network does not take, or an output that is not (N, C).
    """
    size, fill = check_whole(1, size=size), check_number(fill=fill)
    stride = check_whole(1, size, " (a larger one leaves pixels out)", stride=stride)
    with question(model, images, target, scale) as asked:
        height, width = asked.images.shape[-2:]
        check_whole(1, min(height, width), f", images are {height}×{width}", size=size)
        windows = [
            (slice(top, top + size), slice(left, left + size))
            for top in _starts(height, size, stride)
            for left in _starts(width, size, stride)
        ]

        def explain(part: Question) -> Tensor:
            whole = ask_for_target(part)  # (B,)
            total = torch.zeros(len(part), height, width, device=whole.device, dtype=whole.dtype)
            count = torch.zeros(height, width, device=whole.device)
            for rows, columns in windows:
                hidden = part.images.clone()
                hidden[:, :, rows, columns] = fill
                total[:, rows, columns] += (whole - ask_for_target(part, hidden))[:, None, None]
                count[rows, columns] += 1
            return total / count

        return asked.maps(explain, BATCH)


def _starts(length: int, size: int, stride: int) -> range:
    """Give where windows begin, so that together they reach the last pixel."""
    steps = -(-(length - size) // stride)  # rounded up
    return range(0, steps * stride + 1, stride)
