"""Networks you can read, what they cost and see, and trained weights."""

from emotion_utils.errors import ShapeError
from emotion_utils.models.base import FaceModel
from emotion_utils.models.classes import match_classes, with_classes_of
from emotion_utils.models.deployment import quantise_onnx, write_runner
from emotion_utils.models.export import export_onnx
from emotion_utils.models.face_net import FaceNet
from emotion_utils.models.face_vgg import FaceVGG
from emotion_utils.models.facts import facts_of, set_facts
from emotion_utils.models.inference import compute_logits, predict_proba
from emotion_utils.models.networks import MLP, EmotionCNN, LinearModel
from emotion_utils.models.onnx_model import OnnxModel
from emotion_utils.models.pretrained import load_pretrained
from emotion_utils.models.priors import adjust_priors
from emotion_utils.models.receptive import influence, receptive_field
from emotion_utils.models.shapes import trace_shapes
from emotion_utils.models.views import FlipAverage
from emotion_utils.models.weight_files import load_weights, save_weights

__all__ = [
    "MLP",
    "EmotionCNN",
    "FaceModel",
    "FaceNet",
    "FaceVGG",
    "FlipAverage",
    "LinearModel",
    "OnnxModel",
    "ShapeError",
    "adjust_priors",
    "compute_logits",
    "export_onnx",
    "facts_of",
    "influence",
    "load_pretrained",
    "load_weights",
    "match_classes",
    "predict_proba",
    "quantise_onnx",
    "receptive_field",
    "save_weights",
    "set_facts",
    "trace_shapes",
    "with_classes_of",
    "write_runner",
]
