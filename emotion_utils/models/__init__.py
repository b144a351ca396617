"""Networks you can read, what they cost and see, and trained weights."""

from emotion_utils.errors import ShapeError
from emotion_utils.models.base import FaceModel
from emotion_utils.models.export import export_onnx
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.inference import compute_logits
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.pretrained import load_pretrained, load_weights, save_weights
from emotion_utils.models.receptive import influence, receptive_field
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.views import FlipAverage

__all__ = [
    "MLP",
    "EmotionCNN",
    "FaceModel",
    "FaceNet",
    "FlipAverage",
    "LinearModel",
    "ShapeError",
    "compute_logits",
    "export_onnx",
    "influence",
    "load_pretrained",
    "load_weights",
    "receptive_field",
    "save_weights",
    "trace_shapes",
]
