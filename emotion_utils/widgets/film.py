"""A drawn person on film, for where there is no camera: in a classroom, on a server, in a test."""

import math

import torch
from torch import Tensor

from emotion_utils.device import one_thread
from emotion_utils.emotions import EMOTIONS
from emotion_utils.errors import brief, check_whole
from emotion_utils.faces.action_units import ActionUnits
from emotion_utils.faces.capture import sample_capture
from emotion_utils.faces.drawing import render
from emotion_utils.faces.expressions import prototype
from emotion_utils.faces.people import sample_identity

HEIGHT, WIDTH = 120, 160  # pixels
MOST = 1000  # frames
NOISE = 5.0  # standard deviation, grey levels


def drawn_film(frames: int = 24, emotion: str = "happy", person: int = 1, seed: int = 0) -> Tensor:
    """Draw a person whose face goes from rest to an expression and back: uint8 (T, 120, 160).

    The head sways a little, and each frame has noise of its own, as a camera's has. Played in a circle it has no seam.

    Args:
        frames: how many, T.
        emotion: one of `EMOTIONS`.
        person: number of the person, 0 to 99.
        seed: of the noise.

    Raises:
        ValueError: numbers that are none, or no such emotion.
    """
    frames, person = check_whole(1, MOST, frames=frames), check_whole(0, 99, person=person)
    seed = check_whole(seed=seed)
    if not isinstance(emotion, str) or emotion not in EMOTIONS:
        raise ValueError(f"emotion={brief(emotion)}: choose one of {', '.join(EMOTIONS)}.")
    phase = torch.arange(frames) / frames * 2 * math.pi  # (T,)
    strength = ((1 - phase.cos()) / 2)[:, None]  # (T, 1), 0 to 1 and back
    shown = prototype(emotion)
    who = sample_identity(frames, seed=0, index=torch.full((frames,), person))
    still = sample_capture(frames, seed=0, index=torch.zeros(frames, dtype=torch.long), difficulty=0.0)
    swaying = still.replace(scale=0.55, shift_x=0.15 * phase.sin(), roll=8 * (2 * phase).sin())
    with one_thread():
        faces = render(who, ActionUnits(shown.left * strength, shown.right * strength), swaying, size=WIDTH)
    generator = torch.Generator().manual_seed(seed)
    faces = faces + NOISE * torch.randn(faces.shape, generator=generator)
    top = (WIDTH - HEIGHT) // 2
    return faces.round().clamp(0, 255).to(torch.uint8)[:, 0, top : top + HEIGHT].contiguous()
