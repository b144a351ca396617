"""What the kernel does with one frame of a camera: find the face, ask the network, smooth over time, say what is wrong.

Nothing is kept but a mean: not the frame, not the crop. The camera widget calls this; so can a loop of your own.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emotion_utils.data.contents import check_flag
from emotion_utils.device import one_thread
from emotion_utils.errors import check_number, check_share
from emotion_utils.explain.asking import question
from emotion_utils.explain.gradients import grad_cam
from emotion_utils.explain.layers import layers_with_maps
from emotion_utils.models.pictures import image_size_of
from emotion_utils.models.priors import EQUAL, Frequencies
from emotion_utils.photos.boxes import Box, Face
from emotion_utils.photos.cropping import frame_of
from emotion_utils.photos.finding import WHOLE, find_faces, finders
from emotion_utils.photos.prediction import find_network, predict_photo
from emotion_utils.photos.reading import Photo, read_photo

LONGEST_MEMORY = 60.0  # seconds, the largest `smoothing`
GONE = 2.0  # seconds without an answer, after which the mean begins anew
BLACK = 12  # mean grey level of a whole frame, 0 to 255; below, the lens is covered
SAYINGS = {
    "black": "The picture is almost black: is the lens covered, or the room dark?",
    "no finder": (
        "No face finder is installed here, so the network looks at the middle square: put the face into it. "
        "`python start.py add photos` installs one."
    ),
    "no face": "No face found: the dashed square is what the network looks at instead.",
    "several": "Several faces: the largest one counts.",
}


@dataclass(frozen=True, eq=False)
class FrameAnswer:
    """What was seen in one frame."""

    face: Face  # the largest one; the middle square where none was found
    box: Box  # the square that the network looked at, in pixels of the frame, before it was turned
    tilt: float  # degrees clockwise, by which that square is turned
    found: bool  # whether there is a face
    classes: tuple[str, ...]
    probabilities: Tensor  # (C,) float32, of this frame
    smoothed: Tensor  # (C,) float32, the mean over time
    reasons: tuple[str, ...]  # why the answer should not be heard, as `predict_photo` names them
    heat: Tensor | None  # (H, W) of the crop, float32, 0 to 1: where the network looks, within the turned square
    note: str  # what there is to say, or ""
    milliseconds: dict[str, float]  # of the kernel: "read", "find", "predict", "explain"

    @property
    def label(self) -> str:
        """Name of the most probable class, by the mean over time."""
        return self.classes[int(self.smoothed.argmax())]


class FrameReader:
    """Reads one frame after another and remembers a mean of their probabilities.

    Args:
        model: "fer2013", "ferplus" or "synthetic"; the path of a file of weights; or a network that knows how images
            are normalised and what its classes are called.
        smoothing: seconds after which a frame weighs 1/e of a new one in the mean, 0 to 60; 0 smooths nothing.
        overlay: compute Grad-CAM, too.
        threshold: a label whose mean is less probable is called unsure.
        frequencies: how common each emotion is taken to be, see `predict_photo`.

    Attributes:
        network: what is asked.
        can_explain: whether Grad-CAM is possible: not of a network without feature maps.
        smoothing, overlay: as above; may be set.

    Raises:
        ValueError, TypeError, WeightsError: no network, or numbers that cannot be.
    """

    def __init__(
        self,
        model: str | Path | nn.Module = "fer2013",
        smoothing: float = 0.5,
        overlay: bool = False,
        threshold: float = 0.5,
        frequencies: Frequencies = EQUAL,
    ) -> None:
        self.smoothing, self.overlay = check_smoothing(smoothing), check_flag(overlay=overlay)
        self.network, self.threshold = find_network(model), check_share(threshold=threshold)
        self.frequencies = frequencies
        size = image_size_of(self.network)
        blank = torch.full((1, 1, size, size), 128, dtype=torch.uint8)
        (tried,) = predict_photo(blank[0], self.network, faces=(0, 0, size, size), **self._looks())
        self.classes = tried.classes
        with question(self.network, blank, 0) as asked:
            self.can_explain = bool(layers_with_maps(asked.model, asked.images))
        self.forget()

    def _looks(self) -> dict[str, Any]:
        """Say how `predict_photo` is to look: once, as frames come fast and are averaged over time."""
        return {"scales": (1.0,), "mirror": False, "frequencies": self.frequencies}

    def forget(self) -> None:
        """Begin the mean anew."""
        self._mean: Tensor | None = None
        self._last = (-math.inf, False)  # seconds of the last frame, and whether it showed a face

    def read(self, frame: Any, seconds: float | None = None, *, overlay: bool | None = None) -> FrameAnswer:
        """Look at one frame.

        Args:
            frame: whatever `read_photo` takes: the content of a JPEG, an array (H, W) or (H, W, 3) of red, green, blue.
            seconds: when it was taken, on a clock that runs forward; None takes the clock of this computer.
            overlay: whether to compute Grad-CAM; None goes by the attribute.

        Raises:
            ValueError, TypeError: no picture; the mean is as it was.
        """
        seconds = time.monotonic() if seconds is None else float(check_number(seconds=seconds))
        spent: dict[str, float] = {}
        with one_thread():
            with _timed(spent, "read"):
                photo = read_photo(frame)
            with _timed(spent, "find"):
                faces, problem = _find(photo)
            found = faces[0].finder != WHOLE
            with _timed(spent, "predict"):
                (seen,) = predict_photo(photo, self.network, faces=faces[0], **self._looks())
            smoothed = self._smooth(seen.probabilities, seconds, found)
            heat = None
            if (self.overlay if overlay is None else overlay) and self.can_explain:
                with _timed(spent, "explain"):
                    heat = grad_cam(self.network, seen.crop[None], int(smoothed.argmax()))[0].cpu()
                    heat = heat / heat.max().clamp(min=1e-12)
        reasons = tuple(reason for reason in seen.reasons if reason != "unsure")
        reasons = (reasons if found or problem == "no finder" else ("no face", *reasons)) + (
            ("unsure",) if bool(smoothed.max() < self.threshold) else ()  # as exact as the mean is
        )
        return FrameAnswer(
            faces[0], frame_of(faces[0], tilt=seen.tilt), seen.tilt, found, self.classes, seen.probabilities, smoothed,
            reasons, heat, SAYINGS.get(problem, ""), spent,
        )  # fmt: skip

    def _smooth(self, probabilities: Tensor, seconds: float, found: bool) -> Tensor:
        """Let the mean forget by the time that has passed, whatever the rate of frames: float32 (C,)."""
        last, before = self._last
        passed = seconds - last
        fresh = self._mean is None or not 0 <= passed <= GONE + self.smoothing or found != before
        keep = 0.0 if fresh or not self.smoothing else math.exp(-passed / self.smoothing)
        self._mean = probabilities if fresh else keep * self._mean + (1 - keep) * probabilities
        self._last = (seconds, found)
        return self._mean


def check_smoothing(smoothing: Any) -> float:
    """Return the seconds of smoothing as a plain number."""
    return float(check_number(0, LONGEST_MEMORY, smoothing=smoothing))


def _find(photo: Photo) -> tuple[list[Face], str]:
    """Find faces, or take the middle square for one; name what there is to say."""
    middle = find_faces(photo, finder=WHOLE)
    if float(np.asarray(photo.image.convert("L")).mean()) < BLACK:
        return middle, "black"
    if not finders():
        return middle, "no finder"
    faces = find_faces(photo)
    return (faces, "several" if len(faces) > 1 else "") if faces else (middle, "no face")


@contextmanager
def _timed(spent: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    spent[name] = 1000 * (time.perf_counter() - begun)
