"""From a photograph to a prediction: find faces, cut them as the network knows them, predict, and say when not to."""

from emotion_utils.photos.boxes import Box, Face
from emotion_utils.photos.cropping import crop_face, frame_of
from emotion_utils.photos.drawing import draw_predictions
from emotion_utils.photos.finding import find_faces, finders
from emotion_utils.photos.prediction import Prediction, predict_photo
from emotion_utils.photos.reading import Photo, read_photo
from emotion_utils.photos.turning import estimate_yaw
from emotion_utils.photos.upright import estimate_tilt

__all__ = [
    "Box",
    "Face",
    "Photo",
    "Prediction",
    "crop_face",
    "draw_predictions",
    "estimate_tilt",
    "estimate_yaw",
    "find_faces",
    "finders",
    "frame_of",
    "predict_photo",
    "read_photo",
]
