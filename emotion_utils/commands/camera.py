"""A camera on this machine, looked at frame by frame: nothing is kept. The widget of notebook 10 needs no OpenCV."""

import importlib
import time
from typing import Any

import torch
from torch import nn

from emotion_utils.errors import say
from emotion_utils.models.priors import EQUAL, Frequencies
from emotion_utils.photos import Prediction, find_faces, predict_photo, read_photo

KEPT = 0.7  # share of the probabilities so far that stays, for each frame
EVERY = 1.0  # seconds between lines
NEEDS_OPENCV = (
    "--camera needs OpenCV: `pip install opencv-python-headless` into this environment. Notebook 10 has a camera that "
    "works in the browser, without OpenCV."
)
NO_CAMERA = (
    "No camera could be opened: none is there, another program uses it, or this one may not. Close the other program, "
    "allow the camera in the system's settings, or use the camera of notebook 10."
)


def watch(
    network: nn.Module, finder: str, threshold: float, frequencies: Frequencies = EQUAL, frames: int | None = None
) -> int:
    """Print once a second what the largest face in the camera's picture shows; return how many frames held a face.

    Args:
        network: what predicts.
        finder: as for `find_faces`.
        threshold: below it, a label is unsure.
        frequencies: how common each emotion is taken to be, see `predict_photo`.
        frames: stop after so many; None goes on until Ctrl+C.

    Raises:
        ModuleNotFoundError: OpenCV is not installed.
        OSError: no camera, or it stopped giving pictures.
    """
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise ModuleNotFoundError(NEEDS_OPENCV) from error
    camera = cv2.VideoCapture(0)
    try:
        if not camera.isOpened():
            raise OSError(NO_CAMERA)
        say("The camera is on. Its pictures are looked at and not kept. Ctrl+C ends this.")
        return _watch(camera, network, finder, threshold, frequencies, frames)
    finally:
        camera.release()


def _watch(
    camera: Any, network: nn.Module, finder: str, threshold: float, frequencies: Frequencies, frames: int | None
) -> int:
    smoothed, last, seen, number = None, -EVERY, 0, 0
    while frames is None or number < frames:
        there, frame = camera.read()
        if not there:
            raise OSError("The camera gives no pictures any more. Was it unplugged? Start the command again.")
        number += 1
        photo = read_photo(frame, bgr=True)
        faces = find_faces(photo, finder=finder, limit=1)
        (prediction,) = predict_photo(photo, network, faces=faces, threshold=threshold, frequencies=frequencies)
        if prediction.probabilities is None:
            smoothed = None
        else:
            seen += 1
            new = prediction.probabilities
            smoothed = new if smoothed is None else KEPT * smoothed + (1 - KEPT) * new
        if time.monotonic() - last >= EVERY:
            say(_line(prediction, smoothed, threshold))
            last = time.monotonic()
    return seen


def _line(prediction: Prediction, smoothed: torch.Tensor | None, threshold: float) -> str:
    """Say what the smoothed probabilities say, unless something other than doubt speaks against this frame."""
    if smoothed is None:
        return str(prediction)
    reasons = [reason for reason in prediction.reasons if reason != "unsure"]
    share, index = smoothed.max(0)
    if share < threshold:
        reasons.append("unsure")
    said = f"{prediction.classes[int(index)]}, {float(share):.0%}"
    return f"no answer ({', '.join(reasons)}; most probable: {said})" if reasons else said
