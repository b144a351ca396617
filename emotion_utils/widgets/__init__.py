"""Pictures that move; where nothing can move, each leaves a picture that stands still."""

from emotion_utils.widgets.camera import Camera
from emotion_utils.widgets.confidence_lab import ConfidenceLab
from emotion_utils.widgets.convolution_lab import ConvolutionLab
from emotion_utils.widgets.crop_lab import CropLab
from emotion_utils.widgets.descent_lab import DescentLab
from emotion_utils.widgets.face_lab import FaceLab
from emotion_utils.widgets.film import drawn_film
from emotion_utils.widgets.live_curves import LiveCurves
from emotion_utils.widgets.looking_lab import LookingLab
from emotion_utils.widgets.network import NetworkView
from emotion_utils.widgets.scoreboard import Scoreboard

__all__ = [
    "Camera",
    "ConfidenceLab",
    "ConvolutionLab",
    "CropLab",
    "DescentLab",
    "FaceLab",
    "LiveCurves",
    "LookingLab",
    "NetworkView",
    "Scoreboard",
    "drawn_film",
]
