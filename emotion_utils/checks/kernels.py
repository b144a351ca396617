"""What a kernel answers to patches of even grey, edges, lines and steps: for the check of notebook 02's exercise 2."""

import itertools

import torch
from torch import Tensor

from emotion_utils.checks import require


def require_line_detector(kernel: Tensor) -> None:
    """Stop a check unless a kernel, float (rows, columns), answers to dark horizontal lines and to little else."""
    rows, columns = kernel.shape
    kernel = kernel / kernel.abs().max().clamp_min(1e-12)
    generator = torch.Generator().manual_seed(22)

    def respond(patch: Tensor) -> float:
        return round(float((kernel * patch).sum()), 6) + 0.0  # no -0.00 in a message

    for _ in range(20):
        level, contrast = (0.3 + 0.4 * torch.rand(2, generator=generator)).tolist()
        flat = torch.full((rows, columns), level)
        require(
            abs(respond(flat)) < 1e-3,
            f"a flat patch of grey level {level:.2f} gave {respond(flat):+.2f}, not zero",
            "On even grey the answer is that grey times the sum of all weights. What must the sum be?",
        )
        for column in range(1, columns):
            edge = flat.clone()
            edge[:, column:] += contrast
            seen = respond(edge)
            require(
                abs(seen) < 1e-3,
                f"a vertical edge at column {column} gave {seen:+.2f}, not zero",
                "Left and right of the edge, each column is even. What must each single column sum to?",
            )
        # A kernel may be made for thick lines: the thickness that it answers most is the one that counts.
        dark = max(respond(_dark_line(flat, thick, contrast)) for thick in range(1, rows - 1, 2))
        require(
            dark > 0.1 * contrast,
            f"a dark line through the middle row gave {dark:+.2f}; it should be well above zero",
            "Dark pixels count little. Which sign must the weights of the middle row have, and which those beside it?",
        )
        for row, (change, way) in itertools.product(
            range(1, rows), [(-contrast, "bright to dark"), (contrast, "dark to bright")]
        ):
            step = flat.clone()
            step[row:] += change
            seen = respond(step)
            require(
                seen <= 0.75 * dark + 1e-6,
                f"a step from {way} gave {seen:+.2f} and a line of the same contrast {dark:+.2f} (with your largest "
                "weight scaled to 1); at most three quarters of the line's answer are allowed",
                "A line has a bright side above and one below, a step has one. Do both sides count in your kernel?",
            )


def _dark_line(flat: Tensor, thick: int, contrast: float) -> Tensor:
    """Draw a dark line of an odd number of rows through the middle of an even patch."""
    patch, top = flat.clone(), (len(flat) - thick) // 2
    patch[top : top + thick] -= contrast
    return patch
